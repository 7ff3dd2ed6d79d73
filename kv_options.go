package jetstream

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// WatchOpt configures a watch of a key-value bucket or an object store, and the
// calls that are made of one. A nil option is ignored.
type WatchOpt interface {
	applyWatch(o *watchOpts) error
}

// watchOpts is what the options of a watch amount to.
type watchOpts struct {
	ignoreDeletes  bool
	includeHistory bool
	updatesOnly    bool
	metaOnly       bool
	resumeFrom     uint64 // zero: not set
}

// watchOptFunc implements [WatchOpt].
type watchOptFunc func(o *watchOpts) error

func (f watchOptFunc) applyWatch(o *watchOpts) error { return f(o) }

// collectWatchOpts applies opts in their order.
func collectWatchOpts(opts []WatchOpt) (watchOpts, error) {
	var o watchOpts
	err := applyGiven(opts, func(opt WatchOpt) error { return opt.applyWatch(&o) })
	return o, err
}

// applyGiven calls apply with those of opts that are not nil, until it fails.
func applyGiven[O comparable](opts []O, apply func(O) error) error {
	var none O
	for _, opt := range opts {
		if opt == none {
			continue
		}
		if err := apply(opt); err != nil {
			return err
		}
	}
	return nil
}

// deliverPolicy returns where in the stream a watch begins that does not resume.
func (o *watchOpts) deliverPolicy() DeliverPolicy {
	switch {
	case o.updatesOnly:
		return DeliverNewPolicy
	case o.includeHistory:
		return DeliverAllPolicy
	default:
		return DeliverLastPerSubjectPolicy
	}
}

// IncludeHistory delivers all revisions that are stored, oldest first, in place
// of the last one of each key. It cannot be combined with [UpdatesOnly]: the
// watch fails with [ErrInvalidOption] then.
func IncludeHistory() WatchOpt {
	return watchOptFunc(func(o *watchOpts) error {
		if o.updatesOnly {
			return invalidOption("include history cannot be used with updates only")
		}
		o.includeHistory = true
		return nil
	})
}

// UpdatesOnly delivers only what is stored after the watch began. There is no
// nil entry then, since there are no initial values whose end it could mark. It
// cannot be combined with [IncludeHistory]: the watch fails with
// [ErrInvalidOption] then. Calls that collect the initial values refuse it
// likewise.
func UpdatesOnly() WatchOpt {
	return watchOptFunc(func(o *watchOpts) error {
		if o.includeHistory {
			return invalidOption("updates only cannot be used with include history")
		}
		o.updatesOnly = true
		return nil
	})
}

// IgnoreDeletes leaves out what marks a key or an object as deleted, purged or
// expired.
func IgnoreDeletes() WatchOpt {
	return watchOptFunc(func(o *watchOpts) error {
		o.ignoreDeletes = true
		return nil
	})
}

// MetaOnly leaves the values out, so that entries tell everything but them and
// cost little to transfer. It has no effect on object stores.
func MetaOnly() WatchOpt {
	return watchOptFunc(func(o *watchOpts) error {
		o.metaOnly = true
		return nil
	})
}

// ResumeFromRevision delivers all that is stored from the given revision on,
// that one included, whatever [IncludeHistory] and [UpdatesOnly] say. It lets a
// program that knows the last revision it has seen go on behind it. Zero sets
// nothing. It has no effect on object stores.
func ResumeFromRevision(revision uint64) WatchOpt {
	return watchOptFunc(func(o *watchOpts) error {
		o.resumeFrom = revision
		return nil
	})
}

// KVCreateOpt configures [KeyValue.Create]. A nil option is ignored.
type KVCreateOpt interface {
	applyCreate(o *kvWrite) error
}

// KVDeleteOpt configures [KeyValue.Delete] and [KeyValue.Purge]. A nil option is
// ignored.
type KVDeleteOpt interface {
	applyDelete(o *kvWrite) error
}

// kvWrite is what the options of one write amount to.
type kvWrite struct {
	ttl      time.Duration // zero or less: none
	expected uint64        // revision that the key must be at
	checked  bool          // expected counts
}

// collectCreateOpts applies opts in their order to what a create is without any.
func collectCreateOpts(opts []KVCreateOpt) (kvWrite, error) {
	w := kvWrite{checked: true}
	err := applyGiven(opts, func(opt KVCreateOpt) error { return opt.applyCreate(&w) })
	return w, err
}

// header returns the headers of a write. op is empty for one with a value.
func (w kvWrite) header(op string) nats.Header {
	h := make(nats.Header, 3)
	if op != "" {
		h[kvOperationHeader] = []string{op}
	}
	if op == kvOperationPurge {
		h[MsgRollup] = []string{MsgRollupSubject}
	}
	if w.checked {
		h[ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(w.expected, 10)}
	}
	if w.ttl > 0 {
		h[MsgTTLHeader] = []string{w.ttl.String()}
	}
	return h
}

type kvCreateOptFunc func(o *kvWrite) error

func (f kvCreateOptFunc) applyCreate(o *kvWrite) error { return f(o) }

type kvDeleteOptFunc func(o *kvWrite) error

func (f kvDeleteOptFunc) applyDelete(o *kvWrite) error { return f(o) }

// KeyTTL makes a key expire after ttl, at least a second. The bucket must have
// [KeyValueConfig].LimitMarkerTTL set; with more than one revision of history,
// the server raises a lower ttl to that. An update of the key drops the limit.
// Zero or less sets none.
func KeyTTL(ttl time.Duration) KVCreateOpt {
	return kvCreateOptFunc(func(o *kvWrite) error {
		o.ttl = ttl
		return nil
	})
}

// LastRevision lets a delete or purge succeed only if the key is at that
// revision. Otherwise it fails with [ErrKeyRevisionMismatch]. Zero checks
// nothing.
func LastRevision(revision uint64) KVDeleteOpt {
	return kvDeleteOptFunc(func(o *kvWrite) error {
		o.expected, o.checked = revision, revision != 0
		return nil
	})
}

// PurgeTTL makes the marker that a purge leaves expire after ttl, at least a
// second. The bucket must have [KeyValueConfig].LimitMarkerTTL set. Only
// [KeyValue.Purge] allows it: [KeyValue.Delete] returns
// [ErrTTLOnDeleteNotSupported]. Zero or less sets none.
func PurgeTTL(ttl time.Duration) KVDeleteOpt {
	return kvDeleteOptFunc(func(o *kvWrite) error {
		o.ttl = ttl
		return nil
	})
}

// KVPurgeOpt configures [KeyValue.PurgeDeletes]. A nil option is ignored.
type KVPurgeOpt interface {
	applyPurge(o *kvPurge)
}

// kvPurge is what the options of [KeyValue.PurgeDeletes] amount to.
type kvPurge struct {
	olderThan time.Duration
}

// DeleteMarkersOlderThan is the age from which [KeyValue.PurgeDeletes] removes
// the marker of a deleted key as well. Zero means 30 minutes, and less than zero
// means to remove markers of any age.
type DeleteMarkersOlderThan time.Duration

func (d DeleteMarkersOlderThan) applyPurge(o *kvPurge) {
	o.olderThan = time.Duration(d)
}
