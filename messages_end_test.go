package jetstream_test

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func TestIteratorOfClosedConnectionSaysSo(t *testing.T) {
	t.Parallel()
	// A12
	e := tpStart(t)
	e.publish(5)
	blocked, err := e.cons.Messages()
	mgOK(t, err)
	stopped, err := e.cons.Messages()
	mgOK(t, err)
	stopped.Stop()
	_, err = stopped.Next()
	mgSame(t, err, jetstream.ErrMsgIteratorClosed)
	// Nobody calls Next of this one; TestMain sees what it leaves behind.
	_, err = e.cons.Messages()
	mgOK(t, err)

	var log tpLog
	tpNext(t, blocked, &log, 5)
	errs := make(chan error, 1)
	go func() {
		_, err := blocked.Next()
		errs <- err
	}()
	e.waitInfo("Next to ask", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting >= 1 })
	e.nc.Close()
	select {
	case err = <-errs:
	case <-time.After(tpWait):
		t.Fatal("Next is still blocked")
	}
	check := func(err error) {
		t.Helper()
		if !errors.Is(err, jetstream.ErrMsgIteratorClosed) || !errors.Is(err, jetstream.ErrConnectionClosed) {
			t.Errorf("error is %v, want one that matches both closed errors", err)
		} else if got, want := err.Error(), "nats: messages iterator closed: nats: connection closed"; got != want {
			t.Errorf("error is %q, want %q", got, want)
		}
	}
	check(err)
	_, err = blocked.Next()
	check(err)
	_, err = stopped.Next()
	check(err)
}

func TestIteratorAndConnectionMayEndAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	e := tpStartOn(t, s)
	for i := range 20 {
		e.publish(10)
		nc := jstest.Connect(t, s)
		it, err := e.handleOver(nc).Messages()
		mgOK(t, err)
		m, err := it.Next()
		mgOK(t, err)
		mgOK(t, m.DoubleAck(mgContext(t)))
		var wg sync.WaitGroup
		wg.Go(it.Stop)
		if i%2 == 0 {
			wg.Go(it.Drain)
		}
		wg.Go(func() { _ = nc.Drain() })
		wg.Wait()
		jstest.WaitFor(t, tpWait, "the connection to close", nc.IsClosed)
		for err = nil; err == nil; {
			_, err = it.Next()
		}
		mgIs(t, err, jetstream.ErrMsgIteratorClosed)
	}
}

func TestIteratorOfDrainingConnectionReturnsItsBuffer(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	arrived := e.incoming()
	e.publish(20)
	it, err := e.cons.Messages()
	mgOK(t, err)
	var log tpLog
	tpNext(t, it, &log, 1)
	arrived(20)
	closed := make(chan struct{})
	e.nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	mgOK(t, e.nc.Drain())
	for err == nil {
		var m jetstream.Msg
		if m, err = it.Next(); err == nil {
			log.take(m)
		}
	}
	mgIs(t, err, jetstream.ErrMsgIteratorClosed)
	tpDone(t, "the connection to close", closed)
	seqs := tpSeqs(t, log.all(), true)
	if !slices.IsSorted(seqs) {
		t.Errorf("messages are out of order: %v", seqs)
	}
}

func TestIteratorByBytesAllocatesNoBufferInAdvance(t *testing.T) {
	// B44
	e := tpStart(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 20
	for range n {
		it, err := e.cons.Messages(jetstream.PullMaxBytes(64 << 20))
		mgOK(t, err)
		it.Stop()
	}
	runtime.ReadMemStats(&after)
	// The server allocates, too, and may be at something else.
	if bytes := (after.TotalAlloc - before.TotalAlloc) / n; bytes > 1<<20 {
		t.Errorf("Messages allocates %d bytes", bytes)
	}
}

func TestNextAndStopFromManyGoroutines(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(2000)
	for range 20 {
		it, err := e.cons.Messages(jetstream.PullMaxMessages(10))
		mgOK(t, err)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for n := 0; ; n++ {
					m, err := it.Next()
					if err != nil {
						mgSame(t, err, jetstream.ErrMsgIteratorClosed)
						return
					}
					_ = m.Nak()
					if i == 0 && n == 10 {
						it.Stop()
					}
				}
			})
		}
		wg.Wait()
	}
}
