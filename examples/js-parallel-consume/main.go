// Command js-parallel-consume shares the messages of one consumer between
// several workers. They could as well be in different processes.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/examples/internal/demo"
)

const (
	total   = 100
	workers = 4
)

func main() { demo.Main(run) }

func run(ctx context.Context, nc *nats.Conn) (err error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	name := demo.Name("parallel")
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name:     name,
		Subjects: []string{name},
		// What is acknowledged is deleted.
		Retention: jetstream.WorkQueuePolicy,
	})
	if err != nil {
		return err
	}
	defer demo.DeleteStream(js, name, &err)
	cons, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:   "workers",
		AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		return err
	}
	if err := demo.Publish(ctx, js, name, total); err != nil {
		return err
	}

	var (
		counts  [workers]atomic.Int64
		handled atomic.Int64
		all     = make(chan struct{})
		done    = make(chan struct{})
		failed  = make(chan error, workers)
		running []jetstream.ConsumeContext
	)
	defer func() {
		for _, cc := range running {
			cc.Stop()
			<-cc.Closed()
		}
	}()
	for w := range workers {
		cc, err := cons.Consume(func(msg jetstream.Msg) {
			<-all // so that the first worker does not do all by itself
			// Stands for work that takes a while.
			time.Sleep(5 * time.Millisecond)
			if err := msg.DoubleAck(ctx); err != nil {
				select {
				case failed <- err:
				default:
				}
				return
			}
			counts[w].Add(1)
			if handled.Add(1) == total {
				close(done)
			}
			// A worker that asks for much in advance keeps it from the others.
		}, jetstream.PullMaxMessages(5))
		if err != nil {
			close(all)
			return err
		}
		running = append(running, cc)
	}
	close(all)

	select {
	case <-done:
	case err := <-failed:
		return fmt.Errorf("acknowledge: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	}
	for w := range workers {
		fmt.Printf("Worker %d handled %d messages.\n", w+1, counts[w].Load())
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	if info.State.Msgs != 0 {
		return errors.New("the work queue is not empty")
	}
	fmt.Println("Together they handled", handled.Load(), "and the queue is empty.")
	return nil
}
