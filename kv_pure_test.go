package jetstream

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
)

// A51
func TestKeysAndBucketsAreValidatedByteForByte(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a": true, "A-b_9": true, "": false, "a.b": false, "a b": false, "a/b": false, "TEST.": false, "ä": false, "a\x00": false,
	} {
		if got := validBucket(name); got != want {
			t.Errorf("bucket %q: valid = %v", name, got)
		}
	}
	for key, want := range map[string]bool{
		"a": true, "a.b.c": true, "-/_=.1": true, "foo/bar": true,
		"": false, ".": false, ".a": false, "a.": false, "a..b": false, "a b": false, "a*": false, ">": false, "a.>": false,
		"a\n": false, "a\x00b": false, "ü": false, "a:b": false, "$a": false,
	} {
		if got := validKey(key); got != want {
			t.Errorf("key %q: valid = %v", key, got)
		}
	}
	for filter, want := range map[string]bool{
		"a": true, ">": true, "foo.>": true, "foo.*.bar": true, "*": true, "a*": true, "a>": true,
		"": false, ".": false, ".>": false, "a..>": false, "a.>.b": false, ">a": false, ">>": false, "foo!": false, "foo bar": false, "foo.": false, "a..b.c": false,
	} {
		if got := validFilter(filter); got != want {
			t.Errorf("filter %q: valid = %v", filter, got)
		}
	}
}

func FuzzFilterAgreesWithKey(f *testing.F) {
	for _, seed := range []string{"a", "a.b", ">", "a.>", "*.a", "..", "a.", ".a", "a b", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		filter := validFilter(s)
		switch {
		case validKey(s) && !filter:
			t.Errorf("%q is a key but no filter", s)
		case filter && !strings.ContainsAny(s, "*>") && !validKey(s):
			t.Errorf("%q is a filter without wildcards but no key", s)
		case filter && validateSubject(s) != nil:
			t.Errorf("%q is a filter but no subject: %v", s, validateSubject(s))
		}
	})
}

func TestOperationFollowsFromHeaders(t *testing.T) {
	t.Parallel()
	header := func(pairs ...string) nats.Header {
		h := nats.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	for _, tt := range []struct {
		header nats.Header
		want   KeyValueOp
	}{
		{nil, KeyValuePut},
		{header("X", "y"), KeyValuePut},
		{header("KV-Operation", "DEL"), KeyValueDelete},
		{header("KV-Operation", "PURGE"), KeyValuePurge},
		{header("KV-Operation", "PUT", "Nats-Marker-Reason", "MaxAge"), KeyValuePut},
		{header("KV-Operation", "DEL", "Nats-Marker-Reason", "MaxAge"), KeyValueDelete},
		{header("Nats-Marker-Reason", "MaxAge"), KeyValuePurge},
		{header("Nats-Marker-Reason", "Purge"), KeyValuePurge},
		{header("Nats-Marker-Reason", "Remove"), KeyValueDelete},
		{header("Nats-Marker-Reason", "Whatever"), KeyValuePut},
	} {
		if got := kvOperation(tt.header); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.header, got, tt.want)
		}
	}
	for op, want := range map[KeyValueOp]string{
		KeyValuePut: "KeyValuePutOp", KeyValueDelete: "KeyValueDeleteOp", KeyValuePurge: "KeyValuePurgeOp", 9: "Unknown Operation",
	} {
		if op.String() != want {
			t.Errorf("operation %d is called %s, want %s", op, op, want)
		}
	}
}

func TestBucketConfigBecomesStreamConfig(t *testing.T) {
	t.Parallel()
	placement, republish := &Placement{Cluster: "c"}, &RePublish{Destination: "d"}
	plain := StreamConfig{
		Name: "KV_B", Subjects: []string{"$KV.B.>"}, MaxMsgsPerSubject: 1, MaxBytes: -1, MaxMsgSize: -1, MaxMsgs: -1, MaxConsumers: -1,
		Duplicates: 2 * time.Minute, Replicas: 1, Discard: DiscardNew, AllowRollup: true, DenyDelete: true, AllowDirect: true,
	}
	with := func(change func(*StreamConfig)) StreamConfig {
		sc := plain
		change(&sc)
		return sc
	}
	for _, tt := range []struct {
		name string
		cfg  KeyValueConfig
		want StreamConfig
	}{
		{"nothing but a name", KeyValueConfig{Bucket: "B"}, plain},
		{"everything", KeyValueConfig{
			Bucket: "B", Description: "d", MaxValueSize: 10, History: 64, TTL: time.Hour, MaxBytes: 99, Storage: MemoryStorage, Replicas: 3,
			Placement: placement, RePublish: republish, Compression: true, LimitMarkerTTL: time.Minute, Metadata: map[string]string{"a": "b"},
		}, with(func(sc *StreamConfig) {
			sc.Description, sc.MaxMsgSize, sc.MaxMsgsPerSubject, sc.MaxAge, sc.MaxBytes = "d", 10, 64, time.Hour, 99
			sc.Storage, sc.Replicas, sc.Placement, sc.RePublish, sc.Compression = MemoryStorage, 3, placement, republish, S2Compression
			sc.AllowMsgTTL, sc.SubjectDeleteMarkerTTL, sc.Metadata = true, time.Minute, map[string]string{"a": "b"}
		})},
		{"short TTL", KeyValueConfig{Bucket: "B", TTL: 5 * time.Second}, with(func(sc *StreamConfig) {
			sc.MaxAge, sc.Duplicates = 5*time.Second, 5*time.Second
		})},
		{"mirror", KeyValueConfig{Bucket: "B", Mirror: &StreamSource{Name: "O"}, Sources: []*StreamSource{{Name: "X"}}}, with(func(sc *StreamConfig) {
			sc.Subjects, sc.Mirror, sc.MirrorDirect = nil, &StreamSource{Name: "KV_O"}, true
		})},
		{"sources", KeyValueConfig{Bucket: "B", Sources: []*StreamSource{
			{Name: "S1"},
			{Name: "KV_S2"},
			{Name: "any", SubjectTransforms: []SubjectTransformConfig{{Source: "x.>", Destination: "$KV.B.>"}}},
			{Name: "B", External: &ExternalStream{APIPrefix: "$JS.hub.API"}},
		}}, with(func(sc *StreamConfig) {
			sc.Sources = []*StreamSource{
				{Name: "KV_S1", SubjectTransforms: []SubjectTransformConfig{{Source: "$KV.S1.>", Destination: "$KV.B.>"}}},
				{Name: "KV_S2", SubjectTransforms: []SubjectTransformConfig{{Source: "$KV.S2.>", Destination: "$KV.B.>"}}},
				{Name: "any", SubjectTransforms: []SubjectTransformConfig{{Source: "x.>", Destination: "$KV.B.>"}}},
				{Name: "KV_B", External: &ExternalStream{APIPrefix: "$JS.hub.API"}},
			}
		})},
	} {
		got, err := kvStreamConfig(&tt.cfg)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if _, err := kvStreamConfig(&KeyValueConfig{Bucket: "B", History: 65}); err != ErrHistoryTooLarge {
		t.Errorf("history of 65: %v", err)
	}
}

// A60
func TestBucketConfigLeavesSourcesOfTheCallerAlone(t *testing.T) {
	t.Parallel()
	cfg := func() KeyValueConfig {
		return KeyValueConfig{
			Bucket: "B", Mirror: &StreamSource{Name: "O", Domain: "hub"},
			Sources: []*StreamSource{{Name: "S1"}, {Name: "KV_S2", Domain: "hub"}},
		}
	}
	mirrored, sourced := cfg(), cfg()
	sourced.Mirror = nil
	for _, used := range []KeyValueConfig{mirrored, sourced} {
		sc, err := kvStreamConfig(&used)
		if err == nil {
			_, err = resolveDomains(sc)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(cfg(), mirrored); diff != "" {
		t.Errorf("mirror was changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(cfg().Sources, sourced.Sources); diff != "" {
		t.Errorf("sources were changed (-want +got):\n%s", diff)
	}
}

func TestStatusConfigIsTheConfigOfTheBucket(t *testing.T) {
	t.Parallel()
	cfg := KeyValueConfig{
		Bucket: "B", Description: "d", MaxValueSize: 10, History: 5, TTL: time.Hour, MaxBytes: 99, Storage: MemoryStorage, Replicas: 3,
		Placement: &Placement{Cluster: "c"}, RePublish: &RePublish{Destination: "d"}, Compression: true, LimitMarkerTTL: time.Minute,
		Metadata: map[string]string{"a": "b"},
	}
	// A field that this test does not know may be missing in the mapping.
	for v, i := reflect.ValueOf(cfg), 0; i < v.NumField(); i++ {
		switch name := v.Type().Field(i).Name; {
		case name == "Mirror" || name == "Sources":
		case v.Field(i).IsZero():
			t.Errorf("%s is not set", name)
		}
	}
	sc, err := kvStreamConfig(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cfg, kvConfig("B", &sc)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUpdateCarriesOverWhatABucketConfigCannotSay(t *testing.T) {
	t.Parallel()
	sc, err := kvStreamConfig(&KeyValueConfig{Bucket: "B", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	current := sc
	current.AllowAtomicPublish, current.AllowBatchPublish, current.AllowMsgTTL = true, true, true
	current.MaxMsgs, current.MaxConsumers, current.ConsumerLimits = 1000, 5, StreamConsumerLimits{MaxAckPending: 3}
	current.Subjects = []string{"$KV.B.>", "extra.>"}
	current.SubjectTransform = &SubjectTransformConfig{Source: "a", Destination: "b"}
	current.FirstSeq, current.PersistMode = 7, AsyncPersistMode
	current.Metadata = map[string]string{"_nats.ver": "2", "mine": "x"}

	wanted, err := kvStreamConfig(&KeyValueConfig{Bucket: "B", TTL: time.Minute, History: 5, Metadata: map[string]string{"mine": "y"}})
	if err != nil {
		t.Fatal(err)
	}
	want := current
	want.MaxAge, want.Duplicates, want.MaxMsgsPerSubject, want.Metadata = time.Minute, time.Minute, 5, wanted.Metadata
	if diff := cmp.Diff(want, kvCarryOver(wanted, &current)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	current.Duplicates = 10 * time.Second
	if got := kvCarryOver(wanted, &current).Duplicates; got != 10*time.Second {
		t.Errorf("a duplicate window of its own became %v", got)
	}
	wanted.MaxAge = time.Second
	if got := kvCarryOver(wanted, &current).Duplicates; got != time.Second {
		t.Errorf("a duplicate window longer than the TTL became %v", got)
	}
}

func TestConfigsAreTheSameButForWhatTheServerAdds(t *testing.T) {
	t.Parallel()
	wanted, err := kvStreamConfig(&KeyValueConfig{Bucket: "B", Metadata: map[string]string{"mine": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*StreamConfig)
		same   bool
	}{
		{"nothing", func(*StreamConfig) {}, true},
		{"server metadata", func(sc *StreamConfig) { sc.Metadata = map[string]string{"mine": "x", "_nats.level": "1"} }, true},
		{"empty sources", func(sc *StreamConfig) { sc.Sources = []*StreamSource{} }, true},
		{"empty placement", func(sc *StreamConfig) { sc.Placement = &Placement{} }, true},
		{"metadata", func(sc *StreamConfig) { sc.Metadata = map[string]string{"mine": "y"} }, false},
		{"description", func(sc *StreamConfig) { sc.Description = "d" }, false},
		{"republish", func(sc *StreamConfig) { sc.RePublish = &RePublish{Destination: "d"} }, false},
		{"history", func(sc *StreamConfig) { sc.MaxMsgsPerSubject = 2 }, false},
		{"atomic", func(sc *StreamConfig) { sc.AllowAtomicPublish = true }, false},
	} {
		other := wanted
		tt.change(&other)
		if got := sameStreamConfig(&wanted, &other); got != tt.same {
			t.Errorf("%s: same = %v", tt.name, got)
		}
	}
	domain := StreamConfig{Mirror: &StreamSource{Name: "O", Domain: "hub"}}
	external := StreamConfig{Mirror: &StreamSource{Name: "O", External: &ExternalStream{APIPrefix: "$JS.hub.API"}}}
	if !sameStreamConfig(&domain, &external) {
		t.Error("a domain differs from the API prefix of the domain")
	}
}

// A56, B54
func TestSubjectsOfKeysFollowFromPrefixAndMirror(t *testing.T) {
	t.Parallel()
	hub := &ExternalStream{APIPrefix: "$JS.HUB.API"}
	transforms := []SubjectTransformConfig{{Source: "$KV.O.>", Destination: "$KV.B.>"}}
	for _, tt := range []struct {
		api    string
		mirror *StreamSource
		want   kvPrefixes
	}{
		{DefaultAPIPrefix, nil, kvPrefixes{"$KV.B.", "$KV.B."}},
		{"fromA.", nil, kvPrefixes{"fromA.$KV.B.", "$KV.B."}},
		{"$JS.HUB.API.", nil, kvPrefixes{"$JS.HUB.API.$KV.B.", "$KV.B."}},
		{DefaultAPIPrefix, &StreamSource{Name: "KV_O", External: hub}, kvPrefixes{"$JS.HUB.API.$KV.O.", "$KV.O."}},
		{"$JS.LEAF.API.", &StreamSource{Name: "KV_O", External: hub}, kvPrefixes{"$JS.HUB.API.$KV.O.", "$KV.O."}},
		{DefaultAPIPrefix, &StreamSource{Name: "KV_O"}, kvPrefixes{"$KV.O.", "$KV.O."}},
		{"fromA.", &StreamSource{Name: "KV_O"}, kvPrefixes{"fromA.$KV.O.", "$KV.O."}},
		{DefaultAPIPrefix, &StreamSource{Name: "KV_O", SubjectTransforms: transforms}, kvPrefixes{"$KV.O.", "$KV.B."}},
	} {
		if got := kvSubjects(tt.api, "B", &StreamConfig{Name: "KV_B", Mirror: tt.mirror}); got != tt.want {
			t.Errorf("prefix %s, mirror %+v: %+v, want %+v", tt.api, tt.mirror, got, tt.want)
		}
	}
}

// A52
func TestExactInitialEntriesAskForTheEndWhileSomebodyWrites(t *testing.T) {
	t.Parallel()
	fresh := initialStep{fresh: true}
	last, ask := initialStep{fresh: true, last: true}, initialStep{fresh: true, ask: true}
	i := initialEntries{exact: true, trusted: true, before: 2}
	i.restart(2)
	check := func(seq, pending uint64, want initialStep) {
		t.Helper()
		got := i.take(seq, pending)
		got.enough = false
		if got != want {
			t.Fatalf("message %d: %+v, want %+v", seq, got, want)
		}
	}
	const unknown = 1 << 60
	answer := func(next uint64, last, ask bool) {
		t.Helper()
		if gotLast, gotAsk := i.answer(next, next != unknown); gotLast != last || gotAsk != ask {
			t.Fatalf("answer %d: last %v, ask %v", next, gotLast, gotAsk)
		}
	}
	check(1, 1, fresh)
	check(2, 0, last)

	i = initialEntries{exact: true, trusted: true}
	i.restart(3)
	check(1, 0, ask) // too early
	check(3, 0, fresh)
	answer(7, false, false)
	check(6, 0, fresh)
	check(8, 9, ask)
	answer(unknown, false, false)
	check(9, 9, ask)
	answer(0, true, false)
	check(10, 0, fresh)
	answer(20, false, false)

	i = initialEntries{exact: true, trusted: true, before: 2}
	i.restart(2)
	check(1, 1, fresh)
	check(3, 0, ask) // one of them is an update
	answer(0, true, false)

	i = initialEntries{exact: true, before: 2}
	i.restart(2)
	check(1, 1, fresh)
	check(2, 0, ask) // agree, but are not trusted
	check(3, 0, fresh)
	answer(3, false, true) // has come by now
	answer(0, true, false)

	i = initialEntries{}
	i.restart(3)
	check(1, 0, ask) // not trusted
	check(2, 0, fresh)
	check(3, 9, last) // but counted

	i = initialEntries{exact: true, trusted: true}
	i.restart(1)
	check(1, 5, ask)
	for n := uint64(2); n <= maxAsks; n++ {
		answer(n, false, false)
		check(n, 5, ask)
	}
	answer(100, true, false)

	i = initialEntries{exact: true, trusted: true, before: 9}
	i.restart(1)
	check(1, 5, ask)
	i.restart(2)
	answer(0, false, false) // of before the restart
	check(2, 1, fresh)
	check(3, 0, last)
}

// B71
func TestInitialEntriesEndByCountOrByPendingOrAnewAfterRestart(t *testing.T) {
	t.Parallel()
	type event struct {
		restart, pending, seq uint64 // a restart if seq is 0
		fresh, last           bool
	}
	for name, events := range map[string][]event{
		"nothing there":        {{restart: 0, last: true}, {seq: 5, fresh: true}},
		"by count":             {{restart: 2}, {seq: 1, pending: 5, fresh: true}, {seq: 2, pending: 9, fresh: true, last: true}, {seq: 3, pending: 0, fresh: true}},
		"by pending":           {{restart: 3}, {seq: 1, pending: 0, fresh: true, last: true}, {seq: 2, pending: 0, fresh: true}},
		"restart starts over":  {{restart: 3}, {seq: 4, pending: 2, fresh: true}, {restart: 2}, {seq: 4, pending: 1}, {seq: 6, pending: 3, fresh: true, last: true}},
		"restart goes on":      {{restart: 3}, {seq: 4, pending: 2, fresh: true}, {restart: 1}, {seq: 5, pending: 7, fresh: true, last: true}},
		"restart finds none":   {{restart: 3}, {seq: 4, pending: 2, fresh: true}, {restart: 0, last: true}, {seq: 9, fresh: true}},
		"restart when settled": {{restart: 1}, {seq: 4, pending: 0, fresh: true, last: true}, {restart: 5}, {seq: 4}, {seq: 5, fresh: true}},
		"old ones only":        {{restart: 2}, {seq: 7, pending: 1, fresh: true}, {restart: 1}, {seq: 7, pending: 0, last: true}},
	} {
		i := initialEntries{trusted: true}
		for n, ev := range events {
			got, want := initialStep{}, initialStep{fresh: ev.fresh, last: ev.last}
			if ev.seq == 0 {
				got.last = i.restart(ev.restart)
			} else {
				got = i.take(ev.seq, ev.pending)
			}
			got.enough = false
			if got != want {
				t.Errorf("%s, event %d: %+v", name, n, got)
			}
		}
	}
}

func TestActualRevisionIsReadFromTheRefusal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err   error
		seq   uint64
		known bool
	}{
		{fmt.Errorf("nats: %w", &APIError{ErrorCode: 10071, Description: "wrong last sequence: 12"}), 12, true},
		{&APIError{ErrorCode: 10164, Description: "wrong last sequence"}, 0, false},
		{&APIError{ErrorCode: 10071, Description: "wrong last sequence: soon"}, 0, false},
		{errors.New("wrong last sequence: 12"), 0, false},
	} {
		if seq, known := actualRevision(tt.err); seq != tt.seq || known != tt.known {
			t.Errorf("%v: %d, %v", tt.err, seq, known)
		}
	}
}

// A50
func TestBothCodesOfAWrongRevisionMatchTheSentinels(t *testing.T) {
	t.Parallel()
	common := fmt.Errorf("nats: %w", &APIError{Code: 400, ErrorCode: 10071, Description: "wrong last sequence: 1"})
	replicated := fmt.Errorf("nats: %w", &APIError{Code: 400, ErrorCode: 10164, Description: "wrong last sequence"})
	for _, err := range []error{common, replicated} {
		created, updated := keyExists(err), revisionMismatch(err)
		if !errors.Is(created, ErrKeyExists) || errors.Is(created, ErrKeyRevisionMismatch) {
			t.Errorf("create: %v", created)
		}
		if !errors.Is(updated, ErrKeyRevisionMismatch) {
			t.Errorf("update: %v", updated)
		}
		for _, mapped := range []error{created, updated} {
			var apiErr *APIError
			var jsErr JetStreamError
			if !errors.As(mapped, &apiErr) || !errors.Is(err, apiErr) || !strings.HasPrefix(apiErr.Description, "wrong last sequence") {
				t.Errorf("%v lost the server's error", mapped)
			}
			if !errors.As(mapped, &jsErr) || jsErr.APIError() != apiErr {
				t.Errorf("%v: API error %v", mapped, jsErr)
			}
		}
	}
	if text := keyExists(common).Error(); !strings.HasSuffix(text, " err_code=10071 description=wrong last sequence: 1: key exists") {
		t.Error(text)
	}
	if text := keyExists(replicated).Error(); !strings.HasSuffix(text, ": nats: key exists") {
		t.Error(text)
	}
	if text := revisionMismatch(common).Error(); !strings.HasSuffix(text, ": nats: key revision mismatch") {
		t.Error(text)
	}
	if err := errors.New("other"); revisionMismatch(err) != err || revisionMismatch(nil) != nil {
		t.Error("other errors are changed")
	}
}

func TestWritesOfOneKindShareHeadersThatSayJustEnough(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		got, want nats.Header
	}{
		{kvCreateHeader, nats.Header{"Nats-Expected-Last-Subject-Sequence": {"0"}}},
		{kvDeleteHeader, nats.Header{"KV-Operation": {"DEL"}}},
		{kvPurgeHeader, nats.Header{"KV-Operation": {"PURGE"}, "Nats-Rollup": {"sub"}}},
		{kvWrite{ttl: time.Hour, expected: 7, checked: true}.header(kvOperationPurge), nats.Header{
			"KV-Operation": {"PURGE"}, "Nats-Rollup": {"sub"}, "Nats-TTL": {"1h0m0s"}, "Nats-Expected-Last-Subject-Sequence": {"7"},
		}},
		{kvWrite{ttl: -1}.header(""), nats.Header{}},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestWatchOptionsConflictInEitherOrder(t *testing.T) {
	t.Parallel()
	for text, opts := range map[string][]WatchOpt{
		"nats: invalid jetstream option: include history cannot be used with updates only": {UpdatesOnly(), nil, IncludeHistory()},
		"nats: invalid jetstream option: updates only cannot be used with include history": {IncludeHistory(), UpdatesOnly()},
	} {
		if _, err := collectWatchOpts(opts); !errors.Is(err, ErrInvalidOption) || err.Error() != text {
			t.Errorf("%v, want %s", err, text)
		}
	}
	o, err := collectWatchOpts([]WatchOpt{nil, IncludeHistory(), IgnoreDeletes(), MetaOnly(), ResumeFromRevision(4)})
	if want := (watchOpts{ignoreDeletes: true, includeHistory: true, metaOnly: true, resumeFrom: 4}); err != nil || o != want {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestParallelWorkStopsAtTheFirstErrorAndReturnsIt(t *testing.T) {
	t.Parallel()
	items := make([]int, 1000)
	for i := range items {
		items[i] = i
	}
	broken := errors.New("broken")
	var running, most, done atomic.Int64
	err := eachInParallel(t.Context(), 8, items, func(ctx context.Context, i int) error {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m; m = most.Load() {
			most.CompareAndSwap(m, n)
		}
		done.Add(1)
		if i == 100 {
			return broken
		}
		if i > 100 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	if err != broken {
		t.Errorf("error %v", err)
	}
	if most.Load() > 8 || done.Load() > 110 {
		t.Errorf("%d at once, %d in all", most.Load(), done.Load())
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := eachInParallel(ctx, 8, items, func(context.Context, int) error { return nil }); err != context.Canceled {
		t.Errorf("after cancel: %v", err)
	}
	var seen atomic.Int64
	if err := eachInParallel(t.Context(), 8, items, func(context.Context, int) error { seen.Add(1); return nil }); err != nil || seen.Load() != 1000 {
		t.Errorf("%v after %d items", err, seen.Load())
	}
	if err := eachInParallel(t.Context(), 8, slices.Clip(items[:0]), nil); err != nil {
		t.Errorf("without items: %v", err)
	}
}

// Not parallel, since allocations of other tests would be counted.
func TestWatchedEntriesOfSmallValuesShareAllocations(t *testing.T) {
	kv := &keyValue{bucket: "B", prefixes: kvPrefixes{read: "$KV.B."}}
	w := &keyWatcher{kv: kv, updates: make(chan KeyValueEntry, slabMax)}
	reply, err := parseAckReply("$JS.ACK.KV_B.C.1.7.3.1700000000000000000.5")
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]float64{slabPayload: 1, slabPayload + 1: slabMax} {
		m := &nats.Msg{Subject: "$KV.B.key", Data: make([]byte, size)}
		deliver := func() {
			for range slabMax {
				w.entry(m, &reply, KeyValuePut)
			}
			for range slabMax {
				if e := <-w.updates; e.Key() != "key" || e.Revision() != 7 || e.Delta() != 5 || len(e.Value()) != size {
					t.Errorf("got %+v", e)
				}
			}
		}
		for len(w.slab.values) < slabMax || w.slab.used < slabMax {
			w.slab.next(0)
		}
		if allocs := testing.AllocsPerRun(20, deliver); allocs != want {
			t.Errorf("%v allocations for %d values of %d bytes, want %v", allocs, slabMax, size, want)
		}
	}
}
