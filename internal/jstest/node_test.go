package jstest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// kitWait bounds what is expected to happen at all.
const kitWait = 20 * time.Second

// apiRequest sends a JetStream API request and fails the test on any error.
func apiRequest(t *testing.T, nc *nats.Conn, subject, body string) []byte {
	t.Helper()
	msg, err := nc.Request(realPrefix+subject, []byte(body), kitWait)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	var resp server.ApiResponse
	if err := json.Unmarshal(msg.Data, &resp); err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	if resp.Error != nil {
		t.Fatalf("%s: %v", subject, resp.Error)
	}
	return msg.Data
}

// createPull makes stream S on subject s and its durable pull consumer C.
func createPull(t *testing.T, nc *nats.Conn, replicas int) {
	t.Helper()
	apiRequest(t, nc, "STREAM.CREATE.S",
		fmt.Sprintf(`{"name":"S","subjects":["s"],"num_replicas":%d}`, replicas))
	apiRequest(t, nc, "CONSUMER.CREATE.S.C",
		`{"stream_name":"S","config":{"name":"C","durable_name":"C","ack_policy":"explicit"}}`)
}

// lastSeq returns how many messages stream S ever held.
func lastSeq(t *testing.T, nc *nats.Conn) uint64 {
	t.Helper()
	var info server.StreamInfo
	if err := json.Unmarshal(apiRequest(t, nc, "STREAM.INFO.S", ""), &info); err != nil {
		t.Fatal(err)
	}
	return info.State.LastSeq
}

// waitingPull sends a pull request that nothing will satisfy, and returns where
// statuses arrive. Unlike other subscriptions, a channel keeps what it got when
// the connection closes.
func waitingPull(t *testing.T, nc *nats.Conn) <-chan *nats.Msg {
	t.Helper()
	inbox := nc.NewInbox()
	statuses := make(chan *nats.Msg, 10)
	if _, err := nc.ChanSubscribe(inbox, statuses); err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest(realPrefix+"CONSUMER.MSG.NEXT.S.C", inbox, []byte(`{"batch":1,"expires":60000000000}`)); err != nil {
		t.Fatal(err)
	}
	WaitFor(t, kitWait, "the pull request to wait", func() bool {
		var info server.ConsumerInfo
		if err := json.Unmarshal(apiRequest(t, nc, "CONSUMER.INFO.S.C", ""), &info); err != nil {
			t.Fatal(err)
		}
		return info.NumWaiting == 1
	})
	return statuses
}

func TestNodeKeepsAddressAndDataOverStopAndKill(t *testing.T) {
	t.Parallel()
	n := StartNode(t)
	nc := ConnectURL(t, n.URL())
	createPull(t, nc, 1)
	if _, err := nc.Request("s", []byte("one"), kitWait); err != nil {
		t.Fatal(err)
	}
	for _, end := range []func(){n.Stop, n.Kill} {
		before := nc.Stats().Reconnects
		end()
		if n.Running() || n.Server() != nil {
			t.Fatal("the node still runs")
		}
		WaitFor(t, kitWait, "the client to notice", func() bool { return !nc.IsConnected() })
		n.Start()
		WaitFor(t, kitWait, "the client to reconnect", nc.IsConnected)
		// Core also counts one that is refused as soon as it stands.
		if nc.Stats().Reconnects == before {
			t.Error("the client has not been away")
		}
		if got := lastSeq(t, nc); got != 1 {
			t.Errorf("stream ends at %d after restart, want 1", got)
		}
	}
}

func TestStopTellsWaitingPullsAndKillDoesNot(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		end  func(*Node)
		want []string
	}{
		{"stop", (*Node).Stop, []string{"Server Shutdown"}},
		{"kill", (*Node).Kill, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			n := StartNode(t)
			nc := ConnectURL(t, n.URL(), nats.NoReconnect())
			createPull(t, nc, 1)
			statuses := waitingPull(t, nc)
			tc.end(n)
			WaitFor(t, kitWait, "the connection to close", nc.IsClosed)
			var got []string
			for len(statuses) > 0 {
				got = append(got, (<-statuses).Header.Get("Description"))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("statuses %q, want %q", got, tc.want)
			}
		})
	}
}

func TestWaitForFailsTheTestAtTheDeadline(t *testing.T) {
	t.Parallel()
	if poll(20*time.Millisecond, func() bool { return false }) {
		t.Fatal("a condition that never holds was found to hold")
	}
	calls := 0
	if !poll(kitWait, func() bool { calls++; return calls == 3 }) {
		t.Fatal("a condition that comes to hold was missed")
	}
}
