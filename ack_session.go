package jetstream

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/nats-io/nats.go"
)

// ackSession is what an async publisher has at the connection: a subscription
// for replies and a place among those who are told of changes. It lasts from the
// first async publish to CleanupPublisher, across reconnects.
type ackSession struct {
	pub *asyncPublisher
	sub *nats.Subscription

	replies replySubjects // guarded by the publisher's mutex
}

// repliesAtOnce is how many reply subjects are made at a time.
const repliesAtOnce = 16

// open makes a session, or waits until another caller has tried. The lock of the
// publisher is held before and after, but not while core subscribes, which can
// take as long as a reconnect. The caller looks again whether there is a session:
// the attempt may have been another's, and have failed or been cleaned up since.
func (p *asyncPublisher) open() error {
	if opening := p.opening; opening != nil {
		p.mu.Unlock()
		<-opening
		p.mu.Lock()
		return nil
	}
	opening := make(chan struct{})
	p.opening = opening
	p.mu.Unlock()
	s, err := startAckSession(p)
	p.mu.Lock()
	p.opening = nil
	close(opening)
	if err != nil {
		return fmt.Errorf("nats: error creating async reply handler: %w", err)
	}
	if p.pending.last == 0 {
		p.pending.last = randomAckToken()
	}
	p.session = s
	return nil
}

func randomAckToken() ackToken {
	return ackToken(rand.Uint64N(uint64(ackTokenCount)))
}

// startAckSession subscribes to replies and to changes of the connection. The
// prefix is below the connection's inbox prefix, the only one that permissions
// and imports of other accounts can be relied on to cover.
func startAckSession(p *asyncPublisher) (*ackSession, error) {
	nc := p.js.conn
	prefix := nats.InboxPrefix
	if custom := nc.Opts.InboxPrefix; custom != "" {
		prefix = custom + "."
	}
	prefix += string(randomAckToken().appendTo(nil)) + "."

	sub, err := nc.Subscribe(prefix+"*", p.handleReply)
	if err != nil {
		return nil, err
	}
	// What limits the replies in flight is the number of pending messages.
	if sub.SetPendingLimits(-1, -1) != nil {
		// The only way a subscription can have gone by now.
		return nil, nats.ErrConnectionClosed
	}
	s := &ackSession{pub: p, sub: sub, replies: replySubjects{prefix: prefix}}
	watchConn(nc, s)
	return s, nil
}

// end gives up the subscription. Failing to is due to a closed connection, which
// has no subscriptions any more.
func (s *ackSession) end() {
	_ = s.sub.Unsubscribe()
	unwatchConn(s.pub.js.conn, s)
}

func (s *ackSession) connChanged(ev connEvent) { s.pub.connChanged(s, ev) }

// replySubjects makes reply subjects, which consist of a prefix and a token.
// Tokens are mostly used in order, so that one allocation serves several.
type replySubjects struct {
	// prefix starts all of them, and ends in a dot.
	prefix string

	// text holds those for repliesAtOnce tokens, starting with from.
	text string
	from ackToken
}

// at returns the reply subject for a token.
func (r *replySubjects) at(t ackToken) string {
	size := len(r.prefix) + ackTokenLen
	if r.text == "" || t < r.from || t >= r.from+repliesAtOnce {
		r.text, r.from = makeReplies(r.prefix, t), t
	}
	i := int(t-r.from) * size
	return r.text[i : i+size]
}

// makeReplies returns the reply subjects for repliesAtOnce tokens from t on, one
// after the other.
func makeReplies(prefix string, t ackToken) string {
	var text strings.Builder
	var token [ackTokenLen]byte
	text.Grow(repliesAtOnce * (len(prefix) + ackTokenLen))
	for range repliesAtOnce {
		text.WriteString(prefix)
		text.Write(t.appendTo(token[:0]))
		t = t.next()
	}
	return text.String()
}
