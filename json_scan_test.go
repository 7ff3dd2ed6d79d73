package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"example.com/jetstream/internal/jstest"
)

// jsReplies makes one of each reply that a scan can read.
var jsReplies = map[string]func() scannedReply{
	"stream info":    func() scannedReply { return new(streamInfoResponse) },
	"stream list":    func() scannedReply { return new(streamListResponse) },
	"stream names":   func() scannedReply { return new(streamNamesResponse) },
	"consumer info":  func() scannedReply { return new(consumerInfoResponse) },
	"consumer list":  func() scannedReply { return new(consumerListResponse) },
	"consumer names": func() scannedReply { return new(consumerNamesResponse) },
	"pause":          func() scannedReply { return new(consumerPauseReply) },
	"success":        func() scannedReply { return new(successResponse) },
}

// jsScan reports whether a scan can read data, and fails unless it finds what
// encoding/json does, or leaves the latter to find that.
func jsScan(t *testing.T, data []byte, kind string) bool {
	t.Helper()
	scanned, decoded := jsReplies[kind](), jsReplies[kind]()
	s := jsonScan{data: data}
	scanned.scan(&s)
	if !s.complete() {
		err, left := json.Unmarshal(data, decoded), jsReplies[kind]()
		if leftErr := unmarshalReply(data, left); fmt.Sprint(leftErr) != fmt.Sprint(err) || !reflect.DeepEqual(left, decoded) {
			t.Errorf("%s: %q decodes as %s, %v; want %s, %v", kind, data, jsText(left), leftErr, jsText(decoded), err)
		}
		return false
	}
	if err := json.Unmarshal(data, decoded); err != nil {
		t.Errorf("%s: a scan reads %q, encoding/json reports %v", kind, data, err)
	} else if !reflect.DeepEqual(scanned, decoded) {
		t.Errorf("%s: %q scans as\n     %s\nwant %s", kind, data, jsText(scanned), jsText(decoded))
	}
	return true
}

func jsText(v any) string {
	text, err := json.Marshal(v)
	return fmt.Sprintf("%s %v", text, err)
}

// jsRandom fills what v refers to at random, with zero values among others.
func jsRandom(v reflect.Value, rng *rand.Rand, depth int) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		if rng.IntN(4) > 0 {
			zone := time.FixedZone("", 3600*rng.IntN(3))
			v.Set(reflect.ValueOf(time.Unix(rng.Int64N(1<<33), rng.Int64N(1e9)).In(zone)))
		}
		return
	}
	if _, enum := reflect.PointerTo(v.Type()).MethodByName("UnmarshalJSON"); enum {
		if n := rng.IntN(2); v.CanInt() {
			v.SetInt(int64(n))
		} else {
			v.SetUint(uint64(n))
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if tag := v.Type().Field(i).Tag.Get("json"); tag != "-" && tag != "desired,omitempty" {
				jsRandom(v.Field(i), rng, depth+1)
			}
		}
	case reflect.Pointer:
		// A reply is of no interest without its payload.
		if depth < 3 || rng.IntN(2) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			jsRandom(v.Elem(), rng, depth+1)
		}
	case reflect.Slice:
		for range rng.IntN(4) {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			jsRandom(v.Index(v.Len()-1), rng, depth+1)
		}
	case reflect.Map:
		for range rng.IntN(4) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			jsRandom(key, rng, depth+1)
			jsRandom(value, rng, depth+1)
			if v.IsNil() {
				v.Set(reflect.MakeMap(v.Type()))
			}
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		texts := []string{"", "a", "ORDERS", "orders.>", "a\"b\\c/\b\f\n\r\t\x00\x1f\x7f", "<&>", "_nats.ver", "grün 世界 🙂"}
		v.SetString(texts[rng.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(rng.IntN(2) > 0)
	default:
		jsRandomNumber(v, rng)
	}
}

func jsRandomNumber(v reflect.Value, rng *rand.Rand) {
	n := []int64{0, 1, -1, 10, math.MaxUint16, math.MaxInt32, -math.MaxInt32, math.MaxInt64, -math.MaxInt64, rng.Int64()}[rng.IntN(10)]
	switch {
	case v.CanUint() && !v.OverflowUint(uint64(n)):
		v.SetUint(uint64(n))
	case v.CanInt() && !v.OverflowInt(n):
		v.SetInt(n)
	}
}

func TestScanReadsAllThatRepliesCanHave(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for kind, make := range jsReplies {
		for range 500 {
			reply := make()
			jsRandom(reflect.ValueOf(reply).Elem(), rng, 0)
			data, err := json.Marshal(reply)
			if err != nil {
				t.Fatal(err)
			}
			if !jsScan(t, data, kind) {
				t.Fatalf("%s: left to encoding/json: %s", kind, data)
			}
		}
	}
}

// jsServerReplies are replies of a server by the kind they are of.
func jsServerReplies(t testing.TB) map[string][][]byte {
	t.Helper()
	js, err := newJetStream(jstest.Connect(t, jstest.StartServer(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	replies := make(map[string][][]byte)
	ask := func(kind, subject, body string) {
		t.Helper()
		resp, err := js.request(t.Context(), []byte(body), subject)
		if err != nil {
			t.Fatalf("%s %s: %v", subject, body, err)
		}
		replies[kind] = append(replies[kind], resp.Data)
	}
	for _, cfg := range []string{
		`{"name":"S","subjects":["s.>","t.*"],"description":"\u003cü\u003e","metadata":{"a":"b"},"storage":"memory"}`,
		`{"name":"R","republish":{"dest":"r.>"},"subject_transform":{"src":"R","dest":"RR"},"allow_msg_ttl":true,"subject_delete_marker_ttl":1000000000,"allow_rollup_hdrs":true,"placement":{"cluster":""},"consumer_limits":{"max_ack_pending":5},"max_age":3600000000000,"allow_direct":true,"discard":"new","max_msgs_per_subject":3}`,
	} {
		var name struct{ Name string }
		if err := json.Unmarshal([]byte(cfg), &name); err != nil {
			t.Fatal(err)
		}
		ask("stream info", "STREAM.CREATE."+name.Name, cfg)
	}
	for i := range 6 {
		if _, err := js.Publish(t.Context(), fmt.Sprintf("s.%d", i%3), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	ask("success", "STREAM.MSG.DELETE.S", `{"seq":2,"no_erase":true}`)
	ask("stream info", "STREAM.INFO.S", `{"offset":0,"deleted_details":true,"subjects_filter":">"}`)
	ask("stream info", "STREAM.INFO.none", "")
	ask("stream list", "STREAM.LIST", "")
	ask("stream list", "STREAM.LIST", `{"offset":9}`)
	ask("stream names", "STREAM.NAMES", "")
	for _, cfg := range []string{
		`{"name":"C","durable_name":"C","deliver_policy":"all","ack_policy":"explicit","replay_policy":"instant","filter_subject":"s.>","num_replicas":0}`,
		`{"name":"D","deliver_policy":"by_start_time","opt_start_time":"2026-01-02T03:04:05.6Z","ack_policy":"none","replay_policy":"original","deliver_subject":"d","num_replicas":1,"flow_control":true,"idle_heartbeat":1000000000,"filter_subjects":["s.1","s.2"]}`,
		`{"name":"E","deliver_policy":"last_per_subject","filter_subject":"s.\u003e","ack_policy":"all","replay_policy":"instant","backoff":[1000000000,2000000000],"max_deliver":3,"priority_policy":"pinned_client","priority_groups":["g"],"num_replicas":0,"pause_until":"2099-01-01T00:00:00Z"}`,
	} {
		ask("consumer info", "CONSUMER.CREATE.S."+cfg[9:10], `{"stream_name":"S","config":`+cfg+`,"action":""}`)
	}
	ask("pause", "CONSUMER.PAUSE.S.C", `{"pause_until":"2099-01-01T00:00:00.5Z"}`)
	ask("consumer list", "CONSUMER.LIST.S", "")
	ask("consumer names", "CONSUMER.NAMES.S", "")
	ask("pause", "CONSUMER.PAUSE.S.C", `{}`)
	ask("consumer info", "CONSUMER.INFO.S.C", "")
	ask("consumer info", "CONSUMER.INFO.S.none", "")
	ask("success", "CONSUMER.DELETE.S.C", "")
	ask("success", "STREAM.PURGE.S", "")
	ask("success", "STREAM.DELETE.none", "")
	ask("success", "STREAM.DELETE.S", "")
	replies["stream info"] = append(replies["stream info"], []byte(jsClusterReply))
	return replies
}

// jsClusterReply is what the leader of a replicated stream says.
const jsClusterReply = `{"type":"io.nats.jetstream.api.v1.stream_info_response","total":0,"offset":0,"limit":0,` +
	`"config":{"name":"S","subjects":["s"],"retention":"limits","num_replicas":3,"storage":"file",` +
	`"sources":[{"name":"S2","opt_start_time":"2026-11-23T10:11:12Z","subject_transforms":[{"src":"s.\u003e","dest":"x.\u003e"}]}]},"created":"2026-11-23T10:11:12.123456789Z",` +
	`"state":{"messages":1,"lost":{"msgs":[7],"bytes":8}},"domain":"hub","cluster":{"name":"C1","raft_group":"S-R3F-abc","leader":"n1",` +
	`"leader_since":"2026-11-23T10:11:12.1Z","system_account":true,"traffic_account":"$SYS","replicas":[` +
	`{"name":"n2","current":true,"active":123456,"peer":"yrzKKRBu"},{"name":"n3","current":false,"offline":true,"active":9,"lag":5,"peer":"cnrtt3eg"}]},` +
	`"sources":[{"name":"gone","external":{"api":"$JS.hub.API","deliver":""},"lag":0,"active":-1,"error":{"code":404,"err_code":10059,"description":"stream not found"}}],` +
	`"alternates":[{"name":"S","domain":"hub","cluster":"C1"}],"ts":"2026-11-23T10:11:13Z","did_create":true}`

func TestScanReadsRepliesOfServers(t *testing.T) {
	t.Parallel()
	for kind, replies := range jsServerReplies(t) {
		for _, data := range replies {
			if !jsScan(t, data, kind) {
				t.Errorf("%s: left to encoding/json: %s", kind, data)
			}
		}
	}
}

func TestScanLeavesTheUnusualToTheDecoder(t *testing.T) {
	t.Parallel()
	for kind, docs := range map[string][]string{
		"success": {
			``, ` `, `null`, `[]`, `true`, `{`, `{}}`, `{} x`, `{"success":true`, `{"success":true,}`, `{,"success":true}`, `{"success":true"a":1}`,
			`{"Success":true}`, `{"ſuccess":true}`, `{"\u0073uccess":true}`, `{"success":1}`, `{"success":null}`, `{"success":tru}`, `{"success" true}`,
			`{"error":7}`, `{"error":{"err_code":65536}}`, `{"error":{"err_code":-1}}`, `{"error":{"code":1.5}}`, `{"error":{"code":1e3}}`,
			`{"error":{"code":01}}`, `{"error":{"code":- 1}}`, `{"error":{"code":9223372036854775808}}`, `{"error":{"description":"\ud83d\ude42"}}`,
			`{"error":{"description":"` + "\xff" + `"}}`, `{"error":{"description":"\x"}}`, `{"error":{"description":"\u00fg"}}`,
			`{"error":{"description":"` + "\n" + `"}}`, `{"a":1.5}`, `{"a":"\q"}`, `{"a":{"b":"\u12"}}`, `{"a":nul}`, `{"a":[1,]}`, "{\"success\":true}\x00",
		},
		"stream names": {`{"streams":["a",null]}`, `{"streams":["a"],"streams":["b"]}`, `{"streams":["a"],"streams":null}`, `{"streams":{}}`, `{"streams":["a",7]}`},
		"stream info": {
			`{"config":null}`, `{"config":{"retention":"other"}}`, `{"config":{"retention":null}}`, `{"config":{"max_msg_size":2147483648}}`,
			`{"created":null}`, `{"created":"yesterday"}`, `{"created":"2026-02-30T00:00:00Z"}`, `{"state":{"messages":-1}}`,
			`{"state":{"messages":18446744073709551616}}`, `{"cluster":{"desired":{}}}`, `{"config":{"metadata":{"a":1}}}`,
		},
	} {
		for _, doc := range docs {
			if jsScan(t, []byte(doc), kind) {
				t.Errorf("%s: %q is read by the scan", kind, doc)
			}
		}
	}
}

func TestScanReadsWhatIsUnusualButClear(t *testing.T) {
	t.Parallel()
	for kind, docs := range map[string][]string{
		"success":      {`{}`, " {\n\t\"success\" : false , \"success\":true } \r\n", `{"error":null}`, `{"error":{"code":1},"error":{"err_code":2}}`, `{"a":{"B":[1,-2,"x",null,true,{"c":[]}]},"success":true}`},
		"stream names": {`{"streams":null}`, `{"streams":[]}`, `{"total":-1,"offset":5,"limit":9999999,"streams":["a"]}`, `{"streams":["a\u003e\/"]}`},
		"stream info":  {`{"cluster":null,"sources":[null],"mirror":null}`, `{"config":{"metadata":null}}`, `{"config":{"metadata":{"a":"b","a":"c"}},"config":{"name":"x","metadata":{"d":"e"}}}`, `{"state":{"messages":18446744073709551615}}`},
		"consumer info": {
			`{"config":{"name":"a\u003e"},"name":"a>"}`, `{"name":"a","config":{"name":"a","durable_name":"b"}}`,
		},
	} {
		for _, doc := range docs {
			if !jsScan(t, []byte(doc), kind) {
				t.Errorf("%s: %q is left to encoding/json", kind, doc)
			}
		}
	}
}

func TestScanDoesNotFollowEndlessNesting(t *testing.T) {
	t.Parallel()
	data := []byte(`{"a":`)
	for range 1 << 20 {
		data = append(data, '[')
	}
	var syntax *json.SyntaxError
	if err := unmarshalReply(data, new(successResponse)); !errors.As(err, &syntax) {
		t.Errorf("error is %v", err)
	}
}

func FuzzScanReply(f *testing.F) {
	for _, replies := range jsServerReplies(f) {
		for _, data := range replies {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for kind := range jsReplies {
			jsScan(t, data, kind)
		}
	})
}
