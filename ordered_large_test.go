package jetstream_test

import (
	"testing"
	"time"

	"example.com/jetstream"
)

// B29: requests for large messages must not ask for more than the server is
// willing to buffer for a connection, or it cuts the client off again and again.
func TestOrderedConsumerReadsLargeMessagesInOneGo(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	const (
		count = 150
		size  = 900 << 10
	)
	for range count {
		_, err := e.js.Publish(e.ctx, "s.large", make([]byte, size))
		ordOK(t, err)
	}
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	first := cons.CachedInfo().Name
	before := e.nc.Stats()

	seen := make(chan uint64, count)
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		meta, err := msg.Metadata()
		if err != nil || len(msg.Data()) != size {
			t.Errorf("message of %d bytes, %v", len(msg.Data()), err)
			return
		}
		seen <- meta.Sequence.Stream
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		t.Errorf("reported: %v", err)
	}))
	ordOK(t, err)
	defer cc.Stop()
	for want := uint64(1); want <= count; want++ {
		select {
		case got := <-seen:
			if got != want {
				t.Fatalf("message %d, want %d", got, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("no message %d", want)
		}
	}

	after := e.nc.Stats()
	if after.Reconnects != before.Reconnects {
		t.Errorf("%d reconnects", after.Reconnects-before.Reconnects)
	}
	if received := after.InBytes - before.InBytes; received > (count+10)*size {
		t.Errorf("%d bytes received for %d", received, count*size)
	}
	if name := cons.CachedInfo().Name; name != first {
		t.Errorf("consumer %s took the place of %s", name, first)
	}
}
