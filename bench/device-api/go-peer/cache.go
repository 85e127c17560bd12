// The cache: a map of GPUs behind a read-write lock, with one version counter. What leaves it is a copy.
package main

import (
	"sort"
	"strconv"
	"sync"

	pb "gpubroker/deviceapi"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type cache struct {
	mu      sync.RWMutex
	gpus    map[string]*pb.Gpu
	version int64
	hub     *hub
}

func newCache() *cache {
	return &cache{gpus: make(map[string]*pb.Gpu), hub: newHub()}
}

func (c *cache) get(name string) (*pb.Gpu, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	gpu, ok := c.gpus[name]
	if !ok {
		return nil, notFound(name)
	}
	return clone(gpu), nil
}

func (c *cache) list() *pb.GpuList {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return &pb.GpuList{
		Metadata: &pb.ListMeta{ResourceVersion: strconv.FormatInt(c.version, 10)},
		Items:    c.items(),
	}
}

// watch subscribes and takes the snapshot in one step, so that no change falls between them.
func (c *cache) watch(snapshot bool) ([]*pb.Gpu, watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.hub.add()
	if !snapshot {
		return nil, w
	}
	return c.items(), w
}

func (c *cache) unwatch(w watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hub.remove(w)
}

func (c *cache) create(gpu *pb.Gpu) (*pb.Gpu, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if existing, ok := c.gpus[gpu.Metadata.Name]; ok {
		return clone(existing), false
	}
	return c.store("ADDED", clone(gpu)), true
}

// update applies a change to a copy of a GPU. A version above 0 must be the current one.
func (c *cache) update(name string, version int64, change func(*pb.Gpu)) (*pb.Gpu, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	current, ok := c.gpus[name]
	if !ok {
		return nil, notFound(name)
	}
	if version > 0 && version != current.ResourceVersion {
		return nil, status.Errorf(codes.Aborted, "GPU %q is at version %d, not %d", name, current.ResourceVersion, version)
	}
	gpu := clone(current)
	change(gpu)
	return c.store("MODIFIED", gpu), nil
}

func (c *cache) remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	gpu, ok := c.gpus[name]
	if !ok {
		return notFound(name)
	}
	delete(c.gpus, name)
	c.publish("DELETED", clone(gpu))
	return nil
}

func (c *cache) store(event string, gpu *pb.Gpu) *pb.Gpu {
	c.gpus[gpu.Metadata.Name] = gpu
	c.publish(event, gpu)
	return clone(gpu)
}

// publish gives the object its new version and tells the watchers, who share one copy.
func (c *cache) publish(event string, gpu *pb.Gpu) {
	c.version++
	gpu.ResourceVersion = c.version
	gpu.Metadata.ResourceVersion = strconv.FormatInt(c.version, 10)
	c.hub.publish(&pb.WatchGpusResponse{Type: event, Object: clone(gpu)})
}

func (c *cache) items() []*pb.Gpu {
	items := make([]*pb.Gpu, 0, len(c.gpus))
	for _, gpu := range c.gpus {
		items = append(items, clone(gpu))
	}
	sort.Slice(items, func(i, j int) bool { return items[i].Metadata.Name < items[j].Metadata.Name })
	return items
}

func clone(gpu *pb.Gpu) *pb.Gpu {
	return proto.Clone(gpu).(*pb.Gpu)
}

func notFound(name string) error {
	return status.Errorf(codes.NotFound, "no GPU named %q", name)
}
