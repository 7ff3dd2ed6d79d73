package jetstream

// maxAsks is how often a stream that grows faster than it can be read is asked for
// what comes next.
const maxAsks = 4

// initialEntries finds out which message is the last one of those that were
// there when a watch began.
//
// The server says how many are pending when it makes a consumer, and with each
// message how many are left. Neither is enough: with a steady writer the number
// left need not reach zero, and messages that were pending can vanish and are
// not delivered then. So whichever of the two comes first is taken.
//
// Where the server picks the last message of each subject out of several, it
// (2.15) takes off the number left for older ones that it never counted, and so
// it is not trusted.
//
// A message that vanishes because its key was written again comes later, with its
// new revision, but by then the update of another key may have been counted in
// its place. Those who must not miss a key are exact: the count is good for them
// only if all messages are from the part of the stream that was there before.
//
// What is left of doubt is settled by asking the stream for the next message
// behind those that have come. If there is none, nothing is missing. If there is,
// this is repeated once it has been delivered.
type initialEntries struct {
	exact    bool
	trusted  bool   // the number of messages left is
	before   uint64 // last sequence of the stream before anything was delivered, for exact ones
	complete bool
	left     uint64 // messages to come, if none vanishes
	seen     uint64 // stream sequence of the last message

	doubtful bool   // the numbers are not enough
	asking   bool   // the stream is being asked for what comes next
	next     uint64 // the last answer
	asked    int
}

// initialStep is what follows from a message.
type initialStep struct {
	fresh  bool // it has not come before
	last   bool // it completes the initial entries
	enough bool // none can vanish any more: there are updates in place of those that did
	ask    bool // the stream is to be asked what comes next
}

// restart records that a consumer with so many messages pending begins to
// deliver. It reports whether that completes the initial entries.
func (i *initialEntries) restart(pending uint64) bool {
	if i.complete {
		i.left = 0
		return false
	}
	i.left, i.doubtful, i.asking, i.next = pending, false, false, 0
	i.complete = pending == 0
	return i.complete
}

// take records a message.
func (i *initialEntries) take(seq, pending uint64) initialStep {
	step := initialStep{fresh: seq > i.seen}
	i.seen = max(i.seen, seq)
	if i.left > 0 {
		i.left--
		step.enough = i.left == 0
	}
	if i.complete {
		return step
	}
	counted, drained := i.left == 0, pending == 0
	switch {
	case counted && (!i.exact || (drained && i.trusted && i.seen <= i.before)),
		drained && !i.exact && i.trusted:
		i.complete = true
	case i.doubtful:
		step.ask = !i.asking && seq >= i.next
	case counted || drained:
		i.doubtful, step.ask = true, true
	}
	if step.ask {
		i.asking = true
	}
	step.last = i.complete
	return step
}

// answer records the sequence of the message that comes next, zero if there is
// none, unless it is not known. The entries may be complete then, or the stream
// has to be asked again at once.
func (i *initialEntries) answer(next uint64, known bool) (last, ask bool) {
	if i.complete || !i.asking {
		return false, false
	}
	i.asking, i.next = false, 0
	i.asked++
	switch {
	case !known: // the next message is an occasion
		return false, false
	case next == 0 || i.asked >= maxAsks:
		i.complete = true
	default:
		i.next, i.asking = next, i.seen >= next
	}
	return i.complete, i.asking
}
