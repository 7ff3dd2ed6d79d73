package jetstream_test

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// tpClusterWait is tpWait for what takes an election.
const tpClusterWait = 60 * time.Second

// tpCluster runs a cluster with a stream and a consumer of so many replicas. The
// connection under test and the one that looks on know all nodes.
func tpCluster(t *testing.T, replicas int, adjust ...func(*jetstream.ConsumerConfig)) (*jstest.Cluster, *tpEnv) {
	t.Helper()
	c := jstest.StartCluster(t)
	e := tpEnter(t, jstest.ConnectURL(t, c.URL()), jstest.ConnectURL(t, c.URL()), replicas, adjust...)
	c.StreamLeader(tpStream)
	c.ConsumerLeader(tpStream, tpConsumer)
	return c, e
}

// tpLossy is for faults that lose messages on their way: these come again well
// within tpClusterWait.
func tpLossy(cfg *jetstream.ConsumerConfig) { cfg.AckWait = 20 * time.Second }

// tpTraffic consumes in all ways at once while messages are published.
type tpTraffic struct {
	e        *tpEnv
	consumed tpLog
	iterated tpLog
	fetched  tpLog
	errs     tpErrors
	nextErrs tpErrors
	cc       jetstream.ConsumeContext
	it       jetstream.MessagesContext
	stop     chan struct{}
	readers  sync.WaitGroup

	mu        sync.Mutex
	published int
	writer    sync.WaitGroup
	quiet     chan struct{}
}

func tpStartTraffic(t *testing.T, e *tpEnv) *tpTraffic {
	t.Helper()
	tr := &tpTraffic{e: e, stop: make(chan struct{}), quiet: make(chan struct{})}
	var err error
	tr.cc, err = e.cons.Consume(tr.consumed.take, jetstream.PullMaxMessages(20), tr.errs.handler())
	mgOK(t, err)
	tr.it, err = e.cons.Messages(jetstream.PullMaxMessages(20))
	mgOK(t, err)
	tr.readers.Go(func() {
		for {
			m, err := tr.it.Next()
			if err != nil {
				tr.nextErrs.handler()(nil, err)
				if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
					return
				}
				continue
			}
			tr.iterated.take(m)
		}
	})
	tr.readers.Go(func() {
		for {
			select {
			case <-tr.stop:
				return
			default:
			}
			batch, err := e.cons.Fetch(10, jetstream.FetchMaxWait(500*time.Millisecond))
			if err != nil {
				t.Errorf("fetch: %v", err)
				return
			}
			for m := range batch.Messages() {
				tr.fetched.take(m)
			}
		}
	})
	// Publishing by the client under test goes on through the fault as well. A
	// message that is not acknowledged is published again.
	tr.writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-tr.quiet:
				return
			case <-time.After(2 * time.Millisecond):
			}
			id := strconv.Itoa(i)
			for {
				f, err := e.js.PublishMsgAsync(&nats.Msg{Subject: tpSubject, Data: []byte(id)}, jetstream.WithMsgID(id))
				if err != nil {
					t.Errorf("publish: %v", err)
					return
				}
				stored := false
				select {
				case <-f.Ok():
					stored = true
				case err := <-f.Err():
					t.Logf("publish again after: %v", err)
				case <-time.After(2 * time.Second):
				}
				if stored {
					break
				}
			}
			tr.mu.Lock()
			tr.published++
			tr.mu.Unlock()
		}
	})
	return tr
}

func (tr *tpTraffic) progress() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.published
}

// flows waits until n more messages have been published, and both Consume and
// the iterator have taken some more.
func (tr *tpTraffic) flows(t *testing.T, n int) {
	t.Helper()
	published, consumed, iterated := tr.progress(), tr.consumed.len(), tr.iterated.len()
	jstest.WaitFor(t, tpClusterWait, "messages to flow", func() bool {
		return tr.progress() >= published+n && tr.consumed.len() > consumed && tr.iterated.len() > iterated
	})
}

// end stops publishing and checks that all that was published arrives.
func (tr *tpTraffic) end(t *testing.T) {
	t.Helper()
	close(tr.quiet)
	tr.writer.Wait()
	n := tr.progress()
	all := func() *tpLog {
		return &tpLog{msgs: slices.Concat(tr.consumed.all(), tr.iterated.all(), tr.fetched.all())}
	}
	seen := func() int {
		ids := make(map[string]bool)
		for _, m := range all().all() {
			ids[string(m.Data())] = true
		}
		return len(ids)
	}
	jstest.WaitFor(t, tpClusterWait, "all messages", func() bool { return seen() >= n })
	close(tr.stop)
	tr.cc.Stop()
	tpDone(t, "the end", tr.cc.Closed())
	tr.it.Stop()
	tr.readers.Wait()
	// No delivery was handed out twice.
	type delivery struct{ stream, consumer uint64 }
	handed := make(map[delivery]bool)
	for _, m := range all().all() {
		meta, err := m.Metadata()
		mgOK(t, err)
		d := delivery{meta.Sequence.Stream, meta.Sequence.Consumer}
		if handed[d] {
			t.Errorf("delivery %+v was handed out twice", d)
		}
		handed[d] = true
	}
}

// only checks that nothing but the given errors was reported.
func (tr *tpTraffic) only(t *testing.T, allowed ...error) {
	t.Helper()
	for _, err := range tr.errs.all() {
		if !slices.Contains(allowed, err) {
			t.Errorf("Consume reported %v", err)
		}
	}
	for _, err := range tr.nextErrs.all() {
		if !errors.Is(err, jetstream.ErrMsgIteratorClosed) && !slices.Contains(allowed, err) {
			t.Errorf("Next returned %v", err)
		}
	}
}

func TestLeaderChangesAreOvercome(t *testing.T) {
	t.Parallel()
	c, e := tpCluster(t, 3, tpLossy)
	tr := tpStartTraffic(t, e)
	tr.flows(t, 50)
	for range 2 {
		c.StepDownConsumer(tpStream, tpConsumer)
		tr.flows(t, 20)
	}
	c.StepDownStream(tpStream)
	tr.flows(t, 20)
	c.StepDownMeta()
	tr.flows(t, 20)
	tr.end(t)
	tr.only(t, jetstream.ErrConsumerLeadershipChanged, nats.ErrNoResponders)
}

func TestReplicatedConsumerServesFetches(t *testing.T) {
	t.Parallel()
	c, e := tpCluster(t, 3)
	var log tpLog
	total := 0
	for range 20 {
		e.publish(10)
		total += 10
		e.known(10)
		// A consumer with replicas hands messages out later than it says so.
		for _, fetch := range []func() (jetstream.MessageBatch, error){
			func() (jetstream.MessageBatch, error) { return e.cons.FetchNoWait(4) },
			func() (jetstream.MessageBatch, error) { return e.cons.FetchNoWait(100) },
			func() (jetstream.MessageBatch, error) {
				return e.cons.Fetch(4, jetstream.FetchMaxWait(time.Millisecond))
			},
			func() (jetstream.MessageBatch, error) { return e.cons.FetchNoWait(1) },
		} {
			batch, err := fetch()
			for _, m := range tpBatch(t, batch, err) {
				log.take(m)
			}
			mgOK(t, batch.Error())
		}
		if log.len() != total {
			t.Fatalf("%d of %d messages fetched", log.len(), total)
		}
	}
	log.inOrderOnce(t, total)

	arrived := e.incoming()
	batch, err := e.cons.Fetch(10, jetstream.FetchMaxWait(30*time.Second))
	mgOK(t, err)
	e.publish(3)
	arrived(3)
	c.StepDownConsumer(tpStream, tpConsumer)
	mgEqual(t, "messages before the leader changed", len(tpBatch(t, batch, err)), 3)
	mgSame(t, batch.Error(), jetstream.ErrConsumerLeadershipChanged)
}

func TestConsumingResumesWhenTheOnlyOwnerIsBack(t *testing.T) {
	t.Parallel()
	// B16
	c := jstest.StartCluster(t)
	setup := jstest.ConnectURL(t, c.URL())
	e := tpEnter(t, setup, setup, 1)
	owner := c.StreamLeader(tpStream)
	var others []string
	for _, n := range c.Nodes() {
		if n != owner {
			others = append(others, n.URL())
		}
	}
	// These do not lose their connection when the owner goes, so nothing but the
	// requests' own ends tells them.
	e.nc = jstest.ConnectURL(t, others[0], nats.IgnoreDiscoveredServers())
	e.admin = jstest.ConnectURL(t, others[1], nats.IgnoreDiscoveredServers())
	setup.Close()
	e.js, e.adminJS = tpHandle(t, e.nc), tpHandle(t, e.admin)
	e.cons = e.handleOver(e.nc)

	var consumed, iterated tpLog
	var errs tpErrors
	cc, err := e.cons.Consume(consumed.take, errs.handler(), jetstream.PullMaxMessages(10))
	mgOK(t, err)
	it, err := e.cons.Messages(jetstream.PullMaxMessages(10))
	mgOK(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			m, err := it.Next()
			if err != nil {
				mgIs(t, err, jetstream.ErrMsgIteratorClosed)
				return
			}
			iterated.take(m)
		}
	})
	e.publish(50)
	both := func() bool { return consumed.len() > 0 && iterated.len() > 0 }
	jstest.WaitFor(t, tpWait, "messages for both", both)

	// A request on its way when the server goes is lost without a word, and only
	// the heartbeat tells; here they are all there and waiting.
	jstest.WaitFor(t, tpWait, "requests to wait", func() bool {
		e.settled()
		i := e.info()
		return i.Delivered.Stream == 50 && i.NumWaiting >= 2
	})
	e.settled()

	owner.Stop()
	owner.Start()
	jstest.WaitFor(t, tpClusterWait, "the stream to be back", func() bool {
		_, err := e.adminJS.Publish(mgContext(t), tpSubject, nil, jetstream.WithRetryAttempts(0))
		return err == nil
	})
	back := time.Now()
	was := []int{consumed.len(), iterated.len()}
	jstest.WaitFor(t, tpClusterWait, "both to go on", func() bool {
		if _, err := e.adminJS.Publish(mgContext(t), tpSubject, nil); err != nil {
			t.Logf("publish: %v", err)
		}
		return consumed.len() > was[0] && iterated.len() > was[1]
	})
	// Pauses are five seconds and a quarter at most. A missing heartbeat would show
	// after 30.
	if d := time.Since(back); d > 20*time.Second {
		t.Errorf("consuming went on %v after the stream was back", d)
	} else {
		t.Logf("consuming went on %v after the stream was back", d)
	}
	mgEqual(t, "reconnects", e.nc.Stats().Reconnects, uint64(0))
	cc.Stop()
	it.Stop()
	wg.Wait()
	for _, err := range errs.all() {
		if err != jetstream.ErrServerShutdown && err != nats.ErrNoResponders {
			t.Errorf("Consume reported %v", err)
		}
	}
}

func TestKilledNodeIsOvercome(t *testing.T) {
	t.Parallel()
	c, e := tpCluster(t, 3, tpLossy)
	tr := tpStartTraffic(t, e)
	tr.flows(t, 50)
	// First whoever leads the consumer, then the node of the client.
	victim := c.ConsumerLeader(tpStream, tpConsumer)
	victim.Kill()
	tr.flows(t, 20)
	victim.Start()
	c.WaitReady()
	for _, n := range c.Nodes() {
		if e.nc.ConnectedUrl() == n.URL() {
			n.Kill()
			tr.flows(t, 20)
			n.Start()
			break
		}
	}
	c.WaitReady()
	tr.flows(t, 20)
	tr.end(t)
	tr.only(t, jetstream.ErrConsumerLeadershipChanged, nats.ErrNoResponders, jetstream.ErrServerShutdown, jetstream.ErrNoHeartbeat)
}
