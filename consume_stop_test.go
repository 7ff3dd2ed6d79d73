package jetstream_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func TestStopLetsTheRunningCallEndAndStartsNoOther(t *testing.T) {
	t.Parallel()
	// A9 A17 B45
	e := tpStart(t)
	e.publish(10)
	started, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	var errs tpErrors
	cc, err := e.cons.Consume(func(jetstream.Msg) {
		if calls.Add(1) == 2 {
			close(started)
			<-release
		}
	}, errs.handler(), jetstream.PullHeartbeat(500*time.Millisecond))
	mgOK(t, err)
	tpDone(t, "the second call", started)
	before := cc.Closed()
	cc.Stop()
	cc.Stop()
	if !tpOpen(cc.Closed()) || !tpOpen(before) {
		t.Error("closed while the handler runs")
	}
	jstest.WaitFor(t, tpWait, "the subscription to go", func() bool { return e.info().NumWaiting == 0 })
	if !tpOpen(cc.Closed()) {
		t.Error("closed while the handler runs")
	}
	pulls := e.pulls()
	close(release)
	tpDone(t, "the end", before)
	tpDone(t, "the end", cc.Closed())
	cc.Stop()
	cc.Drain()
	// A heartbeat that is watched after the end would be missing by now.
	time.Sleep(1300 * time.Millisecond)
	mgEqual(t, "calls", calls.Load(), int32(2))
	mgEqual(t, "requests after the end", pulls.Len(), 0)
	errs.none(t)
}

func TestDrainHandlesWhatHasArrived(t *testing.T) {
	t.Parallel()
	// A9
	e := tpStart(t)
	e.publish(10)
	release := make(chan struct{})
	var calls atomic.Int32
	arrived := e.incoming()
	cc, err := e.cons.Consume(func(m jetstream.Msg) {
		<-release
		_ = m.Ack()
		calls.Add(1)
	}, jetstream.PullMaxMessages(10), jetstream.PullThresholdMessages(9))
	mgOK(t, err)
	arrived(10)
	pulls := e.pulls()
	cc.Drain()
	cc.Drain()
	cc.Stop() // drains on
	e.publish(5)
	close(release)
	tpDone(t, "the end", cc.Closed())
	mgEqual(t, "calls", calls.Load(), int32(10))
	e.settled()
	mgEqual(t, "requests while draining", pulls.Len(), 0)
	e.known(5)
}

func TestStopAndDrainMayBeCalledInHandlers(t *testing.T) {
	t.Parallel()
	// A3
	end := map[string]func(jetstream.ConsumeContext){
		"Stop":  jetstream.ConsumeContext.Stop,
		"Drain": jetstream.ConsumeContext.Drain,
	}
	for name, end := range end {
		t.Run(name+" in the message handler", func(t *testing.T) {
			t.Parallel()
			e := tpStart(t)
			var cc jetstream.ConsumeContext
			var calls atomic.Int32
			ready := make(chan struct{})
			arrived := e.incoming()
			cc, err := e.cons.Consume(func(jetstream.Msg) {
				<-ready
				calls.Add(1)
				end(cc)
				_ = cc.Closed()
			}, jetstream.PullMaxMessages(10))
			mgOK(t, err)
			e.publish(5)
			arrived(5)
			close(ready)
			tpDone(t, "the end", cc.Closed())
			want := int32(1)
			if name == "Drain" {
				want = 5
			}
			mgEqual(t, "calls", calls.Load(), want)
		})
		t.Run(name+" in the error handler", func(t *testing.T) {
			t.Parallel()
			s := jstest.StartServer(t)
			nc := jstest.Connect(t, s)
			cons, fake := tpFakeOver(t, nc, jstest.Connect(t, s))
			fake.OnPull(jstest.Status(409, "Something Else"))
			got := make(chan jetstream.ConsumeContext, 16)
			cc, err := cons.Consume(func(jetstream.Msg) {}, jetstream.ConsumeErrHandler(func(cc jetstream.ConsumeContext, err error) {
				if err.Error() != "nats: Something Else" {
					t.Errorf("error is %v", err)
				}
				end(cc)
				got <- cc
			}))
			mgOK(t, err)
			tpDone(t, "the end", cc.Closed())
			if <-got != cc {
				t.Error("the error handler got another context than Consume returned")
			}
			// One may have been on its way. In a second, there would be four.
			n := nc.Stats().OutMsgs
			time.Sleep(time.Second)
			if more := nc.Stats().OutMsgs - n; more > 1 {
				t.Errorf("%d requests after the end", more)
			}
		})
	}
}

func TestStopAndDrainAtTheSameInstant(t *testing.T) {
	t.Parallel()
	// A4
	e := tpStart(t)
	e.publish(100)
	for range 100 {
		cc, err := e.cons.Consume(func(m jetstream.Msg) { _ = m.Nak() }, jetstream.PullMaxMessages(5))
		mgOK(t, err)
		var wg sync.WaitGroup
		for _, end := range []func(){cc.Stop, cc.Drain, cc.Stop, cc.Drain} {
			wg.Go(end)
		}
		wg.Wait()
		tpDone(t, "the end", cc.Closed())
	}
}

func TestNewConsumeGetsAllThatIsPublishedAfterStop(t *testing.T) {
	t.Parallel()
	// A5
	e := tpStart(t)
	total := 0
	for i := range 20 {
		cc, err := e.cons.Consume(func(m jetstream.Msg) { t.Errorf("message %q of the last round", m.Data()) })
		mgOK(t, err)
		cc.Stop()
		mgOK(t, e.nc.Flush())
		e.publish(5)
		total += 5
		var log tpLog
		if i%2 == 0 {
			cc, err = e.cons.Consume(log.take, jetstream.StopAfter(5))
			mgOK(t, err)
			tpDone(t, "the end", cc.Closed())
		} else {
			it, err := e.cons.Messages()
			mgOK(t, err)
			tpNext(t, it, &log, 5)
			it.Stop()
		}
		seqs := tpSeqs(t, log.all(), true)
		mgEqual(t, "messages", len(seqs), 5)
		mgEqual(t, "last message", seqs[4], uint64(total))
	}
}

func TestConsumeStopsAfterExactlyAsMany(t *testing.T) {
	t.Parallel()
	// A29
	e := tpStart(t)
	e.publish(100)
	for _, opts := range [][]jetstream.PullConsumeOpt{
		{jetstream.PullMaxMessages(20)},
		{jetstream.PullMaxBytes(500)},
		{jetstream.PullMaxMessagesWithBytesLimit(30, 300)},
		{jetstream.PullMaxMessages(1)},
		nil,
	} {
		e.rewind()
		var log tpLog
		var errs tpErrors
		cc, err := e.cons.Consume(log.take, append(opts, jetstream.StopAfter(50), errs.handler())...)
		mgOK(t, err)
		tpDone(t, "the end", cc.Closed())
		log.inOrderOnce(t, 50)
		errs.none(t)
		e.waitInfo("the rest to be left alone", func(i *jetstream.ConsumerInfo) bool {
			return i.NumPending == 50 && i.NumAckPending == 0 && i.NumWaiting == 0
		})
	}
}
