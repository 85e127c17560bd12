// Watchers of GpuService for the benchmark. It prints {"ready":true} once all watch, then one line with the result.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

type options struct {
	socket      string
	watchers    int
	connections int
	gpus        int
	name        string
	rate        int
	duration    time.Duration
	settle      time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.socket, "socket", "", "the server's Unix socket")
	flag.IntVar(&o.watchers, "watchers", 1000, "how many streams watch")
	flag.IntVar(&o.connections, "connections", 20, "over how many connections")
	flag.IntVar(&o.gpus, "gpus", 8, "how many GPUs the server has")
	flag.StringVar(&o.name, "name", "", "the GPU to update; empty: only watch until stdin ends")
	flag.IntVar(&o.rate, "rate", 20, "updates a second")
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "how long to update")
	flag.DurationVar(&o.settle, "settle", 2*time.Second, "how long to wait for the last deliveries")
	stalled := flag.Int("stalled", 0, "only open this many watchers that never read, until stdin ends")
	flag.Parse()
	// Few collections, so that the client's pauses do not show in the server's latency.
	debug.SetGCPercent(800)
	if err := run(o, *stalled); err != nil {
		log.Fatal(err)
	}
}

func run(o options, stalled int) error {
	if stalled > 0 {
		return holdStalled(o.socket, stalled)
	}
	g, err := startWatchers(o)
	if err != nil {
		return err
	}
	say(map[string]bool{"ready": true})
	if o.name == "" {
		return g.waitForStdin()
	}
	return g.measure(o)
}

func holdStalled(socket string, count int) error {
	connections, err := stall(socket, count)
	if err != nil {
		return err
	}
	say(map[string]bool{"ready": true})
	io.Copy(io.Discard, os.Stdin)
	for _, c := range connections {
		c.socket.Close()
	}
	return nil
}

// group is all watchers of a run, with one set of deliveries a connection.
type group struct {
	connections []*connection
	deliveries  []*deliveries
	ends        chan error
}

// startWatchers returns once every stream has received all GPUs.
func startWatchers(o options) (*group, error) {
	var pending sync.WaitGroup
	pending.Add(o.watchers)
	g := &group{ends: make(chan error, o.connections)}
	for i := 0; i < o.connections; i++ {
		if err := g.start(o, i, newDeliveries(o.gpus, pending.Done)); err != nil {
			return nil, err
		}
	}
	ready := make(chan struct{})
	go func() { pending.Wait(); close(ready) }()
	select {
	case <-ready:
		return g, nil
	case err := <-g.ends:
		return nil, err
	case <-time.After(30 * time.Second):
		return nil, fmt.Errorf("not every watcher received all %d GPUs within 30 s", o.gpus)
	}
}

// start opens one connection's share of the streams, numbered 1, 3, 5, … as HTTP/2 wants.
func (g *group) start(o options, index int, d *deliveries) error {
	c, err := connect(o.socket, wideWindow)
	if err != nil {
		return err
	}
	stream := uint32(1)
	for watcher := index; watcher < o.watchers; watcher += o.connections {
		if err := c.watch(stream); err != nil {
			return err
		}
		stream += 2
	}
	g.connections = append(g.connections, c)
	g.deliveries = append(g.deliveries, d)
	go func() { g.ends <- c.read(d.receive) }()
	return nil
}

func (g *group) waitForStdin() error {
	end := make(chan struct{})
	go func() { io.Copy(io.Discard, os.Stdin); close(end) }()
	select {
	case <-end:
		return nil
	case err := <-g.ends:
		return err
	}
}

func (g *group) measure(o options) error {
	w, err := newWriter(o.socket, o.name)
	if err != nil {
		return err
	}
	events := int(o.duration.Seconds() * float64(o.rate))
	if err := w.write(events, time.Second/time.Duration(o.rate)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	time.Sleep(o.settle)
	if err := g.close(); err != nil {
		return err
	}
	say(summarise(g.deliveries, o.watchers, events))
	return nil
}

// close ends every connection and waits for its reader; a stream that had ended before is an error.
func (g *group) close() error {
	select {
	case err := <-g.ends:
		return err
	default:
	}
	for _, c := range g.connections {
		c.socket.Close()
	}
	for range g.connections {
		<-g.ends
	}
	return nil
}

func say(value interface{}) {
	line, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}
