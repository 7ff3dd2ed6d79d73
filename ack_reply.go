package jetstream

import (
	"fmt"
	"strings"
)

// ackReplyPrefix starts the reply subject of every message of a consumer.
const ackReplyPrefix = "$JS.ACK."

// The tokens of an ack reply subject, numbered as in the layout with a domain:
//
//	$JS.ACK.<domain>.<account hash>.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<timestamp>.<pending>[.<random>]
//
// The original layout has neither domain nor account hash (ADR-15, ADR-4).
const (
	ackDomain = iota + 2
	ackAccount
	ackStream
	ackConsumer
	ackDelivered
	ackStreamSeq
	ackConsumerSeq
	ackTimestamp
	ackPending
	ackTokens

	// ackTokensShort is the exact number of tokens without domain and account.
	ackTokensShort = ackTokens - 2
)

// ackReply is an ack reply subject split into tokens. It refers to the subject
// and costs no allocation; tokens are cut out and numbers parsed when asked for.
type ackReply struct {
	subject string
	start   [ackTokens + 1]int
}

// parseAckReply splits a reply subject in one pass. The error wraps
// [ErrNotJSMessage].
func parseAckReply(subject string) (ackReply, error) {
	reply := ackReply{subject: subject}
	n := 1
	for i := 0; i < len(subject) && n <= ackTokens; i++ {
		if subject[i] == '.' {
			reply.start[n] = i + 1
			n++
		}
	}
	switch {
	case n < ackTokensShort || n == ackTokensShort+1:
		return ackReply{}, fmt.Errorf("%w: invalid format of ACK subject", ErrNotJSMessage)
	case !strings.HasPrefix(subject, ackReplyPrefix):
		return ackReply{}, fmt.Errorf("%w: invalid format of ACK subject: subject should start with $JS.ACK", ErrNotJSMessage)
	case n == ackTokensShort:
		// Move the tokens to where the longer layout has them, and leave domain
		// and account empty.
		copy(reply.start[ackStream:], reply.start[ackDomain:ackTokensShort])
		reply.start[ackDomain], reply.start[ackAccount] = 0, 0
		n = ackTokens
	}
	if n == ackTokens {
		reply.start[ackTokens] = len(subject) + 1
	}
	return reply, nil
}

// token returns a token of the subject, empty if the layout has none there.
func (r *ackReply) token(i int) string {
	if r.start[i] == 0 {
		return ""
	}
	return r.subject[r.start[i] : r.start[i+1]-1]
}

// number returns a token as a decimal number, and 0 if it is none.
func (r *ackReply) number(i int) uint64 {
	var n uint64
	token := r.token(i)
	for k := range len(token) {
		digit := token[k] - '0'
		if digit > 9 {
			return 0
		}
		n = n*10 + uint64(digit)
	}
	return n
}

func (r *ackReply) streamSequence() uint64   { return r.number(ackStreamSeq) }
func (r *ackReply) consumerSequence() uint64 { return r.number(ackConsumerSeq) }

// domain returns the domain token, which an underscore stands for when the
// server has no domain.
func (r *ackReply) domain() string {
	if domain := r.token(ackDomain); domain != "_" {
		return domain
	}
	return ""
}
