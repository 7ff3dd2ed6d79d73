package jetstream

import (
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// kvOperationHeader says what a message without a value did to its key.
	kvOperationHeader = "KV-Operation"

	kvOperationDelete = "DEL"
	kvOperationPurge  = "PURGE"
)

// KeyValueOp is what an entry did to its key.
type KeyValueOp uint8

const (
	// KeyValuePut stored a value.
	KeyValuePut KeyValueOp = iota

	// KeyValueDelete removed the key and left its earlier values in the history.
	KeyValueDelete

	// KeyValuePurge removed the key with its earlier values, be it that
	// [KeyValue.Purge] was called or that the key expired.
	KeyValuePurge
)

// String returns KeyValuePutOp, KeyValueDeleteOp or KeyValuePurgeOp.
func (op KeyValueOp) String() string {
	switch op {
	case KeyValuePut:
		return "KeyValuePutOp"
	case KeyValueDelete:
		return "KeyValueDeleteOp"
	case KeyValuePurge:
		return "KeyValuePurgeOp"
	default:
		return "Unknown Operation"
	}
}

// KeyValueEntry is one revision of a key. It does not change.
type KeyValueEntry interface {
	// Bucket returns the name of the bucket the entry was read from.
	Bucket() string

	// Key returns the key.
	Key() string

	// Value returns the value, which is empty if the entry is not a put and
	// with [MetaOnly]. It is not copied.
	Value() []byte

	// Revision returns the revision, which is the sequence of the message in
	// the bucket's stream. Revisions of a key ascend, those of other keys in
	// between.
	Revision() uint64

	// Created returns when the server stored the entry.
	Created() time.Time

	// Delta returns how many entries are to come after this one, as far as the
	// server knew when it delivered it. It is zero outside of watches.
	Delta() uint64

	// Operation returns what the entry did to its key.
	Operation() KeyValueOp
}

// kvEntry implements [KeyValueEntry].
type kvEntry struct {
	kv       *keyValue
	key      string
	value    []byte
	op       KeyValueOp
	revision uint64
	created  time.Time
	delta    uint64
}

var _ KeyValueEntry = (*kvEntry)(nil)

// kvEntries makes entries that are read one at a time.
var kvEntries sharedSlab[kvEntry]

func (e *kvEntry) Bucket() string        { return e.kv.bucket }
func (e *kvEntry) Key() string           { return e.key }
func (e *kvEntry) Value() []byte         { return e.value }
func (e *kvEntry) Revision() uint64      { return e.revision }
func (e *kvEntry) Created() time.Time    { return e.created }
func (e *kvEntry) Delta() uint64         { return e.delta }
func (e *kvEntry) Operation() KeyValueOp { return e.op }

// kvOperation returns what a stored message with the given headers did. Markers
// that the server leaves for removed messages have no operation of their own,
// but a reason.
func kvOperation(h nats.Header) KeyValueOp {
	if len(h) == 0 {
		return KeyValuePut
	}
	if op := h.Get(kvOperationHeader); op != "" {
		switch op {
		case kvOperationDelete:
			return KeyValueDelete
		case kvOperationPurge:
			return KeyValuePurge
		default:
			return KeyValuePut
		}
	}
	switch h.Get(MarkerReasonHeader) {
	case "MaxAge", "Purge":
		return KeyValuePurge
	case "Remove":
		return KeyValueDelete
	default:
		return KeyValuePut
	}
}
