package docs

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// TestTour runs the code of the README in its order.
func TestTour(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	t.Chdir(t.TempDir())
	if err := tour(ctx, jstest.StartServer(t).ClientURL()); err != nil {
		t.Fatal(err)
	}
}

func tour(ctx context.Context, url string) error {
	// region: connect
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	// end of region

	// region: create-stream
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:     "ORDERS",
		Subjects: []string{"orders.>"},
		MaxAge:   7 * 24 * time.Hour,
	})
	if err != nil {
		return err
	}
	// end of region

	// region: publish
	ack, err := js.Publish(ctx, "orders.new", []byte("one pizza"), jetstream.WithMsgID("order-17"))
	if err != nil {
		return err
	}
	fmt.Println("stored as number", ack.Sequence)
	// end of region

	if err := tourPublishAsync(ctx, js); err != nil {
		return err
	}

	// region: create-consumer
	cons, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "shipping",
		AckWait: 30 * time.Second, // how long a message may be worked on
	})
	if err != nil {
		return err
	}
	// end of region

	for _, step := range []func(context.Context, jetstream.JetStream, jetstream.Consumer) error{
		tourFetch, tourMessages, tourConsume, tourAcks, tourOrdered, tourKeyValue, tourObjects, tourErrors, tourTimeouts, tourTuning,
	} {
		for range 4 {
			if _, err := js.Publish(ctx, "orders.new", []byte("one pizza")); err != nil {
				return err
			}
		}
		if err := step(ctx, js, cons); err != nil {
			return err
		}
	}
	return nil
}

func tourPublishAsync(ctx context.Context, js jetstream.JetStream) error {
	// region: publish-async
	var futures []jetstream.PubAckFuture
	for i := range 1000 {
		future, err := js.PublishAsync("orders.new", fmt.Appendf(nil, "pizza %d", i))
		if err != nil {
			return err
		}
		futures = append(futures, future)
	}
	select {
	case <-js.PublishAsyncComplete(): // nothing awaits its acknowledgement any more
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, future := range futures {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			fmt.Println("not stored:", future.Msg().Subject, err)
		}
	}
	// end of region
	return nil
}

func ship([]byte) error { return nil }

func tourFetch(_ context.Context, _ jetstream.JetStream, cons jetstream.Consumer) error {
	// region: fetch
	batch, err := cons.Fetch(100, jetstream.FetchMaxWait(2*time.Second))
	if err != nil {
		return err
	}
	for msg := range batch.Messages() {
		if err := ship(msg.Data()); err != nil {
			return err
		}
		if err := msg.Ack(); err != nil {
			return err
		}
	}
	err = batch.Error() // nil as well when fewer than 100 came in time
	// end of region
	return err
}

func tourMessages(ctx context.Context, _ jetstream.JetStream, cons jetstream.Consumer) error {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	err := func() error {
		// region: messages
		it, err := cons.Messages()
		if err != nil {
			return err
		}
		defer it.Stop()
		for {
			msg, err := it.Next(jetstream.NextContext(ctx))
			if err != nil {
				return err
			}
			if err := ship(msg.Data()); err != nil {
				return err
			}
			if err := msg.Ack(); err != nil {
				return err
			}
		}
		// end of region
	}()
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func tourConsume(_ context.Context, _ jetstream.JetStream, cons jetstream.Consumer) error {
	// region: consume
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		if err := ship(msg.Data()); err != nil {
			log.Println("ship:", err)
			return // it comes again after the AckWait
		}
		if err := msg.Ack(); err != nil {
			log.Println("ack:", err)
		}
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		log.Println("consume:", err)
	}))
	if err != nil {
		return err
	}
	// end of region

	// region: shutdown
	cc.Drain()    // ask for no more, handle what has arrived
	<-cc.Closed() // the last call of the handler has returned
	// end of region
	return nil
}

func tourAcks(ctx context.Context, _ jetstream.JetStream, cons jetstream.Consumer) error {
	outcomes := []string{"done", "surely done", "later", "never"}
	for _, outcome := range outcomes {
		msg, err := cons.Next()
		if err != nil {
			return err
		}
		// region: acks
		switch outcome {
		case "done":
			err = msg.Ack()
		case "surely done": // waits until the server has confirmed it
			err = msg.DoubleAck(ctx)
		case "later": // deliver it again, in a minute
			err = msg.NakWithDelay(time.Minute)
		case "more time": // restart the AckWait
			err = msg.InProgress()
		case "never": // it is broken, do not deliver it again
			err = msg.TermWithReason("cannot be decoded")
		}
		// end of region
		if err != nil {
			return err
		}
	}
	return nil
}

func tourOrdered(ctx context.Context, js jetstream.JetStream, _ jetstream.Consumer) error {
	// region: ordered
	ordered, err := js.OrderedConsumer(ctx, "ORDERS", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"orders.new"},
	})
	if err != nil {
		return err
	}
	cc, err := ordered.Consume(func(msg jetstream.Msg) {
		fmt.Println(msg.Subject(), string(msg.Data()))
	})
	if err != nil {
		return err
	}
	// end of region
	cc.Stop()
	<-cc.Closed()
	return nil
}

func tourKeyValue(ctx context.Context, js jetstream.JetStream, _ jetstream.Consumer) error {
	// region: key-value
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "settings", History: 5})
	if err != nil {
		return err
	}
	if _, err := kv.PutString(ctx, "ui.color", "blue"); err != nil {
		return err
	}
	entry, err := kv.Get(ctx, "ui.color")
	if err != nil {
		return err
	}

	// Update succeeds only if nobody was faster.
	_, err = kv.Update(ctx, "ui.color", []byte("green"), entry.Revision())
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		fmt.Println("somebody was")
	}
	// end of region

	// region: watch
	watcher, err := kv.Watch(ctx, "ui.*")
	if err != nil {
		return err
	}
	for entry := range watcher.Updates() {
		if entry == nil {
			break // all there is has come; from here on it is changes
		}
		fmt.Println(entry.Key(), entry.Operation(), string(entry.Value()))
	}
	err = watcher.Stop()
	// end of region
	return err
}

func tourObjects(ctx context.Context, js jetstream.JetStream, _ jetstream.Consumer) error {
	if err := os.WriteFile("2026-11.pdf", []byte("a report"), 0o600); err != nil {
		return err
	}
	// region: objects
	store, err := js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "reports"})
	if err != nil {
		return err
	}
	info, err := store.PutFile(ctx, "2026-11.pdf")
	if err != nil {
		return err
	}
	fmt.Println(info.Size, "bytes,", info.Digest)
	err = store.GetFile(ctx, "2026-11.pdf", "copy.pdf") // fails if the digest is wrong
	// end of region
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(".", "copy.pdf"))
	return err
}

func tourErrors(ctx context.Context, js jetstream.JetStream, _ jetstream.Consumer) error {
	// region: errors
	_, err := js.Stream(ctx, "INVOICES")
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		fmt.Println("create it first")
	}
	var apiErr *jetstream.APIError
	if errors.As(err, &apiErr) {
		fmt.Println(apiErr.Code, apiErr.ErrorCode, apiErr.Description)
	}
	// end of region
	if apiErr == nil {
		return fmt.Errorf("stream INVOICES: %w", err)
	}
	return nil
}

func tourTimeouts(ctx context.Context, js jetstream.JetStream, _ jetstream.Consumer) error {
	nc := js.Conn()
	// region: timeouts
	js, err := jetstream.New(nc,
		jetstream.WithDefaultTimeout(2*time.Second),
		jetstream.WithPublishAsyncTimeout(10*time.Second))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_, err = js.Publish(ctx, "orders.new", []byte("one pizza"))
	// end of region
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // on a busy machine
	}
	return err
}

func tourTuning(_ context.Context, _ jetstream.JetStream, cons jetstream.Consumer) error {
	handler := func(jetstream.Msg) {}
	// region: tuning
	cc, err := cons.Consume(handler,
		jetstream.PullMaxMessages(50),          // requested or buffered at a time
		jetstream.PullHeartbeat(2*time.Second), // a dead consumer is noticed after 4 seconds
		jetstream.PullThresholdMessages(40))    // ask for more when fewer are left
	if err != nil {
		return err
	}
	// end of region
	cc.Stop()
	<-cc.Closed()
	return nil
}
