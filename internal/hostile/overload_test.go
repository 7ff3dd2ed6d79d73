package hostile

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// 5000 cycles of each mode are what a release has to stand. CI makes do with
// fewer, for what leaks does so from the first one.
var cyclesFlag = flag.Int("overload.cycles", 200, "how often each way of consuming is started and stopped")

// load is a stream on a real server.
type load struct {
	nc *nats.Conn
	js jetstream.JetStream
}

func startLoad(t *testing.T) *load {
	t.Helper()
	nc := jstest.Connect(t, jstest.StartServer(t))
	js, err := jetstream.New(nc)
	ok(t, err)
	_, err = js.CreateStream(bounded(t), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Storage: jetstream.MemoryStorage})
	ok(t, err)
	return &load{nc, js}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (l *load) consumer(t *testing.T, name string) jetstream.Consumer {
	t.Helper()
	cons, err := l.js.CreateConsumer(bounded(t), "S", jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute})
	ok(t, err)
	return cons
}

func (l *load) publish(t *testing.T, n, size int) {
	t.Helper()
	payload := make([]byte, size)
	for range n {
		_, err := l.js.PublishAsync("s.x", payload, jetstream.WithStallWait(time.Minute))
		ok(t, err)
	}
	select {
	case <-l.js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		t.Fatal("publishing does not complete")
	}
}

// Handlers that are slower than the server delivers hold no more than a window,
// and miss nothing and nothing twice.
func TestSlowHandlersHoldNoMoreThanAWindow(t *testing.T) {
	for _, tc := range []struct {
		size, n  int
		opts     []jetstream.PullConsumeOpt
		inFlight int // messages with the client, at most
	}{
		// The window is of 500 messages.
		{size: 1 << 10, n: 3000, inFlight: 500},
		// 32 MiB at a time, and as much again when half of that is consumed.
		{size: 1<<20 - 1<<10, n: 100, inFlight: 64},
		{size: 1 << 10, n: 1000, opts: []jetstream.PullConsumeOpt{jetstream.PullMaxMessages(10)}, inFlight: 10},
		{size: 1 << 18, n: 60, opts: []jetstream.PullConsumeOpt{jetstream.PullMaxBytes(2 << 20)}, inFlight: 8},
	} {
		t.Run(fmt.Sprintf("%d of %d bytes", tc.n, tc.size), func(t *testing.T) {
			l := startLoad(t)
			l.publish(t, tc.n, tc.size)
			cons := l.consumer(t, "C")
			var handled, reported atomic.Int64
			var most atomic.Int64
			done := make(chan struct{})
			opts := append([]jetstream.PullConsumeOpt{jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
				reported.Add(1)
				t.Errorf("reported: %v", err)
			})}, tc.opts...)
			cc, err := cons.Consume(func(m jetstream.Msg) {
				n := handled.Add(1)
				if n%int64(max(tc.n/20, 1)) == 0 {
					// Slow enough for the server to have delivered what it may.
					time.Sleep(20 * time.Millisecond)
					info, err := cons.Info(bounded(t))
					if err != nil {
						t.Error(err)
					} else {
						// Delivered, and not consumed before this one.
						most.Store(max(most.Load(), int64(info.Delivered.Consumer)-n+1))
					}
				}
				if meta, err := m.Metadata(); err != nil || meta.Sequence.Stream != uint64(n) {
					t.Errorf("message %d is %+v, %v", n, meta, err)
				}
				if err := m.Ack(); err != nil {
					t.Error(err)
				}
				if n == int64(tc.n) {
					close(done)
				}
			}, opts...)
			ok(t, err)
			select {
			case <-done:
			case <-time.After(time.Minute):
				t.Errorf("%d of %d messages handled", handled.Load(), tc.n)
			}
			cc.Stop()
			<-cc.Closed()
			if most.Load() > int64(tc.inFlight) {
				t.Errorf("%d messages were with the client, the window allows %d", most.Load(), tc.inFlight)
			}
		})
	}
}

func TestManyConsumersShareAConnection(t *testing.T) {
	const consumers, each = 200, 20
	l := startLoad(t)
	for i := range each {
		_, err := l.js.Publish(bounded(t), "s.x", fmt.Appendf(nil, "%d", i))
		ok(t, err)
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	var handled sync.WaitGroup
	handled.Add(consumers * each)
	var running []jetstream.ConsumeContext
	for i := range consumers {
		cons := l.consumer(t, fmt.Sprintf("C%d", i))
		cc, err := cons.Consume(func(m jetstream.Msg) {
			if err := m.Ack(); err != nil {
				t.Error(err)
			}
			handled.Done()
		}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { t.Errorf("reported: %v", err) }))
		ok(t, err)
		running = append(running, cc)
	}
	all := make(chan struct{})
	go func() { handled.Wait(); close(all) }()
	select {
	case <-all:
	case <-time.After(2 * time.Minute):
		t.Fatal("not all is handled")
	}
	// Each costs a goroutine of core; the hub is one for all. The server counts
	// too, since it runs here: it has some for each consumer.
	if n := runtime.NumGoroutine() - goroutines; n > 6*consumers {
		t.Errorf("%d goroutines more", n)
	}
	if grown := int64(heap()) - int64(before); grown > consumers*128<<10 {
		t.Errorf("%d bytes more", grown)
	}
	for _, cc := range running {
		cc.Stop()
	}
	for _, cc := range running {
		<-cc.Closed()
	}
}

// cycles are the ways to consume, started and stopped once.
var cycles = map[string]func(t *testing.T, l *load, cons jetstream.Consumer){
	"Consume": func(t *testing.T, _ *load, cons jetstream.Consumer) {
		cc, err := cons.Consume(func(jetstream.Msg) {})
		ok(t, err)
		cc.Stop()
		<-cc.Closed()
	},
	"Drain": func(t *testing.T, _ *load, cons jetstream.Consumer) {
		cc, err := cons.Consume(func(jetstream.Msg) {})
		ok(t, err)
		cc.Drain()
		<-cc.Closed()
	},
	"Messages": func(t *testing.T, _ *load, cons jetstream.Consumer) {
		it, err := cons.Messages()
		ok(t, err)
		if _, err := it.Next(jetstream.NextMaxWait(time.Microsecond)); err != nil && !errors.Is(err, nats.ErrTimeout) {
			t.Error(err)
		}
		it.Stop()
	},
	"FetchNoWait": func(t *testing.T, _ *load, cons jetstream.Consumer) {
		batch, err := cons.FetchNoWait(1)
		ok(t, err)
		for range batch.Messages() {
			t.Error("a message")
		}
		ok(t, batch.Error())
	},
	"ordered Consume": func(t *testing.T, l *load, _ jetstream.Consumer) {
		cons, err := l.js.OrderedConsumer(bounded(t), "S", jetstream.OrderedConsumerConfig{})
		ok(t, err)
		cc, err := cons.Consume(func(jetstream.Msg) {})
		ok(t, err)
		cc.Stop()
		<-cc.Closed()
		// It stays for Info after Stop, and the server allows a thousand.
		ok(t, l.js.DeleteConsumer(bounded(t), "S", cons.CachedInfo().Name))
	},
	"push Consume": func(t *testing.T, l *load, _ jetstream.Consumer) {
		cons, err := l.js.PushConsumer(context.Background(), "S", "PUSH")
		ok(t, err)
		cc, err := cons.Consume(func(jetstream.Msg) {})
		ok(t, err)
		cc.Stop()
		<-cc.Closed()
	},
}

func TestStartsAndStopsLeaveNothingBehind(t *testing.T) {
	l := startLoad(t)
	_, err := l.js.CreatePushConsumer(bounded(t), "S", jetstream.ConsumerConfig{Durable: "PUSH", DeliverSubject: "push.here"})
	ok(t, err)
	for name, cycle := range cycles {
		t.Run(name, func(t *testing.T) {
			cons := l.consumer(t, "C")
			for range 10 {
				cycle(t, l, cons)
			}
			subs, goroutines, before := l.nc.NumSubscriptions(), runtime.NumGoroutine(), heap()
			for range *cyclesFlag {
				cycle(t, l, cons)
			}
			jstest.WaitFor(t, 30*time.Second, "subscriptions to be gone", func() bool { return l.nc.NumSubscriptions() <= subs })
			// The server has its own for consumers that come and go.
			jstest.WaitFor(t, 30*time.Second, "goroutines to be gone", func() bool { return runtime.NumGoroutine() <= goroutines+10 })
			// With the server here, which keeps what it deleted for a while.
			if grown := int64(heap()) - int64(before); grown > int64(8<<20+*cyclesFlag*8<<10) {
				t.Errorf("%d bytes are left of %d cycles", grown, *cyclesFlag)
			}
		})
	}
}

// Publishing at full speed to a server that takes nothing in holds as much as
// may be pending, then says so, and loses nothing it does not report.
func TestPublishingIntoAStalledServerIsBounded(t *testing.T) {
	const pending, size = 200, 64 << 10
	s := jstest.StartServer(t)
	proxy := jstest.StartProxy(t, s.Addr().String())
	nc := jstest.ConnectURL(t, proxy.URL(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	var failed atomic.Int64
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(pending), jetstream.WithPublishAsyncTimeout(3*time.Second),
		jetstream.WithPublishAsyncErrHandler(func(jetstream.JetStream, *nats.Msg, error) { failed.Add(1) }))
	ok(t, err)
	st, err := js.CreateStream(bounded(t), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Storage: jetstream.MemoryStorage})
	ok(t, err)
	proxy.BlackHole(jstest.ToClient, true)
	before := heap()
	var accepted, refused int
	var futures []jetstream.PubAckFuture
	for range 3 * pending {
		f, err := js.PublishAsync("s.x", make([]byte, size), jetstream.WithStallWait(2*time.Millisecond))
		switch {
		case err == nil:
			accepted++
			futures = append(futures, f)
		case errors.Is(err, jetstream.ErrTooManyStalledMsgs):
			refused++
		default:
			t.Fatal(err)
		}
		if n := js.PublishAsyncPending(); n > pending {
			t.Fatalf("%d are pending", n)
		}
	}
	if accepted+refused != 3*pending || accepted < pending || refused == 0 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
	// What is pending, what core and the link hold of it, and the same on the
	// server, which has stored what it could.
	if grown := int64(heap()) - int64(before); grown > 4*int64(accepted)*size {
		t.Errorf("%d bytes for %d messages of %d", grown, accepted, size)
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		t.Fatal("publishing does not complete")
	}
	for _, f := range futures {
		select {
		case err := <-f.Err():
			if err == nil {
				t.Error("failed without an error")
			}
		case <-f.Ok():
			t.Error("acknowledged through a hole")
		default:
			t.Error("neither acknowledged nor failed")
		}
	}
	if n := failed.Load(); n != int64(accepted) {
		t.Errorf("the error handler heard of %d of %d", n, accepted)
	}
	proxy.Heal()
	if _, err := st.Info(bounded(t)); err != nil {
		t.Error(err)
	}
}
