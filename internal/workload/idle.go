package workload

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// idleTime is how long something is left alone, for each thing that is started.
const idleTime = 2 * time.Millisecond

// newGoroutine is a little less than what the runtime allocates for a goroutine
// that it cannot make of one that has ended.
const newGoroutine = 400

// footprint is what idle things hold on to.
type footprint struct {
	goroutines int
	bytes      uint64
}

func takeFootprint() footprint {
	// The second collection frees what finalizers held in the first.
	runtime.GC()
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return footprint{runtime.NumGoroutine(), mem.HeapAlloc + mem.StackInuse}
}

// Footprint returns how many goroutines and how many bytes of heap and stacks
// each of the things holds that the run has started, once it was done.
func (r *Run) Footprint() (goroutines, bytes float64) {
	now := takeFootprint()
	each := func(change int) float64 { return float64(change) / float64(r.n) }
	return each(now.goroutines - r.ownGoroutines - r.idle.goroutines), each(int(now.bytes) - int(r.idle.bytes))
}

// useUpGoroutines parks goroutines until the runtime has none that ended before
// and could be used again. They end with stop.
func useUpGoroutines() (stop func()) {
	const batch = 256
	end := make(chan struct{})
	var ended sync.WaitGroup
	for reused := true; reused; {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var started sync.WaitGroup
		started.Add(batch)
		for range batch {
			ended.Go(func() {
				started.Done()
				<-end
			})
		}
		started.Wait()
		runtime.ReadMemStats(&after)
		reused = after.TotalAlloc-before.TotalAlloc < batch*newGoroutine
	}
	return func() {
		close(end)
		ended.Wait()
	}
}

func openMany(ctx context.Context, r *Run) error {
	for range r.n {
		name, err := r.addConsumer(consumerConfig{AckPolicy: ackExplicit})
		if err != nil {
			return err
		}
		cons, err := r.client.consumer(ctx, r.stream, name)
		if err != nil {
			return err
		}
		r.many = append(r.many, cons)
	}
	return nil
}

// start starts n things, which are stopped when the run is closed, and leaves
// them alone for a while.
func (r *Run) start(one func(i int) (stop func() error, err error)) error {
	for i := range r.n {
		stop, err := one(i)
		if err != nil {
			return err
		}
		r.atEnd(stop)
		r.done++
	}
	time.Sleep(time.Duration(r.n) * idleTime)
	return nil
}

func idleConsume(_ context.Context, r *Run) error {
	return r.start(func(i int) (func() error, error) {
		stop, err := r.many[i].consume(func(message) { panic("a message in an empty stream") })
		return func() error { stop(); return nil }, err
	})
}

func idleMessages(_ context.Context, r *Run) error {
	return r.start(func(i int) (func() error, error) {
		it, err := r.many[i].messages(pullLimits{})
		if err != nil {
			return nil, err
		}
		ended := make(chan struct{})
		r.ownGoroutines++
		// Ends with the iterator.
		go func() {
			defer close(ended)
			_, _ = it.next()
		}()
		return func() error {
			it.stop()
			<-ended
			return nil
		}, nil
	})
}

func idleWatch(_ context.Context, r *Run) error {
	return r.start(func(int) (func() error, error) {
		return r.kv.watch(context.Background(), func(string, []byte) {})
	})
}
