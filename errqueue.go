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

	mu      sync.Mutex
	waiting []error
	running bool
	onIdle  func()
}

// report queues an error.
func (q *errQueue) report(err error) {
	if q.handle == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.waiting); n >= errQueueCrowded && q.waiting[n-1].Error() == err.Error() {
		return
	}
	q.waiting = append(q.waiting, err)
	if !q.running {
		q.running = true
		go q.run() // ends when the queue is empty
	}
}

func (q *errQueue) run() {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.running = false
			onIdle := q.onIdle
			q.onIdle = nil
			q.mu.Unlock()
			if onIdle != nil {
				onIdle()
			}
			return
		}
		err := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		q.handle(err)
	}
}

// whenIdle calls f once all errors reported so far have been handled, or after
// a while if the handler does not return. f must tolerate a second call.
func (q *errQueue) whenIdle(f func()) {
	q.mu.Lock()
	if q.running {
		timer := time.AfterFunc(errQueueLinger, f)
		q.onIdle = func() {
			timer.Stop()
			f()
		}
		q.mu.Unlock()
		return
	}
	q.mu.Unlock()
	f()
}
