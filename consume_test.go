package jetstream_test

import (
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

func TestConsumeDeliversInOrderOneAtATime(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(300)
	var seqs []jetstream.Msg // without a lock: calls happen one after the other
	var running atomic.Int32
	done := make(chan struct{})
	cc, err := e.cons.Consume(func(m jetstream.Msg) {
		if running.Add(1) != 1 {
			t.Error("two handler calls at once")
		}
		seqs = append(seqs, m)
		_ = m.Ack()
		running.Add(-1)
		if len(seqs) == 300 {
			close(done)
		}
	}, jetstream.PullMaxMessages(7))
	mgOK(t, err)
	tpDone(t, "all messages", done)
	cc.Stop()
	tpDone(t, "the end", cc.Closed())
	log := &tpLog{msgs: seqs}
	log.inOrderOnce(t, 300)
	e.waitInfo("all to be acknowledged", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 0 && i.NumPending == 0 })
}

func TestConsumeAndMessagesRefuseBadInputBeforeSending(t *testing.T) {
	t.Parallel()
	// A21 A23 B25
	e := tpStart(t)
	pulls := e.pulls()
	handler := func(jetstream.Msg) {}
	_, err := e.cons.Consume(nil, jetstream.PullMaxMessages(-1))
	mgSame(t, err, jetstream.ErrHandlerRequired)

	type both interface {
		jetstream.PullConsumeOpt
		jetstream.PullMessagesOpt
	}
	subs := e.nc.NumSubscriptions()
	for _, c := range []struct {
		reason string
		opts   []both
	}{
		{"maxMessages size must be at least 1", []both{jetstream.PullMaxMessages(0)}},
		{"maxMessages size must be at least 1", []both{jetstream.PullMaxMessages(-1)}},
		{"max bytes must be greater than 0", []both{jetstream.PullMaxBytes(0)}},
		{"maxMessages size must be at least 1", []both{jetstream.PullMaxMessagesWithBytesLimit(0, 1)}},
		{"maxBytes size must be at least 1", []both{jetstream.PullMaxMessagesWithBytesLimit(1, 0)}},
		{"maxMessages already set", []both{jetstream.PullMaxMessages(5), jetstream.PullMaxMessagesWithBytesLimit(1, 1)}},
		{"expires value must be at least 1s", []both{jetstream.PullExpiry(999 * time.Millisecond)}},
		{"idle_heartbeat value must be within 500ms-30s range", []both{jetstream.PullHeartbeat(499 * time.Millisecond)}},
		{"idle_heartbeat value must be within 500ms-30s range", []both{jetstream.PullHeartbeat(31 * time.Second)}},
		{"auto stop after value cannot be less than 1", []both{jetstream.StopAfter(0)}},
		{"min pending should be more than 0", []both{jetstream.PullMinPending(0)}},
		{"min pending should be more than 0", []both{jetstream.PullMinAckPending(0)}},
		{"only one of MaxMessages and MaxBytes can be specified", []both{jetstream.PullMaxMessages(1), jetstream.PullMaxBytes(1)}},
		{"the value of Heartbeat must be less than 50% of expiry", []both{jetstream.PullExpiry(time.Second), jetstream.PullHeartbeat(time.Second)}},
		{"threshold of messages cannot be negative: -1", []both{jetstream.PullThresholdMessages(-1)}},
		{"threshold of bytes cannot be negative: -1", []both{jetstream.PullThresholdBytes(-1)}},
		{"priority group is not supported for this consumer", []both{jetstream.PullPriorityGroup("A")}},
		{"option cannot be nil", []both{nil}},
	} {
		var consumeOpts []jetstream.PullConsumeOpt
		var messagesOpts []jetstream.PullMessagesOpt
		for _, opt := range c.opts {
			consumeOpts = append(consumeOpts, opt)
			messagesOpts = append(messagesOpts, opt)
		}
		_, err := e.cons.Consume(handler, consumeOpts...)
		tpOptionError(t, err, c.reason)
		_, err = e.cons.Messages(messagesOpts...)
		tpOptionError(t, err, c.reason)
	}
	mgEqual(t, "subscriptions", e.nc.NumSubscriptions(), subs)
	e.settled()
	mgEqual(t, "requests", pulls.Len(), 0)

	e.nc.Close()
	_, err = e.cons.Consume(handler)
	mgIs(t, err, nats.ErrConnectionClosed)
	_, err = e.cons.Messages()
	mgIs(t, err, nats.ErrConnectionClosed)
}

func TestConsumeSendsItsFirstRequestBeforeItReturns(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	for _, c := range []struct {
		name string
		opts []jetstream.PullConsumeOpt
		want jstest.PullRequest
	}{
		{"defaults", nil, jstest.PullRequest{
			Batch: 500, MaxBytes: 32 << 20, Expires: 30 * time.Second, IdleHeartbeat: 15 * time.Second,
		}},
		{"count", []jetstream.PullConsumeOpt{jetstream.PullMaxMessages(3), jetstream.PullExpiry(4 * time.Second)}, jstest.PullRequest{
			Batch: 3, Expires: 4 * time.Second, IdleHeartbeat: 2 * time.Second,
		}},
		{"bytes", []jetstream.PullConsumeOpt{jetstream.PullMaxBytes(1024), jetstream.PullHeartbeat(time.Second)}, jstest.PullRequest{
			Batch: 1_000_000, MaxBytes: 1024, Expires: 30 * time.Second, IdleHeartbeat: time.Second,
		}},
		{"both", []jetstream.PullConsumeOpt{jetstream.PullMaxMessagesWithBytesLimit(9, 1024)}, jstest.PullRequest{
			Batch: 9, MaxBytes: 1024, Expires: 30 * time.Second, IdleHeartbeat: 15 * time.Second,
		}},
		{"stop after", []jetstream.PullConsumeOpt{jetstream.StopAfter(2)}, jstest.PullRequest{
			Batch: 2, MaxBytes: 32 << 20, Expires: 30 * time.Second, IdleHeartbeat: 15 * time.Second,
		}},
		{"long expiry", []jetstream.PullConsumeOpt{jetstream.PullExpiry(2 * time.Minute)}, jstest.PullRequest{
			Batch: 500, MaxBytes: 32 << 20, Expires: 2 * time.Minute, IdleHeartbeat: 30 * time.Second,
		}},
	} {
		pulls := e.pulls()
		cc, err := e.cons.Consume(func(jetstream.Msg) {}, c.opts...)
		mgOK(t, err)
		cc.Stop()
		got := e.requested(pulls, 1)
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: requests are %+v, want one of %+v", c.name, got, c.want)
		}
	}
}

func TestConsumeRefillsAtThreshold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		opts  []jetstream.PullConsumeOpt
		total int
		want  []int // batches
	}{
		{"default", []jetstream.PullConsumeOpt{jetstream.PullMaxMessages(10)}, 10, []int{10, 6}},
		{"own", []jetstream.PullConsumeOpt{jetstream.PullMaxMessages(10), jetstream.PullThresholdMessages(2)}, 10, []int{10, 9}},
		{"above the limit", []jetstream.PullConsumeOpt{jetstream.PullMaxMessages(3), jetstream.PullThresholdMessages(50)}, 3, []int{3, 1, 1, 1}},
		{"one", []jetstream.PullConsumeOpt{jetstream.PullMaxMessages(1)}, 3, []int{1, 1, 1, 1}},
		{"stop after", []jetstream.PullConsumeOpt{jetstream.PullMaxMessages(10), jetstream.StopAfter(13)}, 20, []int{10, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := tpStart(t)
			pulls := e.pulls()
			e.publish(c.total)
			var log tpLog
			cc, err := e.cons.Consume(log.take, c.opts...)
			mgOK(t, err)
			defer cc.Stop()
			log.wait(t, min(c.total, 13))
			var batches []int
			for _, pull := range e.requested(pulls, len(c.want)) {
				batches = append(batches, pull.Batch)
			}
			if !slices.Equal(batches, c.want) {
				t.Errorf("batches are %v, want %v", batches, c.want)
			}
		})
	}
}

func TestConsumeRespectsWindowsOfMessagesAndBytes(t *testing.T) {
	t.Parallel()
	// A19
	e := tpStart(t)
	e.publish(10)
	var log tpLog
	pulls := e.pulls()
	cc, err := e.cons.Consume(log.take, jetstream.PullMaxMessagesWithBytesLimit(10, 1024))
	mgOK(t, err)
	log.wait(t, 10)
	mgEqual(t, "requests for small messages", len(e.requested(pulls, 2)), 2)

	pulls.Reset()
	e.publishSize(10, 950)
	log.wait(t, 20)
	// The first answers the request that is there if that has no small message
	// to its account.
	if n := len(e.requested(pulls, 9)); n > 10 {
		t.Errorf("%d requests for 10 messages of which one fits, want 9 or 10", n)
	}
	cc.Stop()
	log.inOrderOnce(t, 20)
}

func TestConsumeByBytesKeepsTheWindow(t *testing.T) {
	t.Parallel()
	// A19
	e := tpStart(t)
	e.publishSize(200, 100)
	const window = 2000
	pulls := e.pulls()
	var log tpLog
	var errs tpErrors
	gate := make(chan struct{})
	cc, err := e.cons.Consume(func(m jetstream.Msg) {
		<-gate
		log.take(m)
	}, jetstream.PullMaxBytes(window), errs.handler())
	mgOK(t, err)
	defer cc.Stop()
	e.waitInfo("the window to fill", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending > 0 && i.NumWaiting == 0 })
	close(gate)
	log.wait(t, 200)
	log.inOrderOnce(t, 200)
	for _, pull := range e.requested(pulls, 10) {
		if pull.MaxBytes > window || pull.MaxBytes <= 0 {
			t.Errorf("request for %d bytes", pull.MaxBytes)
		}
	}
	if n := pulls.Len(); n > 60 {
		t.Errorf("%d requests for 200 messages", n)
	}
	errs.none(t)
}

func TestConsumeByBytesGoesOnAfterExactFit(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publishSize(9, 100)
	probe, err := e.cons.Next()
	mgOK(t, err)
	size := tpSize(probe)
	mgOK(t, probe.Nak())
	for _, opts := range [][]jetstream.PullConsumeOpt{
		{jetstream.PullMaxBytes(size)},
		{jetstream.PullMaxBytes(3 * size)},
		{jetstream.PullMaxBytes(3 * size), jetstream.StopAfter(9)},
	} {
		e.rewind()
		var log tpLog
		var errs tpErrors
		cc, err := e.cons.Consume(log.take, append(opts, errs.handler())...)
		mgOK(t, err)
		// Before the heartbeat could help it on.
		log.wait(t, 9)
		cc.Stop()
		tpDone(t, "the end", cc.Closed())
		errs.none(t)
	}
}

func TestConsumersOfOneHandleShareMessages(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	var logs [2]tpLog
	for i := range logs {
		cc, err := e.cons.Consume(logs[i].take, jetstream.PullMaxMessages(3))
		mgOK(t, err)
		t.Cleanup(cc.Stop)
	}
	e.settled()
	e.publish(50)
	jstest.WaitFor(t, tpWait, "all messages", func() bool { return logs[0].len()+logs[1].len() == 50 })
	if logs[0].len() == 0 || logs[1].len() == 0 {
		t.Errorf("messages are split %d to %d", logs[0].len(), logs[1].len())
	}
	all := &tpLog{msgs: append(logs[0].all(), logs[1].all()...)}
	all.complete(t, 50)
}

func TestSlowHandlerIsNoMissingHeartbeat(t *testing.T) {
	t.Parallel()
	// A16
	e := tpStart(t)
	e.publish(2)
	var log tpLog
	var errs tpErrors
	cc, err := e.cons.Consume(func(m jetstream.Msg) {
		if log.len() == 0 {
			// More than twice the heartbeat, and the request is over.
			time.Sleep(2600 * time.Millisecond)
		}
		log.take(m)
	}, jetstream.PullHeartbeat(time.Second), jetstream.PullExpiry(2*time.Second), errs.handler())
	mgOK(t, err)
	log.wait(t, 2)
	e.publish(1)
	log.wait(t, 3)
	cc.Stop()
	errs.none(t)
}

func TestConsumeRenewsExpiredRequestsSilently(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	pulls := e.pulls()
	var log tpLog
	var errs tpErrors
	cc, err := e.cons.Consume(log.take, jetstream.PullMaxMessages(10), jetstream.PullExpiry(2*time.Second), errs.handler())
	mgOK(t, err)
	for _, pull := range e.requested(pulls, 3) {
		mgEqual(t, "batch", pull.Batch, 10)
	}
	e.publish(30)
	log.wait(t, 30)
	cc.Stop()
	log.inOrderOnce(t, 30)
	errs.none(t)
}

func TestLargeMessagesDoNotFloodTheConnection(t *testing.T) {
	t.Parallel()
	// B8
	e := tpStart(t, tpAckNone)
	const total = 80
	for range total {
		_, err := e.adminJS.Publish(mgContext(t), tpSubject, make([]byte, 900<<10))
		mgOK(t, err)
	}
	var log tpLog
	var errs tpErrors
	gate := make(chan struct{})
	cc, err := e.cons.Consume(func(m jetstream.Msg) {
		<-gate
		log.add(m)
	}, errs.handler())
	mgOK(t, err)
	defer cc.Stop()
	e.waitInfo("the budget to be used up", func(i *jetstream.ConsumerInfo) bool { return i.Delivered.Consumer > 0 && i.NumWaiting == 0 })
	if n := e.info().Delivered.Consumer; n > 40 {
		t.Errorf("%d messages delivered to a handler that is stuck", n)
	}
	close(gate)
	log.wait(t, total)
	log.inOrderOnce(t, total)
	mgEqual(t, "reconnects", e.nc.Stats().Reconnects, uint64(0))
	errs.none(t)
}

func TestMessagesWithStatusHeaderAreDelivered(t *testing.T) {
	t.Parallel()
	// B10
	e := tpStart(t)
	store := func() {
		for _, status := range []string{"100", "404", "409", "503", "", "x"} {
			e.publishMsg(&nats.Msg{Subject: tpSubject, Header: nats.Header{"Status": {status}, "Description": {"Consumer Deleted"}}})
		}
		e.published()
	}
	var errs tpErrors
	var log tpLog
	store()
	cc, err := e.cons.Consume(log.take, errs.handler(), jetstream.StopAfter(6))
	mgOK(t, err)
	tpDone(t, "the end", cc.Closed())
	mgEqual(t, "consumed", log.len(), 6)
	errs.none(t)
	store()
	it, err := e.cons.Messages()
	mgOK(t, err)
	tpNext(t, it, &log, 6)
	it.Stop()
	// The request of the iterator ends when the server hears that its interest is
	// gone; what is published on another connection before that would go to it.
	e.settled()
	store()
	batch, err := e.cons.Fetch(6)
	mgEqual(t, "fetched", len(tpBatch(t, batch, err)), 6)
	mgOK(t, batch.Error())
	store()
	for range 6 {
		_, err := e.cons.Next(jetstream.FetchMaxWait(tpWait))
		mgOK(t, err)
	}
}

func TestRequestsStayWithinLimitsOfTheConsumer(t *testing.T) {
	t.Parallel()
	// B17
	limited := func(cfg *jetstream.ConsumerConfig) {
		cfg.MaxRequestBatch, cfg.MaxRequestExpires, cfg.MaxRequestMaxBytes = 3, 2*time.Second, 2000
	}
	e := tpStart(t, limited)
	pulls := e.pulls()
	e.publish(50)
	var log tpLog
	var errs tpErrors
	cc, err := e.cons.Consume(log.take, errs.handler())
	mgOK(t, err)
	log.wait(t, 50)
	cc.Stop()
	// Before another connection publishes, the server must know of the end.
	mgOK(t, e.nc.Flush())
	e.publish(50)
	it, err := e.cons.Messages()
	mgOK(t, err)
	defer it.Stop()
	tpNext(t, it, &log, 50)
	log.inOrderOnce(t, 100)
	errs.none(t)
	for _, pull := range e.requested(pulls, 2) {
		if pull.Batch > 3 || pull.MaxBytes > 2000 || pull.Expires > 2*time.Second || 2*pull.IdleHeartbeat > pull.Expires {
			t.Errorf("request beyond the limits: %+v", pull)
		}
	}
}

func TestLimitsSetLaterAreLearnt(t *testing.T) {
	t.Parallel()
	// B17
	e := tpStart(t)
	cfg := e.info().Config
	cfg.MaxRequestBatch, cfg.MaxRequestExpires, cfg.MaxRequestMaxBytes = 3, 2*time.Second, 2000
	_, err := e.adminJS.UpdateConsumer(mgContext(t), tpStream, cfg)
	mgOK(t, err)
	e.publish(50)
	var log tpLog
	var errs tpErrors
	cc, err := e.cons.Consume(log.take, errs.handler())
	mgOK(t, err)
	log.wait(t, 50)
	cc.Stop()
	log.inOrderOnce(t, 50)
	for _, err := range errs.all() {
		if !strings.Contains(err.Error(), "Exceeded MaxRequest") {
			t.Errorf("unexpected error %v", err)
		}
	}
}

func TestMessageAboveTheByteWindowIsReportedAndNotAskedForInALoop(t *testing.T) {
	t.Parallel()
	// B20
	for name, opt := range map[string]jetstream.PullConsumeOpt{
		"bytes": jetstream.PullMaxBytes(500),
		"both":  jetstream.PullMaxMessagesWithBytesLimit(10, 500),
	} {
		e := tpStart(t)
		e.publishSize(1, 10)
		e.publishSize(1, 1000)
		e.publishSize(5, 10)
		pulls := e.pulls()
		var log tpLog
		var errs tpErrors
		cc, err := e.cons.Consume(log.take, opt, errs.handler())
		mgOK(t, err)
		mgSame(t, errs.wait(t, 2)[0], jetstream.ErrMaxBytesExceeded)
		time.Sleep(time.Second)
		if n := pulls.Len(); n > 15 {
			t.Errorf("%s: %d requests within a second or so", name, n)
		}
		mgEqual(t, "messages", log.len(), 1)
		st, err := e.adminJS.Stream(mgContext(t), tpStream)
		mgOK(t, err)
		mgOK(t, st.DeleteMsg(mgContext(t), 2))
		log.wait(t, 6)
		cc.Stop()
	}
}

func TestEndlessStatusesAreNotAnsweredInALoop(t *testing.T) {
	t.Parallel()
	// B26
	for _, c := range []struct {
		code int
		text string
	}{{409, "Leadership Change"}, {409, "Server Shutdown"}, {503, ""}, {409, "Exceeded MaxWaiting"}, {423, "Nats-Pin-Id mismatch"}} {
		t.Run(c.text, func(t *testing.T) {
			t.Parallel()
			cons, fake := tpFake(t)
			fake.OnPull(jstest.Status(c.code, c.text))
			cc, err := cons.Consume(func(jetstream.Msg) {})
			mgOK(t, err)
			it, err := cons.Messages()
			mgOK(t, err)
			_, err = it.Next(jetstream.NextMaxWait(2 * time.Second))
			mgSame(t, err, nats.ErrTimeout)
			if n := len(fake.Pulls()); n > 30 {
				t.Errorf("%d requests of a Consume and an iterator in 2 seconds", n)
			}
			jstest.WaitFor(t, tpWait, "Consume to try again and again", func() bool { return len(fake.Pulls()) >= 4 })
			cc.Stop()
			it.Stop()
		})
	}
}

func TestRefillIsNeverForgotten(t *testing.T) {
	t.Parallel()
	// B73
	e := tpStart(t)
	e.publish(300)
	var log tpLog
	cc, err := e.cons.Consume(log.take, jetstream.PullMaxMessages(1))
	mgOK(t, err)
	defer cc.Stop()
	// A stall would last until the heartbeat is missing, after 30 seconds.
	log.wait(t, 300)
	log.inOrderOnce(t, 300)
}

func TestAcknowledgingFromAnyGoroutineDoesNotHoldUpMessages(t *testing.T) {
	t.Parallel()
	// A14
	e := tpStart(t)
	e.publish(500)
	msgs := make(chan jetstream.Msg, 500)
	cc, err := e.cons.Consume(func(m jetstream.Msg) { msgs <- m }, jetstream.PullMaxMessages(10))
	mgOK(t, err)
	defer cc.Stop()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				m := <-msgs
				if err := m.DoubleAck(mgContext(t)); err != nil {
					t.Errorf("DoubleAck: %v", err)
				}
			}
		})
	}
	for range 100 {
		m := <-msgs
		mgOK(t, m.InProgress())
		mgOK(t, m.Ack())
	}
	wg.Wait()
	e.waitInfo("all to be acknowledged", func(i *jetstream.ConsumerInfo) bool { return i.AckFloor.Stream == 500 })
}

func TestInfoMayBeAskedForWhileConsuming(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(200)
	var log tpLog
	cc, err := e.cons.Consume(func(m jetstream.Msg) {
		if _, err := e.cons.Info(mgContext(t)); err != nil {
			t.Errorf("Info in the handler: %v", err)
		}
		log.take(m)
	}, jetstream.PullMaxMessages(20))
	mgOK(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if _, err := e.cons.Info(mgContext(t)); err != nil {
					t.Errorf("Info: %v", err)
				}
				if e.cons.CachedInfo() == nil {
					t.Error("no cached info")
				}
			}
		})
	}
	wg.Wait()
	log.wait(t, 200)
	cc.Stop()
}

func TestInboxPrefixIsHonoured(t *testing.T) {
	t.Parallel()
	// A20
	s := jstest.StartServer(t)
	e := tpEnter(t, jstest.Connect(t, s, nats.CustomInboxPrefix("mine")), jstest.Connect(t, s), 1)
	pulls := e.pulls()
	e.publish(3)
	var log tpLog
	cc, err := e.cons.Consume(log.take, jetstream.StopAfter(1))
	mgOK(t, err)
	tpDone(t, "the end", cc.Closed())
	it, err := e.cons.Messages(jetstream.PullMaxMessages(1))
	mgOK(t, err)
	tpNext(t, it, &log, 1)
	it.Stop()
	batch, err := e.cons.Fetch(1)
	mgEqual(t, "fetched", len(tpBatch(t, batch, err)), 1)
	pulls.WaitN(t, 3, tpWait)
	for _, req := range pulls.Requests() {
		if !strings.HasPrefix(req.Reply, "mine.") {
			t.Errorf("reply subject is %s", req.Reply)
		}
	}
}

func TestIdleConsumeAndIteratorCostOneGoroutineEach(t *testing.T) {
	e := tpStart(t)
	before := tpRunning()
	var ends []func()
	for range 3 {
		cc, err := e.cons.Consume(func(jetstream.Msg) {})
		mgOK(t, err)
		it, err := e.cons.Messages()
		mgOK(t, err)
		ends = append(ends, cc.Stop, it.Stop)
	}
	// One for what follows the connection.
	jstest.WaitFor(t, tpWait, "7 goroutines for 3 Consumes and 3 iterators", func() bool { return len(before.since()) == 6+1 })
	for _, end := range ends {
		end()
	}
	before.wait(t, 0)
}

func TestManyStartsAndStopsLeaveNothingBehind(t *testing.T) {
	// A10
	e := tpStart(t)
	before, subs := tpRunning(), e.nc.NumSubscriptions()
	for i := range 1000 {
		cc, err := e.cons.Consume(func(jetstream.Msg) {})
		mgOK(t, err)
		if i%100 == 0 {
			cc.Drain()
			tpDone(t, "the end", cc.Closed())
			continue
		}
		cc.Stop()
	}
	for range 1000 {
		it, err := e.cons.Messages()
		mgOK(t, err)
		it.Stop()
	}
	for range 1000 {
		it, err := e.cons.Messages(jetstream.PullMaxMessages(1))
		mgOK(t, err)
		_, err = it.Next(jetstream.NextMaxWait(time.Microsecond))
		mgSame(t, err, nats.ErrTimeout)
		it.Stop()
	}
	jstest.WaitFor(t, tpWait, "subscriptions to go", func() bool { return e.nc.NumSubscriptions() == subs })
	before.wait(t, 0)
	e.waitInfo("requests to go", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 0 })
}

func TestFailedStartsLeaveNothingBehind(t *testing.T) {
	// A13
	e := tpStart(t)
	before := tpRunning()
	e.nc.Close()
	for range 100 {
		_, err := e.cons.Consume(func(jetstream.Msg) {})
		mgIs(t, err, nats.ErrConnectionClosed)
		_, err = e.cons.Messages()
		mgIs(t, err, nats.ErrConnectionClosed)
		_, err = e.cons.Fetch(1)
		mgIs(t, err, nats.ErrConnectionClosed)
		_, err = e.cons.FetchBytes(1)
		mgIs(t, err, nats.ErrConnectionClosed)
		_, err = e.cons.FetchNoWait(1)
		mgIs(t, err, nats.ErrConnectionClosed)
		_, err = e.cons.Next()
		mgIs(t, err, nats.ErrConnectionClosed)
	}
	before.wait(t, 0)
}
