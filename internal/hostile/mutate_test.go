package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"example.com/jetstream/internal/jstest"
)

// lateness is when a late answer comes at the earliest. It does not come before the
// call has returned, either.
const lateness = 400 * time.Millisecond

// mode is a way of answering. Requests are honestly answered before mutate has a
// go at that.
type mode struct {
	name   string
	mutate func(rng *rand.Rand, req jstest.RawMsg, honest []answer) []answer
	// silent: no answer comes in time, so calls last as long as their context.
	silent bool
	// broken: what should be JSON is none, so calls that need it must fail.
	broken bool
	// late: answers are sent after the lateness.
	late bool
}

// each makes a mode that changes answers one by one.
func each(change func(rng *rand.Rand, a *answer)) func(*rand.Rand, jstest.RawMsg, []answer) []answer {
	return func(rng *rand.Rand, _ jstest.RawMsg, list []answer) []answer {
		for i := range list {
			change(rng, &list[i])
		}
		return list
	}
}

// body makes a mode that changes what is in the data of answers, and of
// deliveries only if that is JSON.
func body(change func(rng *rand.Rand, data []byte) []byte) func(*rand.Rand, jstest.RawMsg, []answer) []answer {
	return each(func(rng *rand.Rand, a *answer) {
		if a.json {
			a.msg.Data = change(rng, a.msg.Data)
		}
	})
}

var modes = []mode{
	{name: "honest", mutate: each(func(*rand.Rand, *answer) {})},
	{name: "silent", silent: true, mutate: func(*rand.Rand, jstest.RawMsg, []answer) []answer { return nil }},
	{name: "late", silent: true, late: true, mutate: each(func(*rand.Rand, *answer) {})},
	{name: "empty", broken: true, mutate: each(func(_ *rand.Rand, a *answer) { a.msg.Data, a.msg.Header = nil, nil })},
	{name: "no responders", broken: true, mutate: each(func(_ *rand.Rand, a *answer) {
		a.msg.Data, a.msg.Header = nil, []byte("NATS/1.0 503\r\n\r\n")
	})},
	{name: "odd status", broken: true, mutate: each(func(rng *rand.Rand, a *answer) {
		lines := []string{" 999 What", " 409", " 409 Exceeded MaxRequestBatch of 0", " 423 Pin", " 100 Idle Heartbeat", " -1 x", " 400 Bad Request", " 409 Consumer Deleted", " 409 Server Shutdown"}
		a.msg.Data, a.msg.Header = nil, []byte("NATS/1.0"+lines[rng.IntN(len(lines))]+"\r\nNats-Pending-Messages: 99999999999999999999\r\n\r\n")
		if !a.delivery {
			a.msg.Reply = ""
		}
	})},
	{name: "truncated", broken: true, mutate: body(func(rng *rand.Rand, data []byte) []byte { return data[:rng.IntN(len(data))] })},
	{name: "garbage", broken: true, mutate: body(func(rng *rand.Rand, _ []byte) []byte {
		data := make([]byte, 1+rng.IntN(200))
		for i := range data {
			data[i] = byte(rng.Uint32()) | 0x80
		}
		return data
	})},
	{name: "deep", broken: true, mutate: body(func(*rand.Rand, []byte) []byte { return bytes.Repeat([]byte(`{"error":[`), 100_000) })},
	{name: "null", mutate: body(func(*rand.Rand, []byte) []byte { return []byte("null") })},
	{name: "flipped bits", mutate: each(func(rng *rand.Rand, a *answer) {
		for _, part := range [][]byte{a.msg.Data, a.msg.Header} {
			if len(part) > 0 {
				part[rng.IntN(len(part))] ^= 1 << rng.IntN(7)
			}
		}
	})},
	{name: "other types", mutate: body(func(rng *rand.Rand, data []byte) []byte {
		others := []string{`null`, `true`, `-1`, `"text"`, `[]`, `{}`, `[null,{}]`, `1e308`}
		return replaceSome(rng, data, func(any) any { return json.RawMessage(others[rng.IntN(len(others))]) })
	})},
	{name: "extreme numbers", mutate: body(func(rng *rand.Rand, data []byte) []byte {
		extremes := []string{`-1`, `0`, `9223372036854775807`, `18446744073709551615`, `1e400`, `2147483648`}
		return replaceSome(rng, data, func(v any) any {
			if _, ok := v.(json.Number); ok {
				return json.RawMessage(extremes[rng.IntN(len(extremes))])
			}
			return v
		})
	})},
	{name: "oversized", mutate: body(func(_ *rand.Rand, data []byte) []byte {
		return append([]byte(`{"description":"`+strings.Repeat("x", 4<<20)+`",`), data[1:]...)
	})},
	{name: "odd errors", broken: true, mutate: body(func(rng *rand.Rand, _ []byte) []byte {
		odd := []string{`{"error":{}}`, `{"error":{"code":-1,"description":"\u0000%s%n"}}`, `{"error":{"code":404,"err_code":65535}}`, `{"error":7}`, `{"error":{"code":503,"err_code":"x"}}`}
		return []byte(odd[rng.IntN(len(odd))])
	})},
	{name: "broken headers", mutate: each(func(rng *rand.Rand, a *answer) {
		blocks := []string{"NATS/1.0", "NATS/1.0\r\n", "NATS/9.9 \r\n\r\n", "\r\n\r\n", "NATS/1.0 4\r\n\r\n", "NATS/1.0\r\nno colon\r\n\r\n", "NATS/1.0\r\n: x\r\n\r\n"}
		a.msg.Header = []byte(blocks[rng.IntN(len(blocks))])
	})},
	{name: "odd acks", mutate: each(func(rng *rand.Rand, a *answer) {
		if !a.delivery {
			return
		}
		tokens := strings.Split(a.msg.Reply, ".")
		switch odd := []string{"", "-1", "18446744073709551616", "0", "x", "99999"}; rng.IntN(4) {
		case 0:
			tokens = tokens[:rng.IntN(len(tokens))+1]
		case 1:
			tokens = append(tokens, tokens...)
		default:
			tokens[3+rng.IntN(len(tokens)-3)] = odd[rng.IntN(len(odd))]
		}
		a.msg.Reply = strings.Join(tokens, ".")
	})},
	{name: "duplicated", mutate: func(_ *rand.Rand, _ jstest.RawMsg, list []answer) []answer {
		var out []answer
		for _, a := range list {
			out = append(out, a, a, a)
		}
		return append(out, list...)
	}},
	{name: "flood", mutate: func(_ *rand.Rand, req jstest.RawMsg, list []answer) []answer {
		out := list
		for i := range 1000 {
			flood := jstest.RawMsg{Subject: req.Reply, Header: []byte("NATS/1.0 100 Idle Heartbeat\r\n\r\n")}
			if i%2 == 0 {
				// Core takes what comes under another subject than that of the
				// request for the answer to whatever is requested just then.
				subject := req.Reply
				if strings.Contains(req.Subject, ".MSG.NEXT.") {
					subject = "s.x"
				}
				flood = jstest.RawMsg{Subject: subject, Reply: ackReply("S", "C", 100+i, 1<<40), Data: []byte("unasked for")}
			}
			out = append(out, answer{msg: flood})
		}
		return out
	}},
	{name: "never ending", mutate: body(func(_ *rand.Rand, data []byte) []byte {
		var fields map[string]json.RawMessage
		if json.Unmarshal(data, &fields) == nil {
			fields["total"] = json.RawMessage("1000000000")
			data, _ = json.Marshal(fields)
		}
		return data
	})},
}

// replaceSome replaces about one in four values of a JSON document.
func replaceSome(rng *rand.Rand, data []byte, with func(any) any) []byte {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		panic(fmt.Sprintf("%v: %q", err, data))
	}
	var walk func(v any) any
	walk = func(v any) any {
		if rng.IntN(4) == 0 {
			if other := with(v); other != nil {
				return other
			}
		}
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				v[k] = walk(v[k])
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		}
		return v
	}
	out, err := json.Marshal(walk(doc))
	if err != nil {
		panic(err)
	}
	return out
}
