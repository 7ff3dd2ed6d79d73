package jetstream_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func TestIteratorDeliversInOrder(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(300)
	for _, opts := range [][]jetstream.PullMessagesOpt{
		{jetstream.PullMaxMessages(7)},
		{jetstream.PullMaxBytes(1000)},
		{jetstream.PullMaxMessagesWithBytesLimit(50, 1000)},
		nil,
	} {
		e.rewind()
		it, err := e.cons.Messages(opts...)
		mgOK(t, err)
		var log tpLog
		tpNext(t, it, &log, 300)
		log.inOrderOnce(t, 300)
		it.Stop()
	}
}

func TestIteratorAsksOnlyInsideNext(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(5)
	pulls := e.pulls()
	it, err := e.cons.Messages(jetstream.PullMaxMessages(1))
	mgOK(t, err)
	defer it.Stop()
	e.settled()
	mgEqual(t, "requests before Next", pulls.Len(), 0)
	var log tpLog
	tpNext(t, it, &log, 5)
	got := e.requested(pulls, 5)
	time.Sleep(100 * time.Millisecond)
	mgEqual(t, "requests for 5 messages", pulls.Len(), 5)
	for _, pull := range got {
		mgEqual(t, "request", pull, jstest.PullRequest{
			Batch: 1, Expires: 30 * time.Second, IdleHeartbeat: 15 * time.Second,
		})
	}
}

func TestIteratorByBytesAsksForWhatFits(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publishSize(5, 10)
	first, err := e.cons.Next()
	mgOK(t, err)
	size := tpSize(first)
	for _, c := range []struct{ window, least, most int }{{size, 5, 7}, {2 * size, 3, 7}} {
		e.rewind()
		pulls := e.pulls()
		it, err := e.cons.Messages(jetstream.PullMaxBytes(c.window))
		mgOK(t, err)
		var log tpLog
		tpNext(t, it, &log, 5)
		it.Stop()
		e.requested(pulls, c.least)
		if n := pulls.Len(); n > c.most {
			t.Errorf("%d requests with a window of %d bytes for 5 messages of %d", n, c.window, size)
		}
	}
}

func TestIteratorWithByteLimitAsksExactlyAsOftenAsNeeded(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	pulls := e.pulls()
	e.publish(10)
	it, err := e.cons.Messages(jetstream.PullMaxMessagesWithBytesLimit(10, 1024))
	mgOK(t, err)
	defer it.Stop()
	var log tpLog
	tpNext(t, it, &log, 6)
	mgEqual(t, "requests after 6 messages", len(e.requested(pulls, 1)), 1)
	tpNext(t, it, &log, 4)
	got := e.requested(pulls, 2)
	mgEqual(t, "batch of the second request", got[1].Batch, 6)
	time.Sleep(100 * time.Millisecond)
	mgEqual(t, "requests for small messages", pulls.Len(), 2)

	pulls.Reset()
	e.publishSize(10, 950)
	tpNext(t, it, &log, 10)
	e.requested(pulls, 9)
	time.Sleep(100 * time.Millisecond)
	mgEqual(t, "requests for large messages", pulls.Len(), 9)
	log.inOrderOnce(t, 20)
}

func TestNextReturnsWithItsTimeoutOrContext(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	pulls := e.pulls()
	it, err := e.cons.Messages()
	mgOK(t, err)
	defer it.Stop()

	started := time.Now()
	_, err = it.Next(jetstream.NextMaxWait(100 * time.Millisecond))
	mgSame(t, err, nats.ErrTimeout)
	if d := time.Since(started); d < 100*time.Millisecond || d > 10*time.Second {
		t.Errorf("Next waited %v instead of 100ms", d)
	}

	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = it.Next(jetstream.NextContext(ended))
	mgSame(t, err, context.Canceled)

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = it.Next(jetstream.NextContext(ctx))
	mgSame(t, err, context.DeadlineExceeded)

	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = it.Next(jetstream.NextContext(ctx))
	mgSame(t, err, context.Canceled)

	_, err = it.Next(jetstream.NextContext(ctx), jetstream.NextMaxWait(time.Second))
	tpOptionError(t, err, "cannot specify both NextMaxWait and NextContext")
	_, err = it.Next(nil)
	tpOptionError(t, err, "option cannot be nil")

	// The request is still there, and what it brings goes to a later call.
	e.publish(2)
	var none context.Context
	_, err = it.Next(jetstream.NextMaxWait(-1), jetstream.NextContext(none))
	mgOK(t, err)
	m, err := it.Next()
	mgOK(t, err)
	if got := string(m.Data()); got != "2" {
		t.Errorf("message is %q, want 2", got)
	}
	mgEqual(t, "requests", len(e.requested(pulls, 1)), 1)

	it.Stop()
	_, err = it.Next(jetstream.NextContext(context.Background()), jetstream.NextMaxWait(time.Second))
	tpOptionError(t, err, "cannot specify both NextMaxWait and NextContext")
}

func TestMessageThatIsThereGoesBeforeTheTimeout(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(50)
	it, err := e.cons.Messages()
	mgOK(t, err)
	defer it.Stop()
	var log tpLog
	tpNext(t, it, &log, 1)
	e.waitInfo("all to be delivered", func(i *jetstream.ConsumerInfo) bool { return i.Delivered.Stream == 50 })
	mgOK(t, e.nc.Flush())
	jstest.WaitFor(t, tpWait, "a message in spite of a timeout of nothing", func() bool {
		m, err := it.Next(jetstream.NextMaxWait(time.Nanosecond))
		if err == nil {
			log.take(m)
		}
		return log.len() == 50
	})
	log.inOrderOnce(t, 50)
}

func TestStopReleasesBlockedNext(t *testing.T) {
	t.Parallel()
	// A6
	e := tpStart(t)
	it, err := e.cons.Messages()
	mgOK(t, err)
	errs := make(chan error)
	for range 5 {
		go func() {
			_, err := it.Next()
			errs <- err
		}()
	}
	e.waitInfo("Next to ask", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 1 })
	it.Stop()
	it.Stop()
	it.Drain()
	for range 5 {
		select {
		case err := <-errs:
			mgSame(t, err, jetstream.ErrMsgIteratorClosed)
		case <-time.After(tpWait):
			t.Fatal("Next is still blocked")
		}
	}
	_, err = it.Next()
	mgSame(t, err, jetstream.ErrMsgIteratorClosed)
}

func TestStoppedIteratorLeavesItsBufferToTheServer(t *testing.T) {
	t.Parallel()
	// B61
	e := tpStart(t, func(cfg *jetstream.ConsumerConfig) { cfg.AckWait = 6 * time.Second })
	arrived := e.incoming()
	e.publish(10)
	it, err := e.cons.Messages()
	mgOK(t, err)
	var log tpLog
	tpNext(t, it, &log, 3)
	// What cannot be sent any more is delivered again at once.
	arrived(10)
	e.waitInfo("all to be acknowledged", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 7 })
	it.Stop()
	_, err = it.Next()
	mgSame(t, err, jetstream.ErrMsgIteratorClosed)
	it, err = e.cons.Messages()
	mgOK(t, err)
	defer it.Stop()
	_, err = it.Next(jetstream.NextMaxWait(100 * time.Millisecond))
	mgSame(t, err, nats.ErrTimeout)
	tpNext(t, it, &log, 7)
	log.complete(t, 10)
}

func TestDrainedIteratorReturnsAllItHasToConcurrentCallers(t *testing.T) {
	t.Parallel()
	// A7 A8
	e := tpStart(t)
	for range 10 {
		arrived := e.incoming()
		e.publish(100)
		it, err := e.cons.Messages()
		mgOK(t, err)
		var log tpLog
		tpNext(t, it, &log, 1)
		arrived(100)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					m, err := it.Next()
					if err != nil {
						mgSame(t, err, jetstream.ErrMsgIteratorClosed)
						return
					}
					log.take(m)
				}
			})
		}
		it.Drain()
		it.Stop() // drains on
		done := make(chan struct{})
		go func() {
			wg.Wait()
			close(done)
		}()
		tpDone(t, "all callers of Next to learn of the end", done)
		mgEqual(t, "messages", log.len(), 100)
		mgEqual(t, "different messages", log.distinct(t), 100)
	}
}

func TestConcurrentNextSharesMessagesUpToStopAfter(t *testing.T) {
	t.Parallel()
	// A29
	e := tpStart(t)
	e.publish(100)
	it, err := e.cons.Messages(jetstream.StopAfter(50))
	mgOK(t, err)
	var log tpLog
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			m, err := it.Next(jetstream.NextMaxWait(tpWait))
			if err != nil {
				t.Errorf("Next: %v", err)
				return
			}
			if err := m.DoubleAck(mgContext(t)); err != nil {
				t.Errorf("DoubleAck: %v", err)
			}
			log.add(m)
		})
	}
	wg.Wait()
	_, err = it.Next()
	mgSame(t, err, jetstream.ErrMsgIteratorClosed)
	mgEqual(t, "different messages", log.distinct(t), 50)
	e.waitInfo("the rest to be left alone", func(i *jetstream.ConsumerInfo) bool {
		return i.NumPending == 50 && i.NumAckPending == 0 && i.NumWaiting == 0
	})
}

func TestIteratorStopsAfterExactlyAsMany(t *testing.T) {
	t.Parallel()
	// A29
	e := tpStart(t)
	e.publish(30)
	for _, opts := range [][]jetstream.PullMessagesOpt{
		nil,
		{jetstream.PullMaxMessages(4)},
		{jetstream.PullMaxBytes(150)},
		{jetstream.PullMaxMessagesWithBytesLimit(9, 150)},
	} {
		e.rewind()
		it, err := e.cons.Messages(append(opts, jetstream.StopAfter(13))...)
		mgOK(t, err)
		var log tpLog
		tpNext(t, it, &log, 13)
		_, err = it.Next()
		mgSame(t, err, jetstream.ErrMsgIteratorClosed)
		log.inOrderOnce(t, 13)
		e.waitInfo("the rest to be left alone", func(i *jetstream.ConsumerInfo) bool {
			return i.NumPending == 17 && i.NumAckPending == 0 && i.NumWaiting == 0
		})
	}
}

func TestWaitingNextHonoursItsOwnTimeout(t *testing.T) {
	t.Parallel()
	// B30
	e := tpStart(t)
	it, err := e.cons.Messages()
	mgOK(t, err)
	blocked := make(chan error, 1)
	go func() {
		_, err := it.Next()
		blocked <- err
	}()
	e.waitInfo("Next to ask", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err = it.Next(jetstream.NextMaxWait(50 * time.Millisecond))
	mgSame(t, err, nats.ErrTimeout)
	_, err = it.Next(jetstream.NextContext(ctx))
	mgSame(t, err, context.DeadlineExceeded)
	if d := time.Since(started); d > 10*time.Second {
		t.Errorf("Next waited %v instead of 50ms", d)
	}
	if !tpOpen(blocked) {
		t.Error("the other call has returned")
	}
	e.publish(1)
	mgOK(t, <-blocked)
	it.Stop()
}

func TestWakeUpIsNotLostOnCallerThatGivesUp(t *testing.T) {
	t.Parallel()
	// B30
	e := tpStart(t)
	it, err := e.cons.Messages()
	mgOK(t, err)
	defer it.Stop()
	var log tpLog
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				m, err := it.Next(jetstream.NextMaxWait(time.Duration(1+i*3) * time.Millisecond))
				if err == nil {
					log.take(m)
				}
			}
		})
	}
	for range 50 {
		e.publish(20)
	}
	log.wait(t, 1000)
	close(stop)
	wg.Wait()
	mgEqual(t, "different messages", log.distinct(t), 1000)
	mgEqual(t, "messages", log.len(), 1000)
}

func TestHeartbeatsTakeNoRoomFromMessages(t *testing.T) {
	t.Parallel()
	// B6: MaxDeliver makes a message that is dropped lost for good.
	e := tpStart(t, func(cfg *jetstream.ConsumerConfig) { cfg.MaxDeliver = 1 })
	it, err := e.cons.Messages(jetstream.PullMaxMessages(1), jetstream.PullHeartbeat(time.Second))
	mgOK(t, err)
	defer it.Stop()
	var log tpLog
	for range 2 {
		arrived := e.incoming()
		_, err = it.Next(jetstream.NextMaxWait(10 * time.Millisecond))
		mgSame(t, err, nats.ErrTimeout)
		// The user is busy while heartbeats come in, and then a message.
		arrived(2)
		e.publish(1)
		tpNext(t, it, &log, 1)
	}
	log.inOrderOnce(t, 2)
}

func TestIteratorWithBusyUserMissesNoHeartbeat(t *testing.T) {
	t.Parallel()
	// A16
	e := tpStart(t)
	e.publish(2)
	it, err := e.cons.Messages(jetstream.PullMaxMessages(2), jetstream.PullExpiry(2*time.Second), jetstream.PullHeartbeat(time.Second))
	mgOK(t, err)
	defer it.Stop()
	for range 2 {
		_, err := it.Next()
		mgOK(t, err)
		// More than twice the heartbeat, and the request is over.
		time.Sleep(2500 * time.Millisecond)
	}
	_, err = it.Next(jetstream.NextMaxWait(time.Second))
	mgSame(t, err, nats.ErrTimeout)
}

func TestMissingHeartbeatIsReportedAfterTwiceTheInterval(t *testing.T) {
	t.Parallel()
	// A15
	cons, fake := tpFake(t)
	it, err := cons.Messages(jetstream.PullHeartbeat(500 * time.Millisecond))
	mgOK(t, err)
	defer it.Stop()
	for i := range 2 {
		started := time.Now()
		_, err = it.Next()
		mgSame(t, err, jetstream.ErrNoHeartbeat)
		// When exactly is up to the clock, which has tests of its own. Without it,
		// Next would wait for ever.
		if d := time.Since(started); d < time.Second || d > 10*time.Second {
			t.Errorf("missing heartbeat was reported after %v, want 1s or little more", d)
		}
		mgEqual(t, "requests", len(fake.Pulls()), i+1)
	}
}

func TestLostRequestIsNoticedByShortCallsOfNext(t *testing.T) {
	t.Parallel()
	// B18
	e := tpStart(t)
	cons, fake := tpFakeOver(t, e.nc, e.admin)
	fake.OnPull(jstest.InTurn(jstest.Ignore, jstest.Forward))
	e.publish(3)
	it, err := cons.Messages(jetstream.PullHeartbeat(time.Second))
	mgOK(t, err)
	defer it.Stop()
	var noBeats int
	var log tpLog
	deadline := time.Now().Add(tpWait)
	for log.len() < 3 && time.Now().Before(deadline) {
		m, err := it.Next(jetstream.NextMaxWait(50 * time.Millisecond))
		switch err {
		case nil:
			log.take(m)
		case jetstream.ErrNoHeartbeat:
			noBeats++
		case nats.ErrTimeout:
		default:
			t.Fatalf("Next: %v", err)
		}
	}
	log.inOrderOnce(t, 3)
	mgEqual(t, "missing heartbeats", noBeats, 1)
}

func TestMissingHeartbeatIsNotReportedIfNotWanted(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	cons, fake := tpFakeOver(t, e.nc, e.admin)
	fake.OnPull(jstest.InTurn(jstest.Ignore, jstest.Forward))
	e.publish(1)
	it, err := cons.Messages(jetstream.PullHeartbeat(time.Second), jetstream.WithMessagesErrOnMissingHeartbeat(false))
	mgOK(t, err)
	defer it.Stop()
	_, err = it.Next()
	mgOK(t, err)
	mgEqual(t, "requests", len(fake.Pulls()), 2)
}

func TestIteratorSwallowsStatusesThatPass(t *testing.T) {
	t.Parallel()
	// B65
	e := tpStart(t)
	cons, fake := tpFakeOver(t, e.nc, e.admin)
	fake.OnPull(jstest.InTurn(
		jstest.Status(409, "Leadership Change"),
		jstest.Status(503, ""),
		jstest.Status(423, "Nats-Pin-Id mismatch"),
		jstest.Status(409, "Server Shutdown"),
		jstest.Status(404, "No Messages"),
		jstest.Status(409, "Exceeded MaxWaiting"),
		jstest.Forward,
	))
	e.publish(5)
	it, err := cons.Messages()
	mgOK(t, err)
	defer it.Stop()
	var log tpLog
	tpNext(t, it, &log, 5)
	log.inOrderOnce(t, 5)
}

func TestIteratorEndsWhenConsumerIsDeleted(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	arrived := e.incoming()
	e.publish(3)
	it, err := e.cons.Messages()
	mgOK(t, err)
	var log tpLog
	tpNext(t, it, &log, 1)
	arrived(3)
	mgOK(t, e.adminJS.DeleteConsumer(mgContext(t), tpStream, tpConsumer))
	tpNext(t, it, &log, 2) // what came before goes before
	_, err = it.Next()
	mgSame(t, err, jetstream.ErrConsumerDeleted)
	for range 2 {
		_, err = it.Next()
		mgSame(t, err, jetstream.ErrMsgIteratorClosed)
	}
}

func TestIteratorReportsMissingConsumerAndEnds(t *testing.T) {
	t.Parallel()
	// B21
	e := tpStart(t)
	mgOK(t, e.adminJS.DeleteConsumer(mgContext(t), tpStream, tpConsumer))
	for _, opts := range [][]jetstream.PullMessagesOpt{nil, {jetstream.WithMessagesErrOnMissingHeartbeat(false)}} {
		it, err := e.cons.Messages(append(opts, jetstream.PullHeartbeat(500*time.Millisecond))...)
		mgOK(t, err)
		started := time.Now()
		_, err = it.Next()
		if opts == nil {
			mgSame(t, err, jetstream.ErrNoHeartbeat)
			if d := time.Since(started); d < time.Second || d > 10*time.Second {
				t.Errorf("missing heartbeat was reported after %v, want 1s or little more", d)
			}
			for err == jetstream.ErrNoHeartbeat {
				_, err = it.Next()
			}
		}
		mgSame(t, err, jetstream.ErrConsumerNotFound)
		_, err = it.Next()
		mgSame(t, err, jetstream.ErrMsgIteratorClosed)
	}
}

func TestStandbyIteratorLivesOnHeartbeats(t *testing.T) {
	t.Parallel()
	// A27
	e := tpStart(t, tpPinned)
	group := jetstream.PullPriorityGroup("A")
	e.publish(1000)
	pinned, err := e.cons.Messages(group, jetstream.PullMaxMessages(100))
	mgOK(t, err)
	defer pinned.Stop()
	var log tpLog
	tpNext(t, pinned, &log, 1)
	id := log.all()[0].Headers().Get("Nats-Pin-Id")
	if id == "" {
		t.Error("no pin id")
	}
	rec := e.pulls()
	standby, err := e.again().Messages(group, jetstream.PullHeartbeat(time.Second))
	mgOK(t, err)
	defer standby.Stop()
	_, err = standby.Next(jetstream.NextMaxWait(3 * time.Second))
	mgSame(t, err, nats.ErrTimeout)
	tpNext(t, pinned, &log, 999)
	log.inOrderOnce(t, 1000)
	byStandby := 0
	for _, pull := range rec.Pulls(t) {
		if pull.IdleHeartbeat == time.Second {
			byStandby++
		}
	}
	mgEqual(t, "requests of the standby", byStandby, 1)

	st, err := e.adminJS.Stream(mgContext(t), tpStream)
	mgOK(t, err)
	mgOK(t, st.UnpinConsumer(mgContext(t), tpConsumer, "A"))
	e.publish(100)
	var wg sync.WaitGroup
	var after tpLog
	for _, it := range []jetstream.MessagesContext{pinned, standby} {
		wg.Go(func() {
			for after.len() < 100 {
				m, err := it.Next(jetstream.NextMaxWait(100 * time.Millisecond))
				switch err {
				case nil:
					after.take(m)
				case nats.ErrTimeout:
				default:
					t.Errorf("Next: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	mgEqual(t, "different messages", after.distinct(t), 100)
}
