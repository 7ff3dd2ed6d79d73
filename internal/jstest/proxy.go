package jstest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

const loopback = "127.0.0.1"

// Direction is one of the two ways through a [Proxy].
type Direction int

// The two directions.
const (
	ToServer Direction = iota // from the client to the server
	ToClient                  // from the server to the client
)

func (d Direction) String() string {
	if d == ToServer {
		return "to server"
	}
	return "to client"
}

// Proxy is a TCP link on the loopback interface that passes everything on
// unchanged until it is told to misbehave. Conditions apply to open connections
// and to later ones alike, until they are changed or [Proxy.Heal] lifts them.
// All methods are safe for concurrent use and none of them blocks, except Close.
type Proxy struct {
	ln    net.Listener
	lines [2]*line

	// ctx ends with the proxy and with it dialing and every goroutine.
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu       sync.Mutex
	target   string
	refuse   bool
	links    map[*link]struct{}
	accepted int
}

// StartProxy is [NewProxy] for a test, at whose end the proxy is closed.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p, err := NewProxy(target)
	if err != nil {
		t.Fatalf("start proxy: %v", err)
	}
	t.Cleanup(p.Close)
	return p
}

// NewProxy listens on a random loopback port and passes each connection on to
// target, a "host:port". The caller closes the proxy.
func NewProxy(target string) (*Proxy, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		ln:     ln,
		lines:  [2]*line{newLine(), newLine()},
		target: target,
		links:  make(map[*link]struct{}),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	// Ends when Close closes the listener.
	p.wg.Go(p.accept)
	return p, nil
}

// Addr returns the proxy's own address as "host:port".
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// URL returns the URL for clients to connect through the proxy.
func (p *Proxy) URL() string { return "nats://" + p.Addr() }

// SetTarget changes where new connections lead. An empty target refuses them.
func (p *Proxy) SetTarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Cut closes all open connections at once, without delivering what is still on
// the way. Both sides see a connection reset.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// Refuse makes the proxy turn new connections away, or let them in again. They
// are accepted and reset at once, so that the port stays the proxy's own. Open
// connections are left alone.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// SetDelay makes each byte in direction d arrive so long after it was sent,
// those on the way included. It adds latency and does not limit throughput,
// except that no more than 32 MiB are on the way in one connection and direction.
func (p *Proxy) SetDelay(d Direction, delay time.Duration) {
	p.lines[d].change(func(c *conditions) { c.delay = delay })
}

// SetRate limits direction d of each connection to so many bytes a second. Zero
// lifts the limit.
func (p *Proxy) SetRate(d Direction, bytesPerSecond int) {
	p.lines[d].change(func(c *conditions) { c.rate = max(bytesPerSecond, 0) })
}

// BlackHole makes direction d swallow everything while the connections stay
// open, as a dead network path does. TCP does not lose bytes in the middle of a
// connection, so what was swallowed arrives when the hole is closed again,
// unless the connection is cut before that. A sender is not held up until 32 MiB
// are waiting.
func (p *Proxy) BlackHole(d Direction, hole bool) {
	p.lines[d].change(func(c *conditions) { c.hole = hole })
}

// Heal lifts all conditions, lets new connections in, and sends what was held
// back on its way.
func (p *Proxy) Heal() {
	p.Refuse(false)
	for _, l := range p.lines {
		l.change(func(c *conditions) { *c = conditions{} })
	}
}

// Conns returns how many connections are open.
func (p *Proxy) Conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Accepted returns how many connections were let in so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Bytes returns how many bytes were delivered in direction d so far.
func (p *Proxy) Bytes(d Direction) int64 { return p.lines[d].delivered.Load() }

// Close stops listening, cuts all connections and returns when all goroutines of
// the proxy have ended. Closing again does nothing.
func (p *Proxy) Close() {
	p.stop()
	hangUp(p.ln)
	p.Cut()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if l, ok := p.admit(client); ok {
			// Ends when either side closes or the link is cut, which Close does
			// to every link.
			p.wg.Go(func() { p.serve(l) })
			continue
		}
		reset(client)
	}
}

// admit registers a new connection unless it is to be refused.
func (p *Proxy) admit(client net.Conn) (*link, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Close cancels ctx before it cuts the links, so that none is missed.
	if p.refuse || p.target == "" || p.ctx.Err() != nil {
		return nil, false
	}
	p.accepted++
	l := &link{client: client, target: p.target}
	l.ctx, l.cut = context.WithCancel(p.ctx)
	p.links[l] = struct{}{}
	return l, true
}

func (p *Proxy) serve(l *link) {
	l.run(p.lines)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// link is one connection through the proxy. cut ends it from outside.
type link struct {
	client net.Conn
	target string
	ctx    context.Context
	cut    context.CancelFunc
}

// run passes bytes both ways and returns when both connections are closed and
// all goroutines of the link have ended.
func (l *link) run(lines [2]*line) {
	defer l.cut()
	var dialer net.Dialer
	srv, err := dialer.DialContext(l.ctx, "tcp", l.target)
	if err != nil {
		reset(l.client)
		return
	}
	toServer := newPipe(lines[ToServer], l.client, srv)
	toClient := newPipe(lines[ToClient], srv, l.client)
	var wg sync.WaitGroup
	for _, p := range []*pipe{toServer, toClient} {
		wg.Go(p.fill)
		wg.Go(func() {
			p.drain(l.ctx)
			if l.ctx.Err() == nil {
				// The source ended by itself and all it said is delivered, so
				// the other side may see an ordinary end as well.
				hangUp(l.client)
				hangUp(srv)
			}
			l.cut()
		})
	}
	// Reads and writes in progress only end when their connection is closed.
	<-l.ctx.Done()
	reset(l.client)
	reset(srv)
	wg.Wait()
}

// reset closes a connection in a way the peer sees as a reset.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		// Fails only on a connection that is closed already.
		_ = tcp.SetLinger(0)
	}
	hangUp(c)
}

// hangUp closes a connection or a listener. That fails when it is closed
// already, or when the peer was faster.
func hangUp(c io.Closer) { _ = c.Close() }
