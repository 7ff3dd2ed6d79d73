// Command js-ordered-fetch pages through a stream: each batch begins behind the
// last one, without acknowledgements.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/examples/internal/demo"
)

func main() { demo.Main(run) }

func run(ctx context.Context, nc *nats.Conn) (err error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	name := demo.Name("pages")
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}})
	if err != nil {
		return err
	}
	defer demo.DeleteStream(js, name, &err)
	if err := demo.Publish(ctx, js, name, 25); err != nil {
		return err
	}

	// From the sixth message on.
	cons, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:   6,
	})
	if err != nil {
		return err
	}
	for page := 1; ; page++ {
		batch, err := cons.Fetch(8, jetstream.FetchMaxWait(2*time.Second))
		if err != nil {
			return err
		}
		count, last := 0, uint64(0)
		for msg := range batch.Messages() {
			meta, err := msg.Metadata()
			if err != nil {
				return err
			}
			count, last = count+1, meta.Sequence.Stream
		}
		// The channel is closed and the result final.
		if err := batch.Error(); err != nil {
			return err
		}
		if count == 0 {
			fmt.Println("That is the end.")
			return nil
		}
		fmt.Printf("Page %d: %d messages, the last one is number %d\n", page, count, last)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
