package torture

import (
	"context"
	"fmt"
	"time"

	"example.com/jetstream"
)

const (
	publishTimeout = 2 * time.Second
	ackTimeout     = 3 * time.Second // of async publishes

	// futureWait bounds the time a future may take: the ack timeout, retries
	// while nobody responds, and some slack.
	futureWait = ackTimeout + 15*time.Second
)

// draw makes up the next message of a worker.
func (w *worker) draw(n int) publish {
	p := publish{id: fmt.Sprintf("%s-%d", w.name, n)}
	p.size = len(p.id) + w.rnd.IntN(300)
	if w.chance(100) {
		p.size += 20_000
	}
	return p
}

// maxBehind is how many messages the slowest consumer may be behind.
const maxBehind = 400

// behind reports whether publishers have to wait for a consumer, so that it can
// come to the end in time on any machine.
func (s *site) behind(book *publishBook) bool {
	slowest := book.last.Load()
	for _, c := range s.consumed {
		if c.stream == book.stream {
			slowest = min(slowest, c.upTo())
		}
	}
	return book.last.Load()-slowest > maxBehind
}

// givesUp draws whether a publisher leaves a message alone after a failure.
func (w *worker) givesUp(p publish) bool {
	if p.outcome == absent {
		return w.chance(2)
	}
	return w.chance(10)
}

// publishSync publishes one message after the other until ctx ends.
func (w *worker) publishSync(ctx context.Context, subject string, book *publishBook) {
	for n := 0; ctx.Err() == nil; n++ {
		if w.behind(book) {
			w.pause(ctx, 50*time.Millisecond)
			continue
		}
		p := w.draw(n)
		for end := time.Now().Add(calmWait); ; {
			var ack *jetstream.PubAck
			// Not bound by ctx, so that the last message has an outcome too.
			err := w.op(context.Background(), "publish", publishTimeout, func(ctx context.Context) (err error) {
				ack, err = w.js.Publish(ctx, subject, payload(p.id, p.size), jetstream.WithMsgID(p.id))
				return err
			})
			if err == nil {
				p.settle(ack.Sequence, nil)
				book.ackedUpTo(ack.Sequence)
				break
			}
			p.settle(0, err)
			if w.givesUp(p) {
				break
			}
			if time.Now().After(end) {
				w.report.fail("publishers get through", "%s %s: %s failed for %v: %v", w.site.name, w.name, p.id, calmWait, err)
				break
			}
			w.pause(context.Background(), 50*time.Millisecond)
		}
		book.add(p)
		w.pause(ctx, 12*time.Millisecond)
	}
}

// flight is a message that was published without waiting.
type flight struct {
	publish
	future jetstream.PubAckFuture
	since  time.Time
}

// publishAsync publishes messages in bursts until ctx ends. It looks at the
// futures itself, so that it needs neither locks nor handlers.
func (w *worker) publishAsync(ctx context.Context, subject string, book *publishBook) {
	var flying []flight
	var again []publish
	send := func(p publish) {
		future, err := w.js.PublishAsync(subject, payload(p.id, p.size), jetstream.WithMsgID(p.id))
		w.report.count(w.site.name+" publish async", 1)
		if err == nil {
			flying = append(flying, flight{p, future, time.Now()})
			return
		}
		w.asyncFailed(&p, err)
		again = append(again, p)
	}
	end := time.Time{}
	for n := 0; ctx.Err() == nil || len(flying)+len(again) > 0; {
		switch {
		case ctx.Err() == nil && !w.behind(book):
			for range w.rnd.IntN(40) {
				send(w.draw(n))
				n++
			}
		case ctx.Err() != nil && end.IsZero():
			end = time.Now().Add(calmWait)
		}
		retry := again
		again = nil
		for _, p := range retry {
			if w.givesUp(p) {
				book.add(p)
			} else {
				send(p)
			}
		}
		flying, again = w.land(flying, again, book)
		if !end.IsZero() && time.Now().After(end) {
			w.report.fail("publishers get through", "%s %s: %d messages are in flight after %v", w.site.name, w.name, len(flying)+len(again), calmWait)
			break
		}
		w.pause(context.Background(), 100*time.Millisecond)
	}
	select {
	case <-w.js.PublishAsyncComplete():
	case <-time.After(opSlack):
		w.report.fail("nothing hangs", "%s %s: publishing does not complete, %d pending", w.site.name, w.name, w.js.PublishAsyncPending())
	}
	w.js.CleanupPublisher()
}

// land takes those messages out of flying whose outcome is known, and adds those
// to again that have failed.
func (w *worker) land(flying []flight, again []publish, book *publishBook) ([]flight, []publish) {
	still := flying[:0]
	for _, f := range flying {
		select {
		case ack := <-f.future.Ok():
			f.settle(ack.Sequence, nil)
			book.ackedUpTo(ack.Sequence)
			book.add(f.publish)
		case err := <-f.future.Err():
			w.asyncFailed(&f.publish, err)
			again = append(again, f.publish)
		default:
			if time.Since(f.since) > futureWait {
				w.report.fail("nothing hangs", "%s %s: the future of %s has no outcome after %v", w.site.name, w.name, f.id, futureWait)
				f.outcome = unknown
				book.add(f.publish)
				continue
			}
			still = append(still, f)
		}
	}
	return still, again
}

func (w *worker) asyncFailed(p *publish, err error) {
	p.settle(0, err)
	w.told("publish async", err)
}
