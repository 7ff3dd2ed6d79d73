package jetstream

// kvAskMax is how often a stream that grows faster than it can be read is asked for
// its end.
const kvAskMax = 4

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
// it is not trusted. A message that vanishes because its key was written again
// comes later, with its new revision, but by then the update of another key may
// have been counted in its place; those who must not miss a key are exact, and do
// not trust the count alone either.
//
// What is left of doubt then is settled by asking the stream for its last
// sequence. If that had been delivered before, nothing is missing. If not, this
// is repeated once it has been.
type initialEntries struct {
	exact    bool
	trusted  bool // the number of messages left is
	complete bool
	left     uint64 // messages to come, if none vanishes
	seen     uint64 // stream sequence of the last message

	doubtful bool   // the numbers are not enough
	asking   bool   // the stream is being asked for its last sequence
	since    uint64 // what was seen when it was asked
	end      uint64 // the last answer
	asked    int
}

// initialStep is what follows from a message.
type initialStep struct {
	fresh  bool // it has not come before
	last   bool // it completes the initial entries
	enough bool // none can vanish any more: there are updates in place of those that did
	ask    bool // the stream is to be asked for its last sequence
}

// restart records that a consumer with so many messages pending begins to
// deliver. It reports whether that completes the initial entries.
func (i *initialEntries) restart(pending uint64) bool {
	if i.complete {
		i.left = 0
		return false
	}
	i.left, i.doubtful, i.asking, i.end = pending, false, false, 0
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
	case counted && (!i.exact || (drained && i.trusted && !i.doubtful)),
		drained && !i.exact && i.trusted:
		i.complete = true
	case i.doubtful:
		step.ask = !i.asking && seq >= i.end
	case counted || drained:
		i.doubtful, step.ask = true, true
	}
	if step.ask {
		i.asking, i.since = true, i.seen
	}
	step.last = i.complete
	return step
}

// answer records the last sequence of the stream, if it is known. The entries may
// be complete then, or it has to be asked again at once.
func (i *initialEntries) answer(end uint64, known bool) (last, ask bool) {
	if i.complete || !i.asking {
		return false, false
	}
	i.asking, i.end = false, end
	i.asked++
	switch {
	case !known: // the next message is an occasion
	case i.since >= end || i.asked >= kvAskMax:
		i.complete = true
	case i.seen >= end:
		i.asking, i.since = true, i.seen
	}
	return i.complete, i.asking
}
