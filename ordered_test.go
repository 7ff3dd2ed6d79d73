package jetstream_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func TestOrderedConsumerIsCreatedAsConfigured(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	start := time.Now().Add(-time.Hour).UTC()
	for _, tc := range []struct {
		name string
		cfg  jetstream.OrderedConsumerConfig
		want jetstream.ConsumerConfig
	}{
		{
			name: "defaults",
			cfg:  jetstream.OrderedConsumerConfig{NamePrefix: "a"},
			want: jetstream.ConsumerConfig{Name: "a_1", InactiveThreshold: 5 * time.Minute},
		},
		{
			name: "all that can be set",
			cfg: jetstream.OrderedConsumerConfig{
				NamePrefix: "b", FilterSubjects: []string{"s.1", "s.2"}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: 7,
				ReplayPolicy: jetstream.ReplayOriginalPolicy, InactiveThreshold: 10 * time.Second, HeadersOnly: true, Metadata: map[string]string{"k": "v"},
			},
			want: jetstream.ConsumerConfig{
				Name: "b_1", FilterSubjects: []string{"s.1", "s.2"}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: 7,
				InactiveThreshold: 10 * time.Second, HeadersOnly: true,
			},
		},
		{
			name: "start time, one filter",
			cfg: jetstream.OrderedConsumerConfig{
				NamePrefix: "c", DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &start, FilterSubjects: []string{"s.1"},
			},
			want: jetstream.ConsumerConfig{
				Name: "c_1", DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &start, FilterSubject: "s.1", InactiveThreshold: 5 * time.Minute,
			},
		},
		{
			name: "last per subject",
			cfg:  jetstream.OrderedConsumerConfig{NamePrefix: "d", DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy},
			want: jetstream.ConsumerConfig{
				Name: "d_1", DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubjects: []string{">"}, InactiveThreshold: 5 * time.Minute,
			},
		},
	} {
		cons := e.ordered(tc.cfg)
		info, err := cons.Info(e.ctx)
		ordOK(t, err)
		got := info.Config
		for k, v := range tc.cfg.Metadata {
			if got.Metadata[k] != v {
				t.Errorf("%s: metadata is %v", tc.name, got.Metadata)
			}
		}
		got.Metadata = nil
		want := tc.want
		// What they have in common, and what the server fills in.
		want.AckPolicy, want.MemoryStorage, want.Replicas = jetstream.AckNonePolicy, true, 1
		want.MaxDeliver, want.MaxWaiting = -1, 512
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tc.name, got, want)
		}
		if cached := cons.CachedInfo(); cached == nil || cached.Name != want.Name {
			t.Errorf("%s: cached info is %+v", tc.name, cached)
		}
	}
}

func TestOrderedConsumerOfAMissingStreamIsRefused(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	for name, want := range map[string]error{
		"nope":  jetstream.ErrStreamNotFound,
		"no.pe": jetstream.ErrInvalidStreamName,
		"":      jetstream.ErrStreamNameRequired,
	} {
		cons, err := e.js.OrderedConsumer(e.ctx, name, jetstream.OrderedConsumerConfig{})
		ordIs(t, err, want)
		if cons != nil {
			t.Errorf("with the error %v came a consumer, %T", err, cons)
		}
	}
}

func TestOrderedConsumeDeliversWhatTheFiltersLetThrough(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	for range 20 {
		e.publish("s.a", 1)
		e.publish("s.b", 1)
		e.publish("s.c", 1)
	}
	cons := e.ordered(jetstream.OrderedConsumerConfig{FilterSubjects: []string{"s.a", "s.c"}})
	sink := &ordSink{t: t}
	cc, err := cons.Consume(sink.handle, jetstream.PullMaxMessages(7), ordBeat())
	ordOK(t, err)
	sink.await(10)
	e.deleteCurrent(cons)
	sink.await(40)
	cc.Stop()
	ordClosed(t, cc)
	var want []uint64
	for seq := uint64(1); seq <= 60; seq++ {
		if seq%3 != 2 {
			want = append(want, seq)
		}
	}
	ordWant(t, sink.got(), want)
}

func TestOrderedMessagesDeliversAllAcrossResets(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 60)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	it, err := cons.Messages(jetstream.PullMaxMessages(10), ordBeat())
	ordOK(t, err)
	defer it.Stop()
	for seq := uint64(1); seq <= 60; seq++ {
		if seq%20 == 0 {
			e.deleteCurrent(cons)
		}
		msg, err := it.Next(jetstream.NextMaxWait(ordWait))
		ordOK(t, err)
		meta, err := msg.Metadata()
		ordOK(t, err)
		if meta.Sequence.Stream != seq {
			t.Fatalf("sequence %d, want %d", meta.Sequence.Stream, seq)
		}
	}
	it.Stop()
	_, err = it.Next()
	if err != jetstream.ErrMsgIteratorClosed {
		t.Fatalf("error is %v, want %v itself", err, jetstream.ErrMsgIteratorClosed)
	}
}

// The first message the client sees has consumer sequence 2: a gap.
// A38
func TestOrderedConsumerFillsAGapBeforeTheFirstMessage(t *testing.T) {
	t.Parallel()
	steal := func(e *ordEnv, cons jetstream.Consumer) string {
		name := cons.CachedInfo().Name
		other, err := e.stream.Consumer(e.ctx, name)
		ordOK(e.t, err)
		_, err = other.Next(jetstream.FetchMaxWait(ordWait))
		ordOK(e.t, err)
		return name
	}
	t.Run("Consume", func(t *testing.T) {
		t.Parallel()
		e := ordStart(t)
		e.publish("s.x", 30)
		cons := e.ordered(jetstream.OrderedConsumerConfig{})
		name := steal(e, cons)
		sink := &ordSink{t: t}
		cc, err := cons.Consume(sink.handle, jetstream.StopAfter(10))
		ordOK(t, err)
		ordClosed(t, cc)
		ordWant(t, sink.got(), ordRange(1, 10))
		if cons.CachedInfo().Name == name {
			t.Error("the consumer was not replaced")
		}
		e.onlyCurrent(cons)
	})
	t.Run("Messages", func(t *testing.T) {
		t.Parallel()
		e := ordStart(t)
		e.publish("s.x", 30)
		cons := e.ordered(jetstream.OrderedConsumerConfig{})
		steal(e, cons)
		it, err := cons.Messages(jetstream.StopAfter(10))
		ordOK(t, err)
		ordWant(t, ordDrain(t, it), ordRange(1, 10))
	})
	t.Run("Fetch", func(t *testing.T) {
		t.Parallel()
		e := ordStart(t)
		e.publish("s.x", 30)
		cons := e.ordered(jetstream.OrderedConsumerConfig{})
		steal(e, cons)
		batch, err := cons.Fetch(10, jetstream.FetchMaxWait(ordWait))
		ordOK(t, err)
		ordWant(t, ordBatch(t, batch), ordRange(1, 10))
	})
}

// A29
func TestOrderedStopAfterIsExactAcrossResets(t *testing.T) {
	t.Parallel()
	t.Run("Consume", func(t *testing.T) {
		t.Parallel()
		e := ordStart(t)
		cons := e.ordered(jetstream.OrderedConsumerConfig{})
		sink := &ordSink{t: t}
		cc, err := cons.Consume(sink.handle, jetstream.StopAfter(150), jetstream.PullMaxMessages(40), ordBeat())
		ordOK(t, err)
		for n := 50; n <= 150; n += 50 {
			e.publish("s.x", 50)
			sink.await(n)
			if n < 150 {
				e.deleteCurrent(cons)
			}
		}
		ordClosed(t, cc)
		e.publish("s.x", 50)
		ordWant(t, sink.got(), ordRange(1, 150))
		// Nothing more was asked for than was wanted. The server counts new
		// messages in a moment after it has acknowledged them.
		var info *jetstream.ConsumerInfo
		jstest.WaitFor(t, ordWait, "50 messages to be pending", func() bool {
			var err error
			info, err = cons.Info(e.ctx)
			return err == nil && info.NumPending == 50
		})
		if info.NumWaiting != 0 || info.NumAckPending != 0 {
			t.Errorf("waiting %d, unacknowledged %d, want none", info.NumWaiting, info.NumAckPending)
		}
	})
	t.Run("Messages", func(t *testing.T) {
		t.Parallel()
		e := ordStart(t)
		e.publish("s.x", 200)
		cons := e.ordered(jetstream.OrderedConsumerConfig{})
		it, err := cons.Messages(jetstream.StopAfter(150), jetstream.PullMaxMessages(40), ordBeat())
		ordOK(t, err)
		for range 100 {
			_, err := it.Next(jetstream.NextMaxWait(ordWait))
			ordOK(t, err)
		}
		e.deleteCurrent(cons)
		ordWant(t, ordDrain(t, it), ordRange(101, 150))
		// The consumer in use may be the first one, if all was buffered by then.
		jstest.WaitFor(t, ordWait, "all requests to be gone", func() bool {
			info, err := cons.Info(e.ctx)
			return errors.Is(err, jetstream.ErrConsumerNotFound) || (err == nil && info.NumWaiting == 0)
		})
	})
}

// B4, B28: the position is that of the creation.
func TestOrderedConsumerReplacedBeforeTheFirstMessageLosesNothing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		policy jetstream.DeliverPolicy
		want   []uint64
	}{
		// Four messages are there: s.a, s.b, s.c, s.d. Six come later.
		{jetstream.DeliverNewPolicy, ordRange(5, 10)},
		{jetstream.DeliverLastPolicy, ordRange(4, 10)},
		{jetstream.DeliverLastPerSubjectPolicy, ordRange(1, 10)},
		{jetstream.DeliverAllPolicy, ordRange(1, 10)},
	} {
		lose := func(t *testing.T) (*ordEnv, jetstream.Consumer) {
			e := ordStart(t)
			for _, subject := range []string{"s.a", "s.b", "s.c", "s.d"} {
				e.publish(subject, 1)
			}
			cons := e.ordered(jetstream.OrderedConsumerConfig{DeliverPolicy: tc.policy})
			e.deleteCurrent(cons)
			e.publish("s.a", 6)
			return e, cons
		}
		t.Run(tc.policy.String(), func(t *testing.T) {
			t.Parallel()
			t.Run("Consume", func(t *testing.T) {
				t.Parallel()
				_, cons := lose(t)
				sink := &ordSink{t: t}
				cc, err := cons.Consume(sink.handle, ordBeat())
				ordOK(t, err)
				sink.await(len(tc.want))
				cc.Stop()
				ordClosed(t, cc)
				ordWant(t, sink.got(), tc.want)
			})
			t.Run("Messages", func(t *testing.T) {
				t.Parallel()
				_, cons := lose(t)
				it, err := cons.Messages(jetstream.StopAfter(len(tc.want)), ordBeat())
				ordOK(t, err)
				ordWant(t, ordDrain(t, it), tc.want)
			})
			t.Run("Fetch", func(t *testing.T) {
				t.Parallel()
				_, cons := lose(t)
				batch, err := cons.Fetch(len(tc.want), jetstream.FetchMaxWait(ordWait))
				ordOK(t, err)
				ordWant(t, ordBatch(t, batch), tc.want)
			})
		})
	}
}

func TestOrderedConsumerHasOneUseAtATime(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 20)
	ignore := func(jetstream.Msg) {}
	calls := map[string]func(jetstream.Consumer) error{
		"Consume":     func(c jetstream.Consumer) error { _, err := c.Consume(ignore); return err },
		"Messages":    func(c jetstream.Consumer) error { _, err := c.Messages(); return err },
		"Fetch":       func(c jetstream.Consumer) error { _, err := c.Fetch(1); return err },
		"FetchBytes":  func(c jetstream.Consumer) error { _, err := c.FetchBytes(1000); return err },
		"FetchNoWait": func(c jetstream.Consumer) error { _, err := c.FetchNoWait(1); return err },
		"Next":        func(c jetstream.Consumer) error { _, err := c.Next(); return err },
	}
	refused := func(c jetstream.Consumer, consuming, fetching error) {
		t.Helper()
		for name, call := range calls {
			want := fetching
			if name == "Consume" || name == "Messages" {
				want = consuming
			}
			if err := call(c); !errors.Is(err, want) {
				t.Errorf("%s: error is %v, want %v", name, err, want)
			}
		}
	}

	consuming := e.ordered(jetstream.OrderedConsumerConfig{})
	cc, err := consuming.Consume(ignore)
	ordOK(t, err)
	refused(consuming, jetstream.ErrOrderedConsumerConcurrentRequests, jetstream.ErrOrderConsumerUsedAsConsume)
	cc.Stop()
	ordClosed(t, cc)
	if err := calls["Next"](consuming); !errors.Is(err, jetstream.ErrOrderConsumerUsedAsConsume) {
		t.Errorf("Next after Stop: error is %v", err)
	}

	fetching := e.ordered(jetstream.OrderedConsumerConfig{})
	batch, err := fetching.Fetch(30, jetstream.FetchMaxWait(3*time.Second))
	ordOK(t, err)
	refused(fetching, jetstream.ErrOrderConsumerUsedAsFetch, jetstream.ErrOrderedConsumerConcurrentRequests)
	ordWant(t, ordBatch(t, batch), ordRange(1, 20))
	if err := calls["Consume"](fetching); !errors.Is(err, jetstream.ErrOrderConsumerUsedAsFetch) {
		t.Errorf("Consume after a fetch: error is %v", err)
	}
}

// B63
func TestOrderedConsumerIsNotSpentByABadOption(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 5)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	name := cons.CachedInfo().Name
	_, err := cons.Consume(nil)
	ordIs(t, err, jetstream.ErrHandlerRequired)
	_, err = cons.Consume(func(jetstream.Msg) {}, jetstream.PullMaxMessages(-1))
	ordIs(t, err, jetstream.ErrInvalidOption)
	_, err = cons.Messages(jetstream.PullExpiry(time.Millisecond))
	ordIs(t, err, jetstream.ErrInvalidOption)
	_, err = cons.Messages(jetstream.PullPriorityGroup("A"))
	ordIs(t, err, jetstream.ErrInvalidOption)
	_, err = cons.Fetch(0)
	ordIs(t, err, nats.ErrInvalidArg)
	_, err = cons.Fetch(1, jetstream.FetchMaxWait(-1))
	ordIs(t, err, jetstream.ErrInvalidOption)
	_, err = cons.FetchBytes(-1)
	ordIs(t, err, nats.ErrInvalidArg)
	_, err = cons.FetchNoWait(-1)
	ordIs(t, err, nats.ErrInvalidArg)
	_, err = cons.Next(jetstream.FetchMaxBytes(5))
	ordIs(t, err, jetstream.ErrInvalidOption)
	it, err := cons.Messages(jetstream.StopAfter(5))
	ordOK(t, err)
	ordWant(t, ordDrain(t, it), ordRange(1, 5))
	if got := cons.CachedInfo().Name; got != name {
		t.Errorf("consumer %s was replaced by %s", name, got)
	}
}

// B63
func TestOrderedConsumerGoesOnWhereTheLastConsumeEnded(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 40)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	for i := range uint64(4) {
		sink := &ordSink{t: t}
		cc, err := cons.Consume(sink.handle, jetstream.StopAfter(10))
		ordOK(t, err)
		ordClosed(t, cc)
		ordWant(t, sink.got(), ordRange(10*i+1, 10*i+10))
	}
	e.onlyCurrent(cons)
}

func TestOrderedMessagesCanFollowOneThatHasEnded(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 20)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	for i := range uint64(2) {
		var it jetstream.MessagesContext
		jstest.WaitFor(t, ordWait, "the last iterator to end", func() bool {
			var err error
			it, err = cons.Messages(jetstream.StopAfter(10))
			return !errors.Is(err, jetstream.ErrOrderedConsumerConcurrentRequests)
		})
		ordWant(t, ordDrain(t, it), ordRange(10*i+1, 10*i+10))
	}
}

// B31, B32
func TestOrderedConsumeEndsWithItsStream(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 5)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	sink := &ordSink{t: t}
	cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(sink.onErr), ordBeat())
	ordOK(t, err)
	sink.await(5)
	ordOK(t, e.js.DeleteStream(e.ctx, "S"))
	ordClosed(t, cc)
	errs := sink.errors()
	if len(errs) == 0 || !errors.Is(errs[len(errs)-1], jetstream.ErrStreamNotFound) {
		t.Errorf("errors are %v, want the last one to be %v", errs, jetstream.ErrStreamNotFound)
	}
}

func TestOrderedMessagesEndsWithItsStream(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 1)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	it, err := cons.Messages(ordBeat())
	ordOK(t, err)
	_, err = it.Next(jetstream.NextMaxWait(ordWait))
	ordOK(t, err)
	ordOK(t, e.js.DeleteStream(e.ctx, "S"))
	_, err = it.Next(jetstream.NextMaxWait(ordWait))
	ordIs(t, err, jetstream.ErrStreamNotFound)
	_, err = it.Next()
	ordIs(t, err, jetstream.ErrMsgIteratorClosed)
}

// B31
func TestOrderedConsumeEndsFromWithinItsHandlers(t *testing.T) {
	t.Parallel()
	ends := map[string]func(jetstream.ConsumeContext){
		"Stop":  jetstream.ConsumeContext.Stop,
		"Drain": jetstream.ConsumeContext.Drain,
	}
	for name, end := range ends {
		t.Run(name+" in the message handler", func(t *testing.T) {
			t.Parallel()
			e := ordStart(t)
			e.publish("s.x", 20)
			cons := e.ordered(jetstream.OrderedConsumerConfig{})
			sink := &ordSink{t: t}
			ready, cc := make(chan struct{}), jetstream.ConsumeContext(nil)
			cc, err := cons.Consume(func(msg jetstream.Msg) {
				<-ready
				sink.handle(msg)
				if len(sink.got()) == 5 {
					end(cc)
				}
			})
			ordOK(t, err)
			close(ready)
			ordClosed(t, cc)
			got := sink.got()
			if name == "Stop" {
				ordWant(t, got, ordRange(1, 5))
			} else {
				ordWant(t, got, ordRange(1, uint64(len(got))))
			}
		})
		t.Run(name+" in the error handler", func(t *testing.T) {
			t.Parallel()
			e := ordStart(t)
			cons := e.ordered(jetstream.OrderedConsumerConfig{})
			given := make(chan jetstream.ConsumeContext, 1)
			sink := &ordSink{t: t}
			cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(func(cc jetstream.ConsumeContext, _ error) {
				end(cc)
				// None of these may wait for the other, or for the handler.
				_ = cons.CachedInfo()
				ctx, cancel := context.WithTimeout(context.Background(), ordWait)
				defer cancel()
				if _, err := cons.Info(ctx); errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Info in the error handler: %v", err)
				}
				select {
				case given <- cc:
				default:
				}
			}), ordBeat())
			ordOK(t, err)
			e.deleteCurrent(cons)
			ordClosed(t, cc)
			if <-given != cc {
				t.Error("the error handler was given another context")
			}
			// Nothing revives it.
			e.publish("s.x", 3)
			if got := sink.got(); len(got) != 0 {
				t.Errorf("handled %v after the end", got)
			}
		})
	}
}

// A blocked error handler holds up nothing.
func TestOrderedConsumeGoesOnWhileTheErrorHandlerBlocks(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	sink, release := &ordSink{t: t}, make(chan struct{})
	defer close(release)
	cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(func(jetstream.ConsumeContext, error) { <-release }), ordBeat())
	ordOK(t, err)
	for i := range 3 {
		name := e.deleteCurrent(cons)
		jstest.WaitFor(t, ordWait, "a new consumer", func() bool { return cons.CachedInfo().Name != name })
		e.publish("s.x", 5)
		sink.await(5 * (i + 1))
	}
	cc.Stop()
	ordClosed(t, cc)
	ordWant(t, sink.got(), ordRange(1, 15))
}

// A32, A33 and the overlap of handlers after a reconnect.
func TestOrderedHandlersDoNotOverlapAcrossResets(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	e := ordOn(t, jstest.ConnectURL(t, n.URL()), n.URL())
	e.publish("s.x", 60)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	sink := &ordSink{t: t}
	unlocked := 0 // guarded by nothing but the order of calls
	gate := make(chan struct{})
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		unlocked++
		<-gate
		sink.handle(msg)
	}, jetstream.PullMaxMessages(10), ordBeat())
	ordOK(t, err)
	for i := range 5 {
		for range 10 {
			gate <- struct{}{}
		}
		// The handler is in the middle of a message when all breaks.
		if i%2 == 0 {
			name := cons.CachedInfo().Name
			n.Proxy().Cut()
			jstest.WaitFor(t, ordWait, "a new consumer", func() bool { return cons.CachedInfo().Name != name })
			continue
		}
		e.deleteCurrent(cons)
		// Noticed when the handler gets to the status.
		gate <- struct{}{}
	}
	close(gate)
	sink.await(60)
	cc.Stop()
	ordClosed(t, cc)
	ordWant(t, sink.got(), ordRange(1, 60))
	if sink.overlap.Load() || unlocked != 60 {
		t.Errorf("handler calls overlapped, or %d were made", unlocked)
	}
	e.onlyCurrent(cons)
}
