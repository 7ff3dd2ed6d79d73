package jetstream_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// pubGoroutines returns how many goroutines run code of the package.
func pubGoroutines() int {
	buf := make([]byte, 1<<20)
	n := 0
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "example.com/jetstream.(") {
			n++
		}
	}
	return n
}

// A47
func TestPublishAsyncFailsPendingOnDisconnect(t *testing.T) {
	t.Parallel()
	s := jstest.StartNode(t)
	nc := jstest.ConnectURL(t, s.URL())
	type call struct {
		msg     *nats.Msg
		err     error
		pending int
		open    bool
	}
	var complete <-chan struct{}
	calls := make(chan call, 20)
	js := pubHandle(t, nc, jetstream.WithPublishAsyncMaxPending(10),
		jetstream.WithPublishAsyncErrHandler(func(js jetstream.JetStream, m *nats.Msg, err error) {
			calls <- call{m, err, js.PublishAsyncPending(), !pubIsClosed(complete)}
		}))
	msgs, other := pubSilent(t, nc)
	var futures []jetstream.PubAckFuture
	for range 10 {
		futures = append(futures, pubAsync(t, js, "foo"))
		<-msgs
	}
	complete = js.PublishAsyncComplete()
	stalled := make(chan error, 1)
	go func() {
		_, err := js.PublishAsync("foo", nil, jetstream.WithStallWait(pubDeadline))
		stalled <- err
	}()
	other.Close()
	s.Stop()
	for _, f := range futures {
		if err := pubErr(t, f); err != nats.ErrDisconnected {
			t.Fatal(err)
		}
	}
	for _, f := range futures {
		got := <-calls
		if got.msg != f.Msg() || got.err != nats.ErrDisconnected || got.pending > 1 || !got.open {
			t.Errorf("handler gets %+v", got)
		}
	}
	if err := <-stalled; err != nil {
		t.Errorf("stalled publish: %v", err)
	}

	// What was published after the connection was lost is sent later.
	pubUntil(t, "one pending", func() bool { return js.PublishAsyncPending() == 1 })
	f := pubAsync(t, js, "none", jetstream.WithRetryAttempts(0))
	s.Start()
	if err := pubErr(t, f); err != jetstream.ErrNoStreamResponse {
		t.Errorf("published while disconnected: %v", err)
	}
	pubComplete(t, complete)
}

func TestPublishAsyncResolvesAcrossServerRestart(t *testing.T) {
	t.Parallel()
	s := jstest.StartNode(t)
	nc := jstest.ConnectURL(t, s.URL())
	pubStream(t, nc)
	js := pubHandle(t, nc)
	var futures []jetstream.PubAckFuture
	for range 100 {
		// A server that stops has no streams any more for a while before it has no
		// connections.
		futures = append(futures, pubAsync(t, js, "foo", jetstream.WithRetryAttempts(1000)))
	}
	s.Stop()
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			if err != nats.ErrDisconnected {
				t.Fatal(err)
			}
		case <-time.After(pubDeadline):
			t.Fatal("future is not resolved")
		}
	}
	pubComplete(t, js.PublishAsyncComplete())
	for range 50 {
		pubAsync(t, js, "none", jetstream.WithRetryWait(time.Millisecond))
	}
	s.Start()
	pubComplete(t, js.PublishAsyncComplete())
	pubStream(t, nc)
	pubOk(t, pubAsync(t, js, "foo"))
}

// B37
func TestPublishAsyncFailsPendingOnClose(t *testing.T) {
	t.Parallel()
	handled := make(chan error, 10)
	js, nc := pubStart(t, jetstream.WithPublishAsyncMaxPending(5), jetstream.WithPublishAsyncErrHandler(
		func(_ jetstream.JetStream, _ *nats.Msg, err error) { handled <- err }))
	pubStream(t, nc, `"no_ack":true`)
	var futures []jetstream.PubAckFuture
	for range 5 {
		futures = append(futures, pubAsync(t, js, "foo"))
	}
	complete := js.PublishAsyncComplete()
	stalled := make(chan error, 12)
	for range 12 {
		go func() {
			_, err := js.PublishAsync("foo", nil, jetstream.WithStallWait(time.Hour))
			stalled <- err
		}()
	}
	nc.Close()
	for _, f := range futures {
		if err := pubErr(t, f); err != nats.ErrConnectionClosed {
			t.Fatal(err)
		}
		if err := <-handled; err != nats.ErrConnectionClosed {
			t.Fatal(err)
		}
	}
	for range 12 {
		if err := <-stalled; err != nats.ErrConnectionClosed {
			t.Fatal(err)
		}
	}
	pubComplete(t, complete)
	if _, err := js.PublishAsync("foo", nil); err != nats.ErrConnectionClosed {
		t.Errorf("after the end: %v", err)
	}
	if n := js.PublishAsyncPending(); n != 0 {
		t.Errorf("%d pending", n)
	}
	js.CleanupPublisher()
	_, err := js.PublishAsync("foo", nil)
	if !errors.Is(err, nats.ErrConnectionClosed) || err.Error() != "nats: error creating async reply handler: nats: connection closed" {
		t.Errorf("first publish after the end: %v", err)
	}
}

// B38
func TestPublishAsyncRetryThatCannotBeSentCompletes(t *testing.T) {
	t.Parallel()
	handled := make(chan error, 1)
	js, _ := pubStart(t, jetstream.WithPublishAsyncMaxPending(1),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { handled <- err }))
	payload := []byte("AAAA")
	f, err := js.PublishAsync("none", payload, jetstream.WithRetryWait(pubRetryWait))
	if err != nil {
		t.Fatal(err)
	}
	// What makes the retry fail; see TestPublishAsyncRetryNeverStoresReusedBuffer.
	payload[0] = 'B'
	complete := js.PublishAsyncComplete()
	pubAsync(t, js, "none", jetstream.WithRetryAttempts(0), jetstream.WithStallWait(pubDeadline))
	failure := pubErr(t, f)
	if failure == jetstream.ErrNoStreamResponse {
		t.Fatalf("future gets %v", failure)
	}
	// The second publish has the slot, and may fail, before the handler is told of
	// the first on another goroutine.
	got, want := [2]error{<-handled, <-handled}, [2]error{failure, jetstream.ErrNoStreamResponse}
	if got != want && got != [2]error{want[1], want[0]} {
		t.Errorf("the handler gets %v, want %v", got, want)
	}
	pubComplete(t, complete)
}

func TestCleanupPublisherFailsPendingAndReleasesSubscription(t *testing.T) {
	t.Parallel()
	var inHandler func()
	var handled atomic.Int32
	js, nc := pubStart(t, jetstream.WithPublishAsyncErrHandler(func(js jetstream.JetStream, m *nats.Msg, err error) {
		handled.Add(1)
		if err != jetstream.ErrJetStreamPublisherClosed || m == nil || js.PublishAsyncPending() != 0 {
			t.Errorf("handler gets %v with %d pending", err, js.PublishAsyncPending())
		}
		inHandler()
	}))
	pubStream(t, nc, `"no_ack":true`)
	js.CleanupPublisher()
	subs := nc.NumSubscriptions()
	for round := range 3 {
		var futures []jetstream.PubAckFuture
		for range 10 {
			futures = append(futures, pubAsync(t, js, "foo"))
		}
		if n := nc.NumSubscriptions(); n != subs+1 {
			t.Fatalf("%d subscriptions, had %d", n, subs)
		}
		complete := js.PublishAsyncComplete()
		inHandler = func() {
			if !pubIsClosed(complete) || !pubIsClosed(js.PublishAsyncComplete()) {
				t.Error("handler runs before completion")
			}
		}
		if pubIsClosed(complete) {
			t.Error("completed with 10 pending")
		}
		js.CleanupPublisher()
		if n := nc.NumSubscriptions(); n != subs {
			t.Errorf("%d subscriptions, had %d", n, subs)
		}
		if n := handled.Load(); n != int32(10*(round+1)) {
			t.Errorf("handler called %d times", n)
		}
		if !pubIsClosed(complete) || js.PublishAsyncPending() != 0 {
			t.Errorf("%d pending", js.PublishAsyncPending())
		}
		for _, f := range futures {
			if len(f.Ok()) != 0 {
				t.Error("acknowledged")
			}
			if err := pubErr(t, f); err != jetstream.ErrJetStreamPublisherClosed {
				t.Error(err)
			}
		}
		js.CleanupPublisher()
	}
}

func TestCleanupPublisherIgnoresLateAcks(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	msgs, _ := pubSilent(t, nc)
	old := pubAsync(t, js, "foo")
	first := <-msgs
	js.CleanupPublisher()
	f := pubAsync(t, js, "foo")
	second := <-msgs
	if a, b := first.Reply[:14], second.Reply[:14]; a == b {
		t.Errorf("reply prefix %q is used again", a)
	}
	pubAnswer(t, first)
	pubAnswer(t, second)
	pubOk(t, f)
	if err := pubErr(t, old); err != jetstream.ErrJetStreamPublisherClosed || len(old.Ok()) != 0 {
		t.Error(err)
	}
}

// B40
func TestCleanupPublisherWakesStalledCallers(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t, jetstream.WithPublishAsyncMaxPending(2))
	msgs, _ := pubSilent(t, nc)
	for range 2 {
		pubAsync(t, js, "foo")
		<-msgs
	}
	published := make(chan jetstream.PubAckFuture, 2)
	for range 2 {
		go func() {
			f, err := js.PublishAsync("foo", nil, jetstream.WithStallWait(time.Hour))
			if err != nil {
				t.Error(err)
			}
			published <- f
		}()
	}
	for range 2 {
		// Whether they stall already or only begin to makes no difference.
		js.CleanupPublisher()
	}
	// The first message need not be that of the first call that returns, so all
	// are answered before any future is looked at.
	var futures []jetstream.PubAckFuture
	for range 2 {
		select {
		case f := <-published:
			futures = append(futures, f)
		case <-time.After(pubDeadline):
			t.Fatal("still stalled")
		}
		select {
		case m := <-msgs:
			pubAnswer(t, m)
		case <-time.After(pubDeadline):
			t.Fatal("nothing sent")
		}
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			if err != jetstream.ErrJetStreamPublisherClosed {
				t.Error(err)
			}
		case <-time.After(pubDeadline):
			t.Fatal("future is not resolved")
		}
	}
}

func TestCleanupPublisherConcurrentWithPublishersResolvesEverything(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t, jetstream.WithPublishAsyncMaxPending(8))
	pubStream(t, nc)
	subs := nc.NumSubscriptions()
	ctx, cancel := context.WithCancel(t.Context())
	var cleaners, wg sync.WaitGroup
	for range 3 {
		cleaners.Go(func() {
			for ctx.Err() == nil {
				js.CleanupPublisher()
				runtime.Gosched()
			}
		})
	}
	for range 8 {
		wg.Go(func() {
			for range 100 {
				f, err := js.PublishAsync("foo", nil, jetstream.WithStallWait(pubDeadline))
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case <-f.Ok():
				case err := <-f.Err():
					if err != jetstream.ErrJetStreamPublisherClosed {
						t.Error(err)
						return
					}
				case <-time.After(pubDeadline):
					t.Error("future is not resolved")
					return
				}
			}
		})
	}
	wg.Wait()
	cancel()
	cleaners.Wait()
	js.CleanupPublisher()
	if n := nc.NumSubscriptions(); n != subs {
		t.Errorf("%d subscriptions, had %d", n, subs)
	}
}

// A49, B72
func TestPublisherLeavesNoGoroutines(t *testing.T) {
	// Not parallel: it counts.
	s := jstest.StartServer(t)
	nc := jstest.Connect(t, s)
	pubStream(t, nc, `"no_ack":true`)
	before := pubGoroutines()
	js := pubHandle(t, nc, jetstream.WithPublishAsyncTimeout(time.Hour))
	for range 200 {
		pubAsync(t, js, "foo")
		js.CleanupPublisher()
	}
	pubUntil(t, "the end of goroutines after clean-up", func() bool { return pubGoroutines() <= before })

	closed := jstest.Connect(t, s)
	var handled atomic.Int32
	for range 5 {
		js := pubHandle(t, closed, jetstream.WithPublishAsyncErrHandler(func(jetstream.JetStream, *nats.Msg, error) { handled.Add(1) }))
		pubAsync(t, js, "foo")
	}
	closed.Close()
	pubUntil(t, "the end of handlers and goroutines after closing", func() bool { return handled.Load() >= 5 && pubGoroutines() <= before })
	if n := handled.Load(); n != 5 {
		t.Errorf("handler called %d times", n)
	}
}

// B15
func TestPublishWhileDisconnectedCanBeRepeatedWithMsgID(t *testing.T) {
	t.Parallel()
	s := jstest.StartNode(t)
	nc := jstest.ConnectURL(t, s.URL())
	pubStream(t, nc, `"storage":"file"`)
	js := pubHandle(t, nc)
	s.Stop()
	pubUntil(t, "the disconnect", func() bool { return !nc.IsConnected() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := js.Publish(ctx, "foo", nil, jetstream.WithMsgID("1"))
	if err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	s.Start()
	pubUntil(t, "the reconnect", nc.IsConnected)
	again, cancel := context.WithTimeout(t.Context(), pubDeadline)
	defer cancel()
	if _, err := js.Publish(again, "foo", nil, jetstream.WithMsgID("1"), jetstream.WithRetryAttempts(200)); err != nil {
		t.Fatal(err)
	}
	if n := pubCount(t, nc); n != 1 {
		t.Errorf("%d stored", n)
	}
}
