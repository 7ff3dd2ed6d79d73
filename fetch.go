package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// MessageBatch is the result of a fetch, which goes on in the background.
type MessageBatch interface {
	// Messages returns the channel the messages come through. It is always the
	// same one and is closed when the batch has ended. The channel has room for
	// the whole batch, so messages may be left in it.
	Messages() <-chan Msg

	// Error returns why the batch ended early, or nil. It may be called at any
	// time and is final once the channel is closed. That there were no or not
	// enough messages in time is not an error.
	Error() error
}

const (
	// maxBatch is the largest batch of a single request. More than that is not
	// asked for at a time.
	maxBatch = 1 << 20

	// maxByteSlots is the largest room made for a batch that is limited by
	// bytes. A larger batch is limited to that many messages.
	maxByteSlots = 1 << 16

	// ackReplyOverhead is the least length of an ack reply subject and a message
	// subject together, apart from the names of stream and consumer.
	ackReplyOverhead = len("$JS.ACK...1.1.1.1000000000000000000.0") + 1

	// fetchGrace is how much longer than on the server a fetch may take on the
	// client, to let the server's word on its end arrive, also if one of the two
	// gets no processor for a second.
	fetchGrace = 2 * time.Second
)

// FetchMaxWait sets how long a fetch waits for its messages. The default is 30
// seconds; it must be positive. It cannot be combined with [FetchContext].
func FetchMaxWait(timeout time.Duration) FetchOpt {
	return func(req *pullRequest) error {
		if timeout <= 0 {
			return invalidOption("timeout value must be greater than 0")
		}
		if req.ctx != nil {
			return invalidOption("cannot specify both FetchContext and FetchMaxWait")
		}
		req.expires, req.maxWaitSet = timeout, true
		return nil
	}
}

// FetchContext ends a fetch with the context's error when the context ends. If
// the context has a deadline, the request on the server expires shortly before
// it (by a tenth of the time left, at most a second), so that a fetch that
// simply finds too few messages ends without error. It cannot be combined with
// [FetchMaxWait].
func FetchContext(ctx context.Context) FetchOpt {
	return func(req *pullRequest) error {
		if ctx == nil {
			return invalidOption("context cannot be nil")
		}
		if req.maxWaitSet {
			return invalidOption("cannot specify both FetchContext and FetchMaxWait")
		}
		req.ctx = ctx
		if deadline, ok := ctx.Deadline(); ok {
			remaining := time.Until(deadline)
			if remaining <= 0 {
				return invalidOption("context deadline already exceeded")
			}
			req.expires = remaining - min(remaining/10, time.Second)
		}
		return nil
	}
}

// FetchHeartbeat sets the interval at which the server reports that the request
// is alive; silence for twice as long ends the fetch with [ErrNoHeartbeat]. It
// must be positive and at most half of the waiting time. The default is 5
// seconds for fetches of 10 seconds and more, and none for shorter ones.
func FetchHeartbeat(hb time.Duration) FetchOpt {
	return func(req *pullRequest) error {
		if hb <= 0 {
			return invalidOption("timeout value must be greater than 0")
		}
		req.heartbeat, req.hbSet = hb, true
		return nil
	}
}

// FetchMinPending lets the request be served only while the consumer has at
// least that many messages to deliver. It needs [FetchPriorityGroup] and a
// consumer with [PriorityPolicyOverflow] (server 2.11).
func FetchMinPending(min int64) FetchOpt {
	return func(req *pullRequest) error {
		return setMinimum(&req.minPending, min, "min pending should be more than 0")
	}
}

// FetchMinAckPending lets the request be served only while at least that many
// delivered messages await their acknowledgement. It needs [FetchPriorityGroup]
// and a consumer with [PriorityPolicyOverflow] (server 2.11).
func FetchMinAckPending(min int64) FetchOpt {
	return func(req *pullRequest) error {
		return setMinimum(&req.minAckPending, min, "min ack pending should be more than 0")
	}
}

// FetchPrioritized sets the priority of the request, from 0, the first to be
// served, to 9. It needs [FetchPriorityGroup] and a consumer with
// [PriorityPolicyPrioritized] (server 2.12).
func FetchPrioritized(priority uint8) FetchOpt {
	return func(req *pullRequest) error {
		req.priority = priority
		return nil
	}
}

// FetchPriorityGroup sets the priority group to fetch for, one of those in the
// consumer's configuration.
func FetchPriorityGroup(group string) FetchOpt {
	return func(req *pullRequest) error {
		req.group = group
		return nil
	}
}

// FetchMaxBytes limits the total size of the messages of a [Consumer.Fetch], in
// addition to their number; the batch ends with the limit that is reached
// first. It must be positive. FetchBytes and Next do not accept it.
func FetchMaxBytes(maxBytes int) FetchOpt {
	return func(req *pullRequest) error {
		if maxBytes <= 0 {
			return invalidOption("max bytes must be greater than 0")
		}
		if req.noByteOpt {
			return invalidOption("FetchMaxBytes is only supported by Fetch")
		}
		req.maxBytes = maxBytes
		return nil
	}
}

// applyFetchOpts applies options to a request and resolves its defaults.
func (r *pullRequest) applyFetchOpts(opts []FetchOpt) error {
	r.expires = DefaultExpires
	for _, opt := range opts {
		if opt == nil {
			return invalidOption("option cannot be nil")
		}
		if err := opt(r); err != nil {
			return err
		}
	}
	if !r.hbSet && r.expires >= fetchHeartbeatFrom {
		r.heartbeat = fetchHeartbeat
	}
	if r.expires < 2*r.heartbeat {
		return invalidOption("expiry time should be at least 2 times the heartbeat")
	}
	return nil
}

func (c *pullConsumer) Fetch(batch int, opts ...FetchOpt) (MessageBatch, error) {
	b := &messageBatch{}
	if err := b.req.fetchMessages(batch, opts); err != nil {
		return nil, err
	}
	return c.fetchBatch(b)
}

func (c *pullConsumer) FetchBytes(maxBytes int, opts ...FetchOpt) (MessageBatch, error) {
	b := &messageBatch{}
	if err := b.req.fetchBytes(maxBytes, opts); err != nil {
		return nil, err
	}
	return c.fetchBatch(b)
}

func (c *pullConsumer) FetchNoWait(batch int) (MessageBatch, error) {
	b := &messageBatch{}
	if err := b.req.fetchNoWait(batch); err != nil {
		return nil, err
	}
	return c.fetchBatch(b)
}

// fetchMessages fills in the request of Fetch.
func (r *pullRequest) fetchMessages(batch int, opts []FetchOpt) error {
	if err := checkBatch(batch); err != nil {
		return err
	}
	r.batch = batch
	return r.applyFetchOpts(opts)
}

// fetchBytes fills in the request of FetchBytes.
func (r *pullRequest) fetchBytes(maxBytes int, opts []FetchOpt) error {
	if maxBytes < 0 {
		return fmt.Errorf("%w: max bytes cannot be negative", nats.ErrInvalidArg)
	}
	r.batch, r.maxBytes, r.bytesOnly, r.noByteOpt = batchForBytes, maxBytes, true, true
	return r.applyFetchOpts(opts)
}

// fetchNoWait fills in the request of FetchNoWait.
func (r *pullRequest) fetchNoWait(batch int) error {
	r.batch, r.noWait = batch, true
	return checkBatch(batch)
}

func checkBatch(batch int) error {
	if batch < 1 {
		return fmt.Errorf("%w: batch size must be at least 1", nats.ErrInvalidArg)
	}
	return nil
}

// fetchBatch sends the request of a batch.
func (c *pullConsumer) fetchBatch(b *messageBatch) (MessageBatch, error) {
	if err := c.checkPull(); err != nil {
		return nil, err
	}
	return b.start(c, c.limitBatch(&b.req))
}

// limitBatch returns how many messages the answer to a request can have, which
// is the room its channel needs: the channel must never be full, since nobody
// has to read it and no goroutine waits to fill it. A batch that is limited by
// bytes alone is also limited to a number that is reasonable to make room for.
func (c *pullConsumer) limitBatch(req *pullRequest) (slots int) {
	if !req.bytesOnly {
		req.batch = min(req.batch, maxBatch)
	}
	bound := req.batch
	if req.maxBytes > 0 {
		least := ackReplyOverhead + len(c.stream) + len(c.name)
		bound = min(bound, req.maxBytes/least+1)
	}
	if req.bytesOnly && bound > maxByteSlots {
		req.batch, bound = maxByteSlots, maxByteSlots
	}
	return bound
}

func (c *pullConsumer) Next(opts ...FetchOpt) (Msg, error) {
	if err := c.checkPull(); err != nil {
		return nil, err
	}
	return awaitNext(c, opts)
}

// fetchStarter starts a fetch whose answer goes to a sink.
type fetchStarter interface {
	startFetch(req *pullRequest, sink fetchSink) error
}

// awaitNext fetches one message and waits for it.
func awaitNext(from fetchStarter, opts []FetchOpt) (Msg, error) {
	call := nextCallPool.Get().(*nextCall)
	defer call.recycle()
	call.req.batch, call.req.noByteOpt = 1, true
	if err := call.req.applyFetchOpts(opts); err != nil {
		return nil, err
	}
	if err := from.startFetch(&call.req, call); err != nil {
		return nil, err
	}
	<-call.done
	switch {
	case call.msg != nil:
		return call.msg, nil
	case call.err != nil && !errors.Is(call.err, nats.ErrTimeout):
		return nil, call.err
	default:
		return nil, nats.ErrTimeout
	}
}

// fetchSink is where the messages of a fetch go. Its methods must not block.
type fetchSink interface {
	// put takes a message, or reports that there is no room for it. It is called
	// with the lock of the inbox held.
	put(msg Msg) bool

	// finish is called once, after the last message.
	finish(err error)
}

// messageBatch implements [MessageBatch].
type messageBatch struct {
	req  pullRequest // until it has been sent
	msgs chan Msg

	mu  sync.Mutex
	err error
}

// start sends the request of a batch of up to slots messages.
func (b *messageBatch) start(from fetchStarter, slots int) (MessageBatch, error) {
	b.msgs = make(chan Msg, slots)
	if err := from.startFetch(&b.req, b); err != nil {
		return nil, err
	}
	b.req.ctx = nil // the user may keep the batch for long
	return b, nil
}

func (b *messageBatch) Messages() <-chan Msg { return b.msgs }

func (b *messageBatch) Error() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *messageBatch) put(msg Msg) bool {
	select {
	case b.msgs <- msg:
		return true
	default:
		return false
	}
}

func (b *messageBatch) finish(err error) {
	b.mu.Lock()
	b.err = err
	b.mu.Unlock()
	close(b.msgs)
}

// nextCall is a fetch of one message whose caller waits for it.
type nextCall struct {
	req  pullRequest
	msg  Msg
	err  error
	done chan struct{} // one token when finished
}

var nextCallPool = sync.Pool{New: func() any { return &nextCall{done: make(chan struct{}, 1)} }}

func (n *nextCall) put(msg Msg) bool {
	if n.msg != nil {
		return false
	}
	n.msg = msg
	return true
}

func (n *nextCall) finish(err error) {
	n.err = err
	n.done <- struct{}{}
}

func (n *nextCall) recycle() {
	*n = nextCall{done: n.done}
	nextCallPool.Put(n)
}
