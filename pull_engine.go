package jetstream

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// pullByteBudget is the max_bytes of requests that are limited by messages
	// alone. Without it, 500 large messages could fill the connection's buffer
	// on the server (64 MiB by default), which then cuts the client off.
	pullByteBudget = 32 << 20

	// maxEnvelope is what subjects may add to the size of a message.
	maxEnvelope = 8 << 10

	// maxByteBudget is how far that is raised for a message that does not fit.
	// No server takes larger ones.
	maxByteBudget = 1 << 30

	// maxClampedPulls bounds how many requests are in flight at once when the
	// consumer allows only small ones. Otherwise the window decides.
	maxClampedPulls = 8

	// maxTrackedPulls bounds the list of requests in flight. A threshold close
	// to the window makes for many small ones.
	maxTrackedPulls = 64

	// topUpFrom is the least window that is filled as soon as a request has been
	// served, and topUpShare the part of it that must be free then. Small windows
	// keep to the threshold.
	topUpFrom  = 128
	topUpShare = 8

	retryBackoffMin = 50 * time.Millisecond
	retryBackoffMax = 5 * time.Second

	// oversizeBackoffMin is the first pause after a message that does not fit.
	oversizeBackoffMin = 100 * time.Millisecond

	// shutdownRetryDelay is the pause after a server said that it shuts down
	// while the connection still stands: the consumer needs a new home first,
	// and if it is our server, the connection is about to break anyway.
	shutdownRetryDelay = time.Second

	// probeAfterMisses is how many heartbeats in a row must be missing before
	// the consumer is looked up.
	probeAfterMisses = 2
)

// pullConfig is what a pull engine works with. It does not change, except that
// limits are lowered when the server names a lower one.
type pullConfig struct {
	maxMessages       int
	thresholdMessages int

	// growTo is how many messages the window may grow to; zero if it may not.
	growTo int

	maxBytes       int // the window, or what one request may be answered with
	leastBytes     int // no request is made for less of it
	thresholdBytes int

	topUp      bool // the window is filled as soon as a request was served, not only below the threshold
	byteWindow bool // bytes, not messages, are the measure of the window
	ownBudget  bool // maxBytes is not the user's and may be raised
	roomy      bool // maxBytes has room for any maxMessages, so requests need no limit
	priority   uint8

	stopAfter     int
	expires       time.Duration
	heartbeat     time.Duration
	minPending    int64
	minAckPending int64
	group         string

	// What the consumer allows in one request; zero means no limit.
	limitBatch   int
	limitBytes   int
	limitExpires time.Duration

	// clampedPulls is how many requests are in flight at once while a limit keeps
	// them small; zero means maxClampedPulls.
	clampedPulls int
}

// newPullConfig derives the engine's configuration from the options and from
// what is known of the consumer and the connection.
func newPullConfig(opts *consumeOpts, info *ConsumerInfo, maxPayload int64) pullConfig {
	cfg := pullConfig{
		maxMessages:       opts.maxMessages,
		thresholdMessages: opts.thresholdMessages,
		byteWindow:        opts.maxBytes > 0 && !opts.byteLimit,
		maxBytes:          opts.maxBytes,
		thresholdBytes:    opts.thresholdBytes,
		stopAfter:         opts.stopAfter,
		expires:           opts.expires,
		heartbeat:         opts.heartbeat,
		minPending:        opts.minPending,
		minAckPending:     opts.minAckPending,
		group:             opts.group,
		priority:          opts.priority,
	}
	if cfg.maxBytes == 0 {
		cfg.leastBytes = int(2 * maxPayload)
		cfg.maxBytes = max(pullByteBudget, cfg.leastBytes)
		cfg.ownBudget = true
		if info != nil && info.Config.DeliverPolicy == DeliverLastPerSubjectPolicy {
			// Such a consumer never delivers a message that did not fit what a
			// request had left (server 2.15), so none must be too small.
			cfg.maxBytes = maxByteBudget
		}
		// With a limit, the server says of each request that it is complete, which
		// small windows have no use for, and which costs more than the messages.
		cfg.roomy = cfg.maxMessages < topUpFrom && int64(cfg.maxMessages)*(maxPayload+maxEnvelope) <= int64(cfg.maxBytes)
	}
	cfg.topUp = opts.defaultThreshold && cfg.ownBudget && cfg.group == "" && cfg.maxMessages >= topUpFrom
	if opts.ordered && opts.defaultWindow && opts.defaultThreshold && cfg.maxBytes < maxByteBudget {
		cfg.growTo = grownWindow
	}
	if info != nil {
		cfg.limitBatch = info.Config.MaxRequestBatch
		cfg.limitBytes = info.Config.MaxRequestMaxBytes
		cfg.limitExpires = info.Config.MaxRequestExpires
	}
	return cfg
}

// pullEngine decides what a continuous subscription (Consume, Messages) asks
// the server for and when. It is plain data: no locks, no clock, no connection.
// Its owner reports what happens (a message was consumed, a request ended, a
// heartbeat is overdue, the connection changed) and asks what to send.
//
// It counts credit. A request adds to the credit what it asks for; a message
// that was consumed takes one off; a request that ends early gives back what it
// had left, by the server's own account. Since what is buffered locally was
// asked for and not consumed, it is part of the credit, and the window limits
// both together. Invariant: pendMsgs is never below the number of messages that
// can still arrive plus those buffered, except for messages of requests that
// the engine gave up for lost.
type pullEngine struct {
	cfg   pullConfig
	pinID string

	pulls  []livePull // oldest first
	nextID uint64

	pendMsgs, pendBytes int // credit
	backlog             int // of it, what had arrived before requests were given up
	done                int // messages consumed, for stopAfter
	growth              pullGrowth

	// After failures nothing is sent before retryAt. Anything that shows the
	// consumer alive ends the series.
	failures int
	retryAt  time.Time

	heartbeat heartbeatClock
	misses    int // heartbeats missed in a row

	connected bool
	// paused: the consumer is being replaced.
	paused bool
	// starved is set when a request was too small for the next message because
	// the window is partly used: more is asked for only once that has changed.
	starved bool
	// served is set when a request has been served and the window has room for
	// another one, whatever the threshold says.
	served bool
	// unavailable is set while nobody answers for the consumer, so that this is
	// reported once and not with each attempt.
	unavailable bool
}

// verdict is what follows from a status.
type verdict struct {
	report error // to the error handler; consuming goes on
	fatal  error // consuming ends
}

// refill returns the next request to send, if one is due, and takes its credit.
// The caller must send it or call unsent.
func (e *pullEngine) refill(now time.Time) (id uint64, req pullRequest, ok bool) {
	if !e.due() || now.Before(e.retryAt) {
		return 0, pullRequest{}, false
	}
	window := e.window()
	batch := window
	if !e.cfg.byteWindow {
		batch -= e.pendMsgs
	}
	if e.cfg.stopAfter > 0 {
		batch = min(batch, e.cfg.stopAfter-e.done-e.pendMsgs)
	}
	maxBytes := e.cfg.maxBytes
	switch {
	case e.cfg.byteWindow:
		maxBytes -= e.pendBytes
	case window > e.cfg.maxMessages:
		// All requests together have the budget.
		maxBytes = max(maxBytes/window*batch, e.cfg.leastBytes)
	}
	clamped := false
	if e.cfg.limitBatch > 0 && batch > e.cfg.limitBatch {
		batch, clamped = e.cfg.limitBatch, true
	}
	if e.cfg.limitBytes > 0 && maxBytes > e.cfg.limitBytes {
		maxBytes, clamped = e.cfg.limitBytes, e.cfg.byteWindow || clamped
	}
	most := maxTrackedPulls
	if clamped {
		most = cmp.Or(e.cfg.clampedPulls, maxClampedPulls)
	}
	if batch <= 0 || maxBytes <= 0 || e.unfilled() >= most {
		return 0, pullRequest{}, false
	}
	req = pullRequest{
		batch:         batch,
		maxBytes:      maxBytes,
		expires:       e.cfg.expires,
		heartbeat:     e.cfg.heartbeat,
		minPending:    e.cfg.minPending,
		minAckPending: e.cfg.minAckPending,
		pinID:         e.pinID,
		group:         e.cfg.group,
		priority:      e.cfg.priority,
	}
	if e.cfg.limitExpires > 0 {
		req.expires = min(req.expires, e.cfg.limitExpires)
		req.heartbeat = min(req.heartbeat, req.expires/2)
	}
	if !e.watching() {
		e.heartbeat.start(now)
	}
	e.served = false
	e.nextID++
	if len(e.pulls) >= maxTrackedPulls {
		e.forgetFilled()
	}
	unlimited := e.cfg.roomy && e.cfg.limitBytes == 0
	if unlimited {
		req.maxBytes = 0
	}
	e.pulls = append(e.pulls, livePull{
		id: e.nextID, sent: now, pinID: e.pinID, expires: req.expires, unlimited: unlimited,
		batch: batch, maxBytes: maxBytes, left: batch, leftover: maxBytes,
	})
	e.pendMsgs += batch
	e.pendBytes += maxBytes
	return e.nextID, req, true
}

// due reports whether it is time for the next request.
func (e *pullEngine) due() bool {
	if !e.connected || e.paused || e.starved {
		return false
	}
	if e.cfg.byteWindow {
		return e.pendBytes < e.cfg.thresholdBytes
	}
	return e.served || e.pendMsgs < e.threshold() || e.shortOfBytes()
}

// shortOfBytes reports whether messages are so large that the requests in flight
// run out of bytes before the window falls below its threshold. If the next one
// waited for their end, the server would have nothing to do until all of their
// messages are consumed.
func (e *pullEngine) shortOfBytes() bool {
	budget := e.cfg.maxBytes
	if e.cfg.limitBytes > 0 {
		budget = min(budget, e.cfg.limitBytes)
	}
	return e.cfg.topUp && len(e.pulls) > 0 && e.window() == e.cfg.maxMessages &&
		e.pendMsgs < e.cfg.maxMessages && e.pendBytes < budget/2
}

// window returns how many messages may be requested or buffered.
func (e *pullEngine) window() int { return e.growth.window(e.cfg.maxMessages) }

// threshold returns the number of messages below which more are requested.
func (e *pullEngine) threshold() int {
	if e.growth.reached == 0 {
		return e.cfg.thresholdMessages
	}
	return threshold(0, e.window())
}

// ranDry records that what was requested has been served and consumed while the
// server has more to deliver, so that it is the way to the server that holds
// things up, and a larger window helps.
func (e *pullEngine) ranDry() {
	if e.cfg.growTo > 0 {
		e.growth.double(e.cfg.maxMessages, e.cfg.growTo)
	}
	e.fill()
}

// fill lets more be requested although the credit is above the threshold, if
// there is room worth a request. A request ends right behind its last message, so
// there is when it ends, and over a link with delay the rest of the window would
// be of no use until half of it is consumed.
func (e *pullEngine) fill() {
	window := e.window()
	e.served = e.cfg.topUp && window-e.pendMsgs >= window/topUpShare
}

// unsent takes back a request that could not be sent.
func (e *pullEngine) unsent(id uint64, now time.Time) {
	if pull, ok := e.forget(id); ok {
		e.release(pull.left, pull.leftover)
	}
	e.backOff(now, retryBackoffMin, retryBackoffMax)
}

// consumed records that the user is done with a message of the given size.
func (e *pullEngine) consumed(size int) {
	e.done++
	e.alive()
	e.starved = false
	if e.cfg.growTo > 0 {
		e.growth.note(size)
	}
	e.pendMsgs = max(e.pendMsgs-1, 0)
	if e.backlog > 0 {
		e.backlog--
		e.releaseBytes(size)
		return
	}
	e.attribute(size)
}

// control records that a status came out of the buffer. If it was there when
// requests were given up, it was taken for a message then.
func (e *pullEngine) control(size int) {
	if e.backlog > 0 {
		e.backlog--
		e.release(1, size)
	}
}

// drained reports whether the number of messages asked for has been consumed.
func (e *pullEngine) drained() bool {
	return e.cfg.stopAfter > 0 && e.done >= e.cfg.stopAfter
}

// ended records the end of the request with the given id. A request that the
// engine gave up before is unknown: what it says of credit is void then.
func (e *pullEngine) ended(id uint64, status pullStatus, now time.Time) verdict {
	switch {
	case status.malformed,
		errors.Is(status.err, ErrConsumerDeleted),
		errors.Is(status.err, ErrBadRequest),
		errors.Is(status.err, ErrNotPullConsumer):
		return verdict{fatal: status.err}
	}
	pull, known := e.forget(id)
	if !known {
		return verdict{}
	}
	untouched := e.settle(pull, status)
	e.starved = false

	switch {
	case errors.Is(status.err, nats.ErrTimeout) && untouched && now.Sub(pull.sent) < pull.expires/2:
		// The server gave it up long before its time. There is no error to it,
		// but it must not become a habit.
		e.retry(now)
		return verdict{}
	case errors.Is(status.err, nats.ErrTimeout):
		e.alive()
		return verdict{}
	case errors.Is(status.err, ErrBatchCompleted):
		e.alive()
		e.fill()
		return verdict{}
	case errors.Is(status.err, ErrMaxBytesExceeded):
		return e.oversized(pull, untouched, now)
	case errors.Is(status.err, ErrPinIDMismatch):
		if e.pinID == pull.pinID {
			e.pinID = ""
		}
		e.retry(now)
	// When the server that leads the consumer goes, a request may have crossed
	// with that news, and nobody will ever answer it. So all requests are given
	// up with the first one that ends for that reason; others that get a status
	// as well are unknown then, and the user hears of one event once.
	case errors.Is(status.err, ErrConsumerLeadershipChanged):
		e.abandon(0, 0)
		e.retry(now)
	case errors.Is(status.err, ErrServerShutdown):
		e.abandon(0, 0)
		e.failures++
		e.retryAt = now.Add(shutdownRetryDelay + jitter(shutdownRetryDelay/2))
	case errors.Is(status.err, nats.ErrNoResponders):
		e.backOff(now, retryBackoffMin, retryBackoffMax)
		if e.unavailable {
			return verdict{}
		}
		e.unavailable = true
	case e.knownLimit(pull):
		// One of several that were sent before the limit was known.
		return verdict{}
	case e.learnLimit(status.description):
		// Requests within the limit have not failed yet.
		e.retryAt = time.Time{}
	default:
		e.backOff(now, retryBackoffMin, retryBackoffMax)
	}
	return verdict{report: status.err}
}

// oversized handles a request that ended because the next message does not fit
// what it had left.
func (e *pullEngine) oversized(pull livePull, untouched bool, now time.Time) verdict {
	switch {
	case !untouched:
		// It was of use; the next one gets the message.
		e.alive()
		return verdict{}
	case pull.maxBytes < e.cfg.maxBytes && e.pendBytes > 0 && e.cfg.byteWindow:
		// It asked for what the window had free. Asking for the same again is
		// of no use before something was consumed.
		e.starved = true
		return verdict{}
	case pull.maxBytes < e.cfg.maxBytes && pull.maxBytes != e.cfg.limitBytes:
		// It had a part of the budget, or the budget has been raised since.
		e.growth.reached = 0
		return verdict{}
	case e.cfg.ownBudget && pull.maxBytes != e.cfg.limitBytes && pull.maxBytes < maxByteBudget:
		e.cfg.maxBytes *= 2
		return verdict{}
	default:
		e.backOff(now, oversizeBackoffMin, max(e.cfg.heartbeat, oversizeBackoffMin))
		return verdict{report: ErrMaxBytesExceeded}
	}
}

// knownLimit reports whether a request exceeds a limit that has been learnt
// since it was sent.
func (e *pullEngine) knownLimit(pull livePull) bool {
	return (e.cfg.limitBatch > 0 && pull.batch > e.cfg.limitBatch) ||
		(e.cfg.limitBytes > 0 && pull.maxBytes > e.cfg.limitBytes) ||
		(e.cfg.limitExpires > 0 && pull.expires > e.cfg.limitExpires)
}

// learnLimit lowers a limit that the server says a request exceeded, and
// reports whether it could.
func (e *pullEngine) learnLimit(description string) bool {
	what, value, ok := strings.Cut(description, " of ")
	if !ok {
		return false
	}
	switch strings.ToLower(what) {
	case "exceeded maxrequestbatch":
		n, err := strconv.Atoi(value)
		if err != nil || n <= 0 || (e.cfg.limitBatch > 0 && n >= e.cfg.limitBatch) {
			return false
		}
		e.cfg.limitBatch = n
	case "exceeded maxrequestmaxbytes":
		n, err := strconv.Atoi(value)
		if err != nil || n <= 0 || (e.cfg.limitBytes > 0 && n >= e.cfg.limitBytes) {
			return false
		}
		e.cfg.limitBytes = n
	case "exceeded maxrequestexpires":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 || (e.cfg.limitExpires > 0 && d >= e.cfg.limitExpires) {
			return false
		}
		e.cfg.limitExpires = d
	default:
		return false
	}
	return true
}

// alive records that the server serves this consumer: failures are over.
func (e *pullEngine) alive() {
	if e.failures == 0 && e.misses == 0 {
		return
	}
	e.failures, e.misses = 0, 0
	e.unavailable = false
	e.retryAt = time.Time{}
}

// retry asks for the next request at once, unless that has just failed, too.
func (e *pullEngine) retry(now time.Time) {
	if e.failures == 0 {
		e.failures = 1
		return
	}
	e.backOff(now, retryBackoffMin, retryBackoffMax)
}

// backOff postpones the next request, doubling from first to limit.
func (e *pullEngine) backOff(now time.Time, first, limit time.Duration) {
	pause := limit
	if e.failures < 16 {
		pause = min(first<<e.failures, limit)
	}
	e.failures++
	e.retryAt = now.Add(jitter(pause))
}

// jitter spreads clients that were cut off at the same time: d plus or minus a
// quarter.
func jitter(d time.Duration) time.Duration {
	return d - d/4 + rand.N(d/2+1) //nolint:gosec // not a secret
}

// abandon gives up all requests in flight. What is left of the credit is what
// has arrived and was not consumed yet.
func (e *pullEngine) abandon(bufferedMsgs, bufferedBytes int) {
	e.pulls = e.pulls[:0]
	e.pendMsgs, e.pendBytes = bufferedMsgs, bufferedBytes
	e.backlog = bufferedMsgs
	e.starved, e.served = false, false
}

// disconnected stops requests and the heartbeat clock until reconnected.
func (e *pullEngine) disconnected() { e.connected = false }

// reconnected starts over: the server, a new one perhaps, knows of no request.
func (e *pullEngine) reconnected(bufferedMsgs, bufferedBytes int, now time.Time) {
	e.connected = true
	e.abandon(bufferedMsgs, bufferedBytes)
	e.alive()
	e.heartbeat.start(now)
}

// pause gives up all requests and makes no more until restart.
func (e *pullEngine) pause() {
	e.paused = true
	e.abandon(0, 0)
}

// restart begins anew with another consumer, while the user is still working on
// inHand messages of the last one.
func (e *pullEngine) restart(inHand int, now time.Time) {
	e.paused = false
	e.abandon(inHand, 0)
	e.alive()
	e.heartbeat.start(now)
}

// watching reports whether a sign of life can be expected from the server.
func (e *pullEngine) watching() bool {
	pending := e.pendMsgs > 0 || (e.cfg.byteWindow && e.pendBytes > 0)
	return e.connected && !e.paused && (pending || e.failures > 0)
}

// missedHeartbeat reports whether the server has been silent for twice the
// heartbeat, and then starts the next interval and gives up the requests in
// flight. active says that something arrived since the last call, or that the
// silence is of our own making.
func (e *pullEngine) missedHeartbeat(active bool, now time.Time) bool {
	if !e.heartbeat.overdue(active || !e.watching(), now) {
		return false
	}
	e.misses++
	e.abandon(0, 0)
	e.unavailable = false
	e.retryAt = time.Time{}
	return true
}

// wait returns how long the owner may leave the engine alone: until the next
// look at the heartbeat, or until a postponed request may be sent.
func (e *pullEngine) wait(now time.Time) time.Duration {
	wait := e.heartbeat.interval / heartbeatChecks
	if e.due() && e.retryAt.After(now) {
		wait = min(wait, e.retryAt.Sub(now))
	}
	return wait
}

// doubtful reports whether heartbeats have been missing for so long that it is
// time to ask whether the consumer still exists.
func (e *pullEngine) doubtful() bool { return e.misses >= probeAfterMisses }
