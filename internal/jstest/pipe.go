package jstest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxInFlight bounds the bytes on the way in one direction of one link.
	maxInFlight = 32 << 20
	readSize    = 32 << 10

	// throttleSlice is the time one write of a throttled pipe stands for.
	throttleSlice = 20 * time.Millisecond
)

// conditions are what one direction suffers from. The zero value is a perfect
// line.
type conditions struct {
	delay time.Duration
	rate  int // bytes a second, 0 for no limit
	hole  bool
}

// line is one direction of a proxy, shared by all its links.
type line struct {
	delivered atomic.Int64

	mu      sync.Mutex
	now     conditions
	changed chan struct{} // closed and replaced at each change
}

func newLine() *line { return &line{changed: make(chan struct{})} }

func (l *line) change(f func(*conditions)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.now)
	close(l.changed)
	l.changed = make(chan struct{})
}

// conditions returns the present conditions and a channel that is closed when
// they are no longer valid.
func (l *line) conditions() (conditions, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now, l.changed
}

// parcel is a run of bytes and when it entered the line.
type parcel struct {
	data []byte
	sent time.Time
}

// pipe carries bytes in one direction of one link. One goroutine runs fill, one
// drain; the queue between them is what is on the way.
type pipe struct {
	line     *line
	src, dst net.Conn
	arrived  chan struct{} // holds a token after each put
	left     chan struct{} // holds a token after each take
	gone     chan struct{} // closed when drain has ended

	mu    sync.Mutex
	queue []parcel
	size  int
	ended bool // src has no more
}

func newPipe(l *line, src, dst net.Conn) *pipe {
	return &pipe{
		line:    l,
		src:     src,
		dst:     dst,
		arrived: make(chan struct{}, 1),
		left:    make(chan struct{}, 1),
		gone:    make(chan struct{}),
	}
}

// fill reads from the source until it ends or is closed.
func (p *pipe) fill() {
	buf := make([]byte, readSize)
	for {
		n, err := p.src.Read(buf)
		if n > 0 {
			p.put(parcel{append([]byte(nil), buf[:n]...), time.Now()})
		}
		if err != nil {
			p.mu.Lock()
			p.ended = true
			p.mu.Unlock()
			signal(p.arrived)
			return
		}
		for p.full() {
			select {
			case <-p.left:
			case <-p.gone:
				return
			}
		}
	}
}

// drain delivers what is due until the source has ended and everything is
// delivered, the destination fails, or ctx ends.
func (p *pipe) drain(ctx context.Context) {
	defer close(p.gone)
	// When the pipe is throttled, the line is busy until then.
	var busy time.Time
	for {
		c, changed := p.line.conditions()
		data, wait, more := p.take(c, time.Now(), busy)
		if !more {
			return
		}
		if data != nil {
			if _, err := p.dst.Write(data); err != nil {
				return
			}
			p.line.delivered.Add(int64(len(data)))
			if c.rate > 0 {
				busy = time.Now().Add(time.Duration(len(data)) * time.Second / time.Duration(c.rate))
			}
			continue
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-due:
		case <-changed:
		case <-p.arrived:
		case <-ctx.Done():
			return
		}
	}
}

func (p *pipe) put(next parcel) {
	p.mu.Lock()
	p.queue = append(p.queue, next)
	p.size += len(next.data)
	p.mu.Unlock()
	signal(p.arrived)
}

func (p *pipe) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size >= maxInFlight
}

// take returns the next bytes to deliver, or none and how long to wait for them
// (0 when only an event can tell). more is false at the end of the stream.
func (p *pipe) take(c conditions, now, busy time.Time) (data []byte, wait time.Duration, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case c.hole:
		return nil, 0, true
	case len(p.queue) == 0:
		return nil, 0, !p.ended
	}
	next := &p.queue[0]
	due := next.sent.Add(c.delay)
	if c.rate > 0 && busy.After(due) {
		due = busy
	}
	if due.After(now) {
		return nil, due.Sub(now), true
	}
	n := len(next.data)
	if c.rate > 0 {
		n = min(n, max(1, int(int64(c.rate)*int64(throttleSlice)/int64(time.Second))))
	}
	data = next.data[:n]
	if next.data = next.data[n:]; len(next.data) == 0 {
		p.queue[0] = parcel{}
		p.queue = p.queue[1:]
	}
	p.size -= n
	signal(p.left)
	return data, 0, true
}

// signal leaves a token in a channel of capacity one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
