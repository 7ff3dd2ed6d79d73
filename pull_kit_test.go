package jetstream_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

const (
	// tpWait is how long the tests of consuming wait for what must happen. The
	// default heartbeat is missing after 30 seconds, so it cannot help.
	tpWait = 25 * time.Second

	// tpAckWait is longer than any test takes, also on a busy machine, so that
	// nothing comes again by itself.
	tpAckWait = 5 * time.Minute

	tpStream   = "S"
	tpConsumer = "C"
	tpSubject  = "s.x"
)

// tpEnv is a stream with a consumer, seen by a client under test and by a second
// connection that publishes and looks on.
type tpEnv struct {
	t    *testing.T
	nc   *nats.Conn // under test
	js   jetstream.JetStream
	cons jetstream.Consumer

	admin   *nats.Conn
	adminJS jetstream.JetStream
}

// tpStart runs a server of its own with an empty stream and a consumer that
// acknowledges explicitly unless adjusted.
func tpStart(t *testing.T, adjust ...func(*jetstream.ConsumerConfig)) *tpEnv {
	t.Helper()
	return tpStartOn(t, jstest.StartServer(t), adjust...)
}

func tpStartOn(t *testing.T, s *server.Server, adjust ...func(*jetstream.ConsumerConfig)) *tpEnv {
	t.Helper()
	return tpEnter(t, jstest.Connect(t, s), jstest.Connect(t, s), 1, adjust...)
}

// tpStartNode is tpStart on a server that can be restarted and cut off.
func tpStartNode(t *testing.T, adjust ...func(*jetstream.ConsumerConfig)) (*jstest.Node, *tpEnv) {
	t.Helper()
	n := jstest.StartNode(t)
	return n, tpEnter(t, jstest.ConnectURL(t, n.URL()), jstest.ConnectURL(t, n.URL()), 1, adjust...)
}

// tpEnter makes the stream and the consumer over connections that are there.
func tpEnter(t *testing.T, nc, admin *nats.Conn, replicas int, adjust ...func(*jetstream.ConsumerConfig)) *tpEnv {
	t.Helper()
	e := &tpEnv{t: t, nc: nc, admin: admin}
	e.js, e.adminJS = tpHandle(t, nc), tpHandle(t, admin)
	ctx := mgContext(t)
	_, err := e.adminJS.CreateStream(ctx, jetstream.StreamConfig{Name: tpStream, Subjects: []string{"s.>"}, Replicas: replicas})
	mgOK(t, err)
	cfg := jetstream.ConsumerConfig{Durable: tpConsumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: tpAckWait}
	for _, f := range adjust {
		f(&cfg)
	}
	e.cons, err = e.js.CreateConsumer(ctx, tpStream, cfg)
	mgOK(t, err)
	return e
}

func tpHandle(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(tpWait))
	mgOK(t, err)
	return js
}

// tpFake returns a handle of a consumer whose pull requests go to a fake API.
func tpFake(t *testing.T) (jetstream.Consumer, *jstest.FakeAPI) {
	t.Helper()
	s := jstest.StartServer(t)
	return tpFakeOver(t, jstest.Connect(t, s), jstest.Connect(t, s))
}

func tpFakeOver(t *testing.T, nc, admin *nats.Conn) (jetstream.Consumer, *jstest.FakeAPI) {
	t.Helper()
	fake := jstest.StartFakeAPI(t, admin, "FAKE")
	js, err := jetstream.NewWithAPIPrefix(nc, "FAKE")
	mgOK(t, err)
	cons, err := js.Consumer(mgContext(t), tpStream, tpConsumer)
	mgOK(t, err)
	return cons, fake
}

// rewind makes the consumer anew, so that it delivers from the start.
func (e *tpEnv) rewind() {
	e.t.Helper()
	cfg := e.cons.CachedInfo().Config
	mgOK(e.t, e.js.DeleteConsumer(mgContext(e.t), tpStream, tpConsumer))
	var err error
	e.cons, err = e.js.CreateConsumer(mgContext(e.t), tpStream, cfg)
	mgOK(e.t, err)
}

// again returns a second handle on the consumer, over the connection under test.
func (e *tpEnv) again() jetstream.Consumer {
	e.t.Helper()
	return e.handleOver(e.nc)
}

func (e *tpEnv) handleOver(nc *nats.Conn) jetstream.Consumer {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tpWait)
	defer cancel()
	cons, err := tpHandle(e.t, nc).Consumer(ctx, tpStream, tpConsumer)
	mgOK(e.t, err)
	return cons
}

// publish stores n messages, numbered from 1 in their payload.
func (e *tpEnv) publish(n int) {
	e.t.Helper()
	for i := range n {
		e.publishMsg(&nats.Msg{Subject: tpSubject, Data: []byte(strconv.Itoa(i + 1))})
	}
	e.published()
}

// publishSize stores n messages with a payload of the given size.
func (e *tpEnv) publishSize(n, size int) {
	e.t.Helper()
	for range n {
		e.publishMsg(&nats.Msg{Subject: tpSubject, Data: make([]byte, size)})
	}
	e.published()
}

func (e *tpEnv) publishMsg(m *nats.Msg) {
	e.t.Helper()
	_, err := e.adminJS.PublishMsgAsync(m)
	mgOK(e.t, err)
}

// published waits until all that was published is stored.
func (e *tpEnv) published() {
	e.t.Helper()
	select {
	case <-e.adminJS.PublishAsyncComplete():
	case <-time.After(tpWait):
		e.t.Fatal("published messages are not acknowledged")
	}
}

// info asks the server for the consumer, over the connection that looks on.
func (e *tpEnv) info() *jetstream.ConsumerInfo {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tpWait)
	defer cancel()
	cons, err := e.adminJS.Consumer(ctx, tpStream, tpConsumer)
	mgOK(e.t, err)
	return cons.CachedInfo()
}

// waitInfo waits until the consumer's state is as wanted.
func (e *tpEnv) waitInfo(what string, cond func(*jetstream.ConsumerInfo) bool) {
	e.t.Helper()
	jstest.WaitFor(e.t, tpWait, what, func() bool { return cond(e.info()) })
}

// known waits until n messages are pending, all of which the consumer is yet to
// deliver: the server counts new messages in a moment after it has acknowledged
// them, and a request without wait takes what is counted.
func (e *tpEnv) known(n uint64) {
	e.t.Helper()
	e.waitInfo("new messages to be counted in", func(i *jetstream.ConsumerInfo) bool { return i.NumPending == n })
}

// incoming counts what the connection under test receives from here on. The
// function it returns waits until n messages have come: the server counts a
// message as delivered before it has sent it.
func (e *tpEnv) incoming() (arrived func(n int)) {
	before := e.nc.Stats().InMsgs
	return func(n int) {
		e.t.Helper()
		jstest.WaitFor(e.t, tpWait, "messages to arrive", func() bool { return e.nc.Stats().InMsgs-before >= uint64(n) })
	}
}

// pulls records the pull requests of the consumer from here on.
func (e *tpEnv) pulls() *jstest.Recorder {
	e.t.Helper()
	return jstest.RecordPulls(e.t, e.admin, tpStream, tpConsumer)
}

// settled waits until the server has acted on all that the connection under test
// has sent, and the connection that looks on has seen it.
func (e *tpEnv) settled() {
	e.t.Helper()
	mgOK(e.t, e.nc.FlushTimeout(tpWait))
	mgOK(e.t, e.admin.FlushTimeout(tpWait))
}

// requested is settled for a recorder, which hears of what was sent a moment
// later: it returns the requests seen once there are at least n.
func (e *tpEnv) requested(r *jstest.Recorder, n int) []jstest.PullRequest {
	e.t.Helper()
	r.WaitN(e.t, n, tpWait)
	e.settled()
	return r.Pulls(e.t)
}

// tpLog collects messages.
type tpLog struct {
	mu   sync.Mutex
	msgs []jetstream.Msg
}

func (l *tpLog) add(m jetstream.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.msgs = append(l.msgs, m)
}

// take is a message handler that collects and acknowledges.
func (l *tpLog) take(m jetstream.Msg) {
	_ = m.Ack()
	l.add(m)
}

func (l *tpLog) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.msgs)
}

func (l *tpLog) all() []jetstream.Msg {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.msgs)
}

// wait returns once n messages have come.
func (l *tpLog) wait(t testing.TB, n int) {
	t.Helper()
	deadline := time.Now().Add(tpWait)
	for l.len() < n {
		if time.Now().After(deadline) {
			t.Fatalf("%d messages came in %v, want %d", l.len(), tpWait, n)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// inOrderOnce checks that the messages are those with the stream sequences 1 to
// n, in order and each delivered once.
func (l *tpLog) inOrderOnce(t testing.TB, n int) {
	t.Helper()
	seqs := tpSeqs(t, l.all(), true)
	if len(seqs) != n {
		t.Fatalf("%d messages came, want %d", len(seqs), n)
	}
	for i, seq := range seqs {
		if seq != uint64(i+1) {
			t.Fatalf("message %d has sequence %d", i+1, seq)
		}
	}
}

// complete checks that each of the stream sequences 1 to n has come, and no
// message more often than the server says it delivered it.
func (l *tpLog) complete(t testing.TB, n int) {
	t.Helper()
	type delivery struct{ seq, count uint64 }
	seen := make(map[delivery]bool)
	seqs := make(map[uint64]bool)
	for _, m := range l.all() {
		meta, err := m.Metadata()
		mgOK(t, err)
		d := delivery{meta.Sequence.Stream, meta.NumDelivered}
		if seen[d] {
			t.Errorf("delivery %d of message %d was handed out twice", d.count, d.seq)
		}
		seen[d], seqs[d.seq] = true, true
	}
	for seq := uint64(1); seq <= uint64(n); seq++ {
		if !seqs[seq] {
			t.Errorf("message %d is missing", seq)
		}
	}
}

// distinct returns how many different messages have come.
func (l *tpLog) distinct(t testing.TB) int {
	t.Helper()
	seqs := tpSeqs(t, l.all(), false)
	slices.Sort(seqs)
	return len(slices.Compact(seqs))
}

// tpSeqs returns the stream sequences of messages, and checks that each was
// delivered for the first time if first is set.
func tpSeqs(t testing.TB, msgs []jetstream.Msg, first bool) []uint64 {
	t.Helper()
	seqs := make([]uint64, 0, len(msgs))
	for _, m := range msgs {
		meta, err := m.Metadata()
		mgOK(t, err)
		if first && meta.NumDelivered != 1 {
			t.Errorf("message %d: delivery %d, want the first", meta.Sequence.Stream, meta.NumDelivered)
		}
		seqs = append(seqs, meta.Sequence.Stream)
	}
	return seqs
}

// tpErrors collects what an error handler is called with.
type tpErrors struct {
	mu   sync.Mutex
	errs []error
	at   []time.Time
}

func (e *tpErrors) handler() jetstream.ConsumeErrHandler {
	return func(_ jetstream.ConsumeContext, err error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.errs = append(e.errs, err)
		e.at = append(e.at, time.Now())
	}
}

func (e *tpErrors) all() []error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.errs)
}

// when returns at which time error number i came.
func (e *tpErrors) when(i int) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at[i]
}

// wait returns the errors once there are at least n.
func (e *tpErrors) wait(t testing.TB, n int) []error {
	t.Helper()
	jstest.WaitFor(t, tpWait, "errors to be reported", func() bool { return len(e.all()) >= n })
	return e.all()
}

// none fails the test if there was any error.
func (e *tpErrors) none(t testing.TB) {
	t.Helper()
	if errs := e.all(); len(errs) > 0 {
		t.Errorf("errors were reported: %v", errs)
	}
}

// tpDone waits until a channel is closed or has something.
func tpDone[T any](t testing.TB, what string, c <-chan T) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(tpWait):
		buf := make([]byte, 1<<20)
		t.Fatalf("timed out waiting for %s\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

// tpOpen reports whether a channel has neither a value nor been closed.
func tpOpen[T any](c <-chan T) bool {
	select {
	case <-c:
		return false
	default:
		return true
	}
}

// tpBatch reads a batch to its end.
func tpBatch(t testing.TB, batch jetstream.MessageBatch, err error) []jetstream.Msg {
	t.Helper()
	mgOK(t, err)
	var msgs []jetstream.Msg
	timeout := time.After(tpWait)
	for {
		select {
		case m, ok := <-batch.Messages():
			if !ok {
				return msgs
			}
			msgs = append(msgs, m)
		case <-timeout:
			t.Fatalf("the batch has not ended; %d messages so far, error %v", len(msgs), batch.Error())
		}
	}
}

// tpNext takes n messages from an iterator and acknowledges them.
func tpNext(t testing.TB, it jetstream.MessagesContext, log *tpLog, n int) {
	t.Helper()
	for i := range n {
		m, err := it.Next(jetstream.NextMaxWait(tpWait))
		if err != nil {
			t.Fatalf("message %d of %d: %v", i+1, n, err)
		}
		log.take(m)
	}
}

// tpStacks returns the stacks of the goroutines that run for this package: its
// own, and those core runs for subscriptions. Tests that use it must not be
// parallel.
func tpStacks() []string {
	buf := make([]byte, 1<<20)
	n := runtime.Stack(buf, true)
	for n == len(buf) {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	return slices.DeleteFunc(strings.Split(string(buf[:n]), "\n\n"), func(stack string) bool {
		return !strings.Contains(stack, "example.com/jetstream.(") && !strings.Contains(stack, "(*Conn).waitForMsgs") &&
			!strings.Contains(stack, "(*Conn).checkDrained")
	})
}

// tpGoroutines are the goroutines that ran for this package at some time, by
// what their stacks begin with. Some may have been about to end, those of an
// earlier test for example, so their number says nothing.
type tpGoroutines map[string]bool

func tpRunning() tpGoroutines {
	running := make(tpGoroutines)
	for _, stack := range tpStacks() {
		running[tpGoroutine(stack)] = true
	}
	return running
}

// tpGoroutine returns the name of the goroutine with a stack, as in "goroutine 7".
func tpGoroutine(stack string) string {
	name, _, _ := strings.Cut(stack, " [")
	return name
}

// since returns the stacks of the goroutines that run now and did not then.
func (g tpGoroutines) since() []string {
	return slices.DeleteFunc(tpStacks(), func(stack string) bool { return g[tpGoroutine(stack)] })
}

// wait waits until at most so many goroutines run that did not run then.
func (g tpGoroutines) wait(t testing.TB, most int) {
	t.Helper()
	deadline := time.Now().Add(tpWait)
	for stacks := g.since(); len(stacks) > most; stacks = g.since() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines more, want at most %d\n%s", len(stacks), most, strings.Join(stacks, "\n\n"))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// tpOptionError checks that err is an option error with the given reason.
func tpOptionError(t testing.TB, err error, reason string) {
	t.Helper()
	if !errors.Is(err, jetstream.ErrInvalidOption) || !strings.HasSuffix(err.Error(), reason) {
		t.Errorf("error is %v, want an option error that ends with %q", err, reason)
	}
}

// tpSize returns the size of a message as the server counts it.
func tpSize(m jetstream.Msg) int {
	return (&nats.Msg{Subject: m.Subject(), Reply: m.Reply(), Data: m.Data(), Header: m.Headers()}).Size()
}

func tpPinned(cfg *jetstream.ConsumerConfig) {
	cfg.PriorityPolicy, cfg.PriorityGroups, cfg.PinnedTTL = jetstream.PriorityPolicyPinned, []string{"A"}, 20*time.Second
}

func tpOverflow(cfg *jetstream.ConsumerConfig) {
	cfg.PriorityPolicy, cfg.PriorityGroups = jetstream.PriorityPolicyOverflow, []string{"A"}
}

func tpPrioritized(cfg *jetstream.ConsumerConfig) {
	cfg.PriorityPolicy, cfg.PriorityGroups = jetstream.PriorityPolicyPrioritized, []string{"A"}
}

func tpAckNone(cfg *jetstream.ConsumerConfig) {
	cfg.AckPolicy, cfg.AckWait = jetstream.AckNonePolicy, 0
}
