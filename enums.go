package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// enumTable holds the texts of one enum type. Slices are indexed by value.
type enumTable struct {
	// words are the forms in JSON.
	words []string

	// names are what String returns, with unknown for all other values.
	names   []string
	unknown string

	// noWord starts the error for a value that has no word, and the name of the
	// value follows; noValue starts the one for JSON that has no value, and the
	// quoted JSON follows.
	noWord, noValue string

	// foldCase makes decoding ignore letter case.
	foldCase bool
}

func (t *enumTable) name(value int) string {
	if value < 0 || value >= len(t.names) {
		return t.unknown
	}
	return t.names[value]
}

func (t *enumTable) encode(value int) ([]byte, error) {
	if value < 0 || value >= len(t.words) {
		return nil, errors.New(t.noWord + t.name(value))
	}
	word := t.words[value]
	data := make([]byte, 0, len(word)+2)
	data = append(data, '"')
	data = append(data, word...)
	return append(data, '"'), nil
}

// find returns the value of a word, or -1.
func (t *enumTable) find(word string) int {
	if t.foldCase {
		word = strings.ToLower(word)
	}
	for value, w := range t.words {
		if w == word {
			return value
		}
	}
	return -1
}

// findQuoted returns the value of a JSON string without escapes, or -1.
func (t *enumTable) findQuoted(data []byte) int {
	if n := len(data); n >= 2 && data[0] == '"' && data[n-1] == '"' {
		return t.find(string(data[1 : n-1]))
	}
	return -1
}

// decode returns the value of a JSON string. The words need no escapes, so JSON
// that has some is as unknown as any other.
func (t *enumTable) decode(data []byte) (int, error) {
	if value := t.findQuoted(data); value >= 0 {
		return value, nil
	}
	return 0, fmt.Errorf("%s%q", t.noValue, data)
}

// decodeEnum sets *value to what data stands for, and leaves it alone when that
// is nothing.
func decodeEnum[T ~int](value *T, t *enumTable, data []byte) error {
	v, err := t.decode(data)
	if err != nil {
		return err
	}
	*value = T(v)
	return nil
}

// RetentionPolicy decides when a stream drops a message before a limit of the
// stream does. An update may change between limits and interest; work queues
// stay what they are.
type RetentionPolicy int

const (
	// LimitsPolicy keeps messages until a limit on age, size or count drops
	// them, whether consumed or not. It is the default.
	LimitsPolicy RetentionPolicy = iota

	// InterestPolicy drops a message once each consumer whose filter matches it
	// has acknowledged it. A message that no consumer is interested in when it
	// arrives is not kept at all.
	InterestPolicy

	// WorkQueuePolicy drops a message as soon as it is acknowledged. The
	// filters of the consumers must not overlap, so that each message has one
	// taker.
	WorkQueuePolicy
)

var retentionPolicies = &enumTable{
	words:   []string{"limits", "interest", "workqueue"},
	names:   []string{"Limits", "Interest", "WorkQueue"},
	unknown: "Unknown Retention Policy",
	noWord:  "nats: can not marshal ",
	noValue: "nats: can not unmarshal ",
}

// String returns the name of the policy, such as "Limits", and "Unknown
// Retention Policy" for other values.
func (p RetentionPolicy) String() string { return retentionPolicies.name(int(p)) }

// MarshalJSON encodes the policy as its word in the API, such as "limits". A
// value without one is an error.
func (p RetentionPolicy) MarshalJSON() ([]byte, error) { return retentionPolicies.encode(int(p)) }

// UnmarshalJSON decodes such a word. Other JSON is an error and leaves the
// policy as it was.
func (p *RetentionPolicy) UnmarshalJSON(b []byte) error { return decodeEnum(p, retentionPolicies, b) }

// DiscardPolicy decides what gives way when a stream is at a limit on size or
// count.
type DiscardPolicy int

const (
	// DiscardOld makes room by removing the oldest messages. It is the default.
	DiscardOld DiscardPolicy = iota

	// DiscardNew refuses the publish with an [APIError]. For the limit per
	// subject, StreamConfig.DiscardNewPerSubject is needed as well.
	DiscardNew
)

var discardPolicies = &enumTable{
	words:    []string{"old", "new"},
	names:    []string{"DiscardOld", "DiscardNew"},
	unknown:  "Unknown Discard Policy",
	noWord:   "nats: can not marshal ",
	noValue:  "nats: can not unmarshal ",
	foldCase: true,
}

// String returns the name of the policy, such as "DiscardOld", and "Unknown
// Discard Policy" for other values.
func (p DiscardPolicy) String() string { return discardPolicies.name(int(p)) }

// MarshalJSON encodes the policy as its word in the API, such as "old". A value
// without one is an error.
func (p DiscardPolicy) MarshalJSON() ([]byte, error) { return discardPolicies.encode(int(p)) }

// UnmarshalJSON decodes such a word. Letter case does not matter. Other JSON is
// an error and leaves the policy as it was.
func (p *DiscardPolicy) UnmarshalJSON(b []byte) error { return decodeEnum(p, discardPolicies, b) }

// StorageType is where a stream keeps its messages. It cannot be changed later.
type StorageType int

const (
	// FileStorage keeps messages on disk, so that they survive a restart of the
	// server. It is the default.
	FileStorage StorageType = iota

	// MemoryStorage keeps messages in the server's memory only. A stream
	// without replicas is empty after a restart.
	MemoryStorage
)

var storageTypes = &enumTable{
	words:   []string{"file", "memory"},
	names:   []string{"File", "Memory"},
	unknown: "Unknown Storage Type",
	noWord:  "nats: can not marshal ",
	noValue: "nats: can not unmarshal ",
}

// String returns the name of the type, such as "File", and "Unknown Storage
// Type" for other values.
func (st StorageType) String() string { return storageTypes.name(int(st)) }

// MarshalJSON encodes the type as its word in the API, such as "file". A value
// without one is an error.
func (st StorageType) MarshalJSON() ([]byte, error) { return storageTypes.encode(int(st)) }

// UnmarshalJSON decodes such a word. Other JSON is an error and leaves the type
// as it was.
func (st *StorageType) UnmarshalJSON(b []byte) error {
	return decodeEnum(st, storageTypes, b)
}

// PersistModeType decides whether a stored message is acknowledged before or
// after it was written to disk (server 2.12). It cannot be changed later.
type PersistModeType int

const (
	// DefaultPersistMode hands a message to the file system first and
	// acknowledges then.
	DefaultPersistMode PersistModeType = iota

	// AsyncPersistMode acknowledges first and writes in the background, which
	// is faster and may lose acknowledged messages when the server fails. It
	// needs file storage, a single replica and AllowAtomicPublish off.
	AsyncPersistMode
)

var persistModes = &enumTable{
	words:    []string{"default", "async"},
	names:    []string{"Default", "Async"},
	unknown:  "Unknown Persist Mode",
	noWord:   "nats: can not marshal ",
	noValue:  "nats: can not unmarshal ",
	foldCase: true,
}

// String returns the name of the mode, such as "Default", and "Unknown Persist
// Mode" for other values.
func (m PersistModeType) String() string { return persistModes.name(int(m)) }

// MarshalJSON encodes the mode as its word in the API, such as "default". A
// value without one is an error.
func (m PersistModeType) MarshalJSON() ([]byte, error) { return persistModes.encode(int(m)) }

// UnmarshalJSON decodes such a word. Letter case does not matter. Other JSON is
// an error and leaves the mode as it was.
func (m *PersistModeType) UnmarshalJSON(b []byte) error { return decodeEnum(m, persistModes, b) }

// StoreCompression is how the blocks of a stream on file storage are compressed
// (server 2.10).
type StoreCompression uint8

const (
	// NoCompression stores messages as they are. It is the default.
	NoCompression StoreCompression = iota

	// S2Compression uses S2, a fast relative of Snappy.
	S2Compression
)

var storeCompressions = &enumTable{
	words:   []string{"none", "s2"},
	names:   []string{"None", "S2"},
	unknown: "Unknown StoreCompression",
}

// errUnknownCompression says the same of a value and of a word.
var errUnknownCompression = errors.New("unknown compression algorithm")

// String returns the name of the compression, such as "None", and "Unknown
// StoreCompression" for other values.
func (c StoreCompression) String() string { return storeCompressions.name(int(c)) }

// MarshalJSON encodes the compression as its word in the API, such as "none". A
// value without one is an error.
func (c StoreCompression) MarshalJSON() ([]byte, error) {
	data, err := storeCompressions.encode(int(c))
	if err != nil {
		return nil, errUnknownCompression
	}
	return data, nil
}

// UnmarshalJSON decodes such a word. Other JSON is an error and leaves the
// compression as it was.
func (c *StoreCompression) UnmarshalJSON(b []byte) error {
	value := storeCompressions.findQuoted(b)
	if value < 0 {
		// Decoding a string reports other JSON as being of the wrong type.
		var word string
		if err := json.Unmarshal(b, &word); err != nil {
			return err
		}
		if value = storeCompressions.find(word); value < 0 {
			return errUnknownCompression
		}
	}
	*c = StoreCompression(value)
	return nil
}

// DeliverPolicy is where in the stream a new consumer starts. It cannot be
// changed later.
type DeliverPolicy int

// Policies that stand for themselves.
const (
	// DeliverAllPolicy starts at the first message in the stream. It is the
	// default.
	DeliverAllPolicy DeliverPolicy = iota

	// DeliverLastPolicy starts at the last message that matches the consumer's
	// filter.
	DeliverLastPolicy

	// DeliverNewPolicy starts behind the last message, with what arrives after
	// the consumer was made.
	DeliverNewPolicy
)

// Policies that need another field of the configuration.
const (
	// DeliverByStartSequencePolicy starts at the stream sequence in
	// OptStartSeq, which must be set.
	DeliverByStartSequencePolicy = DeliverNewPolicy + 1 + iota

	// DeliverByStartTimePolicy starts at the first message stored at or after
	// OptStartTime, which must be set.
	DeliverByStartTimePolicy

	// DeliverLastPerSubjectPolicy first delivers the last message of each
	// matching subject, and then goes on with new ones. It needs a filter.
	DeliverLastPerSubjectPolicy
)

// deliverPolicyWords are the names of the policies as well.
var deliverPolicyWords = []string{"all", "last", "new", "by_start_sequence", "by_start_time", "last_per_subject"}

var deliverPolicies = &enumTable{
	words:   deliverPolicyWords,
	names:   deliverPolicyWords,
	noWord:  "nats: unknown deliver policy ",
	noValue: "nats: cannot unmarshal ",
}

// String returns the name of the policy, such as "all", and an empty string for
// other values.
func (p DeliverPolicy) String() string { return deliverPolicies.name(int(p)) }

// MarshalJSON encodes the policy as its word in the API, such as "all". A value
// without one is an error.
func (p DeliverPolicy) MarshalJSON() ([]byte, error) { return deliverPolicies.encode(int(p)) }

// UnmarshalJSON decodes such a word, and "undefined" as [DeliverAllPolicy].
// Other JSON is an error and leaves the policy as it was.
func (p *DeliverPolicy) UnmarshalJSON(b []byte) error {
	if string(b) == `"undefined"` {
		*p = DeliverAllPolicy
		return nil
	}
	return decodeEnum(p, deliverPolicies, b)
}

// AckPolicy is what a consumer expects to be acknowledged. It cannot be changed
// later.
type AckPolicy int

const (
	// AckExplicitPolicy expects an acknowledgement of each message. It is the
	// default.
	AckExplicitPolicy AckPolicy = iota

	// AckAllPolicy takes the acknowledgement of a message for all messages
	// delivered before it, too.
	AckAllPolicy

	// AckNonePolicy expects none: a message is done when delivered, and is
	// never delivered again. Pull consumers of a work queue cannot have it.
	AckNonePolicy

	// AckFlowControlPolicy takes replies to flow control messages for
	// acknowledgements (server 2.14). It is made for consumers that feed a
	// mirror or a source, see [StreamConsumerSource]: it needs a deliver
	// subject and a positive MaxAckPending, and excludes AckWait, BackOff and
	// MaxDeliver.
	AckFlowControlPolicy
)

var ackPolicies = &enumTable{
	words:   []string{"explicit", "all", "none", "flow_control"},
	names:   []string{"AckExplicit", "AckAll", "AckNone", "AckFlowControl"},
	unknown: "Unknown AckPolicy",
	noWord:  "nats: unknown acknowledgement policy ",
	noValue: "nats: cannot unmarshal ",
}

// String returns the name of the policy, such as "AckExplicit", and "Unknown
// AckPolicy" for other values.
func (p AckPolicy) String() string { return ackPolicies.name(int(p)) }

// MarshalJSON encodes the policy as its word in the API, such as "explicit". A
// value without one is an error.
func (p AckPolicy) MarshalJSON() ([]byte, error) { return ackPolicies.encode(int(p)) }

// UnmarshalJSON decodes such a word. Other JSON is an error and leaves the
// policy as it was.
func (p *AckPolicy) UnmarshalJSON(b []byte) error { return decodeEnum(p, ackPolicies, b) }

// ReplayPolicy is the pace at which stored messages are delivered. It cannot be
// changed later.
type ReplayPolicy int

const (
	// ReplayInstantPolicy delivers as fast as the client takes. It is the
	// default.
	ReplayInstantPolicy ReplayPolicy = iota

	// ReplayOriginalPolicy leaves between messages the time that passed between
	// them when they were stored.
	ReplayOriginalPolicy
)

var replayPolicyWords = []string{"instant", "original"}

var replayPolicies = &enumTable{
	words:   replayPolicyWords,
	names:   replayPolicyWords,
	noWord:  "nats: unknown replay policy ",
	noValue: "nats: cannot unmarshal ",
}

// String returns the name of the policy, such as "instant", and an empty string
// for other values.
func (p ReplayPolicy) String() string { return replayPolicies.name(int(p)) }

// MarshalJSON encodes the policy as its word in the API, such as "instant". A
// value without one is an error.
func (p ReplayPolicy) MarshalJSON() ([]byte, error) { return replayPolicies.encode(int(p)) }

// UnmarshalJSON decodes such a word. Other JSON is an error and leaves the
// policy as it was.
func (p *ReplayPolicy) UnmarshalJSON(b []byte) error { return decodeEnum(p, replayPolicies, b) }

// PriorityPolicy decides which of several clients pulling from one consumer is
// served (server 2.11). Other policies than none need PriorityGroups in the
// [ConsumerConfig] and a group in each pull request.
type PriorityPolicy int

const (
	// PriorityPolicyNone serves pull requests in the order they arrive. It is
	// the default.
	PriorityPolicyNone PriorityPolicy = iota

	// PriorityPolicyPinned serves one client, to which the group is pinned,
	// until that client lets PinnedTTL pass without a pull or is unpinned.
	// Others stand by.
	PriorityPolicyPinned

	// PriorityPolicyOverflow serves requests with a minimum of pending messages
	// or of pending acknowledgements only while the consumer has that many.
	PriorityPolicyOverflow

	// PriorityPolicyPrioritized serves the request with the lowest priority
	// number first (server 2.12).
	PriorityPolicyPrioritized
)

var priorityPolicies = &enumTable{
	words:   []string{"", "pinned_client", "overflow", "prioritized"},
	noWord:  "nats: unknown priority policy ",
	noValue: "nats: cannot unmarshal ",
}

// MarshalJSON encodes the policy as its word in the API, such as "overflow". A
// value without one is an error.
func (p PriorityPolicy) MarshalJSON() ([]byte, error) {
	data, err := priorityPolicies.encode(int(p))
	if err != nil {
		// The type has no names, so the error shows the number.
		return nil, errors.New(err.Error() + strconv.Itoa(int(p)))
	}
	return data, nil
}

// UnmarshalJSON decodes such a word. Other JSON is an error and leaves the
// policy as it was.
func (p *PriorityPolicy) UnmarshalJSON(b []byte) error { return decodeEnum(p, priorityPolicies, b) }
