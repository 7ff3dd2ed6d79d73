package jetstream

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestParsePubAck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		data string
		want PubAck
		fast bool
		err  error
	}{
		{data: `{"stream":"foo","seq":1}`, want: PubAck{Stream: "foo", Sequence: 1}, fast: true},
		{data: `{"stream":"foo","domain":"D","seq":12}`, want: PubAck{Stream: "foo", Domain: "D", Sequence: 12}, fast: true},
		{data: `{"stream":"foo","seq":1,"duplicate": true}`, want: PubAck{Stream: "foo", Sequence: 1, Duplicate: true}, fast: true},
		{data: `{"stream":"foo","seq":1,"duplicate":true}`, want: PubAck{Stream: "foo", Sequence: 1, Duplicate: true}, fast: true},
		{data: `{"stream":"foo","seq":1,"val":"-5"}`, want: PubAck{Stream: "foo", Sequence: 1, Value: "-5"}, fast: true},
		{data: `{"stream":"foo","seq":18446744073709551615}`, want: PubAck{Stream: "foo", Sequence: 1<<64 - 1}, fast: true},
		{data: `{"stream":"a\"b","seq":1}`, want: PubAck{Stream: `a"b`, Sequence: 1}},
		{data: `{"stream":"ä","seq":1}`, want: PubAck{Stream: "ä", Sequence: 1}},
		{data: `{"type":"x","stream": "foo", "seq": 1, "batch":"b","count":3}`, want: PubAck{Stream: "foo", Sequence: 1}},
		{data: `{"seq":1,"stream":"foo"}`, want: PubAck{Stream: "foo", Sequence: 1}},
		{data: `{"stream":"foo","seq":18446744073709551616}`, err: ErrInvalidJSAck},
		{data: `{"stream":"foo","seq":01}`, err: ErrInvalidJSAck},
		{data: `{"stream":"foo","seq":1}}`, err: ErrInvalidJSAck},
		{data: `{"stream":"","seq":1}`, err: ErrInvalidJSAck},
		{data: `{"seq":1}`, err: ErrInvalidJSAck},
		{data: `{"stream":"foo`, err: ErrInvalidJSAck},
		{data: `null`, err: ErrInvalidJSAck},
		{data: ``, err: ErrInvalidJSAck},
		{data: `+ACK`, err: ErrInvalidJSAck},
		{data: `{"error":{"code":400,"err_code":10054,"description":"too big"},"stream":"foo","seq":0}`, err: ErrStreamMessageExceedsMaximum},
	}
	for _, test := range tests {
		if _, fast := scanPubAck([]byte(test.data), nil); fast != test.fast {
			t.Errorf("%s: scanned %v", test.data, fast)
		}
		got, err := parsePubAck([]byte(test.data), nil)
		if !errors.Is(err, test.err) {
			t.Errorf("%s: error %v, want %v", test.data, err, test.err)
			continue
		}
		if test.err == nil && *got.pubAck() != test.want {
			t.Errorf("%s: got %+v", test.data, *got.pubAck())
		}
	}
}

func TestParsePubAckReturnsErrorOfServer(t *testing.T) {
	t.Parallel()
	_, err := parsePubAck([]byte(`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 2"},"stream":"foo","seq":0}`), nil)
	if want := (APIError{Code: 400, ErrorCode: 10071, Description: "wrong last sequence: 2"}); *err.(*APIError) != want {
		t.Errorf("got %+v", err)
	}
}

func TestParsePubAckSharesOrigin(t *testing.T) {
	data := []byte(`{"stream":"foo","domain":"D","seq":7}`)
	first, err := parsePubAck(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if v, err := parsePubAck(data, first.origin); err != nil || v.origin != first.origin {
			t.Error("origin is not shared")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for _, other := range []string{`{"stream":"foo","seq":7}`, `{"stream":"fo","domain":"D","seq":7}`, `{"stream":"foo","domain":"D","seq":7,"val":"1"}`} {
		if v, err := parsePubAck([]byte(other), first.origin); err != nil || v.origin == first.origin {
			t.Errorf("%s: takes the origin of another, %v", other, err)
		}
	}
}

func FuzzParsePubAck(f *testing.F) {
	for _, seed := range []string{
		`{"stream":"foo","seq":1}`,
		`{"stream":"foo","domain":"hub","seq":1,"duplicate": true}`,
		`{"stream":"foo","seq":1,"val":"12"}`,
		`{"stream":"foo","seq":1,"batch":"x","count":2}`,
		`{"error":{"code":400,"err_code":10071,"description":"x"},"stream":"foo","seq":0}`,
		`{"stream":"\u0041","seq":00}`, `[]`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	last := &ackOrigin{stream: "foo"}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = parsePubAck(data, last)
		got, ok := scanPubAck(data, last)
		if !ok {
			return
		}
		var want pubAckResponse
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("accepted %q, which is invalid: %v", data, err)
		}
		if want.Error != nil || *got.pubAck() != want.PubAck {
			t.Fatalf("%q is read as %+v, encoding/json reads %+v", data, *got.pubAck(), want)
		}
	})
}
