package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"example.com/jetstream/internal/jstest"
)

// childEnv makes this program be the server; its value is the link's delay.
const childEnv = "BENCHCMP_SERVER"

// startChild runs this program again as the server and returns its URL. The
// child ends when its standard input does, so also when this process dies.
func startChild(delay time.Duration) (url string, stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+delay.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("the server did not start: %w", err), stop())
	}
	return strings.TrimSpace(line), stop, nil
}

// serve runs a server, writes its URL to out, and returns when in ends.
func serve(in io.Reader, out io.Writer) (err error) {
	delay, err := time.ParseDuration(os.Getenv(childEnv))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "benchcmp-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := server.NewServer(&server.Options{
		Host:      "127.0.0.1",
		Port:      server.RANDOM_PORT,
		JetStream: true,
		StoreDir:  dir,
		NoLog:     true,
		NoSigs:    true,
	})
	if err != nil {
		return err
	}
	s.Start()
	defer func() {
		s.Shutdown()
		s.WaitForShutdown()
	}()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("not ready after 10s")
	}
	url := s.ClientURL()
	if delay > 0 {
		p, err := jstest.NewProxy(s.Addr().String())
		if err != nil {
			return err
		}
		defer p.Close()
		p.SetDelay(jstest.ToServer, delay)
		p.SetDelay(jstest.ToClient, delay)
		url = p.URL()
	}
	if _, err := fmt.Fprintln(out, url); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}
