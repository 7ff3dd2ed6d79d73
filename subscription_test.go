package jetstream

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/jstest"
)

const subDeadline = 15 * time.Second

func TestHeartbeatClockCountsFromTheLastSignOfLife(t *testing.T) {
	t.Parallel()
	// Looks are a quarter of a second apart at most, and a late one counts as half
	// a second.
	const second, quarter = time.Second, time.Second / 4
	type look struct {
		at      time.Duration
		active  bool
		overdue bool
	}
	silent := func(from, to time.Duration, last look) (looks []look) {
		for at := from; at <= to; at += quarter {
			looks = append(looks, look{at, false, false})
		}
		return append(looks, last)
	}
	for _, tc := range []struct {
		name  string
		looks []look
	}{
		{"silence from the start", append(silent(quarter, 2*second-quarter, look{2*second - 1, false, false}), look{2 * second, false, true})},
		{"looks at any time", silent(quarter, 2*second-quarter, look{2*second + quarter, false, true})},
		{"a late look", []look{{10 * second, false, false}, {10*second + quarter, false, false}}},
		{"a late look after silence", silent(quarter, second+quarter, look{10 * second, false, false})},
		{"life after a late look", append(silent(quarter, second+quarter, look{10 * second, false, false}), look{10*second + quarter, true, false}, look{10*second + 2*quarter, false, false})},
		{"silence after a late look", append(silent(quarter, second+quarter, look{10 * second, false, false}), look{10*second + quarter, false, true})},
		{"late looks only", []look{{2 * second, false, false}, {4 * second, false, false}, {6 * second, false, false}, {8 * second, false, true}}},
		{"starts over when overdue", append(silent(quarter, 2*second-quarter, look{2 * second, false, true}), silent(2*second+quarter, 4*second-quarter, look{4 * second, false, true})...)},
		{"activity", append([]look{{second, true, false}}, silent(second+quarter, 3*second-quarter, look{3 * second, false, true})...)},
		{"activity when it would be overdue", append(silent(quarter, 2*second-quarter, look{2 * second, true, false}), silent(2*second+quarter, 4*second-quarter, look{4 * second, false, true})...)},
		{"activity at each look", []look{{second, true, false}, {2 * second, true, false}, {20 * second, true, false}, {20*second + quarter, false, false}}},
	} {
		start := time.Now()
		clock := heartbeatClock{interval: second, lastLook: start}
		for i, l := range tc.looks {
			if got := clock.overdue(l.active, start.Add(l.at)); got != l.overdue {
				t.Errorf("%s: look %d after %v: overdue %v", tc.name, i+1, l.at, got)
			}
		}
	}
}

// subRun is a consumeRun with nothing but its subscription.
type subRun struct {
	consumeRun
	ends atomic.Int32

	mu       sync.Mutex
	reported []error
}

func (r *subRun) connChanged(ev connEvent) {
	if ev == connClosed {
		r.closed()
	}
}

func (r *subRun) errors() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reported)
}

// subNewRun returns a run over nc that is not subscribed yet.
func subNewRun(nc *nats.Conn) *subRun {
	r := new(subRun)
	r.core = &coreSubscription{conn: nc}
	r.listener = r
	r.onEnd = func() { r.ends.Add(1) }
	r.errs.handle = func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reported = append(r.reported, err)
	}
	return r
}

// subOpen makes a run that takes messages of a subject, on a server of its own.
func subOpen(t *testing.T, deliver nats.MsgHandler) (*subRun, *nats.Conn) {
	t.Helper()
	nc := jstest.Connect(t, jstest.StartServer(t))
	r := subNewRun(nc)
	r.core.watch(r, func(up bool) {
		if !up {
			t.Error("the connection is not up")
		}
	})
	if err := r.core.open("x", "", noPendingLimits, deliver, r.subscriptionClosed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r, nc
}

// subWait waits until a run has ended, and checks why and what it leaves.
func subWait(t *testing.T, r *subRun, cause error, reported ...error) {
	t.Helper()
	select {
	case <-r.Closed():
	case <-time.After(subDeadline):
		t.Fatal("does not end")
	}
	if got := r.cause(); got != cause {
		t.Errorf("ended because of %v, want %v", got, cause)
	}
	if got := r.errors(); !slices.Equal(got, reported) {
		t.Errorf("reported %v, want %v", got, reported)
	}
	if r.ends.Load() == 0 {
		t.Error("what belongs to the run is not told of its end")
	}
	if r.core.sub.IsValid() {
		t.Error("the subscription is still there")
	}
	if findHub(r.core.conn) != nil {
		t.Error("connection events are still watched")
	}
}

// subBlock returns a message handler that blocks until released.
func subBlock() (deliver nats.MsgHandler, entered, release chan struct{}) {
	entered, release = make(chan struct{}, 100), make(chan struct{})
	return func(*nats.Msg) {
		entered <- struct{}{}
		<-release
	}, entered, release
}

// subPublish publishes messages and waits until the subscription has them.
func subPublish(t *testing.T, nc *nats.Conn, n int) {
	t.Helper()
	for range n {
		if err := nc.Publish("x", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// subStillOpen checks that a run has not ended.
func subStillOpen(t *testing.T, r *subRun) {
	t.Helper()
	select {
	case <-r.Closed():
		t.Error("closed while a message is being handled")
	default:
	}
}

func TestConsumeRunStopEndsAfterTheHandlerThatRuns(t *testing.T) {
	t.Parallel()
	deliver, entered, release := subBlock()
	r, nc := subOpen(t, deliver)
	subPublish(t, nc, 3)
	<-entered
	r.Stop()
	r.Drain()
	subStillOpen(t, r)
	close(release)
	subWait(t, r, nil)
	if n := len(entered); n != 0 {
		t.Errorf("%d messages handled after Stop", n)
	}
}

func TestConsumeRunDrainHandlesWhatHasArrived(t *testing.T) {
	t.Parallel()
	deliver, entered, release := subBlock()
	r, nc := subOpen(t, deliver)
	subPublish(t, nc, 3)
	<-entered
	r.Drain()
	subStillOpen(t, r)
	close(release)
	subWait(t, r, nil)
	if n := len(entered); n != 2 {
		t.Errorf("%d messages handled after Drain, want 2", n)
	}
}

func TestConsumeRunFailReportsTheFirstCauseOnly(t *testing.T) {
	t.Parallel()
	r, _ := subOpen(t, func(*nats.Msg) {})
	r.fail(ErrConsumerDeleted)
	r.fail(ErrBadRequest)
	r.Stop()
	subWait(t, r, ErrConsumerDeleted, ErrConsumerDeleted)

	r, _ = subOpen(t, func(*nats.Msg) {})
	r.Stop()
	r.fail(ErrConsumerDeleted)
	subWait(t, r, nil)
}

func TestConsumeRunEndsOnceUnderConcurrentCalls(t *testing.T) {
	t.Parallel()
	r, nc := subOpen(t, func(*nats.Msg) {})
	subPublish(t, nc, 10)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(r.Stop)
		wg.Go(r.Drain)
		wg.Go(func() { r.fail(ErrConsumerDeleted) })
	}
	wg.Wait()
	<-r.Closed()
	reason := r.cause()
	if reason == nil {
		subWait(t, r, nil)
		return
	}
	subWait(t, r, ErrConsumerDeleted, ErrConsumerDeleted)
}

func TestConsumeRunReportsTheEndOfItsConnectionOnce(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(nc *nats.Conn) error{
		"closed":  func(nc *nats.Conn) error { nc.Close(); return nil },
		"drained": (*nats.Conn).Drain,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, nc := subOpen(t, func(*nats.Msg) {})
			if err := end(nc); err != nil {
				t.Fatal(err)
			}
			jstest.WaitFor(t, subDeadline, "the connection to close", nc.IsClosed)
			jstest.WaitFor(t, subDeadline, "the error", func() bool { return len(r.errors()) > 0 })
			r.Stop()
			r.closed()
			subWait(t, r, ErrConnectionClosed, ErrConnectionClosed)
		})
	}
}

func TestConsumeRunThatWasStoppedIgnoresTheEndOfItsConnection(t *testing.T) {
	t.Parallel()
	r, nc := subOpen(t, func(*nats.Msg) {})
	r.Stop()
	nc.Close()
	r.closed()
	subWait(t, r, nil)
}

func TestConsumeRunClosesAfterItsErrorIsHandled(t *testing.T) {
	t.Parallel()
	r, _ := subOpen(t, func(*nats.Msg) {})
	handled := make(chan struct{})
	r.errs.handle = func(error) { <-handled }
	r.fail(ErrConsumerDeleted)
	jstest.WaitFor(t, subDeadline, "the subscription to end", func() bool { return r.ends.Load() > 0 })
	subStillOpen(t, r)
	close(handled)
	subWait(t, r, ErrConsumerDeleted)
}

func TestConsumeRunAbandonedBeforeItSubscribed(t *testing.T) {
	t.Parallel()
	nc := jstest.Connect(t, jstest.StartServer(t))
	r := subNewRun(nc)
	r.core.watch(r, func(bool) {})
	r.core.startTimer(time.Hour, func() {})
	if err := r.core.open("", "", noPendingLimits, func(*nats.Msg) {}, r.subscriptionClosed); !errors.Is(err, nats.ErrBadSubject) {
		t.Fatalf("subscribed to nothing: %v", err)
	}
	r.abandon()
	if r.core.timer.Stop() {
		t.Error("the timer still runs")
	}
	if findHub(nc) != nil || len(r.errors()) != 0 {
		t.Errorf("something is left, or reported: %v", r.errors())
	}
}

func TestCoreSubscriptionStoppedBeforeItIsOpen(t *testing.T) {
	t.Parallel()
	nc := jstest.Connect(t, jstest.StartServer(t))
	r := subNewRun(nc)
	r.Stop()
	if err := r.core.open("x", "", noPendingLimits, func(*nats.Msg) { t.Error("a message after Stop") }, r.subscriptionClosed); err != nil {
		t.Fatal(err)
	}
	subPublish(t, nc, 1)
	subWait(t, r, nil)
}

func TestCoreSubscriptionOnAClosedConnection(t *testing.T) {
	t.Parallel()
	nc := jstest.Connect(t, jstest.StartServer(t))
	nc.Close()
	s := coreSubscription{conn: nc}
	if err := s.open("x", "", noPendingLimits, func(*nats.Msg) {}, func(string) {}); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Fatal(err)
	}
	s.leave(true)
	s.leave(false)
}

func TestCoreSubscriptionQuiesceEndsTimerAndBackground(t *testing.T) {
	t.Parallel()
	var s coreSubscription
	ticks := make(chan struct{}, 1)
	s.startTimer(0, func() { ticks <- struct{}{} })
	select {
	case <-ticks:
	case <-time.After(subDeadline):
		t.Fatal("the timer does not run")
	}
	s.startTimer(time.Hour, func() {})
	s.mu.Lock()
	ctx := s.background()
	if s.background() != ctx {
		t.Error("another context for the same subscription")
	}
	if ctx.Err() != nil {
		t.Error("work in the background ends too early")
	}
	first, second := s.quiesce(), s.quiesce()
	s.mu.Unlock()
	if !first || second {
		t.Errorf("quiesce reports %v, then %v", first, second)
	}
	if ctx.Err() == nil {
		t.Error("work in the background goes on")
	}
	if s.timer.Stop() {
		t.Error("the timer still runs")
	}
	before := s.timer
	if s.startTimer(0, func() {}); s.timer != before {
		t.Error("a timer was started after the end")
	}
	var late coreSubscription
	late.mu.Lock()
	defer late.mu.Unlock()
	late.quiesce()
	if late.background().Err() == nil {
		t.Error("work in the background begins after the end")
	}
}

func TestCoreSubscriptionPrefersAnEventToWhatTheRegistrationFound(t *testing.T) {
	t.Parallel()
	nc := jstest.Connect(t, jstest.StartServer(t))
	s := coreSubscription{conn: nc}
	l := new(hubLog)
	defer unwatchConn(nc, l)
	calls := 0
	s.watch(l, func(up bool) {
		calls++
		if !up {
			t.Error("told that the connection is down")
		}
		if s.mu.TryLock() {
			t.Error("called without the lock")
		}
	})
	s.mu.Lock()
	s.connSeen = true
	s.mu.Unlock()
	s.watch(l, func(bool) { calls++ })
	if calls != 1 {
		t.Errorf("initialized %d times", calls)
	}
}

// A status that was in the queue when consuming failed must not have the last word.
func TestRunReportsNothingBehindItsReason(t *testing.T) {
	t.Parallel()
	first, reason := errors.New("first"), errors.New("reason")
	r, _ := subOpen(t, func(*nats.Msg) {})
	r.report(first)
	r.fail(reason)
	r.report(errors.New("late"))
	subWait(t, r, reason, first, reason)

	r, _ = subOpen(t, func(*nats.Msg) {})
	r.Stop()
	r.report(errors.New("late"))
	subWait(t, r, nil)
}
