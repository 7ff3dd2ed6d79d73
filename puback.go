package jetstream

import (
	"bytes"
	"encoding/json"
	"math"
)

// PubAck is the server's acknowledgement of a published message: the message is
// stored, with as many replicas as the stream has, or was already.
type PubAck struct {
	// Stream is the name of the stream that stored the message.
	Stream string `json:"stream"`

	// Sequence is the stream sequence of the message.
	Sequence uint64 `json:"seq"`

	// Duplicate tells that a message with the same ID had been stored before,
	// under Sequence, and this one was dropped (see [WithMsgID]).
	Duplicate bool `json:"duplicate,omitempty"`

	// Domain is the JetStream domain of the server, if it has one.
	Domain string `json:"domain,omitempty"`

	// Value is the total of the counter after the message, as decimal digits,
	// for streams that count (AllowMsgCounter).
	Value string `json:"val,omitempty"`
}

// pubAckResponse is any answer to a publish.
type pubAckResponse struct {
	apiResponse
	PubAck
}

// ackOrigin is the part of acknowledgements that stays the same from one to the
// next. Sharing it saves allocating the strings for each message.
type ackOrigin struct {
	stream string
	domain string
	value  string // one of a counter; an origin that has one is not shared
}

// ackValue is the compact form of a [PubAck].
type ackValue struct {
	origin    *ackOrigin
	seq       uint64
	duplicate bool
}

// pubAcks makes acknowledgements for users, who keep few of them, and none that
// would keep a payload alive.
var pubAcks sharedSlab[PubAck]

func (v ackValue) pubAck() *PubAck {
	ack := pubAcks.next(0)
	*ack = PubAck{
		Stream:    v.origin.stream,
		Sequence:  v.seq,
		Duplicate: v.duplicate,
		Domain:    v.origin.domain,
		Value:     v.origin.value,
	}
	return ack
}

// parsePubAck decodes the answer to a publish. The result uses last, which may
// be nil, if it comes from the same stream. An answer that reports an error is
// returned as the *APIError; one that makes no sense as [ErrInvalidJSAck].
func parsePubAck(data []byte, last *ackOrigin) (ackValue, error) {
	if v, ok := scanPubAck(data, last); ok {
		return v, nil
	}
	var resp pubAckResponse
	if err := json.Unmarshal(data, &resp); err != nil {
		return ackValue{}, ErrInvalidJSAck
	}
	if apiErr := resp.apiError(); apiErr != nil {
		return ackValue{}, apiErr
	}
	if resp.Stream == "" {
		return ackValue{}, ErrInvalidJSAck
	}
	return ackValue{
		origin:    &ackOrigin{stream: resp.Stream, domain: resp.Domain, value: resp.Value},
		seq:       resp.Sequence,
		duplicate: resp.Duplicate,
	}, nil
}

// scanPubAck decodes what the server writes from its own templates for stored
// messages, and reports false for all else, well-formed or not:
//
//	{"stream":"S","seq":1}
//	{"stream":"S","domain":"D","seq":1}
//	{"stream":"S","seq":1,"duplicate": true}
//	{"stream":"S","seq":1,"val":"5"}
func scanPubAck(data []byte, last *ackOrigin) (ackValue, bool) {
	var stream, domain, value []byte
	var v ackValue
	var ok bool
	rest := data
	if stream, rest, ok = cutMember(rest, `{"stream":"`); !ok || len(stream) == 0 {
		return v, false
	}
	if d, r, found := cutMember(rest, `,"domain":"`); found {
		domain, rest = d, r
	}
	if rest, ok = cutLiteral(rest, `,"seq":`); !ok {
		return v, false
	}
	if v.seq, rest, ok = cutNumber(rest); !ok {
		return v, false
	}
	if r, found := cutLiteral(rest, `,"duplicate": true`); found {
		v.duplicate, rest = true, r
	} else if r, found := cutLiteral(rest, `,"duplicate":true`); found {
		v.duplicate, rest = true, r
	}
	if val, r, found := cutMember(rest, `,"val":"`); found {
		value, rest = val, r
	}
	if len(rest) != 1 || rest[0] != '}' {
		return v, false
	}
	if last != nil && len(value) == 0 && last.stream == string(stream) && last.domain == string(domain) {
		v.origin = last
	} else {
		v.origin = &ackOrigin{stream: string(stream), domain: string(domain), value: string(value)}
	}
	return v, true
}

// cutLiteral returns what follows prefix in data.
func cutLiteral(data []byte, prefix string) ([]byte, bool) {
	if len(data) < len(prefix) || string(data[:len(prefix)]) != prefix {
		return nil, false
	}
	return data[len(prefix):], true
}

// cutMember returns the JSON string that follows prefix, which includes the
// opening quote, and what comes after it. Strings in which bytes do not stand
// for themselves are left to encoding/json.
func cutMember(data []byte, prefix string) (value, rest []byte, ok bool) {
	data, ok = cutLiteral(data, prefix)
	if !ok {
		return nil, nil, false
	}
	end := bytes.IndexByte(data, '"')
	if end < 0 {
		return nil, nil, false
	}
	for _, c := range data[:end] {
		if c < ' ' || c == '\\' || c > '~' {
			return nil, nil, false
		}
	}
	return data[:end], data[end+1:], true
}

// cutNumber returns the JSON number at the start of data if it is an integer
// that fits, and what comes after it.
func cutNumber(data []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(data) && '0' <= data[i] && data[i] <= '9'; i++ {
		digit := uint64(data[i] - '0')
		if n > (math.MaxUint64-digit)/10 {
			return 0, nil, false
		}
		n = n*10 + digit
	}
	if i == 0 || (data[0] == '0' && i > 1) {
		return 0, nil, false
	}
	return n, data[i:], true
}
