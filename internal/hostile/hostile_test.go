package hostile

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

var (
	seedFlag  = flag.Uint64("hostile.seed", 1, "where the hostile server's random choices start from")
	seedsFlag = flag.Int("hostile.seeds", 1, "how many seeds are tried, beginning with hostile.seed")
)

// Nothing may be left of any call, however it was answered.
func TestMain(m *testing.M) {
	flag.Parse()
	// The tests mostly wait.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const (
	// patience is how long calls may wait that are answered in some way, and
	// honestly is that for honest answers.
	patience = 500 * time.Millisecond
	honestly = 20 * time.Second
	// shortly is how long calls wait for an answer that does not come.
	shortly = 150 * time.Millisecond
	// grace is what a call may take beyond its context on a busy machine. A call
	// that hangs takes for ever.
	grace = 10 * time.Second
	// maxRequests bounds the requests one call may send in its time. Most send a
	// handful, listings that never end one for each page that was read.
	maxRequests = 3100
	// maxGrowth bounds what all calls together may leave on the heap.
	maxGrowth = 48 << 20
)

// hostileServer answers honestly until told otherwise.
type hostileServer struct {
	*jstest.RawServer
	requests atomic.Int64

	mu     sync.Mutex
	model  *honest
	mode   mode
	rng    *rand.Rand
	over   chan struct{} // closed when the call of the moment has returned
	timers sync.WaitGroup
}

func newHostile(seed uint64) *hostileServer {
	return &hostileServer{model: newHonest(), mode: modes[0], rng: rand.New(rand.NewPCG(seed, seed)), over: make(chan struct{})}
}

func startHostile(t *testing.T, seed uint64) *hostileServer {
	t.Helper()
	s := newHostile(seed)
	// When the server has been closed, which waits for what it is answering.
	t.Cleanup(func() {
		s.returned()
		s.timers.Wait()
	})
	s.RawServer = jstest.StartRawServer(t, s.answer)
	return s
}

// turn makes the server answer in another way from now on, as to one who never
// asked before.
func (s *hostileServer) turn(m mode) {
	s.returned()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode, s.model, s.over = m, newHonest(), make(chan struct{})
	s.requests.Store(0)
}

// returned lets the late answers to a call go, which has returned.
func (s *hostileServer) returned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.over:
	default:
		close(s.over)
	}
}

func (s *hostileServer) answer(c *jstest.RawConn, req jstest.RawMsg) {
	s.mu.Lock()
	m, model := s.mode, s.model
	s.mu.Unlock()
	if req.Subject == "SUB" {
		if string(req.Data) == "push.here" {
			s.push(c, m)
		}
		return
	}
	if strings.HasPrefix(req.Subject, apiPrefix) {
		s.requests.Add(1)
	}
	list := model.answers(req)
	s.mu.Lock()
	for i := range list {
		// What is shared between answers must not be mutated.
		list[i].msg.Data, list[i].msg.Header = bytes.Clone(list[i].msg.Data), bytes.Clone(list[i].msg.Header)
	}
	if len(list) > 0 {
		list = m.mutate(s.rng, req, list)
	}
	s.mu.Unlock()
	s.send(c, m, req.Reply, list)
}

// push delivers to a push consumer, with each kind of status.
func (s *hostileServer) push(c *jstest.RawConn, m mode) {
	var list []answer
	for i, msg := range messages("") {
		msg.Reply = ackReply("S", "PUSH", i+1, 0)
		list = append(list, answer{msg: msg, delivery: true})
	}
	for _, line := range []string{" 100 Idle Heartbeat\r\nNats-Consumer-Stalled: $JS.FC.x", " 100 FlowControl Request"} {
		list = append(list, answer{msg: jstest.RawMsg{Subject: "push.here", Header: []byte("NATS/1.0" + line + "\r\n\r\n")}})
	}
	s.mu.Lock()
	list = m.mutate(s.rng, jstest.RawMsg{Subject: "push.here", Reply: "push.here"}, list)
	s.mu.Unlock()
	s.send(c, m, "push.here", list)
}

func (s *hostileServer) send(c *jstest.RawConn, m mode, inbox string, list []answer) {
	deliver := func() {
		for _, a := range list {
			c.Deliver(inbox, a.msg)
		}
	}
	if !m.late {
		deliver()
		return
	}
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	s.timers.Add(1)
	time.AfterFunc(lateness, func() {
		defer s.timers.Done()
		// On a busy machine, the call may not have seen the end of its time yet.
		<-over
		deliver()
	})
}

// connect returns handles of everything, made while the server is honest.
func connect(t *testing.T, s *hostileServer, ackWait time.Duration) *target {
	t.Helper()
	nc, err := nats.Connect(s.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	ok(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(ackWait), jetstream.WithDefaultTimeout(max(patience, ackWait)))
	ok(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	x := &target{js: js, dir: t.TempDir()}
	x.stream, err = js.Stream(ctx, "S")
	ok(t, err)
	x.cons, err = js.CreateConsumer(ctx, "S", jetstream.ConsumerConfig{Durable: "C"})
	ok(t, err)
	x.push, err = js.PushConsumer(ctx, "S", "PUSH")
	ok(t, err)
	x.ordered, err = js.OrderedConsumer(ctx, "S", jetstream.OrderedConsumerConfig{})
	ok(t, err)
	x.kv, err = js.KeyValue(ctx, "B")
	ok(t, err)
	x.objects, err = js.ObjectStore(ctx, "O")
	ok(t, err)
	x.msg, err = x.cons.Next()
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(x.dir, "in"), []byte(content), 0o600))
	return x
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryMethodHasACall keeps the table below complete.
func TestEveryMethodHasACall(t *testing.T) {
	t.Parallel()
	all := allCalls(t)
	// These ask the server nothing, or what they do is part of other calls.
	local := strings.Fields("JetStream.Conn JetStream.Options JetStream.PublishAsyncPending JetStream.PublishAsyncComplete JetStream.CleanupPublisher " +
		"Stream.CachedInfo Consumer.CachedInfo PushConsumer.CachedInfo KeyValue.Bucket " +
		"Msg.Ack Msg.Data Msg.Headers Msg.InProgress Msg.Metadata Msg.Nak Msg.NakWithDelay Msg.Reply Msg.Subject Msg.Term Msg.TermWithReason")
	for _, iface := range []reflect.Type{
		reflect.TypeFor[jetstream.JetStream](), reflect.TypeFor[jetstream.Stream](), reflect.TypeFor[jetstream.Consumer](), reflect.TypeFor[jetstream.PushConsumer](),
		reflect.TypeFor[jetstream.KeyValue](), reflect.TypeFor[jetstream.ObjectStore](), reflect.TypeFor[jetstream.Msg](),
	} {
		for m := range iface.Methods() {
			name := iface.Name() + "." + m.Name
			if _, there := all[name]; there == slices.Contains(local, name) {
				t.Errorf("%s: in the table %v", name, there)
			}
		}
	}
}

// Whatever a server answers, every call returns in the time its context has, with
// an error that says something or with a result, and leaves nothing behind.
func TestHostileServer(t *testing.T) {
	before := heap()
	t.Run("modes", func(t *testing.T) {
		for i := range *seedsFlag {
			for _, m := range modes {
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					testMode(t, m, *seedFlag+uint64(i))
				})
			}
		}
	})
	if after := heap(); after > before+maxGrowth {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
}

// A consumer that delivers the same messages over and over is replaced at a
// decent pace. Each replacement looks like progress at first.
func TestConsumerThatRepeatsItselfIsReplacedInGoodTime(t *testing.T) {
	t.Parallel()
	s := startHostile(t, *seedFlag)
	x := connect(t, s, shortly)
	i := slices.IndexFunc(modes, func(m mode) bool { return m.name == "duplicated" })
	s.turn(modes[i])
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := x.kv.History(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("history that comes to no end: %v", err)
	}
	// The first three at once, then after 0.4, 0.8, 1.6 ... seconds, each with a
	// request to create and one to delete and some for messages.
	if n := s.requests.Load(); n > 60 {
		t.Errorf("%d requests in 2 seconds", n)
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func testMode(t *testing.T, m mode, seed uint64) {
	s := startHostile(t, seed)
	ackWait := shortly
	if m.name == modes[0].name {
		ackWait = honestly
	}
	x := connect(t, s, ackWait)
	all := allCalls(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s.turn(m)
		wait := patience
		switch {
		case m.silent:
			wait = shortly
		case m.name == modes[0].name:
			wait = honestly
		}
		if strings.HasPrefix(name, "ordered ") {
			x.ordered = newOrdered(t, x.js, s, m)
		}
		tryCall(t, s, m, name, all[name], x, wait)
		if t.Failed() {
			t.Fatalf("to repeat: -run 'HostileServer/modes/%s' -hostile.seed %d", strings.ReplaceAll(m.name, " ", "_"), seed)
		}
		if !x.js.Conn().IsConnected() {
			// What cannot be parsed at all makes core connect again.
			awaitConnection(t, x.js.Conn())
		}
	}
}

// newOrdered makes an ordered consumer while the server is honest, for one that
// was consumed from does not fetch.
func newOrdered(t *testing.T, js jetstream.JetStream, s *hostileServer, m mode) jetstream.Consumer {
	t.Helper()
	s.turn(modes[0])
	defer s.turn(m)
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	cons, err := js.OrderedConsumer(ctx, "S", jetstream.OrderedConsumerConfig{})
	ok(t, err)
	return cons
}

func awaitConnection(t *testing.T, nc *nats.Conn) {
	t.Helper()
	jstest.WaitFor(t, grace, "the connection to be back", nc.IsConnected)
}

// tryCall makes one call and looks at what came of it.
func tryCall(t *testing.T, s *hostileServer, m mode, name string, c call, x *target, wait time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	type outcome struct {
		result any
		err    error
	}
	back := make(chan outcome, 1)
	start := time.Now()
	defer s.returned()
	go func() {
		result, err := c.run(ctx, x)
		back <- outcome{result, err}
	}()
	var out outcome
	select {
	case out = <-back:
	case <-time.After(wait + grace):
		stacks := make([]byte, 1<<20)
		t.Fatalf("%s hangs:\n%s", name, stacks[:runtime.Stack(stacks, true)])
	}
	switch {
	case out.err == nil && out.result == nil:
		t.Errorf("%s: neither a result nor an error", name)
	case out.err != nil && (strings.TrimSpace(out.err.Error()) == "" || strings.HasPrefix(out.err.Error(), "test: ") && !errors.Is(out.err, errEnough)):
		t.Errorf("%s: %q", name, out.err)
	case out.err != nil && m.name == "honest":
		t.Errorf("%s: honest answers lead to %v", name, out.err)
	case out.err == nil && c.json && (m.broken || m.silent):
		t.Errorf("%s: %s answers lead to %v", name, m.name, out.result)
	}
	if n := s.requests.Load(); n > maxRequests {
		t.Errorf("%s: %d requests in %v", name, n, time.Since(start))
	}
}
