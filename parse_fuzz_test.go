package jetstream

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	reference "github.com/nats-io/nats.go/jetstream"
)

// fzReply is what a body says according to the reference's types.
type fzReply struct {
	Error *reference.APIError `json:"error"`
	*reference.StreamInfo
}

// fzKind is a kind of response: how this package decodes it, and how
// encoding/json does into the types of the reference.
type fzKind struct {
	name  string
	own   func() (reply apiReply, payload func() any)
	other func() any
}

var fzKinds = []fzKind{
	{"stream info", func() (apiReply, func() any) {
		r := new(streamInfoResponse)
		return r, func() any { return r.StreamInfo }
	}, func() any { return new(*reference.StreamInfo) }},
	{"consumer info", func() (apiReply, func() any) {
		r := new(consumerInfoResponse)
		return r, func() any { return r.ConsumerInfo }
	}, func() any { return new(*reference.ConsumerInfo) }},
	{"account info", func() (apiReply, func() any) {
		r := new(accountInfoResponse)
		return r, func() any { return &r.AccountInfo }
	}, func() any { return new(*reference.AccountInfo) }},
	{"pause", func() (apiReply, func() any) {
		r := new(consumerPauseReply)
		return r, func() any { return &r.ConsumerPauseResponse }
	}, func() any { return new(*reference.ConsumerPauseResponse) }},
	{"reset", func() (apiReply, func() any) {
		r := new(consumerResetReply)
		return r, func() any { return &r.ConsumerResetResponse }
	}, func() any { return new(*reference.ConsumerResetResponse) }},
	{"publish", func() (apiReply, func() any) {
		r := new(pubAckResponse)
		return r, func() any { return &r.PubAck }
	}, func() any { return new(*reference.PubAck) }},
}

// fzNothing reports whether a payload is a nil pointer, which is what a reply
// without any of its fields leaves.
func fzNothing(payload any) bool {
	v := reflect.ValueOf(payload)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

func FuzzAPIReply(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"error":null}`, `{"error":{}}`, `{"error":{"code":404,"err_code":10059,"description":"stream not found"}}`,
		`{"error":"gone"}`, `{"error":{"code":"404"}}`, `{"error":{"err_code":65536}}`, `{"error":{"code":1},"config":7}`,
		`{"config":{"name":"S","retention":"workqueue","storage":"memory","sources":[null,{"name":"A"}]},"state":{"messages":3,"subjects":{"a":1}}}`,
		`{"config":{"retention":"unheard-of"}}`, `{"stream_name":"S","name":"C","config":{"ack_policy":"all","backoff":[1,-1]},"delivered":{"consumer_seq":18446744073709551615}}`,
		`{"memory":-1}`, `{"tiers":{"R1":{"limits":{"max_memory":1}}},"api":{"level":2}}`, `{"paused":true,"pause_until":"2024-01-01T00:00:00Z","pause_remaining":1}`,
		`{"reset_seq":7,"stream_name":"S"}`, `{"created":"yesterday"}`, `{"stream":"S","seq":1e3}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var carried fzReply
		// Only whether there is an error object matters, not whether the rest
		// is a stream's info.
		_ = json.Unmarshal(data, &carried)
		for _, kind := range fzKinds {
			reply, payload := kind.own()
			err := decodeReply(data, reply)
			var apiErr *APIError
			if errors.As(err, &apiErr) {
				if carried.Error == nil {
					t.Fatalf("%s: %q is taken for the error %v", kind.name, data, apiErr)
				}
				if want := carried.Error; apiErr.Code != want.Code || int(apiErr.ErrorCode) != int(want.ErrorCode) || apiErr.Description != want.Description {
					t.Fatalf("%s: %q is taken for the error %v, want %v", kind.name, data, apiErr, want)
				}
				continue
			}
			if carried.Error != nil && json.Valid(data) {
				t.Fatalf("%s: the error in %q is lost: %v", kind.name, data, err)
			}
			other := kind.other()
			otherErr := json.Unmarshal(data, other)
			if (err == nil) != (otherErr == nil) {
				// What is neither an object nor null is none of both, and a
				// malformed error only matters here.
				if err != nil && fzBadEnvelope(data) {
					continue
				}
				t.Fatalf("%s: %q decodes with %v, in the reference's type with %v", kind.name, data, err, otherErr)
			}
			if err != nil || fzNothing(payload()) {
				continue
			}
			fzSameJSON(t, kind.name, data, payload(), other)
		}
	})
}

// fzBadEnvelope reports whether what all replies have in common is malformed.
func fzBadEnvelope(data []byte) bool {
	var envelope struct {
		Error  *reference.APIError `json:"error"`
		Total  int                 `json:"total"`
		Offset int                 `json:"offset"`
		Limit  int                 `json:"limit"`
	}
	return json.Unmarshal(data, &envelope) != nil
}

// fzSameJSON fails the test unless two values encode alike.
func fzSameJSON(t *testing.T, what string, data []byte, own, other any) {
	t.Helper()
	a, errA := json.Marshal(own)
	b, errB := json.Marshal(other)
	if (errA == nil) != (errB == nil) {
		t.Fatalf("%s: %q encodes with %v, the reference's value with %v", what, data, errA, errB)
	}
	if string(b) == "null" {
		// The body is null, which leaves this package's value as it was.
		return
	}
	if !bytes.Equal(a, b) {
		t.Fatalf("%s: %q is read as\n%s, the reference's type reads\n%s", what, data, a, b)
	}
}

func FuzzStoredMsg(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `{"message":null}`, `{"message":{}}`, `{"message":{"subject":"s","seq":1,"data":"aGk=","time":"2024-01-01T00:00:00Z"}}`,
		`{"message":{"hdrs":"TkFUUy8xLjANCkE6IGINCg0K"}}`, `{"message":{"hdrs":"AAAA"}}`, `{"message":{"data":"!"}}`, `{"message":{"seq":-1}}`,
		`{"error":{"code":404,"err_code":10037,"description":"no message found"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		msg, err := decodeStoredMsg(data)
		// An independent reading: texts only, decoded by hand.
		var plain struct {
			Message *struct {
				Hdrs string `json:"hdrs"`
				Data string `json:"data"`
			} `json:"message"`
			Error json.RawMessage `json:"error"`
		}
		// Byte slices can also come as arrays of numbers; the oracle knows texts.
		if json.Unmarshal(data, &plain) != nil || len(plain.Error) > 0 {
			return
		}
		if plain.Message == nil {
			if !errors.Is(err, ErrInvalidJetStreamResponse) {
				t.Fatalf("%q: no message, but %v", data, err)
			}
			return
		}
		if err != nil {
			return
		}
		for _, part := range []struct {
			text string
			got  []byte
		}{{plain.Message.Hdrs, msg.Header}, {plain.Message.Data, msg.Data}} {
			if want, _ := base64.StdEncoding.DecodeString(part.text); !bytes.Equal(part.got, want) {
				t.Fatalf("%q: %q is read as %q", data, part.text, part.got)
			}
		}
	})
}

func FuzzObjectInfo(f *testing.F) {
	for _, seed := range []string{
		`{"name":"o","bucket":"B","nuid":"n","size":3,"chunks":1,"digest":"SHA-256=AAAA"}`, `{"name":"o","bucket":"B","nuid":"n","deleted":true}`,
		`{"name":"l","options":{"link":{"bucket":"B","name":"o"},"max_chunk_size":7}}`, `{"name":"l","bucket":"B","nuid":"n","options":{"link":{"bucket":"C"}}}`,
		`{"size":18446744073709551615,"chunks":4294967295}`, `{"size":-1}`, `{"name":"o","nuid":">"}`, `{"name":"o","nuid":"a.*"}`, `{"name":"o","nuid":"a b"}`, `{"name":"o","nuid":"a\r\nb"}`,
		`{"name":"o","bucket":"A.M.x"}`, `{"headers":{"a":["b"]},"metadata":{"a":"b"}}`, `null`, `[]`, ``, `{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := parseObjectInfo(data)
		var want reference.ObjectInfo
		wantErr := json.Unmarshal(data, &want)
		if err != nil {
			if err != ErrBadObjectMeta {
				t.Fatalf("%q: %v", data, err)
			}
			plain := strings.IndexFunc(want.NUID, func(r rune) bool { return r <= ' ' || strings.ContainsRune(".*>\x7f", r) }) < 0
			if wantErr == nil && plain && want.Name != "" && (want.Bucket == "" || validBucket(want.Bucket)) {
				t.Fatalf("%q is refused", data)
			}
			return
		}
		if wantErr != nil {
			t.Fatalf("%q is read as %+v: %v", data, info, wantErr)
		}
		fzSameJSON(t, "object", data, info, &want)
		if strings.ContainsAny(info.NUID, ".*> \t\r\n") {
			t.Fatalf("%q: chunks under %q would be those of others", data, info.NUID)
		}
		if info.Bucket != "" && !validBucket(info.Bucket) {
			t.Fatalf("%q: is of a store named %q", data, info.Bucket)
		}
	})
}

func FuzzObjectDigest(f *testing.F) {
	for _, seed := range []string{"", "=", "SHA-256=", "SHA-256=AAAA", "SHA-256=-_==", "SHA-256=+/==", "x=A", "SHA-512=AAAA", "SHA-256=\nAAAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, digest string) {
		sum, err := DecodeObjectDigest(digest)
		want, wantErr := reference.DecodeObjectDigest(digest)
		if (err == nil) != (wantErr == nil) || !bytes.Equal(sum, want) {
			t.Fatalf("%q: %x, %v; the reference says %x, %v", digest, sum, err, want, wantErr)
		}
		if err != nil && errors.Is(err, ErrInvalidDigestFormat) == strings.Contains(digest, "=") {
			t.Fatalf("%q: %v", digest, err)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{
		"$JS.ACK.S.C.1.2.3.4.5", "$JS.ACK._.hash.S.C.1.2.3.4.5", "$JS.ACK.hub.hash.S.C.1.2.3.4.5.rnd", "$JS.ACK.S.C.1.2.3.4",
		"$JS.ACK.S.C.x.2.3.4.5", "$JS.ACK.....1.2.3.4.5", "$JS.FC.S.C.1.2.3.4.5", "$JS.ACK.S.C.1.2.3.9223372036854775807.5",
	} {
		f.Add(seed)
	}
	sub := new(nats.Subscription)
	f.Fuzz(func(t *testing.T, reply string) {
		m := &nats.Msg{Reply: reply, Sub: sub}
		got, err := (&jetStreamMsg{msg: m}).Metadata()
		want, wantErr := m.Metadata()
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, core says %v", reply, err, wantErr)
		}
		if err != nil {
			return
		}
		for i, token := range strings.Split(reply, ".") {
			// Core says nothing certain of what is no number, or is none that
			// fits.
			if _, err := strconv.ParseInt(token, 10, 64); i >= 4 && err != nil {
				return
			}
			if strings.ContainsAny(token, "+-_") {
				return
			}
		}
		if got.Stream != want.Stream || got.Consumer != want.Consumer || got.Domain != want.Domain ||
			got.NumDelivered != want.NumDelivered || got.NumPending != want.NumPending || !got.Timestamp.Equal(want.Timestamp) ||
			got.Sequence.Stream != want.Sequence.Stream || got.Sequence.Consumer != want.Sequence.Consumer {
			t.Fatalf("%q: %+v, core says %+v", reply, got, want)
		}
	})
}

// FuzzControl checks that what users publish is never taken for a status, under
// whatever headers, and what the server sends always is.
func FuzzControl(f *testing.F) {
	for _, line := range []string{"", " 100 Idle Heartbeat", " 100 FlowControl Request", " 409 Consumer Deleted"} {
		f.Add([]byte("NATS/1.0"+line+"\r\nNats-Consumer-Stalled: $JS.FC.S.C.x\r\n\r\n"), []byte(""), "")
		f.Add([]byte("NATS/1.0"+line+"\r\n\r\n"), []byte("x"), "$JS.ACK.S.C.1.2.3.4.5")
		f.Add([]byte("NATS/1.0"+line+"\r\n\r\n"), []byte(""), "$JS.FC.S.C.x")
	}
	f.Add([]byte("NATS/1.0\r\nStatus: 409\r\n\r\n"), []byte(""), "$JS.ACK.S.C.1.2.3.4.5")
	f.Fuzz(func(t *testing.T, block, data []byte, reply string) {
		header, err := nats.DecodeHeadersMsg(block)
		if err != nil {
			return
		}
		m := &nats.Msg{Header: header, Data: data, Reply: reply}
		fromStream := strings.HasPrefix(reply, "$JS.ACK.")
		status := len(header["Status"]) > 0 && header["Status"][0] != ""
		if pull := isControl(m); pull != (status && reply == "" && len(data) == 0) {
			t.Fatalf("pull: %q with %q and reply %q is control: %v", block, data, reply, pull)
		}
		if push := isPushControl(m); push != (status && !fromStream && len(data) == 0) {
			t.Fatalf("push: %q with %q and reply %q is control: %v", block, data, reply, push)
		}
	})
}

func FuzzKVOperation(f *testing.F) {
	for _, lines := range []string{
		"", "KV-Operation: DEL\r\n", "KV-Operation: PURGE\r\n", "KV-Operation: PUT\r\n", "KV-Operation: \r\nNats-Marker-Reason: MaxAge\r\n",
		"Nats-Marker-Reason: Purge\r\n", "Nats-Marker-Reason: Remove\r\n", "kv-operation: DEL\r\n", "KV-Operation: DEL\r\nKV-Operation: PURGE\r\n",
	} {
		f.Add([]byte("NATS/1.0\r\n" + lines + "\r\n"))
	}
	table := map[[2]string]KeyValueOp{
		{"", "MaxAge"}: KeyValuePurge, {"", "Purge"}: KeyValuePurge, {"", "Remove"}: KeyValueDelete,
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		header, err := nats.DecodeHeadersMsg(block)
		if err != nil {
			return
		}
		op, reason := header.Get("KV-Operation"), header.Get("Nats-Marker-Reason")
		want := table[[2]string{op, reason}]
		switch op {
		case "DEL":
			want = KeyValueDelete
		case "PURGE":
			want = KeyValuePurge
		}
		if got := kvOperation(header); got != want {
			t.Fatalf("%q is a %v, want a %v", block, got, want)
		}
	})
}

func FuzzActualRevision(f *testing.F) {
	for _, text := range []string{"wrong last sequence: 7", "wrong last sequence", ": ", ": -1", ": 7 ", "a: 1: 2", ": 18446744073709551616"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		seq, known := actualRevision(&APIError{Code: 400, ErrorCode: JSErrCodeStreamWrongLastSequence, Description: text})
		if !known {
			if strings.HasPrefix(text, "wrong last sequence: ") && fzIsUint(strings.TrimPrefix(text, "wrong last sequence: ")) {
				t.Fatalf("%q has a number", text)
			}
			return
		}
		if number := text[strings.Index(text, ": ")+2:]; strings.TrimLeft(number, "0") != strings.TrimLeft(strconv.FormatUint(seq, 10), "0") {
			t.Fatalf("%q is read as %d", text, seq)
		}
	})
}

// fzIsUint reports whether s is the usual form of a number of 64 bits.
func fzIsUint(s string) bool {
	n, err := strconv.ParseUint(s, 10, 64)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// FuzzLearnLimit checks that whatever a server says of a limit, the limits only
// become smaller and stay such that something can be requested.
func FuzzLearnLimit(f *testing.F) {
	for _, text := range []string{
		"Exceeded MaxRequestBatch of 10", "Exceeded MaxRequestMaxBytes of 1", "Exceeded MaxRequestExpires of 1s", "Exceeded MaxRequestBatch of 0",
		"Exceeded MaxRequestBatch of -5", "Exceeded MaxRequestExpires of -1ns", "Exceeded MaxRequestBatch of 99999999999999999999", "Exceeded MaxWaiting", " of ",
	} {
		f.Add(text, 0, 0, int64(0))
		f.Add(text, 100, 1000, int64(time.Minute))
	}
	f.Fuzz(func(t *testing.T, text string, batch, bytes int, expires int64) {
		e := &pullEngine{}
		e.cfg.limitBatch, e.cfg.limitBytes, e.cfg.limitExpires = max(batch, 0), max(bytes, 0), max(time.Duration(expires), 0)
		before := e.cfg
		learnt := e.learnLimit(text)
		changed := 0
		for _, limit := range [][2]int64{
			{int64(before.limitBatch), int64(e.cfg.limitBatch)},
			{int64(before.limitBytes), int64(e.cfg.limitBytes)},
			{int64(before.limitExpires), int64(e.cfg.limitExpires)},
		} {
			if limit[0] == limit[1] {
				continue
			}
			changed++
			if limit[1] <= 0 || (limit[0] > 0 && limit[1] > limit[0]) {
				t.Fatalf("%q makes a limit of %d one of %d", text, limit[0], limit[1])
			}
		}
		if learnt != (changed == 1) {
			t.Fatalf("%q: learnt %v, %d limits changed", text, learnt, changed)
		}
	})
}

func FuzzPullID(f *testing.F) {
	const inbox = "_INBOX.abc."
	for _, subject := range []string{"", inbox, inbox + "1", inbox + "0", inbox + "-1", inbox + "1.2", "_INBOX.abd.1", inbox + "18446744073709551616"} {
		f.Add(subject)
	}
	s := &pullSubscription{inbox: inbox}
	f.Fuzz(func(t *testing.T, subject string) {
		id := s.pullID(subject)
		if id == 0 {
			if token, ok := strings.CutPrefix(subject, inbox); ok && token != "0" && fzIsUint(token) {
				t.Fatalf("%q is not recognized", subject)
			}
			return
		}
		if token := strings.TrimPrefix(subject, inbox); strings.TrimLeft(token, "0") != strconv.FormatUint(id, 10) {
			t.Fatalf("%q is read as %d", subject, id)
		}
	})
}

// FuzzListing feeds the pages of a listing from bytes of the network: it must
// end, deliver no nil, and say so if it made no progress.
func FuzzListing(f *testing.F) {
	for _, seed := range []string{
		`{"total":0}`, `{"total":2,"streams":[{"config":{"name":"A"}},{"config":{"name":"B"}}]}`, `{"total":2,"streams":[null,null]}`, `{"total":9,"streams":[]}`,
		`{"total":-1,"streams":[null]}`, `{"total":3,"streams":[{"config":{"name":"A"}}],"missing":["B","B","A"]}`, `{"total":1e3,"streams":[{}]}`, `{"total":9223372036854775807,"streams":[{}],"missing":["x"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 50
		items := 0
		var pages atomic.Int64 // some are fetched in advance
		l := &lister[*StreamInfo]{items: make(chan *StreamInfo)}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done := make(chan error, 1)
		list := pagedList[*StreamInfo]{
			name: func(info *StreamInfo) string { return info.Config.Name },
			fetch: func(context.Context, int) (listPage[*StreamInfo], error) {
				if pages.Add(1) > most {
					return listPage[*StreamInfo]{}, errors.New("enough")
				}
				var resp streamListResponse
				if err := decodeReply(data, &resp); err != nil {
					return listPage[*StreamInfo]{}, err
				}
				listed, named := len(resp.Streams), len(resp.Missing)
				page := infoPage(resp.Streams, func(i *StreamInfo) string { return i.Config.Name }, resp.Missing, resp.Total, resp.Limit)
				if page.span < listed || page.span > listed+named || slices.Contains(page.items, nil) {
					t.Errorf("%q: a page of %d entries and %d missing ones spans %d", data, listed, named, page.span)
				}
				return page, nil
			},
		}
		go func() {
			done <- l.run(ctx, time.Minute, list.each)
			close(l.items)
		}()
		for info := range l.items {
			if items++; info == nil {
				t.Errorf("%q: nil is listed", data)
			}
		}
		err := <-done
		var resp streamListResponse
		if decodeReply(data, &resp) != nil && (err == nil || pages.Load() != 1 || items > 0) {
			t.Fatalf("%q: %d pages, %d items, %v", data, pages.Load(), items, err)
		}
		if pages.Load() > 1 && len(resp.Streams) == 0 && len(resp.Missing) == 0 {
			t.Fatalf("%q: %d pages of nothing", data, pages.Load())
		}
	})
}
