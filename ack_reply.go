package jetstream

import (
	"fmt"
	"strconv"
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

// ackReply is an ack reply subject taken apart. It refers to the subject and costs
// no allocation, except for next, once.
type ackReply struct {
	subject string
	start   [ackDelivered + 1]int // of the tokens up to the first number
	numbers [ackTokens - ackDelivered]uint64
	// timestamp is not among the numbers until it is asked for.
	timestamp string

	// next is how the next subject begins, up to the timestamp, if that message
	// follows this one in stream and consumer. It is empty unless this one follows
	// another. nextStreamEnd is where its stream sequence ends.
	next          []byte
	nextStreamEnd int
}

// parseAckReply takes a reply subject apart. The error wraps [ErrNotJSMessage].
func parseAckReply(subject string) (ackReply, error) {
	var reply ackReply
	err := reply.parse(subject)
	return reply, err
}

// parse is parseAckReply in place of the last subject. What both have in common, if
// they are of one consumer, is not looked at again, and neither are sequences that
// ascend by one.
func (r *ackReply) parse(subject string) error {
	if n := len(r.next); n > 0 && len(subject) > n && subject[:n] == string(r.next) && r.parseTail(subject, n) {
		r.numbers[ackStreamSeq-ackDelivered]++
		r.numbers[ackConsumerSeq-ackDelivered]++
		if !countUp(r.next[:r.nextStreamEnd]) || !countUp(r.next[:n-1]) {
			r.next = r.next[:0]
		}
		return nil
	}
	r.next = r.next[:0]
	head := r.start[ackDelivered]
	if head > 0 && len(subject) > head && subject[:head] == r.subject[:head] {
		stream, consumer := r.streamSequence(), r.consumerSequence()
		if r.parseNumbers(subject) {
			if r.streamSequence() == stream+1 && r.consumerSequence() == consumer+1 {
				r.expectNext()
			}
			return nil
		}
	}
	return r.parseAll(subject)
}

func (r *ackReply) parseAll(subject string) error {
	tokens := strings.Count(subject, ".") + 1
	short := tokens == ackTokensShort
	switch {
	case !short && tokens < ackTokens:
		*r = ackReply{next: r.next[:0]}
		return fmt.Errorf("%w: invalid format of ACK subject", ErrNotJSMessage)
	case !strings.HasPrefix(subject, ackReplyPrefix):
		*r = ackReply{next: r.next[:0]}
		return fmt.Errorf("%w: invalid format of ACK subject: subject should start with $JS.ACK", ErrNotJSMessage)
	}
	first := ackDomain
	if short {
		first = ackStream
		r.start[ackDomain], r.start[ackAccount] = 0, 0
	}
	at := len(ackReplyPrefix)
	for i := first; i < ackDelivered; i++ {
		r.start[i] = at
		at += tokenEnd(subject[at:]) + 1
	}
	r.start[ackDelivered] = at
	r.parseNumbers(subject)
	return nil
}

// parseNumbers reads the numbers behind the other tokens, and reports whether there
// are as many as the layout has.
func (r *ackReply) parseNumbers(subject string) bool {
	at := r.start[ackDelivered]
	for i := range ackTimestamp - ackDelivered {
		n, end := leadingNumber(subject[at:])
		if at += end + 1; at > len(subject) {
			return false
		}
		r.numbers[i] = n
	}
	return r.parseTail(subject, at)
}

// parseTail is parseNumbers for the timestamp, which is at the given place, and what
// is behind it.
func (r *ackReply) parseTail(subject string, at int) bool {
	// Long, and seldom asked for.
	timestamp := subject[at : at+tokenEnd(subject[at:])]
	at += len(timestamp) + 1
	if at > len(subject) {
		return false
	}
	pending, end := leadingNumber(subject[at:])
	if at+end < len(subject) && r.start[ackDomain] == 0 {
		return false // only the longer layout has more
	}
	r.subject, r.timestamp, r.numbers[ackPending-ackDelivered] = subject, timestamp, pending
	return true
}

// expectNext fills in what the next subject begins with.
func (r *ackReply) expectNext() {
	delivered := r.start[ackDelivered]
	delivered += tokenEnd(r.subject[delivered:]) + 1
	r.next = append(r.next[:0], r.subject[:delivered]...)
	r.next = strconv.AppendUint(r.next, r.streamSequence()+1, 10)
	r.nextStreamEnd = len(r.next)
	r.next = append(r.next, '.')
	r.next = strconv.AppendUint(r.next, r.consumerSequence()+1, 10)
	r.next = append(r.next, '.')
}

// countUp adds one to the decimal number at the end of text. It reports false if
// that takes another digit.
func countUp(text []byte) bool {
	for i := len(text) - 1; i >= 0 && text[i] != '.'; i-- {
		if text[i] < '9' {
			text[i]++
			return true
		}
		text[i] = '0'
	}
	return false
}

// leadingNumber returns the first token of text as a decimal number, or 0 if it is
// none, and where it ends.
func leadingNumber(text string) (n uint64, end int) {
	for end < len(text) {
		digit := text[end] - '0'
		if digit > 9 {
			break
		}
		n = n*10 + uint64(digit)
		end++
	}
	if end < len(text) && text[end] != '.' {
		return 0, tokenEnd(text)
	}
	return n, end
}

// tokenEnd returns where the first token of text ends.
func tokenEnd(text string) int {
	if end := strings.IndexByte(text, '.'); end >= 0 {
		return end
	}
	return len(text)
}

// token returns a token of the subject that is no number, empty if the layout has
// none there.
func (r *ackReply) token(i int) string {
	if r.start[i] == 0 {
		return ""
	}
	return r.subject[r.start[i] : r.start[i+1]-1]
}

// number returns a token as a decimal number, and 0 if it is none.
func (r *ackReply) number(i int) uint64 {
	if i == ackTimestamp {
		n, _ := leadingNumber(r.timestamp)
		return n
	}
	return r.numbers[i-ackDelivered]
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
