package workload

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// awaitedBatch is how many are published before their acks are awaited.
const awaitedBatch = 1000

func publish(_ context.Context, r *Run) error {
	var acked atomic.Int64
	err := r.each(func(int) error {
		seq, err := r.client.publish(context.Background(), r.stream, r.data)
		acked.Add(int64(seq))
		return err
	})
	if err != nil {
		return err
	}
	// Sequences 1 to n were given, each once.
	if want := int64(r.n) * int64(r.n+1) / 2; acked.Load() != want {
		return fmt.Errorf("the sum of the sequences is %d instead of %d", acked.Load(), want)
	}
	r.done = r.n
	return nil
}

func publishAsync(ctx context.Context, r *Run) error {
	return r.publishAll(ctx, func(int) (bool, error) { return r.client.publishAsync(r.stream, r.data) })
}

func publishHeaders(ctx context.Context, r *Run) error {
	return r.publishAll(ctx, func(i int) (bool, error) { return r.client.publishMsgAsync(r.withHeader(), r.ids[i]) })
}

// withHeader makes a message with a header of the user's.
func (r *Run) withHeader() *nats.Msg {
	msg := nats.NewMsg(r.stream)
	msg.Data = r.data
	msg.Header.Set("Origin", "benchmark")
	return msg
}

// numberIDs makes the message ids, which are the user's and not to be measured.
func numberIDs(_ context.Context, r *Run) error {
	r.ids = make([]string, r.n)
	for i := range r.ids {
		r.ids[i] = "message-" + strconv.Itoa(i)
	}
	return nil
}

// publishAll publishes n messages and waits until all are acknowledged.
func (r *Run) publishAll(ctx context.Context, publish func(i int) (stalled bool, err error)) error {
	for i := range r.n {
		if err := r.untilAccepted(i, publish); err != nil {
			return err
		}
	}
	select {
	case <-r.client.complete():
		// How many arrived is checked when the run is closed.
		r.done = r.n
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Run) untilAccepted(i int, publish func(i int) (stalled bool, err error)) error {
	for {
		stalled, err := publish(i)
		if !stalled {
			return err
		}
		r.stalls++
	}
}

func publishAwaiting(_ context.Context, r *Run) error {
	publish := func(int) (bool, error) { return r.client.publishAwaited(r.stream, r.data) }
	check := func(seq uint64) error {
		if r.done++; seq != uint64(r.done) {
			return fmt.Errorf("publish %d has sequence %d", r.done, seq)
		}
		return nil
	}
	for r.done < r.n {
		for i := range min(awaitedBatch, r.n-r.done) {
			if err := r.untilAccepted(i, publish); err != nil {
				return err
			}
		}
		if err := r.client.await(check); err != nil {
			return err
		}
	}
	return nil
}
