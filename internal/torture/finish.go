package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"example.com/jetstream"
)

// truth is what the streams of a site hold in the end.
type truth map[string][]entry

// read reads all streams.
func (s *site) read() (truth, error) {
	all := make(truth)
	for _, stream := range []string{workStream, purgeStream, bucketOf, objectsOf} {
		var entries []entry
		var err error
		if stream == objectsOf {
			entries, err = readLatest(s.admin, stream, "$O."+objects+".M.>")
		} else {
			entries, err = readStream(s.admin, stream, stream == bucketOf)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		all[stream] = entries
		s.report.count(s.name+" stored in "+stream, len(entries))
	}
	return all, nil
}

// poll reports whether cond comes to hold within a time.
func poll(limit time.Duration, cond func() bool) bool {
	for end := time.Now().Add(limit); !cond(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// catchUp waits until all that reads has come to the end of what is stored.
func (s *site) catchUp(all truth) {
	end := time.Now().Add(calmWait)
	within := func(checker, what string, cond func() (done bool, state any)) {
		var state any
		if !poll(max(time.Until(end), time.Second), func() (done bool) { done, state = cond(); return done }) {
			s.report.fail(checker, "%s %s has not caught up after %v: %v", s.name, what, calmWait, state)
		}
	}
	for name, book := range s.consumed {
		last := lastOf(all[book.stream])
		within("consumers come to the end", name, func() (bool, any) { return s.acknowledged(book.stream, name, last) })
	}
	for name, book := range s.ordered {
		last := lastOf(all[book.stream])
		within("ordered consumers see all in order", name, func() (bool, any) { return book.upTo() >= last, book.upTo() })
	}
	for _, book := range s.watched {
		var last uint64
		for _, r := range revisions(bucket, all[bucketOf]) {
			if book.selects(r) {
				last = r.rev
			}
		}
		within("watches see all in order", book.name, func() (bool, any) {
			seen, _ := book.seen()
			return last == 0 || len(seen) > 0 && seen[len(seen)-1].rev >= last, len(seen)
		})
	}
	stored := lastDescriptions(s.descriptions(all))
	within("watches see all in order", s.described.name, func() (bool, any) {
		described, _ := s.described.seen()
		seen := lastDescriptions(described)
		return maps.Equal(stored, seen), fmt.Sprintf("saw %v, stored is %v", seen, stored)
	})
}

// descriptions returns what is stored about objects.
func (s *site) descriptions(all truth) []revision {
	var stored []revision
	for _, e := range all[objectsOf] {
		var info jetstream.ObjectInfo
		if err := json.Unmarshal(e.data, &info); err != nil {
			s.report.fail("objects are whole", "%s: description %d: %v", s.name, e.seq, err)
		}
		stored = append(stored, revision{key: info.Name, value: info.NUID, deleted: info.Deleted})
	}
	return stored
}

// acknowledged reports whether a consumer has nothing left to do.
func (s *site) acknowledged(stream, consumer string, last uint64) (done bool, state any) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	c, err := s.js.Consumer(ctx, stream, consumer)
	if errors.Is(err, jetstream.ErrNotPullConsumer) {
		var p jetstream.PushConsumer
		if p, err = s.js.PushConsumer(ctx, stream, consumer); err == nil {
			return settled(p.CachedInfo(), last)
		}
	}
	if err != nil {
		return false, err
	}
	return settled(c.CachedInfo(), last)
}

func settled(info *jetstream.ConsumerInfo, last uint64) (done bool, state any) {
	done = info.NumPending == 0 && info.NumAckPending == 0 && info.AckFloor.Stream == last
	return done, fmt.Sprintf("pending %d, awaiting acknowledgement %d, floor %d of %d", info.NumPending, info.NumAckPending, info.AckFloor.Stream, last)
}

// check has all checkers look at what was recorded.
func (s *site) check(all truth) {
	named := func(name string, violations []string) []string {
		for i := range violations {
			violations[i] = s.name + " " + name + ": " + violations[i]
		}
		return violations
	}
	purged := map[string]uint64{purgeStream: s.purged.Load()}
	for stream, book := range s.published {
		s.report.failAll("publishes are stored or not, as reported", named(stream, checkPublishes(book.all, all[stream], purged[stream])))
		for _, p := range book.all {
			s.report.count(s.name+" published "+[]string{"refused", "unknown", "acknowledged"}[p.outcome], 1)
		}
	}
	for name, book := range s.consumed {
		violations, again := checkDeliveries(consumption{
			stored: all[book.stream], purged: purged[book.stream], ackWait: ackWait,
			recreated: book.recreated, attempts: s.replicas == 1,
		}, book.all)
		s.report.failAll("consumers handle all", named(name, violations))
		s.report.count(s.name+" handled", len(book.all))
		for why, n := range again {
			s.report.count(s.name+" redelivered to "+name+" "+why, n)
		}
	}
	for name, book := range s.ordered {
		s.report.failAll("ordered consumers see all in order", named(name, checkOrdered(all[book.stream], purged[book.stream], book.all)))
		s.report.count(s.name+" handled in order", len(book.all))
	}
	s.checkBuckets(all, named)
	s.checkObjects(named)
}

func (s *site) checkBuckets(all truth, named func(string, []string) []string) {
	history := revisions(bucket, all[bucketOf])
	for _, book := range s.watched {
		seen, since := book.seen()
		s.report.failAll("watches see all in order", named(book.name, checkWatch(history, book.selects, since, seen)))
	}
	var ops []porcupine.Operation
	for _, client := range s.racers {
		ops = append(ops, client.Ops...)
	}
	s.report.failAll("writers are told the truth", named("bucket", checkWrites(history, ops, calmWait)))
	for _, snap := range s.listings.all {
		// A replica may be behind.
		if s.replicas == 1 {
			s.report.failAll("listings are complete", named("bucket", checkSnapshot(history, snap)))
		}
	}
}

func (s *site) checkObjects(named func(string, []string) []string) {
	store, err := s.js.ObjectStore(context.Background(), objects)
	if err != nil {
		s.report.fail("objects are whole", "%s: %v", s.name, err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.puts.all)) {
		ctx, cancel := context.WithTimeout(context.Background(), objectTimeout)
		digest, err := readObject(ctx, store, name)
		cancel()
		if err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
			s.report.fail("objects are whole", "%s %s: %v", s.name, name, err)
			continue
		}
		s.report.failAll("objects are whole", named("objects", checkObject(s.puts.all[name], digest)))
	}
}

// checkReleased holds that nothing is left of what was started: on the
// connections, which are open, and on the servers. What is still to go has so
// long for it.
func (s *site) checkReleased(subscriptions, consumers time.Duration) {
	begun := time.Now()
	subs := func() (left []string) {
		for _, w := range s.workers {
			// Core keeps one for the answers to requests.
			if n := w.nc.NumSubscriptions(); n > 1 {
				left = append(left, fmt.Sprintf("%s: %d", w.name, n))
			}
		}
		return left
	}
	if !poll(subscriptions, func() bool { return len(subs()) == 0 }) {
		s.report.fail("nothing is left", "%s: subscriptions of %s", s.name, strings.Join(subs(), ", "))
	}
	s.checkConsumersGone(begun.Add(consumers))
}

// serverLate is how long the removal of a consumer may take that nobody uses any
// more: ordered consumers and those of feeds are inactive after 10 seconds at
// most.
const serverLate = 15 * time.Second

// checkConsumersGone holds that the servers have no consumers but the durable
// ones. A server of a cluster that cannot have a consumer removed at once waits
// for half a minute before it tries again. That is no fault of the client's if
// nobody requests anything, and if the consumer is one the server is to remove.
func (s *site) checkConsumersGone(deadline time.Time) {
	var left []*jetstream.ConsumerInfo
	var errs []error
	if poll(time.Until(deadline), func() bool {
		left, errs = nil, nil
		for _, stream := range []string{workStream, purgeStream, bucketOf, objectsOf} {
			// A cluster waits for members up to four seconds.
			ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
			infos, err := s.ephemeral(ctx, stream)
			cancel()
			left = append(left, infos...)
			if err != nil {
				errs = append(errs, err)
			}
		}
		return len(left)+len(errs) == 0
	}) {
		return
	}
	for _, err := range errs {
		s.report.fail("nothing is left", "%s: list consumers: %v", s.name, err)
	}
	for _, info := range left {
		if s.replicas > 1 && info.NumWaiting == 0 && info.Config.InactiveThreshold < serverLate {
			s.report.count(s.name+" consumers the server is late to remove", 1)
			continue
		}
		s.report.fail("nothing is left", "%s: consumer %s of %s, %d requests waiting, removed after %v",
			s.name, info.Name, info.Stream, info.NumWaiting, info.Config.InactiveThreshold)
	}
}
