package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// orderedFetch is a fetch of an ordered consumer. It passes messages on as long
// as they come in order. When the consumer of the server turns out to be gone or
// to have skipped something, it makes a new one behind the last message and
// fetches what is missing, if there is time.
//
// The consumer of the server is kept from one fetch to the next. That one is
// gone shows at the next request.
type orderedFetch struct {
	oc       *orderedConsumer
	req      pullRequest // as asked for by the user
	sink     fetchSink
	deadline time.Time

	// The following are used by one fetch request after the other, under the
	// lock of its inbox, and by resume in between.

	cursor            orderedCursor
	name              string // of the consumer of the server in use
	gotMsgs, gotBytes int
	gap               bool
}

var _ fetchSink = (*orderedFetch)(nil)

func (oc *orderedConsumer) Fetch(batch int, opts ...FetchOpt) (MessageBatch, error) {
	b := &messageBatch{}
	if err := b.req.fetchMessages(batch, opts); err != nil {
		return nil, err
	}
	return oc.fetchBatch(b)
}

func (oc *orderedConsumer) FetchBytes(maxBytes int, opts ...FetchOpt) (MessageBatch, error) {
	b := &messageBatch{}
	if err := b.req.fetchBytes(maxBytes, opts); err != nil {
		return nil, err
	}
	return oc.fetchBatch(b)
}

func (oc *orderedConsumer) FetchNoWait(batch int) (MessageBatch, error) {
	b := &messageBatch{}
	if err := b.req.fetchNoWait(batch); err != nil {
		return nil, err
	}
	return oc.fetchBatch(b)
}

func (oc *orderedConsumer) fetchBatch(b *messageBatch) (MessageBatch, error) {
	return b.start(oc, oc.current.Load().limitBatch(&b.req))
}

func (oc *orderedConsumer) Next(opts ...FetchOpt) (Msg, error) {
	return awaitNext(oc, opts)
}

// startFetch sends a request whose answer goes to sink. It makes a new consumer
// of the server first, unless the current one stands where the cursor is.
func (oc *orderedConsumer) startFetch(req *pullRequest, sink fetchSink) error {
	if err := oc.acquire(orderedFetching); err != nil {
		return err
	}
	wait := req.expires
	if req.noWait {
		wait = oc.js.opts.DefaultTimeout
	}
	oc.mu.Lock()
	f := &orderedFetch{
		oc:       oc,
		req:      *req,
		sink:     sink,
		deadline: time.Now().Add(wait),
		cursor:   oc.cursor,
		name:     oc.current.Load().name,
	}
	fresh := oc.fresh
	oc.mu.Unlock()
	var err error
	if !fresh {
		err = f.renew()
	}
	if err == nil {
		err = oc.current.Load().startFetch(req, f)
	}
	if err != nil {
		oc.yield(f.cursor, false)
	}
	return err
}

// put implements [fetchSink].
func (f *orderedFetch) put(msg Msg) bool {
	reply, err := parseAckReply(msg.Reply())
	if err != nil || reply.token(ackConsumer) != f.name || !f.cursor.accepts(reply.consumerSequence()) {
		f.gap = true
		return false
	}
	if !f.sink.put(msg) {
		return false
	}
	f.cursor.advance(reply.streamSequence(), reply.consumerSequence())
	f.gotMsgs++
	f.gotBytes += messageSize(msg)
	return true
}

// messageSize returns the size of a message by the server's measure.
func messageSize(msg Msg) int {
	if m, ok := msg.(*jetStreamMsg); ok {
		return m.msg.Size()
	}
	return 0
}

// finish implements [fetchSink]: it goes on with another consumer, or ends the
// fetch.
func (f *orderedFetch) finish(err error) {
	lost := f.gap || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, ErrConsumerDeleted) || errors.Is(err, ErrNoHeartbeat)
	if !lost || f.missing() <= 0 || !time.Now().Before(f.deadline) {
		// After a clean end the consumer can serve the next fetch as well.
		over := f.req.maxBytes > 0 && f.gotBytes > f.req.maxBytes
		f.end(err, err == nil && !f.gap && !over)
		return
	}
	// Ends with the fetch at the latest.
	go f.resume(err)
}

// missing returns how many messages the fetch may still get.
func (f *orderedFetch) missing() int {
	if f.req.maxBytes > 0 && f.gotBytes >= f.req.maxBytes {
		return 0
	}
	return f.req.batch - f.gotMsgs
}

// end gives the ordered consumer back before the user learns of the end, so that
// the next fetch may follow at once.
func (f *orderedFetch) end(err error, fresh bool) {
	f.oc.yield(f.cursor, fresh)
	f.sink.finish(err)
}

// resume fetches what is missing from a new consumer. cause is why it has to,
// and the error of the fetch if it cannot.
func (f *orderedFetch) resume(cause error) {
	f.gap = false
	if err := f.renew(); err != nil {
		if errors.Is(err, context.DeadlineExceeded) && cause != nil {
			err = cause
		}
		f.end(err, false)
		return
	}
	req := f.req
	req.batch -= f.gotMsgs
	if req.maxBytes > 0 {
		req.maxBytes -= f.gotBytes
	}
	if req.expires > 0 {
		req.expires = time.Until(f.deadline)
		if req.expires <= 0 {
			f.end(cause, false)
			return
		}
		if req.expires < 2*req.heartbeat {
			req.heartbeat = 0
		}
	}
	if err := f.oc.current.Load().startFetch(&req, f); err != nil {
		f.end(err, false)
	}
}

// renew makes the next consumer of the server within the time of the fetch.
func (f *orderedFetch) renew() error {
	ctx := f.req.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithDeadline(ctx, f.deadline)
	defer cancel()
	recovering := f.oc.beginRecovery()
	defer f.oc.endRecovery(recovering)
	old := f.oc.current.Load().name
	f.oc.discard(old)
	consumer, err := f.oc.recreate(ctx, &f.cursor, 0, fetchGate{})
	if err != nil {
		if f.req.ctx != nil && f.req.ctx.Err() != nil {
			return f.req.ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%w: %w", nats.ErrTimeout, err)
		}
		return err
	}
	f.name = consumer.name
	f.oc.current.Store(consumer)
	return nil
}

// fetchGate lets attempts of a fetch through at any time: the fetch itself is
// bounded.
type fetchGate struct{}

var _ attemptGate = fetchGate{}

func (fetchGate) enter(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), orderedRequestTimeout)
	return attempt, cancel, nil
}

func (fetchGate) pause(ctx context.Context, d time.Duration) error { return sleepContext(ctx, d) }

func (fetchGate) aborted() bool { return false }
