package torture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"example.com/jetstream/internal/kvcheck"
)

// revision is an entry of a key-value bucket, as stored or as a watch saw it.
type revision struct {
	rev     uint64
	key     string
	value   string
	deleted bool
}

// revisions turns the messages of a bucket's stream into its entries.
func revisions(bucket string, stored []entry) []revision {
	all := make([]revision, 0, len(stored))
	for _, e := range stored {
		all = append(all, revision{
			rev: e.seq, key: strings.TrimPrefix(e.subject, "$KV."+bucket+"."),
			value: string(e.data), deleted: e.op != "",
		})
	}
	return all
}

// checkWatch compares what a watch saw with the history of the bucket: in order and
// once, and from a revision on each entry that it selects.
func checkWatch(history []revision, selects func(revision) bool, since uint64, seen []revision) (violations []string) {
	fail := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	stored := make(map[uint64]revision)
	for _, r := range history {
		if selects(r) {
			stored[r.rev] = r
		}
	}
	var last uint64
	for _, r := range seen {
		if r.rev <= last {
			fail("revision %d came after %d", r.rev, last)
		}
		last = max(last, r.rev)
		if want, ok := stored[r.rev]; !ok || want != r {
			fail("the watch saw %+v, stored is %+v", r, want)
		}
		delete(stored, r.rev)
	}
	for _, r := range history {
		if _, missed := stored[r.rev]; missed && r.rev >= since {
			fail("the watch has not seen %+v", r)
		}
	}
	return violations
}

// checkWrites compares what clients were told with the history of the bucket, and
// looks for an order of the operations that explains all answers. The history has
// to be complete. It settles most of the unknown outcomes, for values are unique.
func checkWrites(history []revision, ops []porcupine.Operation, timeout time.Duration) (violations []string) {
	fail := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	byRev := make(map[uint64]revision)
	byValue := make(map[string]uint64)
	for _, r := range history {
		byRev[r.rev] = r
		if r.deleted {
			continue
		}
		if before, ok := byValue[r.value]; ok {
			fail("the value %q is stored twice, as %d and %d", r.value, before, r.rev)
		}
		byValue[r.value] = r.rev
	}
	var writes []porcupine.Operation
	for _, op := range ops {
		in, out := op.Input.(kvcheck.Op), op.Output.(kvcheck.Result)
		rev, isStored := byValue[in.Value]
		written := in.Kind == "put" || in.Kind == "create" || in.Kind == "update"
		switch {
		case in.Kind == "get":
			if want := byRev[out.Revision]; out.Err == "" && (want.key != in.Key || want.value != out.Value || want.deleted) {
				fail("%s was read as %q at revision %d, stored is %+v", in.Key, out.Value, out.Revision, want)
			}
			continue
		case written && out.Err == "" && (rev != out.Revision || byRev[rev].key != in.Key):
			fail("%s of %s was reported as revision %d, where there is %+v", in.Kind, in.Key, out.Revision, byRev[out.Revision])
		// A leader that is being replaced can refuse a message that its successor
		// gets as well: for a moment, both listen. It is busy then with one of its own
		// that never comes to be.
		case written && (out.Err == kvcheck.Unknown || out.Err == "busy") && isStored:
			op.Output = kvcheck.Result{Revision: rev}
		case written && out.Err == kvcheck.Unknown:
			continue
		case written && out.Err != "" && isStored:
			fail("%s of %s was refused (%s) and is stored as %d", in.Kind, in.Key, out.Err, rev)
		}
		writes = append(writes, op)
	}
	// By key, so that the one at fault can be told.
	for _, part := range kvcheck.Model.Partition(writes) {
		if result := porcupine.CheckOperationsTimeout(kvcheck.Model, part, timeout); result != porcupine.Ok {
			var text strings.Builder
			for _, op := range part {
				fmt.Fprintf(&text, "\n\t\t%2d [%v, %v] %s", op.ClientId, time.Duration(op.Call), time.Duration(op.Return), kvcheck.Model.DescribeOperation(op.Input, op.Output))
			}
			fail("the history of %s is not that of a register with revisions: %s%s", part[0].Input.(kvcheck.Op).Key, result, text.String())
		}
	}
	return violations
}

// snapshot is what a listing of a bucket's initial entries found. All writes up
// to since were acknowledged when it began.
type snapshot struct {
	since uint64
	found map[string]uint64 // the revision of each key
}

// checkSnapshot holds that a listing is no older than what was acknowledged when
// it began. The history has to be complete.
func checkSnapshot(history []revision, s snapshot) (violations []string) {
	least := make(map[string]uint64)
	for _, r := range history {
		if r.rev <= s.since {
			least[r.key] = r.rev
		}
	}
	for key, rev := range least {
		if s.found[key] < rev {
			violations = append(violations, fmt.Sprintf("a listing that began after revision %d has %s at %d, not %d", s.since, key, s.found[key], rev))
		}
	}
	return violations
}

// put is a put or a delete of an object, by the only writer of that name.
type put struct {
	name    string
	content string // its digest; empty for a delete
	outcome outcome
}

// checkObject holds that an object is what was put last, or what was put after
// that if it is unknown whether that succeeded.
func checkObject(puts []put, content string) (violations []string) {
	allowed := []string{""}
	for _, p := range puts {
		switch p.outcome {
		case acked:
			allowed = []string{p.content}
		case unknown:
			allowed = append(allowed, p.content)
		case absent:
		}
	}
	if slices.Contains(allowed, content) {
		return nil
	}
	return []string{fmt.Sprintf("object %s has content %q, not one of %q", puts[0].name, content, allowed)}
}
