package jetstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nats-io/nats.go"
)

func TestObjectDigestIsPaddedURLSafeBase64(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"":  "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
		"a": "SHA-256=ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs=",
	} {
		h := sha256.New()
		h.Write([]byte(content))
		got := GetObjectDigestValue(h)
		if got != want {
			t.Errorf("digest of %q is %s, want %s", content, got, want)
		}
		sum, err := DecodeObjectDigest(got)
		if err != nil || !bytes.Equal(sum, h.Sum(nil)) {
			t.Errorf("decoded %x, %v", sum, err)
		}
	}
}

func TestDecodeObjectDigestTakesWhatFollowsTheFirstEqualsSign(t *testing.T) {
	t.Parallel()
	if _, err := DecodeObjectDigest("SHA-256"); err != ErrInvalidDigestFormat {
		t.Errorf("without equals sign: %v", err)
	}
	if _, err := DecodeObjectDigest("SHA-256=+/"); err == nil || errors.Is(err, ErrInvalidDigestFormat) {
		t.Errorf("standard base64: %v", err)
	}
	if sum, err := DecodeObjectDigest("MD5=YQ=="); err != nil || string(sum) != "a" {
		t.Errorf("another algorithm: %q, %v", sum, err)
	}
}

func TestObjectStreamConfigFollowsFromThatOfTheStore(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		cfg  ObjectStoreConfig
		want StreamConfig
	}{
		{
			ObjectStoreConfig{Bucket: "B"},
			StreamConfig{
				Name: "OBJ_B", Subjects: []string{"$O.B.C.>", "$O.B.M.>"}, MaxBytes: -1, Replicas: 1,
				Discard: DiscardNew, AllowRollup: true, AllowDirect: true,
			},
		},
		{
			ObjectStoreConfig{
				Bucket: "b-_1", Description: "d", TTL: time.Hour, MaxBytes: 1024, Storage: MemoryStorage, Replicas: 3,
				Placement: &Placement{Cluster: "c"}, Compression: true, Metadata: map[string]string{"k": "v"},
			},
			StreamConfig{
				Name: "OBJ_b-_1", Description: "d", Subjects: []string{"$O.b-_1.C.>", "$O.b-_1.M.>"},
				MaxAge: time.Hour, MaxBytes: 1024, Storage: MemoryStorage, Replicas: 3,
				Placement: &Placement{Cluster: "c"}, Compression: S2Compression, Metadata: map[string]string{"k": "v"},
				Discard: DiscardNew, AllowRollup: true, AllowDirect: true,
			},
		},
	} {
		if got := objectStreamConfig(&tc.cfg); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%+v becomes\n%+v, want\n%+v", tc.cfg, got, tc.want)
		}
	}
}

func TestObjectInfoIsStoredInTheCommonForm(t *testing.T) {
	t.Parallel()
	for want, info := range map[string]ObjectInfo{
		`{"name":"name/x y","options":{"max_chunk_size":131072},"bucket":"O","nuid":"N","size":5,"mtime":"0001-01-01T00:00:00Z","chunks":1,"digest":"SHA-256=x"}`: {
			ObjectMeta: ObjectMeta{Name: "name/x y", Opts: &ObjectMetaOptions{ChunkSize: defaultObjectChunk}},
			Bucket:     "O", NUID: "N", Size: 5, Chunks: 1, Digest: "SHA-256=x", ModTime: time.Now(),
		},
		`{"name":"l","options":{"link":{"bucket":"P","name":"t"}},"bucket":"O","nuid":"N","size":0,"mtime":"0001-01-01T00:00:00Z","chunks":0}`: {
			ObjectMeta: ObjectMeta{Name: "l", Opts: &ObjectMetaOptions{Link: &ObjectLink{Bucket: "P", Name: "t"}}},
			Bucket:     "O", NUID: "N",
		},
		`{"name":"d","description":"x","headers":{"A":["1","2"]},"metadata":{"k":"v"},"bucket":"O","nuid":"N","size":0,"mtime":"0001-01-01T00:00:00Z","chunks":0,"deleted":true}`: {
			ObjectMeta: ObjectMeta{Name: "d", Description: "x", Headers: nats.Header{"A": {"1", "2"}}, Metadata: map[string]string{"k": "v"}},
			Bucket:     "O", NUID: "N", Deleted: true,
		},
	} {
		o := newObjectStore(&jetStream{}, "O", &StreamInfo{})
		msg, err := o.metaMsg(&info)
		if err != nil {
			t.Fatal(err)
		}
		if string(msg.Data) != want {
			t.Errorf("stored as\n%s, want\n%s", msg.Data, want)
		}
		if got, want := msg.Subject, "$O.O.M."+objectToken(info.Name); got != want {
			t.Errorf("stored under %s, want %s", got, want)
		}
		if len(msg.Header) != 1 || msg.Header.Get("Nats-Rollup") != "sub" {
			t.Errorf("headers %v", msg.Header)
		}
		var back ObjectInfo
		if err := json.Unmarshal(msg.Data, &back); err != nil || !back.ModTime.IsZero() {
			t.Errorf("read back %+v, %v", back, err)
		}
	}
}

func TestObjectInfoOfAMirrorIsStoredAtTheOrigin(t *testing.T) {
	t.Parallel()
	mirror := &StreamInfo{Config: StreamConfig{Mirror: &StreamSource{Name: "OBJ_ORIGIN"}}}
	for want, info := range map[string]*StreamInfo{"$O.ORIGIN.M.QQ==": mirror, "$O.STORE.M.QQ==": {}} {
		o := newObjectStore(&jetStream{}, "STORE", info)
		msg, err := o.metaMsg(&ObjectInfo{ObjectMeta: ObjectMeta{Name: "A"}, Bucket: "ORIGIN"})
		if err != nil || msg.Subject != want {
			t.Errorf("stored under %s, %v; want %s", msg.Subject, err, want)
		}
	}
}

// chunksOf returns all chunks of a source, which are good at the same time.
func chunksOf(s chunkSource) (chunks []string, err error) {
	var held [][]byte
	for {
		chunk, err := s.next()
		if err != nil {
			for _, h := range held {
				chunks = append(chunks, string(h))
			}
			if err == io.EOF {
				err = nil
			}
			return chunks, err
		}
		held = append(held, chunk)
	}
}

func TestChunksAreFullHoweverTheReaderYields(t *testing.T) {
	t.Parallel()
	const content = "0123456789"
	for size, want := range map[int][]string{
		1:  strings.Split(content, ""),
		4:  {"0123", "4567", "89"},
		5:  {"01234", "56789"},
		10: {content},
		11: {content},
	} {
		readers := map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r },
			"bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "end with data": iotest.DataErrReader,
		}
		for name, wrap := range readers {
			got, err := chunksOf(&readerSource{reader: wrap(strings.NewReader(content)), size: size})
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("size %d, reader %s: %q, %v, want %q", size, name, got, err, want)
			}
		}
		got, err := chunksOf(&bytesSource{rest: []byte(content), size: size})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("size %d, bytes: %q, %v, want %q", size, got, err, want)
		}
	}
	for _, s := range []chunkSource{&readerSource{reader: strings.NewReader(""), size: 4}, &bytesSource{size: 4}} {
		if got, err := chunksOf(s); err != nil || len(got) > 0 {
			t.Errorf("nothing: %q, %v", got, err)
		}
	}
}

// silentReader returns nothing, again and again.
type silentReader struct{}

func (silentReader) Read([]byte) (int, error) { return 0, nil }

func TestReaderErrorsAreNotTakenForTheEndOfTheContent(t *testing.T) {
	t.Parallel()
	failure := errors.New("broken")
	for _, want := range []error{failure, io.ErrUnexpectedEOF} {
		r := io.MultiReader(strings.NewReader("012345"), iotest.ErrReader(want))
		s := &readerSource{reader: r, size: 4}
		got, err := chunksOf(s)
		if err != want || len(got) != 1 {
			t.Errorf("%q, %v, want one chunk and %v", got, err, want)
		}
		if _, err := s.next(); err != want {
			t.Errorf("after the end: %v", err)
		}
	}
	if _, err := chunksOf(&readerSource{reader: silentReader{}, size: 4}); err != io.ErrNoProgress {
		t.Errorf("reader without progress: %v", err)
	}
}

func TestRecycledChunksAreUsedAgain(t *testing.T) {
	t.Parallel()
	s := &readerSource{reader: strings.NewReader("abcdef"), size: 2}
	first, _ := s.next()
	second, _ := s.next()
	s.recycle(first)
	third, _ := s.next()
	if string(second) != "cd" || string(third) != "ef" || &third[0] != &first[0] {
		t.Errorf("got %q, %q", second, third)
	}
}

func TestContentBuffersBelieveSizesInProportion(t *testing.T) {
	t.Parallel()
	chunk := make([]byte, 1<<10)
	for _, tc := range []struct {
		size     uint64
		max, min int
	}{
		{0, 4 << 10, 1 << 10},
		{1 << 10, 4 << 10, 1 << 10},
		{1 << 20, 5 << 18, 1 << 20},
		{1 << 60, presizeLimit * 5 / 4, presizeLimit},
	} {
		var b bytes.Buffer
		if _, err := (&presizedBuffer{contentBuffer: &b, size: tc.size}).Write(chunk); err != nil {
			t.Fatal(err)
		}
		if b.Cap() < tc.min || b.Cap() > tc.max {
			t.Errorf("%d bytes set aside for a claim of %d", b.Cap(), tc.size)
		}
	}
}

func TestTransfersThatRunOutOfTimeSaySoAsCoreDoes(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]error{
		context.DeadlineExceeded: nats.ErrTimeout,
		context.Canceled:         context.Canceled,
	} {
		if got := transferError(err); got != want {
			t.Errorf("%v becomes %v", err, got)
		}
	}
	wrapped := fmt.Errorf("x: %w", context.DeadlineExceeded)
	if got := transferError(wrapped); got != nats.ErrTimeout {
		t.Errorf("wrapped deadline becomes %v", got)
	}
}

func TestUploadWindowOpensIfNobodyAnswersSoon(t *testing.T) {
	t.Parallel()
	w := newUploadWindow()
	if !w.probing() {
		t.Fatal("the first acknowledgement is not waited for")
	}
	w.unanswered()
	if w.probing() || w.limit != uploadBytesMax {
		t.Errorf("%d MiB after the first acknowledgement has not come, want %d", w.limit>>20, uploadBytesMax>>20)
	}
	w.stored(20*time.Millisecond, 10<<20, false)
	if w.limit != 20<<20 {
		t.Errorf("%d MiB after the first acknowledgement, want twice the 10 that were sent", w.limit>>20)
	}
	near := newUploadWindow()
	near.stored(time.Millisecond, uploadProbe, false)
	if near.probing() || near.limit != uploadBytesMin {
		t.Errorf("%d MiB for a server near by, want %d", near.limit>>20, uploadBytesMin>>20)
	}
}

func TestUploadWindowIsWhatTheLinkNeeds(t *testing.T) {
	t.Parallel()
	type ack struct {
		took   time.Duration
		sent   int
		waited bool
	}
	near := ack{time.Millisecond, 256 << 10, false}
	for name, tc := range map[string]struct {
		acks []ack
		want int
	}{
		"before the first acknowledgement":   {nil, uploadProbe},
		"fast link":                          {[]ack{near}, uploadBytesMin},
		"twice what was sent until then":     {[]ack{{20 * time.Millisecond, 10 << 20, false}}, 20 << 20},
		"never beyond the most":              {[]ack{{50 * time.Millisecond, 30 << 20, true}}, uploadBytesMax},
		"chunks wait at the server":          {[]ack{near, {2 * time.Millisecond, 8 << 20, true}}, uploadBytesMin},
		"nothing waits at the server":        {[]ack{near, {time.Millisecond, 8 << 20, true}}, 2 * uploadBytesMin},
		"nothing waits, nor does the sender": {[]ack{near, {time.Millisecond, 8 << 20, false}}, uploadBytesMin},
		"the fastest of all counts":          {[]ack{{9 * time.Millisecond, 256 << 10, false}, near, {9 * time.Millisecond, 8 << 20, true}}, uploadBytesMin},
		"no time at all":                     {[]ack{{0, 256 << 10, false}, {0, 8 << 20, true}}, 2 * uploadBytesMin},
	} {
		w := newUploadWindow()
		for _, a := range tc.acks {
			w.stored(a.took, a.sent, a.waited)
		}
		if w.limit != tc.want {
			t.Errorf("%s: %d MiB, want %d", name, w.limit>>20, tc.want>>20)
		}
	}
}
