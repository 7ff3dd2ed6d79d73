package jstest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	clusterSize = 3

	// electTimeout bounds elections: a follower waits up to nine seconds before
	// it calls one, a split vote doubles that, and the machine may be busy.
	electTimeout = 60 * time.Second

	clientAccount = "$G"
	systemAccount = "SYS"

	// SystemUser is the name and the password of the user of the system account.
	SystemUser = "system"
)

// Cluster is three servers with replicated JetStream. Clients reach each node
// through its [Proxy], and nodes reach each other through proxies as well, one
// for each ordered pair, so that a node can vanish or be parted from the others
// without their being told. [Node] has the methods for that. Those of Cluster
// belong on the test's own goroutine.
//
// A graceful stop hands leadership over within a second or so. After a kill or a
// partition, the remaining nodes need four to nine seconds to elect leaders.
type Cluster struct {
	t     testing.TB
	nodes []*Node
}

// StartCluster runs a cluster of three nodes and waits until it can take
// requests. The given functions adjust the options of each node first.
func StartCluster(t testing.TB, adjust ...func(*server.Options)) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	nowhere := StartProxy(t, "").Addr()
	for i := range clusterSize {
		c.nodes = append(c.nodes, newNode(t, clusterOptions(t, i, nowhere)))
	}
	for _, n := range c.nodes {
		for _, peer := range c.nodes {
			if n != peer {
				way := StartProxy(t, "")
				n.outbound = append(n.outbound, way)
				peer.inbound = append(peer.inbound, way)
				n.opts.Routes = append(n.opts.Routes, &url.URL{Scheme: "nats", Host: way.Addr()})
			}
		}
		for _, f := range adjust {
			f(n.opts)
		}
	}
	for _, n := range c.nodes {
		n.Start()
	}
	c.WaitReady()
	return c
}

// clusterOptions returns the options of node i, without its routes. nowhere is an
// address at which nobody answers.
func clusterOptions(t testing.TB, i int, nowhere string) *server.Options {
	t.Helper()
	opts := serverOptions(t, nil)
	opts.ServerName = fmt.Sprintf("n%d", i)
	opts.Cluster = server.ClusterOpts{
		Name: "kit",
		Host: loopback,
		Port: server.RANDOM_PORT,
		// Nodes gossip their addresses and would then connect past the proxies
		// between them, so they gossip one that leads nowhere.
		Advertise: nowhere,
		PoolSize:  -1,
	}
	// Only the system account may ask the meta leader to step down. Clients that
	// give no name work in the global account, as they do without accounts.
	sys := server.NewAccount(systemAccount)
	opts.Accounts = []*server.Account{sys}
	opts.SystemAccount = systemAccount
	opts.Users = []*server.User{
		{Username: SystemUser, Password: SystemUser, Account: sys},
		{Username: "client", Password: "client"},
	}
	opts.NoAuthUser = "client"
	return opts
}

// Nodes returns the three nodes, those that are down included.
func (c *Cluster) Nodes() []*Node { return slices.Clone(c.nodes) }

// URL returns the URLs of all nodes, for clients to connect to any.
func (c *Cluster) URL() string {
	urls := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		urls[i] = n.URL()
	}
	return strings.Join(urls, ",")
}

// WaitReady waits until the running nodes have found each other, each has caught
// up with the leader they elected for the meta group, and that leader may place
// streams on all of them.
func (c *Cluster) WaitReady() {
	c.t.Helper()
	WaitFor(c.t, electTimeout, "the cluster to be ready", func() bool {
		up := c.running()
		var leaders []*Node
		for _, n := range up {
			if n.srv.NumRoutes() < len(up)-1 || !n.srv.JetStreamIsCurrent() {
				return false
			}
			if n.srv.JetStreamIsLeader() {
				leaders = append(leaders, n)
			}
		}
		if len(leaders) != 1 {
			return false
		}
		// The leader knows a node as a peer before it has heard that the node is
		// on line and what it can hold.
		usable := leaders[0].srv.JetStreamClusterPeers()
		return !slices.ContainsFunc(up, func(n *Node) bool { return !slices.Contains(usable, n.srv.Name()) })
	})
}

// MetaLeader returns the node that leads the meta group, after waiting for one.
func (c *Cluster) MetaLeader() *Node {
	c.t.Helper()
	return c.waitLeader("a meta leader", nil, (*server.Server).JetStreamIsLeader)
}

// StreamLeader returns the node that leads a stream of the global account, after
// waiting for one.
func (c *Cluster) StreamLeader(stream string) *Node {
	c.t.Helper()
	return c.waitLeader("a leader of stream "+stream, nil, leadsStream(stream))
}

// ConsumerLeader returns the node that leads a consumer of the global account,
// after waiting for one.
func (c *Cluster) ConsumerLeader(stream, consumer string) *Node {
	c.t.Helper()
	return c.waitLeader("a leader of consumer "+consumer, nil, leadsConsumer(stream, consumer))
}

// StepDownMeta makes the leader of the meta group give up and returns the new
// one.
func (c *Cluster) StepDownMeta() *Node {
	c.t.Helper()
	old := c.MetaLeader()
	c.stepDown("META.LEADER.STEPDOWN", nats.UserInfo(SystemUser, SystemUser))
	return c.waitLeader("a new meta leader", old, (*server.Server).JetStreamIsLeader)
}

// StepDownStream makes the leader of a replicated stream give up and returns the
// new one.
func (c *Cluster) StepDownStream(stream string) *Node {
	c.t.Helper()
	old := c.StreamLeader(stream)
	c.stepDown("STREAM.LEADER.STEPDOWN." + stream)
	return c.waitLeader("a new leader of stream "+stream, old, leadsStream(stream))
}

// StepDownConsumer makes the leader of a replicated consumer give up and returns
// the new one.
func (c *Cluster) StepDownConsumer(stream, consumer string) *Node {
	c.t.Helper()
	old := c.ConsumerLeader(stream, consumer)
	c.stepDown("CONSUMER.LEADER.STEPDOWN." + stream + "." + consumer)
	return c.waitLeader("a new leader of consumer "+consumer, old, leadsConsumer(stream, consumer))
}

func leadsStream(stream string) func(*server.Server) bool {
	return func(s *server.Server) bool { return s.JetStreamIsStreamLeader(clientAccount, stream) }
}

func leadsConsumer(stream, consumer string) func(*server.Server) bool {
	return func(s *server.Server) bool { return s.JetStreamIsConsumerLeader(clientAccount, stream, consumer) }
}

func (c *Cluster) running() []*Node {
	var up []*Node
	for _, n := range c.nodes {
		if n.Running() {
			up = append(up, n)
		}
	}
	return up
}

// waitLeader waits until exactly one running node other than old says it leads.
func (c *Cluster) waitLeader(what string, old *Node, leads func(*server.Server) bool) *Node {
	c.t.Helper()
	var leader *Node
	WaitFor(c.t, electTimeout, what, func() bool {
		var found []*Node
		for _, n := range c.running() {
			if leads(n.srv) {
				found = append(found, n)
			}
		}
		if len(found) != 1 || found[0] == old {
			return false
		}
		leader = found[0]
		return true
	})
	return leader
}

// stepDown sends a step-down request past the proxies, so that it works whatever
// they are set to.
func (c *Cluster) stepDown(request string, opts ...nats.Option) {
	c.t.Helper()
	up := c.running()
	if len(up) == 0 {
		c.t.Fatal("no node is up to take a step-down request")
	}
	nc, err := nats.Connect("nats://"+up[0].srv.Addr().String(), opts...)
	if err != nil {
		c.t.Fatalf("connect for a step-down: %v", err)
	}
	defer nc.Close()
	msg, err := nc.Request("$JS.API."+request, nil, 10*time.Second)
	if err != nil {
		c.t.Fatalf("%s: %v", request, err)
	}
	var resp server.ApiResponse
	if err := json.Unmarshal(msg.Data, &resp); err != nil {
		c.t.Fatalf("%s: %v", request, err)
	}
	if resp.Error != nil {
		c.t.Fatalf("%s: %v", request, resp.Error.Description)
	}
}
