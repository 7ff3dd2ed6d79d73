package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// denialLook is when it is looked for the first time whether the server has
	// denied what was sent: a round trip is over by then, and most requests are.
	denialLook = 50 * time.Millisecond

	// denialLookMax is the longest time between two such looks.
	denialLookMax = time.Second
)

// denial returns the error by which the server has denied the user of the
// connection to publish to a subject or to receive answers, or nil. The server
// reports that apart from any request. Core keeps the report as the connection's
// last error, so it is gone when another error comes in. Each is an error of its own;
// seen is one that is known already.
//
// It must not be called with a lock held, as core's is taken for as long as it
// redials.
func denial(nc *nats.Conn, seen error, subject string) error {
	if last := nc.LastError(); denies(nc, last, subject) && last != seen {
		return last
	}
	return nil
}

// denies reports whether err is about publishing to a subject, or about answers.
func denies(nc *nats.Conn, err error, subject string) bool {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "Publish to "+strconv.Quote(subject)) ||
		strings.Contains(text, `Subscription to "`+inboxPrefix(nc))
}

// inboxPrefix returns what all inboxes of a connection begin with.
func inboxPrefix(nc *nats.Conn) string {
	if prefix := nc.Opts.InboxPrefix; prefix != "" {
		return prefix + "."
	}
	return nats.InboxPrefix
}

// requestContext is the context of one request made by core. It ends with the
// context of the caller, at a given time, or when the server denies the request,
// and not only when it has not been answered for long.
//
// It is used again unless it has ended, so that a request costs no allocation for
// it. Values are those of the context of the caller.
type requestContext struct {
	context.Context // of the caller

	conn    *nats.Conn
	subject string
	seen    error     // the connection's last error before the request
	until   time.Time // zero if the context of the caller ends in time

	done   chan struct{}
	timer  *time.Timer
	leave  func()      // called when the context of the caller ends
	detach func() bool // takes that back; nil if that context never ends

	mu      sync.Mutex
	err     error
	pause   time.Duration // until the next look
	looking bool
	over    bool // the request has returned
}

// requestContexts holds those that can be used again.
var requestContexts sync.Pool

// newRequestContext returns a context for a request to the given subject. The
// caller releases it.
func newRequestContext(ctx context.Context, until time.Time, nc *nats.Conn, subject string) *requestContext {
	c, _ := requestContexts.Get().(*requestContext)
	if c == nil {
		c = &requestContext{done: make(chan struct{})}
		c.leave = func() { c.end(c.Context.Err()) }
		c.timer = time.AfterFunc(time.Hour, c.tick)
		c.timer.Stop()
	}
	c.Context, c.conn, c.subject, c.until = ctx, nc, subject, until
	c.seen = nc.LastError()
	if ctx.Done() != nil {
		c.detach = context.AfterFunc(ctx, c.leave)
	}
	c.mu.Lock()
	c.over, c.pause = false, denialLook
	c.arm()
	c.mu.Unlock()
	return c
}

// release gives the context back. It is not used again if anything may still refer
// to it.
func (c *requestContext) release() {
	unused := c.timer.Stop()
	if c.detach != nil && !c.detach() {
		unused = false
	}
	c.mu.Lock()
	c.over = true
	unused = unused && !c.looking && c.err == nil
	c.mu.Unlock()
	if unused {
		c.Context, c.conn, c.subject, c.seen, c.detach = nil, nil, "", nil, nil
		requestContexts.Put(c)
	}
}

// Deadline implements [context.Context].
func (c *requestContext) Deadline() (time.Time, bool) {
	if !c.until.IsZero() {
		return c.until, true
	}
	return c.Context.Deadline()
}

// Done implements [context.Context].
func (c *requestContext) Done() <-chan struct{} { return c.done }

// Err implements [context.Context].
func (c *requestContext) Err() error {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	if err == nil {
		err = c.Context.Err()
	}
	return err
}

// end ends the request with err, unless it is over.
func (c *requestContext) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.err != nil {
		return
	}
	c.err = err
	close(c.done)
}

// arm sets the timer for the next look or the end. Called with the lock held.
func (c *requestContext) arm() {
	wait := c.pause
	c.pause = min(2*c.pause, denialLookMax)
	if !c.until.IsZero() {
		wait = min(wait, time.Until(c.until))
	}
	c.timer.Reset(max(wait, 0))
}

// tick is run by the timer.
func (c *requestContext) tick() {
	if !c.until.IsZero() && !time.Now().Before(c.until) {
		c.end(context.DeadlineExceeded)
		return
	}
	c.mu.Lock()
	look := !c.over && c.err == nil
	if look {
		c.arm()
	}
	if !look || c.looking {
		c.mu.Unlock()
		return
	}
	c.looking = true
	c.mu.Unlock()
	// The time does not wait for this: the timer is set.
	err := denial(c.conn, c.seen, c.subject)
	c.mu.Lock()
	c.looking = false
	c.mu.Unlock()
	if err != nil {
		c.end(err)
	}
}

// explain adds to the error of a request that timed out that the server has
// denied it, if that is known only now or was before the request.
func (c *requestContext) explain(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if denied := denial(c.conn, nil, c.subject); denied != nil {
		return fmt.Errorf("%w: %w", err, denied)
	}
	return err
}
