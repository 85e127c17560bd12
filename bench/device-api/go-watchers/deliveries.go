// Deliveries: how long each event took from the writer's send to each watcher, and whether every watcher got each one.
package main

import (
	"bytes"
	"sort"
	"strconv"
	"time"
)

var (
	modified = []byte("MODIFIED")
	marker   = []byte("sent=")
)

// The head of an encoded WatchGpusResponse: field 1, its length, the type.
const (
	typeStart = 2
	digits    = 19
)

// deliveries belongs to one connection and so needs no lock while it is read.
type deliveries struct {
	started time.Time
	ready   func()
	gpus    int
	added   map[uint32]int
	counts  map[uint32]int
	times   []time.Duration
}

func newDeliveries(gpus int, ready func()) *deliveries {
	return &deliveries{started: time.Now(), ready: ready, gpus: gpus, added: map[uint32]int{}, counts: map[uint32]int{}}
}

// receive counts the snapshot's events and times the later ones.
func (d *deliveries) receive(stream uint32, message []byte, arrival time.Time) {
	if len(message) < typeStart || !bytes.HasPrefix(message[typeStart:], modified) {
		d.added[stream]++
		if d.added[stream] == d.gpus {
			d.ready()
		}
		return
	}
	sent, ok := sendTime(message)
	if !ok || sent.Before(d.started) {
		return
	}
	d.counts[stream]++
	d.times = append(d.times, arrival.Sub(sent))
}

func sendTime(message []byte) (time.Time, bool) {
	start := bytes.Index(message, marker)
	if start < 0 || start+len(marker)+digits > len(message) {
		return time.Time{}, false
	}
	start += len(marker)
	nanos, err := strconv.ParseInt(string(message[start:start+digits]), 10, 64)
	return time.Unix(0, nanos), err == nil
}

// result is what one run says, in microseconds.
type result struct {
	Watchers   int     `json:"watchers"`
	Events     int     `json:"events"`
	Deliveries int     `json:"deliveries"`
	P50        float64 `json:"p50"`
	P99        float64 `json:"p99"`
	Max        float64 `json:"max"`
}

func summarise(all []*deliveries, watchers, events int) result {
	var times []time.Duration
	for _, d := range all {
		times = append(times, d.times...)
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	r := result{Watchers: watchers, Events: events, Deliveries: len(times)}
	if len(times) > 0 {
		r.P50, r.P99, r.Max = at(times, 0.5), at(times, 0.99), at(times, 1)
	}
	return r
}

func at(sorted []time.Duration, quantile float64) float64 {
	return float64(sorted[int(float64(len(sorted)-1)*quantile)].Nanoseconds()) / 1000
}
