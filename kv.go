package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// maxCreateAttempts is how often a create is tried while others delete the key.
const maxCreateAttempts = 4

// AllKeys is the filter that selects all keys of a bucket.
const AllKeys = ">"

// KeyValue is a handle of one key-value bucket. It is made by the methods of
// [KeyValueManager], costs next to nothing and is safe for concurrent use.
//
// A key is made of letters, digits and the characters - _ / = and ., where a dot
// separates parts that are not empty. Other keys are refused with exactly
// [ErrInvalidKey]. A filter for keys may have the wildcards of subjects in
// addition: * and, at its end, >. Other filters are refused with an error that
// wraps [ErrInvalidKey]. Either happens before anything is sent.
//
// Calls take the handle's default timeout when their context has no deadline. The
// context of a watch, and of a listing, is also its lifetime: it ends with the
// context and has no timeout of its own.
//
// Writes are published like any message, see [Publisher], and fail like it: with
// [ErrNoStreamResponse] when the bucket is gone, or with what the stream refuses.
// After a context ended it is unknown whether the write took place.
type KeyValue interface {
	// Get returns the last value of a key. If there is none, or the key was
	// deleted, purged or has expired, the error is exactly [ErrKeyNotFound].
	//
	// Any server that holds a replica may answer, unless direct access is
	// switched off for the stream. It may not know the latest writes yet.
	Get(ctx context.Context, key string) (KeyValueEntry, error)

	// GetRevision returns the value a key had at a revision, while that is in
	// the history. Zero means the last one. If the revision is of another key,
	// is not a value or not there any more, the error is exactly
	// [ErrKeyNotFound].
	GetRevision(ctx context.Context, key string, revision uint64) (KeyValueEntry, error)

	// Put stores a value under a key and returns its revision. The value is not
	// changed and not needed any more when Put returns.
	Put(ctx context.Context, key string, value []byte) (uint64, error)

	// PutString is Put for a string.
	PutString(ctx context.Context, key string, value string) (uint64, error)

	// Create is Put for a key that does not exist or was deleted, purged or has
	// expired. If the key exists, the error matches [ErrKeyExists]. To tell a
	// deleted key from an existing one takes another request; if that fails, its
	// error is returned. See [KeyTTL] for keys that expire.
	Create(ctx context.Context, key string, value []byte, opts ...KVCreateOpt) (uint64, error)

	// Update is Put for a key whose last revision is the given one. Otherwise
	// the error matches [ErrKeyRevisionMismatch]. Revision zero means that there
	// must be none, not even that of a delete.
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)

	// Delete marks a key as deleted and keeps its history. With [LastRevision],
	// the error matches [ErrKeyRevisionMismatch] if the key is at another
	// revision. A key need not exist to be deleted.
	Delete(ctx context.Context, key string, opts ...KVDeleteOpt) error

	// Purge is Delete without keeping the history. See [PurgeTTL] for a marker
	// that expires.
	Purge(ctx context.Context, key string, opts ...KVDeleteOpt) error

	// Watch delivers the entries of all keys that match the filter: first the
	// last one of each key, in the order of revisions, then nil, and then each
	// update as it happens. Options change what is delivered, see [WatchOpt].
	//
	// Entries come in order, without gaps and once each, also if the connection
	// is interrupted or servers come and go, as long as they are stored. While
	// nobody reads, nothing more is requested than fits a window of a few
	// megabytes. The watch ends, and its channel is closed, with
	// [KeyWatcher].Stop, with ctx, when the connection is closed, and when the
	// bucket is deleted.
	Watch(ctx context.Context, keys string, opts ...WatchOpt) (KeyWatcher, error)

	// WatchAll is Watch for all keys.
	WatchAll(ctx context.Context, opts ...WatchOpt) (KeyWatcher, error)

	// WatchFiltered is Watch for several filters, none of which may overlap
	// another ([ErrOverlappingFilterSubjects]). Without any, it is for all keys.
	WatchFiltered(ctx context.Context, keys []string, opts ...WatchOpt) (KeyWatcher, error)

	// Keys returns all keys that have a value, sorted. It returns exactly
	// [ErrNoKeysFound] if there are none. Keys and the methods below return all
	// there is or an error, never a part. They refuse [UpdatesOnly].
	Keys(ctx context.Context, opts ...WatchOpt) ([]string, error)

	// ListKeys is Keys without keeping all keys in memory: they come through a
	// channel, in no particular order. A key that is written meanwhile may come
	// twice. Options of the watch behind it are applied.
	ListKeys(ctx context.Context, opts ...WatchOpt) (KeyLister, error)

	// ListKeysFiltered is ListKeys for the keys that match one of the filters,
	// or for all keys without any.
	ListKeysFiltered(ctx context.Context, filters ...string) (KeyLister, error)

	// History returns all entries of a key that are stored, oldest first,
	// deletes included. A filter selects several keys. It returns exactly
	// [ErrKeyNotFound] if there are none.
	History(ctx context.Context, key string, opts ...WatchOpt) ([]KeyValueEntry, error)

	// Bucket returns the name of the bucket.
	Bucket() string

	// PurgeDeletes removes what is left of deleted keys: their history, and
	// their markers too if these are older than 30 minutes or what
	// [DeleteMarkersOlderThan] says. Age is measured by the clock of this
	// machine. A key that is written meanwhile keeps its new value. It stops at
	// the first error.
	PurgeDeletes(ctx context.Context, opts ...KVPurgeOpt) error

	// Status asks the server for the state of the bucket. The result is a
	// *[KeyValueBucketStatus]. If the bucket is gone, the error matches
	// [ErrStreamNotFound].
	Status(ctx context.Context) (KeyValueStatus, error)
}

// keyValue implements [KeyValue].
type keyValue struct {
	js       *jetStream
	stream   *stream
	bucket   string
	prefixes kvPrefixes
}

var _ KeyValue = (*keyValue)(nil)

func newKeyValue(js *jetStream, bucket string, info *StreamInfo) *keyValue {
	return &keyValue{
		js:       js,
		stream:   newStream(js, info.Config.Name, info),
		bucket:   bucket,
		prefixes: kvSubjects(js.prefix, bucket, &info.Config),
	}
}

func (k *keyValue) Bucket() string { return k.bucket }

// single reports whether the bucket keeps one revision of each key, as far as
// the handle knows.
func (k *keyValue) single() bool { return k.stream.info.Load().Config.MaxMsgsPerSubject == 1 }

// averageSize returns how many bytes an entry takes up on average, as far as the
// handle knows.
func (k *keyValue) averageSize() (bytes uint64, known bool) {
	state := &k.stream.info.Load().State
	if state.Msgs == 0 {
		return 0, false
	}
	return max(state.Bytes/state.Msgs, 1), true
}

func (k *keyValue) Get(ctx context.Context, key string) (KeyValueEntry, error) {
	if !validKey(key) {
		return nil, ErrInvalidKey
	}
	return k.value(k.last(ctx, key))
}

func (k *keyValue) GetRevision(ctx context.Context, key string, revision uint64) (KeyValueEntry, error) {
	if !validKey(key) {
		return nil, ErrInvalidKey
	}
	if revision == 0 {
		return k.value(k.last(ctx, key))
	}
	msg, err := k.stream.getMsg(ctx, apiMsgGetRequest{Seq: revision})
	if err == nil && k.key(msg.Subject) != key {
		return nil, ErrKeyNotFound
	}
	return k.value(msg, err)
}

// last gets the last message of a key.
func (k *keyValue) last(ctx context.Context, key string) (RawStreamMsg, error) {
	return k.stream.lastMsg(ctx, k.prefixes.read, key)
}

// value returns the entry that a message is if it holds a value.
func (k *keyValue) value(msg RawStreamMsg, err error) (KeyValueEntry, error) {
	if err != nil {
		return nil, mapNotFound(err)
	}
	if kvOperation(msg.Header) != KeyValuePut {
		return nil, ErrKeyNotFound
	}
	value := msg.Data
	if value == nil {
		value = []byte{}
	}
	entry := kvEntries.next(len(value))
	*entry = kvEntry{
		kv:       k,
		key:      k.key(msg.Subject),
		value:    value,
		revision: msg.Sequence,
		created:  msg.Time,
	}
	return entry, nil
}

func mapNotFound(err error) error {
	if errors.Is(err, ErrMsgNotFound) {
		return ErrKeyNotFound
	}
	return err
}

// key returns the key that the subject of a stored message stands for. The
// subject of a message that is none of a key is returned as it is, which is no
// key either.
func (k *keyValue) key(subject string) string { return strings.TrimPrefix(subject, k.prefixes.read) }

func (k *keyValue) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return k.write(ctx, key, value, nil)
}

func (k *keyValue) PutString(ctx context.Context, key string, value string) (uint64, error) {
	return k.write(ctx, key, []byte(value), nil)
}

// write publishes a message for a key and returns its sequence.
func (k *keyValue) write(ctx context.Context, key string, value []byte, header nats.Header) (uint64, error) {
	if !validKey(key) {
		return 0, ErrInvalidKey
	}
	msg := &nats.Msg{Subject: joinText(k.prefixes.write, key), Data: value, Header: header}
	ack, err := k.js.publishSync(ctx, msg, DefaultPubRetryAttempts, DefaultPubRetryWait)
	if err != nil {
		return 0, err
	}
	return ack.seq, nil
}

// The headers of the most frequent writes. They are never written to.
var (
	kvCreateHeader = kvWrite{checked: true}.header("")
	kvDeleteHeader = kvWrite{}.header(kvOperationDelete)
	kvPurgeHeader  = kvWrite{}.header(kvOperationPurge)
)

// kvUpdateHeader is the header of an update. It serves one after the other, as a
// map costs more than all else that an update allocates here; once a write has
// returned, nothing refers to its header any more.
type kvUpdateHeader struct {
	header   nats.Header
	expected [1]string
}

var kvUpdateHeaders = sync.Pool{New: func() any {
	h := new(kvUpdateHeader)
	h.header = nats.Header{ExpectedLastSubjSeqHeader: h.expected[:]}
	return h
}}

func (k *keyValue) Create(ctx context.Context, key string, value []byte, opts ...KVCreateOpt) (uint64, error) {
	if !validKey(key) {
		return 0, ErrInvalidKey
	}
	w := kvWrite{checked: true}
	header := kvCreateHeader
	if len(opts) > 0 {
		var err error
		if w, err = collectCreateOpts(opts); err != nil {
			return 0, err
		}
		header = w.header("")
	}
	for attempt := 1; ; attempt++ {
		revision, err := k.write(ctx, key, value, header)
		if err == nil || !isWrongRevision(err) {
			return revision, err
		}
		// The key may end in a marker, or in another one by now.
		marker, exists, lookUpErr := k.markerAfter(ctx, key, err)
		switch {
		case lookUpErr != nil:
			// Not with the refusal: it matches ErrKeyExists, which nobody knows.
			return 0, lookUpErr
		case exists || attempt == maxCreateAttempts:
			return 0, keyExists(err)
		}
		w.expected = marker
		header = w.header("")
	}
}

// markerAfter looks for the marker a key ends with and returns its revision, which
// is zero if nothing is left of the key, or reports that the key has a value.
// refusal is the error of a write that found the key at another revision; if it
// says at which, an answer that does not know of that revision yet comes from a
// replica that lags behind, and the leader is asked.
func (k *keyValue) markerAfter(ctx context.Context, key string, refusal error) (revision uint64, exists bool, err error) {
	actual, known := actualRevision(refusal)
	var msg RawStreamMsg
	if known {
		msg, err = k.last(ctx, key)
	}
	if !known || (err == nil && msg.Sequence < actual) || errors.Is(err, ErrMsgNotFound) {
		msg, err = k.stream.getStored(ctx, apiMsgGetRequest{LastFor: k.prefixes.read + key})
	}
	switch {
	case errors.Is(err, ErrMsgNotFound):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	return msg.Sequence, kvOperation(msg.Header) == KeyValuePut, nil
}

// isWrongRevision reports whether a write was refused because its key is at
// another revision than expected.
func isWrongRevision(err error) bool {
	var apiErr *APIError
	return errors.As(err, &apiErr) &&
		(apiErr.ErrorCode == JSErrCodeStreamWrongLastSequence || apiErr.ErrorCode == JSErrCodeStreamWrongLastSequenceConstant)
}

// actualRevision returns the revision of a key as the refusal of a write tells
// it, which is only if no other write on the key was under way.
func actualRevision(err error) (uint64, bool) {
	var apiErr *APIError
	if !errors.As(err, &apiErr) {
		return 0, false
	}
	_, number, ok := strings.Cut(apiErr.Description, ": ")
	if !ok {
		return 0, false
	}
	seq, parseErr := strconv.ParseUint(number, 10, 64)
	return seq, parseErr == nil
}

// keyExists turns the refusal of a create into its error. One with the common
// code matches [ErrKeyExists] by that code.
func keyExists(err error) error {
	if errors.Is(err, ErrKeyExists) {
		return fmt.Errorf("%w: %s", err, "key exists")
	}
	return fmt.Errorf("%w: %w", err, ErrKeyExists)
}

// revisionMismatch turns the refusal of any other write into its error.
func revisionMismatch(err error) error {
	if err == nil || !isWrongRevision(err) {
		return err
	}
	return fmt.Errorf("%w: %w", err, ErrKeyRevisionMismatch)
}

func (k *keyValue) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	h := kvUpdateHeaders.Get().(*kvUpdateHeader)
	h.expected[0] = strconv.FormatUint(revision, 10)
	revision, err := k.write(ctx, key, value, h.header)
	kvUpdateHeaders.Put(h)
	return revision, revisionMismatch(err)
}

func (k *keyValue) Delete(ctx context.Context, key string, opts ...KVDeleteOpt) error {
	return k.remove(ctx, key, kvOperationDelete, kvDeleteHeader, opts)
}

func (k *keyValue) Purge(ctx context.Context, key string, opts ...KVDeleteOpt) error {
	return k.remove(ctx, key, kvOperationPurge, kvPurgeHeader, opts)
}

// remove publishes the marker for a delete or purge. header is that without
// options.
func (k *keyValue) remove(ctx context.Context, key, op string, header nats.Header, opts []KVDeleteOpt) error {
	if !validKey(key) {
		return ErrInvalidKey
	}
	if len(opts) > 0 {
		var w kvWrite
		err := applyGiven(opts, func(opt KVDeleteOpt) error { return opt.applyDelete(&w) })
		if err != nil {
			return err
		}
		if op == kvOperationDelete && w.ttl > 0 {
			return ErrTTLOnDeleteNotSupported
		}
		header = w.header(op)
	}
	_, err := k.write(ctx, key, nil, header)
	return revisionMismatch(err)
}

func (k *keyValue) Status(ctx context.Context) (KeyValueStatus, error) {
	info, err := k.stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	return &KeyValueBucketStatus{info: info, bucket: k.bucket}, nil
}
