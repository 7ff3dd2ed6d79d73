package jstest

import (
	"testing"
	"time"
)

func TestClusterMovesLeadersOnRequest(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	nc := ConnectURL(t, c.URL())
	createPull(t, nc, 3)

	if old, next := c.StreamLeader("S"), c.StepDownStream("S"); next == old {
		t.Error("the stream kept its leader")
	}
	if old, next := c.ConsumerLeader("S", "C"), c.StepDownConsumer("S", "C"); next == old {
		t.Error("the consumer kept its leader")
	}
	if old, next := c.MetaLeader(), c.StepDownMeta(); next == old {
		t.Error("the meta group kept its leader")
	}
}

func TestClusterSurvivesKillOfStreamLeader(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	nc := ConnectURL(t, c.URL())
	createPull(t, nc, 3)
	if _, err := nc.Request("s", []byte("one"), kitWait); err != nil {
		t.Fatal(err)
	}

	leader := c.StreamLeader("S")
	leader.Kill()
	if next := c.StreamLeader("S"); next == leader {
		t.Fatal("a killed node leads")
	}
	WaitFor(t, kitWait, "a connection to another node", nc.IsConnected)
	WaitFor(t, kitWait, "the stream to take messages", func() bool {
		_, err := nc.Request("s", []byte("two"), time.Second)
		return err == nil
	})
	leader.Start()
	c.WaitReady()
	WaitFor(t, kitWait, "the node to catch up", func() bool {
		return leader.Server().JetStreamIsStreamCurrent(clientAccount, "S")
	})

	leader = c.StreamLeader("S")
	leader.Stop()
	if next := c.StreamLeader("S"); next == leader {
		t.Fatal("a stopped node leads")
	}
}

func TestPartedNodeLosesItsPeersAndFindsThemAgain(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	nc := ConnectURL(t, c.URL())
	createPull(t, nc, 3)

	follower := c.Nodes()[0]
	if follower == c.StreamLeader("S") {
		follower = c.Nodes()[1]
	}
	follower.Part()
	WaitFor(t, kitWait, "the routes to go", func() bool { return follower.Server().NumRoutes() == 0 })
	direct := ConnectURL(t, follower.URL())
	if _, err := direct.Request("s", []byte("x"), 300*time.Millisecond); err == nil {
		t.Fatal("a publish to the parted node reached the stream")
	}
	follower.Join()
	c.WaitReady()
	WaitFor(t, kitWait, "publishes to work again", func() bool {
		_, err := direct.Request("s", []byte("x"), time.Second)
		return err == nil
	})
}
