package jetstream

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/jstest"
)

const hubDeadline = 15 * time.Second

// hubLog is a listener that keeps what it is told.
type hubLog struct {
	up bool // as returned by the registration

	mu     sync.Mutex
	events []connEvent
}

func (l *hubLog) connChanged(ev connEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, ev)
}

func (l *hubLog) got() []connEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// state returns what the listener believes.
func (l *hubLog) state() connEvent {
	events := l.got()
	switch {
	case len(events) > 0:
		return events[len(events)-1]
	case l.up:
		return connUp
	default:
		return connDown
	}
}

// wait waits for exactly the given events.
func (l *hubLog) wait(t *testing.T, want ...connEvent) {
	t.Helper()
	jstest.WaitFor(t, hubDeadline, "connection events", func() bool { return len(l.got()) >= len(want) })
	if got := l.got(); !slices.Equal(got, want) {
		t.Fatalf("events %v, want %v", got, want)
	}
}

// hubWatch registers a listener until the test ends.
func hubWatch(t *testing.T, nc *nats.Conn) *hubLog {
	t.Helper()
	l := new(hubLog)
	l.up = watchConn(nc, l)
	t.Cleanup(func() { unwatchConn(nc, l) })
	return l
}

// hubConnect returns a connection that is back soon after it was lost.
func hubConnect(t *testing.T, n *jstest.Node) *nats.Conn {
	t.Helper()
	return jstest.ConnectURL(t, n.URL(), nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0))
}

// hubCut breaks the connection and waits until it is established again.
func hubCut(t *testing.T, n *jstest.Node, nc *nats.Conn) {
	t.Helper()
	before := nc.Stats().Reconnects
	n.Proxy().Cut()
	jstest.WaitFor(t, hubDeadline, "the connection to be back", func() bool {
		return nc.Stats().Reconnects > before && nc.IsConnected()
	})
}

// hubGoroutines waits until n goroutines of hubs run. Tests that call it are not
// parallel, since those of other tests would be counted.
func hubGoroutines(t *testing.T, n int) {
	t.Helper()
	buf := make([]byte, 4<<20)
	jstest.WaitFor(t, hubDeadline, "the goroutines of hubs", func() bool {
		return strings.Count(string(buf[:runtime.Stack(buf, true)]), ".(*connHub).run(") == n
	})
}

func TestConnHubIsOnePerConnection(t *testing.T) {
	hubGoroutines(t, 0)
	n := jstest.StartNode(t)
	first, second := hubConnect(t, n), hubConnect(t, n)
	hub := func() *connHub { return findHub(first) }
	if hub() != nil {
		t.Fatal("a hub without listeners")
	}
	logs := []*hubLog{hubWatch(t, first)}
	one := hub()
	events := one.events
	for range 20 {
		logs = append(logs, hubWatch(t, first))
	}
	if hub() != one || one.events != events {
		t.Error("more listeners made another hub or status listener")
	}
	hubGoroutines(t, 1)
	logs = append(logs, hubWatch(t, second))
	if findHub(second) == one {
		t.Error("two connections share a hub")
	}
	hubGoroutines(t, 2)
	for i, l := range logs {
		if !l.up {
			t.Errorf("listener %d is told that the connection is down", i)
		}
	}
}

func TestConnHubLeavesNothingAfterTheLastListener(t *testing.T) {
	hubGoroutines(t, 0)
	n := jstest.StartNode(t)
	nc := hubConnect(t, n)
	for range 3 {
		a, b := new(hubLog), new(hubLog)
		a.up, b.up = watchConn(nc, a), watchConn(nc, b)
		hub := findHub(nc)
		unwatchConn(nc, a)
		hubGoroutines(t, 1)
		hubCut(t, n, nc)
		b.wait(t, connDown, connUp)
		unwatchConn(nc, b)
		if findHub(nc) != nil {
			t.Fatal("the hub is still known")
		}
		hubGoroutines(t, 0)
		if _, open := <-hub.events; open {
			t.Error("an event was left behind, or the status listener is still there")
		}
		hubCut(t, n, nc)
		a.wait(t)
		b.wait(t, connDown, connUp)
	}
	// Neither is known any more.
	unwatchConn(nc, new(hubLog))
	l := hubWatch(t, nc)
	unwatchConn(nc, new(hubLog))
	if findHub(nc) == nil {
		t.Error("a stranger's leave ended the hub")
	}
	nc.Close()
	l.wait(t, connClosed)
	unwatchConn(nc, l)
	unwatchConn(nc, l)
	hubGoroutines(t, 0)
}

func TestConnHubReportsServerRestartsAndCloseInOrder(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	nc := hubConnect(t, n)
	early := hubWatch(t, nc)
	n.Stop()
	early.wait(t, connDown)

	late := hubWatch(t, nc)
	if late.up {
		t.Error("a listener that comes while the connection is down is told otherwise")
	}
	n.Start()
	early.wait(t, connDown, connUp)
	late.wait(t, connUp)

	n.Kill()
	early.wait(t, connDown, connUp, connDown)
	n.Start()
	early.wait(t, connDown, connUp, connDown, connUp)
	nc.Close()
	early.wait(t, connDown, connUp, connDown, connUp, connClosed)
	late.wait(t, connUp, connDown, connUp, connClosed)
}

func TestConnHubReportsCloseWhileDown(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	nc := hubConnect(t, n)
	l := hubWatch(t, nc)
	n.Stop()
	l.wait(t, connDown)
	nc.Close()
	l.wait(t, connDown, connClosed)
}

func TestConnHubReportsTheEndOfReconnecting(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	nc := jstest.ConnectURL(t, n.URL(), nats.MaxReconnects(1), nats.ReconnectWait(time.Millisecond))
	l := hubWatch(t, nc)
	n.Stop()
	l.wait(t, connDown, connClosed)
}

func TestConnHubTakesADrainingConnectionForUp(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	nc := hubConnect(t, n)
	l := hubWatch(t, nc)
	// Keeps the drain from ending.
	entered, release := make(chan struct{}), make(chan struct{})
	_, err := nc.Subscribe("x", func(*nats.Msg) {
		close(entered)
		<-release
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Publish("x", nil); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := nc.Drain(); err != nil {
		t.Fatal(err)
	}
	late := hubWatch(t, nc)
	if !late.up {
		t.Error("a listener is told that a draining connection is down")
	}
	l.wait(t)
	close(release)
	l.wait(t, connClosed)
	late.wait(t, connClosed)
}

func TestConnHubTellsLateListenersOfAClosedConnection(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	nc := hubConnect(t, n)
	nc.Close()
	first := new(hubLog)
	if watchConn(nc, first) {
		t.Error("the first listener is told that a closed connection is up")
	}
	// Known when the registration returns.
	if got := first.got(); !slices.Equal(got, []connEvent{connClosed}) {
		t.Errorf("events of the first listener: %v", got)
	}
	next := hubWatch(t, nc)
	if next.up {
		t.Error("the next listener is told that a closed connection is up")
	}
	next.wait(t, connClosed)
	first.wait(t, connClosed)
	unwatchConn(nc, first)
	unwatchConn(nc, next)
	if findHub(nc) != nil {
		t.Error("the hub of a closed connection is left behind")
	}
}

func TestConnHubTellsListenersThatComeWhileItClosesOnce(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	for range 20 {
		nc := hubConnect(t, n)
		early := hubWatch(t, nc)
		var mu sync.Mutex
		var logs []*hubLog
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for done := false; !done; {
					l := new(hubLog)
					l.up = watchConn(nc, l)
					done = l.state() == connClosed
					mu.Lock()
					logs = append(logs, l)
					mu.Unlock()
				}
			})
		}
		nc.Close()
		wg.Wait()
		early.wait(t, connClosed)
		for _, l := range logs {
			l.wait(t, connClosed)
			unwatchConn(nc, l)
		}
	}
}

// hubBlocker holds up the hub's goroutine, so that core's channel overflows.
type hubBlocker struct{ entered, release chan struct{} }

func (b *hubBlocker) connChanged(connEvent) {
	select {
	case b.entered <- struct{}{}:
	default:
	}
	<-b.release
}

func TestConnHubMakesGoodForMissedEvents(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		last func(n *jstest.Node, nc *nats.Conn)
		want connEvent
	}{
		{"connected at last", func(*jstest.Node, *nats.Conn) {}, connUp},
		{"closed at last", func(_ *jstest.Node, nc *nats.Conn) { nc.Close() }, connClosed},
		{"down at last", func(n *jstest.Node, _ *nats.Conn) { n.Stop() }, connDown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			n := jstest.StartNode(t)
			nc := hubConnect(t, n)
			l := hubWatch(t, nc)
			b := &hubBlocker{entered: make(chan struct{}, 1), release: make(chan struct{})}
			watchConn(nc, b)
			defer unwatchConn(nc, b)
			hub := findHub(nc)
			hubCut(t, n, nc)
			<-b.entered
			for len(hub.events) < cap(hub.events) {
				hubCut(t, n, nc)
			}
			hubCut(t, n, nc) // all of its events are lost
			tc.last(n, nc)
			jstest.WaitFor(t, hubDeadline, "the connection's own state", func() bool {
				up, closed := connState(nc)
				return up == (tc.want == connUp) && closed == (tc.want == connClosed)
			})
			close(b.release)
			jstest.WaitFor(t, hubDeadline, tc.name, func() bool { return len(hub.events) == 0 && l.state() == tc.want })
			hubInOrder(t, l)
		})
	}
}

// hubInOrder checks that every event is a change.
func hubInOrder(t *testing.T, l *hubLog) {
	t.Helper()
	events := l.got()
	for i := 1; i < len(events); i++ {
		if events[i] == events[i-1] || events[i-1] == connClosed {
			t.Errorf("event %d of %v is no change", i, events)
		}
	}
}

func TestConnHubReconcile(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	nc := hubConnect(t, n)
	hubCut(t, n, nc)
	closed := hubConnect(t, n)
	closed.Close()
	reconnects := nc.Stats().Reconnects
	for _, tc := range []struct {
		name string
		hub  *connHub
		want []connEvent
	}{
		{"nothing missed", &connHub{nc: nc, up: true, reconnects: reconnects}, nil},
		{"missed that it is up", &connHub{nc: nc, reconnects: reconnects}, []connEvent{connUp}},
		{"missed that it was away", &connHub{nc: nc, up: true, reconnects: reconnects - 1}, []connEvent{connDown, connUp}},
		{"missed that it is back on another server", &connHub{nc: nc, reconnects: reconnects - 1}, []connEvent{connUp}},
		{"missed the end", &connHub{nc: closed, up: true}, []connEvent{connClosed}},
		{"missed the end while down", &connHub{nc: closed}, []connEvent{connClosed}},
		{"has seen the end", &connHub{nc: closed, closed: true}, nil},
	} {
		l := new(hubLog)
		tc.hub.listeners = map[connListener]struct{}{l: {}}
		for range 2 { // the second look finds nothing new
			tc.hub.reconcile()
		}
		if got := l.got(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: events %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestConnHubSurvivesARegistrationStorm(t *testing.T) {
	t.Parallel()
	for name, stay := range map[string]int{"hub that stays": 3, "hub that comes and goes": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := jstest.StartNode(t)
			nc := hubConnect(t, n)
			var lasting []*hubLog
			for range stay {
				lasting = append(lasting, hubWatch(t, nc))
			}
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { hubStorm(t, nc, stop) })
			}
			for range 20 {
				hubCut(t, n, nc)
			}
			close(stop)
			wg.Wait()
			last := hubWatch(t, nc)
			for _, l := range append(lasting, last) {
				jstest.WaitFor(t, hubDeadline, "listeners to know that the connection is up", func() bool { return l.state() == connUp })
				hubInOrder(t, l)
				unwatchConn(nc, l)
			}
			if findHub(nc) != nil {
				t.Error("the hub is left behind")
			}
		})
	}
}

// hubStorm registers listeners that leave again at once, until told to stop.
func hubStorm(t *testing.T, nc *nats.Conn, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		l := new(hubLog)
		l.up = watchConn(nc, l)
		runtime.Gosched()
		unwatchConn(nc, l)
		hubInOrder(t, l)
	}
}
