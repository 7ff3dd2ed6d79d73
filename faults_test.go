package jetstream

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/jstest"
)

// The fault matrix: every way of consuming goes through every fault, with
// messages being published all the while. It is inside the package to see that
// no listener to a connection is left.

// Outcomes several faults have in common.
var (
	ftSilent = ftOutcome{}

	// A call of a fetch is bound by its time, which an outage may use up.
	ftTimesOut = ftOutcome{tolerated: []error{nats.ErrTimeout}}

	// The server closes JetStream before it closes connections.
	ftShutdown = ftOutcome{tolerated: []error{ErrServerShutdown, nats.ErrNoResponders, nats.ErrTimeout}}

	ftConnClosed = ftOutcome{ends: []error{ErrConnectionClosed, nats.ErrConnectionClosed}}

	ftNoConsumer = ftOutcome{fails: []error{ErrConsumerDeleted, nats.ErrNoResponders}, tolerated: []error{ErrNoHeartbeat}}

	ftNoStream = ftOutcome{tolerated: []error{ErrConsumerDeleted, nats.ErrNoResponders, ErrNoHeartbeat}}
)

// ftFaults is the matrix. What is not in it makes no sense: leaders move in
// clusters only, so the faults of one server are not repeated there except for
// the loss of a node.
var ftFaults = []ftFault{
	{
		name: "server restarted in an orderly way",
		strike: func(w *ftWorld) {
			w.node.Stop()
			w.node.Start()
		},
		want: map[string]ftOutcome{
			"":                 ftShutdown,
			"messages":         ftSilent,
			"ordered-messages": ftSilent,
			"push":             ftSilent,
		},
	},
	{
		name: "server killed and started again",
		strike: func(w *ftWorld) {
			w.node.Kill()
			w.node.Start()
		},
		want: map[string]ftOutcome{
			"":      ftSilent,
			"fetch": ftTimesOut,
			// If the time of a call is nearly over when the server is back, it learns
			// that its consumer is gone and has none left to make another one.
			"ordered-fetch": {tolerated: []error{nats.ErrTimeout, nats.ErrNoResponders}},
			"ordered-next":  {tolerated: []error{nats.ErrTimeout, nats.ErrNoResponders}},
		},
	},
	{
		name: "connection cut and healed",
		strike: func(w *ftWorld) {
			w.line.Refuse(true)
			w.line.Cut()
			// While they are away, the stream goes on.
			w.publish(50)
			w.line.Refuse(false)
		},
		want: map[string]ftOutcome{"": ftSilent, "fetch": ftTimesOut, "ordered-fetch": ftTimesOut},
	},
	{
		name: "link slow and narrow",
		strike: func(w *ftWorld) {
			w.line.SetDelay(jstest.ToClient, 50*time.Millisecond)
			w.line.SetDelay(jstest.ToServer, 50*time.Millisecond)
			w.line.SetRate(jstest.ToClient, 64<<10)
			w.publish(50)
			w.awaitAll(120)
			w.line.Heal()
		},
		want: map[string]ftOutcome{"": ftSilent},
	},
	{
		name: "consumer deleted",
		strike: func(w *ftWorld) {
			for _, c := range w.cells {
				ftOK(w.t, w.stream.DeleteConsumer(w.ctx, c.name()))
			}
		},
		want: map[string]ftOutcome{
			"consume":  {ends: []error{ErrConsumerDeleted, ErrConsumerNotFound}, tolerated: []error{ErrNoHeartbeat, nats.ErrNoResponders}},
			"messages": {ends: []error{ErrConsumerDeleted, ErrConsumerNotFound}, tolerated: []error{ErrNoHeartbeat}},
			"fetch":    ftNoConsumer,
			"next":     ftNoConsumer,
			"push":     {fails: []error{ErrNoHeartbeat}},
			// The handler learns why, but it goes on.
			"ordered-consume":  {tolerated: []error{ErrConsumerDeleted, nats.ErrNoResponders, ErrNoHeartbeat}},
			"ordered-messages": ftSilent,
			// A request that meets the deletion gets no answer. The call may be
			// over by the time that shows, and the next one succeeds.
			"ordered-fetch": {tolerated: []error{ErrNoHeartbeat}},
			"ordered-next":  {tolerated: []error{ErrNoHeartbeat}},
		},
	},
	{
		name:   "stream deleted",
		strike: func(w *ftWorld) { ftOK(w.t, w.js.DeleteStream(w.ctx, ftStream)) },
		want: map[string]ftOutcome{
			"consume":          {ends: []error{ErrConsumerDeleted, ErrConsumerNotFound, ErrStreamNotFound}, tolerated: []error{ErrNoHeartbeat, nats.ErrNoResponders}},
			"messages":         {ends: []error{ErrConsumerDeleted, ErrConsumerNotFound, ErrStreamNotFound}, tolerated: []error{ErrNoHeartbeat}},
			"fetch":            ftNoConsumer,
			"next":             ftNoConsumer,
			"push":             {fails: []error{ErrNoHeartbeat}},
			"ordered-consume":  {ends: []error{ErrStreamNotFound}, tolerated: ftNoStream.tolerated},
			"ordered-messages": {ends: []error{ErrStreamNotFound}},
			"ordered-fetch":    {fails: []error{ErrStreamNotFound}, tolerated: ftNoStream.tolerated},
			"ordered-next":     {fails: []error{ErrStreamNotFound}, tolerated: ftNoStream.tolerated},
		},
	},
	{
		name: "nc.Close",
		strike: func(w *ftWorld) {
			for _, c := range w.cells {
				c.nc.Close()
			}
		},
		want: map[string]ftOutcome{"": ftConnClosed},
	},
	{
		name: "nc.Drain",
		strike: func(w *ftWorld) {
			for _, c := range w.cells {
				ftOK(w.t, c.nc.Drain())
			}
		},
		want: map[string]ftOutcome{
			// Calls on a connection that is draining are refused by core.
			"":                 {ends: ftConnClosed.ends, tolerated: []error{nats.ErrConnectionDraining}},
			"messages":         {ends: []error{ErrMsgIteratorClosed}},
			"ordered-messages": {ends: []error{ErrMsgIteratorClosed}},
		},
	},
	{
		name: "nobody answers for JetStream for a while",
		strike: func(w *ftWorld) {
			w.node.Stop()
			w.options.JetStream = false
			w.node.Start()
			for _, c := range w.cells {
				if c.mode.name == "next" || c.mode.name == "consume" {
					jstest.WaitFor(w.t, ftWait, c.mode.name+" to notice", func() bool {
						return slices.ContainsFunc(c.faults(), func(err error) bool { return errors.Is(err, nats.ErrNoResponders) })
					})
				}
			}
			w.node.Stop()
			w.options.JetStream = true
			w.node.Start()
		},
		want: map[string]ftOutcome{
			"":                 {tolerated: []error{nats.ErrNoResponders, ErrNoHeartbeat, ErrServerShutdown, nats.ErrTimeout}},
			"messages":         {tolerated: []error{ErrNoHeartbeat}},
			"ordered-messages": ftSilent,
		},
	},
	{
		name:    "leaders step down",
		cluster: true,
		strike: func(w *ftWorld) {
			w.cluster.StepDownStream(ftStream)
			for _, c := range w.cells {
				if !c.mode.ordered {
					w.cluster.StepDownConsumer(ftStream, c.mode.name)
				}
			}
		},
		want: map[string]ftOutcome{
			"": {tolerated: []error{ErrConsumerLeadershipChanged, nats.ErrNoResponders, ErrNoHeartbeat}},
			// Nobody answers a request that crosses with the news.
			"fetch": {tolerated: []error{ErrConsumerLeadershipChanged, nats.ErrNoResponders, ErrNoHeartbeat, nats.ErrTimeout}},
		},
	},
	{
		name:    "leader killed",
		cluster: true,
		strike: func(w *ftWorld) {
			w.cluster.StreamLeader(ftStream).Kill()
		},
		want: map[string]ftOutcome{
			"":              {tolerated: []error{ErrConsumerLeadershipChanged, nats.ErrNoResponders, ErrNoHeartbeat, ErrConsumerDeleted}},
			"fetch":         {tolerated: []error{ErrConsumerLeadershipChanged, nats.ErrNoResponders, ErrNoHeartbeat, nats.ErrTimeout}},
			"ordered-fetch": {tolerated: []error{nats.ErrNoResponders, ErrNoHeartbeat, nats.ErrTimeout}},
		},
	},
}

// A10, A12, A29-A33, B16, B19, B21, B23, B24, B32-B35
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range ftFaults {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			w := ftStart(t, fault.cluster)
			w.publish(100)
			w.awaitAll(60)
			w.during(func() { fault.strike(w) })
			wanted := make([]ftOutcome, len(w.cells))
			goOn := false
			for i, c := range w.cells {
				want, ok := fault.want[c.mode.name]
				if !ok {
					want = fault.want[""]
				}
				wanted[i] = want
				goOn = goOn || (want.ends == nil && want.fails == nil)
			}
			if goOn {
				w.publish(30)
			}
			var last uint64
			for i, c := range w.cells {
				t.Run(c.mode.name, func(t *testing.T) {
					c.check(t, wanted[i], func() uint64 {
						if last == 0 {
							last = w.last()
						}
						return last
					})
				})
			}
			for _, c := range w.cells {
				c.checkReleased(t)
			}
		})
	}
}

// ftCycles is how often each mode is started and stopped.
const ftCycles = 1000

// A10, A11, A41: what is started and stopped leaves nothing. Not in parallel
// with others, so that all goroutines can be counted.
func TestStartStopCyclesDoNotAddUp(t *testing.T) {
	w := &ftWorld{t: t, ctx: context.Background()}
	s := jstest.StartServer(t)
	w.url = s.ClientURL()
	w.admin = jstest.Connect(t, s)
	var err error
	w.js, err = New(w.admin)
	ftOK(t, err)
	w.stream, err = w.js.CreateStream(w.ctx, StreamConfig{Name: ftStream, Subjects: []string{"s.>"}, Storage: MemoryStorage})
	ftOK(t, err)
	ignore := func(Msg) {}
	closed := func(cc ConsumeContext, err error) error {
		if err == nil {
			cc.Stop()
			<-cc.Closed()
		}
		return err
	}
	cycles := map[string]func(c *ftCell) error{
		"consume":         func(c *ftCell) error { return closed(c.consumer.Consume(ignore)) },
		"ordered-consume": func(c *ftCell) error { return closed(c.consumer.Consume(ignore)) },
		"push":            func(c *ftCell) error { return closed(c.pushed.Consume(ignore)) },
		"messages":        (*ftCell).iterate,
		"ordered-messages": func(c *ftCell) error {
			for {
				// The last iterator may still be about to end.
				if err := c.iterate(); !errors.Is(err, ErrOrderedConsumerConcurrentRequests) {
					return err
				}
				runtime.Gosched()
			}
		},
		"fetch":         (*ftCell).fetchNothing,
		"ordered-fetch": (*ftCell).fetchNothing,
		"next":          (*ftCell).nextCanceled,
		"ordered-next":  (*ftCell).nextCanceled,
	}
	for _, mode := range ftModes {
		t.Run(mode.name, func(t *testing.T) {
			c := w.newCell(mode)
			cycle := cycles[mode.name]
			ftOK(t, cycle(c)) // makes what a connection keeps
			goroutines := runtime.NumGoroutine()
			for range ftCycles {
				ftOK(t, cycle(c))
			}
			// A fetch may begin before the last one has put its inbox back, so
			// that there are two.
			jstest.WaitFor(t, ftWait, "goroutines and subscriptions to be back where they were", func() bool {
				listeners, idle := c.kept()
				return runtime.NumGoroutine() <= goroutines+1 && c.nc.NumSubscriptions() <= c.subs+idle && listeners == idle && idle <= 2
			})
		})
	}
}

func (c *ftCell) iterate() error {
	it, err := c.consumer.Messages()
	if err != nil {
		return err
	}
	it.Stop()
	if _, err := it.Next(); err != ErrMsgIteratorClosed {
		return err
	}
	return nil
}

func (c *ftCell) fetchNothing() error {
	batch, err := c.consumer.FetchNoWait(10)
	if err != nil {
		return err
	}
	for range batch.Messages() {
		return errors.New("a message out of nowhere")
	}
	return batch.Error()
}

// nextCanceled is the end that leaves an inbox which cannot be used again.
func (c *ftCell) nextCanceled() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.consumer.Next(FetchContext(ctx)); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("error is %w, want that of the context", err)
	}
	return nil
}
