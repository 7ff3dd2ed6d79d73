package torture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/jetstream"
)

// orderedHandler returns the handler of a worker that reads a stream in order.
func (w *worker) orderedHandler(book *deliveryBook) *handler {
	return &handler{worker: w, book: book, ordered: true}
}

// orderedConsumer makes an ordered consumer, trying until it works or ctx ends.
func (h *handler) orderedConsumer(ctx context.Context, cfg jetstream.OrderedConsumerConfig) jetstream.Consumer {
	cfg.InactiveThreshold = inactivity
	for ctx.Err() == nil {
		var c jetstream.Consumer
		err := h.op(ctx, "create ordered consumer", 5*time.Second, func(ctx context.Context) (err error) {
			c, err = h.js.OrderedConsumer(ctx, h.book.stream, cfg)
			return err
		})
		if err == nil {
			return c
		}
		h.pause(ctx, 200*time.Millisecond)
	}
	return nil
}

// consumeOrdered reads the whole stream with one ordered Consume.
func (h *handler) consumeOrdered(ctx context.Context) {
	c := h.orderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if c == nil {
		return
	}
	cc, err := c.Consume(h.take, append(h.pulls(), jetstream.ConsumeErrHandler(h.onErr))...)
	if err != nil {
		h.report.fail("consuming goes on", "%s %s: ordered Consume: %v", h.site.name, h.name, err)
		return
	}
	select {
	case <-ctx.Done():
		h.end(cc)
	case <-cc.Closed():
		h.report.fail("consuming goes on", "%s %s: ordered Consume ended by itself", h.site.name, h.name)
	}
}

// messagesOrdered reads the whole stream with one iterator.
func (h *handler) messagesOrdered(ctx context.Context) {
	c := h.orderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if c == nil {
		return
	}
	it, err := c.Messages(jetstream.PullMaxMessages(100), jetstream.PullExpiry(2*time.Second), jetstream.PullHeartbeat(500*time.Millisecond))
	if err != nil {
		h.report.fail("consuming goes on", "%s %s: ordered Messages: %v", h.site.name, h.name, err)
		return
	}
	h.iterate(ctx, it, time.Now().Add(time.Hour))
}

// fetchOrdered reads the whole stream with one fetch after the other.
func (h *handler) fetchOrdered(ctx context.Context) {
	if c := h.orderedConsumer(ctx, jetstream.OrderedConsumerConfig{}); c != nil {
		h.fetch(ctx, c)
	}
}

// errEnough ends a short read.
var errEnough = errors.New("read enough")

// glimpse makes one ordered consumer after the other, reads a piece of the stream
// with each, and checks for itself that the piece has no holes.
func (w *worker) glimpse(ctx context.Context, stream string, latest func() uint64) {
	for ctx.Err() == nil && !w.calm.Load() {
		last := latest()
		if last < 10 {
			w.pause(ctx, 100*time.Millisecond)
			continue
		}
		book := &deliveryBook{stream: stream}
		h := w.orderedHandler(book)
		start := 1 + w.rnd.Uint64N(last-5)
		c := h.orderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: start})
		if c == nil {
			return
		}
		n := uint64(1 + w.rnd.IntN(int(last-start)))
		if err := h.read(ctx, c, start, min(n, 300)); err != nil && !errors.Is(err, errEnough) {
			w.report.fail("ordered consumers see all in order", "%s %s: %v", w.site.name, w.name, err)
		}
		w.pause(ctx, 200*time.Millisecond)
	}
}

// read consumes n messages, the first of which has the given sequence.
func (h *handler) read(ctx context.Context, c jetstream.Consumer, next, n uint64) error {
	done := make(chan error, 1)
	cc, err := c.Consume(func(msg jetstream.Msg) {
		meta, err := msg.Metadata()
		switch {
		case err != nil:
		case n == 0:
			return
		case meta.Sequence.Stream != next:
			err = fmt.Errorf("message %d came instead of %d", meta.Sequence.Stream, next)
			n = 1
		}
		next++
		if n--; n == 0 {
			if err == nil {
				err = errEnough
			}
			done <- err
		}
	}, append(h.pulls(), jetstream.StopAfter(int(n)), jetstream.ConsumeErrHandler(h.onErr))...)
	if err != nil {
		return err
	}
	defer h.end(cc)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return nil
	case <-time.After(2 * calmWait):
		return errors.New("a piece of the stream did not come")
	}
}
