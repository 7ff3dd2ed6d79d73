package jetstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

const (
	// settleTimeout is how long a failed put waits, in the background, for the
	// chunks that are on their way.
	settleTimeout = 2 * time.Second

	// cleanupTimeout bounds the requests that clean up after a failed put.
	cleanupTimeout = 10 * time.Second

	// cleanupGrace is how long a failed put waits for the clean-up, so that a
	// program that ends because of the failure does not leave chunks behind.
	cleanupGrace = 20 * time.Millisecond
)

func (o *objectStore) Put(ctx context.Context, obj ObjectMeta, reader io.Reader) (*ObjectInfo, error) {
	if reader == nil {
		return o.put(ctx, obj, func(int) chunkSource { return nil })
	}
	return o.put(ctx, obj, func(size int) chunkSource {
		return &readerSource{reader: reader, size: size}
	})
}

func (o *objectStore) PutBytes(ctx context.Context, name string, data []byte) (*ObjectInfo, error) {
	return o.put(ctx, ObjectMeta{Name: name}, func(size int) chunkSource {
		return &bytesSource{rest: data, size: size}
	})
}

func (o *objectStore) PutString(ctx context.Context, name string, data string) (*ObjectInfo, error) {
	return o.Put(ctx, ObjectMeta{Name: name}, strings.NewReader(data))
}

func (o *objectStore) PutFile(ctx context.Context, file string) (*ObjectInfo, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return o.Put(ctx, ObjectMeta{Name: file}, f)
}

// put stores an object. source makes a source of chunks of at most the given
// size; nil stands for none.
func (o *objectStore) put(ctx context.Context, meta ObjectMeta, source func(size int) chunkSource) (*ObjectInfo, error) {
	switch {
	case meta.Name == "":
		return nil, ErrBadObjectMeta
	case meta.Opts != nil && meta.Opts.Link != nil:
		return nil, ErrLinkNotAllowed
	case ctx == nil:
		return nil, nats.ErrInvalidContext
	}
	options := ObjectMetaOptions{ChunkSize: defaultObjectChunk}
	if meta.Opts != nil && meta.Opts.ChunkSize > 0 {
		options.ChunkSize = meta.Opts.ChunkSize
	}
	meta.Opts = &options
	info := &ObjectInfo{ObjectMeta: meta, Bucket: o.bucket, NUID: nuid.Next()}
	// One byte more than the server takes is enough to find that out.
	size := int(min(int64(options.ChunkSize), o.js.conn.MaxPayload()+1))

	p := &objectPut{store: o, info: info}
	p.upload = upload{
		js:      o.js.privatePublisher(ctx),
		stream:  o.stream,
		subject: o.chunks + info.NUID,
		source:  source(size),
		window:  newUploadWindow(),
	}
	stored := false
	// Also if the reader panics.
	defer func() {
		if stored {
			p.upload.js.CleanupPublisher()
		} else {
			p.cleanUp()
		}
	}()
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	stored = true
	info.ModTime = time.Now().UTC()
	return info, nil
}

// privatePublisher returns a handle with an async publisher of its own, which the
// caller cleans up. Without a deadline in ctx, acknowledgements have the default
// timeout.
func (js *jetStream) privatePublisher(ctx context.Context) *jetStream {
	p := &jetStream{conn: js.conn, opts: js.opts, prefix: js.prefix}
	p.opts.async = asyncOptions{maxPending: uploadChunks + 1}
	if _, ok := ctx.Deadline(); !ok {
		p.opts.async.ackTimeout = js.opts.DefaultTimeout
	}
	p.async.js = p
	return p
}

// transferError returns the error of a transfer that ended with its context.
func transferError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nats.ErrTimeout
	}
	return err
}

// objectPut is one put under way.
type objectPut struct {
	store  *objectStore
	info   *ObjectInfo
	upload upload

	// metaSent: the description of the object is or may be stored.
	metaSent bool
}

// run stores the chunks, then the description, and at last removes the chunks of
// the object that had the name before. What that object was is found out while
// chunks are on their way.
func (p *objectPut) run(ctx context.Context) error {
	if ctx.Err() != nil {
		return transferError(ctx.Err())
	}
	uploading, cancel := context.WithCancel(ctx)
	defer cancel()
	looked := make(chan objectLookup, 1)
	// It ends with the request or, at the latest, with uploading, and is waited
	// for on each way out.
	go func() {
		found := p.store.lookUp(uploading, p.info.Name)
		looked <- found
		if found.fatal() {
			cancel()
		}
	}()
	before := objectLookup{}
	err := p.uploadContent(uploading)
	if err == nil {
		before = <-looked
	} else {
		select {
		case before = <-looked:
		default:
			cancel()
			<-looked
		}
		if before.err == nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return transferError(ctx.Err())
	}
	if err == nil && before.unanswered() {
		// The store had no leader for a moment only, if there were chunks and
		// they got through.
		before = p.store.lookUp(ctx, p.info.Name)
	}
	if before.err != nil {
		return before.err
	}
	if err := p.describe(ctx); err != nil {
		return err
	}
	if old := before.info; old != nil && !old.Deleted && old.Chunks > 0 && old.NUID != "" {
		// The put has succeeded, whatever becomes of this.
		if p.store.purge(ctx, p.store.chunks+old.NUID) != nil {
			p.store.inBackground(func(ctx context.Context) { _ = p.store.purge(ctx, p.store.chunks+old.NUID) })
		}
	}
	return nil
}

// uploadContent stores the content and completes the description with what it
// turns out to be.
func (p *objectPut) uploadContent(ctx context.Context) error {
	if p.upload.source == nil {
		return nil
	}
	defer p.upload.source.close()
	p.upload.digest = sha256.New()
	// Ends also when the server denies the chunks.
	uploading := newRequestContext(ctx, time.Time{}, p.upload.js.conn, p.upload.subject)
	defer uploading.release()
	if err := p.upload.run(uploading); err != nil {
		return err
	}
	p.info.Size, p.info.Chunks = p.upload.size, p.upload.chunks
	p.info.Digest = GetObjectDigestValue(p.upload.digest)
	return nil
}

// describe stores the description, which makes the object exist.
func (p *objectPut) describe(ctx context.Context) error {
	msg, err := p.store.metaMsg(p.info)
	if err != nil {
		return err
	}
	wait := newRequestContext(ctx, time.Time{}, p.upload.js.conn, msg.Subject)
	defer wait.release()
	future, err := p.upload.js.PublishMsgAsync(msg)
	if err != nil {
		return err
	}
	p.metaSent = true
	select {
	case <-future.Ok():
		return nil
	case err := <-future.Err():
		// A stream that refused it does not have it.
		p.metaSent = !isAPIError(err)
		return err
	case <-wait.Done():
		return transferError(wait.Err())
	}
}

// cleanUp gives up the publisher and removes the chunks of a put that failed. The
// server takes requests and messages in by different ways, so chunks that are not
// acknowledged yet could come in after a request to remove them. If it is not
// known whether the description was stored, chunks are removed only if it was not,
// for otherwise the object that is there now needs them.
func (p *objectPut) cleanUp() {
	o, publisher := p.store, p.upload.js
	if !p.upload.sent {
		publisher.CleanupPublisher()
		return
	}
	o.inBackground(func(ctx context.Context) {
		settled := time.NewTimer(settleTimeout)
		defer settled.Stop()
		select {
		case <-publisher.PublishAsyncComplete():
		case <-settled.C:
		}
		publisher.CleanupPublisher()
		if p.metaSent {
			now, err := readObjectInfo(o.stream.getStored(ctx, apiMsgGetRequest{LastFor: o.metas + objectToken(p.info.Name)}))
			if err != ErrObjectNotFound && (err != nil || now.NUID == p.info.NUID) {
				return
			}
		}
		// Chunks that stay do no harm but to take up room.
		_ = o.purge(ctx, o.chunks+p.info.NUID)
	})
}

// inBackground runs a clean-up, which has a context of its own as that of the
// caller has likely ended. It waits for the clean-up for a moment only.
func (o *objectStore) inBackground(cleanUp func(ctx context.Context)) {
	done := make(chan struct{})
	// Ends with its requests, which the timeout bounds.
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		cleanUp(ctx)
	}()
	grace := time.NewTimer(cleanupGrace)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C:
	}
}

// objectLookup is what is known of the object that has a name.
type objectLookup struct {
	info *ObjectInfo // nil if there is none
	err  error
}

func (o *objectStore) lookUp(ctx context.Context, name string) objectLookup {
	info, err := o.info(ctx, name, true)
	if err == ErrObjectNotFound {
		err = nil
	}
	return objectLookup{info: info, err: err}
}

// unanswered reports whether nobody responded.
func (l objectLookup) unanswered() bool { return errors.Is(l.err, nats.ErrNoResponders) }

// fatal reports whether the lookup failed for good.
func (l objectLookup) fatal() bool { return l.err != nil && !l.unanswered() }
