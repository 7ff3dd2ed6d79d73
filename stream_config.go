package jetstream

import "time"

// StreamConfig describes a stream to [StreamManager.CreateStream] and
// [StreamManager.UpdateStream], and is what the server reports in [StreamInfo]
// with its defaults filled in. Only Name is required.
//
// Durations have nanosecond resolution and limits count from 1. A limit left at
// zero is unlimited (-1 in the server's report), unless the field says
// otherwise. A server that is older than a feature ignores or refuses it.
type StreamConfig struct {
	// Name identifies the stream in its account: 1 to 255 bytes without white
	// space and none of . * > / \. It cannot be changed later.
	Name string `json:"name"`

	// Description is free text of up to 4 KiB.
	Description string `json:"description,omitempty"`

	// Subjects are the subjects the stream stores, wildcards allowed. They must
	// not overlap those of other streams. Without any, the stream listens on
	// its own name, unless it is a mirror or has sources. A mirror cannot have
	// subjects.
	Subjects []string `json:"subjects,omitempty"`

	// Retention decides when messages go before a limit is reached.
	Retention RetentionPolicy `json:"retention"`

	// MaxConsumers limits how many consumers the stream may have.
	MaxConsumers int `json:"max_consumers"`

	// MaxMsgs limits the number of messages stored. Discard says what happens
	// at the limit.
	MaxMsgs int64 `json:"max_msgs"`

	// MaxBytes limits the bytes stored, which include headers, subjects and a
	// few bytes a message for the store itself. Some accounts require it.
	// Discard says what happens at the limit.
	MaxBytes int64 `json:"max_bytes"`

	// Discard decides what happens at MaxMsgs and MaxBytes.
	Discard DiscardPolicy `json:"discard"`

	// DiscardNewPerSubject refuses messages at MaxMsgsPerSubject, too. It
	// requires Discard to be DiscardNew and MaxMsgsPerSubject to be set.
	DiscardNewPerSubject bool `json:"discard_new_per_subject,omitempty"`

	// MaxAge removes messages of that age. Zero keeps them for ever, and 100
	// milliseconds are the least.
	MaxAge time.Duration `json:"max_age"`

	// MaxMsgsPerSubject limits how many messages the stream keeps for each
	// subject. Older ones give way, unless DiscardNewPerSubject is set.
	MaxMsgsPerSubject int64 `json:"max_msgs_per_subject"`

	// MaxMsgSize limits the bytes of a message, its headers included. A larger
	// one is refused with [ErrStreamMessageExceedsMaximum].
	MaxMsgSize int32 `json:"max_msg_size,omitempty"`

	// Storage is where messages are kept. It cannot be changed later.
	Storage StorageType `json:"storage"`

	// Replicas is the number of servers in a cluster that hold the messages, at
	// most 5. Zero means 1. Odd numbers make best use of servers, since a
	// majority must be up.
	Replicas int `json:"num_replicas"`

	// NoAck turns acknowledgements of publishes off. Publishing through this
	// package then times out; use the core connection.
	NoAck bool `json:"no_ack,omitempty"`

	// Duplicates is for how long the stream remembers the message IDs that
	// [WithMsgID] sets, in order to recognize duplicates. Zero means 2 minutes,
	// or MaxAge when that is less. It cannot exceed MaxAge; 100 milliseconds
	// are the least.
	Duplicates time.Duration `json:"duplicate_window,omitempty"`

	// Placement says which servers the stream may be placed on.
	Placement *Placement `json:"placement,omitempty"`

	// Mirror makes the stream a read-only copy of another one, with the same
	// sequences. It excludes Subjects and Sources. Removing it in an update
	// turns the mirror into a stream of its own, where the server supports
	// that; pointing it at another stream is refused.
	Mirror *StreamSource `json:"mirror,omitempty"`

	// Sources are streams whose messages are copied into this one, in addition
	// to what it stores from its own subjects.
	Sources []*StreamSource `json:"sources,omitempty"`

	// Sealed makes the stream read-only: messages can neither be added nor
	// removed, and MaxAge is dropped. It is set by an update and cannot be
	// undone.
	Sealed bool `json:"sealed,omitempty"`

	// DenyDelete refuses [Stream.DeleteMsg] and [Stream.SecureDeleteMsg]. It
	// cannot be undone.
	DenyDelete bool `json:"deny_delete,omitempty"`

	// DenyPurge refuses [Stream.Purge]. It cannot be undone and excludes
	// AllowRollup.
	DenyPurge bool `json:"deny_purge,omitempty"`

	// AllowRollup allows messages with a rollup header, which remove all
	// earlier messages of their subject or of the stream.
	AllowRollup bool `json:"allow_rollup_hdrs,omitempty"`

	// Compression is how messages on disk are compressed (server 2.10).
	Compression StoreCompression `json:"compression"`

	// FirstSeq is the sequence of the first message, when not 1 (server 2.10).
	// It only counts when the stream is created and is not for mirrors.
	FirstSeq uint64 `json:"first_seq,omitempty"`

	// SubjectTransform rewrites the subjects of arriving messages before
	// anything else happens to them (server 2.10). A server that ignores it
	// makes the call fail with [ErrStreamSubjectTransformNotSupported].
	SubjectTransform *SubjectTransformConfig `json:"subject_transform,omitempty"`

	// RePublish publishes a copy of each message after it was stored.
	RePublish *RePublish `json:"republish,omitempty"`

	// AllowDirect lets every server that has a replica answer requests for
	// single messages, so that [Stream.GetMsg] and
	// [Stream.GetLastMsgForSubject] are faster, while they may miss what was
	// stored the moment before.
	AllowDirect bool `json:"allow_direct"`

	// MirrorDirect lets a mirror answer such requests made to its origin. The
	// server sets it to the origin's AllowDirect where it knows the origin.
	MirrorDirect bool `json:"mirror_direct"`

	// ConsumerLimits are the limits and defaults for the stream's consumers
	// (server 2.10).
	ConsumerLimits StreamConsumerLimits `json:"consumer_limits,omitempty"`

	// Metadata are keys and values of the user's own, up to 128 KiB altogether
	// (server 2.10). Keys starting with _nats belong to the server, which adds
	// some in what it reports.
	Metadata map[string]string `json:"metadata,omitempty"`

	// Template is the template the stream came from.
	//
	// Deprecated: templates are gone from the server, and current ones refuse a
	// config that has this set.
	Template string `json:"template_owner,omitempty"`

	// AllowMsgTTL allows publishers to limit the age of a single message with
	// [WithMsgTTL] (server 2.11). It cannot be undone.
	AllowMsgTTL bool `json:"allow_msg_ttl,omitempty"`

	// SubjectDeleteMarkerTTL makes the stream leave a marker message, for that
	// long, where the last message of a subject was removed for its age (server
	// 2.11). At least a second, not for mirrors; it turns AllowMsgTTL and
	// AllowRollup on. Zero leaves no markers.
	SubjectDeleteMarkerTTL time.Duration `json:"subject_delete_marker_ttl,omitempty"`

	// AllowMsgCounter turns each subject into a counter, to which messages add
	// (server 2.12). Such a stream stores nothing else and needs limits
	// retention; DiscardNew, AllowMsgTTL and AllowMsgSchedules are excluded. It
	// cannot be changed later.
	AllowMsgCounter bool `json:"allow_msg_counter,omitempty"`

	// AllowAtomicPublish allows batches of messages that are stored all or not
	// at all (server 2.12). Not for mirrors.
	AllowAtomicPublish bool `json:"allow_atomic,omitempty"`

	// AllowMsgSchedules allows messages that are published again at a given
	// time or interval, see [WithScheduleAt] (server 2.12). It turns
	// AllowRollup on, cannot be undone, and is neither for mirrors and streams
	// with sources nor with DiscardNew.
	AllowMsgSchedules bool `json:"allow_msg_schedules,omitempty"`

	// PersistMode decides whether acknowledgements wait for the disk (server
	// 2.12). It cannot be changed later.
	PersistMode PersistModeType `json:"persist_mode,omitempty"`

	// AllowBatchPublish allows batches of messages that are acknowledged
	// together for speed, without the guarantee of AllowAtomicPublish (server
	// 2.14). Not for mirrors.
	AllowBatchPublish bool `json:"allow_batched,omitempty"`
}

// StreamSource is a stream that another one takes its messages from, as its
// mirror or as one of its sources.
type StreamSource struct {
	// Name is the name of the origin.
	Name string `json:"name"`

	// OptStartSeq starts the copy at that sequence of the origin. Zero starts
	// at its first message.
	OptStartSeq uint64 `json:"opt_start_seq,omitempty"`

	// OptStartTime starts the copy at the first message stored at or after that
	// time, as an alternative to OptStartSeq.
	OptStartTime *time.Time `json:"opt_start_time,omitempty"`

	// FilterSubject copies only messages on that subject, wildcards allowed.
	FilterSubject string `json:"filter_subject,omitempty"`

	// SubjectTransforms are filters with an optional new subject for what they
	// let through (server 2.10). Their sources must not overlap, and
	// FilterSubject must be empty. A server that ignores them makes the call
	// fail with [ErrStreamSubjectTransformNotSupported].
	SubjectTransforms []SubjectTransformConfig `json:"subject_transforms,omitempty"`

	// External says how to reach an origin in another account or domain.
	External *ExternalStream `json:"external,omitempty"`

	// Consumer names a consumer of the origin to copy through (server 2.14).
	// Without it the server makes one of its own. It excludes OptStartSeq,
	// OptStartTime and FilterSubject, which that consumer decides.
	Consumer *StreamConsumerSource `json:"consumer,omitempty"`

	// Domain is a shorthand for External with the API prefix of a domain.
	// Setting both is an error. It is not sent, and so is never set in what the
	// server reports; the caller's struct is left as it is.
	Domain string `json:"-"`
}

// StreamConsumerSource names the durable push consumer through which a mirror
// or source is fed, in place of one the server makes and removes as needed. The
// consumer is to have [AckFlowControlPolicy].
type StreamConsumerSource struct {
	// Name is the name of the consumer. It cannot serve two sources of one
	// stream.
	Name string `json:"name,omitempty"`

	// DeliverSubject is the subject the consumer delivers to, without
	// wildcards.
	DeliverSubject string `json:"deliver_subject,omitempty"`
}

// ExternalStream is the way to a stream in another account or domain.
type ExternalStream struct {
	// APIPrefix is the prefix under which the origin's JetStream API can be
	// reached, such as $JS.hub.API for the domain hub, without wildcards.
	APIPrefix string `json:"api"`

	// DeliverPrefix is the prefix of the subjects that messages are delivered
	// to, as imported from the other account.
	DeliverPrefix string `json:"deliver"`
}

// SubjectTransformConfig rewrites subjects by the rules of the server's subject
// mappings.
type SubjectTransformConfig struct {
	// Source is the subject to match. Wildcards are allowed, and an empty one
	// matches all subjects.
	Source string `json:"src"`

	// Destination is the new subject, which can refer to what the wildcards
	// matched, such as orders.{{wildcard(1)}}. In a [StreamSource], leaving it
	// empty means to filter and not to rewrite.
	Destination string `json:"dest"`
}

// RePublish publishes stored messages once more, to core subscribers, with
// headers that tell stream, subject, sequence and time, and the sequence of the
// message before on the same subject.
type RePublish struct {
	// Source selects messages by subject. Empty means all of the stream.
	Source string `json:"src,omitempty"`

	// Destination is the subject to publish to, which can refer to what the
	// wildcards in Source matched. It must not lead back into the stream.
	Destination string `json:"dest"`

	// HeadersOnly leaves the payload out and tells its size in a header.
	HeadersOnly bool `json:"headers_only,omitempty"`
}

// Placement selects the servers that may hold a stream.
type Placement struct {
	// Cluster is the name of the cluster the stream must be in. Empty means the
	// cluster the request was made in, or any with all Tags.
	Cluster string `json:"cluster"`

	// Tags are server tags, all of which a server must have.
	Tags []string `json:"tags,omitempty"`
}

// StreamConsumerLimits apply to the consumers of a stream: as a default where a
// consumer leaves the value at zero, and as a limit otherwise. Zero sets
// neither.
type StreamConsumerLimits struct {
	// InactiveThreshold is the longest InactiveThreshold of a consumer.
	InactiveThreshold time.Duration `json:"inactive_threshold,omitempty"`

	// MaxAckPending is the highest MaxAckPending of a consumer.
	MaxAckPending int `json:"max_ack_pending,omitempty"`
}
