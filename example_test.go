package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
)

func ExampleNew() {
	withServer(func(ctx context.Context, url string) {
		nc, err := nats.Connect(url)
		if err != nil {
			log.Fatal(err)
		}
		defer nc.Close()

		js, err := jetstream.New(nc)
		if err != nil {
			log.Fatal(err)
		}
		// The handle has sent nothing so far. This asks the server.
		info, err := js.AccountInfo(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("streams:", info.Streams)
	})
	// Output: streams: 0
}

func ExampleStreamManager_createStream() {
	withJetStream(func(ctx context.Context, js jetstream.JetStream) {
		stream, err := js.CreateStream(ctx, jetstream.StreamConfig{
			Name:     "ORDERS",
			Subjects: []string{"orders.>"},
			MaxAge:   24 * time.Hour,
		})
		if err != nil {
			log.Fatal(err)
		}
		cfg := stream.CachedInfo().Config
		fmt.Println(cfg.Name, cfg.Subjects, cfg.Storage, cfg.MaxAge)

		// The same configuration again is no error, another one is.
		_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"other"}})
		fmt.Println(errors.Is(err, jetstream.ErrStreamNameAlreadyInUse))
	})
	// Output:
	// ORDERS [orders.>] File 24h0m0s
	// true
}

func ExamplePublisher_publish() {
	withOrders(func(ctx context.Context, js jetstream.JetStream, _ jetstream.Stream) {
		for range 2 {
			// The id makes it safe to publish again after a timeout: the stream
			// stores one of them.
			ack, err := js.Publish(ctx, "orders.new", []byte("one pizza"), jetstream.WithMsgID("pizza-1"))
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(ack.Stream, ack.Sequence, ack.Duplicate)
		}
	})
	// Output:
	// ORDERS 4 false
	// ORDERS 4 true
}

func ExamplePublisher_publishAsync() {
	withOrders(func(ctx context.Context, js jetstream.JetStream, _ jetstream.Stream) {
		futures := make([]jetstream.PubAckFuture, 3)
		for i := range futures {
			future, err := js.PublishAsync("orders.new", fmt.Appendf(nil, "pizza %d", i+1))
			if err != nil {
				log.Fatal(err)
			}
			futures[i] = future
		}

		select {
		case <-js.PublishAsyncComplete():
		case <-ctx.Done():
			log.Fatal(ctx.Err())
		}
		for _, future := range futures {
			select {
			case ack := <-future.Ok():
				fmt.Println("stored as number", ack.Sequence)
			case err := <-future.Err():
				fmt.Println("not stored:", err)
			}
		}
	})
	// Output:
	// stored as number 4
	// stored as number 5
	// stored as number 6
}

// Errors are compared with errors.Is. Those the server reports can also be had
// with their code and description.
func ExampleAPIError() {
	withJetStream(func(ctx context.Context, js jetstream.JetStream) {
		_, err := js.Stream(ctx, "ORDERS")
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			fmt.Println("there is no such stream")
		}
		var apiErr *jetstream.APIError
		if errors.As(err, &apiErr) {
			fmt.Println(apiErr.Code, apiErr.ErrorCode, apiErr.Description)
		}

		// Nothing listens on this subject, which is found out after two attempts.
		_, err = js.Publish(ctx, "nobody.listens", nil,
			jetstream.WithRetryAttempts(1), jetstream.WithRetryWait(10*time.Millisecond))
		fmt.Println(errors.Is(err, jetstream.ErrNoStreamResponse))

		// Bad input fails before anything is sent.
		_, err = js.Stream(ctx, "not.valid")
		fmt.Println(errors.Is(err, jetstream.ErrInvalidStreamName))
	})
	// Output:
	// there is no such stream
	// 404 10059 stream not found
	// true
	// true
}
