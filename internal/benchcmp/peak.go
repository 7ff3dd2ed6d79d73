package main

import (
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// heapMetric is the memory of objects that are in use or not yet collected.
	heapMetric = "/memory/classes/heap/objects:bytes"

	// peakInterval is short enough for what lasts. Each look can cost a quarter of a
	// millisecond of CPU time.
	peakInterval = 50 * time.Millisecond
)

// peakMeter finds the most memory in use from startPeakMeter to stop.
type peakMeter struct {
	done   chan struct{}
	wg     sync.WaitGroup
	before uint64
	peak   uint64 // belongs to the goroutine until that has ended
}

// startPeakMeter begins to look at the memory in use, or with atEnd, looks at it
// once, in stop.
func startPeakMeter(atEnd bool) *peakMeter {
	p := &peakMeter{done: make(chan struct{}), before: heapInUse()}
	p.peak = p.before
	if atEnd {
		return p
	}
	// Ends with stop.
	p.wg.Go(func() {
		tick := time.NewTicker(peakInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.peak = max(p.peak, heapInUse())
			case <-p.done:
				return
			}
		}
	})
	return p
}

// stop returns by how many MiB memory has grown at most.
func (p *peakMeter) stop() float64 {
	close(p.done)
	p.wg.Wait()
	return float64(max(p.peak, heapInUse())-p.before) / (1 << 20)
}

func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: heapMetric}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
