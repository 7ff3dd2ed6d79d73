package jetstream

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// psPull is a request as the simulated server knows it.
type psPull struct {
	id       uint64
	batch    int
	left     int
	leftover int // bytes
	deadline time.Time
	beatAt   time.Time // of the next heartbeat
}

// psItem is what the server sends: a message, a status or a heartbeat.
type psItem struct {
	size   int
	status *pullStatus // of a request that has ended
	beat   bool
	id     uint64
}

func (i psItem) isMessage() bool { return i.status == nil && !i.beat }

// psStatusSize is the size of a status, which takes room in the buffer like a
// message.
const psStatusSize = 60

// psSim is a pull engine with a server, a wire and a buffer between them. The
// server behaves as the real one: it serves the requests in turns and reports
// the end of each, except that of a request whose bytes are used up exactly.
type psSim struct {
	*peRig
	rng *rand.Rand

	// size makes the sizes of messages.
	size func() int
	next int // size of the message that is delivered next

	outbox    []peSent // requests on their way
	pulls     []psPull // requests at the server, in the order they are served
	available int      // messages to deliver
	wire      []psItem
	buffer    []psItem
	active    bool
	missed    int
	largest   int // window so far

	// extra is what may be outstanding beyond the window: when the server that
	// leads the consumer goes, the engine gives up all requests, since one that
	// crosses with that news is never answered. One that reached the next leader
	// is served nevertheless.
	extra int

	events []psEvent // the last ones, for the report of a failure
}

// psEvent is formatted only when it is needed.
type psEvent struct {
	format string
	args   []any
}

func psNew(t *testing.T, seed uint64, size func(*rand.Rand) int, window psWindow) *psSim {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // not a secret
	s := &psSim{peRig: peNew(t, window.opts...), rng: rng}
	s.cfg.growTo = window.growTo
	s.cfg.roomy = window.noBytes
	s.size = func() int { return size(rng) }
	s.next = s.size()
	s.ask()
	return s
}

func (s *psSim) log(format string, args ...any) {
	if len(s.events) == cap(s.events) {
		s.events = append(make([]psEvent, 0, 200), s.events[max(len(s.events)-60, 0):]...)
	}
	s.events = append(s.events, psEvent{format, args})
}

// fatalf fails with the events that led to it.
func (s *psSim) fatalf(format string, args ...any) {
	s.t.Helper()
	for _, event := range s.events {
		s.t.Logf(event.format, event.args...)
	}
	s.t.Fatalf(format, args...)
}

// ask sends what the engine asks for.
func (s *psSim) ask() {
	s.t.Helper()
	for _, sent := range s.pump() {
		s.log("request %d: %d messages, %d bytes", sent.id, sent.req.batch, sent.req.maxBytes)
		s.outbox = append(s.outbox, sent)
	}
	s.check()
}

// outstanding returns what may still reach the user: requested and buffered.
func (s *psSim) outstanding() (msgs, bytes int) {
	for _, sent := range s.outbox {
		msgs += sent.req.batch
		bytes += sent.req.maxBytes
	}
	for _, pull := range s.pulls {
		msgs += pull.left
		bytes += pull.leftover
	}
	for _, items := range [][]psItem{s.wire, s.buffer} {
		for _, item := range items {
			if item.isMessage() {
				msgs++
				bytes += item.size
			}
		}
	}
	return msgs, bytes
}

// check holds what is outstanding against the window.
func (s *psSim) check() {
	s.t.Helper()
	s.largest = max(s.largest, s.window())
	msgs, bytes := s.outstanding()
	if s.cfg.byteWindow {
		if bytes > s.cfg.maxBytes*(1+s.extra) {
			s.fatalf("%d bytes are requested or buffered, the window is %d", bytes, s.cfg.maxBytes)
		}
	} else if msgs > s.largest*(1+s.extra) {
		s.fatalf("%d messages are requested or buffered, the window is %d", msgs, s.largest)
	}
	if s.cfg.stopAfter > 0 && s.extra == 0 && s.done+msgs > s.cfg.stopAfter {
		s.fatalf("%d messages are consumed, %d more requested or buffered, stop is after %d", s.done, msgs, s.cfg.stopAfter)
	}
}

// accept lets a request reach the server, which may refuse it.
func (s *psSim) accept(refuse string) {
	if len(s.outbox) == 0 {
		return
	}
	sent := s.outbox[0]
	s.outbox = s.outbox[1:]
	if refuse != "" {
		s.report(sent.id, peStatus(refuse))
		return
	}
	pull := psPull{
		id: sent.id, batch: sent.req.batch, left: sent.req.batch, leftover: sent.req.maxBytes,
		deadline: s.now.Add(sent.req.expires), beatAt: s.now.Add(sent.req.heartbeat),
	}
	if s.cfg.roomy {
		pull.leftover = math.MaxInt
	}
	s.pulls = append(s.pulls, pull)
}

func (s *psSim) report(id uint64, status pullStatus) {
	s.log("request %d ends: %v, %d messages, %d bytes left", id, status.err, status.pendingMsgs, status.pendingBytes)
	s.wire = append(s.wire, psItem{size: psStatusSize, status: &status, id: id})
}

// serve delivers the next message to the request whose turn it is.
func (s *psSim) serve() {
	for s.available > 0 && len(s.pulls) > 0 {
		pull := s.pulls[0]
		s.pulls = s.pulls[1:]
		if s.next > pull.leftover {
			s.report(pull.id, peStatus(peTooLarge, pull.left, pull.leftover))
			continue
		}
		s.log("a message of %d bytes for request %d", s.next, pull.id)
		s.wire = append(s.wire, psItem{size: s.next})
		pull.left--
		pull.leftover -= s.next
		pull.beatAt = s.now.Add(s.cfg.heartbeat)
		s.available--
		s.next = s.size()
		switch {
		case pull.leftover == 0, pull.left == 0 && s.cfg.roomy:
			s.log("request %d is used up", pull.id)
		case pull.left == 0:
			s.report(pull.id, peStatus(peComplete, 0, pull.leftover))
		default:
			s.pulls = append(s.pulls, pull)
		}
		return
	}
}

// account returns what a request had left, as the server tells it: without a
// limit of bytes it has none.
func (s *psSim) account(pull psPull, line string) pullStatus {
	if s.cfg.roomy {
		return peStatus(line, pull.left, 0)
	}
	return peStatus(line, pull.left, pull.leftover)
}

// endOne ends a request with an account of what it had left.
func (s *psSim) endOne(i int, line string) {
	pull := s.pulls[i]
	s.pulls = append(s.pulls[:i:i], s.pulls[i+1:]...)
	s.report(pull.id, s.account(pull, line))
}

// endAll ends all requests, without an account unless it is counted.
func (s *psSim) endAll(line string, counted bool) {
	for _, pull := range s.pulls {
		if counted {
			s.report(pull.id, s.account(pull, line))
		} else {
			s.report(pull.id, peStatus(line))
		}
	}
	s.pulls = nil
}

// arrive moves items from the wire to the buffer.
func (s *psSim) arrive(n int) {
	n = min(n, len(s.wire))
	s.buffer = append(s.buffer, s.wire[:n]...)
	s.wire = s.wire[n:]
}

// take lets the user consume the next item of the buffer.
func (s *psSim) take() {
	s.t.Helper()
	if len(s.buffer) == 0 || s.drained() {
		return
	}
	item := s.buffer[0]
	s.buffer = s.buffer[1:]
	switch {
	case item.beat:
		s.control(item.size)
		s.alive()
		s.active = true
	case item.status != nil:
		s.control(item.size)
		if gone := item.status.err; gone == ErrConsumerLeadershipChanged || gone == ErrServerShutdown {
			for _, pull := range s.peRig.pulls {
				if pull.id > item.id && s.knows(item.id) {
					s.extra++
					break
				}
			}
		}
		if v := s.ended(item.id, *item.status, s.now); v.fatal != nil {
			s.fatalf("status is fatal: %v", v.fatal)
		}
		if item.status.err == ErrBatchCompleted && len(s.buffer) == 0 && s.available > 0 {
			s.ranDry()
		}
		s.active = s.active || item.status.description != ""
	default:
		s.consumed(item.size)
		s.active = true
	}
	s.ask()
}

// reconnect loses what is on the way in both directions and all the server knew
// of requests.
func (s *psSim) reconnect() {
	s.t.Helper()
	s.log("reconnect with %d items buffered", len(s.buffer))
	s.disconnected()
	for _, item := range s.wire {
		if item.isMessage() {
			s.available++
		}
	}
	s.wire, s.outbox, s.pulls = nil, nil, nil
	s.ask()
	bytes := 0
	for _, item := range s.buffer {
		bytes += item.size
	}
	s.reconnected(len(s.buffer), bytes, s.now)
	s.ask()
}

// tick lets time pass: requests expire, heartbeats are sent and looked for.
func (s *psSim) tick(d time.Duration) {
	s.t.Helper()
	s.now = s.now.Add(d)
	for i := 0; i < len(s.pulls); {
		if pull := &s.pulls[i]; pull.deadline.After(s.now) {
			if !pull.beatAt.After(s.now) {
				s.wire = append(s.wire, psItem{size: psStatusSize, beat: true, id: pull.id})
				pull.beatAt = s.now.Add(s.cfg.heartbeat)
			}
			i++
			continue
		}
		s.endOne(i, peTimeout)
	}
	busy := len(s.buffer) > 0 || len(s.wire) > 0
	if s.missedHeartbeat(s.active || busy, s.now) {
		s.log("a heartbeat is missed")
		s.missed++
	}
	s.active = false
	s.ask()
}

// disturb does something at random.
func (s *psSim) disturb(reconnects bool) {
	s.t.Helper()
	switch n := s.rng.IntN(200); {
	case n < 70:
		s.serve()
	case n < 110:
		s.arrive(1 + s.rng.IntN(3))
	case n < 150:
		s.take()
	case n < 170:
		s.accept("")
	case n < 172:
		s.accept([]string{peMaxWaiting, peStalePin, peNobody}[s.rng.IntN(3)])
	case n < 182:
		s.tick(time.Duration(s.rng.IntN(200)) * time.Millisecond)
	case n < 190:
		if len(s.pulls) > 0 {
			s.endOne(s.rng.IntN(len(s.pulls)), []string{peTimeout, peWrongPin}[s.rng.IntN(2)])
		}
	case n < 192:
		s.endAll(peLeader, false)
	case n < 193:
		s.endAll(peShutdown, true)
	case n < 195:
		if reconnects {
			s.reconnect()
		}
	default:
		s.available += s.rng.IntN(30)
	}
	s.check()
}

// flow lets everything run its course for a while, with as many messages there
// as are wanted, and returns how many were consumed.
func (s *psSim) flow(d time.Duration) int {
	s.t.Helper()
	before := s.done
	for end := s.now.Add(d); s.now.Before(end) && !s.drained(); {
		s.available = max(s.available, 10)
		for range 50 {
			s.accept("")
			s.serve()
			s.arrive(len(s.wire))
			s.take()
		}
		s.tick(s.wait(s.now))
	}
	return s.done - before
}

// psWindow is a way to limit what is outstanding.
type psWindow struct {
	name   string
	opts   []PullConsumeOpt
	growTo int
	// noBytes: requests have no limit of bytes, and the server does not report
	// that they are complete.
	noBytes bool
}

// psWindows are the ways to be tried.
var psWindows = []psWindow{
	{"messages", []PullConsumeOpt{PullMaxMessages(20)}, 0, false},
	{"messages, early refill", []PullConsumeOpt{PullMaxMessages(20), PullThresholdMessages(18)}, 0, false},
	{"messages, refill after each", []PullConsumeOpt{PullMaxMessages(100), PullThresholdMessages(100)}, 0, false},
	{"one message", []PullConsumeOpt{PullMaxMessages(1)}, 0, false},
	{"messages with stop", []PullConsumeOpt{PullMaxMessages(20), PullThresholdMessages(15), StopAfter(150)}, 0, false},
	{"bytes", []PullConsumeOpt{PullMaxBytes(3000)}, 0, false},
	{"bytes, early refill", []PullConsumeOpt{PullMaxBytes(3000), PullThresholdBytes(2500)}, 0, false},
	{"bytes with stop", []PullConsumeOpt{PullMaxBytes(3000), StopAfter(150)}, 0, false},
	{"byte limit", []PullConsumeOpt{PullMaxMessagesWithBytesLimit(20, 3000)}, 0, false},
	{"byte limit, early refill", []PullConsumeOpt{PullMaxMessagesWithBytesLimit(20, 3000), PullThresholdMessages(18)}, 0, false},
	{"byte limit with stop", []PullConsumeOpt{PullMaxMessagesWithBytesLimit(20, 3000), PullThresholdMessages(15), StopAfter(150)}, 0, false},
	{"messages, topped up", []PullConsumeOpt{PullMaxMessages(topUpFrom)}, 0, false},
	{"growing", []PullConsumeOpt{PullMaxMessages(20)}, 300, false},
	{"growing with stop", []PullConsumeOpt{PullMaxMessages(20), StopAfter(400)}, 300, false},
	{"messages without bytes", []PullConsumeOpt{PullMaxMessages(20)}, 0, true},
	{"one message without bytes", []PullConsumeOpt{PullMaxMessages(1)}, 0, true},
	{"messages without bytes, early refill, with stop", []PullConsumeOpt{PullMaxMessages(20), PullThresholdMessages(18), StopAfter(150)}, 0, true},
}

// psSizes are kinds of messages. Round sizes use requests up exactly.
var psSizes = []struct {
	name string
	size func(*rand.Rand) int
}{
	{"equal", func(*rand.Rand) int { return 100 }},
	{"round", func(rng *rand.Rand) int { return 100 * (1 + rng.IntN(10)) }},
	{"any", func(rng *rand.Rand) int { return 60 + rng.IntN(1500) }},
}

// psSeeds is how many courses of events each combination is tried with.
const psSeeds = 15

// psEach runs a simulation for all kinds of windows and messages.
func psEach(t *testing.T, run func(s *psSim)) {
	t.Helper()
	for _, window := range psWindows {
		for _, sizes := range psSizes {
			t.Run(window.name+", "+sizes.name, func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(psSeeds) {
					s := psNew(t, seed, sizes.size, window)
					s.log("seed %d", seed)
					run(s)
				}
			})
		}
	}
}

// Whatever happens, the engine keeps within the window, and when all is well
// again, messages flow without a heartbeat having to be missed first. With
// StopAfter, not one message more than that is asked for.
func TestPullEngineKeepsWithinTheWindowAndGoesOn(t *testing.T) {
	t.Parallel()
	psEach(t, func(s *psSim) {
		for range 5 {
			for range 400 {
				s.disturb(true)
			}
			const patience = 20 * time.Second
			if n := s.flow(patience); n < 20 && !s.drained() {
				s.fatalf("%d messages are consumed in %v", n, patience)
			}
			if s.missed > 0 {
				s.fatalf("a heartbeat is missed")
			}
		}
		if stop := s.cfg.stopAfter; stop > 0 {
			if msgs, _ := s.outstanding(); s.done != stop || (msgs != 0 && s.extra == 0) {
				s.fatalf("%d messages are consumed and %d requested or buffered, stop is after %d", s.done, msgs, stop)
			}
		}
	})
}

// A server that has no room for another request drops it without a word if it
// has a heartbeat.
func TestPullEngineGoesOnAfterRequestsAreLost(t *testing.T) {
	t.Parallel()
	psEach(t, func(s *psSim) {
		for range 3 {
			for range 200 {
				if len(s.outbox) > 0 && s.rng.IntN(3) == 0 {
					s.log("request %d is lost", s.outbox[0].id)
					s.outbox = s.outbox[1:]
				}
				s.disturb(false)
			}
			if n := s.flow(2 * time.Minute); n < 20 && !s.drained() {
				s.fatalf("%d messages are consumed in two minutes", n)
			}
		}
	})
}
