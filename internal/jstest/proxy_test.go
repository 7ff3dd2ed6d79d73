package jstest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echoServer answers everything with the same bytes, until the test ends.
func echoServer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			// Ends when the proxy closes its side, which happens before this
			// server's own clean-up.
			go func() {
				defer hangUp(c)
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	t.Cleanup(func() {
		hangUp(ln)
		<-done
	})
	return ln.Addr().String()
}

func dialProxy(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(c) })
	return c
}

// wantRefused checks that a new connection is reset. The reset may come before
// the dial returns, or after it.
func wantRefused(t *testing.T, p *Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return
	}
	defer hangUp(c)
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a connection that should be refused is open: %v", err)
	}
}

// exchange sends data, reads as much back, and returns how long that took.
func exchange(t *testing.T, c net.Conn, data []byte) time.Duration {
	t.Helper()
	start := time.Now()
	// The echo comes back while data is still being written.
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- err
	}()
	got := make([]byte, len(data))
	if err := c.SetReadDeadline(start.Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("read: %v", err)
	}
	if err := <-sent; err != nil {
		t.Fatalf("write: %v", err)
	}
	if !bytes.Equal(got, data) {
		t.Fatal("the bytes that came back are not those sent")
	}
	return time.Since(start)
}

// pattern returns n bytes in which a lost or swapped piece shows.
func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return data
}

func TestProxyPassesBytesUnchanged(t *testing.T) {
	t.Parallel()
	p := StartProxy(t, echoServer(t))
	exchange(t, dialProxy(t, p), pattern(3<<20))
	if got := p.Bytes(ToServer); got != 3<<20 {
		t.Errorf("%d bytes delivered to the server, want %d", got, 3<<20)
	}
}

func TestProxyCutResetsConnections(t *testing.T) {
	t.Parallel()
	p := StartProxy(t, echoServer(t))
	c := dialProxy(t, p)
	exchange(t, c, []byte("ping"))
	p.Cut()
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Fatalf("read after a cut: %v, want a reset", err)
	}
	WaitFor(t, kitWait, "the link to go", func() bool { return p.Conns() == 0 })
	exchange(t, dialProxy(t, p), []byte("again"))
	if got := p.Accepted(); got != 2 {
		t.Errorf("%d connections accepted, want 2", got)
	}
}

func TestProxyRefusesUntilHealed(t *testing.T) {
	t.Parallel()
	p := StartProxy(t, echoServer(t))
	old := dialProxy(t, p)
	exchange(t, old, []byte("ping"))
	p.Refuse(true)
	wantRefused(t, p)
	exchange(t, old, []byte("open connections go on"))
	p.Heal()
	exchange(t, dialProxy(t, p), []byte("ping"))
}

func TestProxyRefusesWithoutTarget(t *testing.T) {
	t.Parallel()
	p := StartProxy(t, "")
	wantRefused(t, p)
	p.SetTarget(echoServer(t))
	exchange(t, dialProxy(t, p), []byte("ping"))
}

func TestProxyDelayAddsLatencyAndKeepsThroughput(t *testing.T) {
	t.Parallel()
	p := StartProxy(t, echoServer(t))
	c := dialProxy(t, p)
	p.SetDelay(ToServer, 100*time.Millisecond)
	p.SetDelay(ToClient, 200*time.Millisecond)
	if took := exchange(t, c, []byte("ping")); took < 300*time.Millisecond {
		t.Errorf("round trip took %v, want at least 300ms", took)
	}
	// One buffer per round trip would take 96 of them.
	if took := exchange(t, c, pattern(3<<20)); took > 15*time.Second {
		t.Errorf("3 MiB took %v: the delay limits throughput", took)
	}
	p.SetDelay(ToServer, time.Hour)
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read: %v, want a timeout", err)
	}
	p.Heal()
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatalf("bytes on the way did not arrive after the delay was lifted: %v", err)
	}
}

func TestProxyThrottlesOneDirection(t *testing.T) {
	t.Parallel()
	p := StartProxy(t, echoServer(t))
	p.SetRate(ToClient, 100_000)
	if took := exchange(t, dialProxy(t, p), pattern(50_000)); took < 400*time.Millisecond {
		t.Errorf("50 kB at 100 kB/s took %v", took)
	}
}

func TestProxyBlackHoleHoldsBytesBackUntilHealed(t *testing.T) {
	t.Parallel()
	p := StartProxy(t, echoServer(t))
	c := dialProxy(t, p)
	exchange(t, c, []byte("ping"))
	p.BlackHole(ToClient, true)
	if _, err := c.Write([]byte("lost?")); err != nil {
		t.Fatal(err)
	}
	WaitFor(t, kitWait, "the bytes to reach the server", func() bool { return p.Bytes(ToServer) == 9 })
	if err := c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read through a black hole: %v, want a timeout", err)
	}
	p.Heal()
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "lost?" {
		t.Fatalf("after healing: %q, %v", got, err)
	}
}

func TestProxyLinkEndsWithTheClientInSpiteOfBlackHole(t *testing.T) {
	t.Parallel()
	p := StartProxy(t, echoServer(t))
	c := dialProxy(t, p)
	exchange(t, c, []byte("ping"))
	p.BlackHole(ToClient, true)
	hangUp(c)
	WaitFor(t, kitWait, "the link to go", func() bool { return p.Conns() == 0 })
}
