package jetstream_test

import (
	"slices"
	"testing"
	"time"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// twBatches returns what an iterator asks for until it has given out one more
// message than its first request brings.
func twBatches(t *testing.T, want int, opts ...jetstream.PullMessagesOpt) []int {
	t.Helper()
	e := tpStart(t, tpAckNone)
	e.publish(1100)
	pulls := e.pulls()
	arrived := e.incoming()
	it, err := e.cons.Messages(opts...)
	mgOK(t, err)
	defer it.Stop()
	for i := range 501 {
		_, err := it.Next(jetstream.NextMaxWait(tpWait))
		mgOK(t, err)
		if i == 0 {
			// The status that ends the first request as well.
			arrived(501)
		}
	}
	var batches []int
	for _, pull := range e.requested(pulls, want) {
		batches = append(batches, pull.Batch)
	}
	return batches
}

func TestMessagesFillsTheDefaultWindowWhenARequestIsServed(t *testing.T) {
	t.Parallel()
	if got := twBatches(t, 3); !slices.Equal(got, []int{500, 251, 249}) {
		t.Errorf("batches are %v", got)
	}
}

func TestMessagesKeepsToTheThresholdOfTheUser(t *testing.T) {
	t.Parallel()
	if got := twBatches(t, 2, jetstream.PullThresholdMessages(250)); !slices.Equal(got, []int{500, 251}) {
		t.Errorf("batches are %v", got)
	}
}

// twLargestBatch reads a stream with an ordered consumer over a link with delay
// and returns the most messages it asked for at a time.
func twLargestBatch(t *testing.T, opts ...jetstream.PullConsumeOpt) int {
	t.Helper()
	const count = 6000
	e := tpStart(t)
	for range 3 {
		e.publish(count / 3)
	}
	proxy := jstest.StartProxy(t, e.nc.ConnectedAddr())
	// Long enough for a busy machine to be done with a window meanwhile.
	proxy.SetDelay(jstest.ToClient, 80*time.Millisecond)
	ctx := mgContext(t)
	cons, err := tpHandle(t, jstest.ConnectURL(t, proxy.URL())).OrderedConsumer(ctx, tpStream, jetstream.OrderedConsumerConfig{})
	mgOK(t, err)
	pulls := jstest.RecordRequests(t, e.admin, "$JS.API.CONSUMER.MSG.NEXT."+tpStream+".>")
	done := make(chan struct{})
	next := uint64(1)
	cc, err := cons.Consume(func(m jetstream.Msg) {
		meta, err := m.Metadata()
		if err != nil || meta.Sequence.Stream != next {
			t.Errorf("message %+v, %v, want number %d", meta, err, next)
		}
		if next++; next == count+1 {
			close(done)
		}
	}, opts...)
	mgOK(t, err)
	defer cc.Stop()
	tpDone(t, "all messages", done)
	mgOK(t, e.admin.FlushTimeout(tpWait))
	largest := 0
	for _, pull := range pulls.Pulls(t) {
		largest = max(largest, pull.Batch)
	}
	return largest
}

func TestOrderedConsumeAsksForMoreOverALongLink(t *testing.T) {
	t.Parallel()
	if got := twLargestBatch(t); got < 1000 || got > 8192 {
		t.Errorf("the largest batch is %d", got)
	}
}

func TestOrderedConsumeKeepsToTheWindowOfTheUser(t *testing.T) {
	t.Parallel()
	if got := twLargestBatch(t, jetstream.PullMaxMessages(500)); got != 500 {
		t.Errorf("the largest batch is %d", got)
	}
}
