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
	for i := ackDomain; i < ackTokens; i++ {
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
