// Package localserver runs a server with JetStream inside a program that is no
// test: examples and measurements.
package localserver

import (
	"errors"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Start runs a server on a random port of this machine and returns its URL. stop
// ends it and removes what it stored.
func Start() (url string, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "jetstream-")
	if err != nil {
		return "", nil, err
	}
	srv, err := server.NewServer(&server.Options{
		Host:      "127.0.0.1",
		Port:      server.RANDOM_PORT,
		JetStream: true,
		StoreDir:  dir,
		NoLog:     true,
		NoSigs:    true,
	})
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	stop = func() error {
		srv.Shutdown()
		srv.WaitForShutdown()
		return os.RemoveAll(dir)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		return "", nil, errors.Join(errors.New("the server did not start within 10 seconds"), stop())
	}
	return srv.ClientURL(), stop, nil
}
