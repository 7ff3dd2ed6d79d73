package jstest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// rawMaxPayload is the largest message a [RawServer] says it takes.
const rawMaxPayload = 8 << 20

// RawServer speaks just enough of the NATS protocol to be taken for a server, and
// has no opinion about what it sends: messages under any subject, with any reply
// subject, header block or payload. A real server lets nobody publish with an
// acknowledgement subject as reply; this one can make up deliveries, good and bad.
//
// What a client publishes goes to the test and nowhere else.
type RawServer struct {
	ln     net.Listener
	handle func(*RawConn, RawMsg)
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[*RawConn]struct{}
}

// RawConn is a client's connection to a [RawServer]. Its methods are safe for
// concurrent use.
type RawConn struct {
	nc net.Conn

	mu   sync.Mutex // guards the following and writing
	subs map[string]string
}

// RawMsg is a message as it goes over the wire.
type RawMsg struct {
	Subject string
	Reply   string
	Header  []byte // the block with its first line and final empty line, or nothing
	Data    []byte
}

// StartRawServer listens on a random loopback port until the test ends. handle is
// called for each message that is published, in order, on the goroutine that reads
// from the client. It is also called with an empty Reply and the subject as Data,
// under the subject SUB, when a client subscribes.
func StartRawServer(t testing.TB, handle func(*RawConn, RawMsg)) *RawServer {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatalf("start raw server: %v", err)
	}
	s := &RawServer{ln: ln, handle: handle, conns: make(map[*RawConn]struct{})}
	// Ends when the listener is closed.
	s.wg.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

// URL returns the URL for clients to connect to.
func (s *RawServer) URL() string { return "nats://" + s.ln.Addr().String() }

func (s *RawServer) accept() {
	for {
		nc, err := s.ln.Accept()
		if err != nil {
			return
		}
		c := &RawConn{nc: nc, subs: make(map[string]string)}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			nc.Close()
			return
		}
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() {
			s.serve(c)
			nc.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *RawServer) close() {
	s.ln.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.nc.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// serve reads from a client until it goes or breaks the protocol.
func (s *RawServer) serve(c *RawConn) {
	c.Write(fmt.Appendf(nil, `INFO {"server_id":"RAW","version":"2.15.2","proto":1,"headers":true,"jetstream":true,"max_payload":%d}`+"\r\n", rawMaxPayload))
	r := bufio.NewReader(c.nc)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		// Of all that may be in a subject, only these separate.
		args := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n", r) })
		if len(args) == 0 {
			continue
		}
		op := args[0]
		args = args[1:]
		switch strings.ToUpper(op) {
		case "PING":
			c.Write([]byte("PONG\r\n"))
		case "SUB":
			if len(args) < 2 {
				return
			}
			c.mu.Lock()
			c.subs[args[len(args)-1]] = args[0]
			c.mu.Unlock()
			s.handle(c, RawMsg{Subject: "SUB", Data: []byte(args[0])})
		case "UNSUB":
			if len(args) == 1 {
				c.mu.Lock()
				delete(c.subs, args[0])
				c.mu.Unlock()
			}
		case "PUB", "HPUB":
			msg, err := readRaw(r, args, op == "HPUB")
			if err != nil {
				return
			}
			s.handle(c, msg)
		}
	}
}

// readRaw reads what follows the first line of a PUB or HPUB.
func readRaw(r io.Reader, args []string, headers bool) (RawMsg, error) {
	sizes := 1
	if headers {
		sizes = 2
	}
	if len(args) <= sizes {
		return RawMsg{}, fmt.Errorf("arguments %q", args)
	}
	msg := RawMsg{Subject: args[0]}
	if len(args) > sizes+1 {
		msg.Reply = args[1]
	}
	size, err := strconv.Atoi(args[len(args)-1])
	if err != nil || size < 0 || size > rawMaxPayload {
		return RawMsg{}, fmt.Errorf("arguments %q", args)
	}
	body := make([]byte, size+len("\r\n"))
	if _, err := io.ReadFull(r, body); err != nil {
		return RawMsg{}, err
	}
	msg.Data = body[:size]
	if headers {
		n, err := strconv.Atoi(args[len(args)-2])
		if err != nil || n < 0 || n > size {
			return RawMsg{}, fmt.Errorf("arguments %q", args)
		}
		msg.Header, msg.Data = msg.Data[:n], msg.Data[n:]
	}
	return msg, nil
}

// Write sends bytes as they are. A client that is gone has nobody to disappoint.
func (c *RawConn) Write(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.nc.Write(p)
}

// Deliver sends a message to each subscription that inbox matches, whatever the
// subject of the message says. It reports whether there was one.
func (c *RawConn) Deliver(inbox string, msg RawMsg) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := false
	for sid, subject := range c.subs {
		if !matches(strings.Split(subject, "."), inbox) {
			continue
		}
		found = true
		_, _ = c.nc.Write(msg.frame(sid))
	}
	return found
}

// frame returns the message as it goes over the wire to a subscription.
func (m *RawMsg) frame(sid string) []byte {
	var b bytes.Buffer
	reply := m.Reply
	if reply != "" {
		reply += " "
	}
	if len(m.Header) > 0 {
		fmt.Fprintf(&b, "HMSG %s %s %s%d %d\r\n", m.Subject, sid, reply, len(m.Header), len(m.Header)+len(m.Data))
	} else {
		fmt.Fprintf(&b, "MSG %s %s %s%d\r\n", m.Subject, sid, reply, len(m.Data))
	}
	b.Write(m.Header)
	b.Write(m.Data)
	b.WriteString("\r\n")
	return b.Bytes()
}
