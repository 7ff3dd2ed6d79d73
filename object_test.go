package jetstream_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

const objPatience = 30 * time.Second

// objContext returns a context without a deadline that ends with the test.
func objContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx
}

// objStart returns a store in memory on a server of its own.
func objStart(t testing.TB) (jetstream.ObjectStore, jetstream.JetStream, *nats.Conn) {
	t.Helper()
	nc := jstest.Connect(t, jstest.StartServer(t))
	js := objHandle(t, nc)
	return objStore(t, js, "B"), js, nc
}

func objHandle(t testing.TB, nc *nats.Conn, opts ...jetstream.JetStreamOpt) jetstream.JetStream {
	t.Helper()
	opts = append([]jetstream.JetStreamOpt{jetstream.WithDefaultTimeout(objPatience)}, opts...)
	js, err := jetstream.New(nc, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func objStore(t testing.TB, js jetstream.JetStream, bucket string) jetstream.ObjectStore {
	t.Helper()
	store, err := js.CreateObjectStore(objContext(t), jetstream.ObjectStoreConfig{Bucket: bucket, Storage: jetstream.MemoryStorage})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// objContent returns bytes that look like any, the same for the same size.
func objContent(size int) []byte {
	content := make([]byte, size)
	chacha := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = chacha.Read(content)
	return content
}

func objPut(t testing.TB, store jetstream.ObjectStore, name string, content []byte, chunkSize uint32) *jetstream.ObjectInfo {
	t.Helper()
	meta := jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: chunkSize}}
	info, err := store.Put(objContext(t), meta, bytes.NewReader(content))
	if err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
	return info
}

// objMessages returns how many messages the stream of a store holds.
func objMessages(t testing.TB, js jetstream.JetStream, bucket string) uint64 {
	t.Helper()
	s, err := js.Stream(objContext(t), "OBJ_"+bucket)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func objWantMessages(t testing.TB, js jetstream.JetStream, bucket string, want uint64) {
	t.Helper()
	jstest.WaitFor(t, objPatience, fmt.Sprintf("the stream to hold %d messages", want), func() bool {
		return objMessages(t, js, bucket) == want
	})
}

// objMeta stores a description by hand.
func objMeta(t testing.TB, js jetstream.JetStream, info *jetstream.ObjectInfo) {
	t.Helper()
	data, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	objRawMeta(t, js, info.Bucket, info.Name, data)
}

func objRawMeta(t testing.TB, js jetstream.JetStream, bucket, name string, data []byte) {
	t.Helper()
	msg := nats.NewMsg("$O." + bucket + ".M." + base64.URLEncoding.EncodeToString([]byte(name)))
	msg.Header.Set("Nats-Rollup", "sub")
	msg.Data = data
	if _, err := js.PublishMsg(objContext(t), msg); err != nil {
		t.Fatal(err)
	}
}

func TestObjectStoreNamesAreCheckedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	nc := jstest.Connect(t, jstest.StartServer(t))
	js := objHandle(t, nc)
	ctx := objContext(t)
	sent := nc.Stats().OutMsgs
	for _, name := range []string{"", "notok!", "TEST.", "a b", "*", ">", "é"} {
		cfg := jetstream.ObjectStoreConfig{Bucket: name}
		_, errGet := js.ObjectStore(ctx, name)
		_, errCreate := js.CreateObjectStore(ctx, cfg)
		_, errUpdate := js.UpdateObjectStore(ctx, cfg)
		_, errBoth := js.CreateOrUpdateObjectStore(ctx, cfg)
		for _, err := range []error{errGet, errCreate, errUpdate, errBoth, js.DeleteObjectStore(ctx, name)} {
			if err != jetstream.ErrInvalidStoreName {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if now := nc.Stats().OutMsgs; now != sent {
		t.Errorf("%d messages were sent", now-sent)
	}
}

func TestObjectStoreIsCreatedFoundUpdatedAndDeleted(t *testing.T) {
	t.Parallel()
	js := objHandle(t, jstest.Connect(t, jstest.StartServer(t)))
	ctx := objContext(t)
	cfg := jetstream.ObjectStoreConfig{
		Bucket: "FULL", Description: "all there is", TTL: time.Hour, MaxBytes: 1 << 20,
		Storage: jetstream.FileStorage, Replicas: 1, Compression: true, Metadata: map[string]string{"k": "v"},
	}
	if _, err := js.UpdateObjectStore(ctx, cfg); !errors.Is(err, jetstream.ErrBucketNotFound) {
		t.Errorf("update of none: %v", err)
	}
	if _, err := js.ObjectStore(ctx, "FULL"); err != jetstream.ErrBucketNotFound {
		t.Errorf("bind to none: %v", err)
	}
	for range 2 {
		if _, err := js.CreateObjectStore(ctx, cfg); err != nil {
			t.Fatalf("create: %v", err)
		}
	}
	other := cfg
	other.Description = "another"
	if _, err := js.CreateObjectStore(ctx, other); !errors.Is(err, jetstream.ErrBucketExists) || !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		t.Errorf("create with another config: %v", err)
	} else if want := "nats: bucket name already in use: FULL\n"; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %q", err)
	}
	store, err := js.ObjectStore(ctx, "FULL")
	if err != nil {
		t.Fatal(err)
	}
	status, err := store.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if status.Bucket() != "FULL" || status.Description() != cfg.Description || status.TTL() != cfg.TTL ||
		status.Storage() != cfg.Storage || status.Replicas() != 1 || status.Sealed() || status.Size() != 0 ||
		status.BackingStore() != "JetStream" || status.Metadata()["k"] != "v" || !status.IsCompressed() {
		t.Errorf("status %+v", status)
	}
	if info := status.(*jetstream.ObjectBucketStatus).StreamInfo(); info.Config.MaxBytes != 1<<20 {
		t.Errorf("stream %+v", info.Config)
	}
	for _, update := range []func(context.Context, jetstream.ObjectStoreConfig) (jetstream.ObjectStore, error){js.UpdateObjectStore, js.CreateOrUpdateObjectStore} {
		other.Description += "!"
		if store, err = update(ctx, other); err != nil {
			t.Fatal(err)
		}
		if status, err = store.Status(ctx); err != nil || status.Description() != other.Description {
			t.Errorf("updated to %q, %v", status.Description(), err)
		}
	}
	if err := js.DeleteObjectStore(ctx, "FULL"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Status(ctx); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("status of none: %v", err)
	}
	if _, err := js.CreateOrUpdateObjectStore(ctx, cfg); err != nil {
		t.Errorf("create or update: %v", err)
	}
}

// A64
func TestDeletingAMissingObjectStoreSaysThatItIsMissing(t *testing.T) {
	t.Parallel()
	js := objHandle(t, jstest.Connect(t, jstest.StartServer(t)))
	err := js.DeleteObjectStore(objContext(t), "NONE")
	if !errors.Is(err, jetstream.ErrBucketNotFound) || !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestObjectStoresAreListed(t *testing.T) {
	t.Parallel()
	_, js, _ := objStart(t)
	objStore(t, js, "A")
	ctx := objContext(t)
	for name, subject := range map[string]string{"OBJ_FOO": "FOO.*", "FOO": "$O.ABC.C.>"} {
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	var names, buckets []string
	listed := js.ObjectStoreNames(ctx)
	for name := range listed.Name() {
		names = append(names, name)
	}
	stores := js.ObjectStores(ctx)
	for status := range stores.Status() {
		if _, ok := status.(*jetstream.ObjectBucketStatus); !ok {
			t.Errorf("status is a %T", status)
		}
		buckets = append(buckets, status.Bucket())
	}
	if want := []string{"A", "B"}; !slices.Equal(names, want) || !slices.Equal(buckets, want) {
		t.Errorf("listed %v and %v", names, buckets)
	}
	if err := errors.Join(listed.Error(), stores.Error()); err != nil {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	stores = js.ObjectStores(canceled)
	for range stores.Status() {
		t.Error("listed after the context ended")
	}
	if err := stores.Error(); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestObjectInfoIsFoundByNameAndNotOnceDeleted(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	for _, name := range []string{"plain", "with space", "a.b.*.>", "/x/y\\z", "ü|?&\"<>", " "} {
		put := objPut(t, store, name, []byte(name), 0)
		info, err := store.GetInfo(ctx, name)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if d := info.ModTime.Sub(put.ModTime).Abs(); d > time.Minute {
			t.Errorf("%q: modified at %v instead of %v", name, info.ModTime, put.ModTime)
		}
		put.ModTime = info.ModTime
		if !reflect.DeepEqual(info, put) {
			t.Errorf("%q: got %+v, want %+v", name, info, put)
		}
	}
	if _, err := store.GetInfo(ctx, ""); err != jetstream.ErrNameRequired {
		t.Errorf("empty name: %v", err)
	}
	if _, err := store.GetInfo(ctx, "none"); err != jetstream.ErrObjectNotFound {
		t.Errorf("no object: %v", err)
	}
	before := objMessages(t, js, "B")
	for range 2 { // deleting again is no error
		if err := store.Delete(ctx, "plain"); err != nil {
			t.Fatal(err)
		}
	}
	if after := objMessages(t, js, "B"); after != before-1 {
		t.Errorf("%d messages before, %d after the delete", before, after)
	}
	if err := store.Delete(ctx, "none"); err != jetstream.ErrObjectNotFound {
		t.Errorf("delete of none: %v", err)
	}
	if _, err := store.GetInfo(ctx, "plain"); err != jetstream.ErrObjectNotFound {
		t.Errorf("deleted: %v", err)
	}
	info, err := store.GetInfo(ctx, "plain", nil, jetstream.GetObjectInfoShowDeleted())
	if err != nil || !info.Deleted || info.Size != 0 || info.Chunks != 0 || info.Digest != "" {
		t.Errorf("deleted, shown: %+v, %v", info, err)
	}
	objRawMeta(t, js, "B", "bad", []byte("{"))
	if _, err := store.GetInfo(ctx, "bad"); err != jetstream.ErrBadObjectMeta {
		t.Errorf("unreadable: %v", err)
	}
	if _, err := store.PutString(ctx, "bad", "x"); err != jetstream.ErrBadObjectMeta {
		t.Errorf("put over unreadable: %v", err)
	}
}

func TestUpdateMetaRenamesAndReplaces(t *testing.T) {
	t.Parallel()
	store, _, _ := objStart(t)
	ctx := objContext(t)
	meta := jetstream.ObjectMeta{Name: "old", Headers: nats.Header{"A": {"1"}}, Metadata: map[string]string{"k": "v"}, Opts: &jetstream.ObjectMetaOptions{ChunkSize: 10}}
	put, err := store.Put(ctx, meta, strings.NewReader("content that is long"))
	if err != nil || !reflect.DeepEqual(put.Metadata, meta.Metadata) {
		t.Fatalf("put %+v, %v", put, err)
	}
	change := jetstream.ObjectMeta{Name: "old", Description: "d", Headers: nats.Header{"B": {"2", "3"}}, Opts: &jetstream.ObjectMetaOptions{ChunkSize: 7}}
	if err := store.UpdateMeta(ctx, "old", change); err != nil {
		t.Fatal(err)
	}
	info, err := store.GetInfo(ctx, "old")
	if err != nil || info.Description != "d" || !reflect.DeepEqual(info.Headers, change.Headers) || info.Metadata != nil || info.Opts.ChunkSize != 10 || info.NUID != put.NUID {
		t.Errorf("updated to %+v, %v", info, err)
	}
	change.Name = "new"
	if err := store.UpdateMeta(ctx, "old", change); err != nil {
		t.Fatal(err)
	}
	if _, err := store.GetInfo(ctx, "old", jetstream.GetObjectInfoShowDeleted()); err != jetstream.ErrObjectNotFound {
		t.Errorf("old name: %v", err)
	}
	if content, err := store.GetString(ctx, "new"); err != nil || content != "content that is long" {
		t.Errorf("new name: %q, %v", content, err)
	}

	objPut(t, store, "live", []byte("x"), 0)
	objPut(t, store, "dead", []byte("x"), 0)
	if err := store.Delete(ctx, "dead"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, newName string
		want          error
	}{
		{"new", "live", jetstream.ErrObjectAlreadyExists},
		{"new", "", jetstream.ErrNameRequired},
		{"none", "none", jetstream.ErrUpdateMetaDeleted},
		{"dead", "dead", jetstream.ErrUpdateMetaDeleted},
		{"new", "dead", nil},
	} {
		if err := store.UpdateMeta(ctx, tc.name, jetstream.ObjectMeta{Name: tc.newName}); err != tc.want {
			t.Errorf("%s to %s: %v, want %v", tc.name, tc.newName, err, tc.want)
		}
	}
}

// objForeign is an object store of somebody else.
type objForeign struct{ jetstream.ObjectStore }

func TestObjectLinksAreChecked(t *testing.T) {
	t.Parallel()
	store, _, _ := objStart(t)
	ctx := objContext(t)
	target := objPut(t, store, "target", []byte("x"), 0)
	link, err := store.AddLink(ctx, "link", target)
	if err != nil {
		t.Fatal(err)
	}
	if link.ModTime.IsZero() || link.NUID == "" || link.Opts.Link.Bucket != "B" || link.Opts.Link.Name != "target" {
		t.Errorf("link %+v", link)
	}
	deleted := *target
	deleted.Deleted = true
	for _, tc := range []struct {
		name string
		obj  *jetstream.ObjectInfo
		want error
	}{
		{"", target, jetstream.ErrNameRequired},
		{"l", nil, jetstream.ErrObjectRequired},
		{"l", &jetstream.ObjectInfo{}, jetstream.ErrObjectRequired},
		{"l", &deleted, jetstream.ErrNoLinkToDeleted},
		{"l", link, jetstream.ErrNoLinkToLink},
		{"target", target, jetstream.ErrObjectAlreadyExists},
		{"link", target, nil}, // a link may be replaced
	} {
		if _, err := store.AddLink(ctx, tc.name, tc.obj); err != tc.want {
			t.Errorf("link %q to %+v: %v, want %v", tc.name, tc.obj, err, tc.want)
		}
	}
	for _, tc := range []struct {
		name   string
		bucket jetstream.ObjectStore
		want   error
	}{
		{"", store, jetstream.ErrNameRequired},
		{"l", nil, jetstream.ErrBucketRequired},
		{"l", objForeign{store}, jetstream.ErrBucketMalformed},
		{"target", store, jetstream.ErrObjectAlreadyExists},
		{"store", store, nil},
		{"store", store, nil},
	} {
		if _, err := store.AddBucketLink(ctx, tc.name, tc.bucket); err != tc.want {
			t.Errorf("link %q to a store: %v, want %v", tc.name, err, tc.want)
		}
	}
	if _, err := store.Get(ctx, "store"); err != jetstream.ErrCantGetBucket {
		t.Errorf("get of a store: %v", err)
	}
	// The name of a deleted object is free.
	if err := store.Delete(ctx, "target"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.AddLink(ctx, "target", target); err != nil {
		t.Errorf("link in place of a deleted object: %v", err)
	}
}

func TestLinksAreFollowedIntoOtherStoresButNotForEver(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	other := objStore(t, js, "OTHER")
	near := objPut(t, store, "near", []byte("near"), 0)
	far := objPut(t, other, "far", []byte("far"), 0)
	for name, target := range map[string]*jetstream.ObjectInfo{"to near": near, "to far": far} {
		if _, err := store.AddLink(ctx, name, target); err != nil {
			t.Fatal(err)
		}
		if got, err := store.GetString(ctx, name); err != nil || got != target.Name {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if err := other.Delete(ctx, "far"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.GetString(ctx, "to far", jetstream.GetObjectShowDeleted()); err != jetstream.ErrObjectNotFound {
		t.Errorf("deleted target: %v", err)
	}
	if err := js.DeleteObjectStore(ctx, "OTHER"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.GetString(ctx, "to far"); err != jetstream.ErrBucketNotFound {
		t.Errorf("missing store: %v", err)
	}
	for from, to := range map[string]string{"one": "two", "two": "one"} {
		objMeta(t, js, &jetstream.ObjectInfo{
			ObjectMeta: jetstream.ObjectMeta{Name: from, Opts: &jetstream.ObjectMetaOptions{Link: &jetstream.ObjectLink{Bucket: "B", Name: to}}},
			Bucket:     "B", NUID: "N" + from,
		})
	}
	if _, err := store.Get(ctx, "one"); !errors.Is(err, jetstream.ErrNoLinkToLink) {
		t.Errorf("links in a circle: %v", err)
	}
}

func TestSealedStoreCanBeReadAndNotWritten(t *testing.T) {
	t.Parallel()
	store, _, _ := objStart(t)
	ctx := objContext(t)
	info := objPut(t, store, "A", []byte("content"), 0)
	if err := store.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if status, err := store.Status(ctx); err != nil || !status.Sealed() || status.Size() == 0 {
		t.Errorf("status %+v, %v", status, err)
	}
	if got, err := store.GetString(ctx, "A"); err != nil || got != "content" {
		t.Errorf("got %q, %v", got, err)
	}
	_, errPut := store.PutString(ctx, "A", "other")
	_, errLink := store.AddLink(ctx, "L", info)
	for what, err := range map[string]error{
		"put": errPut, "link": errLink, "delete": store.Delete(ctx, "A"),
		"update": store.UpdateMeta(ctx, "A", jetstream.ObjectMeta{Name: "A", Description: "d"}),
	} {
		var apiErr *jetstream.APIError
		if !errors.As(err, &apiErr) || apiErr.ErrorCode != 10109 {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got, err := store.GetString(ctx, "A"); err != nil || got != "content" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestMirrorOfAnObjectStoreMadeByHandIsRead(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	objPut(t, store, "A", []byte("content"), 0)
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "OBJ_M", AllowRollup: true,
		Mirror: &jetstream.StreamSource{
			Name:              "OBJ_B",
			SubjectTransforms: []jetstream.SubjectTransformConfig{{Source: "$O.B.>", Destination: "$O.M.>"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	objWantMessages(t, js, "M", 2)
	mirror, err := js.ObjectStore(ctx, "M")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := mirror.GetString(ctx, "A"); err != nil || got != "content" {
		t.Errorf("got %q, %v", got, err)
	}
	infos, err := mirror.List(ctx)
	if err != nil || len(infos) != 1 || infos[0].Name != "A" {
		t.Errorf("listed %v, %v", infos, err)
	}
	// What describes the object goes where the description says it belongs.
	if err := mirror.UpdateMeta(ctx, "A", jetstream.ObjectMeta{Name: "A", Description: "new"}); err != nil {
		t.Fatal(err)
	}
	// A mirror answers for the origin, too, and may know less.
	jstest.WaitFor(t, objPatience, "the origin to have the description", func() bool {
		info, err := store.GetInfo(ctx, "A")
		return err == nil && info.Description == "new"
	})
}

// objHubAndLeaf returns a connection to the leaf node of a server with the domain
// HUB, and one to that server.
func objHubAndLeaf(t testing.TB) (leaf, hub *nats.Conn) {
	t.Helper()
	h := jstest.StartServer(t, func(o *server.Options) {
		o.JetStreamDomain = "HUB"
		o.LeafNode.Host, o.LeafNode.Port = o.Host, server.RANDOM_PORT
	})
	l := jstest.StartServer(t, func(o *server.Options) {
		o.JetStreamDomain = "LEAF"
		o.LeafNode.ReconnectInterval = 50 * time.Millisecond
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: objLeafURLs(t, h)}}
	})
	jstest.WaitFor(t, objPatience, "the leaf node to connect", func() bool { return l.NumLeafNodes() == 1 && h.NumLeafNodes() == 1 })
	return jstest.Connect(t, l), jstest.Connect(t, h)
}

// B13: a server maps the subjects of key-value buckets below the API prefix of a
// domain to the plain ones, but not those of object stores. A publish with the
// prefix would reach nobody, so content and descriptions of objects go to the
// plain subjects, and only requests to the API carry the prefix. Where leaf node
// and hub both have a store of one name, that store is filled in both.
func TestObjectStoreOfAnotherDomainIsWrittenAndRead(t *testing.T) {
	t.Parallel()
	leaf, hub := objHubAndLeaf(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*objPatience)
	defer cancel()
	there := objStore(t, objHandle(t, hub), "B")
	plain, err := hub.SubscribeSync("$O.B.>")
	if err == nil {
		err = hub.Flush() // what is put comes through another connection
	}
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.NewWithDomain(leaf, "HUB")
	if err != nil {
		t.Fatal(err)
	}
	var store jetstream.ObjectStore
	jstest.WaitFor(t, objPatience, "the domain to be reached", func() bool {
		store, err = js.ObjectStore(ctx, "B")
		return err == nil
	})
	content := objContent(300_000)
	if _, err := store.PutBytes(ctx, "A", content); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]jetstream.ObjectStore{"hub": there, "leaf": store} {
		if got, err := s.GetBytes(ctx, "A"); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if err := hub.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := plain.Pending(); err != nil || n != 4 {
		t.Errorf("%d messages under plain subjects, %v", n, err)
	}
	if infos, err := store.List(ctx); err != nil || len(infos) != 1 {
		t.Errorf("listed %v, %v", infos, err)
	}
	if err := store.Delete(ctx, "A"); err != nil {
		t.Fatal(err)
	}
	if _, err := there.GetInfo(ctx, "A"); err != jetstream.ErrObjectNotFound {
		t.Errorf("deleted: %v", err)
	}
}

func TestObjectStoreTakesPartInBothDirectionsWithTheReference(t *testing.T) {
	t.Parallel()
	store, _, nc := objStart(t)
	theirs := objReferenceStore(t, nc, "B")
	ctx := objContext(t)
	content := objContent(400_000)
	if _, err := theirs.PutBytes(ctx, "theirs", content); err != nil {
		t.Fatal(err)
	}
	if got, err := store.GetBytes(ctx, "theirs"); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	objPut(t, store, "ours", content, 1000)
	if got, err := theirs.GetBytes(ctx, "ours"); err != nil || !bytes.Equal(got, content) {
		t.Errorf("they read %d bytes, %v", len(got), err)
	}
	mine, err := store.GetInfo(ctx, "theirs")
	if err != nil {
		t.Fatal(err)
	}
	info, err := theirs.GetInfo(ctx, "theirs")
	if err != nil {
		t.Fatal(err)
	}
	a, errA := json.Marshal(mine)
	b, errB := json.Marshal(info)
	if err := errors.Join(errA, errB); err != nil || !bytes.Equal(a, b) {
		t.Errorf("described as %s and %s, %v", a, b, err)
	}
}

// objReader yields size bytes, each byte following from its place, and calls at
// with that place before each read.
type objReader struct {
	size, done int64
	at         func(done int64)
}

func (r *objReader) Read(p []byte) (int, error) {
	if r.at != nil {
		r.at(r.done)
	}
	if r.done == r.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), r.size-r.done))
	for i := range p[:n] {
		p[i] = byte((r.done + int64(i)) >> 3)
	}
	r.done += int64(n)
	return n, nil
}
