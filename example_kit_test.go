package jetstream_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/localserver"
)

// The examples end the program on an error, as a main function would. withServer
// gives one a server and a time limit.
func withServer(example func(ctx context.Context, url string)) {
	url, stop, err := localserver.Start()
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	example(ctx, url)
	cancel()
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}

// withJetStream is withServer for an example that is not about connecting.
func withJetStream(example func(ctx context.Context, js jetstream.JetStream)) {
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
		example(ctx, js)
	})
}

// withOrders is withJetStream for an example that reads a stream of three
// messages.
func withOrders(example func(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream)) {
	withJetStream(func(ctx context.Context, js jetstream.JetStream) {
		stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})
		if err != nil {
			log.Fatal(err)
		}
		for i := range 3 {
			if _, err := js.Publish(ctx, "orders.new", fmt.Appendf(nil, "order %d", i+1)); err != nil {
				log.Fatal(err)
			}
		}
		example(ctx, js, stream)
	})
}

// withConsumer is withOrders for an example that reads them with a consumer.
func withConsumer(example func(ctx context.Context, js jetstream.JetStream, cons jetstream.Consumer)) {
	withOrders(func(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream) {
		cons, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
			Durable:   "shipping",
			AckPolicy: jetstream.AckExplicitPolicy,
		})
		if err != nil {
			log.Fatal(err)
		}
		example(ctx, js, cons)
	})
}
