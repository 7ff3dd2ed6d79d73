package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// MessagesContext is an iterator over a consumer's messages. Its methods are
// safe for concurrent use; each message goes to one caller of Next.
type MessagesContext interface {
	// Next returns the next message and waits for it if need be, as long as
	// [NextMaxWait] or [NextContext] say, or for ever.
	//
	// It returns [nats.ErrTimeout] or the context's error when no message came in
	// time, [ErrNoHeartbeat] when the server has been silent for too long (see
	// [WithMessagesErrOnMissingHeartbeat]), and an error that matches
	// [nats.ErrPermissionViolation] when the server denies a request; the iterator
	// goes on after these.
	// It returns the reason, such as [ErrConsumerDeleted] or [ErrBadRequest],
	// when the iterator cannot go on, and [ErrMsgIteratorClosed] from then on and
	// after Stop, Drain and [StopAfter]. When the connection is closed, the error
	// matches both ErrMsgIteratorClosed and [ErrConnectionClosed].
	Next(opts ...NextOpt) (Msg, error)

	// Stop ends the iterator. Buffered messages stay unacknowledged and are
	// delivered again by the server after the consumer's AckWait.
	Stop()

	// Drain ends the iterator once all messages that have arrived are taken by
	// Next.
	Drain()
}

// maxKeptArrivals is the capacity up to which a drained buffer is reused. One that
// has grown to hold the largest window of an ordered consumer has less.
const maxKeptArrivals = 2 * grownWindow

// errIteratorConnClosed is what Next returns once the connection is closed.
var errIteratorConnClosed = fmt.Errorf("%w: %w", ErrMsgIteratorClosed, ErrConnectionClosed)

// pullIterator implements [MessagesContext]. Core's goroutine puts what arrives
// into a queue that grows with what is there; Next takes it out. Statuses are
// acted on when Next meets them, in order with the messages; heartbeats are
// taken note of as they arrive and never queued.
//
// Lock order: pullSubscription.mu, arrivals.mu.
type pullIterator struct {
	pullSubscription
	silentHeartbeat bool
	arrivals        arrivalQueue
	onEnd           func() // called when core has let go of the subscription

	// The following are guarded by pullSubscription.mu.

	taken   []*nats.Msg // moved out of arrivals, taken[:next] is used up
	next    int
	msgs    msgSlab
	passing error // to be reported, and no end
	fatal   error // to be returned once, behind what is buffered
	stopped bool  // Next returns no more messages
}

var (
	_ MessagesContext = (*pullIterator)(nil)
	_ pullOwner       = (*pullIterator)(nil)
)

// arrivalQueue connects the goroutine that receives with those that wait in
// Next. What can arrive is bounded by what was requested, by a server that keeps
// to it; the limits are for others.
type arrivalQueue struct {
	limits pendingLimits

	mu      sync.Mutex
	items   []*nats.Msg
	bytes   int
	waiters []chan struct{} // one token each at most, oldest first
	sealed  bool            // nothing more will arrive
}

// put appends a message and wakes the caller that waits longest. It reports false
// and drops the item if that exceeds the limits.
func (q *arrivalQueue) put(m *nats.Msg) bool {
	size := m.Size()
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) >= q.limits.msgs || size > q.limits.bytes-q.bytes {
		return false
	}
	q.items = append(q.items, m)
	q.bytes += size
	q.wakeOne()
	return true
}

// wakeOne is called with the lock held.
func (q *arrivalQueue) wakeOne() {
	if len(q.waiters) > 0 {
		q.waiters[0] <- struct{}{}
		// Keeps the capacity, which one waiter after the other would use up.
		q.waiters = slices.Delete(q.waiters, 0, 1)
	}
}

// wake lets the caller that waits longest look at the state of the iterator.
func (q *arrivalQueue) wake() {
	q.mu.Lock()
	q.wakeOne()
	q.mu.Unlock()
}

// pending reports whether anything waits to be taken.
func (q *arrivalQueue) pending() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) > 0
}

// wakeAll lets all waiting callers look at the state of the iterator.
func (q *arrivalQueue) wakeAll() {
	q.mu.Lock()
	for len(q.waiters) > 0 {
		q.wakeOne()
	}
	q.mu.Unlock()
}

// swap hands over all items in exchange for an empty slice to reuse.
func (q *arrivalQueue) swap(empty []*nats.Msg) []*nats.Msg {
	q.mu.Lock()
	items := q.items
	q.items, q.bytes = empty, 0
	q.mu.Unlock()
	return items
}

// enlist registers a waiter. The caller looks at the iterator once more before
// it waits, since what it waits for may have happened in between.
func (q *arrivalQueue) enlist(waiter chan struct{}) {
	q.mu.Lock()
	q.waiters = append(q.waiters, waiter)
	q.mu.Unlock()
}

// withdraw ends the registration of a waiter that gave up. If it was woken at
// the same time, the next one is woken in its place.
func (q *arrivalQueue) withdraw(waiter chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, other := range q.waiters {
		if other == waiter {
			q.waiters = append(q.waiters[:i], q.waiters[i+1:]...)
			return
		}
	}
	<-waiter
	q.wakeOne()
}

// seal marks that nothing more will arrive.
func (q *arrivalQueue) seal() {
	q.mu.Lock()
	q.sealed = true
	q.mu.Unlock()
	q.wakeAll()
}

func (q *arrivalQueue) isSealed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.sealed
}

// wakePool recycles the channels callers of Next wait on.
var wakePool = sync.Pool{New: func() any { return make(chan struct{}, 1) }}

func (c *pullConsumer) Messages(opts ...PullMessagesOpt) (MessagesContext, error) {
	o, err := parseMessagesOpts(opts, false)
	if err != nil {
		return nil, err
	}
	if err := c.checkConsumable(o.group); err != nil {
		return nil, err
	}
	it := newPullIterator(c, &o)
	if err := it.start(&o, it.deliver, it.subscriptionClosed); err != nil {
		return nil, err
	}
	return it, nil
}

func newPullIterator(c *pullConsumer, o *consumeOpts) *pullIterator {
	it := &pullIterator{silentHeartbeat: o.silentHeartbeat || o.ordered}
	it.owner, it.consumer = it, c
	it.arrivals.limits = floodLimits(o, c.js.conn.MaxPayload())
	it.onEnd = it.release
	return it
}

// deliver runs on the subscription's goroutine for all that arrives.
func (it *pullIterator) deliver(m *nats.Msg) {
	if isControl(m) && isHeartbeat(m) {
		it.mu.Lock()
		it.beat(it.pullID(m.Subject))
		it.mu.Unlock()
		return
	}
	if !it.arrivals.put(m) {
		it.fail(errUnrequested)
	}
}

// errUnrequested ends an iterator to which far more is delivered than it has
// requested.
var errUnrequested = fmt.Errorf("%w: the server delivers more than was requested", nats.ErrSlowConsumer)

func (it *pullIterator) Next(opts ...NextOpt) (Msg, error) {
	var o nextOpts
	if len(opts) > 0 {
		var err error
		if o, err = parseNextOpts(opts); err != nil {
			return nil, err
		}
		if o.ctx != nil && o.ctx.Err() != nil {
			return nil, o.ctx.Err()
		}
	}
	msg, err := it.poll()
	if msg == nil && err == nil {
		msg, err = it.await(o)
	}
	if err != nil {
		return nil, err
	}
	return msg, nil
}

// await waits for a message or for a reason not to.
func (it *pullIterator) await(o nextOpts) (*jetStreamMsg, error) {
	var (
		done    <-chan struct{}
		timeout <-chan time.Time
	)
	if o.ctx != nil {
		done = o.ctx.Done()
	}
	if o.timeout > 0 {
		timer := time.NewTimer(o.timeout)
		defer timer.Stop()
		timeout = timer.C
	}
	waiter := wakePool.Get().(chan struct{})
	defer wakePool.Put(waiter)
	for {
		it.arrivals.enlist(waiter)
		if msg, err := it.poll(); msg != nil || err != nil {
			it.arrivals.withdraw(waiter)
			return msg, err
		}
		var expired error
		select {
		case <-waiter:
			if msg, err := it.poll(); msg != nil || err != nil {
				return msg, err
			}
			continue
		case <-done:
			expired = o.ctx.Err()
		case <-timeout:
			expired = nats.ErrTimeout
		}
		it.arrivals.withdraw(waiter)
		// What arrived at the last moment is not left behind.
		if msg, err := it.poll(); msg != nil || err != nil {
			return msg, err
		}
		return nil, expired
	}
}

// poll sends the requests that are due and returns the next message if there is
// one. It returns neither message nor error when the caller has to wait.
func (it *pullIterator) poll() (*jetStreamMsg, error) {
	for {
		it.mu.Lock()
		if it.stopped {
			it.mu.Unlock()
			return nil, it.closedError()
		}
		if !it.ended && it.engine.due() && !it.toReport() {
			it.mu.Unlock()
			it.request()
			it.mu.Lock()
		}
		msg, again, err := it.take()
		over := msg != nil && it.engine.drained()
		it.mu.Unlock()
		switch {
		case err == nil, err == ErrNoHeartbeat, errors.Is(err, nats.ErrPermissionViolation):
		case err == ErrMsgIteratorClosed:
			err = it.closedError()
		default:
			over = true
		}
		if over {
			it.end(false)
		}
		if !again || err != nil {
			return msg, err
		}
	}
}

// toReport reports whether take is about to return an error. The request that is
// due then is left to the next call: its messages would overtake the error.
// Called with the lock held.
func (it *pullIterator) toReport() bool {
	return (it.passing != nil || it.fatal != nil) && !it.busy()
}

// request sends what is due. That it fails is not the caller's business: the
// engine tries again, and the heartbeat tells if that does not help.
func (it *pullIterator) request() {
	_ = it.pump()
}

// take returns the next message out of the buffer, acting on statuses on the
// way. After a status it asks to be called again, since a request may be due.
// Called with the lock held.
func (it *pullIterator) take() (msg *jetStreamMsg, again bool, err error) {
	if it.next == len(it.taken) {
		it.refillTaken()
	}
	if it.next == len(it.taken) {
		return nil, false, it.exhausted()
	}
	m := it.taken[it.next]
	it.taken[it.next] = nil // the user decides how long a message lives
	it.next++
	if isControl(m) {
		verdict := it.settle(it.pullID(m.Subject), parsePullStatus(m), m.Size())
		return nil, true, verdict.fatal
	}
	if it.order != nil {
		// An empty reply is of no consumer.
		_ = it.order.reply.parse(m.Reply)
		if !it.order.admit(&it.order.reply) {
			return nil, true, nil
		}
	}
	it.passing = nil
	it.active = true
	it.pinned(m)
	it.engine.consumed(m.Size())
	return it.msgs.wrap(it.consumer.js, m), false, nil
}

// refillTaken exchanges the used up slice for the one arrivals go to. Called
// with the lock held.
func (it *pullIterator) refillTaken() {
	empty := it.taken[:0]
	if cap(empty) > maxKeptArrivals {
		empty = nil
	}
	it.taken, it.next = it.arrivals.swap(empty), 0
}

// exhausted returns what Next has to report when nothing is buffered, or nil if
// it is to wait. Called with the lock held.
func (it *pullIterator) exhausted() error {
	switch {
	case it.fatal != nil:
		it.stopped = true
		return it.fatal
	case it.ended && it.arrivals.isSealed():
		return ErrMsgIteratorClosed
	case it.passing != nil:
		err := it.passing
		it.passing = nil
		return err
	default:
		return nil
	}
}

// closedError returns what Next reports after the end.
func (it *pullIterator) closedError() error {
	if it.conn.IsClosed() {
		return errIteratorConnClosed
	}
	return ErrMsgIteratorClosed
}

// buffered implements [pullOwner]. Statuses count as messages, see
// pullEngine.control.
func (it *pullIterator) buffered() (msgs, bytes int, ok bool) {
	count := func(messages []*nats.Msg) {
		for _, m := range messages {
			msgs++
			bytes += m.Size()
		}
	}
	count(it.taken[it.next:])
	it.arrivals.mu.Lock()
	count(it.arrivals.items)
	it.arrivals.mu.Unlock()
	return msgs, bytes, true
}

// inHand implements [pullOwner]: a message that Next has returned is done with.
func (it *pullIterator) inHand() int { return 0 }

// dry implements [pullOwner].
func (it *pullIterator) dry() bool { return !it.busy() }

// busy implements [pullOwner]: while anything is buffered, it is up to the user
// to make progress.
func (it *pullIterator) busy() bool {
	return it.next < len(it.taken) || it.arrivals.pending()
}

// trouble implements [pullOwner].
func (it *pullIterator) trouble(err error) {
	if err != ErrNoHeartbeat || !it.silentHeartbeat {
		it.passing = err
	}
	it.arrivals.wakeAll()
}

// wake implements [pullOwner]: requests are sent by Next, if one is waiting.
func (it *pullIterator) wake() { it.arrivals.wake() }

// fail implements [pullOwner]: Next returns err once it has returned what is
// buffered.
func (it *pullIterator) fail(err error) {
	it.mu.Lock()
	if it.fatal == nil {
		it.fatal = err
	}
	it.mu.Unlock()
	it.arrivals.wakeAll()
}

func (it *pullIterator) Stop()  { it.end(false) }
func (it *pullIterator) Drain() { it.end(true) }

// end stops requests and then either stops or drains the subscription. Only the
// first call has an effect.
func (it *pullIterator) end(drain bool) {
	it.mu.Lock()
	if !it.quiesce() {
		it.mu.Unlock()
		return
	}
	it.stopped = !drain
	it.mu.Unlock()
	unwatchConn(it.conn, &it.pullSubscription)
	it.leave(drain)
	it.arrivals.wakeAll()
}

// closed implements [pullOwner]: the connection is closed for good.
func (it *pullIterator) closed() {
	unwatchConn(it.conn, &it.pullSubscription)
	it.mu.Lock()
	if it.quiesce() {
		it.stopped = true
	}
	it.mu.Unlock()
	it.arrivals.wakeAll()
}

// subscriptionClosed is called by core on the subscription's goroutine after the
// last message was delivered: after Stop, when drained, and when the connection
// was closed or drained. What it delivered is still there for Next, unless the
// connection was closed: then it can no longer be acknowledged.
func (it *pullIterator) subscriptionClosed(string) {
	connClosed := it.conn.IsClosed()
	it.mu.Lock()
	if it.quiesce() && connClosed {
		it.stopped = true
	}
	it.mu.Unlock()
	unwatchConn(it.conn, &it.pullSubscription)
	it.onEnd()
	it.arrivals.seal()
}
