// The watch hub: hands every change to every watcher through a channel of its own.
package main

import pb "gpubroker/deviceapi"

const watcherQueue = 100

// watcher receives events until its channel is closed, which means that it read too slowly.
type watcher chan *pb.WatchGpusResponse

// hub is guarded by the cache's lock, so that a watcher sees changes in the order of their versions.
type hub struct {
	watchers map[watcher]struct{}
}

func newHub() *hub {
	return &hub{watchers: make(map[watcher]struct{})}
}

func (h *hub) add() watcher {
	w := make(watcher, watcherQueue)
	h.watchers[w] = struct{}{}
	return w
}

func (h *hub) remove(w watcher) {
	delete(h.watchers, w)
}

func (h *hub) publish(event *pb.WatchGpusResponse) {
	for w := range h.watchers {
		select {
		case w <- event:
		default:
			delete(h.watchers, w)
			close(w)
		}
	}
}
