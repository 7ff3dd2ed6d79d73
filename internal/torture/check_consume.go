package torture

import (
	"fmt"
	"time"
)

// answer is what a handler did about a message.
type answer uint8

const (
	noAnswer  answer = iota // it was left to the AckWait, or sending failed
	nak                     // it is to come again
	ack                     // sent, which says nothing about its arrival
	confirmed               // the server has confirmed the acknowledgement
)

// delivery is a message as it was handed out.
type delivery struct {
	seq, attempt uint64
	id           string
	intact       bool
	begun, ended time.Time // of handling it, which includes the answer
	answer       answer
}

// consumption is what is known about a consumer when its deliveries are judged.
type consumption struct {
	stored  []entry
	purged  uint64 // messages below may be gone
	ackWait time.Duration
	// recreated: the consumer was deleted and made again, so what comes again says
	// nothing.
	recreated bool
	// attempts: no two deliveries of a message may have the same number. Servers
	// of a cluster deliver before they agree, so a new leader can repeat one.
	attempts bool
}

// checkDeliveries looks at what was handed out, in this order, against what a
// stream holds. It also counts why messages came again.
func checkDeliveries(c consumption, deliveries []delivery) (violations []string, again map[string]int) {
	fail := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	again = make(map[string]int)
	stored := make(map[uint64]entry, len(c.stored))
	for _, e := range c.stored {
		stored[e.seq] = e
	}
	before := make(map[uint64][]delivery)
	for _, d := range deliveries {
		e, ok := stored[d.seq]
		switch {
		case ok && (e.id != d.id || !d.intact):
			fail("message %d came as %q, intact: %v; stored is %q", d.seq, d.id, d.intact, e.id)
		case !ok && d.seq >= c.purged:
			fail("message %d was handed out and is not stored", d.seq)
		}
		if earlier := before[d.seq]; len(earlier) > 0 {
			last := earlier[len(earlier)-1]
			if d.attempt <= last.attempt && !c.recreated {
				again["with the same number of the attempt"]++
				if c.attempts {
					fail("message %d: attempt %d came after attempt %d", d.seq, d.attempt, last.attempt)
				}
			}
			why := c.whyAgain(e, earlier)
			again[why]++
			if why == unexplained && ok && !c.recreated {
				fail("message %d came again though its acknowledgement was confirmed %v after it was stored", d.seq, last.ended.Sub(e.at))
			}
		}
		before[d.seq] = append(before[d.seq], d)
	}
	for _, e := range c.stored {
		if len(before[e.seq]) == 0 && e.seq >= c.purged {
			fail("message %d (%s) was never handed out", e.seq, e.id)
		}
	}
	return violations, again
}

const unexplained = "though confirmed in time"

// savedUnit is the precision to which a server keeps the times of deliveries over a
// restart. It rounds down, so the AckWait may end earlier by so much.
const savedUnit = time.Second

// whyAgain explains another delivery of a message, given the earlier ones. The
// client cannot know when the server made a delivery, only that it was not before
// the message was stored.
func (c consumption) whyAgain(e entry, earlier []delivery) string {
	last := earlier[len(earlier)-1]
	switch last.answer {
	case noAnswer:
		return "not acknowledged"
	case nak:
		return "negatively acknowledged"
	case ack:
		return "acknowledgement not confirmed"
	case confirmed:
	}
	for _, d := range earlier {
		if d.answer != confirmed {
			return "confirmed after an attempt that was not"
		}
	}
	if last.ended.Sub(e.at) >= c.ackWait-savedUnit {
		return "confirmed after AckWait"
	}
	return unexplained
}

// checkOrdered looks at what an ordered consumer handed out: exactly what is
// stored between the first and the last of it, in order.
func checkOrdered(stored []entry, purged uint64, deliveries []delivery) (violations []string) {
	fail := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	if len(deliveries) == 0 {
		return nil
	}
	next := 0
	for next < len(stored) && stored[next].seq < deliveries[0].seq {
		next++
	}
	last := deliveries[0].seq - 1
	for _, d := range deliveries {
		if d.seq <= last {
			fail("message %d came after %d", d.seq, last)
			continue
		}
		last = d.seq
		for next < len(stored) && stored[next].seq < d.seq {
			if stored[next].seq >= purged {
				fail("message %d (%s) is missing before %d", stored[next].seq, stored[next].id, d.seq)
			}
			next++
		}
		switch {
		case next < len(stored) && stored[next].seq == d.seq:
			if stored[next].id != d.id || !d.intact {
				fail("message %d came as %q, intact: %v; stored is %q", d.seq, d.id, d.intact, stored[next].id)
			}
			next++
		case d.seq >= purged:
			fail("message %d was handed out and is not stored", d.seq)
		}
	}
	return violations
}
