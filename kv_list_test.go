package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// kvListed returns the keys of a listing, sorted.
func kvListed(t testing.TB, l jetstream.KeyLister, err error) []string {
	t.Helper()
	kvOK(t, err)
	keys := []string{}
	timeout := time.After(kvWait)
	for {
		select {
		case key, ok := <-l.Keys():
			if !ok {
				slices.Sort(keys)
				return keys
			}
			keys = append(keys, key)
		case <-timeout:
			t.Fatalf("the listing does not end after %v", keys)
		}
	}
}

// kvPrompt makes a call, and some more if it takes long. It fails the test if all of
// them take as long as the pause after which a listing looks for entries that do not
// come: a busy machine can hold up each of them, but they need not wait for that.
func kvPrompt(t testing.TB, what string, call func()) {
	t.Helper()
	const pause, most = 500 * time.Millisecond, 10
	for range most {
		start := time.Now()
		call()
		if time.Since(start) < pause {
			return
		}
	}
	t.Errorf("%s took %v and more, %d times", what, pause, most)
}

// A54, A52
func TestListingsOfKeysHaveThoseWithAValue(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{History: 3})
	ctx := t.Context()
	if keys, err := kv.Keys(ctx); keys != nil || err != jetstream.ErrNoKeysFound {
		t.Errorf("empty bucket: %v, %v", keys, err)
	}
	l, err := kv.ListKeys(ctx)
	if got := kvListed(t, l, err); len(got) != 0 {
		t.Errorf("empty bucket: %v", got)
	}
	kvPut(t, kv, "b.2", "a", "b.1", "gone", "b.2", "purged", "b.gone")
	kvOK(t, kv.Delete(ctx, "gone"))
	kvOK(t, kv.Delete(ctx, "b.gone"))
	kvOK(t, kv.Purge(ctx, "purged"))

	want := []string{"a", "b.1", "b.2"}
	for name, opts := range map[string][]jetstream.WatchOpt{
		"no options": nil, "nil": {nil}, "meta only": {jetstream.MetaOnly()}, "no deletes": {jetstream.IgnoreDeletes()},
	} {
		kvPrompt(t, name, func() {
			if keys, err := kv.Keys(ctx, opts...); err != nil || !slices.Equal(keys, want) {
				t.Errorf("%s: %v, %v", name, keys, err)
			}
		})
		kvPrompt(t, name, func() {
			l, err = kv.ListKeys(ctx, opts...)
			if got := kvListed(t, l, err); !slices.Equal(got, want) {
				t.Errorf("%s: %v", name, got)
			}
		})
		if err := l.Stop(); err != nats.ErrBadSubscription {
			t.Errorf("stop of a complete listing: %v", err)
		}
	}
	for filters, want := range map[string][]string{"b.*": {"b.1", "b.2"}, "b.1 a": {"a", "b.1"}, "none": {}, "": want} {
		kvPrompt(t, filters, func() {
			l, err := kv.ListKeysFiltered(ctx, strings.Fields(filters)...)
			if got := kvListed(t, l, err); !slices.Equal(got, want) {
				t.Errorf("%q: %v", filters, got)
			}
		})
	}
	if _, err := kv.Keys(ctx, jetstream.UpdatesOnly()); !errors.Is(err, jetstream.ErrInvalidOption) {
		t.Errorf("keys of updates: %v", err)
	}
	if _, err := kv.ListKeys(ctx, jetstream.UpdatesOnly()); !errors.Is(err, jetstream.ErrInvalidOption) {
		t.Errorf("list of updates: %v", err)
	}
	if _, err := kv.History(ctx, "a", jetstream.UpdatesOnly()); !errors.Is(err, jetstream.ErrInvalidOption) {
		t.Errorf("history of updates: %v", err)
	}
	jstest.WaitFor(t, kvWait, "subscriptions and consumers to go", func() bool {
		status, err := kv.Status(ctx)
		return err == nil && status.(*jetstream.KeyValueBucketStatus).StreamInfo().State.Consumers == 0 && nc.NumSubscriptions() <= 1
	})
}

func TestHistoryHasAllThatIsStoredOldestFirst(t *testing.T) {
	t.Parallel()
	kv := kvBucket(t, jetstream.KeyValueConfig{History: 10})
	ctx := t.Context()
	for i := range 50 {
		_, err := kv.PutString(ctx, "age", strconv.Itoa(i+1))
		kvOK(t, err)
	}
	entries, err := kv.History(ctx, "age")
	kvOK(t, err)
	if len(entries) != 10 {
		t.Fatalf("%d entries", len(entries))
	}
	for i, e := range entries {
		if e.Revision() != uint64(41+i) || string(e.Value()) != strconv.Itoa(41+i) || e.Key() != "age" {
			t.Errorf("entry %d: %s %q", i, kvSeen(e), e.Value())
		}
	}
	kvPut(t, kv, "other")
	kvOK(t, kv.Delete(ctx, "age"))
	var got []string
	entries, err = kv.History(ctx, ">", jetstream.ResumeFromRevision(49))
	kvOK(t, err)
	for _, e := range entries {
		got = append(got, kvSeen(e))
	}
	if diff := cmp.Diff([]string{"age@49", "age@50", "other@51", "age@52 del"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := kv.History(ctx, "none"); err != jetstream.ErrKeyNotFound {
		t.Errorf("no history: %v", err)
	}
}

// B3
func TestListingsAreCompleteOrAnErrorWhenTimeOrConnectionEnd(t *testing.T) {
	t.Parallel()
	const count = 3000
	n := jstest.StartNode(t)
	kv := kvCreate(t, kvHandle(t, jstest.Connect(t, n.Server())), jetstream.KeyValueConfig{Storage: jetstream.MemoryStorage})
	for i := range count {
		kvPut(t, kv, fmt.Sprint("k", i))
	}
	kvOK(t, kv.Delete(t.Context(), "k0"))
	link := jstest.StartProxy(t, n.Server().Addr().String())
	link.SetRate(jstest.ToClient, 300<<10) // so that a listing takes a second or more
	calls := map[string]func(context.Context, jetstream.KeyValue) (int, error){
		"keys": func(ctx context.Context, kv jetstream.KeyValue) (int, error) {
			keys, err := kv.Keys(ctx)
			return len(keys) + 1, err
		},
		"history": func(ctx context.Context, kv jetstream.KeyValue) (int, error) {
			entries, err := kv.History(ctx, ">")
			return len(entries), err
		},
		"list": func(ctx context.Context, kv jetstream.KeyValue) (int, error) {
			l, err := kv.ListKeys(ctx)
			if err != nil {
				return 0, err
			}
			keys := 1
			for range l.Keys() {
				keys++
			}
			if err := l.Stop(); err != nats.ErrBadSubscription {
				return 0, err
			}
			return keys, nil
		},
	}
	for name, call := range calls {
		for _, after := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
			t.Run(fmt.Sprint(name, " ", after), func(t *testing.T) {
				t.Parallel()
				nc := jstest.ConnectURL(t, link.URL(), nats.NoReconnect())
				bound, err := kvHandle(t, nc).KeyValue(t.Context(), "TEST")
				kvOK(t, err)

				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				if n, err := call(ctx, bound); n != count && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("deadline: %d, %v", n, err)
				}
				closing := time.AfterFunc(after, nc.Close)
				defer closing.Stop()
				if n, err := call(t.Context(), bound); n != count && !errors.Is(err, nats.ErrConnectionClosed) {
					t.Errorf("closed connection: %d, %v", n, err)
				}
			})
		}
	}
}

// B3
func TestListingFailsWhenItsConnectionIsDrained(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	kvPut(t, kvCreate(t, js, jetstream.KeyValueConfig{}), "a", "b")
	silent := jstest.StartFakeAPI(t, jstest.ConnectURL(t, nc.ConnectedUrl()), "FAKE")
	silent.On("STREAM.>", jstest.Forward)
	silent.On("CONSUMER.CREATE.>", jstest.Forward)
	silent.On("CONSUMER.INFO.>", jstest.Ignore)
	js, err := jetstream.NewWithAPIPrefix(nc, "FAKE")
	kvOK(t, err)
	kv, err := js.KeyValue(t.Context(), "TEST")
	kvOK(t, err)
	done := make(chan error, 1)
	go func() {
		keys, err := kv.Keys(context.Background())
		if err == nil {
			err = fmt.Errorf("keys %v", keys)
		}
		done <- err
	}()
	jstest.WaitFor(t, kvWait, "a pull request", func() bool { return len(silent.Pulls()) > 0 })
	kvOK(t, nc.Drain())
	select {
	case err := <-done:
		if !errors.Is(err, nats.ErrConnectionDraining) && !errors.Is(err, nats.ErrConnectionClosed) {
			t.Error(err)
		}
	case <-time.After(kvWait):
		t.Fatal("the listing does not end")
	}
}

// B41
func TestAbandonedListingEndsWithItsContextOrStop(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{Storage: jetstream.MemoryStorage})
	for i := range 400 { // more than the channel holds
		kvPut(t, kv, fmt.Sprint("k", i))
	}
	subs := nc.NumSubscriptions()
	ctx, cancel := context.WithCancel(t.Context())
	canceled, err := kv.ListKeys(ctx)
	kvOK(t, err)
	stopped, err := kv.ListKeysFiltered(ctx, ">")
	kvOK(t, err)
	jstest.WaitFor(t, kvWait, "the channels to fill up", func() bool { return len(canceled.Keys()) == 256 && len(stopped.Keys()) == 256 })
	kvOK(t, stopped.Stop())
	if err := stopped.Stop(); err != nats.ErrBadSubscription {
		t.Errorf("second stop: %v", err)
	}
	cancel()
	jstest.WaitFor(t, kvWait, "the subscriptions to go", func() bool { return nc.NumSubscriptions() == subs })
	kvListed(t, canceled, nil)
	if err := canceled.Stop(); !errors.Is(err, nats.ErrBadSubscription) || !errors.Is(err, context.Canceled) {
		t.Errorf("stop of a listing cut short: %v", err)
	}
}

// A53
func TestListingTerminatesWhileOthersDeleteAndPurge(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{Storage: jetstream.MemoryStorage, History: 5})
	for i := range 500 {
		kvPut(t, kv, fmt.Sprint("k", i))
	}
	other, err := kvHandle(t, jstest.ConnectURL(t, nc.ConnectedUrl())).KeyValue(t.Context(), "TEST")
	kvOK(t, err)
	ctx := t.Context()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 500 {
			key := fmt.Sprint("k", i)
			switch i % 3 {
			case 0:
				_ = other.Delete(ctx, key)
			case 1:
				_ = other.Purge(ctx, key)
			}
		}
	})
	defer wg.Wait()
	for range 5 {
		l, err := kv.ListKeys(ctx)
		if n := len(kvListed(t, l, err)); n < 500/3 {
			t.Errorf("%d keys", n)
		}
		_, err = kv.History(ctx, ">")
		kvOK(t, err)
	}
}

func TestPurgeDeletesRemovesOldMarkersAndKeepsYoungOnes(t *testing.T) {
	t.Parallel()
	// What is young must be so when the purge comes to it.
	const age = 3 * time.Second
	kv := kvBucket(t, jetstream.KeyValueConfig{History: 5})
	ctx := t.Context()
	kvPut(t, kv, "old", "old", "young", "young", "alive", "purged")
	kvOK(t, kv.Delete(ctx, "old"))
	kvOK(t, kv.Purge(ctx, "purged"))
	history, err := kv.History(ctx, "purged")
	kvOK(t, err)
	jstest.WaitFor(t, kvWait, "the markers to grow old", func() bool { return time.Since(history[0].Created()) > age })
	kvOK(t, kv.Delete(ctx, "young"))

	kvOK(t, kv.PurgeDeletes(ctx)) // none is older than 30 minutes
	entries, err := kv.History(ctx, ">")
	var got []string
	for _, e := range entries {
		got = append(got, kvSeen(e))
	}
	if diff := cmp.Diff([]string{"alive@5", "old@7 del", "purged@8 purge", "young@9 del"}, got); diff != "" || err != nil {
		t.Errorf("after the default (-want +got):\n%s", diff)
	}
	kvOK(t, kv.PurgeDeletes(ctx, nil, jetstream.DeleteMarkersOlderThan(age)))
	for key, want := range map[string]int{"old": 0, "purged": 0, "young": 1, "alive": 1} {
		entries, err := kv.History(ctx, key)
		if len(entries) != want || (want == 0 && err != jetstream.ErrKeyNotFound) {
			t.Errorf("%s: %v, %v", key, entries, err)
		}
	}
	kvOK(t, kv.PurgeDeletes(ctx, jetstream.DeleteMarkersOlderThan(-1)))
	if _, err := kv.History(ctx, "young"); err != jetstream.ErrKeyNotFound {
		t.Errorf("without a limit: %v", err)
	}
	kvOK(t, kv.PurgeDeletes(ctx, jetstream.DeleteMarkersOlderThan(-1)))
	// The last message of the stream is not there any more.
	kvPrompt(t, "keys", func() {
		if keys, err := kv.Keys(ctx); err != nil || !slices.Equal(keys, []string{"alive"}) {
			t.Errorf("keys %v, %v", keys, err)
		}
	})
}

// kvPurging returns a bucket with deleted keys k0 to k(n-1), through a prefix
// where purges are answered by the given function.
func kvPurging(t *testing.T, n int, purge func(kv jetstream.KeyValue, call *jstest.Call)) (jetstream.KeyValue, *nats.Conn) {
	t.Helper()
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{History: 3})
	for i := range n {
		kvPut(t, kv, fmt.Sprint("k", i))
		kvOK(t, kv.Delete(t.Context(), fmt.Sprint("k", i)))
	}
	fake := jstest.StartFakeAPI(t, jstest.ConnectURL(t, nc.ConnectedUrl()), "FAKE")
	fake.On("STREAM.>", jstest.Forward)
	fake.On("CONSUMER.>", jstest.Forward)
	fake.On("STREAM.PURGE.*", func(call *jstest.Call) { purge(kv, call) })
	mine := jstest.ConnectURL(t, nc.ConnectedUrl())
	behind, err := jetstream.NewWithAPIPrefix(mine, "FAKE")
	kvOK(t, err)
	bound, err := behind.KeyValue(t.Context(), "TEST")
	kvOK(t, err)
	return bound, mine
}

// B9
func TestPurgeDeletesNeverTouchesAValueThatIsNewer(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	written := make(map[string]bool)
	kv, _ := kvPurging(t, 4, func(kv jetstream.KeyValue, call *jstest.Call) {
		// Somebody makes the key anew right before its purge arrives.
		for i := range 4 {
			key := fmt.Sprint("k", i)
			if strings.Contains(string(call.Body), `"$KV.TEST.`+key+`"`) {
				_, err := kv.PutString(context.Background(), key, "new")
				mu.Lock()
				written[key] = err == nil
				mu.Unlock()
			}
		}
		call.Forward()
	})
	kvOK(t, kv.PurgeDeletes(t.Context(), jetstream.DeleteMarkersOlderThan(-1)))
	for i := range 4 {
		key := fmt.Sprint("k", i)
		entries, err := kv.History(t.Context(), key)
		if err != nil || len(entries) != 1 || string(entries[0].Value()) != "new" || !written[key] {
			t.Errorf("%s: %v, %v", key, entries, err)
		}
	}
}

// B70, A59
func TestPurgeDeletesHasSeveralPurgesInFlightAndNoWatcher(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var waiting []*jstest.Call
	most := 0
	var nc *nats.Conn
	kv, nc := kvPurging(t, 100, func(_ jetstream.KeyValue, call *jstest.Call) {
		mu.Lock()
		defer mu.Unlock()
		waiting = append(waiting, call)
		most = max(most, len(waiting))
		if len(waiting) == 10 { // so they have to be in flight at once
			for _, call := range waiting {
				call.Forward()
			}
			waiting = nil
		}
	})
	kvOK(t, kv.PurgeDeletes(t.Context(), jetstream.DeleteMarkersOlderThan(-1)))
	status, err := kv.Status(t.Context())
	if err != nil || status.Values() != 0 || most < 10 {
		t.Errorf("%v, %d at once", err, most)
	}
	if n := nc.NumSubscriptions(); n > 1 { // the one for replies stays
		t.Errorf("%d subscriptions", n)
	}
}

// A59
func TestPurgeDeletesEndsWithItsContextAndWithTheFirstError(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	kv, _ := kvPurging(t, 50, func(jetstream.KeyValue, *jstest.Call) { asked <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if err := kv.PurgeDeletes(ctx, jetstream.DeleteMarkersOlderThan(-1)); err != context.Canceled {
		t.Errorf("canceled: %v", err)
	}
	var n sync.Mutex
	purges := 0
	kv, _ = kvPurging(t, 200, func(_ jetstream.KeyValue, call *jstest.Call) {
		n.Lock()
		purges++
		n.Unlock()
		jstest.Error(500, 10110, "purge refused")(call)
	})
	var apiErr *jetstream.APIError
	if err := kv.PurgeDeletes(t.Context(), jetstream.DeleteMarkersOlderThan(-1)); !errors.As(err, &apiErr) || apiErr.ErrorCode != 10110 {
		t.Errorf("refused: %v", err)
	}
	n.Lock()
	defer n.Unlock()
	if purges > 100 {
		t.Errorf("%d purges after the first was refused", purges)
	}
}
