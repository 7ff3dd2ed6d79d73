package jetstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

const kvWait = 30 * time.Second

// kvJetStream returns a handle on a server of the test's own, and the connection
// of the handle.
func kvJetStream(t testing.TB) (jetstream.JetStream, *nats.Conn) {
	t.Helper()
	nc := jstest.Connect(t, jstest.StartServer(t))
	return kvHandle(t, nc), nc
}

func kvHandle(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(kvWait))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func kvCreate(t testing.TB, js jetstream.JetStream, cfg jetstream.KeyValueConfig) jetstream.KeyValue {
	t.Helper()
	if cfg.Bucket == "" {
		cfg.Bucket = "TEST"
	}
	kv, err := js.CreateKeyValue(t.Context(), cfg)
	if err != nil {
		t.Fatalf("create bucket: %v", err)
	}
	return kv
}

// kvBucket returns a bucket on a server of the test's own.
func kvBucket(t testing.TB, cfg jetstream.KeyValueConfig) jetstream.KeyValue {
	t.Helper()
	js, _ := kvJetStream(t)
	return kvCreate(t, js, cfg)
}

// kvRev fails the test unless a write succeeded with the given revision.
func kvRev(t testing.TB, want uint64) func(uint64, error) {
	t.Helper()
	return func(got uint64, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Fatalf("revision %d, %v, want %d", got, err, want)
		}
	}
}

func kvPut(t testing.TB, kv jetstream.KeyValue, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if _, err := kv.PutString(t.Context(), key, "value of "+key); err != nil {
			t.Fatalf("put %s: %v", key, err)
		}
	}
}

func kvOK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestKeyGoesThroughPutGetUpdateDeleteCreateAndPurge(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{History: 5, Description: "d", Metadata: map[string]string{"a": "b"}})
	ctx := t.Context()

	before := time.Now().Add(-time.Minute)
	kvRev(t, 1)(kv.Put(ctx, "name", []byte("derek")))
	e, err := kv.Get(ctx, "name")
	kvOK(t, err)
	if e.Key() != "name" || string(e.Value()) != "derek" || e.Revision() != 1 || e.Bucket() != "TEST" ||
		e.Delta() != 0 || e.Operation() != jetstream.KeyValuePut || e.Created().Before(before) || e.Created().Location() != time.UTC {
		t.Errorf("got %+v", e)
	}
	kvOK(t, kv.Delete(ctx, "name"))
	for name, get := range map[string]func() (jetstream.KeyValueEntry, error){
		"deleted key":     func() (jetstream.KeyValueEntry, error) { return kv.Get(ctx, "name") },
		"revision of it":  func() (jetstream.KeyValueEntry, error) { return kv.GetRevision(ctx, "name", 2) },
		"unknown key":     func() (jetstream.KeyValueEntry, error) { return kv.Get(ctx, "other") },
		"foreign key":     func() (jetstream.KeyValueEntry, error) { return kv.GetRevision(ctx, "other", 1) },
		"future revision": func() (jetstream.KeyValueEntry, error) { return kv.GetRevision(ctx, "name", 99) },
		"last revision":   func() (jetstream.KeyValueEntry, error) { return kv.GetRevision(ctx, "name", 0) },
	} {
		if e, err := get(); e != nil || err != jetstream.ErrKeyNotFound {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
	kvRev(t, 3)(kv.Create(ctx, "name", []byte("rip")))
	if err := kv.Delete(ctx, "name", jetstream.LastRevision(2)); !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		t.Errorf("delete of an old revision: %v", err)
	}
	kvRev(t, 4)(kv.Update(ctx, "name", []byte("ik"), 3))
	if _, err := kv.Update(ctx, "name", []byte("no"), 3); !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		t.Errorf("update of an old revision: %v", err)
	}
	e, err = kv.GetRevision(ctx, "name", 1)
	if err != nil || string(e.Value()) != "derek" {
		t.Errorf("revision 1: %v, %v", e, err)
	}
	status, err := kv.Status(ctx)
	kvOK(t, err)
	if status.Values() != 4 || status.History() != 5 || status.Bucket() != "TEST" || status.BackingStore() != "JetStream" ||
		status.Bytes() == 0 || status.Metadata()["a"] != "b" || status.IsCompressed() || status.TTL() != 0 || status.LimitMarkerTTL() != 0 {
		t.Errorf("status %+v", status)
	}
	if info := status.(*jetstream.KeyValueBucketStatus).StreamInfo(); info.Config.Name != "KV_TEST" {
		t.Errorf("stream %+v", info)
	}
	if err := kv.Purge(ctx, "name", jetstream.LastRevision(3)); !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		t.Errorf("purge of an old revision: %v", err)
	}
	kvOK(t, kv.Purge(ctx, "name", nil, jetstream.LastRevision(4)))
	history, err := kv.History(ctx, "name")
	if err != nil || len(history) != 1 || history[0].Operation() != jetstream.KeyValuePurge {
		t.Errorf("history after purge: %v, %v", history, err)
	}
}

func TestValuesAreStoredAsTheyAre(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{})
	for name, change := range map[string]func(*jetstream.StreamConfig){
		"direct":    func(*jetstream.StreamConfig) {},
		"by leader": func(sc *jetstream.StreamConfig) { sc.AllowDirect = false },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := js.Stream(t.Context(), "KV_TEST")
			kvOK(t, err)
			cfg := s.CachedInfo().Config
			cfg.AllowDirect = true
			change(&cfg)
			_, err = js.UpdateStream(t.Context(), cfg)
			kvOK(t, err)
			bound, err := kvHandle(t, nc).KeyValue(t.Context(), "TEST")
			kvOK(t, err)
			for _, value := range [][]byte{{}, nil, []byte("x"), {0, 255, '\r', '\n'}, bytes.Repeat([]byte("long"), 10000)} {
				sent := bytes.Clone(value)
				rev, err := bound.Put(t.Context(), "a/b=c.d_e-1", value)
				kvOK(t, err)
				// The handle from before learns of the change by itself.
				for _, reader := range []jetstream.KeyValue{kv, bound} {
					e, err := reader.Get(t.Context(), "a/b=c.d_e-1")
					kvOK(t, err)
					if e.Value() == nil || !bytes.Equal(e.Value(), sent) || !bytes.Equal(value, sent) || e.Revision() != rev {
						t.Errorf("put %q, got %q", sent, e.Value())
					}
				}
			}
		})
	}
}

func TestInvalidKeysAreRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{})
	nc.Close() // so that all that is sent fails otherwise
	ctx := t.Context()
	for _, key := range []string{"", ".", "a.", ".a", "a..b", "a b", "*", "a.>", "a\x00", "ü"} {
		calls := map[string]func() error{
			"get":          func() error { _, err := kv.Get(ctx, key); return err },
			"get revision": func() error { _, err := kv.GetRevision(ctx, key, 1); return err },
			"put":          func() error { _, err := kv.Put(ctx, key, nil); return err },
			"put string":   func() error { _, err := kv.PutString(ctx, key, ""); return err },
			"create":       func() error { _, err := kv.Create(ctx, key, nil); return err },
			"update":       func() error { _, err := kv.Update(ctx, key, nil, 1); return err },
			"delete":       func() error { return kv.Delete(ctx, key) },
			"purge":        func() error { return kv.Purge(ctx, key) },
		}
		for name, call := range calls {
			if err := call(); err != jetstream.ErrInvalidKey {
				t.Errorf("%s %q: %v", name, key, err)
			}
		}
	}
	for _, filter := range []string{"", "a.>.b", "foo.", "foo..bar", "a..b.c", "foo!"} {
		if _, err := kv.Watch(ctx, filter); !errors.Is(err, jetstream.ErrInvalidKey) {
			t.Errorf("watch %q: %v", filter, err)
		}
		if _, err := kv.WatchFiltered(ctx, []string{"ok", filter}, jetstream.UpdatesOnly(), jetstream.IncludeHistory()); !errors.Is(err, jetstream.ErrInvalidKey) {
			t.Errorf("watch %q filtered: %v", filter, err)
		}
		if _, err := kv.History(ctx, filter); !errors.Is(err, jetstream.ErrInvalidKey) ||
			err.Error() != "nats: invalid key: key cannot be empty and must be a valid NATS subject" {
			t.Errorf("history of %q: %v", filter, err)
		}
		if _, err := kv.ListKeysFiltered(ctx, filter); !errors.Is(err, jetstream.ErrInvalidKey) {
			t.Errorf("list %q: %v", filter, err)
		}
	}
	if err := kv.Delete(ctx, "a", jetstream.PurgeTTL(time.Second)); err != jetstream.ErrTTLOnDeleteNotSupported {
		t.Errorf("delete with TTL: %v", err)
	}
}

func TestCreateSucceedsBehindAnyMarkerAndTellsWhenTheKeyExists(t *testing.T) {
	t.Parallel()
	kv := kvBucket(t, jetstream.KeyValueConfig{History: 3})
	ctx := t.Context()
	kvRev(t, 1)(kv.Create(ctx, "k", []byte("1"), nil))
	_, err := kv.Create(ctx, "k", []byte("2"))
	var apiErr *jetstream.APIError
	var jsErr jetstream.JetStreamError
	if !errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch) ||
		!errors.As(err, &apiErr) || apiErr.Code != 400 || apiErr.Description != "wrong last sequence: 1" ||
		!errors.As(err, &jsErr) || jsErr.APIError().ErrorCode != 10071 {
		t.Errorf("create of a key that exists: %v", err)
	}
	if err == nil || !strings.HasSuffix(err.Error(), " err_code=10071 description=wrong last sequence: 1: key exists") {
		t.Errorf("its text: %v", err)
	}
	kvOK(t, kv.Delete(ctx, "k"))
	kvRev(t, 3)(kv.Create(ctx, "k", []byte("3")))
	kvOK(t, kv.Purge(ctx, "k"))
	kvRev(t, 5)(kv.Create(ctx, "k", []byte("5")))
	if _, err := kv.Update(ctx, "k", nil, 0); !errors.Is(err, jetstream.ErrKeyRevisionMismatch) || !errors.As(err, &apiErr) || apiErr.ErrorCode != 10071 {
		t.Errorf("update of revision zero: %v", err)
	}
	kvRev(t, 6)(kv.Update(ctx, "new", nil, 0))
}

// The answer of a replica that lags behind must not decide about a create.
func TestCreateBehindADeleteAsksTheLeaderWhenAReplicaLags(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	real := kvCreate(t, kvHandle(t, jstest.Connect(t, s)), jetstream.KeyValueConfig{History: 5})
	kvPut(t, real, "k")
	kvOK(t, real.Delete(t.Context(), "k"))

	stale := jstest.StartFakeAPI(t, jstest.Connect(t, s), "FAKE")
	stale.On("STREAM.INFO.*", jstest.Forward)
	stale.On("STREAM.MSG.GET.*", jstest.Forward)
	stale.On("DIRECT.GET.KV_TEST.>", func(c *jstest.Call) {
		// What was there before the delete.
		c.Subject, c.Body = "$JS.API.DIRECT.GET.KV_TEST", []byte(`{"seq":1}`)
		c.API = "DIRECT.GET.KV_TEST"
		c.Forward()
	})
	nc := jstest.Connect(t, s)
	if _, err := nc.Subscribe("FAKE.$KV.>", func(m *nats.Msg) {
		m.Subject = strings.TrimPrefix(m.Subject, "FAKE.")
		_ = nc.PublishMsg(m)
	}); err != nil {
		t.Fatal(err)
	}
	kvOK(t, nc.Flush())
	js, err := jetstream.NewWithAPIPrefix(jstest.Connect(t, s), "FAKE")
	kvOK(t, err)
	kv, err := js.KeyValue(t.Context(), "TEST")
	kvOK(t, err)
	if e, err := kv.Get(t.Context(), "k"); err != nil || e.Revision() != 1 {
		t.Fatalf("the replica does not lag: %v, %v", e, err)
	}
	kvRev(t, 3)(kv.Create(t.Context(), "k", []byte("again")))
}

func TestCreateAsksForTheLastMessageOnlyAfterAConflict(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{MaxValueSize: 200})
	seen := jstest.RecordRequests(t, jstest.ConnectURL(t, nc.ConnectedUrl()), "$JS.API.>")
	if _, err := kv.Create(t.Context(), "k", make([]byte, 1000)); !errors.Is(err, jetstream.ErrStreamMessageExceedsMaximum) {
		t.Errorf("too large: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kv.Create(ctx, "k", nil); err != context.Canceled {
		t.Errorf("canceled: %v", err)
	}
	kvRev(t, 1)(kv.Create(t.Context(), "k", nil))
	if _, err := kv.Create(t.Context(), "k", nil); !errors.Is(err, jetstream.ErrKeyExists) {
		t.Error(err)
	}
	if reqs := seen.WaitN(t, 1, kvWait); len(reqs) != 1 || reqs[0].Subject != "$JS.API.DIRECT.GET.KV_TEST.$KV.TEST.k" {
		t.Errorf("requests %v", reqs)
	}
}

func TestKeyAndMarkerExpireWithTheirTTL(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	// What the watch is to see must not expire before it is delivered, nor the key
	// before the purge of the other one.
	const ttl = 3 * time.Second
	kv := kvCreate(t, js, jetstream.KeyValueConfig{LimitMarkerTTL: ttl})
	ctx := t.Context()
	w, err := kv.WatchAll(ctx, jetstream.UpdatesOnly())
	kvOK(t, err)
	kvRev(t, 1)(kv.Create(ctx, "a", []byte("x"), jetstream.KeyTTL(ttl)))
	kvExpect(t, w, "a@1")
	kvPut(t, kv, "b")
	kvExpect(t, w, "b@2")
	kvOK(t, kv.Purge(ctx, "b", jetstream.PurgeTTL(ttl)))
	kvExpect(t, w, "b@3 purge", "a@4 purge")
	if e, err := kv.Get(ctx, "a"); e != nil || err != jetstream.ErrKeyNotFound {
		t.Errorf("expired key: %v, %v", e, err)
	}
	jstest.WaitFor(t, kvWait, "the markers to go", func() bool {
		status, err := kv.Status(ctx)
		return err == nil && status.Values() == 0
	})
	kvOK(t, w.Stop())
}

func TestCreateAgainAfterDeleteKeepsTheTTL(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{LimitMarkerTTL: time.Minute})
	kvPut(t, kv, "a")
	kvOK(t, kv.Delete(t.Context(), "a"))
	kvRev(t, 3)(kv.Create(t.Context(), "a", nil, jetstream.KeyTTL(time.Hour)))
	s, err := js.Stream(t.Context(), "KV_TEST")
	kvOK(t, err)
	msg, err := s.GetMsg(t.Context(), 3)
	kvOK(t, err)
	if got := msg.Header.Get("Nats-TTL"); got != "1h0m0s" {
		t.Errorf("TTL %q", got)
	}
	kvRev(t, 4)(kv.Update(t.Context(), "a", nil, 3))
	if msg, err = s.GetMsg(t.Context(), 4); err != nil || msg.Header.Get("Nats-TTL") != "" {
		t.Errorf("update has TTL %v, %v", msg, err)
	}
}

func TestTTLWithoutLimitMarkersIsRefusedByTheServer(t *testing.T) {
	t.Parallel()
	kv := kvBucket(t, jetstream.KeyValueConfig{})
	var apiErr *jetstream.APIError
	if _, err := kv.Create(t.Context(), "a", nil, jetstream.KeyTTL(time.Second)); !errors.As(err, &apiErr) || apiErr.ErrorCode != 10166 {
		t.Errorf("create: %v", err)
	}
	kvRev(t, 1)(kv.Create(t.Context(), "a", nil, jetstream.KeyTTL(-1)))
}

func TestCallsOnADeletedBucketFail(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{})
	kvOK(t, js.DeleteKeyValue(t.Context(), "TEST"))
	ctx := t.Context()
	if _, err := kv.Get(ctx, "a"); err != nats.ErrNoResponders {
		t.Errorf("get: %v", err)
	}
	if _, err := kv.Put(ctx, "a", nil); err != jetstream.ErrNoStreamResponse {
		t.Errorf("put: %v", err)
	}
	if _, err := kv.Status(ctx); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("status: %v", err)
	}
	if _, err := kv.WatchAll(ctx); !errors.Is(err, jetstream.ErrStreamNotFound) || !errors.Is(err, nats.ErrStreamNotFound) {
		t.Errorf("watch: %v", err)
	}
	if _, err := kv.Keys(ctx); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("keys: %v", err)
	}
	if err := kv.PurgeDeletes(ctx); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("purge deletes: %v", err)
	}
	if _, err := js.KeyValue(ctx, "TEST"); err != jetstream.ErrBucketNotFound {
		t.Errorf("bind: %v", err)
	}
}

func TestContextsAndConnectionsThatEndedAreToldAsSuch(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	calls := func(ctx context.Context) map[string]error {
		errs := make(map[string]error)
		_, errs["get"] = kv.Get(ctx, "a")
		_, errs["put"] = kv.Put(ctx, "a", nil)
		_, errs["watch"] = kv.WatchAll(ctx)
		_, errs["keys"] = kv.Keys(ctx)
		_, errs["list"] = kv.ListKeys(ctx)
		_, errs["history"] = kv.History(ctx, "a")
		errs["purge deletes"] = kv.PurgeDeletes(ctx)
		_, errs["status"] = kv.Status(ctx)
		_, errs["create"] = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "X"})
		_, errs["update"] = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "X"})
		_, errs["bind"] = js.KeyValue(ctx, "TEST")
		errs["delete"] = js.DeleteKeyValue(ctx, "X")
		return errs
	}
	for name, err := range calls(canceled) {
		if err != context.Canceled {
			t.Errorf("%s: %v", name, err)
		}
	}
	var none context.Context
	for name, err := range calls(none) {
		if !errors.Is(err, nats.ErrInvalidContext) {
			t.Errorf("%s without context: %v", name, err)
		}
	}
	nc.Close()
	for name, err := range calls(t.Context()) {
		if !errors.Is(err, nats.ErrConnectionClosed) {
			t.Errorf("%s on a closed connection: %v", name, err)
		}
	}
}

func TestUpdatesAtOnceKeepTheirRevisionsApart(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 50
	kv := kvBucket(t, jetstream.KeyValueConfig{Storage: jetstream.MemoryStorage})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			key := fmt.Sprintf("key.%d", w)
			revision, err := kv.Create(t.Context(), key, nil)
			for range each {
				if err != nil {
					t.Error(err)
					return
				}
				revision, err = kv.Update(t.Context(), key, []byte(key), revision)
			}
			entry, err := kv.Get(t.Context(), key)
			if err != nil || entry.Key() != key || string(entry.Value()) != key || entry.Revision() != revision {
				t.Errorf("%s: got %+v, %v", key, entry, err)
			}
		})
	}
	wg.Wait()
}

func TestHotCallsAllocateLittle(t *testing.T) {
	kv := kvBucket(t, jetstream.KeyValueConfig{Storage: jetstream.MemoryStorage})
	kvPut(t, kv, "a")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	value := []byte("v")
	for _, tt := range []struct {
		name string
		most float64
		call func() error
	}{
		// The server runs in the same process and takes its share.
		{"put", 40, func() error { _, err := kv.Put(ctx, "a", value); return err }},
		{"get", 55, func() error { _, err := kv.Get(ctx, "a"); return err }},
	} {
		var err error
		if n := testing.AllocsPerRun(200, func() {
			if callErr := tt.call(); callErr != nil {
				err = callErr
			}
		}); n > tt.most || err != nil {
			t.Errorf("%s: %v allocations, %v", tt.name, n, err)
		}
	}
}

// A create of a deleted key is refused at first, and the last message has to be
// looked up. When nobody answers that, the key is not said to exist.
func TestCreateThatCannotLookDoesNotSayThatTheKeyExists(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "all", Password: "all"}, {
			Username: "blind", Password: "blind",
			Permissions: &server.Permissions{Publish: &server.SubjectPermission{
				Deny: []string{"$JS.API.DIRECT.GET.>", "$JS.API.STREAM.MSG.GET.>"},
			}},
		}}
	})
	kv := kvCreate(t, kvHandle(t, jstest.Connect(t, s, nats.UserInfo("all", "all"))), jetstream.KeyValueConfig{})
	kvPut(t, kv, "k")
	kvOK(t, kv.Delete(t.Context(), "k"))

	blind, err := kvHandle(t, jstest.Connect(t, s, nats.UserInfo("blind", "blind"))).KeyValue(t.Context(), kv.Bucket())
	kvOK(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err = blind.Create(ctx, "k", nil); err == nil || errors.Is(err, jetstream.ErrKeyExists) {
		t.Errorf("create of a deleted key: %v", err)
	}
	kvRev(t, 3)(kv.Create(t.Context(), "k", nil))
}
