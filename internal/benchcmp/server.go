package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"example.com/jetstream/internal/jstest"
)

// childEnv makes this program be the server; its value are the delays of the
// links to it, separated by commas.
const childEnv = "BENCHCMP_SERVER"

// links are the URLs of the server, by the delay of the link.
type links map[time.Duration]string

// startChild runs this program again as the server, on its side of the cores, and
// returns its URLs, one for each delay and one without. The child ends when its
// standard input does, so also when this process dies.
func startChild(c cores, delays []time.Duration) (urls links, stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	delays = append([]time.Duration{0}, delays...)
	words := make([]string, len(delays))
	for i, delay := range delays {
		words[i] = delay.String()
	}
	cmd := c.serverCommand(self)
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(words, ","))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	lines := bufio.NewScanner(out)
	urls = make(links)
	for _, delay := range delays {
		if !lines.Scan() {
			return nil, nil, errors.Join(errors.New("the server did not start"), lines.Err(), stop())
		}
		urls[delay] = lines.Text()
	}
	return urls, stop, nil
}

// serve runs a server, writes its URLs to out, and returns when in ends.
func serve(in io.Reader, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "benchcmp-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1",
		Port: server.RANDOM_PORT,
		// The limit of a large object is pushed without flow control.
		MaxPending: 2 << 30,
		JetStream:  true,
		StoreDir:   dir,
		NoLog:      true,
		NoSigs:     true,
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
	var closeLinks []func()
	defer func() {
		for _, closeLink := range closeLinks {
			closeLink()
		}
	}()
	for word := range strings.SplitSeq(os.Getenv(childEnv), ",") {
		url, closeLink, err := openLink(s, word)
		if err != nil {
			return err
		}
		closeLinks = append(closeLinks, closeLink)
		if _, err := fmt.Fprintln(out, url); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// openLink returns a URL by which the server is reached with a delay.
func openLink(s *server.Server, word string) (url string, closeLink func(), err error) {
	delay, err := time.ParseDuration(word)
	if err != nil {
		return "", nil, err
	}
	if delay == 0 {
		return s.ClientURL(), func() {}, nil
	}
	p, err := jstest.NewProxy(s.Addr().String())
	if err != nil {
		return "", nil, err
	}
	p.SetDelay(jstest.ToServer, delay)
	p.SetDelay(jstest.ToClient, delay)
	return p.URL(), p.Close, nil
}
