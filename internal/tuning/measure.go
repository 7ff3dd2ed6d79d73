package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
	"example.com/jetstream/internal/localserver"
)

// size says how much is measured: all of it, or so little that a test can see
// that the measurements work.
type size struct {
	messages int           // of measurements of speed
	slow     int           // of measurements with a slow handler
	settle   time.Duration // how long to wait until nothing more comes
	rounds   int           // how often speed is measured; the best counts
	short    bool          // only the first two values of each option
}

var full = size{messages: 30_000, slow: 300, settle: time.Second, rounds: 3}

// values returns the values of an option that are measured.
func (s size) values(all ...int) []int {
	if s.short {
		return all[:2]
	}
	return all
}

// bench is a server with a link to it, and the handles of a client behind the
// link.
type bench struct {
	link   *jstest.Proxy
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	stop   func() error
	serial int
}

// newBench starts a server and fills its stream with messages.
func newBench(ctx context.Context, messages, payload int) (b *bench, err error) {
	url, stop, err := localserver.Start()
	if err != nil {
		return nil, err
	}
	b = &bench{stop: stop}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.link, err = jstest.NewProxy(strings.TrimPrefix(url, "nats://")); err != nil {
		return nil, err
	}
	if b.nc, err = nats.Connect(b.link.URL()); err != nil {
		return nil, err
	}
	if b.js, err = jetstream.New(b.nc); err != nil {
		return nil, err
	}
	b.stream, err = b.js.CreateStream(ctx, jetstream.StreamConfig{Name: "TUNING", Subjects: []string{"tuning"}, Storage: jetstream.MemoryStorage})
	if err != nil {
		return nil, err
	}
	content := make([]byte, payload)
	for range messages {
		if _, err := b.js.PublishAsync("tuning", content, jetstream.WithStallWait(10*time.Second)); err != nil {
			return nil, err
		}
	}
	select {
	case <-b.js.PublishAsyncComplete():
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *bench) close() error {
	if b.nc != nil {
		b.nc.Close()
	}
	if b.link != nil {
		b.link.Close()
	}
	return b.stop()
}

// setRoundTrip makes the link take so long there and back.
func (b *bench) setRoundTrip(d time.Duration) {
	b.link.SetDelay(jstest.ToServer, d/2)
	b.link.SetDelay(jstest.ToClient, d/2)
}

// consumer makes a new consumer of all messages.
func (b *bench) consumer(ctx context.Context, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	b.serial++
	cfg.Durable = "c" + strconv.Itoa(b.serial)
	cfg.MaxAckPending = -1
	return b.stream.CreateConsumer(ctx, cfg)
}

// consumed is what a Consume of some messages came to.
type consumed struct {
	took     time.Duration
	requests uint64
}

// best is consume for speed: with a new consumer for each round, over a link with
// the given round trip. The fastest round counts.
func (b *bench) best(ctx context.Context, rounds int, roundTrip time.Duration, n int, opts ...jetstream.PullConsumeOpt) (consumed, error) {
	var best consumed
	for range rounds {
		cons, err := b.consumer(ctx, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
		if err != nil {
			return best, err
		}
		b.setRoundTrip(roundTrip)
		r, err := b.consume(ctx, cons, n, 0, opts...)
		b.setRoundTrip(0)
		if err != nil {
			return best, err
		}
		if best.took == 0 || r.took < best.took {
			best = r
		}
	}
	return best, nil
}

// consume handles n messages, each of which keeps the handler for a while and is
// acknowledged then if the consumer wants that.
func (b *bench) consume(ctx context.Context, cons jetstream.Consumer, n int, work time.Duration, opts ...jetstream.PullConsumeOpt) (consumed, error) {
	var result consumed
	var failed error
	acks := cons.CachedInfo().Config.AckPolicy != jetstream.AckNonePolicy
	done := make(chan struct{})
	var over sync.Once
	finish := func(err error) { over.Do(func() { failed = err; close(done) }) }
	handled := make(map[uint64]bool, n)

	sent := b.nc.Stats().OutMsgs
	start := time.Now()
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		if work > 0 {
			time.Sleep(work)
		}
		if acks {
			if err := msg.Ack(); err != nil {
				finish(err)
			}
			meta, err := msg.Metadata()
			if err != nil {
				finish(err)
				return
			}
			handled[meta.Sequence.Stream] = true
		} else {
			handled[uint64(len(handled))] = true
		}
		if len(handled) == n {
			result.took = time.Since(start)
			finish(nil)
		}
	}, opts...)
	if err != nil {
		return result, err
	}
	select {
	case <-done:
	case <-ctx.Done():
		finish(ctx.Err())
	}
	cc.Stop()
	<-cc.Closed()
	result.requests = b.nc.Stats().OutMsgs - sent
	return result, failed
}

func roundTripName(d time.Duration) string {
	if d == 0 {
		return "same machine"
	}
	return fmt.Sprintf("%v round trip", d)
}

// countUntil returns a handler that counts messages, and closes done with the
// n-th.
func countUntil(n int, work time.Duration) (handler jetstream.MessageHandler, done chan struct{}) {
	var count atomic.Int64
	done = make(chan struct{})
	return func(jetstream.Msg) {
		time.Sleep(work)
		if count.Add(1) == int64(n) {
			close(done)
		}
	}, done
}
