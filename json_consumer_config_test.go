package jetstream

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// jsEncodes fails unless a request for a consumer is encoded as encoding/json
// would.
func jsEncodes(t *testing.T, stream string, cfg *ConsumerConfig, action consumerAction) {
	t.Helper()
	want, wantErr := json.Marshal(&consumerCreateRequest{Stream: stream, Config: cfg, Action: action})
	got, err := appendConsumerCreateRequest(nil, stream, cfg, action)
	if string(got) != string(want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Errorf("%+v encodes as\n     %s, %v\nwant %s, %v", cfg, got, err, want, wantErr)
	}
}

func TestConsumerRequestIsEncodedAsByTheEncoder(t *testing.T) {
	t.Parallel()
	jsEncodes(t, "S", &ConsumerConfig{}, actionCreateOrUpdate)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var cfg ConsumerConfig
		jsRandom(reflect.ValueOf(&cfg).Elem(), rng, 0)
		jsEncodes(t, "a.>", &cfg, actionUpdate)
	}
	// Each field alone, so that none can hide behind another.
	for i := range reflect.TypeFor[ConsumerConfig]().NumField() {
		for range 30 {
			var cfg ConsumerConfig
			jsRandom(reflect.ValueOf(&cfg).Elem().Field(i), rng, 0)
			jsEncodes(t, "S", &cfg, actionCreate)
		}
	}
}

func TestConsumerRequestWithUnusualText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\u2028\u2029", "\xff", "a\xc3", "\x7f", "ä>", "\ufffd", "<script>", "𝄞"} {
		jsEncodes(t, text, &ConsumerConfig{Name: text, Metadata: map[string]string{text: text, "b": "", "a": text}, FilterSubjects: []string{text, ""}}, actionCreate)
	}
}

func TestConsumerRequestThatHasNoJSON(t *testing.T) {
	t.Parallel()
	far := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, cfg := range []ConsumerConfig{
		{DeliverPolicy: 99},
		{AckPolicy: -1},
		{ReplayPolicy: 7},
		{PriorityPolicy: 8},
		{OptStartTime: &far},
		{PauseUntil: &far},
	} {
		jsEncodes(t, "S", &cfg, actionCreate)
	}
}
