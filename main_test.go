package jetstream_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Nothing of ours is ignored: the kit waits for its servers and connections to end.
// But a server (2.15) that is shut down goes on to wait for the answers to what it
// asked for mirrors and sources, half a minute at most, and some never come.
func TestMain(m *testing.M) {
	const stream = "github.com/nats-io/nats-server/v2/server.(*stream)."
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction(stream+"setupMirrorConsumer.func3"),
		goleak.IgnoreTopFunction(stream+"trySetupSourceConsumer.func3"),
	)
}
