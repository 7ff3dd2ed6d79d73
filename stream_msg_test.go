package jetstream

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/jstest"
)

const storedMsgStart = `{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","message":{"subject":"foo","seq":7`

// TestScanStoredMsgKnowsServer asks a server and sees that the replies take the
// way without encoding/json.
func TestScanStoredMsgKnowsServer(t *testing.T) {
	t.Parallel()
	nc := jstest.Connect(t, jstest.StartServer(t))
	js, err := New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), StreamConfig{Name: "S", Subjects: []string{"foo.>"}, Storage: MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*nats.Msg{
		{Subject: "foo.a", Data: []byte("data")},
		{Subject: "foo.a"},
		{Subject: "foo.a", Data: []byte{0, 0xff}, Header: nats.Header{"A": {"b", "c"}}},
	} {
		ack, err := js.PublishMsg(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := nc.RequestWithContext(t.Context(), "$JS.API.STREAM.MSG.GET.S", seqBody(ack.Sequence))
		if err != nil {
			t.Fatal(err)
		}
		got, ok := scanStoredMsg(resp.Data)
		if !ok {
			t.Errorf("not understood: %s", resp.Data)
			continue
		}
		if want, err := decodeStoredMsg(resp.Data); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, encoding/json reads %+v, %v", resp.Data, got, want, err)
		}
		if got.Subject != m.Subject || got.Seq != ack.Sequence || string(got.Data) != string(m.Data) {
			t.Errorf("got %+v for %+v", got, m)
		}
	}
}

func TestScanStoredMsgLeavesTheRest(t *testing.T) {
	t.Parallel()
	for _, rest := range []string{
		`,"time":"2026-01-02T15:04:05Z"}`,
		`,"time":"2026-01-02T15:04:05Z"}}}`,
		`,"time":"2026-01-02"}}`,
		`,"Time":"2026-01-02T15:04:05Z"}}`,
		`,"data":"?"}}`,
		`,"data":"YQ"}}`,
		`,"data":"YQ==}}`,
		`,"data":"YQ\u003d="}}`,
		",\"data\":\"YQ=\n=\"}}",
		`,"data":null}}`,
		`,"data":[97]}}`,
		`},"error":{"code":404}}`,
		`},"message":null}`,
	} {
		if msg, ok := scanStoredMsg([]byte(storedMsgStart + rest)); ok {
			t.Errorf("%s is read as %+v", rest, msg)
		}
	}
	for _, reply := range []string{``, `{}`, `null`, `{"error":null}`} {
		if msg, ok := scanStoredMsg([]byte(reply)); ok {
			t.Errorf("%s is read as %+v", reply, msg)
		}
	}
}

func FuzzScanStoredMsg(f *testing.F) {
	for _, rest := range []string{
		`,"time":"2026-01-02T15:04:05Z"}}`,
		`,"data":"YQ==","time":"2026-01-02T15:04:05.678Z"}}`,
		`,"hdrs":"TkFUUy8xLjANCg0K","data":"","time":"2026-01-02T15:04:05+01:00"}}`,
		`,"data":"YR==","time":"2026-01-02T15:04:05.678,5Z"}}`,
		`,"data":"YQ==","data":"","more":[1,"x"]},"message":{"subject":"a\u003cb"}} `,
		",\"data\":\"YQ\r\n==\"}}",
	} {
		f.Add([]byte(storedMsgStart + rest))
	}
	f.Add([]byte(`{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","error":{"code":404,"err_code":10037,"description":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := scanStoredMsg(data)
		if !ok {
			return
		}
		var want msgGetResponse
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("accepted %q, which is invalid: %v", data, err)
		}
		if want.Error != nil || !reflect.DeepEqual(&got, want.Message) {
			t.Fatalf("%q is read as %+v, encoding/json reads %+v", data, got, want.Message)
		}
	})
}

func FuzzDirectMsg(f *testing.F) {
	located := "NATS/1.0\r\nNats-Stream: S\r\nNats-Sequence: 7\r\nNats-Time-Stamp: 2024-01-01T00:00:00Z\r\nNats-Subject: foo\r\n\r\n"
	for _, headers := range []string{
		"NATS/1.0\r\n\r\n", "NATS/1.0 404 Message Not Found\r\n\r\n", "NATS/1.0 408\r\n\r\n", located,
		"NATS/1.0\r\nNats-Stream: S\r\nNats-Sequence: -1\r\n\r\n",
	} {
		f.Add([]byte(headers), []byte("data"))
		f.Add([]byte(headers), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, headers, data []byte) {
		hdr, err := nats.DecodeHeadersMsg(headers)
		if err != nil {
			return
		}
		msg, err := directMsg(&nats.Msg{Header: hdr, Data: data})
		if err != nil && err.Error() == "" {
			t.Fatal("error without a text")
		}
		if err == nil && (msg.Subject == "" || hdr.Get("Nats-Stream") == "") {
			t.Fatalf("message of nowhere: %+v", msg)
		}
	})
}
