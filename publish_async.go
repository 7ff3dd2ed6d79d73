package jetstream

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// asyncPublisher keeps track of the async publishes of a handle. It owes each of
// them one outcome, and each waiting caller a slot as soon as there is one.
//
// Every pending publish leaves in release, whatever the reason, and whoever
// calls release settles afterwards. Handlers run without the lock; running
// counts them so that completion waits for what they may still publish.
//
// There is no goroutine while publishes are acknowledged, other than the one
// core runs for the reply subscription. Ack timeouts and retries share a timer;
// failures that the state of the connection causes are reported on a goroutine
// that ends with the last handler.
type asyncPublisher struct {
	js *jetStream

	// origin is that of the last acknowledgement, sync or async.
	origin atomic.Pointer[ackOrigin]

	mu sync.Mutex

	session *ackSession
	// opening is closed when an attempt to make a session ends.
	opening chan struct{}

	pending ackRing
	// reserved slots belong to callers who are about to fill them.
	reserved int
	waiters  waitQueue
	// running is the number of goroutines that call handlers or are about to.
	running int
	// complete is closed by settle; nil unless someone asked.
	complete chan struct{}

	// awaiting holds what has an ack timeout, retrying what is to be sent again.
	awaiting, retrying dueList
	// resending is set while a goroutine works on retrying, so that no other
	// overtakes it.
	resending bool
	timer     *time.Timer
	// wake is the time the timer is set to, zero when it is not.
	wake time.Duration
}

// publishClock is the origin of the times in due lists.
var publishClock = time.Now()

// allComplete is what PublishAsyncComplete returns when nothing is pending.
var allComplete = func() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()

func (js *jetStream) PublishAsync(subject string, payload []byte, opts ...PublishOpt) (PubAckFuture, error) {
	f := &pubFuture{own: nats.Msg{Subject: subject, Data: payload}}
	f.msg = &f.own
	return js.async.publish(f, opts)
}

func (js *jetStream) PublishMsgAsync(msg *nats.Msg, opts ...PublishOpt) (PubAckFuture, error) {
	if msg == nil {
		return nil, nats.ErrInvalidMsg
	}
	return js.async.publish(newPubFuture(msg, len(opts)), opts)
}

func (js *jetStream) PublishAsyncPending() int {
	p := &js.async
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending.count
}

func (js *jetStream) PublishAsyncComplete() <-chan struct{} {
	p := &js.async
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle() {
		return allComplete
	}
	if p.complete == nil {
		p.complete = make(chan struct{})
	}
	return p.complete
}

func (js *jetStream) CleanupPublisher() {
	p := &js.async
	p.mu.Lock()
	session := p.session
	p.session = nil
	failed := p.releaseAll(ErrJetStreamPublisherClosed)
	p.pending.slots = nil
	if p.timer != nil {
		p.timer.Stop()
		p.wake = 0
	}
	// Unlike elsewhere, completion does not wait for the handlers: they run on
	// the goroutine of a caller who is done with the publisher.
	if p.complete != nil {
		close(p.complete)
		p.complete = nil
	}
	p.mu.Unlock()
	if session != nil {
		session.end()
	}
	p.callErrHandler(failed)
}

// publish sends the message of f with the given options.
func (p *asyncPublisher) publish(f *pubFuture, opts []PublishOpt) (PubAckFuture, error) {
	o, err := collectPubOpts(opts)
	if err != nil {
		return nil, err
	}
	if f.msg.Reply != "" {
		o.release()
		return nil, ErrAsyncPublishReplySubjectSet
	}
	stallWait := o.stallWait
	if stallWait == 0 {
		stallWait = defaultStallWait
	}
	o.setHeader(f.msg)
	f.keep(o)
	o.release()
	if err := p.start(f, stallWait); err != nil {
		return nil, err
	}
	return f, nil
}

// start makes f pending, waiting up to stallWait for a slot, and sends its message.
func (p *asyncPublisher) start(f *pubFuture, stallWait time.Duration) error {
	reply, err := p.register(f, stallWait)
	if err != nil {
		return err
	}
	err = p.send(f.msg, reply)
	if err == nil && p.js.opts.async.ackTimeout <= 0 {
		return nil
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.startAckTimeout(f)
		return nil
	}
	if !p.release(f) {
		// It failed for another reason in the meantime, and that is reported.
		return nil
	}
	p.settle()
	return err
}

// send hands m to core, which is done with it when the call returns.
func (p *asyncPublisher) send(m *nats.Msg, reply string) error {
	if len(m.Header) == 0 {
		return p.js.conn.PublishRequest(m.Subject, reply, m.Data)
	}
	return p.js.conn.PublishMsg(&nats.Msg{Subject: m.Subject, Reply: reply, Header: m.Header, Data: m.Data})
}

// parseAck decodes the answer to a publish.
func (p *asyncPublisher) parseAck(data []byte) (ackValue, error) {
	last := p.origin.Load()
	ack, err := parsePubAck(data, last)
	if err == nil && ack.origin != last && ack.origin.value == "" {
		p.origin.Store(ack.origin)
	}
	return ack, err
}

// register makes f pending, waiting up to stallWait for a slot, and returns the
// reply subject to send its message with.
func (p *asyncPublisher) register(f *pubFuture, stallWait time.Duration) (reply string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.reserve(stallWait); err != nil {
		return "", err
	}
	// The session may end while the caller waits for a slot or makes a session.
	// Whatever is registered below is registered with one that is current.
	for p.session == nil && err == nil {
		err = p.open()
	}
	p.reserved--
	if err != nil {
		p.grant()
		return "", err
	}
	p.pending.add(f)
	return p.session.replies.at(f.token), nil
}

// reserve takes a slot, waiting up to stallWait for one. Those who wait are
// served in order, and a slot that comes free is theirs before anybody else can
// take it. The lock is held before and after, but not while waiting.
func (p *asyncPublisher) reserve(stallWait time.Duration) error {
	if p.hasRoom() {
		p.reserved++
		return nil
	}
	w := newWaiter(stallWait)
	p.waiters.push(w)
	p.mu.Unlock()
	timedOut := false
	select {
	case <-w.ready:
	case <-w.timer.C:
		timedOut = true
	}
	p.mu.Lock()
	defer w.recycle()
	if timedOut {
		if p.waiters.remove(w) {
			return ErrTooManyStalledMsgs
		}
		// The slot came at the last moment.
		<-w.ready
	}
	return nil
}

func (p *asyncPublisher) hasRoom() bool {
	return p.pending.count+p.reserved < p.js.opts.async.maxPending
}

// grant passes free slots on to waiting callers.
func (p *asyncPublisher) grant() {
	for p.hasRoom() {
		w := p.waiters.pop()
		if w == nil {
			return
		}
		p.reserved++
		w.ready <- struct{}{}
	}
}

// release ends the time of f as a pending publish, which frees its slot. It
// reports whether f was pending; only then may the caller decide its outcome.
func (p *asyncPublisher) release(f *pubFuture) bool {
	if !p.pending.remove(f) {
		return false
	}
	p.unlist(f)
	p.grant()
	return true
}

// unlist takes f out of the list it is in.
func (p *asyncPublisher) unlist(f *pubFuture) {
	if f.retrying {
		f.retrying = false
		p.retrying.remove(f)
		return
	}
	p.awaiting.remove(f)
}

// releaseAll releases all that is pending and fails it with err.
func (p *asyncPublisher) releaseAll(err error) []*pubFuture {
	all := p.pending.all()
	for _, f := range all {
		p.release(f)
		f.resolve(ackValue{}, err)
	}
	return all
}

func (p *asyncPublisher) idle() bool {
	return p.pending.count == 0 && p.running == 0
}

// settle tells those who wait for completion if it has come.
func (p *asyncPublisher) settle() {
	if p.complete != nil && p.idle() {
		close(p.complete)
		p.complete = nil
	}
}

// leaveHandlers is called, without the lock, by those who have counted
// themselves in running.
func (p *asyncPublisher) leaveHandlers() {
	p.mu.Lock()
	p.running--
	p.settle()
	p.mu.Unlock()
}

// callErrHandler reports the failures of the given futures.
func (p *asyncPublisher) callErrHandler(failed []*pubFuture) {
	if onErr := p.js.opts.async.onErr; onErr != nil {
		for _, f := range failed {
			onErr(p.js, f.msg, f.err)
		}
	}
}

// handleReply processes what came back for a message, on the goroutine of the
// reply subscription. Answers to what is no longer pending are ignored.
func (p *asyncPublisher) handleReply(m *nats.Msg) {
	token, ok := parseAckToken(m.Subject)
	if !ok {
		return
	}
	var ack ackValue
	var err error
	noResponders := len(m.Data) == 0 && m.Header.Get("Status") == "503"
	if noResponders {
		err = ErrNoStreamResponse
	} else {
		ack, err = p.parseAck(m.Data)
	}

	p.mu.Lock()
	f := p.pending.get(token)
	if f == nil {
		p.mu.Unlock()
		return
	}
	if noResponders && f.retries > 0 {
		f.retries--
		p.unlist(f)
		f.retrying = true
		p.retrying.insert(f, p.now()+f.retryWait)
		p.arm()
		p.mu.Unlock()
		return
	}
	p.release(f)
	f.resolve(ack, err)
	onErr, onAck := p.js.opts.async.onErr, p.js.opts.async.onAck
	if (err != nil && onErr == nil) || (err == nil && onAck == nil) {
		p.settle()
		p.mu.Unlock()
		return
	}
	p.running++
	p.mu.Unlock()
	if err != nil {
		onErr(p.js, f.msg, err)
	} else {
		onAck(p.js, f.msg, ack.pubAck())
	}
	p.leaveHandlers()
}

func (p *asyncPublisher) now() time.Duration { return time.Since(publishClock) }

// startAckTimeout starts the clock for a message that has just been sent, unless
// that has been answered already.
func (p *asyncPublisher) startAckTimeout(f *pubFuture) {
	timeout := p.js.opts.async.ackTimeout
	if timeout <= 0 || p.pending.get(f.token) != f || f.retrying {
		return
	}
	p.awaiting.remove(f)
	p.awaiting.insert(f, p.now()+timeout)
	p.arm()
}

// arm sets the timer to the next time something is due. A timer that is set to
// an earlier time stays: what it was set for has most likely been answered, and
// letting it expire once per timeout is cheaper than setting it per message.
func (p *asyncPublisher) arm() {
	due, ok := p.awaiting.earliest()
	// Whoever is resending looks for further retries when done.
	if retry, any := p.retrying.earliest(); any && !p.resending && (!ok || retry < due) {
		due, ok = retry, true
	}
	if !ok || (p.wake != 0 && p.wake <= due) {
		return
	}
	p.wake = due
	if wait := due - p.now(); p.timer == nil {
		p.timer = time.AfterFunc(wait, p.handleTimer)
	} else {
		p.timer.Reset(wait)
	}
}

// handleTimer sends due retries and fails what has not been acknowledged in
// time. It may run more than once at a time when handlers take long.
func (p *asyncPublisher) handleTimer() {
	last := p.js.conn.LastError()
	p.mu.Lock()
	p.wake = 0
	var failed []*pubFuture
	for f := p.awaiting.popDue(p.now()); f != nil; f = p.awaiting.popDue(p.now()) {
		p.release(f)
		var err error = ErrAsyncPublishTimeout
		if denies(p.js.conn, last, f.own.Subject) {
			err = fmt.Errorf("%w: %w", err, last)
		}
		f.resolve(ackValue{}, err)
		failed = append(failed, f)
	}
	if len(failed) == 0 && p.retrying.head == nil {
		p.arm()
		p.mu.Unlock()
		return
	}
	// Already here: resend lets go of the lock, and completion must not be told
	// before the handlers have been called.
	p.running++
	failed = append(failed, p.resend()...)
	p.arm()
	p.mu.Unlock()
	p.callErrHandler(failed)
	p.leaveHandlers()
}

// resend sends due retries, in the order in which they became due, and returns
// those that could not be sent. The lock is held before and after, but not while
// sending.
func (p *asyncPublisher) resend() (failed []*pubFuture) {
	if p.resending {
		return nil
	}
	p.resending = true
	for f := p.retrying.popDue(p.now()); f != nil; f = p.retrying.popDue(p.now()) {
		f.retrying = false
		reply := p.session.replies.prefix + string(f.token.appendTo(nil))
		// Timeouts of other messages must not wait for core.
		p.arm()
		p.mu.Unlock()
		m, err := f.retryMsg()
		if err == nil {
			err = p.send(m, reply)
		}
		p.mu.Lock()
		if err == nil {
			p.startAckTimeout(f)
		} else if p.release(f) {
			f.resolve(ackValue{}, err)
			failed = append(failed, f)
		}
	}
	p.resending = false
	return failed
}

// connChanged fails what a lost or closed connection leaves without an answer.
func (p *asyncPublisher) connChanged(s *ackSession, ev connEvent) {
	if ev == connUp {
		return
	}
	cause := nats.ErrDisconnected
	if ev == connClosed {
		// Callers who wait for a slot get one, and then the same from core.
		cause = nats.ErrConnectionClosed
	}
	p.mu.Lock()
	var failed []*pubFuture
	// Otherwise CleanupPublisher has ended the session in the meantime.
	if p.session == s {
		failed = p.releaseAll(cause)
	}
	if len(failed) == 0 && ev != connClosed {
		p.settle()
		p.mu.Unlock()
		return
	}
	p.running++
	p.mu.Unlock()
	// It ends when the handlers have returned.
	go func() {
		if ev == connClosed {
			unwatchConn(s.pub.js.conn, s)
		}
		p.callErrHandler(failed)
		p.leaveHandlers()
	}()
}
