package torture

import (
	"sync"
	"sync/atomic"

	"example.com/jetstream/internal/kvcheck"
)

// books are the records of a site that checkers look at in the end.
type books struct {
	published map[string]*publishBook  // by stream
	consumed  map[string]*deliveryBook // by durable consumer
	ordered   map[string]*deliveryBook // by worker
	watched   []*watchBook
	described *watchBook // of the object store
	racers    []*kvcheck.Client
	listings  *listingBook
	puts      *putBook
}

func newBooks() books {
	return books{
		published: map[string]*publishBook{workStream: {stream: workStream}, purgeStream: {stream: purgeStream}},
		consumed:  make(map[string]*deliveryBook),
		ordered:   make(map[string]*deliveryBook),
		puts:      &putBook{begun: make(map[string]int), all: make(map[string][]put)},
		listings:  new(listingBook),
	}
}

// publishBook has what was published to a stream.
type publishBook struct {
	stream string
	last   atomic.Uint64 // the highest sequence that was reported

	mu  sync.Mutex
	all []publish
}

func (b *publishBook) add(p publish) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, p)
}

func (b *publishBook) ackedUpTo(seq uint64) { raise(&b.last, seq) }

// raise sets a to v unless it is greater already.
func raise(a *atomic.Uint64, v uint64) {
	for {
		now := a.Load()
		if now >= v || a.CompareAndSwap(now, v) {
			return
		}
	}
}

// deliveryBook has what a consumer handed out, in this order.
type deliveryBook struct {
	stream string
	// recreated: see [consumption].
	recreated bool

	mu   sync.Mutex
	all  []delivery
	last uint64 // the greatest stream sequence
}

func (b *deliveryBook) add(d delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, d)
	b.last = max(b.last, d.seq)
}

// upTo returns the greatest stream sequence that was handed out.
func (b *deliveryBook) upTo() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// watchBook has what a watch saw.
type watchBook struct {
	name    string
	selects func(revision) bool
	// full: it sees the whole history, not only what happens from its begin on.
	full bool

	mu  sync.Mutex
	all []revision
	// initial is the last of the initial revisions.
	initial uint64
}

func (b *watchBook) add(r revision) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, r)
}

// mark notes that the initial revisions are complete.
func (b *watchBook) mark() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.all); n > 0 {
		b.initial = b.all[n-1].rev
	}
}

// seen returns what the watch saw, and the revision from which on that has to be
// all. A watch that begins with the last revision of each key may leave out what is
// superseded until that is complete, in case that it has to begin again.
func (b *watchBook) seen() (all []revision, since uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.full && len(b.all) > 0 {
		since = max(b.initial, b.all[0].rev)
	}
	return b.all[:len(b.all):len(b.all)], since
}

// listingBook has what listings of the bucket found.
type listingBook struct {
	acked atomic.Uint64 // the highest revision that was reported
	mu    sync.Mutex
	all   []snapshot
}

// putBook has what was put under each name of the object store.
type putBook struct {
	mu    sync.Mutex
	begun map[string]int
	all   map[string][]put
}
