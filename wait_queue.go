package jetstream

import (
	"slices"
	"sync"
	"time"
)

// waiter is a caller who waits for a slot.
type waiter struct {
	// ready gets a value when a slot has been reserved for the caller.
	ready chan struct{}
	timer *time.Timer
}

// waiterPool holds waiters that are not in use. A publisher at its limit needs
// one for each message.
var waiterPool sync.Pool

func newWaiter(limit time.Duration) *waiter {
	if w, ok := waiterPool.Get().(*waiter); ok {
		w.timer.Reset(limit)
		return w
	}
	return &waiter{ready: make(chan struct{}, 1), timer: time.NewTimer(limit)}
}

// recycle makes w available again. It must not be in a queue, nor ready be full.
func (w *waiter) recycle() {
	w.timer.Stop()
	waiterPool.Put(w)
}

// waitQueue holds waiters in the order of arrival.
type waitQueue struct {
	queue []*waiter
	first int
}

func (q *waitQueue) push(w *waiter) {
	if q.first > 0 && len(q.queue) == cap(q.queue) {
		q.queue = slices.Delete(q.queue, 0, q.first)
		q.first = 0
	}
	q.queue = append(q.queue, w)
}

// pop takes out the waiter that came first, or returns nil.
func (q *waitQueue) pop() *waiter {
	if q.first == len(q.queue) {
		return nil
	}
	w := q.queue[q.first]
	q.queue[q.first] = nil
	q.first++
	if q.first == len(q.queue) {
		q.queue, q.first = q.queue[:0], 0
	}
	return w
}

// remove takes w out and reports whether it was in the queue.
func (q *waitQueue) remove(w *waiter) bool {
	i := slices.Index(q.queue[q.first:], w)
	if i < 0 {
		return false
	}
	i += q.first
	q.queue = slices.Delete(q.queue, i, i+1)
	return true
}
