package jetstream_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
)

// A48, B39
func TestPublishAsyncTimeoutFreesSlotsOfLostAcks(t *testing.T) {
	t.Parallel()
	var timeouts, acks atomic.Int32
	js, nc := pubStart(t,
		jetstream.WithPublishAsyncMaxPending(100),
		// None must time out before all are published.
		jetstream.WithPublishAsyncTimeout(3*time.Second),
		jetstream.WithPublishAsyncAckHandler(func(jetstream.JetStream, *nats.Msg, *jetstream.PubAck) { acks.Add(1) }),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) {
			if err == jetstream.ErrAsyncPublishTimeout {
				timeouts.Add(1)
			}
		}))
	pubStream(t, nc, `"no_ack":true`)
	var futures []jetstream.PubAckFuture
	for range 100 {
		futures = append(futures, pubAsync(t, js, "foo", jetstream.WithStallWait(time.Nanosecond)))
	}
	if _, err := js.PublishAsync("foo", nil, jetstream.WithStallWait(50*time.Millisecond)); err != jetstream.ErrTooManyStalledMsgs {
		t.Fatal(err)
	}
	complete := js.PublishAsyncComplete()
	pubComplete(t, complete)
	for _, f := range futures {
		if err := pubErr(t, f); err != jetstream.ErrAsyncPublishTimeout {
			t.Fatal(err)
		}
	}
	if timeouts.Load() != 100 || acks.Load() != 0 {
		t.Errorf("handlers called for %d timeouts and %d acks", timeouts.Load(), acks.Load())
	}
	pubAsync(t, js, "foo")
	if n := js.PublishAsyncPending(); n != 1 {
		t.Errorf("%d pending", n)
	}
}

func TestPublishAsyncTimeoutIsCancelledByAck(t *testing.T) {
	t.Parallel()
	var handled atomic.Int32
	js, nc := pubStart(t, jetstream.WithPublishAsyncTimeout(2*time.Second),
		jetstream.WithPublishAsyncErrHandler(func(jetstream.JetStream, *nats.Msg, error) { handled.Add(1) }))
	msgs, _ := pubSilent(t, nc)
	var futures []jetstream.PubAckFuture
	lost := pubAsync(t, js, "foo")
	<-msgs
	for range 10 {
		f := pubAsync(t, js, "foo")
		m := <-msgs
		pubAnswer(t, m)
		pubAnswer(t, m)
		pubOk(t, f)
		futures = append(futures, f)
	}
	if err := pubErr(t, lost); err != jetstream.ErrAsyncPublishTimeout {
		t.Fatal(err)
	}
	// The next timeout comes after those of the ten would have.
	if err := pubErr(t, pubAsync(t, js, "foo")); err != jetstream.ErrAsyncPublishTimeout {
		t.Fatal(err)
	}
	for _, f := range futures {
		if len(f.Err()) != 0 || len(f.Ok()) != 0 {
			t.Error("a second outcome")
		}
	}
	pubComplete(t, js.PublishAsyncComplete())
	if n := handled.Load(); n != 2 {
		t.Errorf("handler called %d times", n)
	}
}

func TestPublishAsyncTimeoutStopsDuringRetryWait(t *testing.T) {
	t.Parallel()
	// The timeout is for the server to say that nobody responds.
	const timeout, wait = 1500 * time.Millisecond, 2 * time.Second
	js, _ := pubStart(t, jetstream.WithPublishAsyncTimeout(timeout))
	start := time.Now()
	f := pubAsync(t, js, "none", jetstream.WithRetryAttempts(2), jetstream.WithRetryWait(wait))
	if err := pubErr(t, f); err != jetstream.ErrNoStreamResponse {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 2*wait {
		t.Errorf("took %v", took)
	}
}

// B36
func TestPublishAsyncTimeoutHandlerMayUsePublisher(t *testing.T) {
	t.Parallel()
	got := make(chan error, 10)
	js, nc := pubStart(t, jetstream.WithPublishAsyncMaxPending(1), jetstream.WithPublishAsyncTimeout(50*time.Millisecond),
		jetstream.WithPublishAsyncErrHandler(func(js jetstream.JetStream, m *nats.Msg, err error) {
			if n := js.PublishAsyncPending(); n != 0 {
				t.Errorf("%d pending", n)
			}
			if string(m.Data) == "x" {
				if _, err := js.PublishAsync("foo", []byte("again")); err != nil {
					t.Errorf("publish again: %v", err)
				}
			}
			got <- err
		}))
	pubStream(t, nc, `"no_ack":true`)
	f := pubAsync(t, js, "foo")
	complete := js.PublishAsyncComplete()
	for range 2 {
		select {
		case err := <-got:
			if err != jetstream.ErrAsyncPublishTimeout {
				t.Error(err)
			}
		case <-time.After(pubDeadline):
			t.Fatal("no timeout")
		}
	}
	if err := pubErr(t, f); err != jetstream.ErrAsyncPublishTimeout {
		t.Error(err)
	}
	pubComplete(t, complete)
}
