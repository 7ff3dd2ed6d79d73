package jetstream_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
	"github.com/google/go-cmp/cmp"
	reference "github.com/nats-io/nats.go/jetstream"
)

func TestConfigsEncodeNoMoreThanTheyHave(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value any
		want  string
	}{
		{
			jetstream.StreamConfig{Name: "S"},
			`{"name":"S","retention":"limits","max_consumers":0,"max_msgs":0,"max_bytes":0,"discard":"old","max_age":0,` +
				`"max_msgs_per_subject":0,"storage":"file","num_replicas":0,"compression":"none","allow_direct":false,` +
				`"mirror_direct":false,"consumer_limits":{}}`,
		},
		{jetstream.ConsumerConfig{}, `{"deliver_policy":"all","ack_policy":"explicit","replay_policy":"instant","num_replicas":0}`},
		{jetstream.OrderedConsumerConfig{NamePrefix: "p"}, `{"deliver_policy":"all","replay_policy":"instant","MaxResetAttempts":0}`},
		{jetstream.StreamSource{Name: "S", Domain: "hub"}, `{"name":"S"}`},
		{jetstream.StreamConsumerSource{}, `{}`},
		{jetstream.ExternalStream{}, `{"api":"","deliver":""}`},
		{jetstream.SubjectTransformConfig{}, `{"src":"","dest":""}`},
		{jetstream.RePublish{}, `{"dest":""}`},
		{jetstream.Placement{}, `{"cluster":""}`},
		{jetstream.APIError{}, `{"code":0,"err_code":0}`},
		{jetstream.APIStats{}, `{"level":0,"total":0,"errors":0}`},
		{jetstream.ConsumerPauseResponse{}, `{"paused":false,"pause_until":"0001-01-01T00:00:00Z"}`},
		{jetstream.PriorityGroupState{}, `{"group":"","pinned_ts":"0001-01-01T00:00:00Z"}`},
		{jetstream.SequenceInfo{}, `{"consumer_seq":0,"stream_seq":0}`},
	} {
		data, err := json.Marshal(tt.value)
		if err != nil || string(data) != tt.want {
			t.Errorf("%T encodes as\n     %s, %v\nwant %s", tt.value, data, err, tt.want)
		}
	}
}

// configFilled returns a value of type T in which each field that is encoded has a
// value other than zero, as different ones as the type allows.
func configFilled[T any]() T {
	var v T
	n := 0
	configFill(reflect.ValueOf(&v).Elem(), &n)
	return v
}

func configFill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, *n, time.UTC)))
		return
	case jetstream.RetentionPolicy, jetstream.DiscardPolicy, jetstream.StorageType, jetstream.PersistModeType,
		jetstream.DeliverPolicy, jetstream.AckPolicy, jetstream.ReplayPolicy, jetstream.PriorityPolicy:
		v.SetInt(1)
		return
	case jetstream.StoreCompression:
		v.SetUint(1)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("s%d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint16, reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		configFill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		configFill(v.Index(0), n)
		configFill(v.Index(1), n)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		configFill(key, n)
		configFill(value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				configFill(v.Field(i), n)
			}
		}
	default:
		panic("configFill: no value for " + v.Type().String())
	}
}

// configRoundTrip fails unless a full and an empty value of type Own survive
// encoding and decoding, and encode to what the reference's type Ref makes of them.
func configRoundTrip[Own, Ref any](t *testing.T) {
	t.Helper()
	name := reflect.TypeFor[Own]().Name()
	full := configFilled[Own]()
	data, err := json.Marshal(full)
	if err != nil {
		t.Errorf("encode %s: %v", name, err)
		return
	}
	var again Own
	if err := json.Unmarshal(data, &again); err != nil {
		t.Errorf("decode %s: %v", name, err)
	}
	if diff := cmp.Diff(full, again); diff != "" {
		t.Errorf("%s changed on the way (-before +after):\n%s", name, diff)
	}
	var ref Ref
	if err := json.Unmarshal(data, &ref); err != nil {
		t.Errorf("decode %s into the reference's: %v", name, err)
	}
	if refData, err := json.Marshal(ref); err != nil || string(refData) != string(data) {
		t.Errorf("%s encodes as\n     %s\nwant %s, %v", name, data, refData, err)
	}

	var zero, fromNothing Own
	if err := json.Unmarshal([]byte(`{}`), &fromNothing); err != nil || !reflect.DeepEqual(zero, fromNothing) {
		t.Errorf("%s from {} is %+v, %v; want the zero value", name, fromNothing, err)
	}
}

func TestTypesSurviveJSON(t *testing.T) {
	t.Parallel()
	configRoundTrip[jetstream.StreamConfig, reference.StreamConfig](t)
	configRoundTrip[jetstream.StreamInfo, reference.StreamInfo](t)
	configRoundTrip[jetstream.ConsumerConfig, reference.ConsumerConfig](t)
	configRoundTrip[jetstream.OrderedConsumerConfig, reference.OrderedConsumerConfig](t)
	configRoundTrip[jetstream.ConsumerInfo, reference.ConsumerInfo](t)
	configRoundTrip[jetstream.ConsumerPauseResponse, reference.ConsumerPauseResponse](t)
	configRoundTrip[jetstream.ConsumerResetResponse, reference.ConsumerResetResponse](t)
	configRoundTrip[jetstream.StreamAlternate, reference.StreamAlternate](t)
	configRoundTrip[jetstream.AccountInfo, reference.AccountInfo](t)
	configRoundTrip[jetstream.APIError, reference.APIError](t)
}

func TestResetResponseDecodesTheConsumerInline(t *testing.T) {
	t.Parallel()
	var resp jetstream.ConsumerResetResponse
	data := `{"stream_name":"S","name":"C","num_pending":4,"reset_seq":7,"config":{"ack_policy":"all"}}`
	if err := json.Unmarshal([]byte(data), &resp); err != nil {
		t.Fatal(err)
	}
	if resp.ConsumerInfo == nil || resp.Name != "C" || resp.NumPending != 4 || resp.ResetSeq != 7 || resp.Config.AckPolicy != jetstream.AckAllPolicy {
		t.Errorf("got %+v of %+v", resp, resp.ConsumerInfo)
	}
}

func TestUnknownEnumValueMakesConfigFailToEncode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		config any
		want   string
	}{
		{jetstream.StreamConfig{Name: "S", Retention: 9}, "json: error calling MarshalJSON for type jetstream.RetentionPolicy: nats: can not marshal Unknown Retention Policy"},
		{jetstream.ConsumerConfig{AckPolicy: -1}, "json: error calling MarshalJSON for type jetstream.AckPolicy: nats: unknown acknowledgement policy Unknown AckPolicy"},
		{jetstream.ConsumerConfig{PriorityPolicy: 8}, "json: error calling MarshalJSON for type jetstream.PriorityPolicy: nats: unknown priority policy 8"},
	} {
		if data, err := json.Marshal(tt.config); err == nil || err.Error() != tt.want {
			t.Errorf("encodes as %s, %v; want %q", data, err, tt.want)
		}
	}
}

// configRequest sends a request to the JetStream API and decodes what comes back.
func configRequest[Resp any](t *testing.T, request func(subject string, body []byte) ([]byte, error), subject string, body any) Resp {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	reply, err := request(subject, data)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	var failed struct{ Error *jetstream.APIError }
	if err := json.Unmarshal(reply, &failed); err != nil || failed.Error != nil {
		t.Fatalf("%s %s: %v, %v", subject, data, failed.Error, err)
	}
	var resp Resp
	if err := json.Unmarshal(reply, &resp); err != nil {
		t.Fatalf("decode %s: %v", reply, err)
	}
	return resp
}

// The server refuses unknown fields, so that it takes these configs says that the
// keys are right, and that they come back the same that nothing is lost.
func TestServerReturnsConfigsAsTheyWere(t *testing.T) {
	t.Parallel()
	nc := jstest.Connect(t, jstest.StartServer(t))
	request := func(subject string, body []byte) ([]byte, error) {
		msg, err := nc.Request(jetstream.DefaultAPIPrefix+subject, body, 10*time.Second)
		if err != nil {
			return nil, err
		}
		return msg.Data, nil
	}

	stream := jetstream.StreamConfig{
		Name:                   "S",
		Description:            "all there is",
		Subjects:               []string{"a.>", "b"},
		Retention:              jetstream.LimitsPolicy,
		MaxConsumers:           10,
		MaxMsgs:                100,
		MaxBytes:               1 << 20,
		Discard:                jetstream.DiscardNew,
		DiscardNewPerSubject:   true,
		MaxAge:                 time.Hour,
		MaxMsgsPerSubject:      5,
		MaxMsgSize:             1000,
		Storage:                jetstream.FileStorage,
		Replicas:               1,
		NoAck:                  true,
		Duplicates:             time.Minute,
		Sources:                []*jetstream.StreamSource{{Name: "O", OptStartSeq: 3, SubjectTransforms: []jetstream.SubjectTransformConfig{{Source: "o.*", Destination: "a.{{wildcard(1)}}"}}}},
		DenyDelete:             true,
		AllowRollup:            true,
		Compression:            jetstream.S2Compression,
		FirstSeq:               7,
		SubjectTransform:       &jetstream.SubjectTransformConfig{Source: "b", Destination: "a.b"},
		RePublish:              &jetstream.RePublish{Source: "a.*", Destination: "copy.{{wildcard(1)}}", HeadersOnly: true},
		AllowDirect:            true,
		ConsumerLimits:         jetstream.StreamConsumerLimits{InactiveThreshold: time.Hour, MaxAckPending: 50},
		Metadata:               map[string]string{"owner": "me"},
		AllowMsgTTL:            true,
		SubjectDeleteMarkerTTL: time.Minute,
		AllowAtomicPublish:     true,
		AllowBatchPublish:      true,
	}
	if jstest.ServerBefore("2.14") {
		// It refuses the field it does not know.
		js, err := jetstream.New(nc)
		mgOK(t, err)
		_, err = js.CreateStream(mgContext(t), stream)
		mgIs(t, err, mgCode(10025))
		stream.AllowBatchPublish = false
	}
	streamInfo := configRequest[jetstream.StreamInfo](t, request, "STREAM.CREATE.S", stream)
	configDropServerMetadata(streamInfo.Config.Metadata)
	if diff := cmp.Diff(stream, streamInfo.Config); diff != "" {
		t.Errorf("stream (-sent +returned):\n%s", diff)
	}

	counter := jetstream.StreamConfig{Name: "C", AllowMsgCounter: true}
	if info := configRequest[jetstream.StreamInfo](t, request, "STREAM.CREATE.C", counter); !info.Config.AllowMsgCounter {
		t.Error("stream lost AllowMsgCounter")
	}
	async := jetstream.StreamConfig{Name: "A", PersistMode: jetstream.AsyncPersistMode, AllowMsgSchedules: true}
	if info := configRequest[jetstream.StreamInfo](t, request, "STREAM.CREATE.A", async); info.Config.PersistMode != jetstream.AsyncPersistMode || !info.Config.AllowMsgSchedules {
		t.Errorf("stream lost PersistMode or AllowMsgSchedules: %+v", info.Config)
	}

	start, pause := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), time.Now().Add(time.Hour).UTC().Round(0)
	for name, consumer := range map[string]jetstream.ConsumerConfig{
		"pull": {
			Name: "pull", Durable: "pull", Description: "all there is",
			DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &start,
			AckPolicy: jetstream.AckAllPolicy, AckWait: time.Second, MaxDeliver: 3, BackOff: []time.Duration{time.Second, time.Minute},
			ReplayPolicy: jetstream.ReplayOriginalPolicy, SampleFrequency: "30%", MaxWaiting: 4, MaxAckPending: 5, HeadersOnly: true,
			MaxRequestBatch: 6, MaxRequestExpires: time.Minute, MaxRequestMaxBytes: 1000, InactiveThreshold: time.Minute, Replicas: 1,
			MemoryStorage: true, FilterSubjects: []string{"a.x", "a.y"}, Metadata: map[string]string{"owner": "me"}, PauseUntil: &pause,
			PriorityPolicy: jetstream.PriorityPolicyPinned, PinnedTTL: time.Minute, PriorityGroups: []string{"g"},
		},
		"push": {
			Name: "push", DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: 9, AckWait: time.Second, MaxDeliver: -1,
			FilterSubject: "a.z", RateLimit: 8000, MaxAckPending: 5, InactiveThreshold: time.Minute, Replicas: 1,
			DeliverSubject: "to.me", DeliverGroup: "us", FlowControl: true, IdleHeartbeat: time.Second,
		},
	} {
		body := struct {
			Stream string                   `json:"stream_name"`
			Config jetstream.ConsumerConfig `json:"config"`
		}{"S", consumer}
		subject := "CONSUMER.CREATE.S." + name
		if consumer.FilterSubject != "" {
			subject += "." + consumer.FilterSubject
		}
		info := configRequest[jetstream.ConsumerInfo](t, request, subject, body)
		configDropServerMetadata(info.Config.Metadata)
		if len(info.Config.Metadata) == 0 {
			info.Config.Metadata = nil
		}
		if diff := cmp.Diff(consumer, info.Config); diff != "" {
			t.Errorf("consumer %s (-sent +returned):\n%s", name, diff)
		}
	}
}

func configDropServerMetadata(metadata map[string]string) {
	for key := range metadata {
		if strings.HasPrefix(key, "_nats.") {
			delete(metadata, key)
		}
	}
}
