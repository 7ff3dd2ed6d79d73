package docs

import (
	"context"
	"errors"
	"log"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// TestGuides runs the code of the guides in this directory.
func TestGuides(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	nc := jstest.Connect(t, jstest.StartServer(t))
	js, err := jetstream.New(nc)
	must(t, err)
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})
	must(t, err)
	for name, guide := range map[string]func(context.Context, jetstream.JetStream, jetstream.Consumer) error{
		"workers": guideWorkers, "progress": guideProgress, "batch end": guideBatchEnd, "iterator": guideIterator,
		"publish again": guidePublishAgain, "errors": guideErrors, "shutdown": guideShutdown,
	} {
		t.Run(name, func(t *testing.T) {
			cons, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{AckWait: 2 * time.Second})
			must(t, err)
			for range 4 {
				_, err := js.Publish(ctx, "orders.new", []byte("one pizza"))
				must(t, err)
			}
			must(t, guide(ctx, js, cons))
		})
	}
}

func guideWorkers(ctx context.Context, _ jetstream.JetStream, cons jetstream.Consumer) error {
	ctx, cancel := context.WithCancel(ctx)
	handle := func(msg jetstream.Msg) {
		warn(msg.Ack())
		cancel()
	}
	// region: workers
	const workers = 4
	var running []jetstream.ConsumeContext
	for range workers {
		cc, err := cons.Consume(handle, jetstream.PullMaxMessages(20))
		if err != nil {
			return err
		}
		running = append(running, cc)
	}
	<-ctx.Done() // the program is told to end
	for _, cc := range running {
		cc.Drain()
	}
	for _, cc := range running {
		<-cc.Closed()
	}
	// end of region
	return nil
}

func guideProgress(ctx context.Context, _ jetstream.JetStream, cons jetstream.Consumer) error {
	work := make(chan error, 1)
	time.AfterFunc(50*time.Millisecond, func() { work <- nil })
	ackWait := 100 * time.Millisecond
	msg, err := cons.Next(jetstream.FetchContext(ctx))
	if err != nil {
		return err
	}
	// region: progress
	tick := time.NewTicker(ackWait / 3)
	defer tick.Stop()
	for {
		select {
		case err := <-work:
			if err != nil {
				return msg.NakWithDelay(time.Minute)
			}
			return msg.Ack()
		case <-tick.C:
			if err := msg.InProgress(); err != nil {
				return err
			}
		}
	}
	// end of region
}

func guideBatchEnd(_ context.Context, _ jetstream.JetStream, cons jetstream.Consumer) error {
	store := func([]jetstream.Msg) error { return nil }
	// region: batch-end
	batch, err := cons.Fetch(500, jetstream.FetchMaxWait(time.Second))
	if err != nil {
		return err
	}
	var rows []jetstream.Msg
	for msg := range batch.Messages() {
		rows = append(rows, msg)
	}
	if err := batch.Error(); err != nil {
		log.Println("the batch ended early:", err) // what came is good nevertheless
	}
	if err := store(rows); err != nil {
		return err // none is acknowledged, all come again
	}
	for _, msg := range rows {
		if err := msg.Ack(); err != nil {
			return err
		}
	}
	// end of region
	return nil
}

func guideIterator(ctx context.Context, _ jetstream.JetStream, cons jetstream.Consumer) error {
	handle := func(msg jetstream.Msg) error { return msg.Ack() }
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	// region: drain-iterator
	it, err := cons.Messages()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, it.Drain) // Next returns what is left, and then that it is closed
	defer stop()
	for {
		msg, err := it.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue // it has asked again already
		}
		if err != nil {
			return err
		}
		if err := handle(msg); err != nil {
			return err
		}
	}
	// end of region
}

func guidePublishAgain(ctx context.Context, js jetstream.JetStream, _ jetstream.Consumer) error {
	order := []byte("one pizza")
	// region: publish-again
	publish := func() error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, err := js.Publish(ctx, "orders.new", order, jetstream.WithMsgID("order-17"))
		return err
	}
	err := publish()
	for pause := 100 * time.Millisecond; err != nil && ctx.Err() == nil; pause = min(2*pause, 5*time.Second) {
		var refused *jetstream.APIError
		if errors.As(err, &refused) && refused.Code != 503 {
			return err // the stream does not want it, now or later
		}
		time.Sleep(pause)
		err = publish() // stored once, however often it arrives
	}
	// end of region
	return err
}

func guideErrors(_ context.Context, _ jetstream.JetStream, cons jetstream.Consumer) error {
	handle := func(msg jetstream.Msg) { warn(msg.Ack()) }
	// region: consume-errors
	var ended error // why, set before Closed is closed
	cc, err := cons.Consume(handle, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		switch {
		case errors.Is(err, jetstream.ErrConsumerDeleted),
			errors.Is(err, jetstream.ErrConsumerNotFound),
			errors.Is(err, jetstream.ErrConnectionClosed):
			ended = err // it is over: make the consumer again, or give up
		default:
			log.Println("consume goes on after:", err)
		}
	}))
	if err != nil {
		return err
	}
	// end of region
	cc.Stop()
	<-cc.Closed()
	return ended
}

func guideShutdown(_ context.Context, js jetstream.JetStream, cons jetstream.Consumer) error {
	cc, err := cons.Consume(func(msg jetstream.Msg) { warn(msg.Ack()) })
	if err != nil {
		return err
	}
	nc, err := nats.Connect(js.Conn().ConnectedUrl())
	if err != nil {
		return err
	}
	// region: graceful
	cc.Drain()
	<-cc.Closed()                          // all handlers have returned
	err = nc.FlushTimeout(5 * time.Second) // their acknowledgements have left
	nc.Close()
	// end of region
	return err
}
