package jetstream

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestOptionsSetTheirHeadersAndNoOthers(t *testing.T) {
	t.Parallel()
	many := []PublishOpt{
		WithMsgID("id"), WithExpectStream("S"), WithExpectLastMsgID("last"), WithExpectLastSequence(7),
		WithExpectLastSequenceForSubject(8, "foo"), WithMsgTTL(time.Minute),
	}
	all := nats.Header{
		MsgIDHeader: {"id"}, ExpectedStreamHeader: {"S"}, ExpectedLastMsgIDHeader: {"last"}, ExpectedLastSeqHeader: {"7"},
		ExpectedLastSubjSeqHeader: {"8"}, ExpectedLastSubjSeqSubjHeader: {"foo"}, MsgTTLHeader: {"1m0s"},
	}
	for _, tt := range []struct {
		name         string
		before, want nats.Header
		opts         []PublishOpt
	}{
		{"none", nil, nil, nil},
		{"none, empty", nil, nil, []PublishOpt{}},
		{"one without a header", nil, nats.Header{}, []PublishOpt{WithRetryAttempts(1)}},
		{"more than are kept together", nil, all, many},
		{"the last one counts", nil, nats.Header{MsgIDHeader: {"b"}}, []PublishOpt{WithMsgID("a"), WithMsgID("b")}},
		{"taken back", nil, nats.Header{}, []PublishOpt{WithMsgID("a"), WithMsgID("")}},
		{
			"replaces the header of the message",
			nats.Header{MsgIDHeader: {"x", "y"}, "Own": {"1", "2"}},
			nats.Header{MsgIDHeader: {"a"}, "Own": {"1", "2"}},
			[]PublishOpt{WithMsgID("a")},
		},
	} {
		// The second time, the options are those that the first one has released.
		for range 2 {
			o, err := collectPubOpts(tt.opts)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			m := &nats.Msg{}
			for name, values := range tt.before {
				if m.Header == nil {
					m.Header = nats.Header{}
				}
				m.Header[name] = values
			}
			o.setHeader(m)
			o.release()
			if !reflect.DeepEqual(m.Header, tt.want) {
				t.Errorf("%s: got %#v, want %#v", tt.name, m.Header, tt.want)
			}
		}
	}
}

func TestHeadersOfOptionsDoNotGrowIntoOneAnother(t *testing.T) {
	t.Parallel()
	o, err := collectPubOpts([]PublishOpt{WithMsgID("id"), WithExpectStream("S")})
	if err != nil {
		t.Fatal(err)
	}
	m := &nats.Msg{}
	o.setHeader(m)
	o.release()
	m.Header.Add(MsgIDHeader, "more")
	if got := m.Header.Values(ExpectedStreamHeader); !reflect.DeepEqual(got, []string{"S"}) {
		t.Errorf("got %q", got)
	}
}

func TestRefusedOptionLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for range 100 {
		if o, err := collectPubOpts([]PublishOpt{WithMsgID("id"), WithStallWait(time.Hour), WithRetryWait(0)}); o != nil || !errors.Is(err, ErrInvalidOption) {
			t.Fatalf("got %+v, %v", o, err)
		}
		o, err := collectPubOpts([]PublishOpt{WithRetryAttempts(5)})
		if err != nil || len(o.header) != 0 || o.stallWait != 0 || o.retryWait != DefaultPubRetryWait || o.retryAttempts != 5 {
			t.Fatalf("got %+v, %v", o, err)
		}
		o.release()
	}
	if want := (pubOpts{retryWait: DefaultPubRetryWait, retryAttempts: DefaultPubRetryAttempts}); !reflect.DeepEqual(defaultPubOpts, want) {
		t.Errorf("the defaults have become %+v", defaultPubOpts)
	}
}
