package jetstream

import "time"

// livePull is a request the server may still be answering.
type livePull struct {
	id    uint64
	sent  time.Time
	pinID string

	batch    int // messages asked for
	maxBytes int
	expires  time.Duration
	// unlimited: the server was not told of maxBytes, and cannot tell what is left.
	unlimited bool
	left      int // messages of it that have not come yet, see pullEngine.attribute
	leftover  int // bytes likewise
}

// filled reports whether the request expects nothing any more.
func (p *livePull) filled() bool { return p.left == 0 || p.leftover == 0 }

// attribute books a message on the oldest request that still expects one of
// that size. Which one it really belongs to is not known when there are several;
// rebook corrects that when one of them ends.
func (e *pullEngine) attribute(size int) {
	e.releaseBytes(size)
	booked := -1
	for i := range e.pulls {
		if e.pulls[i].left == 0 {
			continue
		}
		if fits := e.pulls[i].leftover >= size; fits || booked < 0 {
			booked = i
			if fits {
				break
			}
		}
	}
	if booked < 0 {
		return
	}
	pull := &e.pulls[booked]
	pull.left--
	pull.leftover -= size
	if pull.leftover <= 0 {
		e.balance()
	}
}

// rebook corrects the books of the requests in flight by what was booked on one
// that has ended, although it belongs to them.
func (e *pullEngine) rebook(msgs, bytes int) {
	for i := range e.pulls {
		pull := &e.pulls[i]
		m := max(min(msgs, pull.left), pull.left-pull.batch)
		pull.left -= m
		msgs -= m
		b := max(min(bytes, max(pull.leftover, 0)), min(pull.leftover-pull.maxBytes, 0))
		pull.leftover -= b
		bytes -= b
	}
}

// balance looks for the end of requests that the server does not report: that of
// one whose bytes are used up exactly. Only when all requests together have no
// bytes left, it is certain that this is not a matter of the wrong books.
//
// Without a request in flight there is no credit. Statuses come behind the
// messages of their request, so nothing can be buffered for it: what is left is
// the sum of small errors, as when messages through an import of another account
// are shorter than the server counted. If it were kept, it would use up the
// window in the end.
func (e *pullEngine) balance() {
	msgs, bytes := 0, 0
	for i := range e.pulls {
		msgs += e.pulls[i].left
		bytes += e.pulls[i].leftover
	}
	if bytes != 0 {
		return
	}
	e.pulls = e.pulls[:0]
	e.release(msgs, 0)
	if e.backlog == 0 {
		e.pendMsgs, e.pendBytes = 0, 0
	}
}

// settle gives back what a request that has ended had left, and reports whether
// that is all of it.
func (e *pullEngine) settle(pull livePull, status pullStatus) (untouched bool) {
	booked, bookedBytes := pull.left, pull.leftover
	left, leftover := max(booked, 0), max(bookedBytes, 0)
	switch {
	case status.pendingMsgs != notCounted:
		left = status.pendingMsgs
		if !pull.unlimited {
			leftover = max(status.pendingBytes, 0)
		}
	case status.refused():
		left, leftover = pull.batch, pull.maxBytes
	}
	e.release(left, leftover)
	e.rebook(left-booked, leftover-bookedBytes)
	if status.pendingMsgs == notCounted || left >= booked {
		// Otherwise messages are still on their way: those of a replicated
		// consumer, which a status can overtake.
		e.balance()
	}
	return left >= pull.batch
}

// releaseLost gives up requests whose time is over for two heartbeats without a word
// about them, which other requests keep from being noticed: the server (2.15) drops
// one in silence if the consumer has as many waiting as it allows. It is called when
// nothing is buffered that could be about them.
func (e *pullEngine) releaseLost(now time.Time) {
	for i := 0; i < len(e.pulls); i++ {
		pull := e.pulls[i]
		if pull.filled() || now.Sub(pull.sent) < pull.expires+2*max(e.cfg.heartbeat, minPullHeartbeat) {
			continue
		}
		e.forget(pull.id)
		// Nothing of it has come. What was booked on it belongs to others.
		e.settle(pull, pullStatus{pendingMsgs: pull.batch, pendingBytes: pull.maxBytes})
		i = -1 // the books have changed
	}
}

// unfilled counts the requests in flight that still expect messages.
func (e *pullEngine) unfilled() int {
	n := 0
	for i := range e.pulls {
		if !e.pulls[i].filled() {
			n++
		}
	}
	return n
}

// knows reports whether the request with the given id is in flight.
func (e *pullEngine) knows(id uint64) bool {
	for i := range e.pulls {
		if e.pulls[i].id == id {
			return true
		}
	}
	return false
}

// forget removes a request from those in flight.
func (e *pullEngine) forget(id uint64) (livePull, bool) {
	for i, pull := range e.pulls {
		if pull.id == id {
			e.pulls = append(e.pulls[:i], e.pulls[i+1:]...)
			return pull, true
		}
	}
	return livePull{}, false
}

// forgetFilled makes room for another request, for servers that do not report
// the end of each: the oldest one that expects nothing any more is forgotten.
func (e *pullEngine) forgetFilled() {
	for i := range e.pulls {
		if e.pulls[i].filled() {
			e.pulls = append(e.pulls[:i], e.pulls[i+1:]...)
			return
		}
	}
}

func (e *pullEngine) release(msgs, bytes int) {
	e.pendMsgs = max(e.pendMsgs-msgs, 0)
	e.releaseBytes(bytes)
}

func (e *pullEngine) releaseBytes(bytes int) {
	e.pendBytes = max(e.pendBytes-bytes, 0)
}
