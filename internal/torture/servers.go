package torture

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/jetstream/internal/jstest"
)

// Sites.
const (
	siteCluster = "cluster"
	siteSingle  = "single"
)

// command is what the parent process asks of the servers' process. Each gets one
// reply, not necessarily in order.
type command struct {
	ID       int           `json:"id"`
	Do       string        `json:"do"`
	Node     int           `json:"node"`
	ToServer bool          `json:"to_server,omitempty"`
	ToClient bool          `json:"to_client,omitempty"`
	Delay    time.Duration `json:"delay,omitempty"`
	Rate     int           `json:"rate,omitempty"`
}

// reply is the answer to a command. The first one of all has the id zero and the
// addresses of the nodes.
type reply struct {
	ID   int      `json:"id"`
	URLs []string `json:"urls,omitempty"`
}

// host runs the servers of a site in a process of their own.
type host struct {
	t       testing.TB
	cluster *jstest.Cluster // nil for a single server
	nodes   []*jstest.Node

	mu  sync.Mutex
	out *json.Encoder
}

// Serve runs the servers of a site and does what is read from in, until that
// ends. It is the body of a test of its own.
func Serve(t testing.TB, site string, in io.Reader, out io.Writer) {
	h := &host{t: t, out: json.NewEncoder(out)}
	if site == siteCluster {
		h.cluster = jstest.StartCluster(t)
		h.nodes = h.cluster.Nodes()
	} else {
		h.nodes = []*jstest.Node{jstest.StartNode(t)}
	}
	hello := reply{}
	for _, n := range h.nodes {
		hello.URLs = append(hello.URLs, n.URL())
	}
	h.answer(hello)
	// Links can be changed from any goroutine, and must not wait for a node that
	// is being started. All else belongs on this one, that of the test.
	servers := make(chan command)
	go func() {
		defer close(servers)
		lines := json.NewDecoder(in)
		for {
			var c command
			if err := lines.Decode(&c); err != nil {
				return // the parent is gone or wants an end
			}
			if h.link(c) {
				h.answer(reply{ID: c.ID})
				continue
			}
			servers <- c
		}
	}()
	for c := range servers {
		h.server(c)
		h.answer(reply{ID: c.ID})
	}
}

// answer writes a reply. If that fails, the parent is gone, and so is in.
func (h *host) answer(r reply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.out.Encode(r)
}

// link does what concerns the link of a node, and reports false for all else.
func (h *host) link(c command) bool {
	p := h.nodes[c.Node].Proxy()
	switch Kind(c.Do) {
	case Cut:
		p.Cut()
	case Refuse:
		p.Refuse(true)
		p.Cut()
	case Delay, Throttle, Stall, HalfOpen:
		for dir, on := range map[jstest.Direction]bool{jstest.ToServer: c.ToServer, jstest.ToClient: c.ToClient} {
			if !on {
				continue
			}
			p.SetDelay(dir, c.Delay)
			p.SetRate(dir, c.Rate)
			p.BlackHole(dir, Kind(c.Do) == Stall || Kind(c.Do) == HalfOpen)
		}
	case doSwallow:
		// A hole that is closed lets pass what it has held back.
		p.Refuse(true)
		p.Cut()
		for p.Conns() > 0 {
			time.Sleep(time.Millisecond)
		}
		p.Heal()
	case doHeal:
		p.Heal()
	default:
		return false
	}
	return true
}

// Commands that are not faults.
const (
	doHeal    Kind = "heal"
	doSwallow Kind = "swallow" // the end of HalfOpen
	doStart   Kind = "start"
	doJoin    Kind = "join"
)

// server does what concerns the servers themselves.
func (h *host) server(c command) {
	n := h.nodes[c.Node]
	switch Kind(c.Do) {
	case Stop:
		n.Stop()
	case Kill:
		n.Kill()
	case doStart:
		n.Start()
		h.ready()
	case Part:
		n.Part()
	case doJoin:
		n.Join()
		h.ready()
	default:
		h.t.Fatalf("unknown command %q", c.Do)
	}
}

func (h *host) ready() {
	if h.cluster != nil {
		h.cluster.WaitReady()
	}
}

// servers is the parent's hold on the process of a site.
type servers struct {
	urls []string
	cmd  *exec.Cmd
	in   io.WriteCloser
	read chan struct{} // closed when the output has ended

	mu      sync.Mutex
	last    int
	waiting map[int]chan error
	output  strings.Builder // what is not a reply
	over    bool
}

// startServers runs this test binary again, with args, as the servers of a site.
func startServers(args ...string) (*servers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &servers{cmd: exec.Command(self, args...), waiting: make(map[int]chan error), read: make(chan struct{})}
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stderr = s.cmd.Stdout
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	hello := make(chan error, 1)
	s.waiting[0] = hello
	go s.follow(out)
	if err := <-hello; err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// follow reads the process's output until it ends.
func (s *servers) follow(out io.Reader) {
	defer close(s.read)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r reply
		line := lines.Bytes()
		isReply := json.Unmarshal(line, &r) == nil
		s.mu.Lock()
		if !isReply {
			s.output.Write(append(line, '\n'))
			s.mu.Unlock()
			continue
		}
		if r.URLs != nil {
			s.urls = r.URLs
		}
		done := s.waiting[r.ID]
		delete(s.waiting, r.ID)
		s.mu.Unlock()
		done <- nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, done := range s.waiting {
		done <- s.died()
	}
	s.waiting = nil
}

func (s *servers) died() error {
	return fmt.Errorf("the servers' process ended:\n%s", s.output.String())
}

// do has a command done and waits for it.
func (s *servers) do(c command) error {
	done := make(chan error, 1)
	s.mu.Lock()
	if s.over {
		defer s.mu.Unlock()
		return s.died()
	}
	s.last++
	c.ID = s.last
	s.waiting[c.ID] = done
	line, err := json.Marshal(c)
	if err == nil {
		_, err = s.in.Write(append(line, '\n'))
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return <-done
}

// stop ends the process and returns what it complained about.
func (s *servers) stop() error {
	err := s.in.Close()
	<-s.read
	if werr := s.cmd.Wait(); werr != nil {
		err = errors.Join(err, fmt.Errorf("%w\n%s", werr, s.output.String()))
	}
	return err
}
