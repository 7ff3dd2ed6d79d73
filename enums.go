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

	// noWord starts the error for a value that has no word, and the name of
	// the value follows; noValue starts the one for JSON that has no value, and
	// the quoted JSON follows.
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

// decode returns the value of a JSON string. The words need no escapes, so JSON
// that has some is as unknown as any other.
func (t *enumTable) decode(data []byte) (int, error) {
	if n := len(data); n >= 2 && data[0] == '"' && data[n-1] == '"' {
		if value := t.find(string(data[1 : n-1])); value >= 0 {
			return value, nil
		}
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

type RetentionPolicy int

const (
	LimitsPolicy RetentionPolicy = iota
	InterestPolicy
	WorkQueuePolicy
)

var retentionPolicies = &enumTable{
	words:   []string{"limits", "interest", "workqueue"},
	names:   []string{"Limits", "Interest", "WorkQueue"},
	unknown: "Unknown Retention Policy",
	noWord:  "nats: can not marshal ",
	noValue: "nats: can not unmarshal ",
}

func (p RetentionPolicy) String() string                { return retentionPolicies.name(int(p)) }
func (p RetentionPolicy) MarshalJSON() ([]byte, error)  { return retentionPolicies.encode(int(p)) }
func (p *RetentionPolicy) UnmarshalJSON(b []byte) error { return decodeEnum(p, retentionPolicies, b) }

type DiscardPolicy int

const (
	DiscardOld DiscardPolicy = iota
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

func (p DiscardPolicy) String() string                { return discardPolicies.name(int(p)) }
func (p DiscardPolicy) MarshalJSON() ([]byte, error)  { return discardPolicies.encode(int(p)) }
func (p *DiscardPolicy) UnmarshalJSON(b []byte) error { return decodeEnum(p, discardPolicies, b) }

type StorageType int

const (
	FileStorage StorageType = iota
	MemoryStorage
)

var storageTypes = &enumTable{
	words:   []string{"file", "memory"},
	names:   []string{"File", "Memory"},
	unknown: "Unknown Storage Type",
	noWord:  "nats: can not marshal ",
	noValue: "nats: can not unmarshal ",
}

func (st StorageType) String() string               { return storageTypes.name(int(st)) }
func (st StorageType) MarshalJSON() ([]byte, error) { return storageTypes.encode(int(st)) }
func (st *StorageType) UnmarshalJSON(b []byte) error {
	return decodeEnum(st, storageTypes, b)
}

type PersistModeType int

const (
	DefaultPersistMode PersistModeType = iota
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

func (m PersistModeType) String() string                { return persistModes.name(int(m)) }
func (m PersistModeType) MarshalJSON() ([]byte, error)  { return persistModes.encode(int(m)) }
func (m *PersistModeType) UnmarshalJSON(b []byte) error { return decodeEnum(m, persistModes, b) }

type StoreCompression uint8

const (
	NoCompression StoreCompression = iota
	S2Compression
)

var storeCompressions = &enumTable{
	words:   []string{"none", "s2"},
	names:   []string{"None", "S2"},
	unknown: "Unknown StoreCompression",
}

// errUnknownCompression says the same of a value and of a word.
var errUnknownCompression = errors.New("unknown compression algorithm")

func (c StoreCompression) String() string { return storeCompressions.name(int(c)) }

func (c StoreCompression) MarshalJSON() ([]byte, error) {
	data, err := storeCompressions.encode(int(c))
	if err != nil {
		return nil, errUnknownCompression
	}
	return data, nil
}

// UnmarshalJSON decodes a string first, so that other JSON is reported as
// being of the wrong type.
func (c *StoreCompression) UnmarshalJSON(b []byte) error {
	var word string
	if err := json.Unmarshal(b, &word); err != nil {
		return err
	}
	value := storeCompressions.find(word)
	if value < 0 {
		return errUnknownCompression
	}
	*c = StoreCompression(value)
	return nil
}

type DeliverPolicy int

const (
	DeliverAllPolicy DeliverPolicy = iota
	DeliverLastPolicy
	DeliverNewPolicy
	DeliverByStartSequencePolicy
	DeliverByStartTimePolicy
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

func (p DeliverPolicy) String() string               { return deliverPolicies.name(int(p)) }
func (p DeliverPolicy) MarshalJSON() ([]byte, error) { return deliverPolicies.encode(int(p)) }

// UnmarshalJSON reads the word undefined as [DeliverAllPolicy].
func (p *DeliverPolicy) UnmarshalJSON(b []byte) error {
	if string(b) == `"undefined"` {
		*p = DeliverAllPolicy
		return nil
	}
	return decodeEnum(p, deliverPolicies, b)
}

type AckPolicy int

const (
	AckExplicitPolicy AckPolicy = iota
	AckAllPolicy
	AckNonePolicy
	AckFlowControlPolicy
)

var ackPolicies = &enumTable{
	words:   []string{"explicit", "all", "none", "flow_control"},
	names:   []string{"AckExplicit", "AckAll", "AckNone", "AckFlowControl"},
	unknown: "Unknown AckPolicy",
	noWord:  "nats: unknown acknowledgement policy ",
	noValue: "nats: cannot unmarshal ",
}

func (p AckPolicy) String() string                { return ackPolicies.name(int(p)) }
func (p AckPolicy) MarshalJSON() ([]byte, error)  { return ackPolicies.encode(int(p)) }
func (p *AckPolicy) UnmarshalJSON(b []byte) error { return decodeEnum(p, ackPolicies, b) }

type ReplayPolicy int

const (
	ReplayInstantPolicy ReplayPolicy = iota
	ReplayOriginalPolicy
)

var replayPolicyWords = []string{"instant", "original"}

var replayPolicies = &enumTable{
	words:   replayPolicyWords,
	names:   replayPolicyWords,
	noWord:  "nats: unknown replay policy ",
	noValue: "nats: cannot unmarshal ",
}

func (p ReplayPolicy) String() string                { return replayPolicies.name(int(p)) }
func (p ReplayPolicy) MarshalJSON() ([]byte, error)  { return replayPolicies.encode(int(p)) }
func (p *ReplayPolicy) UnmarshalJSON(b []byte) error { return decodeEnum(p, replayPolicies, b) }

type PriorityPolicy int

const (
	PriorityPolicyNone PriorityPolicy = iota
	PriorityPolicyPinned
	PriorityPolicyOverflow
	PriorityPolicyPrioritized
)

var priorityPolicies = &enumTable{
	words:   []string{"", "pinned_client", "overflow", "prioritized"},
	noWord:  "nats: unknown priority policy ",
	noValue: "nats: cannot unmarshal ",
}

func (p PriorityPolicy) MarshalJSON() ([]byte, error) {
	data, err := priorityPolicies.encode(int(p))
	if err != nil {
		// The type has no names, so the error shows the number.
		return nil, errors.New(err.Error() + strconv.Itoa(int(p)))
	}
	return data, nil
}

func (p *PriorityPolicy) UnmarshalJSON(b []byte) error { return decodeEnum(p, priorityPolicies, b) }
