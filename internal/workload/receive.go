package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	ackNone     = "none"
	ackExplicit = "explicit"

	fetchBytes = 64 << 10
)

// consumerConfig is what workloads set on a consumer.
type consumerConfig struct {
	Name           string `json:"name"`
	Durable        string `json:"durable_name,omitempty"`
	AckPolicy      string `json:"ack_policy"`
	DeliverPolicy  string `json:"deliver_policy,omitempty"`
	DeliverSubject string `json:"deliver_subject,omitempty"`
	FilterSubject  string `json:"filter_subject,omitempty"`
	HeadersOnly    bool   `json:"headers_only,omitempty"`
	Memory         bool   `json:"mem_storage"`
}

// addConsumer makes a durable consumer that lives as long as the run.
func (r *Run) addConsumer(config consumerConfig) (name string, err error) {
	name = newName("C")
	config.Name, config.Durable, config.Memory = name, name, true
	if err := r.api("CONSUMER.CREATE."+r.stream+"."+name, map[string]any{
		"stream_name": r.stream,
		"config":      config,
	}, nil); err != nil {
		return "", err
	}
	r.consumers = append(r.consumers, name)
	r.atEnd(func() error { return r.api("CONSUMER.DELETE."+r.stream+"."+name, nil, nil) })
	return name, nil
}

// waitAcked has the end of the run wait until all is acknowledged.
func (r *Run) waitAcked(name string) {
	r.atEnd(func() error {
		var info struct {
			AckFloor struct {
				Stream int `json:"stream_seq"`
			} `json:"ack_floor"`
		}
		want := r.ground.stored(r.n)
		return poll(func() (bool, error) {
			err := r.api("CONSUMER.INFO."+r.stream+"."+name, nil, &info)
			return info.AckFloor.Stream == want, err
		}, func() error {
			return fmt.Errorf("acknowledged are %d messages instead of %d", info.AckFloor.Stream, want)
		})
	})
}

func openConsumer(policy string) func(context.Context, *Run) error {
	return func(ctx context.Context, r *Run) error {
		name, err := r.addConsumer(consumerConfig{AckPolicy: policy})
		if err != nil {
			return err
		}
		if r.ack = policy == ackExplicit; r.ack && !r.impl.bare {
			r.waitAcked(name)
		}
		r.cons, err = r.client.consumer(ctx, r.stream, name)
		r.source = r.cons
		return err
	}
}

func openOrdered(ctx context.Context, r *Run) error {
	var err error
	r.cons, err = r.client.ordered(ctx, r.stream)
	r.source = r.cons
	return err
}

func openPush(ctx context.Context, r *Run) error {
	name, err := r.addConsumer(consumerConfig{AckPolicy: ackNone, DeliverSubject: nats.NewInbox()})
	if err != nil {
		return err
	}
	r.source, err = r.client.push(ctx, r.stream, name)
	return err
}

var errNothingCame = errors.New("a fetch brought nothing")

// reader checks that the messages with the numbers next, next+step … below end
// come, in this order.
type reader struct {
	next, step, end int
	size            int
	ack, double     bool
}

func (r *Run) reader() *reader {
	return &reader{step: 1, end: r.n, size: r.payloadSize(), ack: r.ack, double: r.double}
}

func (rd *reader) take(msg message) error {
	if err := checkPayload(msg.Data(), rd.next, rd.size); err != nil {
		return err
	}
	rd.next += rd.step
	switch {
	case rd.double:
		return msg.DoubleAck(context.Background())
	case rd.ack:
		return msg.Ack()
	}
	return nil
}

func (rd *reader) left() int { return (rd.end - rd.next + rd.step - 1) / rd.step }

func fetch(size int) func(context.Context, *Run) error {
	return func(_ context.Context, r *Run) error {
		return r.inBatches(size, r.cons.fetch)
	}
}

func fetchNoWait(size int) func(context.Context, *Run) error {
	return func(_ context.Context, r *Run) error {
		return r.inBatches(size, r.cons.fetchNoWait)
	}
}

func (r *Run) inBatches(size int, fetch func(n int, each func(message) error) error) error {
	rd := r.reader()
	take := rd.take
	for r.done < r.n {
		begin := time.Now()
		if err := fetch(min(size, r.n-r.done), take); err != nil {
			return err
		}
		if rd.next == r.done {
			return errNothingCame
		}
		if r.took != nil {
			r.took[r.done] = time.Since(begin)
		}
		r.done = rd.next
	}
	return nil
}

func fetchByBytes(_ context.Context, r *Run) error {
	rd := r.reader()
	take := rd.take
	for r.done < r.n {
		fetch, n := r.cons.fetchBytes, fetchBytes
		// A last batch that cannot fill up would wait for its time to end.
		if left := r.n - r.done; left*r.payloadSize() < 2*fetchBytes {
			fetch, n = r.cons.fetch, left
		}
		if err := fetch(n, take); err != nil {
			return err
		}
		if rd.next == r.done {
			return errNothingCame
		}
		r.done = rd.next
	}
	return nil
}

func next(_ context.Context, r *Run) error {
	rd := r.reader()
	err := r.each(func(int) error {
		msg, err := r.cons.next()
		if err != nil {
			return err
		}
		return rd.take(msg)
	})
	r.done = rd.next
	return err
}

func messages(_ context.Context, r *Run) error {
	it, err := r.cons.messages(r.limits)
	if err != nil {
		return err
	}
	defer it.stop()
	rd := r.reader()
	err = r.each(func(int) error {
		msg, err := it.next()
		if err != nil {
			return err
		}
		return rd.take(msg)
	})
	r.done = rd.next
	return err
}

func consume(ctx context.Context, r *Run) error {
	rd := r.reader()
	err := consumeAll(ctx, r.source, rd, rd.take)
	r.done = rd.next
	return err
}

func consumeMetadata(ctx context.Context, r *Run) error {
	rd := r.reader()
	err := consumeAll(ctx, r.source, rd, func(msg message) error {
		if err := rd.take(msg); err != nil {
			return err
		}
		seq, err := r.cons.sequence(msg)
		if err == nil && seq != uint64(rd.next) {
			err = fmt.Errorf("message %d has sequence %d", rd.next, seq)
		}
		return err
	})
	r.done = rd.next
	return err
}

// consumeAll consumes until the reader has all or take fails.
func consumeAll(ctx context.Context, from consuming, rd *reader, take func(message) error) error {
	// Written by the handler, whose calls do not overlap, before done is closed.
	var failed error
	finished, done := false, make(chan struct{})
	stop, err := from.consume(func(msg message) {
		if finished {
			return
		}
		failed = take(msg)
		if finished = failed != nil || rd.left() == 0; finished {
			close(done)
		}
	})
	if err != nil {
		return err
	}
	select {
	case <-done:
		err = nil
	case <-ctx.Done():
		err = ctx.Err()
	}
	stop()
	return errors.Join(err, failed)
}
