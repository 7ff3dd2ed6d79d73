package torture

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/kvcheck"
)

// wantViolations fails the test unless a checker found so many violations.
func wantViolations(t *testing.T, name string, want int, got []string) {
	t.Helper()
	if len(got) != want {
		t.Errorf("%s: %d violations, want %d: %q", name, len(got), want, got)
	}
}

// at is a time so many milliseconds after some moment.
func at(ms int) time.Time { return time.UnixMilli(1_000_000 + int64(ms)) }

// stream returns what is stored: messages m1, m2 and so on with the given
// sequences, each stored at as many milliseconds.
func stream(sequences ...uint64) (stored []entry) {
	for _, seq := range sequences {
		stored = append(stored, entry{seq: seq, at: at(int(seq)), id: fmt.Sprint("m", seq), size: 10, intact: true})
	}
	return stored
}

func TestPublishSettlesByAllItsAttempts(t *testing.T) {
	t.Parallel()
	refused := &jetstream.APIError{Code: 400, ErrorCode: 10060}
	for name, tt := range map[string]struct {
		attempts []error
		want     outcome
	}{
		"stored":              {[]error{nil}, acked},
		"refused":             {[]error{refused}, absent},
		"nobody answers":      {[]error{jetstream.ErrNoStreamResponse, fmt.Errorf("x: %w", refused)}, absent},
		"no answer":           {[]error{context.DeadlineExceeded}, unknown},
		"lost, then refused":  {[]error{nats.ErrDisconnected, refused}, unknown},
		"refused, then lost":  {[]error{refused, jetstream.ErrAsyncPublishTimeout}, unknown},
		"lost, then stored":   {[]error{nats.ErrDisconnected, nil}, acked},
		"error of the socket": {[]error{errors.New("broken pipe")}, unknown},
	} {
		var p publish
		for _, err := range tt.attempts {
			p.settle(7, err)
		}
		if p.outcome != tt.want || (p.outcome == acked) != (p.seq == 7) {
			t.Errorf("%s: outcome %d at %d, want %d", name, p.outcome, p.seq, tt.want)
		}
	}
}

func TestCheckPublishes(t *testing.T) {
	t.Parallel()
	of := func(id string, seq uint64, o outcome) publish { return publish{id: id, size: 10, seq: seq, outcome: o} }
	broken := stream(1)
	broken[0].intact = false
	twice := stream(1, 2)
	twice[1].id = "m1"
	for name, tt := range map[string]struct {
		published []publish
		stored    []entry
		purged    uint64
		want      int
	}{
		"all as reported":    {[]publish{of("m1", 1, acked), of("m2", 0, unknown), of("x", 0, unknown), of("y", 0, absent)}, stream(1, 2), 0, 0},
		"acknowledged, lost": {[]publish{of("m1", 1, acked), of("m2", 2, acked)}, stream(1), 0, 1},
		"lost by a purge":    {[]publish{of("m1", 1, acked), of("m2", 2, acked)}, stream(2), 2, 0},
		"lost beside one":    {[]publish{of("m1", 1, acked), of("m2", 2, acked)}, stream(1), 2, 1},
		"at another place":   {[]publish{of("m1", 2, acked), of("m2", 0, unknown)}, stream(1, 2), 0, 1},
		"refused, stored":    {[]publish{of("m1", 0, absent)}, stream(1), 0, 1},
		"stored twice":       {[]publish{of("m1", 1, acked)}, twice, 0, 1},
		"reported twice":     {[]publish{of("m1", 1, acked), of("z", 1, acked)}, stream(1), 0, 1},
		"published by none":  {nil, stream(1), 0, 1},
		"another payload":    {[]publish{of("m1", 1, acked)}, broken, 0, 1},
		"another size":       {[]publish{{id: "m1", size: 11, seq: 1, outcome: acked}}, stream(1), 0, 1},
	} {
		wantViolations(t, name, tt.want, checkPublishes(tt.published, tt.stored, tt.purged))
	}
}

// took returns the delivery of message m<seq>, answered at so many milliseconds.
func took(seq, attempt uint64, a answer, ended int) delivery {
	return delivery{seq: seq, attempt: attempt, id: fmt.Sprint("m", seq), intact: true, answer: a, ended: at(ended)}
}

func TestCheckDeliveries(t *testing.T) {
	t.Parallel()
	foreign, broken := took(1, 1, ack, 2), took(1, 1, ack, 2)
	foreign.id, broken.intact = "x", false
	base := consumption{stored: stream(1, 2), ackWait: savedUnit + time.Second, attempts: true}
	first := took(1, 1, confirmed, 5)
	for name, tt := range map[string]struct {
		deliveries []delivery
		change     func(*consumption)
		want       int
		again      string
	}{
		"each once":            {[]delivery{first, took(2, 1, ack, 6)}, nil, 0, ""},
		"out of order":         {[]delivery{took(2, 1, ack, 6), first}, nil, 0, ""},
		"one never":            {[]delivery{first}, nil, 1, ""},
		"one purged":           {[]delivery{took(2, 1, ack, 6)}, func(c *consumption) { c.purged = 2 }, 0, ""},
		"one before a purge":   {[]delivery{first, took(2, 1, ack, 6)}, func(c *consumption) { c.stored, c.purged = stream(2), 2 }, 0, ""},
		"one that is not":      {[]delivery{first, took(2, 1, ack, 6), took(3, 1, ack, 7)}, nil, 1, ""},
		"another message":      {[]delivery{foreign, took(2, 1, ack, 6)}, nil, 1, ""},
		"broken":               {[]delivery{broken, took(2, 1, ack, 6)}, nil, 1, ""},
		"again though done":    {[]delivery{first, took(2, 1, ack, 6), took(1, 2, ack, 9)}, nil, 1, unexplained},
		"again, made again":    {[]delivery{first, took(2, 1, ack, 6), took(1, 2, ack, 9)}, func(c *consumption) { c.recreated = true }, 0, unexplained},
		"again after AckWait":  {[]delivery{took(1, 1, confirmed, 1001), took(2, 1, ack, 6), took(1, 2, ack, 1009)}, nil, 0, "confirmed after AckWait"},
		"again, ack lost":      {[]delivery{took(1, 1, ack, 5), took(2, 1, ack, 6), took(1, 2, ack, 9)}, nil, 0, "acknowledgement not confirmed"},
		"again after a nak":    {[]delivery{took(1, 1, nak, 5), took(2, 1, ack, 6), took(1, 2, ack, 9)}, nil, 0, "negatively acknowledged"},
		"again, left alone":    {[]delivery{took(1, 1, noAnswer, 5), took(2, 1, ack, 6), took(1, 2, ack, 9)}, nil, 0, "not acknowledged"},
		"again after a second": {[]delivery{took(1, 1, nak, 5), took(1, 2, confirmed, 6), took(2, 1, ack, 6), took(1, 3, ack, 9)}, nil, 0, "confirmed after an attempt that was not"},
		"the same attempt":     {[]delivery{took(1, 1, ack, 5), took(2, 1, ack, 6), took(1, 1, ack, 9)}, nil, 1, "with the same number of the attempt"},
		"of another leader":    {[]delivery{took(1, 1, ack, 5), took(2, 1, ack, 6), took(1, 1, ack, 9)}, func(c *consumption) { c.attempts = false }, 0, "with the same number of the attempt"},
	} {
		c := base
		if tt.change != nil {
			tt.change(&c)
		}
		violations, again := checkDeliveries(c, tt.deliveries)
		wantViolations(t, name, tt.want, violations)
		if tt.again != "" && again[tt.again] == 0 {
			t.Errorf("%s: came again for %v, want %q", name, again, tt.again)
		}
	}
}

func TestCheckOrdered(t *testing.T) {
	t.Parallel()
	seen := func(sequences ...uint64) (all []delivery) {
		for _, seq := range sequences {
			all = append(all, took(seq, 1, noAnswer, 0))
		}
		return all
	}
	foreign := seen(1, 2)
	foreign[1].id = "x"
	for name, tt := range map[string]struct {
		stored     []entry
		purged     uint64
		deliveries []delivery
		want       int
	}{
		"all":               {stream(1, 2, 4), 0, seen(1, 2, 4), 0},
		"a piece":           {stream(1, 2, 3, 4), 0, seen(2, 3), 0},
		"nothing":           {stream(1), 0, nil, 0},
		"a hole":            {stream(1, 2, 3), 0, seen(1, 3), 1},
		"a purged hole":     {stream(1, 2, 3), 3, seen(1, 3), 0},
		"purged since":      {stream(3), 3, seen(1, 2, 3), 0},
		"twice":             {stream(1, 2), 0, seen(1, 2, 2), 1},
		"backwards":         {stream(1, 2, 3), 0, seen(1, 3, 2), 2},
		"one that is not":   {stream(1, 3), 0, seen(1, 2, 3), 1},
		"another message":   {stream(1, 2), 0, foreign, 1},
		"hole after purge":  {stream(1, 2, 3, 4), 2, seen(1, 4), 2},
		"begun after purge": {stream(3, 4), 3, seen(3, 4), 0},
	} {
		wantViolations(t, name, tt.want, checkOrdered(tt.stored, tt.purged, tt.deliveries))
	}
}

func TestCheckWatch(t *testing.T) {
	t.Parallel()
	a, b, gone := revision{rev: 1, key: "a", value: "1"}, revision{rev: 2, key: "b", value: "2"}, revision{rev: 3, key: "a", deleted: true}
	other := b
	other.value = "x"
	history := []revision{a, b, gone}
	all := func(revision) bool { return true }
	onlyA := func(r revision) bool { return r.key == "a" }
	for name, tt := range map[string]struct {
		selects func(revision) bool
		since   uint64
		seen    []revision
		want    int
	}{
		"all":             {all, 0, history, 0},
		"one key":         {onlyA, 0, []revision{a, gone}, 0},
		"missed":          {all, 0, []revision{a, gone}, 1},
		"superseded":      {all, 3, []revision{a, gone}, 0},
		"missed behind":   {all, 2, []revision{a, gone}, 1},
		"missed the last": {all, 0, []revision{a, b}, 1},
		"twice":           {all, 0, []revision{a, b, b, gone}, 2},
		"out of order":    {all, 0, []revision{b, a, gone}, 1},
		"another value":   {all, 0, []revision{a, other, gone}, 1},
		"not selected":    {onlyA, 0, []revision{a, b, gone}, 1},
	} {
		wantViolations(t, name, tt.want, checkWatch(history, tt.selects, tt.since, tt.seen))
	}
}

func TestCheckWrites(t *testing.T) {
	t.Parallel()
	history := []revision{{rev: 1, key: "k", value: "a"}, {rev: 2, key: "k", value: "b"}, {rev: 3, key: "k", deleted: true}}
	op := func(kind, value string, expected, rev uint64, err string) porcupine.Operation {
		return porcupine.Operation{
			Input:  kvcheck.Op{Kind: kind, Key: "k", Value: value, Expected: expected},
			Output: kvcheck.Result{Revision: rev, Err: err},
		}
	}
	get := func(rev uint64, value string) porcupine.Operation {
		return porcupine.Operation{Input: kvcheck.Op{Kind: "get", Key: "k"}, Output: kvcheck.Result{Revision: rev, Value: value}}
	}
	create, update, remove := op("create", "a", 0, 1, ""), op("update", "b", 1, 2, ""), op("delete", "", 0, 0, "")
	for name, tt := range map[string]struct {
		history []revision
		ops     []porcupine.Operation // one after the other
		want    int
	}{
		"all as reported":    {history, []porcupine.Operation{create, update, get(2, "b"), remove, op("put", "c", 0, 0, kvcheck.Unknown)}, 0},
		"unknown and stored": {history, []porcupine.Operation{create, op("update", "b", 1, 0, kvcheck.Unknown), remove}, 0},
		"busy and stored":    {history, []porcupine.Operation{create, op("update", "b", 1, 0, "busy"), remove}, 0},
		"busy, not stored":   {history[:1], []porcupine.Operation{create, op("update", "b", 1, 0, "busy")}, 0},
		"lost":               {history[:1], []porcupine.Operation{create, update}, 1},
		"refused and stored": {history, []porcupine.Operation{create, op("update", "b", 1, 0, "mismatch"), remove}, 2},
		"stored twice":       {append(history[:3:3], revision{rev: 4, key: "k", value: "a"}), []porcupine.Operation{create, update, remove}, 2},
		"another revision":   {history, []porcupine.Operation{op("create", "a", 0, 2, ""), remove}, 1},
		"read something":     {history, []porcupine.Operation{create, get(1, "x")}, 1},
		"read what is gone":  {history, []porcupine.Operation{create, get(3, "")}, 1},
		"exists after all":   {history, []porcupine.Operation{create, update, remove, op("create", "c", 0, 0, "exists")}, 1},
		"no order explains":  {history, []porcupine.Operation{update, create}, 1},
	} {
		for i := range tt.ops {
			tt.ops[i].Call, tt.ops[i].Return = int64(2*i), int64(2*i+1)
		}
		wantViolations(t, name, tt.want, checkWrites(tt.history, tt.ops, time.Minute))
	}
}

func TestCheckSnapshot(t *testing.T) {
	t.Parallel()
	history := []revision{{rev: 1, key: "a"}, {rev: 2, key: "b"}, {rev: 3, key: "a"}}
	for name, tt := range map[string]struct {
		since uint64
		found map[string]uint64
		want  int
	}{
		"all":           {3, map[string]uint64{"a": 3, "b": 2}, 0},
		"newer":         {1, map[string]uint64{"a": 3, "b": 2}, 0},
		"missing":       {3, map[string]uint64{"a": 3}, 1},
		"too old":       {3, map[string]uint64{"a": 1, "b": 2}, 1},
		"not there yet": {1, map[string]uint64{"a": 1}, 0},
	} {
		wantViolations(t, name, tt.want, checkSnapshot(history, snapshot{since: tt.since, found: tt.found}))
	}
}

func TestCheckObject(t *testing.T) {
	t.Parallel()
	of := func(content string, o outcome) put { return put{name: "o", content: content, outcome: o} }
	for name, tt := range map[string]struct {
		puts    []put
		content string
		want    int
	}{
		"the last":           {[]put{of("a", acked), of("b", acked)}, "b", 0},
		"an older":           {[]put{of("a", acked), of("b", acked)}, "a", 1},
		"unknown, happened":  {[]put{of("a", acked), of("b", unknown)}, "b", 0},
		"unknown, did not":   {[]put{of("a", acked), of("b", unknown)}, "a", 0},
		"before an unknown":  {[]put{of("z", acked), of("a", acked), of("b", unknown)}, "z", 1},
		"deleted":            {[]put{of("a", acked), of("", acked)}, "", 0},
		"gone":               {[]put{of("a", acked)}, "", 1},
		"maybe never":        {[]put{of("a", unknown)}, "", 0},
		"content of nowhere": {[]put{of("a", unknown)}, "x", 1},
	} {
		wantViolations(t, name, tt.want, checkObject(tt.puts, tt.content))
	}
}

func TestSettledConsumer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*jetstream.ConsumerInfo)
		want   bool
	}{
		"at the end": {func(*jetstream.ConsumerInfo) {}, true},
		"pending":    {func(i *jetstream.ConsumerInfo) { i.NumPending = 1 }, false},
		"awaiting":   {func(i *jetstream.ConsumerInfo) { i.NumAckPending = 1 }, false},
		"floor":      {func(i *jetstream.ConsumerInfo) { i.AckFloor.Stream = 8 }, false},
	} {
		info := &jetstream.ConsumerInfo{AckFloor: jetstream.SequenceInfo{Stream: 9}}
		tt.change(info)
		if got, state := settled(info, 9); got != tt.want {
			t.Errorf("%s: %v (%v)", name, got, state)
		}
	}
}

func TestPayloadTellsWhetherItIsIntact(t *testing.T) {
	t.Parallel()
	data := payload("id-7", 40)
	if !intact("id-7", data) {
		t.Error("the payload is not that of its id")
	}
	if intact("id-8", data) {
		t.Error("the payload is that of another id as well")
	}
	for i := range data {
		data[i]++
		if intact("id-7", data) {
			t.Errorf("a change of byte %d does not show", i)
		}
		data[i]--
	}
}

func TestClassifyKnowsWhatFaultsBringAbout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("x: %w", nats.ErrNoResponders), true},
		{&jetstream.APIError{Code: 503, ErrorCode: 10008}, true},
		{&jetstream.APIError{Code: 409, ErrorCode: duplicateInProcess}, true},
		{&jetstream.APIError{Code: 404, ErrorCode: jetstream.JSErrCodeStreamNotFound}, false},
		{jetstream.ErrInvalidOption, false},
		{nats.ErrSlowConsumer, false},
		{jetstream.ErrDigestMismatch, false},
	} {
		if _, expected := classify(tt.err); expected != tt.want {
			t.Errorf("%v is expected: %v", tt.err, expected)
		}
	}
}
