package jetstream_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func TestCancelledFetchHandsOverWhatHasComeAndReturnsTheRest(t *testing.T) {
	t.Parallel()
	// B7
	e := tpStart(t)
	for range 20 {
		e.publish(500)
		ctx, cancel := context.WithCancel(context.Background())
		batch, err := e.cons.Fetch(2000, jetstream.FetchContext(ctx))
		mgOK(t, err)
		var log tpLog
		for m := range batch.Messages() {
			log.take(m)
			if log.len() == 20 {
				cancel()
			}
		}
		cancel()
		mgSame(t, batch.Error(), context.Canceled)
		// What the batch did not get comes again now and not after the AckWait of
		// minutes.
		for log.distinct(t) < 500 {
			batch, err := e.cons.Fetch(500-log.distinct(t), jetstream.FetchMaxWait(tpWait))
			mgOK(t, err)
			n := 0
			for m := range batch.Messages() {
				log.take(m)
				n++
			}
			mgOK(t, batch.Error())
			if n == 0 {
				t.Fatalf("%d messages are gone until the AckWait", 500-log.distinct(t))
			}
		}
		e.waitInfo("all to be acknowledged", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 0 && i.NumPending == 0 })
	}
}

func TestFetchBytesAllocatesForWhatItMayGet(t *testing.T) {
	// B44
	e := tpStart(t)
	e.publish(400)
	measure := func(fetch func() (jetstream.MessageBatch, error)) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const n = 10
		for range n {
			batch, err := fetch()
			tpBatch(t, batch, err)
		}
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) / n
	}
	small := measure(func() (jetstream.MessageBatch, error) { return e.cons.FetchBytes(1000) })
	// The server allocates, too, and may be at something else.
	if small > 512<<10 {
		t.Errorf("FetchBytes(1000) allocates %d bytes", small)
	}
	unlimited := measure(func() (jetstream.MessageBatch, error) {
		return e.cons.FetchBytes(0, jetstream.FetchMaxWait(10*time.Millisecond))
	})
	if unlimited > 4<<20 {
		t.Errorf("FetchBytes(0) allocates %d bytes", unlimited)
	}
}

func TestManyFetchesLeaveNothingBehind(t *testing.T) {
	// A10 A26
	e := tpStart(t)
	before, subs := tpRunning(), e.nc.NumSubscriptions()
	for i := range 1000 {
		switch i % 4 {
		case 0:
			_, err := e.cons.Next(jetstream.FetchMaxWait(time.Millisecond))
			mgSame(t, err, nats.ErrTimeout)
		case 1:
			batch, err := e.cons.FetchNoWait(10)
			tpFetched(t, 0, batch, err)
		case 2:
			ctx, cancel := context.WithCancel(context.Background())
			batch, err := e.cons.Fetch(10, jetstream.FetchContext(ctx))
			cancel()
			tpBatch(t, batch, err)
			mgSame(t, batch.Error(), context.Canceled)
		default:
			batch, err := e.cons.FetchBytes(1000, jetstream.FetchMaxWait(time.Millisecond))
			tpFetched(t, 0, batch, err)
		}
	}
	// At most one subscription is kept, with its goroutine and the one that
	// follows the connection.
	jstest.WaitFor(t, tpWait, "subscriptions to go", func() bool { return e.nc.NumSubscriptions() <= subs+1 })
	before.wait(t, 2)
	e.waitInfo("requests to go", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 0 })
	e.nc.Close()
	before.wait(t, 0)
}

func TestClosedConnectionEndsFetches(t *testing.T) {
	t.Parallel()
	// A12 A25 B27
	e := tpStart(t)
	e.publish(3)
	batch, err := e.cons.Fetch(10)
	mgOK(t, err)
	e.waitInfo("delivery", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 3 })
	mgOK(t, e.nc.Flush())
	next := make(chan error, 1)
	go func() {
		_, err := e.cons.Next()
		next <- err
	}()
	e.waitInfo("Next to ask", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 2 })
	started := time.Now()
	e.nc.Close()
	if n := len(tpBatch(t, batch, err)); n > 3 {
		t.Errorf("%d messages", n)
	}
	mgSame(t, batch.Error(), jetstream.ErrConnectionClosed)
	mgSame(t, <-next, jetstream.ErrConnectionClosed)
	if d := time.Since(started); d > 10*time.Second {
		t.Errorf("fetches ended %v after the connection was closed", d)
	}
}

func TestDrainingConnectionEndsFetches(t *testing.T) {
	t.Parallel()
	// A25
	e := tpStart(t)
	e.publish(3)
	before := e.nc.Stats().InMsgs
	batch, err := e.cons.Fetch(10)
	mgOK(t, err)
	// The consumer counts messages as delivered before the server has sent them.
	jstest.WaitFor(t, tpWait, "delivery", func() bool { return e.nc.Stats().InMsgs >= before+3 })
	mgOK(t, e.nc.Drain())
	mgEqual(t, "messages", len(tpBatch(t, batch, err)), 3)
	mgIs(t, batch.Error(), jetstream.ErrConnectionClosed)
	_, err = e.cons.Next()
	if !errors.Is(err, nats.ErrConnectionDraining) && !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("Next of a draining connection returned %v", err)
	}
}

func TestFetchFromAckNoneConsumerLosesNothingInOrderlyUse(t *testing.T) {
	t.Parallel()
	e := tpStart(t, tpAckNone)
	e.publish(500)
	var log tpLog
	for i := range 100 {
		batch, err := e.cons.Fetch(1+i%9, jetstream.FetchMaxWait(100*time.Millisecond))
		for _, m := range tpBatch(t, batch, err) {
			log.add(m)
		}
		mgOK(t, batch.Error())
	}
	batch, err := e.cons.FetchNoWait(500)
	for _, m := range tpBatch(t, batch, err) {
		log.add(m)
	}
	log.inOrderOnce(t, 500)
}

func TestFetchUnderDomainPrefix(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	cons, fake := tpFakeOver(t, e.nc, e.admin)
	fake.OnPull(jstest.Forward)
	for i := range 5 {
		e.publishMsg(&nats.Msg{Subject: tpSubject, Data: []byte(strconv.Itoa(i))})
	}
	e.published()
	batch, err := cons.Fetch(2)
	tpFetched(t, 2, batch, err)
	_, err = cons.Next()
	mgOK(t, err)
	var log tpLog
	cc, err := cons.Consume(log.take, jetstream.StopAfter(2))
	mgOK(t, err)
	tpDone(t, "the end", cc.Closed())
	for _, req := range fake.Pulls() {
		if req.Subject != "FAKE.CONSUMER.MSG.NEXT."+tpStream+"."+tpConsumer {
			t.Errorf("request to %s", req.Subject)
		}
	}
}
