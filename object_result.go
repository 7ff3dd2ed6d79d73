package jetstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// downloadWindow is how many bytes of content a read requests or buffers.
	downloadWindow = 32 << 20

	// downloadBuffered is how many chunks a reader finds in its own queue, which
	// is there so that reader and connection need not take turns.
	downloadBuffered = 16
)

// ObjectResult is the content of an object as it arrives, see [ObjectStore.Get].
// Read is meant for one caller at a time; the other methods can be called at any
// time and do not wait for it. It also has a method WriteTo, which io.Copy makes
// use of to save a copy.
//
// Read returns io.EOF only if the content was complete and its digest right, and
// [ErrDigestMismatch] if it was not, also if chunks are missing. What was read
// before that must not be relied on. A failure is final.
type ObjectResult interface {
	// Close ends the read. A Read under way, and any after it, returns an error.
	// Close returns nil, any number of times.
	io.ReadCloser

	// Info returns the description of the object, and the error of Error.
	Info() (*ObjectInfo, error)

	// Error returns the error with which reading has failed, nil if it has not.
	Error() error
}

// objectResult implements [ObjectResult].
//
// Content comes by way of downloads: usually one, but a download whose reader
// stays away for long is ended, to free what it holds at both ends, and another
// one takes up where the reader has come to.
type objectResult struct {
	ctx   context.Context
	store *objectStore
	info  *ObjectInfo
	// idle limits the time for which nothing happens, if ctx does not.
	idle time.Duration
	// gone is closed by Close.
	gone chan struct{}

	// The following belong to whoever holds reading.

	reading sync.Mutex
	rest    []byte // of the chunk that was taken last
	digest  hash.Hash
	seq     uint64 // stream sequence of that chunk
	timer   *time.Timer

	// taken counts the chunks that were taken. waiting: a Read is blocked.
	taken   atomic.Uint64
	waiting atomic.Bool

	mu sync.Mutex

	download *download // nil if there is nothing (more) to come
	closed   bool
	complete bool
	err      error
}

var (
	_ ObjectResult = (*objectResult)(nil)
	_ io.WriterTo  = (*objectResult)(nil)
)

// newObjectResult begins to read the content of an object.
func newObjectResult(ctx context.Context, store *objectStore, info *ObjectInfo) (*objectResult, error) {
	r := &objectResult{ctx: ctx, store: store, info: info, gone: make(chan struct{})}
	if info.Size == 0 {
		if info.Digest != "" {
			r.digest = sha256.New() // of nothing, to be compared
		}
		return r, nil
	}
	if _, ok := ctx.Deadline(); !ok {
		r.idle = store.js.opts.DefaultTimeout
	}
	r.digest = sha256.New()
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

// open starts a download of what is behind the last chunk taken.
func (r *objectResult) open() error {
	d := &download{chunks: make(chan objectChunk, downloadBuffered), result: r}
	cfg := OrderedConsumerConfig{FilterSubjects: []string{r.store.chunks + r.info.NUID}}
	if r.seq > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq = DeliverByStartSequencePolicy, r.seq+1
	}
	d.entries = &entryFeed{
		stream:   r.store.stream,
		consumer: cfg,
		window:   downloadWindow,
		sink:     d,
	}
	if err := d.entries.start(r.ctx); err != nil {
		return err
	}
	r.mu.Lock()
	r.download = d
	closed := r.closed
	if r.idle > 0 && !closed {
		d.patience = time.AfterFunc(r.idle, d.checkReader)
	}
	r.mu.Unlock()
	if closed {
		d.end()
	}
	return nil
}

func (r *objectResult) Info() (*ObjectInfo, error) { return r.info, r.Error() }

func (r *objectResult) Error() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *objectResult) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	d := r.download
	r.mu.Unlock()
	close(r.gone)
	if d != nil {
		d.end()
	}
	return nil
}

func (r *objectResult) Read(p []byte) (int, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	if err := r.check(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.rest) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// WriteTo writes all of the content that was not read yet to w.
func (r *objectResult) WriteTo(w io.Writer) (written int64, err error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	for {
		if err := r.check(); err != nil {
			return written, notEOF(err)
		}
		if len(r.rest) == 0 {
			if err := r.next(); err != nil {
				return written, notEOF(err)
			}
		}
		n, err := w.Write(r.rest)
		written += int64(n)
		if err == nil && n < len(r.rest) {
			err = io.ErrShortWrite
		}
		r.rest = r.rest[n:]
		if err != nil {
			return written, err
		}
	}
}

func notEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// check returns what keeps a Read from returning content.
func (r *objectResult) check() error {
	r.mu.Lock()
	err, closed, complete := r.err, r.closed, r.complete
	r.mu.Unlock()
	switch {
	case err != nil:
		return err
	case closed:
		return io.ErrClosedPipe
	case complete:
		return io.EOF
	case r.ctx.Err() != nil:
		return r.fail(transferError(r.ctx.Err()))
	default:
		return nil
	}
}

// fail makes err the error of the result, unless it is closed, and returns what a
// Read is to return.
func (r *objectResult) fail(err error) error {
	r.mu.Lock()
	d := r.download
	if r.closed {
		err = io.ErrClosedPipe
	} else {
		r.err = err
	}
	r.mu.Unlock()
	if d != nil {
		d.end()
	}
	r.rest = nil
	return err
}

// next makes rest the content of the next chunk, which is not empty. It returns
// io.EOF at the end.
func (r *objectResult) next() error {
	for {
		r.mu.Lock()
		d := r.download
		r.mu.Unlock()
		if d == nil {
			return r.finish()
		}
		chunk, ok, err := r.take(d)
		switch {
		case err != nil:
			return r.fail(err)
		case ok:
			r.taken.Add(1)
			r.seq = chunk.seq
			r.digest.Write(chunk.data)
			if len(chunk.data) > 0 {
				r.rest = chunk.data
				return nil
			}
		case d.complete:
			return r.finish()
		case r.ctx.Err() != nil:
			return r.fail(transferError(r.ctx.Err()))
		case errors.Is(d.entries.cause(), errReaderAway):
			if err := r.open(); err != nil {
				return r.fail(err)
			}
		default:
			// Nil if Close ended it, which fail knows.
			return r.fail(d.entries.cause())
		}
	}
}

// take returns the next chunk of a download, and false when there is none any
// more.
func (r *objectResult) take(d *download) (chunk objectChunk, ok bool, err error) {
	select {
	case chunk, ok = <-d.chunks:
		return chunk, ok, nil
	default:
	}
	r.waiting.Store(true)
	defer r.waiting.Store(false)
	var idle <-chan time.Time
	if r.idle > 0 {
		if r.timer == nil {
			r.timer = time.NewTimer(r.idle)
		} else {
			r.timer.Reset(r.idle)
		}
		defer r.timer.Stop()
		idle = r.timer.C
	}
	select {
	case chunk, ok = <-d.chunks:
		return chunk, ok, nil
	case <-r.ctx.Done():
		return chunk, false, transferError(r.ctx.Err())
	case <-r.gone:
		return chunk, false, io.ErrClosedPipe
	case <-idle:
		return chunk, false, nats.ErrTimeout
	}
}

// finish checks the digest at the end of the content.
func (r *objectResult) finish() error {
	if r.digest != nil {
		want, err := DecodeObjectDigest(r.info.Digest)
		if err != nil {
			return r.fail(err)
		}
		if !bytes.Equal(want, r.digest.Sum(nil)) {
			return r.fail(ErrDigestMismatch)
		}
	}
	r.mu.Lock()
	r.complete = true
	d := r.download
	r.mu.Unlock()
	if d != nil {
		d.end()
	}
	return io.EOF
}

// errReaderAway is why a download ended whose reader stayed away.
var errReaderAway = errors.New("nats: nothing was read for too long")

// objectChunk is a chunk as it arrived.
type objectChunk struct {
	data []byte
	seq  uint64
}

// download is an [entrySink] that hands the chunks of an object to a reader. All
// that is in the stream under the subject counts, and when the server has nothing
// more that is the end, whatever the description says.
type download struct {
	result  *objectResult
	entries *entryFeed

	// chunks is closed when the download has ended. Then it does not change any
	// more whether everything was delivered.
	chunks   chan objectChunk
	complete bool

	// patience runs checkReader; nil if the context limits the read. seen is what
	// taken was at the last run.
	patience *time.Timer
	seen     uint64
}

var _ entrySink = (*download)(nil)

func (d *download) entry(m *nats.Msg, reply *ackReply, _ KeyValueOp) {
	handOver(d.entries, d.chunks, objectChunk{data: m.Data, seq: reply.streamSequence()})
}

func (d *download) initial() {
	d.complete = true
	d.entries.finish(nil)
}

func (d *download) ended() { close(d.chunks) }

// end stops the download.
func (d *download) end() {
	d.result.mu.Lock()
	if d.patience != nil {
		d.patience.Stop()
	}
	d.result.mu.Unlock()
	d.entries.finish(nil)
}

// checkReader is run by a timer. It ends the download if nobody has read since
// the last time.
func (d *download) checkReader() {
	taken := d.result.taken.Load()
	if taken == d.seen && !d.result.waiting.Load() {
		d.entries.finish(errReaderAway)
		return
	}
	d.seen = taken
	d.result.mu.Lock()
	defer d.result.mu.Unlock()
	if d.result.download == d && !d.result.closed && d.result.err == nil && !d.result.complete {
		d.patience.Reset(d.result.idle)
	}
}
