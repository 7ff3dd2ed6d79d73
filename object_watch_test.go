package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func objWatch(t testing.TB, store jetstream.ObjectStore, opts ...jetstream.WatchOpt) jetstream.ObjectWatcher {
	t.Helper()
	w, err := store.Watch(objContext(t), opts...)
	if err != nil {
		t.Fatalf("watch: %v", err)
	}
	t.Cleanup(func() { _ = w.Stop() })
	return w
}

// objNext returns what comes next, as "name", "name deleted", "nil" or "closed".
func objNext(t testing.TB, w jetstream.ObjectWatcher) string {
	t.Helper()
	select {
	case info, ok := <-w.Updates():
		switch {
		case !ok:
			return "closed"
		case info == nil:
			return "nil"
		case info.ModTime.IsZero():
			t.Errorf("%s without time", info.Name)
		}
		if info.Deleted {
			return info.Name + " deleted"
		}
		return info.Name
	case <-time.After(objPatience):
		t.Fatal("nothing comes")
		return ""
	}
}

func objWantNext(t testing.TB, w jetstream.ObjectWatcher, want ...string) {
	t.Helper()
	for _, next := range want {
		if got := objNext(t, w); got != next {
			t.Fatalf("got %q, want %q", got, next)
		}
	}
}

func TestObjectWatchDeliversWhatIsThereThenNilThenChanges(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	empty := objWatch(t, store)
	select { // available at once
	case info := <-empty.Updates():
		if info != nil {
			t.Errorf("empty store: %v", info)
		}
	default:
		t.Error("empty store: no nil")
	}
	for _, name := range []string{"A", "B", "A", "C"} {
		objPut(t, store, name, []byte(name), 0)
	}
	if err := store.Delete(ctx, "B"); err != nil {
		t.Fatal(err)
	}
	objRawMeta(t, js, "B", "unreadable", []byte("{"))
	objWantNext(t, empty, "A", "B", "A", "C", "B deleted")

	watches := map[*jetstream.ObjectWatcher][]string{}
	for _, tc := range []struct {
		opts []jetstream.WatchOpt
		want []string
	}{
		{nil, []string{"A", "C", "B deleted", "nil", "D", "D deleted", "E"}},
		{[]jetstream.WatchOpt{jetstream.IncludeHistory()}, []string{"A", "C", "B deleted", "nil", "D", "D deleted", "E"}},
		{[]jetstream.WatchOpt{nil, jetstream.IgnoreDeletes()}, []string{"A", "C", "nil", "D", "E"}},
		{[]jetstream.WatchOpt{jetstream.UpdatesOnly()}, []string{"D", "D deleted", "E"}},
		{[]jetstream.WatchOpt{jetstream.MetaOnly(), jetstream.ResumeFromRevision(1 << 40)}, []string{"A", "C", "B deleted", "nil", "D", "D deleted", "E"}},
	} {
		w := objWatch(t, store, tc.opts...)
		watches[&w] = tc.want
	}
	objPut(t, store, "D", []byte("D"), 0)
	if err := store.Delete(ctx, "D"); err != nil {
		t.Fatal(err)
	}
	objPut(t, store, "E", nil, 0)
	for w, want := range watches {
		objWantNext(t, *w, want...)
	}
	for _, opts := range [][]jetstream.WatchOpt{{jetstream.IncludeHistory(), jetstream.UpdatesOnly()}, {jetstream.UpdatesOnly(), jetstream.IncludeHistory()}} {
		if _, err := store.Watch(ctx, opts...); !errors.Is(err, jetstream.ErrInvalidOption) {
			t.Errorf("history and updates only: %v", err)
		}
	}
}

// A64
func TestStoppedObjectWatchClosesItsChannel(t *testing.T) {
	t.Parallel()
	store, js, nc := objStart(t)
	for i := range 50 { // more than the channel holds
		objPut(t, store, strconv.Itoa(i), nil, 0)
	}
	subs := nc.NumSubscriptions()
	ends := map[string]func(jetstream.ObjectWatcher, context.CancelFunc) error{
		"stop":   func(w jetstream.ObjectWatcher, _ context.CancelFunc) error { return w.Stop() },
		"cancel": func(_ jetstream.ObjectWatcher, cancel context.CancelFunc) error { cancel(); return nil },
	}
	for what, end := range ends {
		ctx, cancel := context.WithCancel(objContext(t))
		w, err := store.Watch(ctx)
		if err != nil {
			t.Fatal(err)
		}
		objWantNext(t, w, "0")
		if err := end(w, cancel); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			for range w.Updates() { //nolint:revive // what is buffered still comes
			}
		}()
		select {
		case <-closed:
		case <-time.After(objPatience):
			t.Fatalf("%s: not closed", what)
		}
		if err := w.Stop(); err != nats.ErrBadSubscription {
			t.Errorf("%s: second stop: %v", what, err)
		}
		cancel()
	}
	objWantIdle(t, js, nc, subs)
	w := objWatch(t, store)
	nc.Close()
	if err := w.Stop(); err != nats.ErrConnectionClosed {
		t.Errorf("stop on a closed connection: %v", err)
	}
}

func TestObjectWatchGoesOnAfterAReconnect(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	proxy := jstest.StartProxy(t, s.Addr().String())
	free := objStore(t, objHandle(t, jstest.Connect(t, s)), "B")
	objPut(t, free, "A", nil, 0)
	store, err := objHandle(t, jstest.ConnectURL(t, proxy.URL())).ObjectStore(objContext(t), "B")
	if err != nil {
		t.Fatal(err)
	}
	w := objWatch(t, store)
	objWantNext(t, w, "A", "nil")
	proxy.Cut()
	objPut(t, free, "B", nil, 0)
	objWantNext(t, w, "B")
}

// B68
func TestEmptyStoreIsWatchedAndListedWithoutReadPermission(t *testing.T) {
	t.Parallel()
	store := objDenied(t, nil, "$JS.API.DIRECT.GET.>", "$JS.API.STREAM.MSG.GET.>")
	objWantNext(t, objWatch(t, store), "nil")
	if infos, err := store.List(objContext(t)); err != jetstream.ErrNoObjectsFound {
		t.Errorf("listed %v, %v", infos, err)
	}
}

func TestObjectsAreListedInTheOrderOfTheirLastChange(t *testing.T) {
	t.Parallel()
	store, js, nc := objStart(t)
	ctx := objContext(t)
	if infos, err := store.List(ctx); err != jetstream.ErrNoObjectsFound {
		t.Errorf("empty store: %v, %v", infos, err)
	}
	for _, name := range []string{"A", "B", "C", "B", "b"} {
		objPut(t, store, name, []byte(name), 0)
	}
	info := objPut(t, store, "D", nil, 0)
	if err := store.Delete(ctx, "D"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.AddLink(ctx, "L", info); err != nil {
		t.Fatal(err)
	}
	subs := nc.NumSubscriptions()
	for want, opts := range map[string][]jetstream.ListObjectsOpt{
		"[A C B b L]":   nil,
		"[A C B b D L]": {nil, jetstream.ListObjectsShowDeleted()},
	} {
		infos, err := store.List(ctx, opts...)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, info := range infos {
			names = append(names, info.Name)
		}
		if got := fmt.Sprint(names); got != want {
			t.Errorf("listed %s, want %s", got, want)
		}
	}
	objWantIdle(t, js, nc, subs)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if infos, err := store.List(canceled); !errors.Is(err, context.Canceled) || infos != nil {
		t.Errorf("canceled: %v, %v", infos, err)
	}
	if err := js.DeleteObjectStore(ctx, "B"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.List(ctx); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("deleted store: %v", err)
	}
}

func TestListOverALinkThatDeliversNothingEnds(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	nc := jstest.Connect(t, s)
	free := objStore(t, objHandle(t, nc), "B")
	objPut(t, free, "A", nil, 0)
	// Pull requests are lost, and all else works.
	fake := jstest.StartFakeAPI(t, nc, "FAKE")
	fake.On(">", jstest.Forward)
	fake.OnPull(jstest.Ignore)
	js, err := jetstream.NewWithAPIPrefix(jstest.Connect(t, s), "FAKE", jetstream.WithDefaultTimeout(3*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	store, err := js.ObjectStore(objContext(t), "B")
	if err != nil {
		t.Fatal(err)
	}
	if infos, err := store.List(objContext(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("listed %v, %v", infos, err)
	}
}
