package jetstream_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// kvSharedAccounts returns a connection to an account with JetStream and one to
// an account that imports it under the prefix fromA, without asking for more than
// one answer a request.
func kvSharedAccounts(t *testing.T) (owner, guest *nats.Conn) {
	t.Helper()
	conf := `
	listen: "127.0.0.1:-1"
	jetstream: {store_dir: "` + t.TempDir() + `"}
	accounts: {
		A: {
			jetstream: true
			users: [{user: a, password: a}]
			exports: [{service: "$JS.API.>"}, {service: "$KV.>"}, {stream: "accI.>"}]
		}
		I: {
			users: [{user: i, password: i}]
			imports: [
				{service: {account: A, subject: "$JS.API.>"}, to: "fromA.>"}
				{service: {account: A, subject: "$KV.>"}, to: "fromA.$KV.>"}
				{stream: {subject: "accI.>", account: A}}
			]
		}
	}`
	s := jstest.StartServer(t, func(o *server.Options) {
		file := filepath.Join(t.TempDir(), "accounts.conf")
		kvOK(t, os.WriteFile(file, []byte(conf), 0o600))
		loaded, err := server.ProcessConfigFile(file)
		kvOK(t, err)
		loaded.NoLog, loaded.NoSigs = true, true
		*o = *loaded
	})
	owner = jstest.Connect(t, s, nats.UserInfo("a", "a"))
	guest = jstest.Connect(t, s, nats.UserInfo("i", "i"), nats.CustomInboxPrefix("accI"))
	return owner, guest
}

func TestBucketOfAnotherAccountWorksThroughItsPrefix(t *testing.T) {
	t.Parallel()
	owner, guest := kvSharedAccounts(t)
	ctx := t.Context()
	cfg := jetstream.KeyValueConfig{Bucket: "Map", History: 10}
	own := kvCreate(t, kvHandle(t, owner), cfg)
	for i := range 300 { // more than are requested at once
		kvPut(t, own, fmt.Sprintf("k%03d", i))
	}
	js, err := jetstream.NewWithAPIPrefix(guest, "fromA")
	kvOK(t, err)
	kv := kvCreate(t, js, cfg)
	w, err := kv.WatchAll(ctx)
	kvOK(t, err)
	for i := range 300 {
		kvExpect(t, w, fmt.Sprintf("k%03d@%d", i, i+1))
	}
	kvExpect(t, w, "nil")
	for i := range 20 {
		kvRev(t, uint64(301+i))(kv.PutString(ctx, "map", "value"))
		kvExpect(t, w, fmt.Sprintf("map@%d", 301+i))
	}
	kvRev(t, 321)(kv.Update(ctx, "map", []byte("x"), 320))
	kvExpect(t, w, "map@321") // before it is purged
	kvOK(t, kv.Purge(ctx, "map"))
	kvExpect(t, w, "map@322 purge")
	kvOK(t, w.Stop())

	keys, err := kv.Keys(ctx)
	if err != nil || len(keys) != 300 || !slices.IsSorted(keys) {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	kvOK(t, kv.PurgeDeletes(ctx, jetstream.DeleteMarkersOlderThan(-1)))
	kvOK(t, kv.Delete(ctx, "k000"))
	if e, err := own.Get(ctx, "k000"); e != nil || err != jetstream.ErrKeyNotFound {
		t.Errorf("deleted by the guest: %v, %v", e, err)
	}
	if e, err := kv.Get(ctx, "k001"); err != nil || e.Key() != "k001" {
		t.Errorf("got %v, %v", e, err)
	}
}
