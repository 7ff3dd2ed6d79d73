package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// maxIdleInboxes is how many unused inboxes a connection keeps at most.
	maxIdleInboxes = 16

	// idleInboxTimeout is how long an unused inbox is kept.
	idleInboxTimeout = 10 * time.Second

	// handOverGrace bounds the wait for messages that are known to be on their
	// way when a fetch ends.
	handOverGrace = 100 * time.Millisecond

	// replicationGrace is the same for messages the server says it has handed
	// out but which still pass through the consumer's replicas.
	replicationGrace = time.Second

	// Pauses before a fetch reports that nobody answers for the consumer, from
	// the second time in a row on. A program that just fetches again would
	// otherwise send requests as fast as it can.
	refusalPauseMin = 10 * time.Millisecond
	refusalPauseMax = 250 * time.Millisecond
)

// errFetchDisconnected is the error of a fetch whose time ran out during an
// outage.
var errFetchDisconnected = fmt.Errorf("%w: %w", nats.ErrTimeout, nats.ErrDisconnected)

// fetchInbox is a core subscription that serves one fetch at a time, and one
// after the other without being subscribed anew. Messages of the stream carry
// no sign of the request they answer, so an inbox may be used again only after
// its last fetch has ended cleanly: with all that was asked for or with the
// server's final word, and with nothing left on the way. Each request has a
// reply subject of its own below the inbox, which tells stale statuses apart.
//
// An inbox that is not clean is retired: it drops its interest, and messages
// that still arrive are handed back to the server for prompt redelivery.
//
// It owns no goroutine but the one of its subscription, which ends when the
// inbox is retired or has been idle for a while, or with the connection.
type fetchInbox struct {
	conn *nats.Conn
	sub  *nats.Subscription

	mu       sync.Mutex
	timer    *time.Timer
	fetch    *fetch // in progress: &slot, or nil
	slot     fetch
	turn     uint64 // number of the fetch in slot
	up       bool
	connSeen bool // a connection event has set up and closed
	closed   bool
	retired  bool
	handBack bool // messages without a fetch are to be redelivered
	idleFrom time.Time
	msgs     msgSlab

	// What the last request was sent with.
	serial  ackToken
	replies replySubjects
	body    []byte
}

// fetch is a request in progress.
type fetch struct {
	consumer *pullConsumer
	req      pullRequest
	sink     fetchSink

	gotMsgs, gotBytes int
	// sentFor is gotMsgs when the current request was sent, and sentBatch what
	// it asked for. A request is sent again after a reconnect.
	sentFor, sentBatch int
	sent               bool
	resent             bool

	deadline  time.Time
	look      time.Time // when to look whether the request was denied, zero if done
	seen      error     // the connection's last error before the request
	heartbeat heartbeatClock
	active    bool
	cancelCtx func() bool
	result    error // once it has ended

	// Once the end is decided but messages are known to be on their way:
	ending  bool
	endErr  error
	endAt   time.Time
	expect  int  // gotMsgs when all have come, 0 if there is nothing to come
	flush   bool // until core's queue has run empty, instead
	unclean bool
}

// startFetch sends a request and lets its answer go to sink. An error means
// that nothing was started.
func (c *pullConsumer) startFetch(req *pullRequest, sink fetchSink) error {
	seen := c.js.conn.LastError()
	in, err := takeInbox(c.js.conn)
	if err != nil {
		return err
	}
	now := time.Now()
	deadline := now.Add(req.expires + fetchGrace)
	if req.noWait {
		deadline = now.Add(c.js.opts.DefaultTimeout)
	}
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		in.retire(false)
		return nats.ErrConnectionClosed
	}
	in.slot = fetch{
		consumer: c, req: *req, sink: sink, deadline: deadline, heartbeat: heartbeatClock{req.heartbeat, now, 0},
		look: now.Add(denialLook), seen: seen,
	}
	in.turn++
	f, turn := &in.slot, in.turn
	in.fetch = f
	in.handBack = c.acknowledges()
	in.arm(now)
	if f.req.ctx != nil {
		f.cancelCtx = context.AfterFunc(req.ctx, func() { in.cancel(turn) })
	}
	if !in.up {
		// Sent when the connection is up again.
		in.mu.Unlock()
		return nil
	}
	subject, reply, body := in.prepare(f)
	in.mu.Unlock()
	if redialing(in.conn) {
		// Sent when the connection is up again.
		return nil
	}
	if err := in.conn.PublishRequest(subject, reply, body); err != nil && in.abort(turn) {
		return err
	}
	return nil
}

// acknowledges reports whether messages of the consumer can be handed back.
func (c *pullConsumer) acknowledges() bool {
	info := c.CachedInfo()
	return info == nil || info.Config.AckPolicy != AckNonePolicy
}

// renew prepares the request again after a reconnect, for what is still missing
// and the time that is left. It reports false when there is none. Called with
// the lock held.
func (in *fetchInbox) renew(f *fetch, now time.Time) (subject, reply string, body []byte, ok bool) {
	f.resent = f.sent
	f.look = now.Add(denialLook)
	f.heartbeat.start(now)
	if f.req.expires > 0 {
		f.req.expires = min(f.req.expires, f.deadline.Sub(now)-fetchGrace)
		if f.req.expires <= 0 {
			return "", "", nil, false
		}
		if f.req.expires < 2*f.req.heartbeat {
			f.req.heartbeat = 0
		}
	}
	subject, reply, body = in.prepare(f)
	return subject, reply, body, true
}

// prepare renders the request for what the fetch still needs. Called with the
// lock held.
func (in *fetchInbox) prepare(f *fetch) (subject, reply string, body []byte) {
	req := f.req
	req.batch -= f.gotMsgs
	if req.maxBytes > 0 {
		req.maxBytes -= f.gotBytes
	}
	req.pinID = f.consumer.pins.get(req.group)
	f.req.pinID = req.pinID
	f.sent, f.sentFor, f.sentBatch = true, f.gotMsgs, req.batch
	in.serial = in.serial.next()
	in.body = req.render(in.body)
	return f.consumer.nextSubject, in.replies.at(in.serial), in.body
}

// deliver runs on the subscription's goroutine for all that arrives.
func (in *fetchInbox) deliver(m *nats.Msg) {
	in.mu.Lock()
	f := in.fetch
	control := isControl(m)
	switch {
	case f == nil:
		handBack := in.handBack
		in.mu.Unlock()
		if !control && handBack && m.Reply != "" {
			// If this fails, the message comes back after the AckWait.
			_ = in.conn.Publish(m.Reply, nakPayload)
		}
		return
	case control:
		if in.current(m.Subject) {
			in.settle(f, parsePullStatus(m))
		}
	default:
		in.accept(f, m)
	}
	if in.fetch != nil && f.ending && f.flush && in.queued() <= 1 {
		in.finish(f, f.endErr)
	}
	over := in.fetch == nil
	in.mu.Unlock()
	if over {
		in.release(f)
	}
}

// current reports whether a status belongs to the last request. Called with the
// lock held.
func (in *fetchInbox) current(subject string) bool {
	return subject == in.replies.at(in.serial)
}

// accept hands a message to the sink. Called with the lock held.
func (in *fetchInbox) accept(f *fetch, m *nats.Msg) {
	f.active = true
	if f.req.group != "" && m.Header != nil {
		if id := m.Header[pinIDHeader]; len(id) > 0 {
			f.consumer.pins.give(f.req.group, id[0])
		}
	}
	f.consumer.refusals.Store(0)
	f.gotMsgs++
	f.gotBytes += m.Size()
	if !f.sink.put(in.msgs.wrap(f.consumer.js, m)) {
		f.unclean = true
		in.finish(f, nil)
		return
	}
	switch {
	case f.gotMsgs >= f.req.batch:
		in.finish(f, nil)
	case f.req.maxBytes > 0 && f.gotBytes >= f.req.maxBytes:
		// A message that fits exactly ends the request without a status. If the
		// count differs from the server's, the request may still be open.
		f.unclean = f.unclean || f.gotBytes > f.req.maxBytes
		in.finish(f, nil)
	case f.ending && f.expect > 0 && f.gotMsgs >= f.expect:
		in.finish(f, f.endErr)
	}
}

// settle acts on a status of the request. Called with the lock held.
func (in *fetchInbox) settle(f *fetch, status pullStatus) {
	if status.err == nil {
		f.active = true
		return
	}
	err := status.err
	switch {
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, ErrNoMessages),
		errors.Is(err, ErrMaxBytesExceeded), errors.Is(err, ErrBatchCompleted):
		err = nil
	case errors.Is(err, ErrPinIDMismatch):
		f.consumer.pins.drop(f.req.group, f.req.pinID)
	case errors.Is(err, ErrConsumerDeleted), errors.Is(err, ErrConsumerLeadershipChanged), errors.Is(err, ErrServerShutdown):
		// Messages handed out before may still be on their way.
		f.unclean = true
	case errors.Is(err, nats.ErrNoResponders):
		if pause := f.consumer.refused(); pause > 0 {
			in.endAfter(f, err, pause)
			return
		}
	}
	if !errors.Is(err, nats.ErrNoResponders) {
		f.consumer.refusals.Store(0)
	}
	if status.pendingMsgs != notCounted {
		// A replicated consumer sends messages once its replicas know of them,
		// but some statuses at once. Those messages belong to this fetch.
		f.expect = f.sentFor + f.sentBatch - status.pendingMsgs
		if f.gotMsgs < f.expect && !f.resent {
			in.endAfter(f, err, replicationGrace)
			return
		}
	}
	in.finish(f, err)
}

// endAfter ends the fetch with err after d, or when what is known to be on its
// way has come. Called with the lock held.
func (in *fetchInbox) endAfter(f *fetch, err error, d time.Duration) {
	f.ending, f.endErr, f.endAt = true, err, time.Now().Add(d)
	in.timer.Reset(d)
}

// refused counts requests in a row that nobody answered, and returns how long
// that is to be kept from the user.
func (c *pullConsumer) refused() time.Duration {
	n := c.refusals.Add(1)
	if n < 2 {
		return 0
	}
	return min(refusalPauseMin<<min(n-2, 10), refusalPauseMax)
}

// finish ends the fetch. The caller releases the inbox once it has unlocked,
// which is when the sink learns of the end. Called with the lock held.
func (in *fetchInbox) finish(f *fetch, err error) {
	if in.fetch != f {
		return
	}
	in.fetch = nil
	if f.cancelCtx != nil {
		f.cancelCtx()
	}
	f.result = err
}

// interrupt ends the fetch from our side, after handing over what has been
// received. Called with the lock held.
func (in *fetchInbox) interrupt(f *fetch, err error) {
	f.unclean = true
	if !f.ending && in.queued() > 0 {
		f.flush = true
		in.endAfter(f, err, handOverGrace)
		return
	}
	in.finish(f, err)
}

// queued returns how many messages core has received and not finished to
// deliver, the one being delivered included.
func (in *fetchInbox) queued() int {
	n, _, err := in.sub.Pending()
	if err != nil {
		return 0 // unsubscribed
	}
	return n
}

// cancel ends the fetch with the given number because its context did.
func (in *fetchInbox) cancel(turn uint64) {
	in.mu.Lock()
	f := in.fetch
	if f == nil || in.turn != turn {
		in.mu.Unlock()
		return
	}
	in.interrupt(f, f.req.ctx.Err())
	over := in.fetch == nil
	in.mu.Unlock()
	if over {
		in.release(f)
	}
}

// abort takes back the fetch with the given number, whose request could not be
// sent, and reports whether it had not ended already.
func (in *fetchInbox) abort(turn uint64) bool {
	in.mu.Lock()
	f := &in.slot
	mine := in.fetch != nil && in.turn == turn
	if mine {
		in.fetch = nil
		if f.cancelCtx != nil {
			f.cancelCtx()
		}
	}
	in.mu.Unlock()
	if mine {
		if unclean := in.vacate(f); unclean || !putIdleInbox(in) {
			in.retire(unclean)
		}
	}
	return mine
}

// lookForDenial returns the error by which the server denied the request, once it
// is time to look for that. Called with the lock held, which it lets go of meanwhile.
func (in *fetchInbox) lookForDenial() error {
	f, turn, now := in.fetch, in.turn, time.Now()
	if f == nil || f.look.IsZero() || now.Before(f.look) {
		return nil
	}
	f.look = time.Time{}
	if f.ending || f.gotMsgs > 0 {
		return nil
	}
	in.arm(now) // core may let the look wait
	subject, seen := f.consumer.nextSubject, f.seen
	in.mu.Unlock()
	err := denial(in.conn, seen, subject)
	in.mu.Lock()
	if in.fetch == nil || in.turn != turn {
		return nil
	}
	return err
}

// tick is run by the timer: it looks after heartbeat and deadline of the fetch
// in progress, and lets go of an inbox nobody has used for a while.
func (in *fetchInbox) tick() {
	in.mu.Lock()
	denied := in.lookForDenial()
	now := time.Now()
	f := in.fetch
	if f == nil {
		idle := now.Sub(in.idleFrom)
		if in.retired {
			in.mu.Unlock()
			return
		}
		if idle < idleInboxTimeout {
			in.timer.Reset(idleInboxTimeout - idle)
			in.mu.Unlock()
			return
		}
		in.mu.Unlock()
		if dropIdleInbox(in) {
			in.retire(false)
		}
		return
	}
	switch {
	case f.ending:
		if !now.Before(f.endAt) {
			f.unclean = f.unclean || f.expect > 0
			in.finish(f, f.endErr)
		}
	case denied != nil:
		in.interrupt(f, denied)
	case !now.Before(f.deadline):
		err := nats.ErrTimeout
		if !in.up || !f.sent {
			err = errFetchDisconnected
		}
		in.interrupt(f, err)
	default:
		missed := f.heartbeat.overdue(f.active || !in.up || f.req.heartbeat == 0, now)
		f.active = false
		if missed {
			in.interrupt(f, ErrNoHeartbeat)
		}
	}
	over := in.fetch == nil
	if !over && !f.ending {
		in.arm(now)
	}
	in.mu.Unlock()
	if over {
		in.release(f)
	}
}

// arm sets the timer for what is next to be looked at. Called with the lock
// held.
func (in *fetchInbox) arm(now time.Time) {
	wait := in.fetch.deadline.Sub(now)
	if hb := in.fetch.req.heartbeat; hb > 0 {
		wait = min(wait, hb/heartbeatChecks)
	}
	if look := in.fetch.look; !look.IsZero() {
		wait = min(wait, look.Sub(now))
	}
	in.timer.Reset(max(wait, 0))
}

// connChanged implements [connListener].
func (in *fetchInbox) connChanged(ev connEvent) {
	in.mu.Lock()
	in.connSeen = true
	in.up, in.closed = ev == connUp, ev == connClosed
	f := in.fetch
	switch {
	case f == nil:
	case ev == connUp && !f.ending:
		subject, reply, body, ok := in.renew(f, time.Now())
		if !ok {
			in.finish(f, errFetchDisconnected)
			break
		}
		in.mu.Unlock()
		// If this fails, the connection is down again or about to be closed.
		_ = in.conn.PublishRequest(subject, reply, body)
		return
	case ev == connClosed:
		f.unclean = true
		in.finish(f, ErrConnectionClosed)
	}
	over := f != nil && in.fetch == nil
	idle := f == nil && !in.retired
	in.mu.Unlock()
	switch {
	case over:
		in.release(f)
	case idle && ev == connClosed && dropIdleInbox(in):
		in.retire(false)
	}
}

// subscriptionClosed is called by core on the subscription's goroutine after the
// last message.
func (in *fetchInbox) subscriptionClosed(string) {
	in.connChanged(connClosed)
}

// release puts the inbox back for the next fetch, or retires it, and tells the
// sink of the end. The inbox goes back first, so that a fetch that follows at
// once finds it there; core may make us wait for a subscription to go, so that
// comes last.
func (in *fetchInbox) release(f *fetch) {
	sink, result := f.sink, f.result
	unclean := in.vacate(f)
	reused := !unclean && putIdleInbox(in)
	sink.finish(result)
	if !reused {
		in.retire(unclean)
	}
}

// vacate forgets a fetch that has ended, so that nothing of it is kept alive,
// and reports whether it leaves the inbox unfit for another one. The inbox is
// still that of the caller alone.
func (in *fetchInbox) vacate(f *fetch) (unclean bool) {
	unclean = f.unclean || f.resent
	*f = fetch{}
	return unclean
}

// retire drops the inbox. If messages may still be on their way, it stays just
// long enough to hand them back.
func (in *fetchInbox) retire(unclean bool) {
	in.mu.Lock()
	again := in.retired
	in.retired = true
	in.timer.Stop()
	drain := unclean && in.up
	in.mu.Unlock()
	if again {
		return
	}
	unwatchConn(in.conn, in)
	// Core fails to do either only when the connection is closed.
	if drain {
		_ = in.sub.Drain()
		return
	}
	_ = in.sub.Unsubscribe()
}

// takeInbox returns an inbox for one fetch.
func takeInbox(nc *nats.Conn) (*fetchInbox, error) {
	if in := takeIdleInbox(nc); in != nil {
		return in, nil
	}
	in := &fetchInbox{conn: nc}
	in.replies.prefix = nc.NewInbox() + "."
	// Long enough not to fire before it is set for a purpose.
	in.timer = time.AfterFunc(time.Hour, in.tick)
	sub, err := nc.Subscribe(in.replies.prefix+"*", in.deliver)
	if err == nil {
		err = sub.SetPendingLimits(noPendingLimits.msgs, noPendingLimits.bytes)
	}
	if err != nil {
		in.timer.Stop()
		return nil, err
	}
	in.sub = sub
	sub.SetClosedHandler(in.subscriptionClosed)
	up := watchConn(nc, in)
	in.mu.Lock()
	if !in.connSeen {
		in.up = up
	}
	in.mu.Unlock()
	if !sub.IsValid() {
		// Closed in between, maybe before the handler was in place.
		in.connChanged(connClosed)
	}
	return in, nil
}

// takeIdleInbox returns the unused inbox of the connection that was used last,
// or nil.
func takeIdleInbox(nc *nats.Conn) *fetchInbox {
	hub := findHub(nc)
	if hub == nil {
		return nil
	}
	hub.mu.Lock()
	defer hub.mu.Unlock()
	last := len(hub.idle) - 1
	if last < 0 {
		return nil
	}
	in := hub.idle[last]
	hub.idle = hub.idle[:last]
	return in
}

// putIdleInbox keeps an inbox for later and reports whether it did.
func putIdleInbox(in *fetchInbox) bool {
	hub := findHub(in.conn)
	if hub == nil {
		return false
	}
	now := time.Now()
	in.mu.Lock()
	in.idleFrom = now
	in.timer.Reset(idleInboxTimeout)
	in.mu.Unlock()
	hub.mu.Lock()
	defer hub.mu.Unlock()
	if _, watched := hub.listeners[in]; !watched || hub.closed || len(hub.idle) >= maxIdleInboxes {
		return false
	}
	hub.idle = append(hub.idle, in)
	return true
}

// dropIdleInbox removes an unused inbox and reports whether it was there.
func dropIdleInbox(in *fetchInbox) bool {
	hub := findHub(in.conn)
	if hub == nil {
		return false
	}
	hub.mu.Lock()
	defer hub.mu.Unlock()
	for i, other := range hub.idle {
		if other == in {
			hub.idle = append(hub.idle[:i], hub.idle[i+1:]...)
			return true
		}
	}
	return false
}
