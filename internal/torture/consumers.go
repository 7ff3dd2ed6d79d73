package torture

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
)

// durable returns the configuration of a durable consumer, and makes its book.
func (s *site) durable(stream, name string) jetstream.ConsumerConfig {
	s.consumed[name] = &deliveryBook{stream: stream}
	return jetstream.ConsumerConfig{
		Durable: name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, Replicas: s.replicas,
	}
}

// consumerOf makes the consumer of a worker, or makes sure that it is there.
func (w *worker) consumerOf(stream string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	var c jetstream.Consumer
	err := w.op(context.Background(), "create consumer", 5*time.Second, func(ctx context.Context) (err error) {
		c, err = w.js.CreateOrUpdateConsumer(ctx, stream, cfg)
		return err
	})
	return c, err
}

// handler handles the messages of one consumer, one at a time.
type handler struct {
	*worker
	book    *deliveryBook
	ordered bool
	// confirms: acknowledgements are confirmed by the server.
	confirms bool
}

// take handles a message as programs do: mostly at once, sometimes slowly, and
// sometimes without success.
func (h *handler) take(msg jetstream.Msg) {
	d := delivery{begun: time.Now(), id: msg.Headers().Get(jetstream.MsgIDHeader), intact: true}
	meta, err := msg.Metadata()
	if err != nil {
		h.report.fail("messages are whole", "%s %s: metadata of %q: %v", h.site.name, h.name, msg.Reply(), err)
		return
	}
	d.seq, d.attempt = meta.Sequence.Stream, meta.NumDelivered
	if d.id != "" {
		d.intact = intact(d.id, msg.Data())
	}
	calm := h.calm.Load()
	switch {
	case calm:
	case h.chance(5000):
		h.pause(context.Background(), ackWait+ackWait/4)
	case h.chance(300):
		h.pause(context.Background(), 50*time.Millisecond)
	}
	if !h.ordered {
		d.answer = h.answer(msg, calm)
	}
	d.ended = time.Now()
	h.book.add(d)
}

func (h *handler) answer(msg jetstream.Msg, calm bool) answer {
	if calm {
		return h.ack(msg)
	}
	switch h.rnd.IntN(400) {
	case 0:
		return noAnswer
	case 1:
		return h.sent(msg.Nak(), nak)
	case 2:
		return h.sent(msg.NakWithDelay(300*time.Millisecond), nak)
	case 3:
		h.sent(msg.InProgress(), noAnswer)
	}
	return h.ack(msg)
}

// sent returns what an answer comes to, given whether it could be sent.
func (h *handler) sent(err error, a answer) answer {
	if err != nil {
		h.told("ack", err)
		return noAnswer
	}
	return a
}

func (h *handler) ack(msg jetstream.Msg) answer {
	if !h.confirms {
		return h.sent(msg.Ack(), ack)
	}
	if err := h.op(context.Background(), "double ack", ackWait, msg.DoubleAck); err != nil {
		return noAnswer
	}
	return confirmed
}

// pulls are the options of the consumers that go on for long: those that make
// faults show soon, and a small window so that it is refilled often.
func (w *worker) pulls() []jetstream.PullConsumeOpt {
	return []jetstream.PullConsumeOpt{
		jetstream.PullMaxMessages(20 + w.rnd.IntN(100)),
		jetstream.PullExpiry(2 * time.Second), jetstream.PullHeartbeat(500 * time.Millisecond),
	}
}

// consume runs Consume on a durable consumer until ctx ends. Every few seconds it
// stops and starts again.
func (h *handler) consume(ctx context.Context, cfg jetstream.ConsumerConfig) {
	for ctx.Err() == nil {
		c, err := h.consumerOf(h.book.stream, cfg)
		if err != nil {
			h.pause(ctx, 200*time.Millisecond)
			continue
		}
		h.consumeFor(ctx, 10*time.Second, func() (jetstream.ConsumeContext, error) {
			return c.Consume(h.take, append(h.pulls(), jetstream.ConsumeErrHandler(h.onErr))...)
		})
	}
}

// push is consume for a push consumer.
func (h *handler) push(ctx context.Context, cfg jetstream.ConsumerConfig) {
	for ctx.Err() == nil {
		var c jetstream.PushConsumer
		err := h.op(ctx, "create consumer", 5*time.Second, func(ctx context.Context) (err error) {
			c, err = h.js.CreateOrUpdatePushConsumer(ctx, h.book.stream, cfg)
			return err
		})
		if err != nil {
			h.pause(ctx, 200*time.Millisecond)
			continue
		}
		h.consumeFor(ctx, 10*time.Second, func() (jetstream.ConsumeContext, error) {
			return c.Consume(h.take, jetstream.ConsumeErrHandler(h.onErr))
		})
	}
}

func (h *handler) onErr(_ jetstream.ConsumeContext, err error) { h.told("consume", err) }

// consumeFor runs a Consume for about so long and ends it in one way or the
// other. It must not end by itself.
func (h *handler) consumeFor(ctx context.Context, about time.Duration, start func() (jetstream.ConsumeContext, error)) {
	cc, err := start()
	h.report.count(h.site.name+" consume", 1)
	if err != nil {
		h.told("consume", err)
		h.pause(ctx, 200*time.Millisecond)
		return
	}
	for end := time.Now().Add(about/2 + time.Duration(h.rnd.Int64N(int64(about)))); ctx.Err() == nil; {
		// In calm times it is left alone.
		if time.Now().After(end) && !h.calm.Load() {
			break
		}
		select {
		case <-cc.Closed():
			h.report.fail("consuming goes on", "%s %s: Consume ended by itself", h.site.name, h.name)
			return
		default:
		}
		h.pause(ctx, 50*time.Millisecond)
	}
	h.end(cc)
}

func (h *handler) end(cc jetstream.ConsumeContext) {
	if h.chance(2) {
		cc.Stop()
	} else {
		cc.Drain()
	}
	select {
	case <-cc.Closed():
	case <-time.After(calmWait):
		h.report.fail("nothing hangs", "%s %s: Consume does not end", h.site.name, h.name)
	}
}

// messages reads an iterator of a durable consumer until ctx ends. Every few
// seconds it takes another one.
func (h *handler) messages(ctx context.Context, cfg jetstream.ConsumerConfig) {
	for ctx.Err() == nil {
		c, err := h.consumerOf(h.book.stream, cfg)
		if err != nil {
			h.pause(ctx, 200*time.Millisecond)
			continue
		}
		it, err := c.Messages(jetstream.PullMaxMessages(20+h.rnd.IntN(100)),
			jetstream.PullExpiry(2*time.Second), jetstream.PullHeartbeat(500*time.Millisecond))
		h.report.count(h.site.name+" messages", 1)
		if err != nil {
			h.told("messages", err)
			h.pause(ctx, 200*time.Millisecond)
			continue
		}
		h.iterate(ctx, it, time.Now().Add(5*time.Second+time.Duration(h.rnd.Int64N(int64(10*time.Second)))))
	}
}

// iterate reads an iterator until the time has come, which is put off in calm
// times, or ctx ends.
func (h *handler) iterate(ctx context.Context, it jetstream.MessagesContext, until time.Time) {
	ended := false
	for {
		if !ended && (ctx.Err() != nil || (time.Now().After(until) && !h.calm.Load())) {
			ended = true
			if h.chance(2) {
				it.Stop()
			} else {
				it.Drain()
			}
		}
		var msg jetstream.Msg
		err := h.op(context.Background(), "next", time.Second, func(context.Context) (err error) {
			msg, err = it.Next(jetstream.NextMaxWait(time.Second))
			return err
		})
		switch {
		case err == nil:
			h.take(msg)
		case errors.Is(err, nats.ErrTimeout):
		case ended && errors.Is(err, jetstream.ErrMsgIteratorClosed):
			return
		case errors.Is(err, jetstream.ErrMsgIteratorClosed):
			h.report.fail("consuming goes on", "%s %s: the iterator ended by itself: %v", h.site.name, h.name, err)
			return
		default:
			h.told("next", err)
		}
	}
}

// fetchAll fetches from a durable consumer until ctx ends.
func (h *handler) fetchAll(ctx context.Context, cfg jetstream.ConsumerConfig) {
	for ctx.Err() == nil {
		if c, err := h.consumerOf(h.book.stream, cfg); err == nil {
			h.fetch(ctx, c)
		} else {
			h.pause(ctx, 200*time.Millisecond)
		}
	}
}

// fetch runs one fetch after the other until ctx ends.
func (h *handler) fetch(ctx context.Context, c jetstream.Consumer) {
	for ctx.Err() == nil {
		if err := h.fetchOnce(ctx, c); err != nil {
			h.told("fetch", err)
			h.pause(ctx, 100*time.Millisecond)
		}
	}
}

// fetchOnce does a fetch of some kind.
func (h *handler) fetchOnce(ctx context.Context, c jetstream.Consumer) error {
	const wait = time.Second
	var batch jetstream.MessageBatch
	n := 1 + h.rnd.IntN(50)
	short, cancel := context.WithTimeout(ctx, time.Duration(1+h.rnd.IntN(100))*time.Millisecond)
	defer cancel()
	err := h.op(ctx, "fetch", 12*time.Second, func(context.Context) (err error) {
		switch kind := h.rnd.IntN(6); {
		case kind == 0:
			batch, err = c.FetchNoWait(n)
		case kind == 1:
			batch, err = c.FetchBytes(10_000+n*100, jetstream.FetchMaxWait(wait))
		case kind == 2:
			var msg jetstream.Msg
			msg, err = c.Next(jetstream.FetchMaxWait(wait))
			if err == nil {
				h.take(msg)
			}
			if errors.Is(err, nats.ErrTimeout) {
				err = nil
			}
		case kind == 3 && !h.calm.Load():
			// It may end before all is there.
			batch, err = c.Fetch(n, jetstream.FetchContext(short))
			// The timer of a context may be late, so that it has no error yet.
			if end, _ := short.Deadline(); err != nil && (short.Err() != nil || !time.Now().Before(end)) {
				err = nil // it was too short
			}
		default:
			batch, err = c.Fetch(n, jetstream.FetchMaxWait(wait), jetstream.FetchHeartbeat(wait/3))
		}
		return err
	})
	if err != nil || batch == nil {
		return err
	}
	for open := true; open; {
		waiting := time.Now()
		var msg jetstream.Msg
		if msg, open = <-batch.Messages(); open {
			h.take(msg)
		} else if took := time.Since(waiting); took > wait+opSlack {
			h.report.fail("nothing hangs", "%s %s: a fetch for %v ended after %v", h.site.name, h.name, wait, took)
		}
	}
	if err := batch.Error(); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// recreate consumes from a durable consumer that is deleted now and then, and
// makes it again, so that all messages come again.
func (h *handler) recreate(ctx context.Context, cfg jetstream.ConsumerConfig) {
	for ctx.Err() == nil {
		c, err := h.consumerOf(h.book.stream, cfg)
		if err != nil {
			h.pause(ctx, 200*time.Millisecond)
			continue
		}
		var last atomic.Pointer[error]
		cc, err := c.Consume(h.take, append(h.pulls(), jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			last.Store(&err)
			h.told("consume of a deleted consumer", err)
		}))...)
		if err != nil {
			h.told("consume of a deleted consumer", err)
			h.pause(ctx, 200*time.Millisecond)
			continue
		}
		select {
		case <-ctx.Done():
			h.end(cc)
			return
		case <-cc.Closed():
		}
		h.report.count(h.site.name+" consume of a deleted consumer ended", 1)
		if err := last.Load(); err == nil || !errors.Is(*err, jetstream.ErrConsumerDeleted) && !errors.Is(*err, jetstream.ErrConsumerNotFound) {
			h.report.fail("consuming goes on", "%s %s: Consume ended with %v", h.site.name, h.name, err)
		}
	}
}
