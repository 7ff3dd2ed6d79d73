package jetstream

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Headers of published messages that the server acts upon. The options below
// set most of them; they can as well be set on a message directly. Names are
// case-sensitive.
const (
	// MsgIDHeader identifies a message for deduplication. See [WithMsgID].
	MsgIDHeader = "Nats-Msg-Id"

	// ExpectedStreamHeader names the stream that has to store the message. See
	// [WithExpectStream].
	ExpectedStreamHeader = "Nats-Expected-Stream"

	// ExpectedLastSeqHeader holds the sequence the stream's last message must
	// have. See [WithExpectLastSequence].
	ExpectedLastSeqHeader = "Nats-Expected-Last-Sequence"

	// ExpectedLastSubjSeqHeader holds the sequence the last message on a subject
	// must have. See [WithExpectLastSequencePerSubject].
	ExpectedLastSubjSeqHeader = "Nats-Expected-Last-Subject-Sequence"

	// ExpectedLastSubjSeqSubjHeader holds the subject, or the wildcard, that
	// [ExpectedLastSubjSeqHeader] is about when that is not the message's own.
	// See [WithExpectLastSequenceForSubject].
	ExpectedLastSubjSeqSubjHeader = "Nats-Expected-Last-Subject-Sequence-Subject"

	// ExpectedLastMsgIDHeader holds the message ID the stream's last message
	// must have. See [WithExpectLastMsgID].
	ExpectedLastMsgIDHeader = "Nats-Expected-Last-Msg-Id"

	// MsgTTLHeader holds the time after which the server removes the message:
	// seconds, a Go duration, or "never". See [WithMsgTTL].
	MsgTTLHeader = "Nats-TTL"

	// MsgRollup makes a message replace the ones before it: all of its subject
	// ([MsgRollupSubject]) or all of the stream ([MsgRollupAll]). The stream has
	// to allow roll-ups.
	MsgRollup = "Nats-Rollup"

	// MarkerReasonHeader is set on a marker that takes the place of removed
	// messages, and tells why they are gone, such as "MaxAge" or "Purge".
	MarkerReasonHeader = "Nats-Marker-Reason"
)

// Headers of message schedules (ADR-51). A message with a schedule stays in the
// stream, and the server publishes copies of it when they are due.
const (
	// ScheduleHeader holds the schedule: "@at", "@every" or a cron expression.
	// See [WithScheduleAt], [WithScheduleEvery] and [WithScheduleCron].
	ScheduleHeader = "Nats-Schedule"

	// ScheduleTargetHeader holds the subject of the copies. See
	// [WithScheduleTarget].
	ScheduleTargetHeader = "Nats-Schedule-Target"

	// ScheduleSourceHeader holds a subject whose last message is copied in place
	// of the schedule's own payload. See [WithScheduleSource].
	ScheduleSourceHeader = "Nats-Schedule-Source"

	// ScheduleTTLHeader holds the TTL of the copies. See [WithScheduleTTL].
	ScheduleTTLHeader = "Nats-Schedule-TTL"

	// ScheduleTimeZoneHeader holds the time zone of a cron expression. See
	// [WithScheduleTimeZone].
	ScheduleTimeZoneHeader = "Nats-Schedule-Time-Zone"

	// ScheduleRollupHeader makes each copy replace those before it. See
	// [WithScheduleRollup].
	ScheduleRollupHeader = "Nats-Schedule-Rollup"
)

// Headers the server sets on messages it delivers.
const (
	// StreamHeader holds the stream a republished or directly read message is
	// stored in.
	StreamHeader = "Nats-Stream"

	// SequenceHeader holds the stream sequence of such a message.
	SequenceHeader = "Nats-Sequence"

	// TimeStampHeaer holds the time such a message was stored at.
	TimeStampHeaer = "Nats-Time-Stamp"

	// SubjectHeader holds the subject such a message was stored under.
	SubjectHeader = "Nats-Subject"

	// SchedulerHeader holds the subject of the schedule a message is a copy of.
	SchedulerHeader = "Nats-Scheduler"

	// ScheduleNextHeader holds the time the schedule of a copy is due next, or
	// "purge" when the schedule has ended with it.
	ScheduleNextHeader = "Nats-Schedule-Next"

	// LastSequenceHeader holds the sequence of the message before a republished
	// one on the same subject, zero when there is none.
	LastSequenceHeader = "Nats-Last-Sequence"
)

// Values of [MsgRollup].
const (
	// MsgRollupSubject replaces the earlier messages of the same subject.
	MsgRollupSubject = "sub"

	// MsgRollupAll replaces all earlier messages of the stream.
	MsgRollupAll = "all"
)

// Expressions for [WithScheduleCron], each due at the start of the period.
const (
	ScheduleYearly  = "@yearly"
	ScheduleMonthly = "@monthly"
	ScheduleWeekly  = "@weekly"
	ScheduleDaily   = "@daily"
	ScheduleHourly  = "@hourly"
)

const (
	// DefaultPubRetryWait is the pause before a publish that no stream has
	// answered is sent again. See [WithRetryWait].
	DefaultPubRetryWait = 250 * time.Millisecond

	// DefaultPubRetryAttempts is how many times such a publish is sent again.
	// See [WithRetryAttempts].
	DefaultPubRetryAttempts = 2
)

// defaultStallWait is how long an async publish waits for room by default.
const defaultStallWait = 200 * time.Millisecond

// PublishOpt configures a single publish. Options are applied in the order
// given, later ones winning over earlier ones about the same thing. A refused
// option fails the publish with [ErrInvalidOption] before anything is sent and
// before the message is touched. Whether options fit together, and fit the
// stream, is checked by the server.
type PublishOpt func(*pubOpts) error

// pubOpts is what the options of one publish amount to.
type pubOpts struct {
	// header is what to put on the message, each name once.
	header        []headerLine
	retryWait     time.Duration
	retryAttempts int
	stallWait     time.Duration // zero until set

	// few is room for as many headers as most publishes set.
	few [4]headerLine
}

// headerLine is one value of a message's header.
type headerLine struct {
	name, value string
}

// defaultPubOpts is what a publish without options has. It is not written to.
var defaultPubOpts = pubOpts{retryWait: DefaultPubRetryWait, retryAttempts: DefaultPubRetryAttempts}

// usedPubOpts are those that no publish refers to any more.
var usedPubOpts = sync.Pool{New: func() any { return new(pubOpts) }}

// collectPubOpts applies opts to the defaults. The caller releases the result
// when done with it.
func collectPubOpts(opts []PublishOpt) (*pubOpts, error) {
	if len(opts) == 0 {
		return &defaultPubOpts, nil
	}
	o := usedPubOpts.Get().(*pubOpts)
	*o = defaultPubOpts
	o.header = o.few[:0]
	if err := applyOpts(o, opts); err != nil {
		o.release()
		return nil, err
	}
	return o, nil
}

func (o *pubOpts) release() {
	if o == &defaultPubOpts {
		return
	}
	*o = pubOpts{}
	usedPubOpts.Put(o)
}

// set makes value the only one of a header. An empty value removes the header.
func (o *pubOpts) set(name, value string) {
	o.header = slices.DeleteFunc(o.header, func(line headerLine) bool { return line.name == name })
	if value != "" {
		o.header = append(o.header, headerLine{name, value})
	}
}

// setHeader puts the headers of the options on m, replacing those it has under
// the same names. With options, though they set none, m has a map afterwards.
func (o *pubOpts) setHeader(m *nats.Msg) {
	if o == &defaultPubOpts {
		return
	}
	if m.Header == nil {
		m.Header = make(nats.Header, len(o.header))
	}
	values := make([]string, len(o.header))
	for i, line := range o.header {
		values[i] = line.value
		m.Header[line.name] = values[i : i+1 : i+1]
	}
}

// WithMsgID gives the message an ID. Within the stream's duplicate window, a
// further message with the same ID is not stored; its acknowledgement is marked
// as duplicate and carries the sequence of the first. An empty ID sets nothing.
func WithMsgID(id string) PublishOpt {
	return func(o *pubOpts) error {
		o.set(MsgIDHeader, id)
		return nil
	}
}

// WithMsgTTL lets the server remove the message after dur, which has to be at
// least a second; the server refuses less. The stream has to allow it
// (AllowMsgTTL). Zero or less sets nothing.
func WithMsgTTL(dur time.Duration) PublishOpt {
	return func(o *pubOpts) error {
		text := ""
		if dur > 0 {
			text = dur.String()
		}
		o.set(MsgTTLHeader, text)
		return nil
	}
}

// WithExpectStream makes the publish fail with an API error (code 10060) unless
// the stream that got the message has this name. An empty name sets nothing.
func WithExpectStream(stream string) PublishOpt {
	return func(o *pubOpts) error {
		o.set(ExpectedStreamHeader, stream)
		return nil
	}
}

// WithExpectLastSequence makes the publish fail unless seq is the sequence of
// the stream's last message. Zero stands for a stream that never had one. The
// error is an API error with [JSErrCodeStreamWrongLastSequence], or with
// [JSErrCodeStreamWrongLastSequenceConstant] from a replicated stream.
func WithExpectLastSequence(seq uint64) PublishOpt {
	return func(o *pubOpts) error {
		o.set(ExpectedLastSeqHeader, strconv.FormatUint(seq, 10))
		return nil
	}
}

// WithExpectLastSequencePerSubject makes the publish fail unless seq is the
// sequence of the last message on the subject published to. Zero stands for a
// subject without messages. Errors are those of [WithExpectLastSequence].
func WithExpectLastSequencePerSubject(seq uint64) PublishOpt {
	return func(o *pubOpts) error {
		o.set(ExpectedLastSubjSeqHeader, strconv.FormatUint(seq, 10))
		return nil
	}
}

// WithExpectLastSequenceForSubject is [WithExpectLastSequencePerSubject] about
// another subject than the one published to, which may have wildcards. An empty
// subject is refused with [ErrInvalidOption].
func WithExpectLastSequenceForSubject(seq uint64, subject string) PublishOpt {
	return func(o *pubOpts) error {
		if subject == "" {
			return invalidOption("subject cannot be empty")
		}
		o.set(ExpectedLastSubjSeqHeader, strconv.FormatUint(seq, 10))
		o.set(ExpectedLastSubjSeqSubjHeader, subject)
		return nil
	}
}

// WithExpectLastMsgID makes the publish fail with an API error (code 10070)
// unless the stream's last message has this ID. An empty ID sets nothing.
func WithExpectLastMsgID(id string) PublishOpt {
	return func(o *pubOpts) error {
		o.set(ExpectedLastMsgIDHeader, id)
		return nil
	}
}

// WithRetryWait sets the pause before a publish that found no stream is sent
// again ([DefaultPubRetryWait] unless set). It must be positive, or else is
// refused with [ErrInvalidOption].
func WithRetryWait(dur time.Duration) PublishOpt {
	return func(o *pubOpts) error {
		if dur <= 0 {
			return invalidOption("retry wait should be more than 0")
		}
		o.retryWait = dur
		return nil
	}
}

// WithRetryAttempts sets how many times a publish that found no stream is sent
// again ([DefaultPubRetryAttempts] unless set). Zero turns retries off; a
// negative number is refused with [ErrInvalidOption].
//
// Streams are without a leader for moments, which is what retries are for. A
// message that an async publish sends again arrives behind those published after
// it. Where the order matters, turn retries off, or publish synchronously.
func WithRetryAttempts(num int) PublishOpt {
	return func(o *pubOpts) error {
		if num < 0 {
			return invalidOption("retry attempts cannot be negative")
		}
		o.retryAttempts = num
		return nil
	}
}

// WithStallWait sets how long an async publish waits for room when as many as
// allowed await their acknowledgement (see [WithPublishAsyncMaxPending]); then
// it fails with [ErrTooManyStalledMsgs]. The default is 200 ms. It must be
// positive, and it cannot be given to a synchronous publish; both are refused
// with [ErrInvalidOption].
func WithStallWait(ttl time.Duration) PublishOpt {
	return func(o *pubOpts) error {
		if ttl <= 0 {
			return invalidOption("stall wait should be more than 0")
		}
		o.stallWait = ttl
		return nil
	}
}

// WithScheduleAt makes the message a schedule that is due once, at t. The
// header holds whole seconds, so a fraction of a second is rounded up: the
// message is never sent early. The stream has to allow schedules
// (AllowMsgSchedules); [ErrMessageSchedulesDisabled] reports that it does not.
func WithScheduleAt(t time.Time) PublishOpt {
	return func(o *pubOpts) error {
		at := t.UTC().Truncate(time.Second)
		if at.Before(t) {
			at = at.Add(time.Second)
		}
		o.set(ScheduleHeader, "@at "+at.Format(time.RFC3339))
		return nil
	}
}

// WithScheduleEvery makes the message a schedule that is due each time d has
// passed. Less than a second is refused with [ErrInvalidOption].
func WithScheduleEvery(d time.Duration) PublishOpt {
	return func(o *pubOpts) error {
		if d < time.Second {
			return invalidOption("schedule interval must be at least 1s")
		}
		o.set(ScheduleHeader, "@every "+d.String())
		return nil
	}
}

// WithScheduleCron makes the message a schedule that is due as told by a cron
// expression of six fields, seconds first, or by one of [ScheduleHourly],
// [ScheduleDaily], [ScheduleWeekly], [ScheduleMonthly] and [ScheduleYearly].
// Times are UTC unless [WithScheduleTimeZone] says otherwise. An empty
// expression is refused with [ErrInvalidOption]; a wrong one by the server with
// [ErrSchedulePatternInvalid].
func WithScheduleCron(expr string) PublishOpt {
	return func(o *pubOpts) error {
		if expr == "" {
			return invalidOption("cron expression cannot be empty")
		}
		o.set(ScheduleHeader, expr)
		return nil
	}
}

// WithScheduleTarget sets the subject the schedule publishes to. It has to be a
// subject of the same stream and other than the schedule's own; the server
// answers [ErrScheduleTargetInvalid] if it is not, or is missing. An empty
// subject is refused with [ErrInvalidOption].
func WithScheduleTarget(subject string) PublishOpt {
	return func(o *pubOpts) error {
		if subject == "" {
			return invalidOption("schedule target subject cannot be empty")
		}
		o.set(ScheduleTargetHeader, subject)
		return nil
	}
}

// WithScheduleSource makes the schedule publish the last message of another
// subject of the stream rather than its own payload. The server answers
// [ErrScheduleSourceInvalid] to a subject that does not fit. An empty subject is
// refused with [ErrInvalidOption].
func WithScheduleSource(subject string) PublishOpt {
	return func(o *pubOpts) error {
		if subject == "" {
			return invalidOption("schedule source subject cannot be empty")
		}
		o.set(ScheduleSourceHeader, subject)
		return nil
	}
}

// WithScheduleTTL sets the TTL of the messages the schedule publishes. The
// stream has to allow TTLs; the server answers [ErrScheduleTTLInvalid] to one
// it does not accept. Zero or less is refused with [ErrInvalidOption].
func WithScheduleTTL(d time.Duration) PublishOpt {
	return func(o *pubOpts) error {
		if d <= 0 {
			return invalidOption("schedule TTL must be greater than 0")
		}
		o.set(ScheduleTTLHeader, d.String())
		return nil
	}
}

// WithScheduleTTLNever exempts the messages the schedule publishes from the
// stream's age limit.
func WithScheduleTTLNever() PublishOpt {
	return func(o *pubOpts) error {
		o.set(ScheduleTTLHeader, "never")
		return nil
	}
}

// WithScheduleTimeZone sets the IANA name of the time zone, such as
// "Europe/Berlin", that a cron expression is about. The server checks that it
// exists and refuses it for schedules of other kinds. An empty name is refused
// with [ErrInvalidOption].
func WithScheduleTimeZone(zone string) PublishOpt {
	return func(o *pubOpts) error {
		if zone == "" {
			return invalidOption("schedule time zone cannot be empty")
		}
		o.set(ScheduleTimeZoneHeader, zone)
		return nil
	}
}

// WithScheduleRollup makes each message the schedule publishes replace the
// earlier ones on the target subject.
func WithScheduleRollup() PublishOpt {
	return func(o *pubOpts) error {
		o.set(ScheduleRollupHeader, MsgRollupSubject)
		return nil
	}
}
