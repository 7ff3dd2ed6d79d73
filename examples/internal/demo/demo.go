// Package demo spares the examples everything that is not their subject: a
// server to talk to, a connection, a clean end on Ctrl-C, and names that do not
// clash with anything on a shared server.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"example.com/jetstream"
	"example.com/jetstream/internal/localserver"
)

// Main connects to the server NATS_URL names, or to one started for the purpose,
// calls run and ends the program: with status 0 when run returns nil or was
// interrupted by Ctrl-C, and 1 otherwise. The context ends on Ctrl-C.
func Main(run func(ctx context.Context, nc *nats.Conn) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := connected(ctx, run)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case err == nil:
	case interrupted && errors.Is(err, context.Canceled):
		fmt.Println("Interrupted.")
	default:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func connected(ctx context.Context, run func(context.Context, *nats.Conn) error) (err error) {
	url := os.Getenv("NATS_URL")
	if url == "" {
		local, stop, startErr := localserver.Start()
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, stop()) }()
		url = local
		fmt.Println("Started a server for this example. Set NATS_URL to use another one.")
	}
	nc, err := nats.Connect(url)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", url, err)
	}
	defer nc.Close()
	return run(ctx, nc)
}

// Name returns a name for a stream that nothing else on the server has. It is
// good as the first part of subjects, too.
func Name(prefix string) string {
	return prefix + "-" + nuid.Next()
}

// Publish publishes messages 1 to n, "message 1" and so on, to a subject.
func Publish(ctx context.Context, js jetstream.JetStream, subject string, n int) error {
	for i := range n {
		if _, err := js.Publish(ctx, subject, fmt.Appendf(nil, "message %d", i+1)); err != nil {
			return fmt.Errorf("publish message %d: %w", i+1, err)
		}
	}
	fmt.Printf("Published %d messages.\n", n)
	return nil
}

// DeleteStream deletes a stream and all it holds. It is meant to be deferred and
// adds its error to *err.
func DeleteStream(js jetstream.JetStream, name string, err *error) {
	// The context of the example may have ended by now.
	if delErr := js.DeleteStream(context.Background(), name); delErr != nil {
		*err = errors.Join(*err, fmt.Errorf("delete stream %s: %w", name, delErr))
	}
}

// DeleteBucket is DeleteStream for a key-value bucket.
func DeleteBucket(js jetstream.JetStream, bucket string, err *error) {
	if delErr := js.DeleteKeyValue(context.Background(), bucket); delErr != nil {
		*err = errors.Join(*err, fmt.Errorf("delete bucket %s: %w", bucket, delErr))
	}
}

// DeleteObjectStore is DeleteStream for an object store.
func DeleteObjectStore(js jetstream.JetStream, bucket string, err *error) {
	if delErr := js.DeleteObjectStore(context.Background(), bucket); delErr != nil {
		*err = errors.Join(*err, fmt.Errorf("delete object store %s: %w", bucket, delErr))
	}
}

// Warn prints an error that does not end the example, if there is one.
func Warn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "warning:", err)
	}
}
