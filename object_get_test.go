package jetstream_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// objGet begins to read object A.
func objGet(t testing.TB, ctx context.Context, store jetstream.ObjectStore) jetstream.ObjectResult { //nolint:revive // t first, as in all helpers
	t.Helper()
	r, err := store.Get(ctx, "A")
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

// objWantIdle waits until nothing is left of reads, here or at the server.
func objWantIdle(t testing.TB, js jetstream.JetStream, nc *nats.Conn, subs int) {
	t.Helper()
	jstest.WaitFor(t, objPatience, "subscriptions to go", func() bool { return nc.NumSubscriptions() <= subs })
	jstest.WaitFor(t, objPatience, "consumers to go", func() bool {
		s, err := js.Stream(objContext(t), "OBJ_B")
		return err == nil && s.CachedInfo().State.Consumers == 0
	})
}

func TestGetYieldsTheContentInEachWayOfReading(t *testing.T) {
	t.Parallel()
	store, js, nc := objStart(t)
	ctx := objContext(t)
	if _, err := store.PutString(ctx, "warm", "up"); err != nil {
		t.Fatal(err)
	}
	subs := nc.NumSubscriptions()
	for size, chunk := range map[int]uint32{1: 1, 10: 3, 1000: 1000, 5000: 1024, 1 << 20: 0} {
		content := objContent(size)
		put := objPut(t, store, "A", content, chunk)
		r := objGet(t, ctx, store)
		if info, err := r.Info(); err != nil || info.NUID != put.NUID || r.Error() != nil {
			t.Errorf("info %+v, %v", info, err)
		}
		if err := iotest.TestReader(r, content); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF || r.Error() != nil {
			t.Errorf("after the end: %d, %v", n, err)
		}
		var copied bytes.Buffer
		r = objGet(t, ctx, store)
		first := make([]byte, 1)
		if _, err := io.ReadFull(r, first); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(&copied, r); err != nil || int(n) != size-1 || !bytes.Equal(append(first, copied.Bytes()...), content) {
			t.Errorf("copied %d bytes, %v", n, err)
		}
		if got, err := store.GetString(ctx, "A"); err != nil || got != string(content) {
			t.Errorf("string of %d bytes, %v", len(got), err)
		}
	}
	objWantIdle(t, js, nc, subs)
}

func TestGetOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	objPut(t, store, "A", []byte("x"), 0)
	if err := store.Delete(ctx, "A"); err != nil {
		t.Fatal(err)
	}
	objMeta(t, js, &jetstream.ObjectInfo{ObjectMeta: jetstream.ObjectMeta{Name: "no nuid"}, Bucket: "B"})
	for name, want := range map[string]error{
		"": jetstream.ErrNameRequired, "none": jetstream.ErrObjectNotFound, "A": jetstream.ErrObjectNotFound, "no nuid": jetstream.ErrBadObjectMeta,
	} {
		if r, err := store.Get(ctx, name); err != want || r != nil {
			t.Errorf("%q: %v, %v", name, r, err)
		}
	}
	r, err := store.Get(ctx, "A", nil, jetstream.GetObjectShowDeleted())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := r.Info(); err != nil || !info.Deleted {
		t.Errorf("info %+v, %v", info, err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read %d, %v", n, err)
	}
	if err := errors.Join(r.Error(), r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
}

func TestGetNoticesThatTheContentIsNotWhatWasPut(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	stream, err := js.Stream(ctx, "OBJ_B")
	if err != nil {
		t.Fatal(err)
	}
	content := objContent(3000)
	for what, spoil := range map[string]func(*jetstream.ObjectInfo) error{
		"a chunk too many": func(info *jetstream.ObjectInfo) error {
			_, err := js.Publish(ctx, "$O.B.C."+info.NUID, []byte("123"))
			return err
		},
		"a chunk too few": func(*jetstream.ObjectInfo) error {
			return stream.DeleteMsg(ctx, stream.CachedInfo().State.LastSeq+2)
		},
		"no chunk": func(info *jetstream.ObjectInfo) error {
			return stream.Purge(ctx, jetstream.WithPurgeSubject("$O.B.C."+info.NUID))
		},
	} {
		if _, err := stream.Info(ctx); err != nil {
			t.Fatal(err)
		}
		info := objPut(t, store, "A", content, 1000)
		if err := spoil(info); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		r := objGet(t, ctx, store)
		if _, err := io.ReadAll(r); err != jetstream.ErrDigestMismatch {
			t.Errorf("%s: %v", what, err)
		}
		// Silence would be noticed after 10 seconds.
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("%s: noticed after %v", what, took)
		}
		if _, err := r.Info(); err != jetstream.ErrDigestMismatch || r.Error() != err {
			t.Errorf("%s: errors %v and %v", what, err, r.Error())
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || err != jetstream.ErrDigestMismatch {
			t.Errorf("%s: read again: %d, %v", what, n, err)
		}
		if got, err := store.GetBytes(ctx, "A"); got != nil || err != jetstream.ErrDigestMismatch {
			t.Errorf("%s: %d bytes, %v", what, len(got), err)
		}
		if err := stream.Purge(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for digest, want := range map[string]error{"": jetstream.ErrInvalidDigestFormat, "SHA-256": jetstream.ErrInvalidDigestFormat, "SHA-256=AA==": jetstream.ErrDigestMismatch} {
		info := objPut(t, store, "A", content, 0)
		info.Digest = digest
		objMeta(t, js, info)
		if _, err := store.GetBytes(ctx, "A"); err != want {
			t.Errorf("digest %q: %v", digest, err)
		}
	}
}

// The reader is in the middle of it when the content goes. What was requested by
// then still comes.
func TestGetOfAnObjectThatIsDeletedMeanwhileEndsSoon(t *testing.T) {
	t.Parallel()
	store, _, _ := objStart(t)
	ctx := objContext(t)
	if _, err := store.Put(ctx, jetstream.ObjectMeta{Name: "A"}, &objReader{size: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	r := objGet(t, ctx, store)
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(ctx, "A"); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); err != jetstream.ErrDigestMismatch {
		t.Errorf("read %d more bytes, %v", n, err)
	}
}

func TestGetDoesNotTrustTheSizeInADescription(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	info := objPut(t, store, "A", []byte("content"), 0)
	info.Size = 1 << 60
	objMeta(t, js, info)
	// The digest is right, so this is what was put.
	if got, err := store.GetBytes(objContext(t), "A"); err != nil || string(got) != "content" {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestContextOfAGetIsThatOfTheRead(t *testing.T) {
	t.Parallel()
	store, js, nc := objStart(t)
	objPut(t, store, "A", objContent(1_000_000), 0)
	subs := nc.NumSubscriptions()
	for _, tc := range []struct {
		want error
		end  func(ctx context.Context) (context.Context, context.CancelFunc)
	}{
		{context.Canceled, context.WithCancel},
		{nats.ErrTimeout, func(ctx context.Context) (context.Context, context.CancelFunc) {
			// Long enough to begin to read.
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
			return ctx, func() { <-ctx.Done(); cancel() }
		}},
	} {
		ctx, end := tc.end(objContext(t))
		r, err := store.Get(ctx, "A")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		end()
		for _, buf := range [][]byte{nil, make([]byte, 10)} {
			if n, err := r.Read(buf); n != 0 || err != tc.want {
				t.Errorf("read into %d bytes: %d, %v, want %v", len(buf), n, err, tc.want)
			}
		}
		if _, err := r.Info(); err != tc.want || r.Error() != tc.want {
			t.Errorf("error %v, want %v", err, tc.want)
		}
		// No Close: the context has ended it.
	}
	objWantIdle(t, js, nc, subs)
	canceled, cancel := context.WithCancel(objContext(t))
	cancel()
	if _, err := store.Get(canceled, "A"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled before: %v", err)
	}
	if got, err := store.GetBytes(nats.Context(context.Background()), "A"); err != nil || len(got) != 1_000_000 {
		t.Errorf("context of core: %d bytes, %v", len(got), err)
	}
}

// A62
func TestReadsThatRaceWithTheEndOfTheContextFailWithItsError(t *testing.T) {
	t.Parallel()
	store, js, nc := objStart(t)
	content := objContent(500_000)
	objPut(t, store, "A", content, 1000)
	subs := nc.NumSubscriptions()
	for i := range 100 {
		ctx, cancel := context.WithCancel(objContext(t))
		r, err := store.Get(ctx, "A")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 20 * time.Microsecond)
			cancel()
		})
		got, err := io.ReadAll(r)
		switch {
		case err == nil && !bytes.Equal(got, content):
			t.Fatalf("read %d bytes without an error", len(got))
		case err != nil && (err != context.Canceled || r.Error() != err):
			t.Fatalf("read %v, error %v", err, r.Error())
		}
		wg.Wait()
	}
	objWantIdle(t, js, nc, subs)
}

// objStalled returns a read of a large object over a link that has stopped to
// deliver anything.
func objStalled(t *testing.T, opts ...jetstream.JetStreamOpt) (jetstream.ObjectResult, *jstest.Proxy, *nats.Conn) {
	t.Helper()
	s := jstest.StartServer(t)
	proxy := jstest.StartProxy(t, s.Addr().String())
	free := objStore(t, objHandle(t, jstest.Connect(t, s)), "B")
	objPut(t, free, "A", objContent(3<<20), 0)
	nc := jstest.ConnectURL(t, proxy.URL())
	store, err := objHandle(t, nc, opts...).ObjectStore(objContext(t), "B")
	if err != nil {
		t.Fatal(err)
	}
	proxy.SetRate(jstest.ToClient, 1<<20)
	r := objGet(t, objContext(t), store)
	if _, err := io.ReadFull(r, make([]byte, 200_000)); err != nil {
		t.Fatal(err)
	}
	proxy.BlackHole(jstest.ToClient, true)
	return r, proxy, nc
}

// B46, A61
func TestGetWithoutDeadlineEndsWhenNothingArrives(t *testing.T) {
	t.Parallel()
	r, proxy, _ := objStalled(t, jetstream.WithDefaultTimeout(3*time.Second))
	start := time.Now()
	if _, err := io.Copy(io.Discard, r); err != nats.ErrTimeout || r.Error() != nats.ErrTimeout {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > objPatience {
		t.Errorf("it took %v", took)
	}
	proxy.Heal()
}

func TestCloseReleasesAReadThatIsBlocked(t *testing.T) {
	t.Parallel()
	r, proxy, nc := objStalled(t)
	result := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, r)
		result <- err
	}()
	// None of these waits for the read.
	if _, err := r.Info(); err != nil || r.Error() != nil {
		t.Errorf("errors %v and %v", err, r.Error())
	}
	select {
	case err := <-result:
		t.Fatalf("read ended with %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	select {
	case err := <-result:
		if err != io.ErrClosedPipe {
			t.Errorf("read ended with %v", err)
		}
	case <-time.After(objPatience):
		t.Fatal("read is still blocked")
	}
	if _, err := r.Read(make([]byte, 1)); err != io.ErrClosedPipe || r.Error() != nil {
		t.Errorf("read after close: %v, error %v", err, r.Error())
	}
	proxy.Heal()
	jstest.WaitFor(t, objPatience, "subscriptions to go", func() bool { return nc.NumSubscriptions() <= 1 })
}

// B46
func TestSlowReadersGetAllOfIt(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	free, _, nc := objStart(t)
	content := objContent(4 << 20)
	objPut(t, free, "A", content, 0)
	js := objHandle(t, nc, jetstream.WithDefaultTimeout(timeout))
	store, err := js.ObjectStore(objContext(t), "B")
	if err != nil {
		t.Fatal(err)
	}
	subs := nc.NumSubscriptions()

	// Steady, for several times the timeout.
	r := objGet(t, objContext(t), store)
	var got bytes.Buffer
	for range 10 {
		time.Sleep(timeout / 4)
		if _, err := io.CopyN(&got, r, 4<<20/10); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.Copy(&got, r); err != nil || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("read steadily: %d bytes, %v", got.Len(), err)
	}

	// Away, until nothing is held for it any more.
	r = objGet(t, objContext(t), store)
	got.Reset()
	for range 3 {
		if _, err := io.CopyN(&got, r, 100_000); err != nil {
			t.Fatal(err)
		}
		objWantIdle(t, js, nc, subs)
	}
	if _, err := io.Copy(&got, r); err != nil || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("read with breaks: %d bytes, %v", got.Len(), err)
	}
}

// B46
func TestAbandonedReadsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	free, _, nc := objStart(t)
	if _, err := free.Put(objContext(t), jetstream.ObjectMeta{Name: "A"}, &objReader{size: 8 << 20}); err != nil {
		t.Fatal(err)
	}
	// Short, for the reads end with it, but a busy machine has to answer in it.
	js := objHandle(t, nc, jetstream.WithDefaultTimeout(10*time.Second))
	store, err := js.ObjectStore(objContext(t), "B")
	if err != nil {
		t.Fatal(err)
	}
	subs := nc.NumSubscriptions()
	ctx, cancel := context.WithCancel(context.Background())
	for i := range 10 {
		if i >= 5 {
			ctx = context.Background()
		}
		r, err := store.Get(ctx, "A")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	objWantIdle(t, js, nc, subs)
}

func TestGetGoesOnAfterAReconnect(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	proxy := jstest.StartProxy(t, s.Addr().String())
	content := objContent(6 << 20)
	objPut(t, objStore(t, objHandle(t, jstest.Connect(t, s)), "B"), "A", content, 0)
	store, err := objHandle(t, jstest.ConnectURL(t, proxy.URL())).ObjectStore(objContext(t), "B")
	if err != nil {
		t.Fatal(err)
	}
	proxy.SetRate(jstest.ToClient, 8<<20)
	r := objGet(t, objContext(t), store)
	got := make([]byte, 1<<20)
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatal(err)
	}
	proxy.Cut()
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(append(got, rest...), content) {
		t.Errorf("got %d more bytes, %v", len(rest), err)
	}
}

func TestGetEndsWithItsConnectionAndItsStore(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	other := objHandle(t, jstest.Connect(t, s))
	for what, end := range map[string]func(*nats.Conn) error{
		"connection": func(nc *nats.Conn) error { nc.Close(); return nil },
		"store":      func(*nats.Conn) error { return other.DeleteObjectStore(objContext(t), "B") },
	} {
		free := objStore(t, other, "B")
		if _, err := free.Put(objContext(t), jetstream.ObjectMeta{Name: "A"}, &objReader{size: 64 << 20}); err != nil {
			t.Fatal(err)
		}
		nc := jstest.Connect(t, s)
		store, err := objHandle(t, nc).ObjectStore(objContext(t), "B")
		if err != nil {
			t.Fatal(err)
		}
		r := objGet(t, objContext(t), store)
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := end(nc); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err == nil || err == io.ErrClosedPipe || r.Error() != err {
			t.Errorf("%s: read %v, error %v", what, err, r.Error())
		}
	}
}

// objFailingWriter fails after the first write.
type objFailingWriter struct{ err error }

func (w *objFailingWriter) Write(p []byte) (int, error) { return len(p) / 2, w.err }

func TestErrorsOfAWriterAreNotThoseOfTheRead(t *testing.T) {
	t.Parallel()
	store, _, _ := objStart(t)
	content := objContent(1000)
	objPut(t, store, "A", content, 0)
	r := objGet(t, objContext(t), store)
	w := r.(io.WriterTo)
	failure := errors.New("disk full")
	if n, err := w.WriteTo(&objFailingWriter{failure}); n != 500 || err != failure {
		t.Errorf("wrote %d, %v", n, err)
	}
	if n, err := w.WriteTo(&objFailingWriter{nil}); n != 250 || err != io.ErrShortWrite {
		t.Errorf("wrote %d, %v", n, err)
	}
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, content[750:]) || r.Error() != nil {
		t.Errorf("rest of %d bytes, %v", len(rest), err)
	}
}
