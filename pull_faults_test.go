package jetstream_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// tpStartLink is a server whose connection under test goes through a link that
// can fail, while the one that looks on is safe.
func tpStartLink(t *testing.T, adjust ...func(*jetstream.ConsumerConfig)) (*jstest.Proxy, *tpEnv) {
	t.Helper()
	n := jstest.StartNode(t)
	e := tpEnter(t, jstest.ConnectURL(t, n.URL()), jstest.ConnectURL(t, "nats://"+n.Server().Addr().String()), 1, adjust...)
	return n.Proxy(), e
}

// restart ends the server, in an orderly way or not, starts it again and waits
// until both connections are up.
func (e *tpEnv) restart(n *jstest.Node, end func(*jstest.Node)) {
	e.t.Helper()
	before := []uint64{e.nc.Stats().Reconnects, e.admin.Stats().Reconnects}
	end(n)
	n.Start()
	for i, nc := range []*nats.Conn{e.nc, e.admin} {
		jstest.WaitFor(e.t, tpWait, "the reconnect", func() bool {
			return nc.Stats().Reconnects > before[i] && nc.IsConnected()
		})
	}
	e.settled()
}

// cut breaks the connection under test and waits until it is up again.
func (e *tpEnv) cut(p *jstest.Proxy) {
	e.t.Helper()
	before := e.nc.Stats().Reconnects
	p.Cut()
	jstest.WaitFor(e.t, tpWait, "the reconnect", func() bool {
		return e.nc.Stats().Reconnects > before && e.nc.IsConnected()
	})
	e.settled()
}

// down breaks the connection under test and keeps it down.
func (e *tpEnv) down(p *jstest.Proxy) {
	e.t.Helper()
	p.Refuse(true)
	p.Cut()
	jstest.WaitFor(e.t, tpWait, "the connection to be lost", func() bool { return !e.nc.IsConnected() })
}

func TestConsumingGoesOnAfterRestart(t *testing.T) {
	t.Parallel()
	// B5
	for name, adjust := range map[string]func(*jetstream.ConsumerConfig){
		"explicit": func(*jetstream.ConsumerConfig) {},
		"none":     tpAckNone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, e := tpStartNode(t, adjust)
			var consumed, iterated tpLog
			var errs tpErrors
			cc, err := e.cons.Consume(consumed.take, errs.handler(), jetstream.PullMaxMessages(20))
			mgOK(t, err)
			it, err := e.cons.Messages(jetstream.PullMaxMessages(20))
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
			total := 0
			for range 3 {
				e.publish(100)
				total += 100
				jstest.WaitFor(t, tpWait, "all messages", func() bool { return consumed.len()+iterated.len() >= total })
				e.restart(n, (*jstest.Node).Stop)
			}
			e.publish(100)
			jstest.WaitFor(t, tpWait, "all messages", func() bool { return consumed.len()+iterated.len() >= total+100 })
			cc.Stop()
			it.Stop()
			wg.Wait()
			all := &tpLog{msgs: append(consumed.all(), iterated.all()...)}
			all.complete(t, total+100)
			if name == "none" {
				mgEqual(t, "messages", all.len(), total+100)
			}
			// A request may come between the end of JetStream and that of the
			// connection.
			for _, err := range errs.all() {
				if err != nats.ErrNoResponders {
					mgSame(t, err, jetstream.ErrServerShutdown)
				}
			}
		})
	}
}

func TestBufferSurvivesReconnectAndIsNotRequestedTwice(t *testing.T) {
	t.Parallel()
	// B5 B24
	t.Run("Messages", func(t *testing.T) {
		t.Parallel()
		p, e := tpStartLink(t, tpAckNone)
		e.publish(500)
		arrived := e.incoming()
		it, err := e.cons.Messages(jetstream.PullMaxMessages(100))
		mgOK(t, err)
		defer it.Stop()
		var log tpLog
		tpNext(t, it, &log, 1)
		arrived(100)
		for range 3 {
			e.cut(p)
		}
		tpNext(t, it, &log, 1)
		e.settled()
		if n := e.info().Delivered.Consumer; n > 102 {
			t.Errorf("%d messages delivered, 2 taken, with a window of 100", n)
		}
		tpNext(t, it, &log, 498)
		log.inOrderOnce(t, 500)
	})
	t.Run("Consume", func(t *testing.T) {
		t.Parallel()
		p, e := tpStartLink(t, tpAckNone)
		e.publish(500)
		gate := make(chan struct{})
		arrived := e.incoming()
		var log tpLog
		var errs tpErrors
		cc, err := e.cons.Consume(func(m jetstream.Msg) {
			<-gate
			log.take(m)
		}, jetstream.PullMaxMessages(100), errs.handler())
		mgOK(t, err)
		defer cc.Stop()
		arrived(100)
		for range 3 {
			e.cut(p)
		}
		mgEqual(t, "messages delivered", e.info().Delivered.Consumer, uint64(100))
		close(gate)
		log.wait(t, 500)
		log.inOrderOnce(t, 500)
		errs.none(t)
	})
}

func TestNothingIsLostOrDeliveredTwiceThroughCuts(t *testing.T) {
	t.Parallel()
	p, e := tpStartLink(t, func(cfg *jetstream.ConsumerConfig) { cfg.AckWait = time.Second })
	var consumed, iterated tpLog
	var errs tpErrors
	cc, err := e.cons.Consume(consumed.take, errs.handler(), jetstream.PullMaxMessages(50))
	mgOK(t, err)
	it, err := e.cons.Messages(jetstream.PullMaxMessages(50))
	mgOK(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			m, err := it.Next(jetstream.NextMaxWait(30 * time.Millisecond))
			if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
				return
			}
			if err == nil {
				iterated.take(m)
			}
		}
	})
	for range 10 {
		e.publish(200)
		e.cut(p)
	}
	all := func() *tpLog { return &tpLog{msgs: append(consumed.all(), iterated.all()...)} }
	jstest.WaitFor(t, tpWait, "all messages", func() bool { return all().distinct(t) == 2000 })
	cc.Stop()
	it.Stop()
	wg.Wait()
	all().complete(t, 2000)
	errs.none(t)
}

func TestReconnectBetweenTwoShortCallsOfNextIsNoticed(t *testing.T) {
	t.Parallel()
	// A1
	n, e := tpStartNode(t)
	it, err := e.cons.Messages()
	mgOK(t, err)
	defer it.Stop()
	_, err = it.Next(jetstream.NextMaxWait(50 * time.Millisecond))
	mgSame(t, err, nats.ErrTimeout)
	// The new server knows nothing of the request.
	e.restart(n, (*jstest.Node).Stop)
	e.publish(1)
	_, err = it.Next(jetstream.NextMaxWait(10 * time.Second))
	mgOK(t, err)
}

func TestReconnectLeadsToOneRequestAndNoLookUp(t *testing.T) {
	t.Parallel()
	// A2
	p, e := tpStartLink(t)
	var log tpLog
	cc, err := e.cons.Consume(log.take)
	mgOK(t, err)
	defer cc.Stop()
	e.settled()
	pulls := e.pulls()
	infos := jstest.RecordRequests(t, e.admin, "$JS.API.CONSUMER.INFO.>")
	for i := range 3 {
		e.cut(p)
		e.requested(pulls, i+1)
		mgEqual(t, "requests after a reconnect", pulls.Len(), i+1)
	}
	mgEqual(t, "look-ups", infos.Len(), 0)
	e.publish(10)
	log.wait(t, 10)
}

func TestNothingIsRequestedOrMissedWhileDisconnected(t *testing.T) {
	t.Parallel()
	// A16 B23
	p, e := tpStartLink(t)
	e.publish(10)
	gate := make(chan struct{})
	arrived := e.incoming()
	var log tpLog
	var errs tpErrors
	cc, err := e.cons.Consume(func(m jetstream.Msg) {
		<-gate
		log.take(m)
	}, jetstream.PullMaxMessages(10), jetstream.PullHeartbeat(time.Second), errs.handler())
	mgOK(t, err)
	defer cc.Stop()
	arrived(10)
	it, err := e.again().Messages(jetstream.PullHeartbeat(time.Second))
	mgOK(t, err)
	defer it.Stop()
	pulls := e.pulls()
	e.down(p)
	close(gate)
	log.wait(t, 10)
	_, err = it.Next(jetstream.NextMaxWait(3 * time.Second))
	mgSame(t, err, nats.ErrTimeout)
	p.Refuse(false)
	jstest.WaitFor(t, tpWait, "the reconnect", e.nc.IsConnected)
	got := e.requested(pulls, 1)
	mgEqual(t, "requests of Consume after the outage", len(got), 1)
	mgEqual(t, "batch", got[0].Batch, 10)
	_, err = it.Next(jetstream.NextMaxWait(10 * time.Millisecond))
	mgSame(t, err, nats.ErrTimeout)
	mgEqual(t, "requests of both after the outage", len(e.requested(pulls, 2)), 2)
	errs.none(t)
}

func TestStoppingOneListenerLeavesTheOthers(t *testing.T) {
	t.Parallel()
	// A11
	p, e := tpStartLink(t)
	own := e.nc.StatusChanged(nats.CONNECTED)
	defer e.nc.RemoveStatusListener(own)
	var log tpLog
	stay, err := e.cons.Consume(log.take, jetstream.PullMaxMessages(10))
	mgOK(t, err)
	defer stay.Stop()
	leave, err := e.cons.Consume(func(jetstream.Msg) {}, jetstream.PullMaxMessages(10))
	mgOK(t, err)
	leave.Stop()
	it, err := e.cons.Messages()
	mgOK(t, err)
	it.Stop()
	_, err = e.cons.Next(jetstream.FetchMaxWait(time.Millisecond))
	mgSame(t, err, nats.ErrTimeout)
	e.settled()
	pulls := e.pulls()
	e.cut(p)
	pulls.WaitN(t, 1, tpWait)
	tpDone(t, "the user's own listener", own)
	e.publish(5)
	log.wait(t, 5)
}

func TestClosedConnectionEndsConsume(t *testing.T) {
	t.Parallel()
	// A12
	for what, end := range map[string]func(*nats.Conn){
		"close": (*nats.Conn).Close,
		"drain": func(nc *nats.Conn) { _ = nc.Drain() },
	} {
		e := tpStart(t)
		e.publish(3)
		var log tpLog
		var errs tpErrors
		cc, err := e.cons.Consume(log.take, errs.handler())
		mgOK(t, err)
		log.wait(t, 3)
		end(e.nc)
		tpDone(t, what+" to end Consume", cc.Closed())
		mgSame(t, errs.wait(t, 1)[0], jetstream.ErrConnectionClosed)
		jstest.WaitFor(t, tpWait, "the connection to close", e.nc.IsClosed)
		cc.Stop()
		cc.Drain()
		mgEqual(t, what+": errors", len(errs.all()), 1)
	}
}

func TestConnectionClosedWhileHandlerRuns(t *testing.T) {
	t.Parallel()
	// A9 A12
	e := tpStart(t)
	e.publish(10)
	started, release := make(chan struct{}, 10), make(chan struct{})
	var calls atomic.Int32
	var errs tpErrors
	cc, err := e.cons.Consume(func(jetstream.Msg) {
		calls.Add(1)
		started <- struct{}{}
		<-release
	}, errs.handler())
	mgOK(t, err)
	tpDone(t, "the handler", started)
	e.nc.Close()
	errs.wait(t, 1)
	if !tpOpen(cc.Closed()) {
		t.Error("closed while the handler runs")
	}
	close(release)
	tpDone(t, "the end", cc.Closed())
	mgEqual(t, "calls", calls.Load(), int32(1))
	mgEqual(t, "errors", len(errs.all()), 1)
}

func TestStopAfterCountsThroughExpiryAndReconnect(t *testing.T) {
	t.Parallel()
	// A29
	p, e := tpStartLink(t)
	pulls := e.pulls()
	// Before the first request, which would else expire unused on a busy machine.
	e.publish(2)
	var log tpLog
	var errs tpErrors
	cc, err := e.cons.Consume(log.take, jetstream.StopAfter(8), jetstream.PullExpiry(2*time.Second),
		jetstream.PullHeartbeat(time.Second), errs.handler())
	mgOK(t, err)
	got := e.requested(pulls, 3)
	for i, want := range []int{8, 6, 6} {
		mgEqual(t, "batch", got[i].Batch, want)
	}
	n := pulls.Len()
	e.cut(p)
	mgEqual(t, "batch after the reconnect", e.requested(pulls, n+1)[n].Batch, 6)
	e.publish(4)
	log.wait(t, 6)
	e.cut(p)
	e.publish(20)
	tpDone(t, "the end", cc.Closed())
	mgEqual(t, "messages", log.len(), 8)
	log.complete(t, 8)
	errs.none(t)
}

func TestRequestsFromBeforeAReconnectDoNotRaiseStopAfter(t *testing.T) {
	t.Parallel()
	// A29: a server that has not noticed the loss of interest revives them. What
	// it sends too much then is not for the user to see.
	p, e := tpStartLink(t)
	var log tpLog
	cc, err := e.cons.Consume(log.take, jetstream.StopAfter(5))
	mgOK(t, err)
	e.settled()
	for range 5 {
		e.cut(p)
	}
	e.publish(30)
	tpDone(t, "the end", cc.Closed())
	mgEqual(t, "messages", log.len(), 5)
	log.inOrderOnce(t, 5)
	e.waitInfo("requests to go", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 0 })
}

func TestShutdownIsReportedBeforeTheEndOfTheConnection(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	// Core drops what is queued when it gives up, so it must not do so at once: the
	// status may be queued still.
	e := tpEnter(t, jstest.ConnectURL(t, n.URL(), nats.MaxReconnects(20)), jstest.ConnectURL(t, n.URL()), 1)
	var errs tpErrors
	cc, err := e.cons.Consume(func(jetstream.Msg) {}, errs.handler())
	mgOK(t, err)
	e.settled()
	n.Stop()
	tpDone(t, "the end", cc.Closed())
	// A request may come between the end of JetStream and that of the connection.
	got := slices.DeleteFunc(errs.all(), func(err error) bool { return err == nats.ErrNoResponders })
	if !slices.Equal(got, []error{jetstream.ErrServerShutdown, jetstream.ErrConnectionClosed}) {
		t.Errorf("errors are %v", got)
	}
}

func TestBlockedNextOutlivesRestart(t *testing.T) {
	t.Parallel()
	n, e := tpStartNode(t)
	ephemeral, err := e.js.CreateConsumer(mgContext(t), tpStream, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckExplicitPolicy, InactiveThreshold: time.Minute,
	})
	mgOK(t, err)
	it, err := ephemeral.Messages()
	mgOK(t, err)
	defer it.Stop()
	var log tpLog
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 5 {
			m, err := it.Next()
			if err != nil {
				t.Errorf("Next: %v", err)
				return
			}
			log.take(m)
		}
	}()
	e.settled()
	e.restart(n, (*jstest.Node).Stop)
	e.publish(5)
	tpDone(t, "the messages", done)
	log.inOrderOnce(t, 5)
}

func TestConsumerThatARestartHasLostEndsConsuming(t *testing.T) {
	t.Parallel()
	// B21
	n, e := tpStartNode(t, func(cfg *jetstream.ConsumerConfig) { cfg.MemoryStorage = true })
	var errs tpErrors
	hb := jetstream.PullHeartbeat(500 * time.Millisecond)
	cc, err := e.cons.Consume(func(jetstream.Msg) {}, hb, errs.handler())
	mgOK(t, err)
	it, err := e.cons.Messages(hb)
	mgOK(t, err)
	e.settled()
	e.restart(n, (*jstest.Node).Stop)
	tpDone(t, "the end", cc.Closed())
	got := errs.all()
	mgSame(t, got[len(got)-1], jetstream.ErrConsumerNotFound)
	for err = jetstream.ErrNoHeartbeat; err == jetstream.ErrNoHeartbeat; {
		_, err = it.Next()
	}
	mgSame(t, err, jetstream.ErrConsumerNotFound)
}

func TestSilentNetworkIsReportedAndOvercome(t *testing.T) {
	t.Parallel()
	p, e := tpStartLink(t, func(cfg *jetstream.ConsumerConfig) { cfg.AckWait = 2 * time.Second })
	var log tpLog
	var errs tpErrors
	cc, err := e.cons.Consume(log.take, jetstream.PullHeartbeat(500*time.Millisecond), errs.handler(), jetstream.PullMaxMessages(50))
	mgOK(t, err)
	e.publish(20)
	log.wait(t, 20)
	e.settled()
	p.BlackHole(jstest.ToClient, true)
	e.publish(20)
	mgSame(t, errs.wait(t, 1)[0], jetstream.ErrNoHeartbeat)
	p.Heal()
	e.publish(60)
	jstest.WaitFor(t, tpWait, "all messages", func() bool { return log.distinct(t) == 100 })
	cc.Stop()
	log.complete(t, 100)
	for _, err := range errs.all() {
		mgSame(t, err, jetstream.ErrNoHeartbeat)
	}
}

func TestStopAndDrainWhileDisconnected(t *testing.T) {
	t.Parallel()
	p, e := tpStartLink(t)
	e.publish(20)
	gate := make(chan struct{})
	var drained, stopped atomic.Int32
	entered := make(chan struct{}, 40)
	handler := func(n *atomic.Int32) jetstream.MessageHandler {
		return func(jetstream.Msg) {
			entered <- struct{}{}
			<-gate
			n.Add(1)
		}
	}
	arrived := e.incoming()
	drain, err := e.cons.Consume(handler(&drained), jetstream.PullMaxMessages(10))
	mgOK(t, err)
	stop, err := e.cons.Consume(handler(&stopped), jetstream.PullMaxMessages(10))
	mgOK(t, err)
	arrived(20)
	<-entered
	<-entered
	e.down(p)
	drain.Drain()
	stop.Stop()
	close(gate)
	tpDone(t, "the end of the stopped one", stop.Closed())
	mgEqual(t, "calls after Stop", stopped.Load(), int32(1))
	// Core tries for ten seconds to tell the server.
	jstest.WaitFor(t, 2*tpWait, "the end of the drained one", func() bool { return !tpOpen(drain.Closed()) })
	mgEqual(t, "calls while draining", drained.Load(), int32(10))
}

func TestFetchGoesOnAfterReconnect(t *testing.T) {
	t.Parallel()
	// B27
	n, e := tpStartNode(t)
	e.publish(3)
	batch, err := e.cons.Fetch(6, jetstream.FetchMaxWait(20*time.Second))
	mgOK(t, err)
	var log tpLog
	for range 3 {
		log.take(<-batch.Messages())
	}
	e.settled()
	// A server that shuts down in an orderly way ends the request.
	e.restart(n, (*jstest.Node).Kill)
	e.publish(10)
	for _, m := range tpFetched(t, 3, batch, err) {
		log.take(m)
	}
	log.inOrderOnce(t, 6)
	batch, err = e.cons.Fetch(7)
	tpFetched(t, 7, batch, err)
}

func TestFetchThroughCutsLosesNothing(t *testing.T) {
	t.Parallel()
	// B27
	p, e := tpStartLink(t)
	var log tpLog
	total := 0
	for range 5 {
		arrived := e.incoming()
		batch, err := e.cons.Fetch(20, jetstream.FetchMaxWait(20*time.Second))
		mgOK(t, err)
		e.publish(10)
		arrived(10)
		e.cut(p)
		// More than asked for, which revived and repeated requests fight over.
		e.publish(20)
		total += 30
		for _, m := range tpFetched(t, 20, batch, err) {
			log.take(m)
		}
		batch, err = e.cons.Fetch(10, jetstream.FetchMaxWait(10*time.Second))
		for _, m := range tpFetched(t, 10, batch, err) {
			log.take(m)
		}
	}
	log.complete(t, total)
}

func TestFetchDuringOutage(t *testing.T) {
	t.Parallel()
	// B27
	p, e := tpStartLink(t)
	e.publish(10)
	e.down(p)
	pulls := e.pulls()
	started := time.Now()
	batch, err := e.cons.Fetch(1, jetstream.FetchMaxWait(200*time.Millisecond))
	tpBatch(t, batch, err)
	if err := batch.Error(); !errors.Is(err, nats.ErrTimeout) || !errors.Is(err, nats.ErrDisconnected) {
		t.Errorf("a fetch during an outage ended with %v", err)
	}
	if d := time.Since(started); d > 10*time.Second {
		t.Errorf("that took %v", d)
	}
	_, err = e.cons.Next(jetstream.FetchMaxWait(100 * time.Millisecond))
	mgSame(t, err, nats.ErrTimeout)

	long, err := e.cons.Fetch(4, jetstream.FetchMaxWait(20*time.Second))
	mgOK(t, err)
	noWait, err := e.cons.FetchNoWait(4)
	mgOK(t, err)
	next := make(chan error, 1)
	go func() {
		_, err := e.cons.Next(jetstream.FetchMaxWait(20 * time.Second))
		next <- err
	}()
	e.settledAdmin()
	mgEqual(t, "requests during the outage", pulls.Len(), 0)
	p.Refuse(false)
	tpFetched(t, 4, long, nil)
	if n := len(tpBatch(t, noWait, nil)); n == 0 {
		t.Error("FetchNoWait of an outage got nothing although there was enough")
	}
	mgOK(t, noWait.Error())
	mgOK(t, <-next)
	mgEqual(t, "requests after the outage", len(e.requested(pulls, 3)), 3)
}

// settledAdmin waits until the connection that looks on has seen what was sent.
func (e *tpEnv) settledAdmin() {
	e.t.Helper()
	mgOK(e.t, e.admin.FlushTimeout(tpWait))
}

func TestConnectionClosedDuringOutageEndsAllCalls(t *testing.T) {
	t.Parallel()
	// A12 B27
	p, e := tpStartLink(t)
	e.down(p)
	batch, err := e.cons.Fetch(1)
	mgOK(t, err)
	var errs tpErrors
	cc, err := e.cons.Consume(func(jetstream.Msg) {}, errs.handler())
	mgOK(t, err)
	it, err := e.cons.Messages()
	mgOK(t, err)
	next := make(chan error, 2)
	go func() {
		_, err := it.Next()
		next <- err
	}()
	go func() {
		_, err := e.cons.Next()
		next <- err
	}()
	e.settledAdmin()
	e.nc.Close()
	tpBatch(t, batch, err)
	mgSame(t, batch.Error(), jetstream.ErrConnectionClosed)
	for range 2 {
		select {
		case err := <-next:
			if !errors.Is(err, jetstream.ErrConnectionClosed) && !errors.Is(err, nats.ErrConnectionClosed) {
				t.Errorf("a call ended with %v", err)
			}
		case <-time.After(tpWait):
			t.Fatal("a call is still blocked")
		}
	}
	tpDone(t, "the end", cc.Closed())
	mgEqual(t, "errors", len(errs.all()), 1)
	mgSame(t, errs.all()[0], jetstream.ErrConnectionClosed)
}

func TestMessagesThatArriveAfterAFetchEndedAreHandedBack(t *testing.T) {
	t.Parallel()
	// B7
	p, e := tpStartLink(t)
	ended, cancel := context.WithCancel(context.Background())
	defer cancel()
	batch, err := e.cons.Fetch(10, jetstream.FetchContext(ended))
	mgOK(t, err)
	e.waitInfo("the request to wait", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 1 })
	// The server learns late that nobody waits any more.
	p.SetDelay(jstest.ToServer, time.Hour)
	cancel()
	tpBatch(t, batch, err)
	mgSame(t, batch.Error(), ended.Err())
	e.publish(10)
	e.waitInfo("delivery to nobody", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 10 })
	p.Heal()
	// The AckWait is minutes.
	var log tpLog
	batch, err = e.cons.Fetch(10, jetstream.FetchMaxWait(tpWait))
	for _, m := range tpFetched(t, 10, batch, err) {
		meta, err := m.Metadata()
		mgOK(t, err)
		mgEqual(t, "deliveries", meta.NumDelivered, uint64(2))
		log.take(m)
	}
	log.complete(t, 10)
}
