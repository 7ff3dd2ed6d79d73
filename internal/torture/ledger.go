package torture

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// entry is a message as the server has it.
type entry struct {
	seq     uint64
	at      time.Time // when it was stored
	subject string
	id      string // message id
	size    int
	intact  bool   // the payload is that of the id
	op      string // of a key-value entry
	data    []byte // if it was asked for
}

// readStream reads what a stream holds, with the core client alone, so that it
// does not depend on what is under test.
func readStream(nc *nats.Conn, stream string, withData bool) ([]entry, error) {
	var info struct {
		State struct {
			LastSeq uint64 `json:"last_seq"`
		} `json:"state"`
	}
	if err := ask(nc, "STREAM.INFO."+stream, nil, &info); err != nil {
		return nil, err
	}
	deliver := nats.NewInbox()
	sub, err := nc.SubscribeSync(deliver)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	config := map[string]any{
		"name": nuid.Next(), "deliver_subject": deliver, "deliver_policy": "all",
		"ack_policy": "none", "replay_policy": "instant", "num_replicas": 1, "mem_storage": true,
	}
	subject := fmt.Sprintf("CONSUMER.CREATE.%s.%s", stream, config["name"])
	var consumer struct {
		NumPending uint64 `json:"num_pending"`
		Delivered  struct {
			StreamSeq uint64 `json:"stream_seq"`
		} `json:"delivered"`
	}
	if err := ask(nc, subject, map[string]any{"stream_name": stream, "config": config}, &consumer); err != nil {
		return nil, err
	}
	var entries []entry
	// The server that has the consumer may be behind the one that was asked for
	// the state.
	for pending := consumer.NumPending; pending > 0 || lastOf(entries) < info.State.LastSeq; {
		m, err := sub.NextMsg(20 * time.Second)
		if err != nil {
			return nil, fmt.Errorf("read stream %s after %d messages, %d pending: %w", stream, len(entries), pending, err)
		}
		var e entry
		if e, pending, err = readEntry(m); err != nil {
			return nil, err
		}
		if withData {
			e.data = m.Data
		}
		entries = append(entries, e)
	}
	var gone struct{}
	return entries, ask(nc, fmt.Sprintf("CONSUMER.DELETE.%s.%s", stream, config["name"]), nil, &gone)
}

// readLatest reads the last message of each subject that matches a filter, from the
// leader of the stream: a consumer may be on a replica that lags behind, and how far
// cannot be told from a part of the subjects.
func readLatest(nc *nats.Conn, stream, filter string) ([]entry, error) {
	var info struct {
		State struct {
			Subjects map[string]int `json:"subjects"`
		} `json:"state"`
	}
	if err := ask(nc, "STREAM.INFO."+stream, map[string]any{"subjects_filter": filter}, &info); err != nil {
		return nil, err
	}
	var entries []entry
	for subject := range info.State.Subjects {
		var last struct {
			Message struct {
				Sequence uint64    `json:"seq"`
				Time     time.Time `json:"time"`
				Data     []byte    `json:"data"`
			} `json:"message"`
		}
		if err := ask(nc, "STREAM.MSG.GET."+stream, map[string]any{"last_by_subj": subject}, &last); err != nil {
			return nil, err
		}
		entries = append(entries, entry{
			seq: last.Message.Sequence, at: last.Message.Time, subject: subject,
			size: len(last.Message.Data), data: last.Message.Data,
		})
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.seq, b.seq) })
	return entries, nil
}

func lastOf(entries []entry) uint64 {
	if len(entries) == 0 {
		return 0
	}
	return entries[len(entries)-1].seq
}

func readEntry(m *nats.Msg) (e entry, pending uint64, err error) {
	tokens := strings.Split(m.Reply, ".")
	if len(tokens) != 9 {
		return e, 0, fmt.Errorf("reply subject %q", m.Reply)
	}
	var at int64
	e.seq, err = strconv.ParseUint(tokens[5], 10, 64)
	if err == nil {
		at, err = strconv.ParseInt(tokens[7], 10, 64)
	}
	if err == nil {
		pending, err = strconv.ParseUint(tokens[8], 10, 64)
	}
	e.at = time.Unix(0, at)
	e.subject, e.id, e.op = m.Subject, m.Header.Get(nats.MsgIdHdr), m.Header.Get("KV-Operation")
	e.size, e.intact = len(m.Data), intact(e.id, m.Data)
	return e, pending, err
}

// ask sends an API request until it is answered. A server that has just come up
// may need a moment.
func ask(nc *nats.Conn, subject string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if body == nil {
		data = nil
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		m, err := nc.Request("$JS.API."+subject, data, 2*time.Second)
		var failed struct {
			Error *struct {
				Code        int    `json:"code"`
				Description string `json:"description"`
			} `json:"error"`
		}
		if err == nil {
			if err := errors.Join(json.Unmarshal(m.Data, &failed), json.Unmarshal(m.Data, answer)); err != nil {
				return err
			}
			if failed.Error == nil {
				return nil
			}
			err = errors.New(failed.Error.Description)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", subject, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// payload returns the payload of the message with the given id.
func payload(id string, size int) []byte {
	data := make([]byte, size)
	pad := byte(crc32.ChecksumIEEE([]byte(id)))
	for i := copy(data, id); i < size; i++ {
		data[i] = pad + byte(i)
	}
	return data
}

// intact reports whether data is the payload of the message with the given id.
func intact(id string, data []byte) bool {
	pad := byte(crc32.ChecksumIEEE([]byte(id)))
	for i, b := range data {
		switch {
		case i < len(id):
			if b != id[i] {
				return false
			}
		case b != pad+byte(i):
			return false
		}
	}
	return true
}
