package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// ordWait bounds what is expected to happen at all.
const ordWait = 20 * time.Second

// ordEnv is a stream S with subjects s.> on a server of its own.
type ordEnv struct {
	t      *testing.T
	ctx    context.Context
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	url    string
}

func ordStart(t *testing.T) *ordEnv {
	t.Helper()
	s := jstest.StartServer(t)
	return ordOn(t, jstest.Connect(t, s), s.ClientURL())
}

func ordOn(t *testing.T, nc *nats.Conn, url string) *ordEnv {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	js, err := jetstream.New(nc)
	ordOK(t, err)
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Storage: jetstream.MemoryStorage})
	ordOK(t, err)
	return &ordEnv{t: t, ctx: ctx, nc: nc, js: js, stream: stream, url: url}
}

func ordOK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func ordIs(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

// publish publishes n messages to a subject.
func (e *ordEnv) publish(subject string, n int) {
	e.t.Helper()
	for range n {
		_, err := e.js.Publish(e.ctx, subject, []byte("x"))
		ordOK(e.t, err)
	}
}

func (e *ordEnv) ordered(cfg jetstream.OrderedConsumerConfig) jetstream.Consumer {
	e.t.Helper()
	cons, err := e.stream.OrderedConsumer(e.ctx, cfg)
	ordOK(e.t, err)
	return cons
}

// deleteCurrent deletes the consumer of the server in use.
func (e *ordEnv) deleteCurrent(cons jetstream.Consumer) {
	e.t.Helper()
	ordOK(e.t, e.stream.DeleteConsumer(e.ctx, cons.CachedInfo().Name))
}

// consumers returns the names of all consumers of the server.
func (e *ordEnv) consumers() []string {
	e.t.Helper()
	lister := e.stream.ConsumerNames(e.ctx)
	var names []string
	for name := range lister.Name() {
		names = append(names, name)
	}
	ordOK(e.t, lister.Err())
	return names
}

// onlyCurrent waits until the server has no consumer but the current one.
func (e *ordEnv) onlyCurrent(cons jetstream.Consumer) {
	e.t.Helper()
	var names []string
	jstest.WaitFor(e.t, ordWait, "consumers that were replaced to be deleted", func() bool {
		names = slices.DeleteFunc(e.consumers(), func(name string) bool { return name == cons.CachedInfo().Name })
		return len(names) == 0
	})
}

// ordSink collects what a handler gets and what is reported.
type ordSink struct {
	t       *testing.T
	mu      sync.Mutex
	seqs    []uint64
	errs    []error
	inside  atomic.Int32
	overlap atomic.Bool
}

func (s *ordSink) handle(msg jetstream.Msg) {
	if s.inside.Add(1) > 1 {
		s.overlap.Store(true)
	}
	defer s.inside.Add(-1)
	meta, err := msg.Metadata()
	if err != nil {
		s.t.Errorf("metadata: %v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seqs = append(s.seqs, meta.Sequence.Stream)
}

func (s *ordSink) onErr(_ jetstream.ConsumeContext, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

func (s *ordSink) got() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seqs)
}

func (s *ordSink) errors() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.errs)
}

// await waits until n messages were handled.
func (s *ordSink) await(n int) {
	s.t.Helper()
	jstest.WaitFor(s.t, ordWait, fmt.Sprintf("%d messages to be handled", n), func() bool { return len(s.got()) >= n })
}

// ordRange returns the numbers from first to last.
func ordRange(first, last uint64) []uint64 {
	var seqs []uint64
	for seq := first; seq <= last; seq++ {
		seqs = append(seqs, seq)
	}
	return seqs
}

func ordWant(t testing.TB, got, want []uint64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("sequences are %v, want %v", got, want)
	}
}

func ordClosed(t testing.TB, cc jetstream.ConsumeContext) {
	t.Helper()
	select {
	case <-cc.Closed():
	case <-time.After(ordWait):
		t.Fatal("Closed is still open")
	}
}

// ordBeat makes silence of the server be noticed within a second and a half. A
// request that meets the deletion of its consumer gets no answer from the server.
func ordBeat() jetstream.PullHeartbeat { return jetstream.PullHeartbeat(500 * time.Millisecond) }

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
	_, err := e.js.OrderedConsumer(e.ctx, "nope", jetstream.OrderedConsumerConfig{})
	ordIs(t, err, jetstream.ErrStreamNotFound)
	_, err = e.js.OrderedConsumer(e.ctx, "no.pe", jetstream.OrderedConsumerConfig{})
	ordIs(t, err, jetstream.ErrInvalidStreamName)
	_, err = e.js.OrderedConsumer(e.ctx, "", jetstream.OrderedConsumerConfig{})
	ordIs(t, err, jetstream.ErrStreamNameRequired)
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

// ordDrain takes messages out of an iterator until it says that it is closed.
func ordDrain(t testing.TB, it jetstream.MessagesContext) []uint64 {
	t.Helper()
	var seqs []uint64
	for {
		msg, err := it.Next(jetstream.NextMaxWait(ordWait))
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return seqs
		}
		ordOK(t, err)
		meta, err := msg.Metadata()
		ordOK(t, err)
		seqs = append(seqs, meta.Sequence.Stream)
	}
}

// ordBatch reads a batch to its end, which must come without error.
func ordBatch(t testing.TB, batch jetstream.MessageBatch) []uint64 {
	t.Helper()
	var seqs []uint64
	for msg := range batch.Messages() {
		meta, err := msg.Metadata()
		ordOK(t, err)
		seqs = append(seqs, meta.Sequence.Stream)
	}
	ordOK(t, batch.Error())
	return seqs
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
	batch, err := fetching.Fetch(30, jetstream.FetchMaxWait(2*time.Second))
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

// ordFake is an ordered consumer on a fake API that lets the first consumer be
// created, after which the test decides.
func ordFake(t *testing.T, cfg jetstream.OrderedConsumerConfig) (*jstest.FakeAPI, jetstream.Consumer) {
	t.Helper()
	s := jstest.StartServer(t)
	fake := jstest.StartFakeAPI(t, jstest.Connect(t, s), "FAKE")
	js, err := jetstream.NewWithAPIPrefix(jstest.Connect(t, s), "FAKE")
	ordOK(t, err)
	cons, err := js.OrderedConsumer(context.Background(), "S", cfg)
	ordOK(t, err)
	return fake, cons
}

const (
	ordCreate  = "CONSUMER.CREATE.>"
	ordDeleted = "Consumer Deleted"
)

// B33
func TestOrderedMaxResetAttemptsIsFinal(t *testing.T) {
	t.Parallel()
	unavailable := jstest.Error(503, 10008, "system temporarily unavailable")
	t.Run("Consume", func(t *testing.T) {
		t.Parallel()
		fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{MaxResetAttempts: 2})
		fake.On(ordCreate, unavailable)
		fake.OnPull(jstest.Status(409, ordDeleted))
		sink := &ordSink{t: t}
		cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(sink.onErr))
		ordOK(t, err)
		ordClosed(t, cc)
		errs := sink.errors()
		if len(errs) != 2 || !errors.Is(errs[0], jetstream.ErrConsumerDeleted) {
			t.Fatalf("errors are %v", errs)
		}
		var api *jetstream.APIError
		if !errors.As(errs[1], &api) || api.ErrorCode != 10008 {
			t.Errorf("last error is %v, want that of the creation", errs[1])
		}
		if n := len(fake.Seen(ordCreate)); n != 3 {
			t.Errorf("%d creations were tried, want the first and 2", n)
		}
		if n := len(fake.Pulls()); n != 1 {
			t.Errorf("%d pull requests, want 1", n)
		}
	})
	t.Run("Messages", func(t *testing.T) {
		t.Parallel()
		fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{MaxResetAttempts: 2})
		fake.On(ordCreate, unavailable)
		fake.OnPull(jstest.Status(409, ordDeleted))
		it, err := cons.Messages()
		ordOK(t, err)
		_, err = it.Next(jetstream.NextMaxWait(ordWait))
		var api *jetstream.APIError
		if !errors.As(err, &api) || api.ErrorCode != 10008 {
			t.Errorf("error is %v, want that of the creation", err)
		}
		_, err = it.Next()
		ordIs(t, err, jetstream.ErrMsgIteratorClosed)
	})
	t.Run("one that succeeds starts the count over", func(t *testing.T) {
		t.Parallel()
		e := ordStart(t)
		e.publish("s.x", 30)
		cons := e.ordered(jetstream.OrderedConsumerConfig{MaxResetAttempts: 1})
		sink := &ordSink{t: t}
		cc, err := cons.Consume(sink.handle, jetstream.PullMaxMessages(2), ordBeat())
		ordOK(t, err)
		for range 3 {
			name := cons.CachedInfo().Name
			// It may have been replaced on account of the last deletion only now.
			if err := e.stream.DeleteConsumer(e.ctx, name); err != nil {
				ordIs(t, err, jetstream.ErrConsumerNotFound)
			}
			jstest.WaitFor(t, ordWait, "a new consumer", func() bool { return cons.CachedInfo().Name != name })
		}
		sink.await(30)
		cc.Stop()
		ordClosed(t, cc)
		ordWant(t, sink.got(), ordRange(1, 30))
	})
}

// A31
func TestOrderedConsumerSurvivesFailedReplacements(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	e := ordOn(t, jstest.Connect(t, s), s.ClientURL())
	e.publish("s.x", 20)
	fake := jstest.StartFakeAPI(t, jstest.Connect(t, s), "FAKE")
	fake.On(">", jstest.Forward)
	js, err := jetstream.NewWithAPIPrefix(jstest.Connect(t, s), "FAKE")
	ordOK(t, err)
	cons, err := js.OrderedConsumer(e.ctx, "S", jetstream.OrderedConsumerConfig{})
	ordOK(t, err)
	e.deleteCurrent(cons)
	fake.On(ordCreate, jstest.InTurn(
		jstest.Status(503, ""),
		jstest.Error(503, 10008, "system temporarily unavailable"),
		jstest.Forward,
	))
	it, err := cons.Messages(jetstream.StopAfter(20), ordBeat())
	ordOK(t, err)
	ordWant(t, ordDrain(t, it), ordRange(1, 20))
}

// Every replacement works, and comes to nothing at once.
func TestOrderedConsumerSlowsDownWhenReplacementsComeToNothing(t *testing.T) {
	t.Parallel()
	fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{})
	fake.OnPull(jstest.Status(409, ordDeleted))
	cc, err := cons.Consume(func(jetstream.Msg) {})
	ordOK(t, err)
	jstest.WaitFor(t, ordWait, "consumers to be made", func() bool { return len(fake.Seen(ordCreate)) >= 7 })
	cc.Stop()
	ordClosed(t, cc)
	creations := fake.Seen(ordCreate)
	// After a few that are free the pauses double: 0.4, 0.8 and 1.6 seconds.
	if took := creations[6].At.Sub(creations[0].At); took < 2*time.Second {
		t.Errorf("7 consumers within %v", took)
	}
	if n := len(fake.Pulls()); n > len(creations) {
		t.Errorf("%d pull requests for %d consumers", n, len(creations))
	}
}

// ordStuck is an ordered consumer whose replacement never comes about.
func ordStuck(t *testing.T) (*jstest.FakeAPI, jetstream.Consumer) {
	t.Helper()
	fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{})
	fake.On(ordCreate, jstest.Ignore)
	fake.OnPull(jstest.Status(409, ordDeleted))
	return fake, cons
}

// B32, A39, A37
func TestOrderedConsumeEndsPromptlyDuringAReset(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(jetstream.ConsumeContext){
		"Stop":  jetstream.ConsumeContext.Stop,
		"Drain": jetstream.ConsumeContext.Drain,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, cons := ordStuck(t)
			cc, err := cons.Consume(func(jetstream.Msg) {})
			ordOK(t, err)
			jstest.WaitFor(t, ordWait, "the reset to begin", func() bool { return len(fake.Seen(ordCreate)) == 2 })

			// The cached info does not wait, a request waits as long as it may.
			if cons.CachedInfo() == nil {
				t.Error("no cached info")
			}
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			_, err = cons.Info(ctx)
			ordIs(t, err, context.DeadlineExceeded)

			begun := time.Now()
			end(cc)
			end(cc)
			ordClosed(t, cc)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("took %v, which is as long as the attempt", took)
			}
			// The consumer may have been made without our knowing.
			jstest.WaitFor(t, ordWait, "the attempt to be undone", func() bool {
				return len(fake.Seen("CONSUMER.DELETE.*.*")) == 2
			})
			created, deleted := fake.Seen(ordCreate)[1].Subject, fake.Seen("CONSUMER.DELETE.*.*")[1].Subject
			if ordLastToken(created) != ordLastToken(deleted) {
				t.Errorf("created %s, deleted %s", created, deleted)
			}
		})
	}
}

func ordLastToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// B32
func TestOrderedNextHonorsItsLimitsDuringAReset(t *testing.T) {
	t.Parallel()
	fake, cons := ordStuck(t)
	it, err := cons.Messages()
	ordOK(t, err)
	begun := time.Now()
	_, err = it.Next(jetstream.NextMaxWait(300 * time.Millisecond))
	ordIs(t, err, nats.ErrTimeout)
	jstest.WaitFor(t, ordWait, "the reset to begin", func() bool { return len(fake.Seen(ordCreate)) == 2 })
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err = it.Next(jetstream.NextContext(ctx))
	ordIs(t, err, context.DeadlineExceeded)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("limits of 300 ms took %v", took)
	}
	// One that has no limit ends with the iterator.
	result := make(chan error, 1)
	go func() {
		_, err := it.Next()
		result <- err
	}()
	it.Stop()
	select {
	case err := <-result:
		ordIs(t, err, jetstream.ErrMsgIteratorClosed)
	case <-time.After(ordWait):
		t.Fatal("Next did not return after Stop")
	}
}

func TestOrderedInfoWaitsForTheNewConsumer(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := e.ordered(jetstream.OrderedConsumerConfig{NamePrefix: "p"})
	cc, err := cons.Consume(func(jetstream.Msg) {}, ordBeat())
	ordOK(t, err)
	jstest.WaitFor(t, ordWait, "the first request", func() bool {
		info, err := cons.Info(e.ctx)
		return err == nil && info.NumWaiting == 1
	})
	e.deleteCurrent(cons)
	jstest.WaitFor(t, ordWait, "the next consumer", func() bool {
		info, err := cons.Info(e.ctx)
		// What can be seen has been asked for messages.
		return err == nil && info.Name == "p_2" && info.NumWaiting == 1
	})
	if got := cons.CachedInfo().Name; got != "p_2" {
		t.Errorf("cached name is %s", got)
	}
	cc.Stop()
	ordClosed(t, cc)
	// Stop leaves the consumer to the server.
	info, err := cons.Info(e.ctx)
	ordOK(t, err)
	if info.Name != "p_2" {
		t.Errorf("name after Stop is %s", info.Name)
	}
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
		name := cons.CachedInfo().Name
		ordOK(t, e.stream.DeleteConsumer(e.ctx, name))
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
		name := cons.CachedInfo().Name
		if i%2 == 0 {
			n.Proxy().Cut()
		} else {
			ordOK(t, e.stream.DeleteConsumer(e.ctx, name))
			// Noticed when the handler gets to the status.
			gate <- struct{}{}
		}
		if i%2 == 0 {
			jstest.WaitFor(t, ordWait, "a new consumer", func() bool { return cons.CachedInfo().Name != name })
		}
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

// A39, B53
func TestOrderedConsumeStoppedDuringResetsLeavesNoConsumers(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 10)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	next := uint64(0)
	for range 100 {
		var seqs []uint64
		cc, err := cons.Consume(func(msg jetstream.Msg) {
			meta, err := msg.Metadata()
			if err != nil {
				t.Errorf("metadata: %v", err)
				return
			}
			seqs = append(seqs, meta.Sequence.Stream)
		})
		ordOK(t, err)
		// Both of these race with the reset that the start brings about.
		if err := e.stream.DeleteConsumer(e.ctx, cons.CachedInfo().Name); err != nil {
			ordIs(t, err, jetstream.ErrConsumerNotFound)
		}
		cc.Stop()
		ordClosed(t, cc)
		ordWant(t, seqs, ordRange(next+1, next+uint64(len(seqs))))
		next += uint64(len(seqs))
	}
	e.onlyCurrent(cons)
	e.publish("s.x", 5)
	it, err := cons.Messages(jetstream.StopAfter(15 - int(next)))
	ordOK(t, err)
	ordWant(t, ordDrain(t, it), ordRange(next+1, 15))
}

// B11: at the first gap the two part.
func TestOrderedConsumersWithTheSamePrefixBothGetEverything(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	other := jstest.ConnectURL(t, e.url)
	js2, err := jetstream.New(other)
	ordOK(t, err)
	cfg := jetstream.OrderedConsumerConfig{NamePrefix: "same"}
	var sinks [2]*ordSink
	for i, js := range []jetstream.JetStream{e.js, js2} {
		cons, err := js.OrderedConsumer(e.ctx, "S", cfg)
		ordOK(t, err)
		sinks[i] = &ordSink{t: t}
		cc, err := cons.Consume(sinks[i].handle, ordBeat())
		ordOK(t, err)
		t.Cleanup(cc.Stop)
	}
	e.publish("s.x", 50)
	for _, sink := range sinks {
		sink.await(50)
		ordWant(t, sink.got(), ordRange(1, 50))
	}
}

// The iterator must not tell of a consumer that vanished before it was used.
func TestOrderedMessagesHidesTheLossOfItsConsumer(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 10)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	e.deleteCurrent(cons)
	it, err := cons.Messages(ordBeat(), jetstream.StopAfter(10))
	ordOK(t, err)
	ordWant(t, ordDrain(t, it), ordRange(1, 10))
}

// A request that gets lost shows by the missing heartbeat.
func TestOrderedConsumerReplacesOneThatFallsSilent(t *testing.T) {
	t.Parallel()
	fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{})
	fake.OnPull(jstest.Ignore)
	sink := &ordSink{t: t}
	cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(sink.onErr), ordBeat())
	ordOK(t, err)
	jstest.WaitFor(t, ordWait, "another consumer", func() bool { return len(fake.Seen(ordCreate)) >= 2 })
	created := fake.Seen(ordCreate)
	pulls := fake.Pulls()
	if took := created[1].At.Sub(pulls[0].At); took < time.Second || took > 3*time.Second {
		t.Errorf("replaced after %v of silence, want 1 to 1.5 s", took)
	}
	cc.Stop()
	ordClosed(t, cc)
	if errs := sink.errors(); len(errs) == 0 || !errors.Is(errs[0], jetstream.ErrNoHeartbeat) {
		t.Errorf("errors are %v, want %v", errs, jetstream.ErrNoHeartbeat)
	}
}

// A36
func TestOrderedConsumerKeepsItsOptionsAcrossResets(t *testing.T) {
	t.Parallel()
	fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{})
	fake.OnPull(jstest.InTurn(jstest.Status(409, ordDeleted), jstest.Status(409, ordDeleted), jstest.Ignore))
	cc, err := cons.Consume(func(jetstream.Msg) {},
		jetstream.PullMaxMessages(17), jetstream.PullExpiry(9*time.Second), jetstream.PullHeartbeat(3*time.Second))
	ordOK(t, err)
	jstest.WaitFor(t, ordWait, "requests", func() bool { return len(fake.Pulls()) == 3 })
	cc.Stop()
	ordClosed(t, cc)
	for i, req := range fake.Pulls() {
		pull, err := req.Pull()
		ordOK(t, err)
		if pull.Batch != 17 || pull.Expires != 9*time.Second || pull.IdleHeartbeat != 3*time.Second {
			t.Errorf("request %d: %+v", i, pull)
		}
	}
}

func TestOrderedHeartbeatDefaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		opts []jetstream.PullConsumeOpt
		want time.Duration
	}{
		{nil, 5 * time.Second},
		{[]jetstream.PullConsumeOpt{jetstream.PullExpiry(4 * time.Second)}, 2 * time.Second},
		{[]jetstream.PullConsumeOpt{jetstream.PullHeartbeat(10 * time.Second)}, 10 * time.Second},
	} {
		fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{})
		cc, err := cons.Consume(func(jetstream.Msg) {}, tc.opts...)
		ordOK(t, err)
		jstest.WaitFor(t, ordWait, "a request", func() bool { return len(fake.Pulls()) == 1 })
		pull, err := fake.Pulls()[0].Pull()
		ordOK(t, err)
		if pull.IdleHeartbeat != tc.want {
			t.Errorf("heartbeat is %v, want %v", pull.IdleHeartbeat, tc.want)
		}
		cc.Stop()
		ordClosed(t, cc)
	}
}

// A2: no round trip is made to find out whether a reset is needed.
func TestOrderedConsumerIsReplacedAtOnceAfterAReconnect(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	e := ordOn(t, jstest.ConnectURL(t, n.URL()), n.URL())
	e.publish("s.x", 5)
	cons := e.ordered(jetstream.OrderedConsumerConfig{NamePrefix: "p"})
	sink := &ordSink{t: t}
	cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(sink.onErr))
	ordOK(t, err)
	sink.await(5)
	watcher := jstest.Connect(t, n.Server())
	infos := jstest.RecordRequests(t, watcher, "$JS.API.CONSUMER.INFO.>")
	creations := jstest.RecordRequests(t, watcher, "$JS.API.CONSUMER.CREATE.>")
	n.Proxy().Cut()
	creations.WaitN(t, 1, ordWait)
	e.publish("s.x", 5)
	sink.await(10)
	cc.Stop()
	ordClosed(t, cc)
	ordWant(t, sink.got(), ordRange(1, 10))
	if n := infos.Len(); n != 0 {
		t.Errorf("%d requests for information", n)
	}
	if errs := sink.errors(); len(errs) != 0 {
		t.Errorf("a reconnect was reported: %v", errs)
	}
	e.onlyCurrent(cons)
}

// Drain right after a reset delivers what the new consumer was asked for.
func TestOrderedDrainAfterAResetDeliversWhatHasArrived(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	// So large that nothing else matters for what has come over the connection.
	large := make([]byte, 64<<10)
	for range 10 {
		_, err := e.js.Publish(e.ctx, "s.x", large)
		ordOK(t, err)
	}
	nc := jstest.ConnectURL(t, e.url)
	js, err := jetstream.New(nc)
	ordOK(t, err)
	cons, err := js.OrderedConsumer(e.ctx, "S", jetstream.OrderedConsumerConfig{})
	ordOK(t, err)
	e.deleteCurrent(cons)
	sink := &ordSink{t: t}
	gate, arrived := make(chan struct{}), make(chan struct{}, 10)
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		arrived <- struct{}{}
		<-gate
		sink.handle(msg)
	}, ordBeat())
	ordOK(t, err)
	<-arrived
	jstest.WaitFor(t, ordWait, "all messages to arrive", func() bool {
		return nc.Stats().InBytes >= uint64(10*len(large))
	})
	cc.Drain()
	close(gate)
	ordClosed(t, cc)
	ordWant(t, sink.got(), ordRange(1, 10))
}
