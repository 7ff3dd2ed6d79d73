package jetstream

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

const (
	ackShortReply = "$JS.ACK.ORDERS.worker.3.42.57.1700000000123456789.12"
	ackLongReply  = "$JS.ACK.hub.ACCHASH.ORDERS.worker.3.42.57.1700000000123456789.12.rnd"
)

// ackFields is everything an ack reply subject says.
type ackFields struct {
	domain, account, stream, consumer                 string
	delivered, streamSeq, consSeq, timestamp, pending uint64
}

func ackFieldsOf(r *ackReply) ackFields {
	return ackFields{
		domain: r.domain(), account: r.token(ackAccount),
		stream: r.token(ackStream), consumer: r.token(ackConsumer),
		delivered: r.number(ackDelivered), streamSeq: r.streamSequence(), consSeq: r.consumerSequence(),
		timestamp: r.number(ackTimestamp), pending: r.number(ackPending),
	}
}

func TestParseAckReplyUnderstandsBothLayouts(t *testing.T) {
	t.Parallel()
	short := ackFields{
		stream: "ORDERS", consumer: "worker",
		delivered: 3, streamSeq: 42, consSeq: 57, timestamp: 1700000000123456789, pending: 12,
	}
	long := short
	long.domain, long.account = "hub", "ACCHASH"
	noDomain := long
	noDomain.domain = ""
	zero := ackFields{stream: "S", consumer: "C"}
	largest := zero
	largest.streamSeq = math.MaxUint64
	for _, tc := range []struct {
		name, subject string
		want          ackFields
	}{
		{"original", ackShortReply, short},
		{"with domain", ackLongReply, long},
		{"with domain and nothing random", strings.TrimSuffix(ackLongReply, ".rnd"), long},
		{"with more tokens than are known", ackLongReply + ".a.b.c", long},
		{"underscore for no domain", strings.Replace(ackLongReply, ".hub.", "._.", 1), noDomain},
		{"empty token for no domain", strings.Replace(ackLongReply, ".hub.", "..", 1), noDomain},
		{"largest number", "$JS.ACK.S.C.0.18446744073709551615.0.0.0", largest},
		{"letters in numbers", "$JS.ACK.S.C.x.1x.x1.0x1.1e3", zero},
		{"signs in numbers", "$JS.ACK.S.C.-1.+1. 1.1_0.1/", zero},
		{"characters beside the digits", "$JS.ACK.S.C./.:.\x00.\xff.é", zero},
		{"empty numbers", "$JS.ACK.S.C.....", zero},
		{"all empty", "$JS.ACK.......", ackFields{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reply, err := parseAckReply(tc.subject)
			if err != nil {
				t.Fatal(err)
			}
			if got := ackFieldsOf(&reply); got != tc.want {
				t.Errorf("%+v\nwant %+v", got, tc.want)
			}
		})
	}
}

func TestParseAckReplyRefusesOtherSubjects(t *testing.T) {
	t.Parallel()
	const (
		format = "nats: not a jetstream message: invalid format of ACK subject"
		prefix = "nats: not a jetstream message: invalid format of ACK subject: subject should start with $JS.ACK"
	)
	for _, tc := range []struct{ name, subject, want string }{
		{"empty", "", format},
		{"inbox", "_INBOX.abc.def", format},
		{"prefix alone", "$JS.ACK.", format},
		{"eight tokens", "$JS.ACK.S.C.1.2.3.4", format},
		{"ten tokens", "$JS.ACK.S.C.1.2.3.4.5.6", format},
		{"eight tokens of another subject", "a.b.c.d.e.f.g.h", format},
		{"ten tokens of another subject", "a.b.c.d.e.f.g.h.i.j", format},
		{"nine tokens of another subject", "a.b.c.d.e.f.g.h.i", prefix},
		{"eleven tokens of another subject", "a.b.c.d.e.f.g.h.i.j.k", prefix},
		{"twelve tokens of another subject", "a.b.c.d.e.f.g.h.i.j.k.l", prefix},
		{"lower case", "$js.ack.S.C.1.2.3.4.5", prefix},
		{"longer second token", "$JS.ACKS.S.C.1.2.3.4.5", prefix},
		{"only dots", "........", prefix},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseAckReply(tc.subject)
			if err == nil || err.Error() != tc.want {
				t.Fatalf("error %q, want %q", err, tc.want)
			}
			if !errors.Is(err, ErrNotJSMessage) {
				t.Error("does not wrap ErrNotJSMessage")
			}
		})
	}
}

func TestParseAckReplyInSeries(t *testing.T) {
	t.Parallel()
	const head, longHead = "$JS.ACK.S.C.", "$JS.ACK.D.A.S.C."
	ackFuzzSeries(t,
		head+"1.2.3.4.5", head+"1.3.4.5.0", // one message after the other
		head+"1.2.3.4", head+"1.2.3.4.5", // too short
		head+"1.2.3.4.5.6", head+"1.2.3.4.5", // too long
		head+"1.2.3.4.5.6.7", head+"1.2.3.4.5", // of the other layout, with the same beginning
		longHead+"1.2.3.4.5", longHead+"1.2.3.4.5.rnd", longHead+"1.2.3.4.6", longHead+"1.2.3.4",
		head+"1.8.98.4.5", head+"1.9.99.4.4", head+"1.10.100.4.3", head+"1.11.101.4.2", // one more digit
		head+"1.13.102.4.1", head+"1.12.103.4.0", head+"1.13.104.4.0", head+"1.13.104.4.0", // gaps and repetitions
		head+"2.14.105.4.0", head+"1.15.106.4", head+"1.16.107.4.1", head+"1.17.108.4.1", head+"1.18.109.4", // redelivered, cut off
		head+"1.19.110.4.1", head+"1.20.111.4.1", head+"1.21.112.x.x", head+"1.22.113.", head+"1.22.113.4.1.7",
		longHead+"1.8.8.4.5", longHead+"1.9.9.4.4", longHead+"1.10.10.4.3.r", longHead+"1.11.11.4.2",
		head+"1.18446744073709551614.1.4.5", head+"1.18446744073709551615.2.4.5", head+"1.0.3.4.5", head+"1.1.4.4.5",
		head+"x.2.3.4.5", head, "$JS.ACK.S.D.1.2.3.4.5", "$JS.ACK.S.D.E.1.2.3.4.5", "", head+"1.2.3.4.5",
	)
}

// Not parallel, since allocations of other tests would be counted.
func TestParseAckReplyDoesNotAllocate(t *testing.T) {
	var sum uint64
	for _, subject := range []string{ackShortReply, ackLongReply} {
		allocs := testing.AllocsPerRun(100, func() {
			reply, err := parseAckReply(subject)
			if err != nil {
				t.Fatal(err)
			}
			fields := ackFieldsOf(&reply)
			sum += fields.streamSeq + uint64(len(fields.stream))
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", subject, allocs)
		}
	}
	if sum == 0 {
		t.Error("nothing parsed")
	}
}

func FuzzParseAckReply(f *testing.F) {
	for _, seed := range []string{ackShortReply, ackLongReply, "", "$JS.ACK.", "$JS.ACK.......", "........", "$JS.ACK.S.C.1.2.3.4.5.6"} {
		f.Add(seed, uint64(0))
	}
	f.Add("S.C", uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, text string, n uint64) {
		ackFuzzAny(t, text)
		ackFuzzRoundTrip(t, text, n)
		// The same beginnings, with more and less behind them.
		ackFuzzSeries(t, ackShortReply, text, ackShortReply+text, ackShortReply, ackLongReply+text, text+".1.2.3.4.5", text+".6.7.8.9", text)
	})
}

// ackFuzzAny checks what holds for every subject.
func ackFuzzAny(t *testing.T, subject string) {
	t.Helper()
	tokens := strings.Split(subject, ".")
	valid := strings.HasPrefix(subject, "$JS.ACK.") && (len(tokens) == 9 || len(tokens) >= 11)
	reply, err := parseAckReply(subject)
	if (err == nil) != valid {
		t.Fatalf("%q: %v", subject, err)
	}
	if err != nil {
		if !errors.Is(err, ErrNotJSMessage) {
			t.Fatalf("%q: %v does not wrap ErrNotJSMessage", subject, err)
		}
		return
	}
	if len(tokens) == 9 {
		tokens = append([]string{"$JS", "ACK", "", ""}, tokens[2:]...)
	}
	for i := ackDomain; i < ackDelivered; i++ {
		if got := reply.token(i); got != tokens[i] {
			t.Fatalf("%q: token %d is %q, want %q", subject, i, got, tokens[i])
		}
	}
	for i := ackDelivered; i < ackTokens; i++ {
		want, err := strconv.ParseUint(tokens[i], 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			continue // what comes out is not specified
		}
		if got := reply.number(i); got != want {
			t.Fatalf("%q: number %d is %d, want %d", subject, i, got, want)
		}
	}
}

// ackFuzzSeries checks that what was parsed before makes no difference.
func ackFuzzSeries(t *testing.T, subjects ...string) {
	t.Helper()
	var reply ackReply
	for _, subject := range subjects {
		alone, aloneErr := parseAckReply(subject)
		err := reply.parse(subject)
		if (err == nil) != (aloneErr == nil) || ackFieldsOf(&reply) != ackFieldsOf(&alone) {
			t.Fatalf("%q in %q: %+v, %v; alone: %+v, %v",
				subject, subjects, ackFieldsOf(&reply), err, ackFieldsOf(&alone), aloneErr)
		}
	}
}

// ackFuzzRoundTrip checks that what goes into a reply subject comes out again.
func ackFuzzRoundTrip(t *testing.T, name string, n uint64) {
	t.Helper()
	name = strings.ReplaceAll(name, ".", "")
	want := ackFields{
		stream: name + "1", consumer: name + "2",
		delivered: n, streamSeq: n + 1, consSeq: n + 2, timestamp: n + 3, pending: n + 4,
	}
	tail := fmt.Sprintf("%s.%s.%d.%d.%d.%d.%d", want.stream, want.consumer,
		want.delivered, want.streamSeq, want.consSeq, want.timestamp, want.pending)
	for _, head := range []ackFields{{}, {domain: name + "d", account: name + "a"}} {
		subject := "$JS.ACK." + tail
		if head.account != "" {
			subject = "$JS.ACK." + head.domain + "." + head.account + "." + tail
		}
		want.domain, want.account = head.domain, head.account
		reply, err := parseAckReply(subject)
		if err != nil {
			t.Fatalf("%q: %v", subject, err)
		}
		if got := ackFieldsOf(&reply); got != want {
			t.Fatalf("%q: %+v, want %+v", subject, got, want)
		}
	}
}
