package jetstream

import "time"

// ackToken identifies a pending publish in the reply subject of its message. It
// is a number that a counter yields, and never comes twice in practice.
type ackToken uint64

const (
	base62Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	// ackTokenLen is the length of a token in a subject.
	ackTokenLen = 6

	// ackTokenCount is the number of tokens, 62 to the power of ackTokenLen.
	ackTokenCount ackToken = 62 * 62 * 62 * 62 * 62 * 62
)

// base62Values maps a digit to its value plus one, and other bytes to zero.
var base62Values = func() (values [256]uint8) {
	for i := range len(base62Digits) {
		values[base62Digits[i]] = uint8(i + 1)
	}
	return values
}()

// next returns the token after t.
func (t ackToken) next() ackToken { return (t + 1) % ackTokenCount }

// appendTo appends t as it is written in subjects.
func (t ackToken) appendTo(b []byte) []byte {
	var digits [ackTokenLen]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base62Digits[t%62]
		t /= 62
	}
	return append(b, digits[:]...)
}

// parseAckToken reads the token a reply subject ends in.
func parseAckToken(subject string) (t ackToken, ok bool) {
	if len(subject) < ackTokenLen {
		return 0, false
	}
	for _, c := range []byte(subject[len(subject)-ackTokenLen:]) {
		value := base62Values[c]
		if value == 0 {
			return 0, false
		}
		t = t*62 + ackToken(value-1)
	}
	return t, true
}

// ackRing holds the pending publishes. A token leads to its slot without
// hashing: as acknowledgements mostly arrive in the order of the messages, the
// pending tokens are a window that moves round the ring. One that stays behind
// keeps its slot, and the counter steps over it when it comes by.
//
// It is not safe for concurrent use.
type ackRing struct {
	slots []*pubFuture // as many as a power of two, or none
	count int
	// last is the token that was assigned last.
	last ackToken
}

// ackRingMinSize is the number of slots to begin with.
const ackRingMinSize = 16

func (r *ackRing) slot(t ackToken) **pubFuture {
	return &r.slots[t&ackToken(len(r.slots)-1)]
}

// add gives f a token and a slot.
func (r *ackRing) add(f *pubFuture) {
	if r.count == len(r.slots) {
		r.grow()
	}
	t := r.last.next()
	for *r.slot(t) != nil {
		t = t.next()
	}
	f.token = t
	*r.slot(t) = f
	r.last = t
	r.count++
}

// grow doubles the ring. Two tokens that had different slots still do.
func (r *ackRing) grow() {
	old := r.slots
	r.slots = make([]*pubFuture, max(ackRingMinSize, 2*len(old)))
	for _, f := range old {
		if f != nil {
			*r.slot(f.token) = f
		}
	}
}

// get returns the pending publish with a token, or nil.
func (r *ackRing) get(t ackToken) *pubFuture {
	if r.count == 0 {
		return nil
	}
	if f := *r.slot(t); f != nil && f.token == t {
		return f
	}
	return nil
}

// remove frees the slot of f. It reports whether f had one.
func (r *ackRing) remove(f *pubFuture) bool {
	if r.get(f.token) != f {
		return false
	}
	*r.slot(f.token) = nil
	r.count--
	return true
}

// all returns the pending publishes, the oldest first unless some have stayed
// behind.
func (r *ackRing) all() []*pubFuture {
	if r.count == 0 {
		return nil
	}
	all := make([]*pubFuture, 0, r.count)
	for i := range r.slots {
		if f := *r.slot(r.last + 1 + ackToken(i)); f != nil {
			all = append(all, f)
		}
	}
	return all
}

// dueList holds pending publishes in the order of the time they are due at. It
// links the futures themselves, so that joining and leaving cost nothing. A
// future is in one list at most.
type dueList struct {
	head, tail *pubFuture
}

// insert adds f, which becomes due at the given time, behind all that are due
// no later. As waits rarely differ, that place is the end or close to it.
func (l *dueList) insert(f *pubFuture, due time.Duration) {
	prev := l.tail
	for prev != nil && prev.due > due {
		prev = prev.prev
	}
	f.due, f.prev = due, prev
	if prev == nil {
		f.next, l.head = l.head, f
	} else {
		f.next, prev.next = prev.next, f
	}
	if f.next == nil {
		l.tail = f
	} else {
		f.next.prev = f
	}
}

// remove takes f out if it is in the list. It must not be in another.
func (l *dueList) remove(f *pubFuture) {
	if f.prev == nil && l.head != f {
		return
	}
	if f.prev == nil {
		l.head = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next == nil {
		l.tail = f.prev
	} else {
		f.next.prev = f.prev
	}
	f.next, f.prev = nil, nil
}

// popDue takes out and returns the first future if it is due, or else nil.
func (l *dueList) popDue(now time.Duration) *pubFuture {
	f := l.head
	if f == nil || f.due > now {
		return nil
	}
	l.remove(f)
	return f
}

// earliest returns when the first future is due, if there is one.
func (l *dueList) earliest() (due time.Duration, ok bool) {
	if l.head == nil {
		return 0, false
	}
	return l.head.due, true
}
