package hostile

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

const (
	floodMessage = 256 << 10
	// floodTotal is what is sent unasked, and floodKept what may stay of it: 256
	// MiB in the subscription, and what core and the sockets hold.
	floodTotal = 420 << 20
	floodKept  = 300 << 20
)

// floodWindow is small enough for the limits to be at their least.
const floodWindow = jetstream.PullMaxMessages(10)

// A server that sends on and on, whatever was requested, costs what the limits of
// the subscription say and no more, and does not go unnoticed.
func TestMessagesNobodyAskedForDoNotFillTheMemory(t *testing.T) {
	for _, tc := range []struct {
		name  string
		start func(t *testing.T, cons jetstream.Consumer) (ended func() error)
	}{
		{"Messages", func(t *testing.T, cons jetstream.Consumer) func() error {
			it, err := cons.Messages(floodWindow)
			ok(t, err)
			t.Cleanup(it.Stop)
			// The first one, to have it request any.
			_, err = it.Next(jetstream.NextMaxWait(grace))
			ok(t, err)
			return func() error {
				for {
					if _, err := it.Next(jetstream.NextMaxWait(grace)); err != nil {
						return err
					}
				}
			}
		}},
		{"Consume", func(t *testing.T, cons jetstream.Consumer) func() error {
			release := make(chan struct{})
			cc, err := cons.Consume(func(jetstream.Msg) { <-release }, floodWindow)
			ok(t, err)
			t.Cleanup(func() { cc.Stop(); close(release); <-cc.Closed() })
			return nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var noticed atomic.Bool
			var sent atomic.Int64
			model := newHonest()
			s := jstest.StartRawServer(t, func(c *jstest.RawConn, req jstest.RawMsg) {
				if !strings.HasPrefix(req.Subject, apiPrefix+"CONSUMER.MSG.NEXT.") {
					for _, a := range model.answers(req) {
						c.Deliver(req.Reply, a.msg)
					}
					return
				}
				msg := jstest.RawMsg{Subject: "s.x", Reply: ackReply("S", "C", 1, 0), Data: make([]byte, floodMessage)}
				for sent.Load() < floodTotal && c.Deliver(req.Reply, msg) {
					sent.Add(floodMessage)
				}
			})
			nc, err := nats.Connect(s.URL(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
				if errors.Is(err, nats.ErrSlowConsumer) {
					noticed.Store(true)
				}
			}))
			ok(t, err)
			t.Cleanup(nc.Close)
			js, err := jetstream.New(nc)
			ok(t, err)
			ctx, cancel := context.WithTimeout(context.Background(), grace)
			defer cancel()
			cons, err := js.Consumer(ctx, "S", "C")
			ok(t, err)
			before := heap()
			ended := tc.start(t, cons)
			jstest.WaitFor(t, 4*time.Minute, "the flood to be over", func() bool { return sent.Load() >= floodTotal })
			ok(t, nc.FlushTimeout(time.Minute))
			if grown := heap() - before; int64(grown) > floodKept {
				t.Errorf("%d bytes are kept of %d", grown, sent.Load())
			}
			if ended == nil {
				jstest.WaitFor(t, grace, "the error handler to hear of it", noticed.Load)
			} else if err := ended(); !errors.Is(err, nats.ErrSlowConsumer) {
				t.Errorf("the iterator ends with %v", err)
			}
		})
	}
}
