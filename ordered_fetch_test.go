package jetstream_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func ordNext(t testing.TB, cons jetstream.Consumer) uint64 {
	t.Helper()
	msg, err := cons.Next()
	ordOK(t, err)
	meta, err := msg.Metadata()
	ordOK(t, err)
	return meta.Sequence.Stream
}

// A35: mixed calls form one sequence.
func TestOrderedFetchesContinueOneAnother(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 30)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	batch, err := cons.Fetch(5)
	ordOK(t, err)
	ordWant(t, ordBatch(t, batch), ordRange(1, 5))
	batch, err = cons.FetchNoWait(5)
	ordOK(t, err)
	ordWant(t, ordBatch(t, batch), ordRange(6, 10))
	if seq := ordNext(t, cons); seq != 11 {
		t.Errorf("Next returned %d, want 11", seq)
	}
	batch, err = cons.FetchBytes(1<<20, jetstream.FetchMaxWait(2*time.Second))
	ordOK(t, err)
	ordWant(t, ordBatch(t, batch), ordRange(12, 30))
	batch, err = cons.FetchNoWait(5)
	ordOK(t, err)
	ordWant(t, ordBatch(t, batch), nil)

	// One that timed out neither repeats nor skips.
	_, err = cons.Next(jetstream.FetchMaxWait(100 * time.Millisecond))
	ordIs(t, err, nats.ErrTimeout)
	e.publish("s.x", 2)
	if seq := ordNext(t, cons); seq != 31 {
		t.Errorf("Next returned %d, want 31", seq)
	}
	if seq := ordNext(t, cons); seq != 32 {
		t.Errorf("Next returned %d, want 32", seq)
	}
	e.onlyCurrent(cons)
}

func TestOrderedFetchBytesKeepsToItsLimit(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 10)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	var all []uint64
	for len(all) < 10 {
		batch, err := cons.FetchBytes(250, jetstream.FetchMaxWait(2*time.Second))
		ordOK(t, err)
		seqs := ordBatch(t, batch)
		if len(seqs) == 0 || len(seqs) > 3 {
			t.Fatalf("%d messages in 250 bytes", len(seqs))
		}
		all = append(all, seqs...)
	}
	ordWant(t, all, ordRange(1, 10))
}

// What was put into a batch is delivered, read or not.
func TestOrderedFetchGoesOnBehindABatchThatIsNotRead(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 10)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	unread, err := cons.Fetch(5)
	ordOK(t, err)
	var batch jetstream.MessageBatch
	jstest.WaitFor(t, ordWait, "the first batch to end by itself", func() bool {
		batch, err = cons.Fetch(5)
		return !errors.Is(err, jetstream.ErrOrderedConsumerConcurrentRequests)
	})
	ordOK(t, err)
	ordWant(t, ordBatch(t, batch), ordRange(6, 10))
	ordWant(t, ordBatch(t, unread), ordRange(1, 5))
}

// A consumer is made when there is need for one, not for each call.
func TestOrderedNextKeepsItsConsumer(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	creations := jstest.RecordRequests(t, jstest.ConnectURL(t, e.url), "$JS.API.CONSUMER.CREATE.>")
	e.publish("s.x", 1000)
	cons := e.ordered(jetstream.OrderedConsumerConfig{NamePrefix: "p"})
	for want := uint64(1); want <= 1000; want++ {
		if seq := ordNext(t, cons); seq != want {
			t.Fatalf("Next returned %d, want %d", seq, want)
		}
	}
	if n := creations.Len(); n != 1 {
		t.Errorf("%d consumers were made, want 1", n)
	}
	if name := cons.CachedInfo().Name; name != "p_1" {
		t.Errorf("name is %s", name)
	}
}

func TestOrderedFetchHidesADeletionBetweenCalls(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 40)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	for i := range uint64(4) {
		e.deleteCurrent(cons)
		var seqs []uint64
		switch i % 2 {
		case 0:
			batch, err := cons.Fetch(10, jetstream.FetchMaxWait(ordWait))
			ordOK(t, err)
			seqs = ordBatch(t, batch)
		case 1:
			batch, err := cons.FetchNoWait(10)
			ordOK(t, err)
			seqs = ordBatch(t, batch)
		}
		ordWant(t, seqs, ordRange(10*i+1, 10*i+10))
	}
	e.onlyCurrent(cons)
}

// The consumer goes while a batch is half full.
func TestOrderedFetchGoesOnWhenItsConsumerIsDeleted(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 5)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	name := cons.CachedInfo().Name
	batch, err := cons.Fetch(10, jetstream.FetchMaxWait(ordWait), jetstream.FetchHeartbeat(time.Second))
	ordOK(t, err)
	for range 5 {
		<-batch.Messages()
	}
	e.deleteCurrent(cons)
	e.publish("s.x", 5)
	ordWant(t, ordBatch(t, batch), ordRange(6, 10))
	if cons.CachedInfo().Name == name {
		t.Error("the consumer was not replaced")
	}
}

func TestOrderedFetchOfADeletedStreamSaysSo(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	ordOK(t, e.js.DeleteStream(e.ctx, "S"))
	_, err := cons.Next(jetstream.FetchMaxWait(ordWait))
	ordIs(t, err, jetstream.ErrStreamNotFound)
	// And again, since it is not used up.
	batch, err := cons.Fetch(3, jetstream.FetchMaxWait(ordWait))
	if err == nil {
		for range batch.Messages() {
			t.Error("a message out of nowhere")
		}
		err = batch.Error()
	}
	ordIs(t, err, jetstream.ErrStreamNotFound)
}

// B32
func TestOrderedFetchHonorsItsLimitsDuringAReset(t *testing.T) {
	t.Parallel()
	_, cons := ordStuck(t)
	begun := time.Now()
	_, err := cons.Next(jetstream.FetchMaxWait(300 * time.Millisecond))
	if !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, jetstream.ErrConsumerDeleted) {
		t.Errorf("error is %v, want a timeout or what it waited for", err)
	}
	// This one makes the consumer before it returns a batch.
	_, err = cons.Fetch(3, jetstream.FetchMaxWait(300*time.Millisecond))
	ordIs(t, err, nats.ErrTimeout)
	// One that has ended is no option.
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	_, err = cons.Fetch(3, jetstream.FetchContext(ctx))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want that of the context", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err = cons.Next(jetstream.FetchContext(ctx))
	ordIs(t, err, context.Canceled)
	if took := time.Since(begun); took > 9*time.Second {
		t.Errorf("limits of two seconds in all took %v", took)
	}
}

func TestOrderedFetchIsExclusive(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	var (
		wg      sync.WaitGroup
		started atomic.Int32
		batches = make(chan jetstream.MessageBatch, 10)
	)
	for range 10 {
		wg.Go(func() {
			batch, err := cons.Fetch(5, jetstream.FetchMaxWait(ordWait))
			if errors.Is(err, jetstream.ErrOrderedConsumerConcurrentRequests) {
				return
			}
			if err != nil {
				t.Errorf("fetch: %v", err)
				return
			}
			started.Add(1)
			batches <- batch
		})
	}
	wg.Wait()
	if n := started.Load(); n != 1 {
		t.Fatalf("%d fetches were started, want 1", n)
	}
	e.publish("s.x", 5)
	ordWant(t, ordBatch(t, <-batches), ordRange(1, 5))
}

// A canceled fetch leaves the position behind what it delivered.
func TestOrderedFetchGoesOnAfterACanceledOne(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 3)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	batch, err := cons.Fetch(10, jetstream.FetchContext(ctx))
	ordOK(t, err)
	for range 3 {
		<-batch.Messages()
	}
	cancel()
	for range batch.Messages() {
		t.Error("a message after the last")
	}
	ordIs(t, batch.Error(), context.Canceled)
	e.publish("s.x", 3)
	batch, err = cons.Fetch(3, jetstream.FetchMaxWait(ordWait))
	ordOK(t, err)
	ordWant(t, ordBatch(t, batch), ordRange(4, 6))
}

func TestOrderedFetchSurvivesAReconnect(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	e := ordOn(t, jstest.ConnectURL(t, n.URL()), n.URL())
	e.publish("s.x", 5)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	batch, err := cons.Fetch(10, jetstream.FetchMaxWait(ordWait))
	ordOK(t, err)
	for range 5 {
		<-batch.Messages()
	}
	n.Proxy().Cut()
	direct, err := jetstream.New(jstest.Connect(t, n.Server()))
	ordOK(t, err)
	for range 10 {
		_, err := direct.Publish(e.ctx, "s.x", nil)
		ordOK(t, err)
	}
	ordWant(t, ordBatch(t, batch), ordRange(6, 10))
	batch, err = cons.Fetch(5, jetstream.FetchMaxWait(ordWait))
	ordOK(t, err)
	ordWant(t, ordBatch(t, batch), ordRange(11, 15))
}
