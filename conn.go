package jetstream

import (
	"sync"

	"github.com/nats-io/nats.go"
)

// connEvent is a change of a connection's state as the parts of this package
// that keep requests in flight need to know it.
type connEvent uint8

const (
	// connDown: the connection to the server is lost; nothing that was
	// requested over it can be relied on any more.
	connDown connEvent = iota
	// connUp: the connection is established again and subscriptions have been
	// sent to the (possibly different) server.
	connUp
	// connClosed: the connection is closed for good. Always the last event.
	connClosed
)

// connListener is told about changes of a connection. connChanged runs on the
// goroutine all listeners of the connection share, so it must return quickly,
// must not block and must never call user code.
type connListener interface {
	connChanged(ev connEvent)
}

// connHub follows the state of one connection on behalf of everything in this
// package that uses it. However many consumers, iterators and publishers share
// a connection, there is one status listener and one goroutine for it, and none
// when nobody listens.
//
// A core status channel holds ten events and drops what does not fit. The hub's
// goroutine does nothing but update flags and publish pull requests, so the
// channel hardly ever fills; should it do so nevertheless, the hub notices by
// comparing what it knows with the connection's own state and its reconnect
// counter once the channel has run empty.
type connHub struct {
	nc     *nats.Conn
	start  sync.Once
	events chan nats.Status // set by start

	mu        sync.Mutex
	listeners map[connListener]struct{}
	up        bool
	closed    bool
	// over: the connection was closed before the hub started, so there is no
	// event to hand out.
	over bool
	// reconnects is the connection's reconnect counter as of the last look.
	reconnects uint64
	// idle are the inboxes that wait for the next fetch, see [fetchInbox].
	idle []*fetchInbox
}

// hubs holds the hub of every connection that has at least one listener.
// Neither its lock nor a hub's is held while calling into a connection, whose
// own lock can be taken for seconds during a reconnect.
var hubs = struct {
	sync.Mutex
	byConn map[*nats.Conn]*connHub
}{byConn: make(map[*nats.Conn]*connHub)}

// watchConn registers l for the events of nc and reports whether nc is
// connected as far as the events handed out so far say; one that is still on its
// way reaches l too, maybe before watchConn returns. The caller ends the
// registration with unwatchConn.
func watchConn(nc *nats.Conn, l connListener) (up bool) {
	hubs.Lock()
	hub := hubs.byConn[nc]
	if hub == nil {
		hub = &connHub{nc: nc, listeners: make(map[connListener]struct{})}
		hubs.byConn[nc] = hub
	}
	hub.mu.Lock()
	hub.listeners[l] = struct{}{}
	// An end that comes from here on is handed out to l like to all others.
	late := hub.closed
	hub.mu.Unlock()
	hubs.Unlock()

	// A second listener waits here until the first one has started the hub.
	hub.start.Do(hub.follow)

	hub.mu.Lock()
	up, late = hub.up, late || hub.over
	hub.mu.Unlock()
	if late {
		l.connChanged(connClosed)
	}
	return up
}

// findHub returns the hub of a connection, or nil when nobody listens.
func findHub(nc *nats.Conn) *connHub {
	hubs.Lock()
	defer hubs.Unlock()
	return hubs.byConn[nc]
}

// unwatchConn ends the registration of l. An event that is being handed out
// at this moment may still reach l. Unknown listeners are ignored.
func unwatchConn(nc *nats.Conn, l connListener) {
	hubs.Lock()
	hub := hubs.byConn[nc]
	if hub == nil {
		hubs.Unlock()
		return
	}
	hub.mu.Lock()
	delete(hub.listeners, l)
	last := len(hub.listeners) == 0
	if last {
		delete(hubs.byConn, nc)
	}
	hub.mu.Unlock()
	hubs.Unlock()
	if last {
		// The hub may still be about to start in another goroutine.
		hub.start.Do(hub.follow)
		// Closes the channel, which ends the hub's goroutine.
		nc.RemoveStatusListener(hub.events)
	}
}

// follow subscribes to the connection's status and starts the goroutine, which
// ends when the last listener leaves.
func (h *connHub) follow() {
	h.events = h.nc.StatusChanged(nats.CONNECTED, nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	up, closed := connState(h.nc)
	reconnects := h.nc.Stats().Reconnects
	h.mu.Lock()
	h.up, h.closed, h.over, h.reconnects = up, closed, closed, reconnects
	h.mu.Unlock()
	go h.run()
}

// run translates core's status events until the channel is closed.
func (h *connHub) run() {
	for status := range h.events {
		switch status {
		case nats.CONNECTED:
			h.observe(true, false)
		case nats.CLOSED:
			h.observe(false, true)
		default:
			h.observe(false, false)
		}
		if len(h.events) == 0 {
			h.reconcile()
		}
	}
}

// reconcile makes good for events that did not fit into the channel.
func (h *connHub) reconcile() {
	up, closed := connState(h.nc)
	reconnects := h.nc.Stats().Reconnects
	h.mu.Lock()
	missed := up && h.up && reconnects != h.reconnects
	h.reconnects = reconnects
	h.mu.Unlock()
	if missed {
		h.observe(false, false)
	}
	h.observe(up, closed)
}

// observe records a state and tells the listeners if it is a change.
func (h *connHub) observe(up, closed bool) {
	var reconnects uint64
	if up {
		// Not asked for otherwise: while core redials, its lock can be taken
		// for seconds, and bad news must not wait for that.
		reconnects = h.nc.Stats().Reconnects
	}
	h.mu.Lock()
	if h.closed || (up == h.up && !closed) {
		h.mu.Unlock()
		return
	}
	ev := connDown
	switch {
	case closed:
		ev = connClosed
	case up:
		ev = connUp
	}
	h.up, h.closed = up, closed
	if up {
		h.reconnects = reconnects
	}
	listeners := make([]connListener, 0, len(h.listeners))
	for l := range h.listeners {
		listeners = append(listeners, l)
	}
	h.mu.Unlock()
	for _, l := range listeners {
		l.connChanged(ev)
	}
}

// redialing reports whether nc has lost its server and core looks for one. The
// listeners may not have heard of it yet. What is sent then waits in core's
// buffer and reaches the next server besides what is requested anew, so that
// twice as much would be delivered as there is room for.
func redialing(nc *nats.Conn) bool {
	up, closed := connState(nc)
	return !up && !closed
}

// connState reports whether nc is usable for requests now, and whether it is
// closed for good. A draining connection still delivers and counts as up.
func connState(nc *nats.Conn) (up, closed bool) {
	switch nc.Status() {
	case nats.CONNECTED, nats.DRAINING_SUBS, nats.DRAINING_PUBS:
		return true, false
	case nats.CLOSED:
		return false, true
	default:
		return false, false
	}
}
