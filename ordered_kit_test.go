package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	// For all that a test does, on a machine that may be busy.
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(ordWait))
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

// deleteCurrent deletes the consumer of the server in use and returns its name.
// What is seen of a new one may lag behind its messages.
func (e *ordEnv) deleteCurrent(cons jetstream.Consumer) (name string) {
	e.t.Helper()
	jstest.WaitFor(e.t, ordWait, "the consumer in use to be there", func() bool {
		name = cons.CachedInfo().Name
		err := e.stream.DeleteConsumer(e.ctx, name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return false
		}
		ordOK(e.t, err)
		return true
	})
	return name
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

// ordBeat makes silence of the server be noticed soon after two seconds. A request
// that meets the deletion of its consumer gets no answer from the server.
func ordBeat() jetstream.PullHeartbeat { return jetstream.PullHeartbeat(time.Second) }

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
