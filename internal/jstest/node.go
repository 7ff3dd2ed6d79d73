package jstest

import (
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// Node is an embedded server that can be ended and started again, alone or as
// one of a [Cluster]. Its data and the address clients know it by survive, for
// clients reach it through a [Proxy]. Its methods belong on the test's own
// goroutine.
type Node struct {
	t     testing.TB
	opts  *server.Options
	proxy *Proxy
	srv   *server.Server // nil while the node is down

	// Connections the other nodes of a cluster open to this one go through
	// inbound, those it opens to them through outbound.
	inbound, outbound []*Proxy
	parted            bool
}

// StartNode runs a server with JetStream that can be stopped, killed and started
// again. The given functions adjust its options first; the store directory is
// kept over restarts, the port the server itself listens on is not.
func StartNode(t testing.TB, adjust ...func(*server.Options)) *Node {
	t.Helper()
	n := newNode(t, serverOptions(t, adjust))
	n.Start()
	return n
}

func newNode(t testing.TB, opts *server.Options) *Node {
	t.Helper()
	n := &Node{t: t, opts: opts, proxy: StartProxy(t, "")}
	// Otherwise clients learn the server's own address and go past the proxy.
	opts.ClientAdvertise = n.proxy.Addr()
	t.Cleanup(n.Stop)
	return n
}

// Start runs the server again, on the data it left behind, and waits until it
// accepts connections. In a cluster, it may be long before the node has caught
// up with the others, see [Cluster.WaitReady]. Starting a running node does
// nothing.
func (n *Node) Start() {
	n.t.Helper()
	if n.srv != nil {
		return
	}
	n.srv = startServer(n.t, n.opts)
	n.proxy.SetTarget(n.srv.Addr().String())
	if addr := n.srv.ClusterAddr(); addr != nil {
		for _, p := range n.inbound {
			p.SetTarget(addr.String())
		}
	}
}

// Stop shuts the server down in an orderly way and waits for its end: waiting
// pull requests get their "Server Shutdown" status and leaders step down before
// connections are closed. Stopping a node that is down does nothing.
func (n *Node) Stop() {
	if n.srv == nil {
		return
	}
	n.down()
}

// Kill ends the server without a word to its clients and to the other nodes: all
// its connections are reset first. What it had stored is still there after the
// next Start. Killing a node that is down does nothing.
func (n *Node) Kill() {
	if n.srv == nil {
		return
	}
	n.proxy.SetTarget("")
	n.proxy.Cut()
	n.sever()
	n.down()
	n.refuse(n.parted)
}

// Part severs all connections between this and the other nodes of a cluster and
// keeps them severed until [Node.Join]. Clients can still reach the node.
func (n *Node) Part() {
	n.parted = true
	n.sever()
}

// Join ends what Part began. The nodes find each other again within seconds.
func (n *Node) Join() {
	n.parted = false
	n.refuse(false)
}

func (n *Node) sever() {
	n.refuse(true)
	for _, p := range n.links() {
		p.Cut()
	}
}

func (n *Node) refuse(refuse bool) {
	for _, p := range n.links() {
		p.Refuse(refuse)
	}
}

func (n *Node) links() []*Proxy { return slices.Concat(n.inbound, n.outbound) }

// down ends the server. Its ports may go to somebody else's server next, so
// nothing may lead there any more.
func (n *Node) down() {
	n.proxy.SetTarget("")
	for _, p := range n.inbound {
		p.SetTarget("")
	}
	shutdown(n.srv)
	n.srv = nil
}

// Running reports whether the node is up.
func (n *Node) Running() bool { return n.srv != nil }

// Server returns the server that runs now, or nil while the node is down. Each
// start makes a new one.
func (n *Node) Server() *server.Server { return n.srv }

// URL returns the URL for clients, the same over all restarts.
func (n *Node) URL() string { return n.proxy.URL() }

// Proxy returns the link between the clients and the node, to be made as bad as
// a test needs it.
func (n *Node) Proxy() *Proxy { return n.proxy }
