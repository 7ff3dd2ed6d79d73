package jetstream

import (
	"context"
	"fmt"
	"time"
)

const (
	// DefaultMaxMessages is how many messages [Consumer.Consume] and
	// [Consumer.Messages] keep requested or buffered unless told otherwise.
	DefaultMaxMessages = 500

	// DefaultExpires is how long a pull request waits on the server unless told
	// otherwise.
	DefaultExpires = 30 * time.Second
)

const (
	// batchForBytes is the number of messages a request limited by bytes asks
	// for: more than it can get.
	batchForBytes = 1_000_000

	minPullExpiry    = time.Second
	minPullHeartbeat = 500 * time.Millisecond
	maxPullHeartbeat = 30 * time.Second

	// fetchHeartbeat is the idle heartbeat of fetches that last long enough for
	// it to be of use, see fetchHeartbeatFrom.
	fetchHeartbeat     = 5 * time.Second
	fetchHeartbeatFrom = 10 * time.Second
)

// PullConsumeOpt is an option of [Consumer.Consume].
type PullConsumeOpt interface {
	configureConsume(*consumeOpts) error
}

// PullMessagesOpt is an option of [Consumer.Messages].
type PullMessagesOpt interface {
	configureMessages(*consumeOpts) error
}

// PushConsumeOpt is an option of a push consumer's Consume.
type PushConsumeOpt interface {
	configurePushConsume(*pushConsumeOpts) error
}

// NextOpt is an option of [MessagesContext.Next].
type NextOpt interface {
	configureNext(*nextOpts) error
}

// FetchOpt is an option of [Consumer.Fetch], [Consumer.FetchBytes] and
// [Consumer.Next].
type FetchOpt func(*pullRequest) error

// ConsumeErrHandlerFunc is called with the errors that come up while consuming,
// see [ConsumeErrHandler]. consumeCtx is what Consume returned.
type ConsumeErrHandlerFunc func(consumeCtx ConsumeContext, err error)

// ConsumeErrHandler is an option of Consume: the function to call with errors.
// Passing one is the way to learn that something is wrong; without it they go
// unseen.
//
// Most errors are passing: [ErrNoHeartbeat] when the server has been silent for
// twice the heartbeat, [nats.ErrNoResponders] when nobody answers for the
// consumer, [ErrConsumerLeadershipChanged], [ErrServerShutdown],
// [ErrPinIDMismatch], [ErrMaxBytesExceeded] for a message that does not fit the
// byte limit, [nats.ErrPermissionViolation] when the server denies a request. Consuming goes on after them. The last error says why it does not:
// [ErrConsumerDeleted], [ErrConsumerNotFound], [ErrBadRequest],
// [ErrNotPullConsumer] or [ErrConnectionClosed].
//
// Calls do not overlap and hold up neither messages nor reconnects. The handler
// may call Stop and Drain.
type ConsumeErrHandler ConsumeErrHandlerFunc

// PullMaxMessages limits how many messages are requested or buffered at any time
// by Consume and Messages; the default is [DefaultMaxMessages]. It must be
// positive and cannot be combined with [PullMaxBytes].
//
// Each request also carries a budget of 32 MiB, so that large messages do not
// flood the connection.
type PullMaxMessages int

// PullMaxBytes limits the size of the messages requested or buffered at any
// time by Consume and Messages, in place of their number. The size of a message
// includes its subject, reply subject and headers. It must be positive, should
// be a multiple of the largest message and cannot be combined with
// [PullMaxMessages]. A message that does not fit cannot be delivered; it is
// reported as [ErrMaxBytesExceeded] and asked for again at growing intervals.
type PullMaxBytes int

type pullMaxMessagesWithBytesLimit struct {
	maxMessages int
	maxBytes    int
}

// PullMaxMessagesWithBytesLimit is [PullMaxMessages] with a limit for the bytes
// that a single request may be answered with. In contrast to [PullMaxBytes] it
// does not bound the client's buffer, but what the server hands out at a time.
// Both values must be positive; byteLimit must exceed the largest message.
func PullMaxMessagesWithBytesLimit(maxMessages, byteLimit int) pullMaxMessagesWithBytesLimit { //nolint:revive // the unexported result is part of the API
	return pullMaxMessagesWithBytesLimit{maxMessages: maxMessages, maxBytes: byteLimit}
}

// PullExpiry is how long a request of Consume or Messages waits on the server
// before it is renewed: at least one second, [DefaultExpires] by default.
type PullExpiry time.Duration

// PullHeartbeat is the interval at which the server reports that a waiting
// request of Consume or Messages is alive. Silence for twice as long counts as
// [ErrNoHeartbeat]. It must lie between 500 milliseconds and 30 seconds and
// must not exceed half of the expiry, which is the default (at most 30
// seconds).
type PullHeartbeat time.Duration

// PullThresholdMessages is the number of requested or buffered messages below
// which Consume and Messages ask for more. Zero, the default, means half of the
// limit; values above the limit mean the limit, negative ones are refused.
type PullThresholdMessages int

// PullThresholdBytes is the number of requested or buffered bytes below which
// Consume and Messages with [PullMaxBytes] ask for more. The default is half of
// the limit. It must be positive; values above the limit mean the limit.
type PullThresholdBytes int

// PullMinPending lets requests be served only while the consumer has at least
// that many messages to deliver. It needs [PullPriorityGroup] and a consumer
// with [PriorityPolicyOverflow] (server 2.11).
type PullMinPending int

// PullMinAckPending lets requests be served only while at least that many
// delivered messages await their acknowledgement. It needs [PullPriorityGroup]
// and a consumer with [PriorityPolicyOverflow] (server 2.11).
type PullMinAckPending int

// PullPrioritized is the priority of the requests, from 0, the first to be
// served, to 9. It needs [PullPriorityGroup] and a consumer with
// [PriorityPolicyPrioritized] (server 2.12).
type PullPrioritized uint8

// PullPriorityGroup is the priority group to consume for, one of those in the
// consumer's configuration. It is required for consumers with a priority policy
// and refused for others.
type PullPriorityGroup string

// StopAfter ends Consume and Messages after that many messages. No more than
// that are requested from the server.
type StopAfter int

type pullOptFunc func(*consumeOpts) error

func (f pullOptFunc) configureMessages(o *consumeOpts) error { return f(o) }

// WithMessagesErrOnMissingHeartbeat sets whether [MessagesContext.Next] returns
// [ErrNoHeartbeat] when the server has been silent for twice the heartbeat (the
// default), or asks again without a word.
func WithMessagesErrOnMissingHeartbeat(hbErr bool) PullMessagesOpt {
	return pullOptFunc(func(o *consumeOpts) error {
		o.silentHeartbeat = !hbErr
		return nil
	})
}

// consumeOpts collects the options of Consume and Messages.
type consumeOpts struct {
	maxMessages, maxBytes     int
	byteLimit                 bool // maxBytes limits requests, not the buffer
	thresholdMessages         int
	thresholdBytes            int
	defaultWindow             bool // neither messages nor bytes are limited by the user
	defaultThreshold          bool // thresholdMessages is not the user's
	expires, heartbeat        time.Duration
	stopAfter                 int
	minPending, minAckPending int64
	group                     string
	priority                  uint8
	errHandler                ConsumeErrHandlerFunc
	silentHeartbeat           bool
	ordered                   bool
}

// pushConsumeOpts collects the options of a push consumer's Consume.
type pushConsumeOpts struct {
	errHandler ConsumeErrHandlerFunc
}

func (n PullMaxMessages) configureConsume(o *consumeOpts) error  { return o.setMaxMessages(int(n)) }
func (n PullMaxMessages) configureMessages(o *consumeOpts) error { return o.setMaxMessages(int(n)) }

func (n PullMaxBytes) configureConsume(o *consumeOpts) error  { return o.setMaxBytes(int(n)) }
func (n PullMaxBytes) configureMessages(o *consumeOpts) error { return o.setMaxBytes(int(n)) }

func (l pullMaxMessagesWithBytesLimit) configureConsume(o *consumeOpts) error {
	return o.setByteLimit(l.maxMessages, l.maxBytes)
}

func (l pullMaxMessagesWithBytesLimit) configureMessages(o *consumeOpts) error {
	return o.setByteLimit(l.maxMessages, l.maxBytes)
}

func (d PullExpiry) configureConsume(o *consumeOpts) error { return o.setExpires(time.Duration(d)) }

func (d PullExpiry) configureMessages(o *consumeOpts) error { return o.setExpires(time.Duration(d)) }

func (d PullHeartbeat) configureConsume(o *consumeOpts) error {
	return o.setHeartbeat(time.Duration(d))
}

func (d PullHeartbeat) configureMessages(o *consumeOpts) error {
	return o.setHeartbeat(time.Duration(d))
}

func (n PullThresholdMessages) configureConsume(o *consumeOpts) error {
	return o.setThresholdMessages(int(n))
}

func (n PullThresholdMessages) configureMessages(o *consumeOpts) error {
	return o.setThresholdMessages(int(n))
}

func (n PullThresholdBytes) configureConsume(o *consumeOpts) error {
	return o.setThresholdBytes(int(n))
}

func (n PullThresholdBytes) configureMessages(o *consumeOpts) error {
	return o.setThresholdBytes(int(n))
}

func (n PullMinPending) configureConsume(o *consumeOpts) error {
	return setMinimum(&o.minPending, int64(n), "min pending should be more than 0")
}

func (n PullMinPending) configureMessages(o *consumeOpts) error { return n.configureConsume(o) }

func (n PullMinAckPending) configureConsume(o *consumeOpts) error {
	return setMinimum(&o.minAckPending, int64(n), "min pending should be more than 0")
}

func (n PullMinAckPending) configureMessages(o *consumeOpts) error { return n.configureConsume(o) }

func (p PullPrioritized) configureConsume(o *consumeOpts) error {
	o.priority = uint8(p)
	return nil
}

func (p PullPrioritized) configureMessages(o *consumeOpts) error { return p.configureConsume(o) }

func (g PullPriorityGroup) configureConsume(o *consumeOpts) error {
	o.group = string(g)
	return nil
}

func (g PullPriorityGroup) configureMessages(o *consumeOpts) error { return g.configureConsume(o) }

func (n StopAfter) configureConsume(o *consumeOpts) error {
	if n <= 0 {
		return invalidOption("auto stop after value cannot be less than 1")
	}
	o.stopAfter = int(n)
	return nil
}

func (n StopAfter) configureMessages(o *consumeOpts) error { return n.configureConsume(o) }

func (h ConsumeErrHandler) configureConsume(o *consumeOpts) error {
	o.errHandler = ConsumeErrHandlerFunc(h)
	return nil
}

func (h ConsumeErrHandler) configurePushConsume(o *pushConsumeOpts) error {
	o.errHandler = ConsumeErrHandlerFunc(h)
	return nil
}

func setMinimum(field *int64, n int64, detail string) error {
	if n < 1 {
		return invalidOption(detail)
	}
	*field = n
	return nil
}

func (o *consumeOpts) setMaxMessages(n int) error {
	if n <= 0 {
		return invalidOption("maxMessages size must be at least 1")
	}
	o.maxMessages = n
	return nil
}

func (o *consumeOpts) setMaxBytes(n int) error {
	if n <= 0 {
		return invalidOption("max bytes must be greater than 0")
	}
	o.maxBytes = n
	return nil
}

func (o *consumeOpts) setByteLimit(messages, bytes int) error {
	switch {
	case messages <= 0:
		return invalidOption("maxMessages size must be at least 1")
	case bytes <= 0:
		return invalidOption("maxBytes size must be at least 1")
	case o.maxMessages > 0:
		return invalidOption("maxMessages already set")
	}
	o.maxMessages, o.maxBytes, o.byteLimit = messages, bytes, true
	return nil
}

func (o *consumeOpts) setExpires(d time.Duration) error {
	if d < minPullExpiry {
		return invalidOption("expires value must be at least 1s")
	}
	o.expires = d
	return nil
}

func (o *consumeOpts) setHeartbeat(d time.Duration) error {
	if d < minPullHeartbeat || d > maxPullHeartbeat {
		return invalidOption("idle_heartbeat value must be within 500ms-30s range")
	}
	o.heartbeat = d
	return nil
}

func (o *consumeOpts) setThresholdMessages(n int) error {
	if n < 0 {
		return invalidOption(fmt.Sprintf("threshold of messages cannot be negative: %d", n))
	}
	o.thresholdMessages = n
	return nil
}

func (o *consumeOpts) setThresholdBytes(n int) error {
	if n < 0 {
		return invalidOption(fmt.Sprintf("threshold of bytes cannot be negative: %d", n))
	}
	o.thresholdBytes = n
	return nil
}

// resolve fills in the defaults and checks what can only be checked once all
// options are known.
func (o *consumeOpts) resolve() error {
	if o.maxBytes > 0 && o.maxMessages > 0 && !o.byteLimit {
		return errBothLimits
	}
	if o.expires == 0 {
		o.expires = DefaultExpires
	}
	if o.heartbeat == 0 {
		o.heartbeat = min(o.expires/2, maxPullHeartbeat)
		if o.ordered {
			// An ordered consumer restarts when heartbeats are missing, so it
			// wants to know early.
			o.heartbeat = min(o.expires/2, fetchHeartbeat)
		}
	}
	if o.heartbeat > o.expires/2 {
		return invalidOption("the value of Heartbeat must be less than 50% of expiry")
	}
	o.defaultWindow = o.maxMessages == 0 && o.maxBytes == 0
	o.defaultThreshold = o.thresholdMessages == 0
	switch {
	case o.maxBytes > 0 && !o.byteLimit:
		o.maxMessages = batchForBytes
	case o.maxMessages == 0:
		o.maxMessages = DefaultMaxMessages
	}
	o.thresholdMessages = threshold(o.thresholdMessages, o.maxMessages)
	o.thresholdBytes = threshold(o.thresholdBytes, o.maxBytes)
	return nil
}

// threshold returns the value set, at most the limit, or half of the limit
// rounded up when none is set.
func threshold(set, limit int) int {
	if set == 0 {
		return limit - limit/2
	}
	return min(set, limit)
}

// errBothLimits does not wrap ErrInvalidOption by itself, since Consume and
// Messages wrap whatever is wrong with their options.
var errBothLimits = optionText("only one of MaxMessages and MaxBytes can be specified")

type optionText string

func (t optionText) Error() string { return string(t) }

// parseConsumeOpts applies the options of Consume. The error wraps
// [ErrInvalidOption].
func parseConsumeOpts(opts []PullConsumeOpt, ordered bool) (consumeOpts, error) {
	return applyPullOpts(opts, PullConsumeOpt.configureConsume, consumeOpts{ordered: ordered})
}

// parseMessagesOpts applies the options of Messages. The error wraps
// [ErrInvalidOption].
func parseMessagesOpts(opts []PullMessagesOpt, ordered bool) (consumeOpts, error) {
	return applyPullOpts(opts, PullMessagesOpt.configureMessages, consumeOpts{ordered: ordered})
}

// applyPullOpts returns o with what the options set and what follows from it.
func applyPullOpts[O any](opts []O, apply func(O, *consumeOpts) error, o consumeOpts) (consumeOpts, error) {
	if len(opts) > 0 {
		// Options may keep what they get, as far as the compiler can tell: a copy
		// keeps the rest off the heap.
		set := o
		for _, opt := range opts {
			if any(opt) == nil {
				return consumeOpts{}, invalidOption("option cannot be nil")
			}
			if err := apply(opt, &set); err != nil {
				return consumeOpts{}, wrapOptionError(err)
			}
		}
		o = set
	}
	return o, wrapOptionError(o.resolve())
}

// wrapOptionError puts ErrInvalidOption in front of an option's error, which as
// a rule says it already. Programs may look at the text, so it stays like that.
func wrapOptionError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrInvalidOption, err.Error())
}

// checkPriorityGroup compares the group asked for with those the consumer is
// known to have.
func checkPriorityGroup(info *ConsumerInfo, group string) error {
	if info == nil {
		return nil
	}
	groups := info.Config.PriorityGroups
	if len(groups) == 0 {
		if group != "" {
			return invalidOption("priority group is not supported for this consumer")
		}
		return nil
	}
	if group == "" {
		return invalidOption("priority group is required for priority consumer")
	}
	for _, known := range groups {
		if known == group {
			return nil
		}
	}
	return invalidOption("invalid priority group")
}

// nextOpts collects the options of [MessagesContext.Next].
type nextOpts struct {
	timeout time.Duration
	ctx     context.Context
}

type nextOptFunc func(*nextOpts)

func (f nextOptFunc) configureNext(o *nextOpts) error {
	f(o)
	return nil
}

// NextMaxWait limits how long one call of [MessagesContext.Next] waits for a
// message; after that it returns [nats.ErrTimeout]. Zero or less means no limit.
// It cannot be combined with [NextContext].
func NextMaxWait(timeout time.Duration) NextOpt {
	return nextOptFunc(func(o *nextOpts) { o.timeout = timeout })
}

// NextContext ends one call of [MessagesContext.Next] with the context's error
// when the context ends. A nil context means no limit. It cannot be combined
// with [NextMaxWait].
func NextContext(ctx context.Context) NextOpt {
	return nextOptFunc(func(o *nextOpts) { o.ctx = ctx })
}

func parseNextOpts(opts []NextOpt) (nextOpts, error) {
	var o nextOpts
	for _, opt := range opts {
		if opt == nil {
			return o, invalidOption("option cannot be nil")
		}
		if err := opt.configureNext(&o); err != nil {
			return o, err
		}
	}
	if o.timeout > 0 && o.ctx != nil {
		return o, invalidOption("cannot specify both NextMaxWait and NextContext")
	}
	o.timeout = max(o.timeout, 0)
	return o, nil
}
