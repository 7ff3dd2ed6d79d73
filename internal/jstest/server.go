package jstest

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/mod/semver"
)

// readyTimeout bounds how long a server may take to accept connections.
const readyTimeout = 30 * time.Second

// StartServer runs an embedded server with JetStream on a random loopback port
// and a store directory of its own, and shuts it down when the test ends. The
// given functions adjust its options first.
func StartServer(t testing.TB, adjust ...func(*server.Options)) *server.Server {
	t.Helper()
	s := startServer(t, serverOptions(t, adjust))
	t.Cleanup(func() { shutdown(s) })
	return s
}

// ServerBefore reports whether the server these tests are built with is older
// than a version such as "2.14". What it lacks must be told by an error, which is
// then what a test looks for; see the Makefile's test-server.
func ServerBefore(version string) bool {
	return semver.Compare("v"+server.VERSION, "v"+version) < 0
}

// Connect opens a connection to s that reconnects for ever, and closes it when
// the test ends.
func Connect(t testing.TB, s *server.Server, opts ...nats.Option) *nats.Conn {
	t.Helper()
	return ConnectURL(t, s.ClientURL(), opts...)
}

// ConnectURL is [Connect] for a server known by its URL, such as a [Node] or a
// [Proxy]. Several URLs are separated by commas.
func ConnectURL(t testing.TB, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	opts = append([]nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond)}, opts...)
	// Core gives a server two seconds to answer, and a server gives as many to a
	// client that has connected. A busy machine may need more. Longer times would
	// change what tests see of dead links.
	var nc *nats.Conn
	for end := time.Now().Add(readyTimeout); ; {
		var err error
		if nc, err = nats.Connect(url, opts...); err == nil {
			break
		}
		if !isTimeout(err) || time.Now().After(end) {
			t.Fatalf("connect: %v", err)
		}
	}
	t.Cleanup(nc.Close)
	return nc
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, nats.ErrTimeout) || strings.Contains(err.Error(), "authentication timeout") ||
		errors.As(err, &netErr) && netErr.Timeout()
}

// serverOptions returns the options all servers of the kit start from.
func serverOptions(t testing.TB, adjust []func(*server.Options)) *server.Options {
	t.Helper()
	opts := &server.Options{
		Host:      loopback,
		Port:      server.RANDOM_PORT,
		JetStream: true,
		StoreDir:  t.TempDir(),
		NoLog:     true,
		NoSigs:    true,
	}
	for _, f := range adjust {
		f(opts)
	}
	return opts
}

// startServer runs a server on a copy of opts, which the server would otherwise
// change, and waits until it accepts connections.
func startServer(t testing.TB, opts *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(opts.Clone())
	if err != nil {
		t.Fatalf("configure server: %v", err)
	}
	s.Start()
	if !s.ReadyForConnections(readyTimeout) {
		shutdown(s)
		t.Fatalf("server not ready for connections after %v", readyTimeout)
	}
	return s
}

func shutdown(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}
