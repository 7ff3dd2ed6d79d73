package jetstream

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The tests run in bubbles, which have a clock of their own and fail when a
// goroutine is left at their end.

// errqGate is an error handler that blocks until it is let go on.
type errqGate struct {
	entered chan error
	release chan struct{}
}

func newErrqGate() *errqGate {
	return &errqGate{entered: make(chan error), release: make(chan struct{})}
}

func (g *errqGate) handle(err error) {
	g.entered <- err
	<-g.release
}

// enter waits until the handler is called, with an error that must be want.
func (g *errqGate) enter(t *testing.T, want error) {
	t.Helper()
	if got := <-g.entered; got != want {
		t.Fatalf("handled %v, want %v", got, want)
	}
}

// errqIdle reports how often f of whenIdle was called so far.
func errqIdle(q *errQueue) *atomic.Int32 {
	n := new(atomic.Int32)
	q.whenIdle(func() { n.Add(1) })
	return n
}

func TestErrQueueHandsOverInOrderOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const reporters, each = 4, 50
		var running atomic.Int32
		last := make(map[int]int)
		handled := 0
		q := errQueue{handle: func(err error) {
			if running.Add(1) != 1 {
				t.Error("two calls of the handler overlap")
			}
			time.Sleep(time.Millisecond)
			n, _ := strconv.Atoi(err.Error())
			if reporter, i := n/1000, n%1000; i != last[reporter] {
				t.Errorf("reporter %d: error %d, want %d", reporter, i, last[reporter])
			}
			last[n/1000]++
			handled++
			running.Add(-1)
		}}
		var wg sync.WaitGroup
		for reporter := range reporters {
			wg.Go(func() {
				for i := range each {
					q.report(errors.New(strconv.Itoa(reporter*1000 + i)))
					if i%10 == 0 {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		if handled != reporters*each {
			t.Errorf("%d errors handled, want %d", handled, reporters*each)
		}
	})
}

func TestErrQueueReportDoesNotWaitForTheHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 10 * errQueueCrowded
		gate := newErrqGate()
		q := errQueue{handle: gate.handle}
		start := time.Now()
		want := make([]error, n)
		for i := range want {
			want[i] = errors.New(strconv.Itoa(i))
			q.report(want[i])
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("reporting took %v", waited)
		}
		for i := range want {
			if got := <-gate.entered; got != want[i] {
				t.Fatalf("error %d is %v", i, got)
			}
			gate.release <- struct{}{}
		}
	})
}

// sliceError is an error whose values cannot be compared.
type sliceError []string

func (e sliceError) Error() string { return e[0] }

func TestErrQueueCrowdedLeavesOutRepeatsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := newErrqGate()
		q := errQueue{handle: gate.handle}
		first := errors.New("first")
		q.report(first)
		gate.enter(t, first)

		// The first ones all wait, repeats or not.
		var want []error
		for range errQueueCrowded {
			q.report(ErrNoHeartbeat)
			want = append(want, ErrNoHeartbeat)
		}
		// From here on a repeat of the last one is left out, and nothing else.
		for _, err := range []error{
			ErrNoHeartbeat, ErrNoHeartbeat, ErrServerShutdown, ErrServerShutdown, ErrNoHeartbeat, ErrServerShutdown,
			ErrConsumerDeleted, ErrConsumerDeleted,
		} {
			if err != want[len(want)-1] {
				want = append(want, err)
			}
			q.report(err)
		}
		// Errors made from what the server says are never the same; the text
		// tells. They need not be comparable either.
		twins := []error{sliceError{"same"}, sliceError{"same"}}
		for _, err := range twins {
			q.report(err)
		}
		want = append(want, twins[0])

		gate.release <- struct{}{}
		for i := range want {
			if got := <-gate.entered; got.Error() != want[i].Error() {
				t.Fatalf("error %d is %v, want %v", i, got, want[i])
			}
			gate.release <- struct{}{}
		}
		synctest.Wait()
		select {
		case err := <-gate.entered:
			t.Errorf("%v was not left out", err)
		default:
		}

		// An empty queue takes everything again.
		q.report(ErrConsumerDeleted)
		gate.enter(t, ErrConsumerDeleted)
		q.report(ErrConsumerDeleted)
		gate.release <- struct{}{}
		gate.enter(t, ErrConsumerDeleted)
		gate.release <- struct{}{}
	})
}

func TestErrQueueGoroutineEndsWhenEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var handled atomic.Int32
		q := errQueue{handle: func(error) { handled.Add(1) }}
		for round := range int32(3) {
			q.report(ErrNoHeartbeat)
			q.report(ErrNoHeartbeat)
			synctest.Wait()
			if got := handled.Load(); got != 2*(round+1) {
				t.Errorf("%d errors handled in %d rounds", got, round+1)
			}
			q.mu.Lock()
			running := q.run != nil
			q.mu.Unlock()
			if running {
				t.Error("a goroutine runs for an empty queue")
			}
		}
	})
}

func TestErrQueueWithoutHandlerDropsErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q errQueue
		q.report(ErrNoHeartbeat)
		if q.run != nil {
			t.Error("an error waits for nobody")
		}
		if errqIdle(&q).Load() != 1 {
			t.Error("not idle")
		}
	})
}

func TestErrQueueIsIdleOnceReportedErrorsAreHandled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := newErrqGate()
		q := errQueue{handle: gate.handle}
		if errqIdle(&q).Load() != 1 {
			t.Error("a queue that had no errors is not idle at once")
		}
		q.report(ErrNoHeartbeat)
		q.report(ErrServerShutdown)
		gate.enter(t, ErrNoHeartbeat)
		idle := errqIdle(&q)
		gate.release <- struct{}{}
		gate.enter(t, ErrServerShutdown)
		synctest.Wait()
		if idle.Load() != 0 {
			t.Error("idle before the last error is handled")
		}
		gate.release <- struct{}{}
		synctest.Wait()
		if idle.Load() != 1 {
			t.Error("not idle after the last error")
		}
		// The timer is gone too.
		time.Sleep(10 * errQueueLinger)
		synctest.Wait()
		if idle.Load() != 1 {
			t.Errorf("told %d times", idle.Load())
		}
		q.report(ErrNoHeartbeat)
		gate.enter(t, ErrNoHeartbeat)
		gate.release <- struct{}{}
		synctest.Wait()
		if idle.Load() != 1 {
			t.Error("told again after a later error")
		}
	})
}

func TestErrQueueLingersForABlockedHandlerOnlySoLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := newErrqGate()
		q := errQueue{handle: gate.handle}
		q.report(ErrNoHeartbeat)
		gate.enter(t, ErrNoHeartbeat)
		idle := errqIdle(&q)
		time.Sleep(errQueueLinger - time.Nanosecond)
		synctest.Wait()
		if idle.Load() != 0 {
			t.Error("did not wait for the handler")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if idle.Load() != 1 {
			t.Error("waits for a handler that does not return")
		}
		gate.release <- struct{}{}
	})
}
