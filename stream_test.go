package jetstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func mgStream(t *testing.T, js jetstream.JetStream, cfg jetstream.StreamConfig) jetstream.Stream {
	t.Helper()
	cfg.Storage = jetstream.MemoryStorage
	st, err := js.CreateStream(mgContext(t), cfg)
	mgOK(t, err)
	return st
}

// mgStore stores a message and waits for the acknowledgement.
func mgStore(t *testing.T, nc *nats.Conn, subject, data string, headers ...string) {
	t.Helper()
	msg := &nats.Msg{Subject: subject, Data: []byte(data)}
	for pair := range slices.Chunk(headers, 2) {
		if msg.Header == nil {
			msg.Header = nats.Header{}
		}
		msg.Header[pair[0]] = append(msg.Header[pair[0]], pair[1])
	}
	ack, err := nc.RequestMsg(msg, mgWait)
	mgOK(t, err)
	if !strings.Contains(string(ack.Data), `"seq"`) {
		t.Fatalf("message on %s is not stored: %s", subject, ack.Data)
	}
}

// mgBody decodes the body of a request.
func mgBody(t *testing.T, r jstest.Request) map[string]any {
	t.Helper()
	var body map[string]any
	mgOK(t, json.Unmarshal(r.Body, &body))
	return body
}

func TestStreamNamesAreCheckedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	later := time.Now().Add(time.Hour)
	cfg := jetstream.ConsumerConfig{Durable: "C"}
	calls := map[string]func(ctx context.Context, name string) error{
		"CreateStream": func(ctx context.Context, name string) error {
			_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name})
			return err
		},
		"UpdateStream": func(ctx context.Context, name string) error {
			_, err := js.UpdateStream(ctx, jetstream.StreamConfig{Name: name})
			return err
		},
		"CreateOrUpdateStream": func(ctx context.Context, name string) error {
			_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: name})
			return err
		},
		"Stream":       func(ctx context.Context, name string) error { _, err := js.Stream(ctx, name); return err },
		"DeleteStream": func(ctx context.Context, name string) error { return js.DeleteStream(ctx, name) },
		"CreateOrUpdateConsumer": func(ctx context.Context, name string) error {
			_, err := js.CreateOrUpdateConsumer(ctx, name, cfg)
			return err
		},
		"CreateConsumer": func(ctx context.Context, name string) error {
			_, err := js.CreateConsumer(ctx, name, jetstream.ConsumerConfig{Name: "also.bad"})
			return err
		},
		"UpdateConsumer": func(ctx context.Context, name string) error {
			_, err := js.UpdateConsumer(ctx, name, cfg)
			return err
		},
		"Consumer":       func(ctx context.Context, name string) error { _, err := js.Consumer(ctx, name, "C"); return err },
		"DeleteConsumer": func(ctx context.Context, name string) error { return js.DeleteConsumer(ctx, name, "C") },
		"PauseConsumer": func(ctx context.Context, name string) error {
			_, err := js.PauseConsumer(ctx, name, "C", later)
			return err
		},
		"ResumeConsumer": func(ctx context.Context, name string) error { _, err := js.ResumeConsumer(ctx, name, "C"); return err },
		"ResetConsumer":  func(ctx context.Context, name string) error { _, err := js.ResetConsumer(ctx, name, "C"); return err },
		"ResetConsumerToSequence": func(ctx context.Context, name string) error {
			_, err := js.ResetConsumerToSequence(ctx, name, "C", 1)
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			// The name is what is reported, whatever else is wrong.
			mgSame(t, call(mgExpired(t), ""), jetstream.ErrStreamNameRequired)
			for _, bad := range []string{"foo.123", "*", ">", "a b", "a/b", `a\b`, "a\tb", "a\rb", "a\nb"} {
				err := call(mgContext(t), bad)
				mgIs(t, err, jetstream.ErrInvalidStreamName)
				mgEqual(t, "text", err.Error(), fmt.Sprintf("nats: invalid stream name: %q", bad))
			}
		})
	}
	mgEqual(t, "requests", fake.Seen(">"), []jstest.Request(nil))
}

func TestMissingStreamNameIsClientSideError(t *testing.T) {
	t.Parallel()
	js, _ := mgFake(t)
	_, err := js.CreateStream(context.Background(), jetstream.StreamConfig{})
	jsErr, ok := err.(jetstream.JetStreamError) // Callers assert the type.
	if !ok || jsErr.APIError() != nil {
		t.Errorf("%T is no client-side JetStreamError", err)
	}
	mgEqual(t, "text", err.Error(), "nats: stream name is required")
	var apiErr *jetstream.APIError
	if errors.As(err, &apiErr) {
		t.Error("found an API error")
	}
}

func TestCreateStreamReportsConflict(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	cfg := jetstream.StreamConfig{Name: "S", Subjects: []string{"foo"}}
	for range 2 { // The same config again is a success.
		_, err := js.CreateStream(context.Background(), cfg)
		mgOK(t, err)
	}
	cfg.Description = "another"
	_, err := js.CreateStream(mgContext(t), cfg)
	mgSame(t, err, jetstream.ErrStreamNameAlreadyInUse)
	_, err = js.CreateStream(mgContext(t), jetstream.StreamConfig{Name: "T", Subjects: []string{"foo"}})
	mgIs(t, err, mgCode(10065)) // The server's own error: subjects overlap.
	_, err = js.CreateStream(mgContext(t), jetstream.StreamConfig{Name: "T", Retention: 99})
	if err == nil || !strings.Contains(err.Error(), "can not marshal") {
		t.Errorf("bad enum: %v", err)
	}
}

func TestUpdateStreamLeavesOtherHandlesAlone(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	cfg := jetstream.StreamConfig{Name: "S", Subjects: []string{"foo"}}
	_, err := js.UpdateStream(mgContext(t), cfg)
	mgSame(t, err, jetstream.ErrStreamNotFound)
	st, err := js.CreateStream(mgContext(t), cfg)
	mgOK(t, err)
	cfg.Subjects = []string{"bar"}
	updated, err := js.UpdateStream(context.Background(), cfg)
	mgOK(t, err)
	mgEqual(t, "subjects of new handle", updated.CachedInfo().Config.Subjects, []string{"bar"})
	mgEqual(t, "cached subjects", st.CachedInfo().Config.Subjects, []string{"foo"})
	info, err := st.Info(mgContext(t))
	mgOK(t, err)
	mgEqual(t, "subjects", info.Config.Subjects, []string{"bar"})
	mgEqual(t, "cached subjects", st.CachedInfo().Config.Subjects, []string{"bar"})
}

func TestCreateOrUpdateStreamTriesUpdateFirst(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	recorded := jstest.RecordRequests(t, jstest.ConnectURL(t, js.Conn().ConnectedUrl()), "$JS.API.STREAM.>")
	cfg := jetstream.StreamConfig{Name: "S", Subjects: []string{"foo"}}
	_, err := js.CreateOrUpdateStream(mgContext(t), cfg)
	mgOK(t, err)
	cfg.Subjects = []string{"bar"}
	st, err := js.CreateOrUpdateStream(mgContext(t), cfg)
	mgOK(t, err)
	mgEqual(t, "subjects", st.CachedInfo().Config.Subjects, []string{"bar"})
	cfg.Storage = jetstream.MemoryStorage
	if _, err = js.CreateOrUpdateStream(mgContext(t), cfg); err == nil || errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("illegal change: %v", err)
	}
	jstest.WaitFor(t, mgWait, "the requests to be seen", func() bool { return len(recorded.Requests()) == 4 })
	mgEqual(t, "requests", mgSubjects(recorded.Requests()), []string{
		"$JS.API.STREAM.UPDATE.S", "$JS.API.STREAM.CREATE.S", "$JS.API.STREAM.UPDATE.S", "$JS.API.STREAM.UPDATE.S",
	})
}

func TestCreateOrUpdateStreamSurvivesConcurrentCreator(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	fake.On("STREAM.UPDATE.S", jstest.InTurn(
		jstest.Error(404, 10059, "not found"),
		jstest.Bytes([]byte(`{"config":{"name":"S","description":"updated"}}`))))
	fake.On("STREAM.CREATE.S", jstest.Error(400, 10058, "in use"))
	st, err := js.CreateOrUpdateStream(mgContext(t), jetstream.StreamConfig{Name: "S"})
	mgOK(t, err)
	mgEqual(t, "description", st.CachedInfo().Config.Description, "updated")

	fake.On("STREAM.UPDATE.S", jstest.Error(404, 10059, "not found"))
	_, err = js.CreateOrUpdateStream(mgContext(t), jetstream.StreamConfig{Name: "S"})
	mgSame(t, err, jetstream.ErrStreamNotFound)
	mgEqual(t, "number of requests", len(fake.Seen(">")), 6)
}

// A67
func TestStreamConfigOmitsWhatIsNotSet(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	fake.On("STREAM.CREATE.S", jstest.Bytes([]byte(`{"config":{"name":"S"}}`)))
	_, err := js.CreateStream(mgContext(t), jetstream.StreamConfig{Name: "S"})
	mgOK(t, err)
	mgEqual(t, "body", string(fake.Seen("STREAM.CREATE.S")[0].Body), `{"name":"S","retention":"limits","max_consumers":0,`+
		`"max_msgs":0,"max_bytes":0,"discard":"old","max_age":0,"max_msgs_per_subject":0,"storage":"file","num_replicas":0,`+
		`"compression":"none","allow_direct":false,"mirror_direct":false,"consumer_limits":{}}`)
}

func TestStreamConfigSurvivesRoundTrip(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	ctx := mgContext(t)
	mgStream(t, js, jetstream.StreamConfig{Name: "ORIGIN", Subjects: []string{"origin"}})
	cfg := jetstream.StreamConfig{
		Name: "S", Description: "desc", Subjects: []string{"foo.*"}, MaxConsumers: 10, MaxMsgs: 100, MaxBytes: 1000,
		Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, MaxAge: 100 * time.Second, MaxMsgsPerSubject: 1000,
		MaxMsgSize: 10000, Storage: jetstream.MemoryStorage, Replicas: 1, NoAck: true, Duplicates: 10 * time.Second,
		Compression: jetstream.S2Compression, FirstSeq: 100, AllowDirect: true, DenyDelete: true,
		Sources: []*jetstream.StreamSource{{
			Name: "ORIGIN", SubjectTransforms: []jetstream.SubjectTransformConfig{{Source: "origin", Destination: "copied"}},
		}},
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: ">", Destination: "transformed.>"},
		RePublish:        &jetstream.RePublish{Source: ">", Destination: "RP.>", HeadersOnly: true},
		ConsumerLimits:   jetstream.StreamConsumerLimits{InactiveThreshold: 10 * time.Second, MaxAckPending: 500},
		AllowMsgTTL:      true,
	}
	st, err := js.CreateStream(ctx, cfg)
	mgOK(t, err)
	// Changing the cached info through its pointer is visible to later calls.
	st.CachedInfo().Config.Metadata = nil
	mgEqual(t, "config", st.CachedInfo().Config, cfg)

	mirror := jetstream.StreamConfig{
		Name: "M", MaxConsumers: -1, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, Replicas: 1,
		Storage: jetstream.MemoryStorage, Mirror: &jetstream.StreamSource{Name: "S", OptStartSeq: 3},
	}
	st, err = js.CreateStream(ctx, mirror)
	mgOK(t, err)
	st.CachedInfo().Config.Metadata = nil
	mirror.AllowDirect, mirror.MirrorDirect = st.CachedInfo().Config.AllowDirect, st.CachedInfo().Config.MirrorDirect
	mgEqual(t, "config of mirror", st.CachedInfo().Config, mirror)
}

func TestStreamMetadataKeepsUserKeys(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	metadata := map[string]string{"foo": "bar", "_nats_version": "2.10.0"}
	st := mgStream(t, js, jetstream.StreamConfig{Name: "S", Metadata: metadata})
	for k, v := range metadata {
		mgEqual(t, k, st.CachedInfo().Config.Metadata[k], v)
	}
	if len(st.CachedInfo().Config.Metadata) <= len(metadata) {
		t.Error("the server's own keys are missing")
	}
	mgEqual(t, "caller's map", len(metadata), 2)
}

func TestStreamSourceWithConsumerIsAcceptedByStrictServer(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	ctx := mgContext(t)
	origin := mgStream(t, js, jetstream.StreamConfig{Name: "ORIGIN", Subjects: []string{"origin"}})
	_, err := origin.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "SRC", DeliverSubject: "deliver.here", AckPolicy: jetstream.AckFlowControlPolicy,
		FlowControl: true, IdleHeartbeat: time.Second,
	})
	if jstest.ServerBefore("2.14") {
		// It does not know the policy and says so.
		mgIs(t, err, mgCode(10025))
		return
	}
	mgOK(t, err)
	source := &jetstream.StreamSource{
		Name:     "ORIGIN",
		Consumer: &jetstream.StreamConsumerSource{Name: "SRC", DeliverSubject: "deliver.here"},
	}
	st := mgStream(t, js, jetstream.StreamConfig{Name: "S", Sources: []*jetstream.StreamSource{source}})
	mgEqual(t, "sources", st.CachedInfo().Config.Sources, []*jetstream.StreamSource{source})
}

func TestRemovedMirrorIsNotSent(t *testing.T) {
	t.Parallel()
	js, nc := mgHandle(t)
	ctx := mgContext(t)
	mgStream(t, js, jetstream.StreamConfig{Name: "ORIGIN", Subjects: []string{"origin"}})
	cfg := jetstream.StreamConfig{Name: "M", Storage: jetstream.MemoryStorage, Mirror: &jetstream.StreamSource{Name: "ORIGIN"}}
	_, err := js.CreateStream(ctx, cfg)
	mgOK(t, err)
	cfg.Mirror, cfg.Subjects = nil, []string{"promoted"}
	st, err := js.UpdateStream(ctx, cfg)
	mgOK(t, err)
	if st.CachedInfo().Config.Mirror != nil {
		t.Error("still a mirror")
	}
	mgStore(t, nc, "promoted", "x")
}

func TestStreamInfoTellsAboutSourcesAndAlternates(t *testing.T) {
	t.Parallel()
	cluster := jstest.StartCluster(t)
	cluster.WaitReady()
	js, err := jetstream.New(jstest.ConnectURL(t, cluster.URL()))
	mgOK(t, err)
	ctx := mgContext(t)
	st, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORIGIN", Subjects: []string{"origin"}})
	mgOK(t, err)
	info, err := st.Info(ctx)
	mgOK(t, err)
	mgEqual(t, "alternates without mirror", info.Alternates, []jetstream.StreamAlternate(nil))
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "M", Mirror: &jetstream.StreamSource{Name: "ORIGIN"}})
	mgOK(t, err)
	jstest.WaitFor(t, mgWait, "the mirror to be an alternate", func() bool {
		info, err = st.Info(ctx)
		mgOK(t, err)
		return len(info.Alternates) == 2
	})
	for _, alternate := range info.Alternates {
		if alternate.Name == "" || alternate.Cluster == "" {
			t.Errorf("alternate %+v", alternate)
		}
	}

	sourced, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Sources: []*jetstream.StreamSource{
		{Name: "MISSING"},
		{Name: "FAR", External: &jetstream.ExternalStream{APIPrefix: "$JS.FAR.API", DeliverPrefix: "far"}},
	}})
	mgOK(t, err)
	info, err = sourced.Info(ctx)
	mgOK(t, err)
	mgEqual(t, "number of sources", len(info.Sources), 2)
	for _, source := range info.Sources {
		mgEqual(t, "external "+source.Name, source.External != nil, source.Name == "FAR")
	}
}

func TestStreamInfoTellsErrorOfSource(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	fake.On("STREAM.INFO.S", jstest.Bytes([]byte(`{"sources":[{"name":"A","lag":0,"active":-1,"error":{"code":404,"err_code":10059}}]}`)))
	st, err := js.Stream(mgContext(t), "S")
	mgOK(t, err)
	source := st.CachedInfo().Sources[0]
	mgIs(t, source.Error, jetstream.ErrStreamNotFound)
	mgEqual(t, "active", source.Active, time.Duration(-1))
}

// A66
func TestDomainsBecomeExternalInCreateAndUpdate(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	start := time.Now().UTC()
	config := func() jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name:   "S",
			Mirror: &jetstream.StreamSource{Name: "M", Domain: "hub", OptStartTime: &start},
			Sources: []*jetstream.StreamSource{
				{Name: "A"},
				{Name: "B", Domain: "leaf"},
				{Name: "C", External: &jetstream.ExternalStream{APIPrefix: "x", DeliverPrefix: "y"}},
			},
		}
	}
	cfg := config()
	reply := jstest.Bytes([]byte(`{"config":{"sources":[{},{},{}]}}`))
	fake.On("STREAM.CREATE.S", reply)
	fake.On("STREAM.UPDATE.S", jstest.InTurn(reply, jstest.Error(404, 10059, "not found"), reply))
	_, err := js.CreateStream(mgContext(t), cfg)
	mgOK(t, err)
	_, err = js.UpdateStream(mgContext(t), cfg)
	mgOK(t, err)
	_, err = js.CreateOrUpdateStream(mgContext(t), cfg)
	mgOK(t, err)
	mgEqual(t, "caller's config", cfg, config())
	requests := fake.Seen(">")
	mgEqual(t, "number of requests", len(requests), 4)
	for _, r := range requests {
		body := mgBody(t, r)
		mgEqual(t, "mirror's external", body["mirror"].(map[string]any)["external"],
			any(map[string]any{"api": "$JS.hub.API", "deliver": ""}))
		var externals []any
		for _, source := range body["sources"].([]any) {
			externals = append(externals, source.(map[string]any)["external"])
		}
		mgEqual(t, "sources' externals", externals, []any{
			nil,
			map[string]any{"api": "$JS.leaf.API", "deliver": ""},
			map[string]any{"api": "x", "deliver": "y"},
		})
	}
}

func TestMirrorAndSourceOfADomainReceiveMessages(t *testing.T) {
	t.Parallel()
	hub := jstest.StartServer(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "hub", "HUB"
		o.LeafNode.Host, o.LeafNode.Port = o.Host, server.RANDOM_PORT
	})
	varz, err := hub.Varz(nil)
	mgOK(t, err)
	leaf := jstest.StartServer(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "leaf", "LEAF"
		hubURL := &url.URL{Scheme: "nats-leaf", Host: fmt.Sprintf("127.0.0.1:%d", varz.LeafNode.Port)}
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{hubURL}}}
	})
	jstest.WaitFor(t, mgWait, "the leaf node to connect", func() bool {
		return hub.NumLeafNodes() == 1 && leaf.NumLeafNodes() == 1
	})
	hubConn := jstest.Connect(t, hub)
	hubJS, err := jetstream.New(hubConn)
	mgOK(t, err)
	mgStream(t, hubJS, jetstream.StreamConfig{Name: "ORIGIN", Subjects: []string{"origin"}})
	mgStore(t, hubConn, "origin", "x")

	js, err := jetstream.New(jstest.Connect(t, leaf))
	mgOK(t, err)
	external := &jetstream.ExternalStream{APIPrefix: "$JS.HUB.API"}
	mirror := mgStream(t, js, jetstream.StreamConfig{Name: "M", Mirror: &jetstream.StreamSource{Name: "ORIGIN", Domain: "HUB"}})
	mgEqual(t, "mirror", mirror.CachedInfo().Config.Mirror, &jetstream.StreamSource{Name: "ORIGIN", External: external})
	cfg := jetstream.StreamConfig{
		Name: "S", Storage: jetstream.MemoryStorage,
		Sources: []*jetstream.StreamSource{{Name: "ORIGIN", Domain: "HUB"}},
	}
	_, err = js.CreateStream(mgContext(t), cfg)
	mgOK(t, err)
	cfg.Subjects = []string{"own"}
	sourced, err := js.CreateOrUpdateStream(mgContext(t), cfg)
	mgOK(t, err)
	mgEqual(t, "subjects", sourced.CachedInfo().Config.Subjects, []string{"own"})
	mgEqual(t, "source", sourced.CachedInfo().Config.Sources[0].External, external)
	for _, st := range []jetstream.Stream{mirror, sourced} {
		// A server that finds nobody to copy from tries again after a while.
		jstest.WaitFor(t, 3*mgWait, "the message in "+st.CachedInfo().Config.Name, func() bool {
			info, err := st.Info(mgContext(t))
			mgOK(t, err)
			return info.State.Msgs == 1
		})
	}
}

func TestBadSourcesAreRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	both := &jetstream.StreamSource{Name: "A", Domain: "D", External: &jetstream.ExternalStream{}}
	for _, cfg := range []jetstream.StreamConfig{
		{Name: "S", Mirror: both},
		{Name: "S", Sources: []*jetstream.StreamSource{both}},
	} {
		for _, put := range []func(context.Context, jetstream.StreamConfig) (jetstream.Stream, error){
			js.CreateStream, js.UpdateStream, js.CreateOrUpdateStream,
		} {
			_, err := put(mgContext(t), cfg)
			if err == nil || err.Error() != "nats: domain and external are both set" {
				t.Errorf("error is %v", err)
			}
		}
	}
	_, err := js.CreateStream(mgContext(t), jetstream.StreamConfig{Name: "S", Sources: []*jetstream.StreamSource{{Name: "A"}, nil}})
	mgIs(t, err, jetstream.ErrInvalidOption)
	mgEqual(t, "requests", fake.Seen(">"), []jstest.Request(nil))
}

// A65
func TestFeaturesTheServerDroppedAreReported(t *testing.T) {
	t.Parallel()
	transform := jetstream.SubjectTransformConfig{Source: ">", Destination: "a.>"}
	withSources := jetstream.StreamConfig{Name: "S", Sources: []*jetstream.StreamSource{
		{Name: "A", SubjectTransforms: []jetstream.SubjectTransformConfig{transform, transform}},
		{Name: "B"},
		{Name: "A", SubjectTransforms: []jetstream.SubjectTransformConfig{transform}},
	}}
	for _, test := range []struct {
		name   string
		cfg    jetstream.StreamConfig
		config string
		want   []error
	}{
		{"transform", jetstream.StreamConfig{Name: "S", SubjectTransform: &transform}, `{}`, []error{jetstream.ErrStreamSubjectTransformNotSupported}},
		{"sources", withSources, `{}`, []error{jetstream.ErrStreamSourceNotSupported}},
		{"fewer sources", withSources, `{"sources":[{"name":"A"}]}`, []error{jetstream.ErrStreamSourceNotSupported}},
		{
			"transforms of sources", withSources, `{"sources":[{"name":"A"},{"name":"B"},{"name":"A"}]}`,
			[]error{jetstream.ErrStreamSubjectTransformNotSupported, jetstream.ErrStreamSourceSubjectTransformNotSupported},
		},
		{
			"other order", withSources,
			`{"sources":[{"name":"A","subject_transforms":[{}]},{"name":"A","subject_transforms":[{},{}]},{"name":"B"}]}`, nil,
		},
		{"sources nobody asked for", jetstream.StreamConfig{Name: "S"}, `{"sources":[{"name":"A"}]}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			js, fake := mgFake(t)
			fake.On("STREAM.>", jstest.Bytes([]byte(`{"config":`+test.config+`}`)))
			for _, put := range []func(context.Context, jetstream.StreamConfig) (jetstream.Stream, error){
				js.CreateStream, js.UpdateStream, js.CreateOrUpdateStream,
			} {
				st, err := put(mgContext(t), test.cfg)
				if len(test.want) == 0 {
					mgOK(t, err)
				} else if st != nil {
					t.Error("got a handle beside an error")
				}
				for _, want := range test.want {
					mgIs(t, err, want)
					jsErr, ok := err.(jetstream.JetStreamError) // Callers assert the type.
					if !ok || jsErr.APIError() != nil {
						t.Errorf("%T is no client-side JetStreamError", err)
					}
					mgEqual(t, "text", err.Error(), want.Error())
				}
			}
		})
	}
}

func TestStreamRepliesWithoutPayload(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	ctx := mgContext(t)
	st, err := js.Stream(ctx, "S")
	mgOK(t, err)
	cfg := jetstream.StreamConfig{Name: "S"}
	for _, reply := range []string{"{}", "null", `{"type":"whatever"}`, `{"total":3}`} {
		fake.On(">", jstest.Bytes([]byte(reply)))
		_, err = js.CreateStream(ctx, cfg)
		mgSame(t, err, jetstream.ErrInvalidJetStreamResponse)
		_, err = js.UpdateStream(ctx, cfg)
		mgSame(t, err, jetstream.ErrInvalidJetStreamResponse)
		_, err = js.Stream(ctx, "S")
		mgSame(t, err, jetstream.ErrInvalidJetStreamResponse)
		_, err = st.Info(ctx)
		mgSame(t, err, jetstream.ErrInvalidJetStreamResponse)
		_, err = st.Info(ctx, jetstream.WithSubjectFilter(">"))
		mgSame(t, err, jetstream.ErrInvalidJetStreamResponse)
		_, err = st.GetMsg(ctx, 1)
		mgSame(t, err, jetstream.ErrInvalidJetStreamResponse)
		_, err = js.StreamNameBySubject(ctx, "foo")
		mgSame(t, err, jetstream.ErrStreamNotFound)
		mgSame(t, js.DeleteStream(ctx, "S"), jetstream.ErrInvalidJetStreamResponse)
		mgSame(t, st.Purge(ctx), jetstream.ErrInvalidJetStreamResponse)
	}
	fake.On(">", jstest.Bytes([]byte(`{"created":"2024-01-01T00:00:00Z"}`)))
	st, err = js.Stream(ctx, "S")
	mgOK(t, err)
	mgEqual(t, "created", st.CachedInfo().Created.Year(), 2024)
	fake.On(">", jstest.Bytes(nil))
	_, err = js.Stream(ctx, "S")
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) || err.Error() != "unexpected end of JSON input" {
		t.Errorf("empty reply: %v", err)
	}
}

func TestDeleteStreamRemovesIt(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	ctx := mgContext(t)
	st := mgStream(t, js, jetstream.StreamConfig{Name: "S"})
	direct := mgStream(t, js, jetstream.StreamConfig{Name: "D", AllowDirect: true})
	mgOK(t, js.DeleteStream(context.Background(), "S"))
	mgOK(t, js.DeleteStream(ctx, "D"))
	mgSame(t, js.DeleteStream(ctx, "S"), jetstream.ErrStreamNotFound)
	_, err := js.Stream(ctx, "S")
	mgSame(t, err, jetstream.ErrStreamNotFound)
	_, err = st.Info(ctx)
	mgSame(t, err, jetstream.ErrStreamNotFound)
	if st.CachedInfo() == nil {
		t.Error("a failed Info must leave the cache alone")
	}
	_, err = st.GetMsg(ctx, 1)
	mgIs(t, err, jetstream.ErrStreamNotFound)
	_, err = direct.GetMsg(ctx, 1)
	mgSame(t, err, nats.ErrNoResponders)
	_, err = direct.GetLastMsgForSubject(ctx, "D")
	mgSame(t, err, nats.ErrNoResponders)
	mgIs(t, st.Purge(ctx), jetstream.ErrStreamNotFound)
	// Errors other than the one that is mapped come as the server's own.
	var apiErr *jetstream.APIError
	if err := st.Purge(ctx); !errors.As(err, &apiErr) || err == error(jetstream.ErrStreamNotFound) { // See mgSame.
		t.Errorf("purge of a deleted stream: %v", err)
	}
}

func TestStreamNameBySubject(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	mgStream(t, js, jetstream.StreamConfig{Name: "foo", Subjects: []string{"FOO.*"}})
	mgStream(t, js, jetstream.StreamConfig{Name: "zoo", Subjects: []string{"BAR.123", "ZOO"}})
	for subject, want := range map[string]string{"FOO.*": "foo", "BAR.*": "zoo", ">": "foo", "ZOO": "zoo", "FOO.a": "foo"} {
		name, err := js.StreamNameBySubject(context.Background(), subject)
		mgOK(t, err)
		mgEqual(t, subject, name, want)
	}
	for _, subject := range []string{"XYZ", "a..b"} {
		name, err := js.StreamNameBySubject(mgContext(t), subject)
		mgSame(t, err, jetstream.ErrStreamNotFound)
		mgEqual(t, "name", name, "")
	}
	for _, subject := range []string{"", "FOO.>.123", ".foo", "foo.", ">.", "foo bar", "foo\tbar", "foo\nbar"} {
		_, err := js.StreamNameBySubject(mgExpired(t), subject)
		mgIs(t, err, jetstream.ErrInvalidSubject)
	}
}

func TestManagementIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	js, nc := mgHandle(t)
	ctx := mgContext(t)
	st := mgStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"foo"}, AllowDirect: true})
	mgStore(t, nc, "foo", "x")
	cons, err := st.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "C"})
	mgOK(t, err)
	var wg sync.WaitGroup
	work := func(workers, times int, do func() error) {
		for range workers {
			wg.Go(func() {
				for range times {
					if err := do(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	work(4, 40, func() error { _, err := cons.Info(ctx); return err })
	work(2, 20, func() error { _, err := st.Info(ctx, jetstream.WithSubjectFilter(">")); return err })
	work(2, 40, func() error { _, err := st.GetMsg(ctx, 1); return err })
	work(2, 40, func() error {
		if st.CachedInfo().Config.Name != "S" || cons.CachedInfo().Name != "C" {
			return errors.New("wrong info in a cache")
		}
		return nil
	})
	wg.Wait()
}
