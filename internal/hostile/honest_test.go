package hostile

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"example.com/jetstream/internal/jstest"
)

const (
	apiPrefix = "$JS.API."
	stamp     = "2026-01-02T03:04:05.000000006Z"
	// content is what the one object there is holds.
	content = "content of the object"
)

// answer is one message a server sends about a request.
type answer struct {
	msg jstest.RawMsg
	// json tells that the data is JSON, or is empty because the answer is in the
	// headers.
	json bool
	// delivery tells that it is a message of a stream.
	delivery bool
}

// honest plays a server on which every stream, consumer, key and object exists.
type honest struct {
	mu      sync.Mutex
	filters map[string]string // of consumers by name
	served  map[string]bool   // subscriptions with a consumer whose messages were delivered
}

func newHonest() *honest {
	return &honest{filters: make(map[string]string), served: make(map[string]bool)}
}

// answers returns what an honest server sends about a request.
func (h *honest) answers(req jstest.RawMsg) []answer {
	api, isAPI := strings.CutPrefix(req.Subject, apiPrefix)
	switch {
	case req.Reply == "":
		return nil
	case strings.HasPrefix(req.Subject, "$JS.ACK."):
		return []answer{{msg: jstest.RawMsg{Subject: req.Reply}}}
	case !isAPI:
		return reply(req, map[string]any{"stream": "S", "seq": 4})
	case strings.HasPrefix(api, "CONSUMER.MSG.NEXT."):
		return h.deliveries(req)
	case strings.HasPrefix(api, "DIRECT.GET."):
		return []answer{directAnswer(req, api)}
	default:
		return reply(req, h.payload(api, req.Data))
	}
}

// reply returns the one answer with a JSON body.
func reply(req jstest.RawMsg, payload any) []answer {
	data, err := json.Marshal(payload)
	if err != nil {
		panic(err)
	}
	return []answer{{msg: jstest.RawMsg{Subject: req.Reply, Data: data}, json: true}}
}

// payload returns what the API says.
func (h *honest) payload(api string, body []byte) any {
	tokens := append(strings.Split(api, "."), "", "", "", "")
	switch tokens[0] + "." + tokens[1] {
	case "STREAM.CREATE", "STREAM.UPDATE", "STREAM.INFO":
		return streamInfo(tokens[2])
	case "STREAM.NAMES":
		return map[string]any{"total": 3, "offset": 0, "limit": 1024, "streams": []string{"S", "KV_B", "OBJ_O"}}
	case "STREAM.LIST":
		return map[string]any{"total": 3, "offset": 0, "limit": 256, "streams": []any{streamInfo("S"), streamInfo("KV_B"), streamInfo("OBJ_O")}}
	case "STREAM.MSG":
		if tokens[2] == "GET" {
			return map[string]any{"message": map[string]any{"subject": "s.x", "seq": 1, "data": []byte("hi"), "time": stamp}}
		}
	case "CONSUMER.CREATE":
		var create struct {
			Config map[string]any `json:"config"`
		}
		_ = json.Unmarshal(body, &create)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.filters[tokens[3]] = filterOf(create.Config)
		return consumerInfo(tokens[2], tokens[3], create.Config)
	case "CONSUMER.INFO":
		cfg := map[string]any{"durable_name": tokens[3], "ack_policy": "explicit", "deliver_policy": "all", "replay_policy": "instant"}
		if tokens[3] == "PUSH" {
			cfg["deliver_subject"] = "push.here"
		}
		return consumerInfo(tokens[2], tokens[3], cfg)
	case "CONSUMER.NAMES":
		return map[string]any{"total": 1, "offset": 0, "limit": 1024, "consumers": []string{"C"}}
	case "CONSUMER.LIST":
		return map[string]any{"total": 1, "offset": 0, "limit": 256, "consumers": []any{consumerInfo("S", "C", nil)}}
	case "CONSUMER.PAUSE":
		return map[string]any{"paused": true, "pause_until": stamp, "pause_remaining": 1}
	case "CONSUMER.RESET":
		info := consumerInfo("S", "C", nil)
		info["reset_seq"] = 1
		return info
	case "INFO.":
		return map[string]any{"memory": 1, "streams": 3, "limits": map[string]any{"max_memory": -1}, "api": map[string]any{"level": 2}}
	}
	return map[string]any{"success": true, "purged": 1}
}

func filterOf(cfg map[string]any) string {
	if f, ok := cfg["filter_subject"].(string); ok && f != "" {
		return f
	}
	if list, ok := cfg["filter_subjects"].([]any); ok && len(list) > 0 {
		f, _ := list[0].(string)
		return f
	}
	return ""
}

func streamInfo(name string) map[string]any {
	cfg := map[string]any{
		"name": name, "subjects": []string{"s.>"}, "retention": "limits", "storage": "file", "discard": "new", "num_replicas": 1,
		"max_msgs_per_subject": 1, "allow_direct": name != "S", "allow_rollup_hdrs": true, "compression": "none",
	}
	state := map[string]any{"messages": 3, "bytes": 300, "first_seq": 1, "last_seq": 3, "num_subjects": 2, "subjects": map[string]int{"s.x": 2, "s.y": 1}}
	return map[string]any{"type": "t", "config": cfg, "created": stamp, "state": state, "ts": stamp, "total": 2}
}

func consumerInfo(stream, name string, cfg map[string]any) map[string]any {
	if cfg == nil {
		cfg = map[string]any{"durable_name": name, "ack_policy": "explicit", "deliver_policy": "all", "replay_policy": "instant"}
	}
	return map[string]any{
		"type": "t", "stream_name": stream, "name": name, "config": cfg, "created": stamp, "num_pending": len(messages(filterOf(cfg))), "ts": stamp,
		"delivered": map[string]int{"consumer_seq": 0, "stream_seq": 0}, "ack_floor": map[string]int{"consumer_seq": 0, "stream_seq": 0},
	}
}

// messages returns the content of the stream that a filter selects.
func messages(filter string) []jstest.RawMsg {
	switch {
	case strings.HasPrefix(filter, "$KV."):
		return []jstest.RawMsg{
			{Subject: "$KV.B.a", Data: []byte("1")},
			{Subject: "$KV.B.b", Header: headers("KV-Operation", "DEL")},
			{Subject: "$KV.B.c", Data: []byte("3")},
		}
	case strings.Contains(filter, ".C."):
		return []jstest.RawMsg{{Subject: "$O.O.C.N", Data: []byte(content)}}
	case strings.HasPrefix(filter, "$O."):
		return []jstest.RawMsg{{Subject: "$O.O.M.b2Jq", Data: objectInfo()}}
	default:
		return []jstest.RawMsg{{Subject: "s.x", Data: []byte("one")}, {Subject: "s.x"}, {Subject: "s.y", Header: headers("A", "b"), Data: []byte("three")}}
	}
}

func objectInfo() []byte {
	sum := sha256.Sum256([]byte(content))
	return fmt.Appendf(nil, `{"name":"obj","bucket":"O","nuid":"N","size":%d,"mtime":"0001-01-01T00:00:00Z","chunks":1,"digest":"SHA-256=%s"}`,
		len(content), base64.URLEncoding.EncodeToString(sum[:]))
}

// headers returns a header block.
func headers(pairs ...string) []byte {
	var b strings.Builder
	b.WriteString("NATS/1.0\r\n")
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(pairs[i] + ": " + pairs[i+1] + "\r\n")
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

// deliveries returns the messages of a consumer, once, and how the request ends.
func (h *honest) deliveries(req jstest.RawMsg) []answer {
	tokens := strings.Split(req.Subject, ".")
	stream, name := tokens[len(tokens)-2], tokens[len(tokens)-1]
	var pull struct {
		Batch int `json:"batch"`
	}
	_ = json.Unmarshal(req.Data, &pull)
	// Requests of a subscription that has ended must not take the messages away.
	inbox := req.Reply[:strings.LastIndexByte(req.Reply, '.')] + name
	h.mu.Lock()
	filter, served := h.filters[name], h.served[inbox]
	h.served[inbox] = true
	h.mu.Unlock()
	all := messages(filter)
	if served {
		all = nil
	}
	var out []answer
	for i, m := range all[:min(len(all), max(pull.Batch, 1))] {
		m.Reply = ackReply(stream, name, i+1, len(all)-i-1)
		out = append(out, answer{msg: m, delivery: true, json: strings.Contains(m.Subject, ".M.")})
	}
	if len(out) < pull.Batch {
		block := fmt.Appendf(nil, "NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: %d\r\nNats-Pending-Bytes: 0\r\n\r\n", pull.Batch-len(out))
		out = append(out, answer{msg: jstest.RawMsg{Subject: req.Reply, Header: block}})
	}
	return out
}

func ackReply(stream, consumer string, seq, pending int) string {
	n := strconv.Itoa(seq)
	return "$JS.ACK." + stream + "." + consumer + ".1." + n + "." + n + ".1700000000000000000." + strconv.Itoa(pending)
}

func directAnswer(req jstest.RawMsg, api string) answer {
	subject, data := "s.x", []byte("hi")
	switch {
	case strings.HasSuffix(api, "bGluaw=="): // the name of a link that is to be made
		return answer{msg: jstest.RawMsg{Subject: req.Reply, Header: []byte("NATS/1.0 404 Message Not Found\r\n\r\n")}}
	case strings.Contains(api, "KV_"):
		subject = "$KV.B.a"
	case strings.Contains(api, "OBJ_"):
		subject, data = "$O.O.M.b2Jq", objectInfo()
	}
	block := headers("Nats-Stream", "S", "Nats-Sequence", "3", "Nats-Time-Stamp", stamp, "Nats-Subject", subject)
	return answer{msg: jstest.RawMsg{Subject: req.Reply, Header: block, Data: data}, json: subject[1] == 'O'}
}
