package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// kvSeen is an entry in short, nil the marker.
func kvSeen(e jetstream.KeyValueEntry) string {
	if e == nil {
		return "nil"
	}
	op := map[jetstream.KeyValueOp]string{jetstream.KeyValuePut: "", jetstream.KeyValueDelete: " del", jetstream.KeyValuePurge: " purge"}
	return fmt.Sprintf("%s@%d%s", e.Key(), e.Revision(), op[e.Operation()])
}

// kvNext returns the next entry of a watch.
func kvNext(t testing.TB, w jetstream.KeyWatcher) jetstream.KeyValueEntry {
	t.Helper()
	return kvNextWithin(t, w, kvWait)
}

func kvNextWithin(t testing.TB, w jetstream.KeyWatcher, wait time.Duration) jetstream.KeyValueEntry {
	t.Helper()
	select {
	case e, ok := <-w.Updates():
		if !ok {
			t.Fatal("the watch has ended")
		}
		return e
	case <-time.After(wait):
		t.Fatal("no entry in time")
	}
	return nil
}

// kvExpect fails the test unless the next entries of a watch are these.
func kvExpect(t testing.TB, w jetstream.KeyWatcher, want ...string) {
	t.Helper()
	var got []string
	for range want {
		got = append(got, kvSeen(kvNext(t, w)))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("entries (-want +got):\n%s", diff)
	}
}

// kvWaiting waits until a consumer of the stream has a pull request.
func kvWaiting(t testing.TB, js jetstream.JetStream, stream string) {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	kvOK(t, err)
	jstest.WaitFor(t, kvWait, "a pull request", func() bool {
		waiting := 0
		for info := range s.ListConsumers(t.Context()).Info() {
			waiting += info.NumWaiting
		}
		return waiting > 0
	})
}

// kvEnd waits until the channel of a watch is closed.
func kvEnd(t testing.TB, w jetstream.KeyWatcher, within time.Duration) {
	t.Helper()
	timeout := time.After(within)
	for {
		select {
		case _, ok := <-w.Updates():
			if !ok {
				return
			}
		case <-timeout:
			t.Fatal("the watch does not end")
		}
	}
}

func TestWatchDeliversWhatItsOptionsSay(t *testing.T) {
	t.Parallel()
	kv := kvBucket(t, jetstream.KeyValueConfig{History: 5})
	ctx := t.Context()
	kvPut(t, kv, "a", "b.x", "a", "c") // 1 to 4
	kvOK(t, kv.Delete(ctx, "c"))       // 5
	kvPut(t, kv, "b.y")                // 6
	kvOK(t, kv.Purge(ctx, "b.x"))      // 7
	watches := []struct {
		keys []string
		opts []jetstream.WatchOpt
		want []string
		w    jetstream.KeyWatcher
		late []string // after put a@8 and delete a@9
	}{
		{want: []string{"a@3", "c@5 del", "b.y@6", "b.x@7 purge", "nil"}, late: []string{"a@8", "a@9 del"}},
		{keys: []string{"b.*", "a"}, want: []string{"a@3", "b.y@6", "b.x@7 purge", "nil"}, late: []string{"a@8", "a@9 del"}},
		{keys: []string{"none"}, want: []string{"nil"}},
		{keys: []string{"b.>"}, opts: []jetstream.WatchOpt{jetstream.IncludeHistory()}, want: []string{"b.y@6", "b.x@7 purge", "nil"}},
		{keys: []string{"a"}, opts: []jetstream.WatchOpt{jetstream.IncludeHistory(), nil}, want: []string{"a@1", "a@3", "nil"}, late: []string{"a@8", "a@9 del"}},
		{opts: []jetstream.WatchOpt{jetstream.IgnoreDeletes()}, want: []string{"a@3", "b.y@6", "nil"}, late: []string{"a@8"}},
		{opts: []jetstream.WatchOpt{jetstream.IgnoreDeletes(), jetstream.IncludeHistory()}, want: []string{"a@1", "a@3", "c@4", "b.y@6", "nil"}, late: []string{"a@8"}},
		{opts: []jetstream.WatchOpt{jetstream.UpdatesOnly()}, late: []string{"a@8", "a@9 del"}},
		{opts: []jetstream.WatchOpt{jetstream.ResumeFromRevision(4)}, want: []string{"c@4", "c@5 del", "b.y@6", "b.x@7 purge", "nil"}, late: []string{"a@8", "a@9 del"}},
		{opts: []jetstream.WatchOpt{jetstream.ResumeFromRevision(8)}, want: []string{"nil"}, late: []string{"a@8", "a@9 del"}},
		{opts: []jetstream.WatchOpt{jetstream.ResumeFromRevision(6), jetstream.UpdatesOnly()}, want: []string{"b.y@6", "b.x@7 purge"}, late: []string{"a@8", "a@9 del"}},
	}
	for i := range watches {
		w, err := kv.WatchFiltered(ctx, watches[i].keys, watches[i].opts...)
		kvOK(t, err)
		watches[i].w = w
		kvExpect(t, w, watches[i].want...)
	}
	kvRev(t, 8)(kv.PutString(ctx, "a", "late"))
	kvOK(t, kv.Delete(ctx, "a"))
	for _, tt := range watches {
		kvExpect(t, tt.w, tt.late...)
		kvOK(t, tt.w.Stop())
		if rest := len(tt.w.Updates()); rest != 0 {
			t.Errorf("%v %v: %d entries too many", tt.keys, tt.opts, rest)
		}
		kvEnd(t, tt.w, kvWait)
	}
	w, err := kv.WatchAll(ctx, jetstream.MetaOnly(), jetstream.IncludeHistory())
	kvOK(t, err)
	for delta := 7; delta >= 0; delta-- {
		e := kvNext(t, w)
		if len(e.Value()) != 0 || e.Delta() != uint64(delta) || e.Bucket() != "TEST" || time.Since(e.Created()) > time.Minute || e.Created().Location() != time.Local {
			t.Errorf("delta %d, value %q, created %v", e.Delta(), e.Value(), e.Created())
		}
		if delta == 1 { // superseded values of b.x are gone
			break
		}
	}
	kvOK(t, w.Stop())
	if _, err := kv.WatchFiltered(ctx, []string{"a.>", "a.b"}); !errors.Is(err, jetstream.ErrOverlappingFilterSubjects) {
		t.Errorf("overlapping filters: %v", err)
	}
	for _, opts := range [][]jetstream.WatchOpt{
		{jetstream.UpdatesOnly(), jetstream.IncludeHistory()}, {jetstream.IncludeHistory(), jetstream.UpdatesOnly()},
	} {
		if _, err := kv.WatchAll(ctx, opts...); !errors.Is(err, jetstream.ErrInvalidOption) {
			t.Errorf("conflicting options: %v", err)
		}
	}
}

// B56
func TestWatchFilteredLeavesTheFiltersOfTheCallerAlone(t *testing.T) {
	t.Parallel()
	kv := kvBucket(t, jetstream.KeyValueConfig{})
	filters := make([]string, 0, 8)
	filters = append(filters, "a.*", "b")
	opts := make([]jetstream.WatchOpt, 1, 8)
	opts[0] = jetstream.IgnoreDeletes()
	for range 2 {
		w, err := kv.WatchFiltered(t.Context(), filters, opts...)
		kvOK(t, err)
		kvExpect(t, w, "nil")
		kvOK(t, w.Stop())
		l, err := kv.ListKeysFiltered(t.Context(), filters...)
		kvOK(t, err)
		for range l.Keys() {
			t.Error("a key")
		}
	}
	if !slices.Equal(filters, []string{"a.*", "b"}) || opts[:2][1] != nil {
		t.Errorf("filters %v, options %v", filters, opts[:2])
	}
}

// B42, A55
func TestStopReleasesAWatchWhoseUpdatesNobodyReads(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{History: 64})
	for i := range 600 {
		kvPut(t, kv, fmt.Sprintf("k%d", i%10))
	}
	subs := nc.NumSubscriptions()
	for name, stop := range map[string]func(jetstream.KeyWatcher, context.CancelFunc){
		"stop":   func(w jetstream.KeyWatcher, _ context.CancelFunc) { kvOK(t, w.Stop()) },
		"cancel": func(_ jetstream.KeyWatcher, cancel context.CancelFunc) { cancel() },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := kv.WatchAll(ctx, jetstream.IncludeHistory())
		kvOK(t, err)
		if n := nc.NumSubscriptions(); n != subs+1 {
			t.Errorf("%s: a watch takes %d subscriptions", name, n-subs)
		}
		jstest.WaitFor(t, kvWait, "the channel to fill up", func() bool { return len(w.Updates()) == cap(w.Updates()) })
		if cap(w.Updates()) != 256 {
			t.Errorf("capacity %d", cap(w.Updates()))
		}
		stop(w, cancel)
		jstest.WaitFor(t, kvWait, "the subscription to go", func() bool { return nc.NumSubscriptions() == subs })
		kvEnd(t, w, kvWait)
		if err := w.Stop(); err != nats.ErrBadSubscription {
			t.Errorf("stop after %s: %v", name, err)
		}
		cancel()
	}
	jstest.WaitFor(t, kvWait, "the consumers to go", func() bool {
		status, err := kv.Status(t.Context())
		return err == nil && status.(*jetstream.KeyValueBucketStatus).StreamInfo().State.Consumers == 0
	})
}

// A55
func TestStopFromEverywhereAtOnceClosesTheChannelOnce(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{})
	for i := range 30 {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := kv.WatchAll(ctx)
		kvOK(t, err)
		kvPut(t, kv, fmt.Sprint("k", i))
		var wg sync.WaitGroup
		var mu sync.Mutex
		stopped := 0
		for range 4 {
			wg.Go(func() {
				if err := w.Stop(); err == nil {
					mu.Lock()
					stopped++
					mu.Unlock()
				} else if err != nats.ErrBadSubscription {
					t.Errorf("stop: %v", err)
				}
			})
		}
		if i%2 == 0 {
			wg.Go(cancel)
		}
		wg.Wait()
		kvEnd(t, w, kvWait)
		if stopped > 1 || (i%2 == 1 && stopped != 1) {
			t.Errorf("%d calls stopped the watch", stopped)
		}
		cancel()
	}
}

func TestWatchEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{})
	w, err := kv.WatchAll(nats.Context(t.Context()))
	kvOK(t, err)
	kvExpect(t, w, "nil")
	nc.Close()
	kvEnd(t, w, kvWait)
	for range 2 {
		if err := w.Stop(); err != nats.ErrConnectionClosed {
			t.Errorf("stop: %v", err)
		}
	}
}

// B57
func TestWatchNoticesSoonThatItsBucketIsDeleted(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{})
	w, err := kv.WatchAll(t.Context())
	kvOK(t, err)
	kvExpect(t, w, "nil")
	kvWaiting(t, js, "KV_TEST")
	kvOK(t, js.DeleteKeyValue(t.Context(), "TEST"))
	// Two heartbeats are 10 seconds.
	kvEnd(t, w, 8*time.Second)
	if err := w.Stop(); err != nats.ErrBadSubscription {
		t.Errorf("stop: %v", err)
	}
}

// B19
func TestWatchGoesOnAtOnceAfterARestartWithoutReplayOrGap(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	kv := kvCreate(t, kvHandle(t, jstest.ConnectURL(t, n.URL(), nats.ReconnectWait(20*time.Millisecond))), jetstream.KeyValueConfig{History: 5})
	ctx := t.Context()
	kvPut(t, kv, "a", "b")
	w, err := kv.WatchAll(ctx)
	kvOK(t, err)
	kvExpect(t, w, "a@1", "b@2", "nil")
	n.Stop()
	n.Start()
	jstest.WaitFor(t, 2*kvWait, "the bucket to be back", func() bool {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := kv.PutString(short, "a", "again")
		return err == nil
	})
	put := time.Now()
	first := kvNext(t, w)
	// Silence is noticed after 10 seconds; an attempt that came too early is made
	// again after one.
	if took := time.Since(put); took > 7*time.Second {
		t.Errorf("the update came after %v", took)
	}
	if first.Key() != "a" || first.Revision() != 3 {
		t.Errorf("the first update is %s", kvSeen(first))
	}
	kvOK(t, w.Stop())
}

// B28
func TestUpdatesOnlyWatchReplaysNothingAfterARestart(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	nc := jstest.ConnectURL(t, n.URL(), nats.ReconnectWait(20*time.Millisecond))
	kv := kvCreate(t, kvHandle(t, nc), jetstream.KeyValueConfig{History: 20})
	for range 10 {
		kvPut(t, kv, "a")
	}
	w, err := kv.WatchAll(t.Context(), jetstream.UpdatesOnly())
	kvOK(t, err)
	n.Stop()
	n.Start()
	jstest.WaitFor(t, 2*kvWait, "the connection", nc.IsConnected)
	jstest.WaitFor(t, 2*kvWait, "the bucket to be back", func() bool {
		_, err := kv.Status(t.Context())
		return err == nil
	})
	rev, err := kv.PutString(t.Context(), "a", "new")
	kvOK(t, err)
	kvExpect(t, w, fmt.Sprintf("a@%d", rev))
	kvOK(t, w.Stop())
}

// A handle that does not know how large values are begins with the usual window,
// which would take a round trip for every few hundred of the initial entries.
func TestWatchOverALinkWithDelayAsksForMoreAndMore(t *testing.T) {
	t.Parallel()
	const keys = 8000
	s := jstest.StartServer(t)
	admin := jstest.Connect(t, s)
	link := jstest.StartProxy(t, s.Addr().String())
	kv := kvCreate(t, kvHandle(t, jstest.ConnectURL(t, link.URL())), jetstream.KeyValueConfig{Storage: jetstream.MemoryStorage})
	for i := range keys {
		kvOK(t, admin.Publish(fmt.Sprint("$KV.TEST.k", i), []byte("value")))
	}
	other, err := kvHandle(t, admin).KeyValue(t.Context(), "TEST")
	kvOK(t, err)
	jstest.WaitFor(t, kvWait, "values to be stored", func() bool {
		status, err := other.Status(t.Context())
		return err == nil && status.Values() == keys
	})
	pulls := jstest.RecordPulls(t, admin, "KV_TEST", "*")
	link.SetDelay(jstest.ToServer, 25*time.Millisecond)
	link.SetDelay(jstest.ToClient, 25*time.Millisecond)
	w, err := kv.WatchAll(t.Context())
	kvOK(t, err)
	seen := 0
	for e := kvNext(t, w); e != nil; e = kvNext(t, w) {
		seen++
	}
	if seen != keys {
		t.Errorf("%d entries, want %d", seen, keys)
	}
	largest := 0
	for _, pull := range pulls.Pulls(t) {
		largest = max(largest, pull.Batch)
	}
	if largest <= jetstream.DefaultMaxMessages {
		t.Errorf("the largest request is for %d messages", largest)
	}
}

// B71
func TestWatchThatLosesItsConsumerAmidTheInitialEntriesSeesEachKeyOnceAndThenTheMarker(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{History: 4})
	ctx := t.Context()
	const keys = 600
	big := make([]byte, 80<<10) // what is requested and buffered without a reader is some 460 of them
	last := make(map[string]uint64)
	put := func(i int) {
		key := fmt.Sprintf("k%03d", i)
		rev, err := kv.Put(ctx, key, big)
		kvOK(t, err)
		last[key] = rev
	}
	for i := range keys {
		put(i)
	}
	_, err := kv.Status(ctx) // tells the handle how large values are
	kvOK(t, err)
	w, err := kv.WatchAll(ctx)
	kvOK(t, err)
	kvExpect(t, w, "k000@1", "k001@2")
	for _, i := range []int{1, 595, 595, 596, 0} {
		put(i)
	}
	s, err := js.Stream(ctx, "KV_TEST")
	kvOK(t, err)
	for name := range s.ConsumerNames(ctx).Name() {
		kvOK(t, s.DeleteConsumer(ctx, name))
	}
	seen := map[string]uint64{"k000": 1, "k001": 2}
	revision := uint64(2)
	superseded := 0
	// A request that reaches the consumer as it is being deleted gets no answer;
	// that takes two heartbeats of 5 seconds to notice.
	const patience = 2 * kvWait
	for e := kvNextWithin(t, w, patience); e != nil; e = kvNextWithin(t, w, patience) {
		if e.Revision() <= revision {
			t.Fatalf("%s came after revision %d", kvSeen(e), revision)
		}
		if seen[e.Key()] != 0 && e.Revision() <= keys {
			t.Errorf("%s came twice", kvSeen(e))
		}
		if e.Key() == "k595" && e.Revision() < last["k595"] {
			superseded++
		}
		revision = e.Revision()
		seen[e.Key()] = revision
	}
	if len(seen) != keys {
		t.Errorf("the marker came after %d of %d keys", len(seen), keys)
	}
	if superseded > 0 {
		t.Errorf("%d superseded values", superseded)
	}
	for revision < last["k000"] {
		e := kvNext(t, w)
		revision = e.Revision()
		seen[e.Key()] = revision
	}
	if diff := cmp.Diff(last, seen); diff != "" {
		t.Errorf("last revisions (-want +got):\n%s", diff)
	}
	kvOK(t, w.Stop())
}

// A53
func TestMarkerComesWhenTheRemainingInitialEntriesVanish(t *testing.T) {
	t.Parallel()
	for _, history := range []uint8{1, 5} {
		t.Run(fmt.Sprint("history ", history), func(t *testing.T) {
			t.Parallel()
			kvVanish(t, history)
		})
	}
}

func kvVanish(t *testing.T, history uint8) {
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{History: history})
	kvPut(t, kv, "a", "b", "c")
	slow := jstest.StartFakeAPI(t, jstest.ConnectURL(t, nc.ConnectedUrl()), "FAKE")
	slow.On("STREAM.>", jstest.Forward)
	slow.On("CONSUMER.>", jstest.Forward)
	slow.OnPull(jstest.Ignore)
	behind, err := jetstream.NewWithAPIPrefix(nc, "FAKE")
	kvOK(t, err)
	bound, err := behind.KeyValue(t.Context(), "TEST")
	kvOK(t, err)
	w, err := bound.WatchAll(t.Context())
	kvOK(t, err)
	l, err := bound.ListKeys(t.Context())
	kvOK(t, err)
	s, err := js.Stream(t.Context(), "KV_TEST")
	kvOK(t, err)
	kvOK(t, s.Purge(t.Context()))
	kvExpect(t, w, "nil")
	for key := range l.Keys() {
		t.Errorf("key %s", key)
	}
	kvOK(t, w.Stop())
}

// A52
func TestMarkerComesAndNoKeyIsMissedWhileSomebodyWritesAllTheTime(t *testing.T) {
	t.Parallel()
	for _, history := range []uint8{1, 2, 10} {
		t.Run(fmt.Sprint("history ", history), func(t *testing.T) {
			t.Parallel()
			kvWriteAndList(t, history)
		})
	}
}

func kvWriteAndList(t *testing.T, history uint8) {
	js, nc := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{Storage: jetstream.MemoryStorage, History: history})
	for i := range 100 {
		kvPut(t, kv, fmt.Sprint("k", i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	writer, err := kvHandle(t, jstest.ConnectURL(t, nc.ConnectedUrl())).KeyValue(ctx, "TEST")
	kvOK(t, err)
	wg.Go(func() {
		for ctx.Err() == nil {
			_, _ = writer.PutString(ctx, fmt.Sprint("k", rand.N(100)), "again")
		}
	})
	defer wg.Wait()
	defer cancel()
	for range 20 {
		keys, err := kv.Keys(t.Context())
		if err != nil || len(keys) != 100 || !slices.IsSorted(keys) || len(slices.Compact(keys)) != 100 {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		l, err := kv.ListKeys(t.Context())
		kvOK(t, err)
		listed := make(map[string]bool)
		for key := range l.Keys() {
			listed[key] = true
		}
		if len(listed) != 100 {
			t.Fatalf("%d keys listed", len(listed))
		}
		w, err := kv.WatchAll(t.Context())
		kvOK(t, err)
		for kvNext(t, w) != nil {
			continue
		}
		kvOK(t, w.Stop())
	}
}

// B19, A53
func TestWatchSurvivesLeaderChangesAndLostNodesWithoutReplayOrGap(t *testing.T) {
	c := jstest.StartCluster(t)
	nc := jstest.ConnectURL(t, c.URL(), nats.ReconnectWait(50*time.Millisecond))
	kv := kvCreate(t, kvHandle(t, nc), jetstream.KeyValueConfig{History: 64, Replicas: 3})
	ctx := t.Context()
	w, err := kv.WatchAll(ctx, jetstream.IncludeHistory())
	kvOK(t, err)
	kvExpect(t, w, "nil")
	var puts uint64
	put := func(n int) {
		for range n {
			jstest.WaitFor(t, 40*time.Second, "a put to succeed", func() bool {
				short, cancel := context.WithTimeout(ctx, 2*time.Second)
				defer cancel()
				rev, err := kv.PutString(short, fmt.Sprint("k", puts%3), "v")
				puts = max(puts, rev)
				return err == nil
			})
		}
	}
	var seen uint64
	catchUp := func() {
		start := time.Now()
		defer func() { t.Logf("caught up after %v", time.Since(start)) }()
		for seen < puts {
			e := kvNextWithin(t, w, 40*time.Second)
			if e.Revision() != seen+1 {
				t.Fatalf("revision %d after %d", e.Revision(), seen)
			}
			seen = e.Revision()
		}
	}
	put(10)
	catchUp()
	c.StepDownStream("KV_TEST")
	put(10)
	catchUp()
	for _, n := range c.Nodes() {
		n.Stop()
		put(5)
		catchUp()
		n.Start()
		c.WaitReady()
		put(5)
		catchUp()
	}
	kvOK(t, w.Stop())
}

// What a watch leaves behind when its request for deletion is lost, the server
// removes soon. The price is that it does so as well when nobody reads.
func TestConsumerOfAWatchIsRemovedSoonAndCanBe(t *testing.T) {
	t.Parallel()
	js, _ := kvJetStream(t)
	kv := kvCreate(t, js, jetstream.KeyValueConfig{Storage: jetstream.MemoryStorage})
	const keys, size = 400, 64 << 10
	for i := range keys {
		_, err := kv.Put(t.Context(), fmt.Sprint("k", i), make([]byte, size))
		kvOK(t, err)
	}
	w, err := kv.WatchAll(t.Context())
	kvOK(t, err)
	stream, err := js.Stream(t.Context(), "KV_TEST")
	kvOK(t, err)
	removed := 0
	for info := range stream.ListConsumers(t.Context()).Info() {
		if limit := 10 * time.Second; info.Config.InactiveThreshold > limit {
			t.Errorf("removed after %v without use, want %v at most", info.Config.InactiveThreshold, limit)
		}
		kvOK(t, stream.DeleteConsumer(t.Context(), info.Name))
		removed++
	}
	if removed != 1 {
		t.Fatalf("%d consumers, want 1", removed)
	}
	for want := uint64(1); want <= keys; want++ {
		if e := <-w.Updates(); e == nil || e.Revision() != want {
			t.Fatalf("entry %v, want that of revision %d", e, want)
		}
	}
	if e := <-w.Updates(); e != nil {
		t.Errorf("%v after the initial entries, want nil", e)
	}
	kvOK(t, w.Stop())
}
