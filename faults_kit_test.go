package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/jstest"
)

const (
	ftStream = "S"

	// ftAckWait is how long a message that was lost on the way is missing.
	ftAckWait = 2 * time.Second

	// ftWait bounds what is expected to happen at all. In a cluster that has
	// lost its leaders, elections come on top.
	ftWait = 60 * time.Second
)

// ftMode is a way of consuming.
type ftMode struct {
	name    string
	ordered bool
	start   func(*ftCell) (stop func(), err error)
}

var ftModes = []ftMode{
	{"consume", false, (*ftCell).consume},
	{"messages", false, (*ftCell).messages},
	{"fetch", false, (*ftCell).fetchLoop},
	{"next", false, (*ftCell).nextLoop},
	{"push", false, (*ftCell).push},
	{"ordered-consume", true, (*ftCell).consume},
	{"ordered-messages", true, (*ftCell).messages},
	{"ordered-fetch", true, (*ftCell).fetchLoop},
	{"ordered-next", true, (*ftCell).nextLoop},
}

// ftOutcome is what is to come of a mode after a fault. It goes on and gets all
// messages unless ends or fails is set.
type ftOutcome struct {
	// ends: it ends by itself, the last error being one of these.
	ends []error
	// fails: it does not end by itself, but reports one of these, or its calls
	// return them.
	fails []error
	// tolerated: errors that may come up on the way; all others must not.
	tolerated []error
}

// ftFault is a row of the matrix. Modes without an outcome of their own have
// that of "".
type ftFault struct {
	name    string
	cluster bool
	strike  func(*ftWorld)
	want    map[string]ftOutcome
}

// ftWorld is one server or cluster with a stream and one cell for each mode.
type ftWorld struct {
	t       *testing.T
	ctx     context.Context
	node    *jstest.Node    // if it is one server
	options *server.Options // of that, for its next start
	cluster *jstest.Cluster // if it is three
	line    *jstest.Proxy   // between the cells and the one server
	url     string          // for the cells
	admin   *nats.Conn
	js      JetStream
	stream  Stream
	cells   []*ftCell
	begun   time.Time
}

// ftCell is one mode going through one fault on a connection of its own.
type ftCell struct {
	world    *ftWorld
	mode     ftMode
	nc       *nats.Conn
	js       JetStream
	consumer Consumer     // nil for push
	pushed   PushConsumer // nil for all others
	subs     int          // subscriptions of the connection before the start
	sent     uint64       // messages sent before that
	stop     func()
	halt     chan struct{} // closed to end loops
	ended    chan struct{} // closed at the end, whatever the reason

	mu   sync.Mutex
	got  []ftDelivery
	errs []error
}

// ftDelivery is a message as it was handed out.
type ftDelivery struct {
	seq     uint64
	attempt uint64
}

func ftOK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// take is what all modes do with a message.
func (c *ftCell) take(msg Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		c.fault(err)
		return
	}
	c.mu.Lock()
	c.got = append(c.got, ftDelivery{meta.Sequence.Stream, meta.NumDelivered})
	c.mu.Unlock()
	if !c.mode.ordered {
		// An acknowledgement that gets lost means that the message comes again.
		_ = msg.Ack()
	}
}

func (c *ftCell) fault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

func (c *ftCell) deliveries() []ftDelivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

func (c *ftCell) faults() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.errs)
}

func (c *ftCell) onErr(_ ConsumeContext, err error) { c.fault(err) }

// follow makes the cell end with a ConsumeContext.
func (c *ftCell) follow(cc ConsumeContext) func() {
	go func() {
		<-cc.Closed()
		close(c.ended)
	}()
	return cc.Stop
}

func (c *ftCell) consume() (func(), error) {
	cc, err := c.consumer.Consume(c.take, ConsumeErrHandler(c.onErr),
		PullMaxMessages(50), PullExpiry(2*time.Second), PullHeartbeat(time.Second))
	if err != nil {
		return nil, err
	}
	return c.follow(cc), nil
}

func (c *ftCell) push() (func(), error) {
	cc, err := c.pushed.Consume(c.take, ConsumeErrHandler(c.onErr))
	if err != nil {
		return nil, err
	}
	return c.follow(cc), nil
}

func (c *ftCell) messages() (func(), error) {
	it, err := c.consumer.Messages(PullMaxMessages(50), PullExpiry(2*time.Second), PullHeartbeat(time.Second))
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(c.ended)
		for {
			msg, err := it.Next(NextMaxWait(300 * time.Millisecond))
			switch {
			case err == nil:
				c.take(msg)
			case errors.Is(err, nats.ErrTimeout):
			case err == ErrMsgIteratorClosed && c.halted(), err == ErrMsgIteratorClosed && len(c.faults()) > 0:
				// What was asked for, or what must follow an error that is final.
				return
			default:
				c.fault(err)
				if errors.Is(err, ErrMsgIteratorClosed) {
					return
				}
			}
		}
	}()
	return func() {
		close(c.halt)
		it.Stop()
	}, nil
}

// halted reports whether the test ended the cell.
func (c *ftCell) halted() bool {
	select {
	case <-c.halt:
		return true
	default:
		return false
	}
}

// loop repeats a call until the cell is stopped or the connection closed. After
// errors it lets some time pass, as any program should.
func (c *ftCell) loop(call func() error) func() {
	go func() {
		defer close(c.ended)
		for {
			err := call()
			pause := time.Duration(0)
			if err != nil {
				c.fault(err)
				if errors.Is(err, ErrConnectionClosed) || errors.Is(err, nats.ErrConnectionClosed) {
					return
				}
				pause = 100 * time.Millisecond
			}
			select {
			case <-c.halt:
				return
			case <-time.After(pause):
			}
		}
	}()
	return func() { close(c.halt) }
}

func (c *ftCell) fetchLoop() (func(), error) {
	return c.loop(func() error {
		batch, err := c.consumer.Fetch(10, FetchMaxWait(2*time.Second), FetchHeartbeat(time.Second))
		if err != nil {
			return err
		}
		for msg := range batch.Messages() {
			c.take(msg)
		}
		return batch.Error()
	}), nil
}

func (c *ftCell) nextLoop() (func(), error) {
	return c.loop(func() error {
		msg, err := c.consumer.Next(FetchMaxWait(2*time.Second), FetchHeartbeat(time.Second))
		switch {
		case err == nil:
			c.take(msg)
		case errors.Is(err, nats.ErrTimeout):
			return nil
		}
		return err
	}), nil
}

func ftStart(t *testing.T, cluster bool) *ftWorld {
	t.Helper()
	w := &ftWorld{t: t}
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	var replicas int
	var adminURL string
	if cluster {
		w.cluster = jstest.StartCluster(t)
		w.url, adminURL = w.cluster.URL(), w.cluster.URL()
		replicas = 3
	} else {
		replicas = 1
		w.node = jstest.StartNode(t, func(o *server.Options) { w.options = o })
		w.line = jstest.StartProxy(t, w.node.Proxy().Addr())
		w.url, adminURL = w.line.URL(), w.node.URL()
	}
	w.admin = jstest.ConnectURL(t, adminURL)
	var err error
	w.js, err = New(w.admin)
	ftOK(t, err)
	// A meta leader may be elected before it has heard of all the peers.
	jstest.WaitFor(t, ftWait, "peers to place the stream on", func() bool {
		w.stream, err = w.js.CreateStream(w.ctx, StreamConfig{Name: ftStream, Subjects: []string{"s.>"}, Replicas: replicas})
		var api *APIError
		return !errors.As(err, &api) || api.ErrorCode != 10005
	})
	ftOK(t, err)
	for _, mode := range ftModes {
		w.cells = append(w.cells, w.newCell(mode))
	}
	w.begun = time.Now()
	for _, c := range w.cells {
		c.stop, err = c.mode.start(c)
		ftOK(t, err)
	}
	return w
}

func (w *ftWorld) newCell(mode ftMode) *ftCell {
	w.t.Helper()
	c := &ftCell{world: w, mode: mode, halt: make(chan struct{}), ended: make(chan struct{})}
	c.nc = jstest.ConnectURL(w.t, w.url, nats.IgnoreDiscoveredServers())
	var err error
	c.js, err = New(c.nc)
	ftOK(w.t, err)
	cfg := ConsumerConfig{Durable: mode.name, AckPolicy: AckExplicitPolicy, AckWait: ftAckWait}
	switch {
	case mode.ordered:
		c.consumer, err = c.js.OrderedConsumer(w.ctx, ftStream, OrderedConsumerConfig{NamePrefix: mode.name})
	case mode.name == "push":
		cfg.DeliverSubject, cfg.FlowControl, cfg.IdleHeartbeat = "deliver", true, time.Second
		c.pushed, err = c.js.CreatePushConsumer(w.ctx, ftStream, cfg)
	default:
		c.consumer, err = c.js.CreateConsumer(w.ctx, ftStream, cfg)
	}
	ftOK(w.t, err)
	c.subs, c.sent = c.nc.NumSubscriptions(), c.nc.Stats().OutMsgs
	return c
}

// name returns the name of the consumer of the server in use.
func (c *ftCell) name() string {
	if c.pushed != nil {
		return c.pushed.CachedInfo().Name
	}
	return c.consumer.CachedInfo().Name
}

// publish publishes until n messages are stored or the world's time is up.
func (w *ftWorld) publish(n int) {
	w.t.Helper()
	for n > 0 {
		if w.publishOne(w.ctx) == nil {
			n--
			continue
		}
		if w.ctx.Err() != nil {
			w.t.Fatalf("%d messages could not be published", n)
		}
	}
}

func (w *ftWorld) publishOne(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := w.js.Publish(ctx, "s.x", []byte("payload"))
	return err
}

// during runs f while messages are published, as far as they can be. What was
// stored is asked for afterwards.
func (w *ftWorld) during(f func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = w.publishOne(ctx)
			}
		}
	}()
	f()
	cancel()
	<-done
}

// awaitAll waits until each cell has had at least n messages.
func (w *ftWorld) awaitAll(n int) {
	w.t.Helper()
	for _, c := range w.cells {
		jstest.WaitFor(w.t, ftWait, c.mode.name+" to get under way", func() bool { return len(c.deliveries()) >= n })
	}
}

// last returns how many messages the server has stored. None has been deleted.
func (w *ftWorld) last() uint64 {
	w.t.Helper()
	var state StreamState
	jstest.WaitFor(w.t, ftWait, "the stream's state", func() bool {
		ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
		defer cancel()
		info, err := w.stream.Info(ctx)
		if err != nil {
			return false
		}
		state = info.State
		return true
	})
	if state.Msgs != state.LastSeq {
		w.t.Fatalf("the stream has %d messages up to sequence %d", state.Msgs, state.LastSeq)
	}
	return state.LastSeq
}

// checkErrors fails for errors that are neither expected nor tolerated.
func (c *ftCell) checkErrors(t *testing.T, want ftOutcome) {
	t.Helper()
	allowed := slices.Concat(want.ends, want.fails, want.tolerated)
	for _, err := range c.faults() {
		if !ftAny(err, allowed) {
			t.Errorf("unexpected error: %v", err)
		}
	}
}

func ftAny(err error, list []error) bool {
	return slices.ContainsFunc(list, func(want error) bool { return errors.Is(err, want) })
}

// checkComplete waits until all that is stored has been handed out, and then
// looks at how often and in which order.
func (c *ftCell) checkComplete(t *testing.T, last uint64) {
	t.Helper()
	jstest.WaitFor(t, ftWait, fmt.Sprintf("all %d messages (errors: %v)", last, c.faults()), func() bool {
		if c.mode.ordered {
			return uint64(len(c.deliveries())) >= last
		}
		seen := make(map[uint64]bool)
		for _, d := range c.deliveries() {
			seen[d.seq] = true
		}
		return uint64(len(seen)) >= last
	})
	if c.mode.ordered {
		for i, d := range c.deliveries() {
			if d.seq != uint64(i+1) {
				t.Fatalf("message %d has sequence %d", i+1, d.seq)
			}
		}
		return
	}
	// What comes again must be another attempt of the server's. With flow control
	// a leader sends before its peers know of it (server 2.15), so the next leader
	// may make the same attempt again.
	unreplicated := c.world.cluster != nil && c.mode.name == "push"
	attempts := make(map[uint64]uint64)
	for _, d := range c.deliveries() {
		if d.attempt <= attempts[d.seq] && !unreplicated {
			t.Errorf("message %d: attempt %d was handed out after attempt %d", d.seq, d.attempt, attempts[d.seq])
		}
		attempts[d.seq] = d.attempt
	}
	jstest.WaitFor(t, ftWait, "all to be acknowledged", func() bool {
		ctx, cancel := context.WithTimeout(c.world.ctx, 2*time.Second)
		defer cancel()
		info, err := c.world.js.(*jetStream).lookUpConsumer(ctx, ftStream, c.mode.name)
		return err == nil && info.AckFloor.Stream == last && info.NumAckPending == 0 && info.NumPending == 0
	})
}

// checkRate bounds what was sent: a request and an acknowledgement for each
// message, and a few requests a second. The server is not asked, since whoever
// looks on there takes the place of a missing responder.
func (c *ftCell) checkRate(t *testing.T) {
	t.Helper()
	sent := c.nc.Stats().OutMsgs - c.sent
	seconds := uint64(time.Since(c.world.begun)/time.Second) + 1
	received := uint64(len(c.deliveries()))
	if limit := 2*received + 50 + 20*seconds; sent > limit {
		t.Errorf("%d messages were sent in %d seconds, %d were received", sent, seconds, received)
	}
}

// checkReleased waits until the connection is as it was before.
func (c *ftCell) checkReleased(t *testing.T) {
	t.Helper()
	select {
	case <-c.ended:
	case <-time.After(ftWait):
		t.Fatalf("%s did not end when stopped", c.mode.name)
	}
	jstest.WaitFor(t, ftWait, "subscriptions and listeners to be gone", func() bool {
		listeners, idle := c.kept()
		return listeners == idle && c.nc.NumSubscriptions() <= c.subs+idle
	})
}

// kept returns how many listeners the connection has, and how many inboxes it
// keeps for the next fetch, which are the only ones that may be left. They go
// with time or with the connection.
func (c *ftCell) kept() (listeners, idle int) {
	hub := findHub(c.nc)
	if hub == nil {
		return 0, 0
	}
	hub.mu.Lock()
	defer hub.mu.Unlock()
	return len(hub.listeners), len(hub.idle)
}

// check sees that the cell comes to its outcome, and stops it.
func (c *ftCell) check(t *testing.T, want ftOutcome, last func() uint64) {
	t.Helper()
	switch {
	case want.ends != nil:
		select {
		case <-c.ended:
		case <-time.After(ftWait):
			t.Fatalf("it did not end; errors: %v", c.faults())
		}
		// An end by nc.Drain precedes that of the connection.
		jstest.WaitFor(t, ftWait, fmt.Sprintf("one of %v", want.ends), func() bool {
			errs := c.faults()
			return len(errs) > 0 && ftAny(errs[len(errs)-1], want.ends)
		})
	case want.fails != nil:
		jstest.WaitFor(t, ftWait, fmt.Sprintf("one of %v", want.fails), func() bool {
			return slices.ContainsFunc(c.faults(), func(err error) bool { return ftAny(err, want.fails) })
		})
		select {
		case <-c.ended:
			t.Errorf("it ended by itself; errors: %v", c.faults())
		default:
			c.stop()
		}
	default:
		c.checkComplete(t, last())
		select {
		case <-c.ended:
			t.Errorf("it ended by itself; errors: %v", c.faults())
		default:
			c.stop()
		}
	}
	c.checkErrors(t, want)
	c.checkRate(t)
}
