package jetstream

import (
	"testing"

	"github.com/nats-io/nats.go"
)

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
		if (msg == nil) == (err == nil) {
			t.Fatalf("message %v and error %v", msg, err)
		}
		if err != nil && err.Error() == "" {
			t.Fatal("error without a text")
		}
		if msg != nil && (msg.Subject == "" || hdr.Get("Nats-Stream") == "") {
			t.Fatalf("message of nowhere: %+v", msg)
		}
	})
}
