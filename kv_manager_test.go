package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// kvRequests records the API requests to the server that nc is connected to.
func kvRequests(t testing.TB, nc *nats.Conn) *jstest.Recorder {
	t.Helper()
	return jstest.RecordRequests(t, jstest.ConnectURL(t, nc.ConnectedUrl()), "$JS.API.>")
}

// kvSubjects fails the test unless the requests seen since the last call had
// these subjects, without the prefix.
func kvSubjects(t testing.TB, r *jstest.Recorder, want ...string) {
	t.Helper()
	var got []string
	for _, req := range r.WaitN(t, len(want), kvWait) {
		got = append(got, strings.TrimPrefix(req.Subject, "$JS.API."))
	}
	r.Reset()
	if !slices.Equal(got, want) {
		t.Errorf("requests %v, want %v", got, want)
	}
}

// B58
func TestBucketIsCreatedWithOneRequest(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	seen := kvRequests(t, nc)
	ctx := t.Context()
	kv := kvCreate(t, js, jetstream.KeyValueConfig{})
	kvSubjects(t, seen, "STREAM.CREATE.KV_TEST")
	kvCreate(t, js, jetstream.KeyValueConfig{})
	kvSubjects(t, seen, "STREAM.CREATE.KV_TEST")
	kvCreate(t, js, jetstream.KeyValueConfig{Bucket: "M", LimitMarkerTTL: time.Second})
	kvSubjects(t, seen, "INFO", "STREAM.CREATE.KV_M")
	_, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "TEST"})
	kvOK(t, err)
	kvSubjects(t, seen, "STREAM.INFO.KV_TEST")
	_, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "TEST", History: 2})
	kvOK(t, err)
	kvSubjects(t, seen, "STREAM.INFO.KV_TEST", "STREAM.UPDATE.KV_TEST")
	_, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "NEW"})
	kvOK(t, err)
	kvSubjects(t, seen, "STREAM.INFO.KV_NEW", "STREAM.CREATE.KV_NEW")
	if kv.Bucket() != "TEST" {
		t.Errorf("bucket %s", kv.Bucket())
	}
}

func TestBucketsStreamHasExactlyTheDocumentedConfig(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	kvCreate(t, js, jetstream.KeyValueConfig{Description: "d"})
	s, err := js.Stream(t.Context(), "KV_TEST")
	kvOK(t, err)
	got := s.CachedInfo().Config
	got.Metadata = nil
	want := jetstream.StreamConfig{
		Name: "KV_TEST", Description: "d", Subjects: []string{"$KV.TEST.>"}, MaxMsgs: -1, MaxBytes: -1, Discard: jetstream.DiscardNew,
		MaxMsgsPerSubject: 1, MaxMsgSize: -1, Storage: jetstream.FileStorage, DenyDelete: true, AllowRollup: true, AllowDirect: true,
		MaxConsumers: -1, Replicas: 1, Duplicates: 2 * time.Minute,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBucketCallsFailWithTheDocumentedErrors(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	ctx := t.Context()
	cfg := jetstream.KeyValueConfig{Bucket: "TEST"}
	kvCreate(t, js, cfg)
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "KV_NONE", Subjects: []string{"foo"}})
	kvOK(t, err)

	for name, change := range map[string]func(*jetstream.KeyValueConfig){
		"description": func(c *jetstream.KeyValueConfig) { c.Description = "other" },
		"republish": func(c *jetstream.KeyValueConfig) {
			c.RePublish = &jetstream.RePublish{Source: ">", Destination: "bar.>"}
		},
	} {
		other := cfg
		change(&other)
		_, err := js.CreateKeyValue(ctx, other)
		want := "nats: bucket name already in use: TEST\nnats: API error: code=400 err_code=10058 description=stream name already in use"
		if !errors.Is(err, jetstream.ErrBucketExists) || !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) || err.Error() != want {
			t.Errorf("create with other %s: %v", name, err)
		}
	}
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "X", History: 65}); err != jetstream.ErrHistoryTooLarge {
		t.Errorf("history: %v", err)
	}
	if _, err := js.KeyValue(ctx, "NONE"); err != jetstream.ErrBadBucket {
		t.Errorf("bind to another stream: %v", err)
	}
	if _, err := js.KeyValue(ctx, "GONE"); err != jetstream.ErrBucketNotFound {
		t.Errorf("bind to none: %v", err)
	}
	_, err = js.UpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "GONE"})
	if !errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) || err.Error() != "nats: bucket not found: GONE" {
		t.Errorf("update: %v", err)
	}
	kvOK(t, js.DeleteKeyValue(ctx, "TEST"))
	err = js.DeleteKeyValue(ctx, "TEST")
	if !errors.Is(err, jetstream.ErrBucketNotFound) || !errors.Is(err, jetstream.ErrStreamNotFound) ||
		!strings.HasPrefix(err.Error(), "nats: bucket not found: TEST\n") {
		t.Errorf("delete: %v", err)
	}
	for _, bad := range []string{"", "TEST.", "a b", "a*"} {
		calls := map[string]func() error{
			"bind": func() error { _, err := js.KeyValue(ctx, bad); return err },
			"create": func() error {
				_, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bad, History: 65})
				return err
			},
			"update": func() error { _, err := js.UpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bad}); return err },
			"create or update": func() error {
				_, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bad})
				return err
			},
			"delete": func() error { return js.DeleteKeyValue(ctx, bad) },
		}
		for name, call := range calls {
			if err := call(); err != jetstream.ErrInvalidBucketName {
				t.Errorf("%s %q: %v", name, bad, err)
			}
		}
	}
}

func TestMissingJetStreamIsToldBySentinels(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t, func(o *server.Options) { o.JetStream = false })
	js := kvHandle(t, jstest.Connect(t, s))
	for _, err := range kvPutBuckets(t.Context(), js, jetstream.KeyValueConfig{Bucket: "B"}) {
		if err != jetstream.ErrJetStreamNotEnabled {
			t.Errorf("without JetStream: %v", err)
		}
	}
	fake := jstest.StartFakeAPI(t, jstest.Connect(t, s), "$JS.API")
	fake.On("STREAM.*.*", jstest.Error(503, 10039, "jetstream not enabled for account"))
	jstest.WaitFor(t, kvWait, "the fake to answer", func() bool {
		_, err := js.Stream(t.Context(), "X")
		return !errors.Is(err, nats.ErrNoResponders)
	})
	for _, err := range kvPutBuckets(t.Context(), js, jetstream.KeyValueConfig{Bucket: "B"}) {
		if err != jetstream.ErrJetStreamNotEnabledForAccount {
			t.Errorf("not for the account: %v", err)
		}
	}
	fake.On("INFO", jstest.JSON(map[string]any{"api": map[string]any{"level": 0}}))
	for _, err := range kvPutBuckets(t.Context(), js, jetstream.KeyValueConfig{Bucket: "B", LimitMarkerTTL: time.Second}) {
		if err != jetstream.ErrLimitMarkerTTLNotSupported {
			t.Errorf("old server: %v", err)
		}
	}
}

// kvPutBuckets returns the errors of all calls that create or update a bucket.
func kvPutBuckets(ctx context.Context, js jetstream.JetStream, cfg jetstream.KeyValueConfig) []error {
	_, create := js.CreateKeyValue(ctx, cfg)
	_, update := js.UpdateKeyValue(ctx, cfg)
	_, either := js.CreateOrUpdateKeyValue(ctx, cfg)
	return []error{create, update, either}
}

// A57
func TestCreateRepairsABucketThatAnOldClientMade(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	ctx := t.Context()
	cfg := jetstream.KeyValueConfig{Bucket: "OLD", History: 3, Metadata: map[string]string{"a": "b"}}
	kvCreate(t, js, cfg)
	s, err := js.Stream(ctx, "KV_OLD")
	kvOK(t, err)
	old := s.CachedInfo().Config
	old.Discard, old.AllowDirect = jetstream.DiscardOld, false
	_, err = js.UpdateStream(ctx, old)
	kvOK(t, err)

	kvCreate(t, js, cfg)
	info, err := s.Info(ctx)
	kvOK(t, err)
	if info.Config.Discard != jetstream.DiscardNew || !info.Config.AllowDirect {
		t.Errorf("not repaired: %+v", info.Config)
	}
	old.MaxMsgsPerSubject = 9
	_, err = js.UpdateStream(ctx, old)
	kvOK(t, err)
	if _, err := js.CreateKeyValue(ctx, cfg); !errors.Is(err, jetstream.ErrBucketExists) {
		t.Errorf("another difference as well: %v", err)
	}
}

func TestUpdateKeepsStreamSettingsThatABucketConfigDoesNotHave(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	ctx := t.Context()
	kvCreate(t, js, jetstream.KeyValueConfig{LimitMarkerTTL: time.Second})
	s, err := js.Stream(ctx, "KV_TEST")
	kvOK(t, err)
	cfg := s.CachedInfo().Config
	cfg.AllowAtomicPublish, cfg.MaxConsumers, cfg.MaxMsgs = true, 20, 5000
	cfg.Subjects = append(cfg.Subjects, "also.this")
	_, err = js.UpdateStream(ctx, cfg)
	kvOK(t, err)
	for name, put := range map[string]func(context.Context, jetstream.KeyValueConfig) (jetstream.KeyValue, error){
		"update": js.UpdateKeyValue, "create or update": js.CreateOrUpdateKeyValue,
	} {
		kv, err := put(ctx, jetstream.KeyValueConfig{Bucket: "TEST", Description: name})
		kvOK(t, err)
		status, err := kv.Status(ctx)
		kvOK(t, err)
		got := status.(*jetstream.KeyValueBucketStatus).StreamInfo().Config
		if got.Description != name || !got.AllowAtomicPublish || got.MaxConsumers != 20 || got.MaxMsgs != 5000 || len(got.Subjects) != 2 ||
			got.SubjectDeleteMarkerTTL != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// kvCopying waits until a mirror or a stream with sources has heard of them. A
// server that is stopped before leaves goroutines behind for a while.
func kvCopying(t testing.TB, js jetstream.JetStream, stream string) {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	kvOK(t, err)
	jstest.WaitFor(t, 2*kvWait, stream+" to copy", func() bool {
		info, err := s.Info(t.Context())
		if err != nil {
			return false
		}
		origins := info.Sources
		if info.Mirror != nil {
			origins = append(origins, info.Mirror)
		}
		return len(origins) > 0 && !slices.ContainsFunc(origins, func(o *jetstream.StreamSourceInfo) bool { return o.Active < 0 })
	})
}

func kvNames(t testing.TB, l jetstream.KeyValueNamesLister) []string {
	t.Helper()
	var names []string
	for name := range l.Name() {
		names = append(names, name)
	}
	kvOK(t, l.Error())
	return names
}

func kvStatuses(t testing.TB, l jetstream.KeyValueLister) []string {
	t.Helper()
	var names []string
	for status := range l.Status() {
		if _, ok := status.(*jetstream.KeyValueBucketStatus); !ok {
			t.Errorf("status is a %T", status)
		}
		names = append(names, status.Bucket())
	}
	kvOK(t, l.Error())
	return names
}

// A58, B54
func TestListingsHaveAllBucketsAndMirrorsAndNothingElse(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	ctx := t.Context()
	if names := kvNames(t, js.KeyValueStoreNames(ctx)); names != nil {
		t.Errorf("before any: %v", names)
	}
	for _, sc := range []jetstream.StreamConfig{
		{Name: "KV_FOO", Subjects: []string{"FOO.*"}},
		{Name: "FOO", Subjects: []string{"$KV.ABC.>"}},
		{Name: "KV_PLAINMIRROR", Mirror: &jetstream.StreamSource{Name: "KV_FOO"}},
	} {
		_, err := js.CreateStream(ctx, sc)
		kvOK(t, err)
	}
	want := []string{"MIRROR"}
	for i := range 300 {
		want = append(want, fmt.Sprintf("B%d", i))
		kvCreate(t, js, jetstream.KeyValueConfig{Bucket: want[i+1], Storage: jetstream.MemoryStorage})
	}
	kvCreate(t, js, jetstream.KeyValueConfig{Bucket: "MIRROR", Mirror: &jetstream.StreamSource{Name: "B0"}, Storage: jetstream.MemoryStorage})
	kvCopying(t, js, "KV_MIRROR")
	kvCopying(t, js, "KV_PLAINMIRROR")
	slices.Sort(want)
	for name, got := range map[string][]string{
		"names": kvNames(t, js.KeyValueStoreNames(ctx)), "statuses": kvStatuses(t, js.KeyValueStores(ctx)),
	} {
		if got[len(got)-1] != "MIRROR" {
			t.Errorf("%s: the mirror is not last", name)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// B41, B51
func TestListingEndsWithItsContextAndWithTheDefaultTimeout(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	kvCreate(t, js, jetstream.KeyValueConfig{Bucket: "A"})
	kvCreate(t, js, jetstream.KeyValueConfig{Bucket: "B"})
	ctx, cancel := context.WithCancel(t.Context())
	l, statuses := js.KeyValueStoreNames(ctx), js.KeyValueStores(ctx)
	<-l.Name()
	cancel() // nobody reads any more; the leak check of the package notices
	jstest.WaitFor(t, kvWait, "the listings to end", func() bool {
		return l.Error() == context.Canceled && statuses.Error() == context.Canceled
	})

	silent := jstest.StartFakeAPI(t, jstest.ConnectURL(t, nc.ConnectedUrl()), "SILENT")
	silent.On("STREAM.NAMES", jstest.Ignore)
	silent.On("STREAM.LIST", jstest.Ignore)
	slow, err := jetstream.NewWithAPIPrefix(nc, "SILENT", jetstream.WithDefaultTimeout(50*time.Millisecond))
	kvOK(t, err)
	names, stores := slow.KeyValueStoreNames(context.Background()), slow.KeyValueStores(context.Background())
	for range names.Name() {
		t.Error("a name")
	}
	for range stores.Status() {
		t.Error("a status")
	}
	if !errors.Is(names.Error(), context.DeadlineExceeded) || !errors.Is(stores.Error(), context.DeadlineExceeded) {
		t.Errorf("names %v, statuses %v", names.Error(), stores.Error())
	}
}

// B54, A56
func TestMirrorInTheSameAccountReadsItsOwnCopyAndWritesToTheOrigin(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	ctx := t.Context()
	origin := kvCreate(t, js, jetstream.KeyValueConfig{Bucket: "ORIGIN", History: 5})
	kvPut(t, origin, "a", "b")
	mirror := kvCreate(t, js, jetstream.KeyValueConfig{Bucket: "MIRROR", History: 5, Mirror: &jetstream.StreamSource{Name: "ORIGIN"}})
	kvPut(t, mirror, "c")
	kvOK(t, mirror.Delete(ctx, "a"))
	if e, err := origin.Get(ctx, "c"); err != nil || e.Revision() != 3 {
		t.Errorf("written through the mirror: %v, %v", e, err)
	}
	jstest.WaitFor(t, kvWait, "the mirror to catch up", func() bool {
		status, err := mirror.Status(ctx)
		return err == nil && status.Values() == 4
	})
	e, err := mirror.Get(ctx, "b")
	if err != nil || e.Key() != "b" || e.Bucket() != "MIRROR" {
		t.Errorf("got %v, %v", e, err)
	}
	if keys, err := mirror.Keys(ctx); err != nil || !slices.Equal(keys, []string{"b", "c"}) {
		t.Errorf("keys %v, %v", keys, err)
	}
	w, err := mirror.Watch(ctx, "a")
	kvOK(t, err)
	if e := <-w.Updates(); e.Key() != "a" || e.Operation() != jetstream.KeyValueDelete || e.Bucket() != "MIRROR" {
		t.Errorf("watched %v", e)
	}
	kvOK(t, w.Stop())
	status, err := mirror.Status(ctx)
	kvOK(t, err)
	if cfg := status.Config(); cfg.Mirror == nil || cfg.Mirror.Name != "KV_ORIGIN" {
		t.Errorf("config %+v", cfg)
	}
}

func TestSourcesAreMappedIntoTheBucket(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	ctx := t.Context()
	for _, name := range []string{"S1", "S2"} {
		kvPut(t, kvCreate(t, js, jetstream.KeyValueConfig{Bucket: name}), "from."+name)
	}
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "PLAIN", Subjects: []string{"plain.>"}})
	kvOK(t, err)
	_, err = js.Publish(ctx, "plain.x", []byte("plain"))
	kvOK(t, err)
	sources := []*jetstream.StreamSource{
		{Name: "S1"},
		{Name: "KV_S2"},
		{Name: "PLAIN", SubjectTransforms: []jetstream.SubjectTransformConfig{{Source: "plain.>", Destination: "$KV.ALL.plain.>"}}},
	}
	all := kvCreate(t, js, jetstream.KeyValueConfig{Bucket: "ALL", Sources: sources})
	kvCreate(t, js, jetstream.KeyValueConfig{Bucket: "ALSO", Sources: sources[:2]})
	kvCopying(t, js, "KV_ALL")
	kvCopying(t, js, "KV_ALSO")
	jstest.WaitFor(t, kvWait, "the sources to arrive", func() bool {
		keys, _ := all.Keys(ctx)
		return slices.Equal(keys, []string{"from.S1", "from.S2", "plain.x"})
	})
	if sources[0].Name != "S1" || sources[0].SubjectTransforms != nil || sources[1].SubjectTransforms != nil {
		t.Errorf("sources were changed: %+v, %+v", sources[0], sources[1])
	}
}
