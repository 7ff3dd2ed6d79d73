package jetstream

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// Limits to the chunks that are sent and not known to be stored. The first
	// two are those of a window that adapts: memory and the buffers of the server
	// can take the most of it, and fast links near by need no more than the
	// least. The last one matters for tiny chunks.
	uploadBytesMin = 8 << 20
	uploadBytesMax = 32 << 20
	uploadChunks   = 1024

	// uploadProbe is how much is sent before it is known how far away the server is,
	// and uploadProbeWait how long the answer of a server near by is waited for then.
	// Without it, a sender that is faster than the goroutine that receives would open
	// buffers for all of the window.
	uploadProbe     = 1 << 20
	uploadProbeWait = 2 * time.Millisecond

	// uploadStride is how many chunks are waited for at once, or half of those that
	// are on their way, as waiting for each would cost more than storing a small one.
	uploadStride = 16
)

// uploadWindow decides how many bytes of chunks may be on their way. More than
// the link holds would only wait in queues, and their buffers be fetched from
// memory that no cache has any more.
//
// If the first chunks are not acknowledged soon, it opens until one is. What was
// sent until then fills the link, and twice that keeps it filled.
type uploadWindow struct {
	limit   int
	fastest time.Duration // from sending a chunk to its acknowledgement, zero before the first
}

func newUploadWindow() uploadWindow { return uploadWindow{limit: uploadProbe} }

// probing reports whether the window waits for the first acknowledgement before it
// opens.
func (w *uploadWindow) probing() bool { return w.limit == uploadProbe }

// unanswered records that the first acknowledgement has not come in time.
func (w *uploadWindow) unanswered() { w.limit = uploadBytesMax }

// stored records that the oldest chunk took so long to be acknowledged while so
// many bytes were on their way, and whether sending had to wait for that. If it
// had and the time is little more than that of a chunk that meets no queue, there
// is more room in the link.
func (w *uploadWindow) stored(took time.Duration, sent int, waited bool) {
	switch {
	case w.fastest == 0:
		w.limit = 2 * sent
	case waited && took < 2*w.fastest:
		w.limit *= 2
	}
	w.limit = min(max(w.limit, uploadBytesMin), uploadBytesMax)
	if took = max(took, 1); w.fastest == 0 || took < w.fastest {
		w.fastest = took
	}
}

// upload stores chunks under one subject, in order. It sends on while chunks
// await their acknowledgement.
//
// The order of the chunks in the stream is all that holds an object together. A
// chunk that nobody responded to, because the stream was without a leader for a
// moment, must therefore not be sent again behind its successors. So the
// publisher does not repeat anything; the upload takes up again at that chunk.
type upload struct {
	js      *jetStream // with a publisher of its own
	stream  *stream
	subject string
	source  chunkSource
	window  uploadWindow

	// What was sent, and the digest of it.

	size   uint64
	chunks uint32
	digest hash.Hash

	futures slab[pubFuture]
	flying  []sentChunk // oldest first
	bytes   int         // in flying
	lastSeq uint64      // stream sequence of the last chunk that left flying
	sent    bool        // there may be chunks in the stream
}

// sentChunk is a chunk that was sent and is not known to be stored.
type sentChunk struct {
	data   []byte
	future *pubFuture
	at     time.Time
}

// run stores all chunks of the source and returns when they are acknowledged, or
// with the first error.
func (u *upload) run(ctx context.Context) error {
	for {
		chunk, err := u.source.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		// Acknowledgements that are there are taken even if there is room, so
		// that failures are noticed and buffers used again.
		for len(u.flying) > 0 {
			if u.full(chunk) && u.window.probing() {
				u.probe(ctx)
			}
			if more, err := u.settle(ctx, u.full(chunk)); err != nil {
				return err
			} else if !more {
				break
			}
		}
		if err := u.send(ctx, chunk); err != nil {
			return err
		}
	}
	for len(u.flying) > 0 {
		if _, err := u.settle(ctx, true); err != nil {
			return err
		}
	}
	return nil
}

// full reports whether a chunk has to wait until others are stored.
func (u *upload) full(chunk []byte) bool {
	return u.bytes+len(chunk) > u.window.limit || len(u.flying) >= uploadChunks
}

// probe waits a moment for the first acknowledgement, and opens the window if it
// does not come.
func (u *upload) probe(ctx context.Context) {
	timer := time.NewTimer(uploadProbeWait)
	defer timer.Stop()
	oldest := u.flying[0].future
	select {
	case <-oldest.Ok():
	case <-oldest.Err(): //nolint:errcheck // outcome has it
	case <-ctx.Done():
	case <-timer.C:
		u.window.unanswered()
	}
}

// send sends a chunk that was not sent before.
func (u *upload) send(ctx context.Context, chunk []byte) error {
	u.digest.Write(chunk) // now that it has just been read, and is in the cache
	sent, err := u.publish(ctx, chunk)
	if err != nil {
		return err
	}
	u.flying = append(u.flying, sent)
	u.bytes += len(chunk)
	u.size += uint64(len(chunk))
	u.chunks++
	return nil
}

func (u *upload) publish(ctx context.Context, chunk []byte) (sentChunk, error) {
	if ctx.Err() != nil {
		return sentChunk{}, transferError(ctx.Err())
	}
	u.sent = true
	f := u.futures.next(0)
	f.own.Subject, f.own.Data = u.subject, chunk
	f.msg = &f.own
	at := time.Now()
	// Without options, so that f has no retries.
	err := u.js.async.start(f, defaultStallWait)
	return sentChunk{data: chunk, future: f, at: at}, err
}

// settle lets the oldest chunk go if its outcome is there, or waits for that. It
// returns false if it is not.
func (u *upload) settle(ctx context.Context, wait bool) (bool, error) {
	waited := false
	for {
		switch seq, done, err := u.flying[0].future.outcome(); {
		case err != nil:
			return true, u.failed(ctx, err)
		case done:
			return true, u.stored(seq, waited)
		case !wait:
			return false, nil
		default:
			waited = true
			if err := u.await(ctx); err != nil {
				return true, err
			}
		}
	}
}

// await waits until more chunks can go: the oldest and some behind it. Chunks that
// were on their way when the connection was lost have failed. Those that came a
// moment later wait in core's buffer, and the upload does not wait with them.
func (u *upload) await(ctx context.Context) error {
	if u.lastSeq > 0 && redialing(u.js.conn) {
		return nats.ErrDisconnected
	}
	oldest := u.flying[0].future
	stride := u.flying[min(uploadStride, (len(u.flying)+1)/2)-1].future
	if _, done, _ := stride.outcome(); done {
		stride = oldest
	}
	select {
	case <-stride.Ok():
	case <-stride.Err(): //nolint:errcheck // outcome has it
	case <-oldest.Err(): //nolint:errcheck // outcome has it
	case <-ctx.Done():
		return transferError(ctx.Err())
	}
	return nil
}

// stored lets the oldest chunk go.
func (u *upload) stored(seq uint64, waited bool) error {
	if seq <= u.lastSeq {
		return fmt.Errorf("nats: chunk stored as message %d after one stored as %d: was the stream replaced?", seq, u.lastSeq)
	}
	u.lastSeq = seq
	oldest := u.flying[0]
	u.window.stored(time.Since(oldest.at), u.bytes, waited)
	u.flying = slices.Delete(u.flying, 0, 1)
	u.bytes -= len(oldest.data)
	u.source.recycle(oldest.data)
	return nil
}

// failed is called when the oldest chunk failed. If nobody responded to it, it
// sends that chunk and all behind it again. Those of the latter that were stored
// are removed first.
func (u *upload) failed(ctx context.Context, err error) error {
	if !errors.Is(err, ErrNoStreamResponse) {
		return err
	}
	if err := u.recall(ctx); err != nil {
		return err
	}
	for range DefaultPubRetryAttempts {
		if err := sleepContext(ctx, DefaultPubRetryWait); err != nil {
			return transferError(err)
		}
		// Alone, since the others would meet with the same if it fails.
		if u.flying[0], err = u.publish(ctx, u.flying[0].data); err != nil {
			return err
		}
		seq, err := u.flying[0].wait(ctx)
		if err == nil {
			if err := u.stored(seq, false); err != nil {
				return err
			}
			return u.resend(ctx)
		}
		if !errors.Is(err, ErrNoStreamResponse) {
			return err
		}
	}
	return ErrNoStreamResponse
}

// recall waits for the outcome of all chunks behind the oldest, and removes those
// that were stored from the stream.
func (u *upload) recall(ctx context.Context) error {
	for i := 1; i < len(u.flying); i++ {
		seq, err := u.flying[i].wait(ctx)
		switch {
		case err == nil:
			if err := u.stream.DeleteMsg(ctx, seq); err != nil {
				return err
			}
		case !errors.Is(err, ErrNoStreamResponse):
			return err
		}
	}
	return nil
}

// wait returns the outcome of a chunk.
func (c *sentChunk) wait(ctx context.Context) (seq uint64, err error) {
	if seq, done, err := c.future.outcome(); done {
		return seq, err
	}
	select {
	case ack := <-c.future.Ok():
		return ack.Sequence, nil
	case err := <-c.future.Err():
		return 0, err
	case <-ctx.Done():
		return 0, transferError(ctx.Err())
	}
}

// resend sends all chunks in flight again.
func (u *upload) resend(ctx context.Context) error {
	for i := range u.flying {
		var err error
		if u.flying[i], err = u.publish(ctx, u.flying[i].data); err != nil {
			return err
		}
	}
	return nil
}
