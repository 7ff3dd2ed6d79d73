package jetstream_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func TestPutStoresChunksWithoutHeadersAndOneDescription(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	meta := jetstream.ObjectMeta{
		Name: "A", Description: "d", Headers: nats.Header{"X": {"1", "2"}}, Metadata: map[string]string{"k": "v"},
		Opts: &jetstream.ObjectMetaOptions{ChunkSize: 4},
	}
	info, err := store.Put(ctx, meta, strings.NewReader("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(info.ObjectMeta, meta) || info.Opts == meta.Opts || info.Bucket != "B" || len(info.NUID) != 22 ||
		info.Size != 10 || info.Chunks != 3 || info.Deleted || time.Since(info.ModTime) > time.Minute || info.ModTime.Location() != time.UTC ||
		info.Digest != "SHA-256=hNiYd_DUBB77a_kaFvAkjyoLY--gh5Sb0e8mpzeXyxI=" && info.Digest == "" {
		t.Errorf("put %+v", info)
	}
	stream, err := js.Stream(ctx, "OBJ_B")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"0123", "4567", "89"} {
		msg, err := stream.GetMsg(ctx, uint64(i+1))
		if err != nil || msg.Subject != "$O.B.C."+info.NUID || string(msg.Data) != want || len(objOwnHeaders(msg.Header)) > 0 {
			t.Errorf("chunk %d is %+v, %v", i, msg, err)
		}
	}
	msg, err := stream.GetMsg(ctx, 4)
	if err != nil || msg.Subject != "$O.B.M.QQ==" || !slices.Equal(objOwnHeaders(msg.Header), []string{"Nats-Rollup"}) {
		t.Errorf("description is %+v, %v", msg, err)
	}
}

// objOwnHeaders returns the names of the headers a message was published with.
func objOwnHeaders(h nats.Header) (own []string) {
	for name := range h {
		switch name {
		case jetstream.StreamHeader, jetstream.SubjectHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer:
		default:
			own = append(own, name)
		}
	}
	return own
}

func TestPutChecksWhatItIsGivenFirst(t *testing.T) {
	t.Parallel()
	store, _, nc := objStart(t)
	ctx := objContext(t)
	sent := nc.Stats().OutMsgs
	link := &jetstream.ObjectMetaOptions{Link: &jetstream.ObjectLink{Bucket: "B"}}
	if _, err := store.Put(ctx, jetstream.ObjectMeta{Opts: link}, nil); err != jetstream.ErrBadObjectMeta {
		t.Errorf("no name: %v", err)
	}
	if _, err := store.Put(ctx, jetstream.ObjectMeta{Name: "A", Opts: link}, nil); err != jetstream.ErrLinkNotAllowed {
		t.Errorf("link: %v", err)
	}
	//nolint:staticcheck // that is the point
	if _, err := store.PutString(nil, "A", "x"); err != nats.ErrInvalidContext {
		t.Errorf("nil context: %v", err)
	}
	if _, err := store.PutFile(ctx, filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := store.PutString(canceled, "A", "x"); err != context.Canceled {
		t.Errorf("canceled: %v", err)
	}
	late, cancel := context.WithDeadline(ctx, time.Now())
	defer cancel()
	if _, err := store.PutString(late, "A", "x"); err != nats.ErrTimeout {
		t.Errorf("late: %v", err)
	}
	if now := nc.Stats().OutMsgs; now != sent {
		t.Errorf("%d messages were sent", now-sent)
	}
}

func TestPutOfNothingDiffersFromPutOfEmptyContent(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	for _, tc := range []struct {
		name   string
		digest string
		put    func() (*jetstream.ObjectInfo, error)
	}{
		{"nil reader", "", func() (*jetstream.ObjectInfo, error) {
			return store.Put(ctx, jetstream.ObjectMeta{Name: "A"}, nil)
		}},
		{"empty reader", "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=", func() (*jetstream.ObjectInfo, error) {
			return store.Put(ctx, jetstream.ObjectMeta{Name: "A"}, strings.NewReader(""))
		}},
		{"nil bytes", "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=", func() (*jetstream.ObjectInfo, error) {
			return store.PutBytes(ctx, "A", nil)
		}},
		{"empty string", "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=", func() (*jetstream.ObjectInfo, error) {
			return store.PutString(ctx, "A", "")
		}},
	} {
		info, err := tc.put()
		if err != nil || info.Size != 0 || info.Chunks != 0 || info.Digest != tc.digest || info.Opts.ChunkSize != 128<<10 {
			t.Errorf("%s: %+v, %v", tc.name, info, err)
		}
		if n := objMessages(t, js, "B"); n != 1 {
			t.Errorf("%s: %d messages", tc.name, n)
		}
		if got, err := store.GetBytes(ctx, "A"); err != nil || len(got) != 0 {
			t.Errorf("%s: got %q, %v", tc.name, got, err)
		}
	}
}

// B48
func TestPutFillsChunksFromAReaderThatYieldsSingleBytes(t *testing.T) {
	t.Parallel()
	store, _, _ := objStart(t)
	content := objContent(2000)
	info, err := store.Put(objContext(t), jetstream.ObjectMeta{Name: "A", Opts: &jetstream.ObjectMetaOptions{ChunkSize: 1000}}, iotest.OneByteReader(bytes.NewReader(content)))
	if err != nil || info.Chunks != 2 || info.Size != 2000 {
		t.Fatalf("put %+v, %v", info, err)
	}
	if got, err := store.GetBytes(objContext(t), "A"); err != nil || !bytes.Equal(got, content) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestPutOverwritesAndRemovesTheOldContent(t *testing.T) {
	t.Parallel()
	store, js, nc := objStart(t)
	subs := nc.NumSubscriptions()
	for i, size := range []int{5, 3_000_000, 1, 0, 700_000} {
		content := objContent(size)
		info := objPut(t, store, "A", content, 0)
		if want := (size + 131071) / 131072; int(info.Chunks) != want {
			t.Errorf("%d chunks, want %d", info.Chunks, want)
		}
		if n := objMessages(t, js, "B"); n != uint64(info.Chunks)+1 {
			t.Errorf("%d messages after put %d of %d chunks", n, i, info.Chunks)
		}
		got, err := store.GetBytes(objContext(t), "A")
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, size)
		}
	}
	jstest.WaitFor(t, objPatience, "subscriptions to go", func() bool { return nc.NumSubscriptions() <= subs+1 })
}

func TestPutReturnsTheErrorOfTheReaderAndStoresNothing(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	objPut(t, store, "A", []byte("before"), 0)
	for _, want := range []error{errors.New("broken"), io.ErrUnexpectedEOF} {
		r := io.MultiReader(bytes.NewReader(objContent(1_000_000)), iotest.ErrReader(want))
		if _, err := store.Put(objContext(t), jetstream.ObjectMeta{Name: "A"}, r); err != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	objWantMessages(t, js, "B", 2)
	if got, err := store.GetString(objContext(t), "A"); err != nil || got != "before" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestPutOfChunksAboveTheLimitOfTheServerFails(t *testing.T) {
	t.Parallel()
	store, js, nc := objStart(t)
	content := objContent(int(nc.MaxPayload()) + 1)
	meta := jetstream.ObjectMeta{Name: "A", Opts: &jetstream.ObjectMetaOptions{ChunkSize: 1<<32 - 1}}
	if _, err := store.Put(objContext(t), meta, bytes.NewReader(content)); err != nats.ErrMaxPayload {
		t.Errorf("got %v", err)
	}
	objWantMessages(t, js, "B", 0)
	// Content that fits does.
	if _, err := store.Put(objContext(t), meta, bytes.NewReader(content[1:])); err != nil {
		t.Error(err)
	}
}

// B2
func TestFailedOverwriteInAFullStoreLeavesTheOldObjectReadable(t *testing.T) {
	t.Parallel()
	js := objHandle(t, jstest.Connect(t, jstest.StartServer(t)))
	ctx := objContext(t)
	store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "B", MaxBytes: 50_000, Storage: jetstream.MemoryStorage})
	if err != nil {
		t.Fatal(err)
	}
	old := objContent(1000)
	objPut(t, store, "A", old, 0)
	for _, chunk := range []uint32{1000, 0} {
		meta := jetstream.ObjectMeta{Name: "A", Opts: &jetstream.ObjectMetaOptions{ChunkSize: chunk}}
		_, err := store.Put(ctx, meta, bytes.NewReader(objContent(60_000)))
		var apiErr *jetstream.APIError
		if !errors.As(err, &apiErr) || apiErr.ErrorCode != 10077 {
			t.Errorf("put into a full store: %v", err)
		}
		if got, err := store.GetBytes(ctx, "A"); err != nil || !bytes.Equal(got, old) {
			t.Errorf("old object: %d bytes, %v", len(got), err)
		}
		objWantMessages(t, js, "B", 2)
	}
}

// B47
func TestCanceledPutLeavesNoChunks(t *testing.T) {
	t.Parallel()
	store, js, nc := objStart(t)
	objPut(t, store, "A", []byte("before"), 0)
	subs := nc.NumSubscriptions()
	for _, tc := range []struct {
		name string
		end  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		{"cancel", context.WithCancel, context.Canceled},
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			// The reader waits for the end instead of bringing it about.
			return ctx, func() { <-ctx.Done(); cancel() }
		}, nats.ErrTimeout},
	} {
		ctx, end := tc.end(objContext(t))
		r := &objReader{size: 3 << 20, at: func(done int64) {
			if done >= 1<<20 {
				end()
			}
		}}
		if _, err := store.Put(ctx, jetstream.ObjectMeta{Name: "A"}, r); err != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
		end()
	}
	objWantMessages(t, js, "B", 2)
	jstest.WaitFor(t, objPatience, "subscriptions to go", func() bool { return nc.NumSubscriptions() <= subs })
	if got, err := store.GetString(objContext(t), "A"); err != nil || got != "before" {
		t.Errorf("got %q, %v", got, err)
	}
}

// B1
func TestPutKeepsTheOrderOfChunksThatNobodyRespondedTo(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	admin := objHandle(t, jstest.Connect(t, s))
	objStore(t, admin, "B")
	proxy := jstest.StartProxy(t, s.Addr().String())
	// A request that is under way when the store is deleted may get no answer.
	looked := make(chan struct{}, 10)
	js := objHandle(t, jstest.ConnectURL(t, proxy.URL()), jetstream.WithClientTrace(&jetstream.ClientTrace{
		ResponseReceived: func(subject string, _ []byte, _ nats.Header) {
			if strings.HasPrefix(subject, "$JS.API.DIRECT.GET.") {
				looked <- struct{}{}
			}
		},
	}))
	ctx := objContext(t)
	store, err := js.ObjectStore(ctx, "B")
	if err != nil {
		t.Fatal(err)
	}
	for name, lost := range map[string]int64{"first chunk": 0, "first two": 1000} {
		var before int64
		content := &objReader{size: 5000, at: func(done int64) {
			var err error
			switch done {
			case 0:
				<-looked
				err = admin.DeleteObjectStore(ctx, "B")
				// That the first chunk is lost is not to be known before the
				// second one is sent.
				proxy.BlackHole(jstest.ToClient, true)
				before = proxy.Bytes(jstest.ToServer)
			case lost + 1000:
				jstest.WaitFor(t, objPatience, "the chunks to be lost", func() bool {
					return proxy.Bytes(jstest.ToServer) >= before+done
				})
				_, err = admin.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "B", Storage: jetstream.MemoryStorage})
				proxy.Heal()
			}
			if err != nil {
				t.Error(err)
			}
		}}
		info, err := store.Put(ctx, jetstream.ObjectMeta{Name: "A", Opts: &jetstream.ObjectMetaOptions{ChunkSize: 1000}}, content)
		if err != nil || info.Chunks != 5 {
			t.Fatalf("%s: put %+v, %v", name, info, err)
		}
		want, err := io.ReadAll(&objReader{size: 5000})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := store.GetBytes(ctx, "A"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
		if n := objMessages(t, js, "B"); n != 6 {
			t.Errorf("%s: %d messages", name, n)
		}
		if err := store.Delete(ctx, "A"); err != nil {
			t.Fatal(err)
		}
		for len(looked) > 0 {
			<-looked
		}
	}
}

func TestPutNoticesThatTheStoreWasReplaced(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	content := &objReader{size: 5000, at: func(done int64) {
		if done != 2000 {
			return
		}
		objWantMessages(t, js, "B", 2)
		if err := js.DeleteObjectStore(ctx, "B"); err != nil {
			t.Error(err)
		}
		objStore(t, js, "B")
	}}
	if _, err := store.Put(ctx, jetstream.ObjectMeta{Name: "A", Opts: &jetstream.ObjectMetaOptions{ChunkSize: 1000}}, content); err == nil {
		t.Error("put succeeded though chunks were lost")
	}
	objWantMessages(t, js, "B", 0)
}

func TestPutIntoADeletedStoreFails(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	if err := js.DeleteObjectStore(objContext(t), "B"); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", "x"} {
		if _, err := store.PutString(objContext(t), "A", content); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("put %q: %v", content, err)
		}
	}
}

// A61
func TestPutThatIsNotAcknowledgedEnds(t *testing.T) {
	t.Parallel()
	short := 3 * time.Second
	_, admin, nc := objStart(t)
	store, err := objHandle(t, nc, jetstream.WithDefaultTimeout(short)).ObjectStore(objContext(t), "B")
	if err != nil {
		t.Fatal(err)
	}
	st, err := admin.Stream(objContext(t), "OBJ_B")
	if err != nil {
		t.Fatal(err)
	}
	cfg := st.CachedInfo().Config
	cfg.NoAck = true
	if _, err := admin.UpdateStream(objContext(t), cfg); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := store.PutString(objContext(t), "A", "content"); err != jetstream.ErrAsyncPublishTimeout {
		t.Errorf("without deadline: %v", err)
	}
	if took := time.Since(start); took < short || took > objPatience {
		t.Errorf("it took %v", took)
	}
	for _, content := range []string{"content", ""} {
		start = time.Now()
		ctx, cancel := context.WithTimeout(objContext(t), short/2)
		if _, err := store.PutString(ctx, "A", content); err != nats.ErrTimeout {
			t.Errorf("%q with deadline: %v", content, err)
		}
		cancel()
		if took := time.Since(start); took < short/2 || took > objPatience {
			t.Errorf("it took %v", took)
		}
	}
}

func TestPutThatIsDeniedEndsAtOnce(t *testing.T) {
	t.Parallel()
	for what, subject := range map[string]string{"chunks": "$O.B.C.>", "description": "$O.B.M.>"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			store := objDenied(t, []jetstream.JetStreamOpt{jetstream.WithDefaultTimeout(time.Hour)}, subject)
			_, err := store.PutString(objContext(t), "A", "content")
			if !errors.Is(err, nats.ErrPermissionViolation) || errors.Is(err, nats.ErrTimeout) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// A description that was stored but not acknowledged in time keeps its chunks.
func TestPutThatMayHaveSucceededKeepsTheChunks(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	proxy := jstest.StartProxy(t, s.Addr().String())
	nc := jstest.ConnectURL(t, proxy.URL())
	other := objHandle(t, jstest.Connect(t, s))
	objStore(t, other, "B")
	store, err := objHandle(t, nc).ObjectStore(objContext(t), "B")
	if err != nil {
		t.Fatal(err)
	}
	looker := jstest.Connect(t, s)
	watch, err := looker.SubscribeSync("$O.B.>")
	if err == nil {
		err = looker.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(objContext(t))
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		// Chunk and description are through, and the latter's acknowledgement is
		// held up for longer than this can be.
		if _, err := watch.NextMsg(objPatience); err != nil {
			t.Error(err)
		}
		if _, err := watch.NextMsg(objPatience); err != nil {
			t.Error(err)
		}
		cancel()
	})
	proxy.SetDelay(jstest.ToClient, 3*time.Second)
	_, err = store.PutString(ctx, "A", "content")
	wg.Wait()
	if err != context.Canceled {
		t.Fatalf("put: %v", err)
	}
	proxy.Heal()
	// The clean-up asks before anything that is asked on its connection later.
	if _, err := store.GetInfo(objContext(t), "A"); err != nil {
		t.Error(err)
	}
	store, err = other.ObjectStore(objContext(t), "B")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := store.GetString(objContext(t), "A"); err != nil || got != "content" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestPutEndsWhenTheConnectionDoes(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	objStore(t, objHandle(t, jstest.Connect(t, s)), "B")
	for what, end := range map[string]func(*jstest.Proxy, *nats.Conn){
		"cut":    func(p *jstest.Proxy, _ *nats.Conn) { p.Refuse(true); p.Cut() },
		"closed": func(_ *jstest.Proxy, nc *nats.Conn) { nc.Close() },
	} {
		proxy := jstest.StartProxy(t, s.Addr().String())
		quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
		nc := jstest.ConnectURL(t, proxy.URL(), quiet)
		store, err := objHandle(t, nc).ObjectStore(objContext(t), "B")
		if err != nil {
			t.Fatal(err)
		}
		r := &objReader{size: 100 << 20, at: func(done int64) {
			if done == 4<<20 {
				end(proxy, nc)
			}
		}}
		_, err = store.Put(objContext(t), jetstream.ObjectMeta{Name: "A"}, r)
		if err == nil || errors.Is(err, jetstream.ErrAsyncPublishTimeout) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPutEndsCleanlyWhenTheReaderPanics(t *testing.T) {
	t.Parallel()
	store, js, nc := objStart(t)
	subs := nc.NumSubscriptions()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		r := &objReader{size: 2 << 20, at: func(done int64) {
			if done > 1<<20 {
				panic("broken reader")
			}
		}}
		_, _ = store.Put(objContext(t), jetstream.ObjectMeta{Name: "A"}, r)
	}()
	objWantMessages(t, js, "B", 0)
	jstest.WaitFor(t, objPatience, "subscriptions to go", func() bool { return nc.NumSubscriptions() <= subs+1 })
}

func TestPutsOfOneHandleDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			content := objContent(200_000 + i)
			name := string(rune('A' + i))
			if _, err := store.PutBytes(objContext(t), name, content); err != nil {
				t.Error(err)
			}
			if got, err := store.GetBytes(objContext(t), name); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		})
	}
	wg.Wait()
	if n := js.PublishAsyncPending(); n != 0 {
		t.Errorf("%d publishes of the handle are pending", n)
	}
}

// objPeak calls work and returns by how much the heap in use grew meanwhile.
func objPeak(work func()) uint64 {
	var mem runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&mem)
	before := mem.HeapInuse
	peak := before
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				runtime.ReadMemStats(&mem)
				peak = max(peak, mem.HeapInuse)
			case <-done:
				return
			}
		}
	})
	work()
	close(done)
	wg.Wait()
	return peak - before
}
