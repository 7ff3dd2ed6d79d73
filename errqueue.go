package jetstream

import (
	"sync"
	"time"
)

const (
	// errQueueCrowded is the length from which on an error that only repeats
	// the last one waiting is left out.
	errQueueCrowded = 64

	// errQueueLinger is how long the end of consuming is held back for an error
	// handler that is still running.
	errQueueLinger = 2 * time.Second
)

// errQueue hands errors to a handler one after the other, on a goroutine that
// exists only while there are any. Reporting never blocks, so a handler that
// does can hold up nothing but further errors.
type errQueue struct {
	handle func(error) // nil drops all errors

	mu  sync.Mutex
	run *errRun // while there are errors to handle
}

// errRun is what the goroutine of an errQueue works on.
type errRun struct {
	waiting []error
	onIdle  func() // called when none waits any more
}

// report queues an error.
func (q *errQueue) report(err error) {
	if q.handle == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.run == nil {
		q.run = new(errRun)
		go q.handleAll(q.run) // ends when none waits any more
	}
	run := q.run
	if n := len(run.waiting); n >= errQueueCrowded && run.waiting[n-1].Error() == err.Error() {
		return
	}
	run.waiting = append(run.waiting, err)
}

func (q *errQueue) handleAll(run *errRun) {
	for {
		q.mu.Lock()
		if len(run.waiting) == 0 {
			q.run = nil
			q.mu.Unlock()
			if run.onIdle != nil {
				run.onIdle()
			}
			return
		}
		err := run.waiting[0]
		run.waiting = run.waiting[1:]
		q.mu.Unlock()
		q.handle(err)
	}
}

// whenIdle calls f once all errors reported so far have been handled, or after
// a while if the handler does not return. f must tolerate a second call.
func (q *errQueue) whenIdle(f func()) {
	q.mu.Lock()
	if q.run != nil {
		timer := time.AfterFunc(errQueueLinger, f)
		q.run.onIdle = func() {
			timer.Stop()
			f()
		}
		q.mu.Unlock()
		return
	}
	q.mu.Unlock()
	f()
}
