package torture

import "fmt"

// outcome is what a publisher may believe about a message.
type outcome uint8

const (
	absent  outcome = iota // every attempt was refused
	unknown                // an attempt may have succeeded
	acked                  // an attempt was reported to have succeeded
)

// publish is a message and what came of it. All attempts to publish it carry the
// same message id.
type publish struct {
	id      string
	size    int
	seq     uint64 // where it is stored, if it is acked
	outcome outcome
}

// settle takes in the outcome of an attempt.
func (p *publish) settle(seq uint64, err error) {
	switch {
	case err == nil:
		p.outcome, p.seq = acked, seq
	case !definite(err) && p.outcome == absent:
		p.outcome = unknown
	}
}

// checkPublishes compares what publishers believe with what a stream holds.
// Messages with a sequence below purged may be gone.
func checkPublishes(published []publish, stored []entry, purged uint64) (violations []string) {
	fail := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	bySeq := make(map[uint64]string, len(stored))
	byID := make(map[string]entry, len(stored))
	for _, e := range stored {
		if before, ok := byID[e.id]; ok {
			fail("message %s is stored twice, as %d and %d", e.id, before.seq, e.seq)
		}
		bySeq[e.seq] = e.id
		byID[e.id] = e
	}
	sequences := make(map[uint64]string)
	for _, p := range published {
		e, isStored := byID[p.id]
		delete(byID, p.id)
		switch {
		case p.outcome == acked && sequences[p.seq] != "":
			fail("sequence %d was reported for %s and for %s", p.seq, sequences[p.seq], p.id)
		case p.outcome == acked && p.seq < purged:
		case p.outcome == acked && bySeq[p.seq] != p.id:
			fail("message %s was reported to be stored as %d, where there is %q", p.id, p.seq, bySeq[p.seq])
		case p.outcome == absent && isStored:
			fail("message %s was reported to be refused and is stored as %d", p.id, e.seq)
		}
		if p.outcome == acked {
			sequences[p.seq] = p.id
		}
		if isStored && (!e.intact || e.size != p.size) {
			fail("message %s is stored as %d with another payload of %d bytes, not %d", p.id, e.seq, e.size, p.size)
		}
	}
	for id, e := range byID {
		fail("message %q, stored as %d, was published by nobody", id, e.seq)
	}
	return violations
}
