package jetstream

import "time"

// ConsumerConfig describes a consumer to the methods that create and update
// one, and is what the server reports in [ConsumerInfo] with its defaults
// filled in. The zero value asks for an ephemeral pull consumer of the whole
// stream with explicit acknowledgements.
//
// Durations have nanosecond resolution. DeliverPolicy with its start,
// AckPolicy, ReplayPolicy, MaxWaiting, MemoryStorage, FlowControl and
// IdleHeartbeat cannot be changed later, nor can a pull consumer become a push
// consumer.
type ConsumerConfig struct {
	// Name identifies the consumer in its stream: up to 255 bytes without white
	// space and none of . * > / \. When it and Durable are empty, a name is
	// made up.
	Name string `json:"name,omitempty"`

	// Durable is a name, as above, for a consumer that stays when nobody uses
	// it. When Name is set as well, the two must be equal. A consumer without
	// it is ephemeral and removed after InactiveThreshold.
	Durable string `json:"durable_name,omitempty"`

	// Description is free text of up to 4 KiB.
	Description string `json:"description,omitempty"`

	// DeliverPolicy is where in the stream the consumer starts.
	DeliverPolicy DeliverPolicy `json:"deliver_policy"`

	// OptStartSeq is the stream sequence to start at. It is for
	// DeliverByStartSequencePolicy only.
	OptStartSeq uint64 `json:"opt_start_seq,omitempty"`

	// OptStartTime is the time to start at. It is for DeliverByStartTimePolicy
	// only.
	OptStartTime *time.Time `json:"opt_start_time,omitempty"`

	// AckPolicy is what has to be acknowledged.
	AckPolicy AckPolicy `json:"ack_policy"`

	// AckWait is how long the server waits for an acknowledgement until it
	// delivers a message again; [Msg.InProgress] starts it anew. Zero means 30
	// seconds. BackOff replaces it.
	AckWait time.Duration `json:"ack_wait,omitempty"`

	// MaxDeliver limits how often a message is delivered, the first time
	// included. After that it counts as done, and the server publishes an
	// advisory. Zero or -1 means no limit.
	MaxDeliver int `json:"max_deliver,omitempty"`

	// BackOff has the times to wait for an acknowledgement, by delivery; the
	// last one serves for all that follow. The first one overrides AckWait.
	// Negative acknowledgements do not wait for it. With MaxDeliver set, it
	// cannot have more entries than that.
	BackOff []time.Duration `json:"backoff,omitempty"`

	// FilterSubject selects messages by subject, wildcards allowed. Empty means
	// all of the stream. A subject that is none fails with [ErrInvalidSubject],
	// and one set along with FilterSubjects with [ErrDuplicateFilterSubjects].
	FilterSubject string `json:"filter_subject,omitempty"`

	// ReplayPolicy is the pace at which stored messages are delivered.
	ReplayPolicy ReplayPolicy `json:"replay_policy"`

	// RateLimit limits delivery of a push consumer, in bits per second. Zero
	// means no limit.
	RateLimit uint64 `json:"rate_limit_bps,omitempty"`

	// SampleFrequency is the percentage of acknowledgements that the server
	// publishes a metric of, such as "30" or "30%". Empty means none.
	SampleFrequency string `json:"sample_freq,omitempty"`

	// MaxWaiting limits how many pull requests may wait at once. Zero means
	// 512. It is for pull consumers only.
	MaxWaiting int `json:"max_waiting,omitempty"`

	// MaxAckPending limits how many messages may await acknowledgement at once,
	// over all clients; at the limit, delivery pauses. Zero means 1000, or less
	// where stream, account or server say so, and -1 means no limit.
	MaxAckPending int `json:"max_ack_pending,omitempty"`

	// HeadersOnly leaves payloads out, and tells their size in the
	// Nats-Msg-Size header.
	HeadersOnly bool `json:"headers_only,omitempty"`

	// MaxRequestBatch limits the batch of a pull request. Larger ones are
	// refused. Zero means no limit.
	MaxRequestBatch int `json:"max_batch,omitempty"`

	// MaxRequestExpires limits how long a pull request may wait. Longer ones
	// are refused. Zero means no limit; a millisecond is the least.
	MaxRequestExpires time.Duration `json:"max_expires,omitempty"`

	// MaxRequestMaxBytes limits the bytes a pull request may ask for. Larger
	// ones are refused. Zero means no limit.
	MaxRequestMaxBytes int `json:"max_bytes,omitempty"`

	// InactiveThreshold is after how long without use the server removes the
	// consumer: without pull requests, or without a subscription to
	// DeliverSubject. Zero means 5 seconds for an ephemeral consumer, and never
	// for a durable one.
	InactiveThreshold time.Duration `json:"inactive_threshold,omitempty"`

	// Replicas is the number of servers that hold the state of the consumer, at
	// most as many as hold the stream. Zero means just as many, except that an
	// ephemeral consumer of a stream with limits retention then has one. For
	// streams with another retention, other numbers are refused.
	Replicas int `json:"num_replicas"`

	// MemoryStorage keeps the state of the consumer in memory, whatever the
	// stream does with its messages.
	MemoryStorage bool `json:"mem_storage,omitempty"`

	// FilterSubjects selects messages by several subjects (server 2.10). They
	// must not overlap ([ErrOverlappingFilterSubjects]), and none may be empty
	// ([ErrEmptyFilter]). FilterSubject must be empty.
	FilterSubjects []string `json:"filter_subjects,omitempty"`

	// Metadata are keys and values of the user's own, up to 128 KiB altogether
	// (server 2.10). Keys starting with _nats belong to the server, which adds
	// some in what it reports.
	Metadata map[string]string `json:"metadata,omitempty"`

	// PauseUntil suspends delivery up to that time, from the start (server
	// 2.11). See [ConsumerManager.PauseConsumer] for a consumer that exists.
	PauseUntil *time.Time `json:"pause_until,omitempty"`

	// PriorityPolicy decides which of several clients is served (server 2.11).
	// It is for pull consumers only.
	PriorityPolicy PriorityPolicy `json:"priority_policy,omitempty"`

	// PinnedTTL is for how long a client may go without a pull request before
	// another one is pinned. Zero means 2 minutes. It is for
	// PriorityPolicyPinned.
	PinnedTTL time.Duration `json:"priority_timeout,omitempty"`

	// PriorityGroups are the groups that pull requests may name, at least one
	// with any PriorityPolicy and none without. A name has 1 to 16 characters
	// out of letters, digits and / _ = -.
	PriorityGroups []string `json:"priority_groups,omitempty"`

	// DeliverSubject makes the consumer a push consumer, which sends its
	// messages to that subject. It must not have wildcards. Empty means a pull
	// consumer.
	DeliverSubject string `json:"deliver_subject,omitempty"`

	// DeliverGroup is the queue group that subscribers to DeliverSubject must
	// be in, so that each message goes to one of them.
	DeliverGroup string `json:"deliver_group,omitempty"`

	// FlowControl lets a push consumer ask its subscriber for replies from time
	// to time, and wait for them, so that slow ones are not overrun. It needs
	// IdleHeartbeat. Replies are sent by this package.
	FlowControl bool `json:"flow_control,omitempty"`

	// IdleHeartbeat is how often a push consumer reports to a subscriber it has
	// nothing for. Two in a row missing are reported as [ErrNoHeartbeat]. Zero
	// means none; 100 milliseconds are the least. Pull requests have a
	// heartbeat of their own, see [PullHeartbeat].
	IdleHeartbeat time.Duration `json:"idle_heartbeat,omitempty"`
}

// OrderedConsumerConfig describes an ordered consumer, which delivers the
// messages of a stream in order and without gaps, by replacing the consumer on
// the server as often as it takes. The zero value asks for the whole stream.
//
// It is copied for making those replacements, with its slices and maps, which may
// be changed afterwards.
type OrderedConsumerConfig struct {
	// FilterSubjects selects messages by subject, wildcards allowed. Empty
	// means all of the stream. Several must not overlap.
	FilterSubjects []string `json:"filter_subjects,omitempty"`

	// DeliverPolicy is where in the stream the consumer starts.
	DeliverPolicy DeliverPolicy `json:"deliver_policy"`

	// OptStartSeq is the stream sequence to start at. It is for
	// DeliverByStartSequencePolicy only.
	OptStartSeq uint64 `json:"opt_start_seq,omitempty"`

	// OptStartTime is the time to start at. It is for DeliverByStartTimePolicy
	// only.
	OptStartTime *time.Time `json:"opt_start_time,omitempty"`

	// ReplayPolicy is the pace at which stored messages are delivered.
	ReplayPolicy ReplayPolicy `json:"replay_policy"`

	// InactiveThreshold is after how long without use the server removes its
	// consumer. Zero means 5 minutes.
	InactiveThreshold time.Duration `json:"inactive_threshold,omitempty"`

	// HeadersOnly leaves payloads out, and tells their size in the
	// Nats-Msg-Size header.
	HeadersOnly bool `json:"headers_only,omitempty"`

	// MaxResetAttempts limits how often in a row making a replacement is tried.
	// Zero means no limit.
	MaxResetAttempts int

	// Metadata are keys and values of the user's own, up to 128 KiB altogether
	// (server 2.10).
	Metadata map[string]string `json:"metadata,omitempty"`

	// NamePrefix starts the names of the consumers on the server, to which a
	// count is added: prefix_1, prefix_2. Empty means a prefix that is unique.
	// It is not sent.
	NamePrefix string `json:"-"`
}
