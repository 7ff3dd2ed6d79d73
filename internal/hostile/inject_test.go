package hostile

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// bad are texts that would do harm if they got where they do not belong.
var bad = []string{
	"", " ", "a b", "a\tb", "a\r\nPUB INJECTED 0\r\n\r\n", "a\nINJECTED: x", "a\r\n\r\nINJECTED", " 5\r\nhello\r\nPUB INJECTED 0\r\n\r\n",
	"*", ">", "a.*", "a.>", "a.b", ".a", "a.", "a..b", "S.C", "\x00", "a\x00b", "a\x7fb", "../../etc", `a\b`, `","name":"INJECTED`, "é\u2028", "\xff",
	strings.Repeat("x", 10<<10), strings.Repeat("x.", 5<<10) + "x",
}

// unfit are the characters that no name of a stream or consumer may have.
const unfit = ">*. /\\\t\r\n"

// entrance is a way in for a text: a call that takes it, and the subjects under
// which something may be sent for it, none if the text is to be refused.
type entrance struct {
	call func(ctx context.Context, x *target, s string) error
	sent func(s string) []string
}

// fixed is for texts that go into a body or a header: the subjects do not depend
// on them.
func fixed(subjects ...string) func(string) []string {
	return func(string) []string { return subjects }
}

// token is for names that become one token of each subject, where NAME stands.
func token(subjects ...string) func(string) []string {
	return func(s string) []string {
		if s == "" || strings.ContainsAny(s, unfit) {
			return nil
		}
		return placed(s, subjects)
	}
}

// tail is for subjects that become the end of another, or a whole one.
func tail(subjects ...string) func(string) []string {
	return func(s string) []string {
		if strings.ContainsAny(s, " \t\r\n") {
			return nil
		}
		return placed(s, subjects)
	}
}

// nameOfBucket and key are for what has an alphabet of its own.
func nameOfBucket(subjects ...string) func(string) []string {
	return func(s string) []string {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !alphanumeric(r) && r != '-' && r != '_' }) {
			return nil
		}
		return placed(s, subjects)
	}
}

func key(subjects ...string) func(string) []string {
	return func(s string) []string {
		for part := range strings.SplitSeq(s, ".") {
			if part == "" || strings.ContainsFunc(part, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("-_/=", r) }) {
				return nil
			}
		}
		return placed(s, subjects)
	}
}

func alphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// object is for names of objects, which become a token in base64.
func object(subjects ...string) func(string) []string {
	return func(s string) []string {
		if s == "" {
			return nil
		}
		return placed(base64.URLEncoding.EncodeToString([]byte(s)), subjects)
	}
}

func placed(s string, subjects []string) []string {
	var out []string
	for _, subject := range subjects {
		out = append(out, strings.ReplaceAll(subject, "NAME", s))
	}
	return out
}

func streamEntrances() map[string]entrance {
	create := func(cfg func(s string) jetstream.StreamConfig) func(ctx context.Context, x *target, s string) error {
		return func(ctx context.Context, x *target, s string) error {
			_, err1 := x.js.CreateStream(ctx, cfg(s))
			_, err2 := x.js.UpdateStream(ctx, cfg(s))
			_, err3 := x.js.CreateOrUpdateStream(ctx, cfg(s))
			return errors.Join(err1, err2, err3)
		}
	}
	const put = apiPrefix + "STREAM.CREATE.NAME|" + apiPrefix + "STREAM.UPDATE.NAME"
	onS := strings.Split(strings.ReplaceAll(put, "NAME", "S"), "|")
	return map[string]entrance{
		"StreamConfig.Name": {create(func(s string) jetstream.StreamConfig { return jetstream.StreamConfig{Name: s} }), token(strings.Split(put, "|")...)},
		"StreamConfig texts": {create(func(s string) jetstream.StreamConfig {
			return jetstream.StreamConfig{
				Name: "S", Description: s, Subjects: []string{s}, Metadata: map[string]string{s: s},
				Placement: &jetstream.Placement{Cluster: s, Tags: []string{s}},
				RePublish: &jetstream.RePublish{Source: s, Destination: s},
			}
		}), fixed(onS...)},
		"StreamSource": {create(func(s string) jetstream.StreamConfig {
			return jetstream.StreamConfig{Name: "S", Sources: []*jetstream.StreamSource{{Name: s, FilterSubject: s, Domain: s}}}
		}), fixed(onS...)},
		"Stream":       {func(ctx context.Context, x *target, s string) error { _, err := x.js.Stream(ctx, s); return err }, token(apiPrefix + "STREAM.INFO.NAME")},
		"DeleteStream": {func(ctx context.Context, x *target, s string) error { return x.js.DeleteStream(ctx, s) }, token(apiPrefix + "STREAM.DELETE.NAME")},
		"StreamNameBySubject": {func(ctx context.Context, x *target, s string) error {
			_, err := x.js.StreamNameBySubject(ctx, s)
			return err
		}, fixed(apiPrefix + "STREAM.NAMES")},
		"WithStreamListSubject": {func(ctx context.Context, x *target, s string) error {
			l := x.js.StreamNames(ctx, jetstream.WithStreamListSubject(s))
			return listed(l.Name(), l.Err)
		}, fixed(apiPrefix + "STREAM.NAMES")},
		"WithSubjectFilter": {func(ctx context.Context, x *target, s string) error {
			_, err := x.stream.Info(ctx, jetstream.WithSubjectFilter(s))
			return err
		}, fixed(apiPrefix + "STREAM.INFO.S")},
		"WithPurgeSubject": {func(ctx context.Context, x *target, s string) error {
			return x.stream.Purge(ctx, jetstream.WithPurgeSubject(s))
		}, fixed(apiPrefix + "STREAM.PURGE.S")},
		"WithGetMsgSubject": {func(ctx context.Context, x *target, s string) error {
			_, err := x.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(s))
			return err
		}, fixed(apiPrefix + "STREAM.MSG.GET.S")},
		"GetLastMsgForSubject": {func(ctx context.Context, x *target, s string) error {
			_, err := x.stream.GetLastMsgForSubject(ctx, s)
			return err
		}, fixed(apiPrefix + "STREAM.MSG.GET.S")},
		"GetLastMsgForSubject, direct": {func(ctx context.Context, x *target, s string) error {
			st, err := x.js.Stream(ctx, "D")
			if err == nil {
				_, err = st.GetLastMsgForSubject(ctx, s)
			}
			return err
		}, func(s string) []string {
			return append(tail(apiPrefix+"DIRECT.GET.D.NAME", apiPrefix+"DIRECT.GET.D")(s), apiPrefix+"STREAM.INFO.D", apiPrefix+"STREAM.MSG.GET.D")
		}},
	}
}

func consumerEntrances() map[string]entrance {
	// Subjects of created consumers end in a generated name or a filter, so that
	// the one in the middle is what matters.
	const create = apiPrefix + "CONSUMER.CREATE."
	return map[string]entrance{
		"stream of a consumer": {func(ctx context.Context, x *target, s string) error {
			_, err1 := x.js.CreateConsumer(ctx, s, jetstream.ConsumerConfig{Durable: "C"})
			_, err2 := x.js.Consumer(ctx, s, "C")
			_, err3 := x.js.CreatePushConsumer(ctx, s, jetstream.ConsumerConfig{Durable: "C", DeliverSubject: "d"})
			_, err4 := x.js.PauseConsumer(ctx, s, "C", time.Now())
			_, err5 := x.js.ResetConsumer(ctx, s, "C")
			return errors.Join(err1, err2, err3, err4, err5, x.js.DeleteConsumer(ctx, s, "C"))
		}, token(create+"NAME.C", apiPrefix+"CONSUMER.INFO.NAME.C", apiPrefix+"CONSUMER.PAUSE.NAME.C", apiPrefix+"CONSUMER.RESET.NAME.C", apiPrefix+"CONSUMER.DELETE.NAME.C")},
		"name of a consumer": {func(ctx context.Context, x *target, s string) error {
			if s == "" {
				return nil // stands for a generated name
			}
			_, err1 := x.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Name: s})
			_, err2 := x.stream.CreatePushConsumer(ctx, jetstream.ConsumerConfig{Durable: s, DeliverSubject: "d"})
			_, err3 := x.stream.Consumer(ctx, s)
			_, err4 := x.stream.ResumeConsumer(ctx, s)
			_, err5 := x.stream.ResetConsumerToSequence(ctx, s, 1)
			return errors.Join(err1, err2, err3, err4, err5, x.stream.UnpinConsumer(ctx, s, "g"), x.stream.DeleteConsumer(ctx, s))
		}, token(create+"S.NAME", apiPrefix+"CONSUMER.INFO.S.NAME", apiPrefix+"CONSUMER.PAUSE.S.NAME", apiPrefix+"CONSUMER.RESET.S.NAME", apiPrefix+"CONSUMER.UNPIN.S.NAME", apiPrefix+"CONSUMER.DELETE.S.NAME")},
		"FilterSubject": {func(ctx context.Context, x *target, s string) error {
			_, err := x.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "C", FilterSubject: s})
			return err
		}, func(s string) []string { return append(tail(create+"S.C.NAME")(s), onlyIf(s == "", create+"S.C")...) }},
		"texts of a ConsumerConfig": {func(ctx context.Context, x *target, s string) error {
			_, err := x.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
				Durable: "C", Description: s, FilterSubjects: []string{s, s}, SampleFrequency: s, Metadata: map[string]string{s: s},
				DeliverSubject: s, DeliverGroup: s, PriorityGroups: []string{s},
			})
			return err
		}, fixed(create + "S.C")},
		"NamePrefix": {func(ctx context.Context, x *target, s string) error {
			if s == "" {
				return nil // stands for a generated one
			}
			_, err := x.js.OrderedConsumer(ctx, "S", jetstream.OrderedConsumerConfig{NamePrefix: s})
			return err
		}, token(create + "S.NAME_1")},
		"filters of an ordered consumer": {func(ctx context.Context, x *target, s string) error {
			_, err := x.js.OrderedConsumer(ctx, "S", jetstream.OrderedConsumerConfig{NamePrefix: "P", FilterSubjects: []string{s}})
			return err
		}, func(s string) []string {
			return append(tail(create+"S.P_1.NAME")(s), onlyIf(s == "", create+"S.P_1")...)
		}},
		"group of UnpinConsumer": {func(ctx context.Context, x *target, s string) error { return x.stream.UnpinConsumer(ctx, "C", s) }, fixed(apiPrefix + "CONSUMER.UNPIN.S.C")},
		"FetchPriorityGroup": {func(ctx context.Context, x *target, s string) error {
			return fetched(x.cons.Fetch(3, jetstream.FetchContext(ctx), jetstream.FetchPriorityGroup(s)))
		}, fixed(apiPrefix+"CONSUMER.MSG.NEXT.S.C", "$JS.ACK.S.C")},
		"push deliver subject and group": {func(ctx context.Context, x *target, s string) error {
			cons, err := x.js.CreatePushConsumer(ctx, "S", jetstream.ConsumerConfig{Durable: "C", DeliverSubject: "d" + s, DeliverGroup: s})
			if err != nil {
				return err
			}
			cc, err := cons.Consume(func(jetstream.Msg) {})
			if err == nil {
				cc.Stop()
				<-cc.Closed()
			}
			return err
		}, fixed(create + "S.C")},
		"TermWithReason": {func(ctx context.Context, x *target, s string) error {
			m, err := x.cons.Next(jetstream.FetchContext(ctx))
			if err != nil {
				return err
			}
			return m.TermWithReason(s)
		}, fixed(apiPrefix+"CONSUMER.MSG.NEXT.S.C", "$JS.ACK.S.C")},
	}
}

func onlyIf(cond bool, subject string) []string {
	if cond {
		return []string{subject}
	}
	return nil
}

func publishEntrances() map[string]entrance {
	option := func(opt func(s string) jetstream.PublishOpt) entrance {
		return entrance{func(ctx context.Context, x *target, s string) error {
			_, err := x.js.Publish(ctx, "s.x", []byte("data"), opt(s))
			return err
		}, fixed("s.x")}
	}
	return map[string]entrance{
		"subject of Publish": {func(ctx context.Context, x *target, s string) error {
			_, err := x.js.Publish(ctx, s, nil)
			return err
		}, tail("NAME")},
		"subject of PublishAsync": {func(_ context.Context, x *target, s string) error {
			f, err := x.js.PublishAsync(s, nil)
			if err != nil {
				return err
			}
			select {
			case <-f.Ok():
				return nil
			case err := <-f.Err():
				return err
			}
		}, tail("NAME")},
		"reply of PublishMsg": {func(ctx context.Context, x *target, s string) error {
			_, err := x.js.PublishMsg(ctx, &nats.Msg{Subject: "s.x", Reply: s})
			return err
		}, fixed("s.x")},
		"header": {func(ctx context.Context, x *target, s string) error {
			_, err := x.js.PublishMsg(ctx, &nats.Msg{Subject: "s.x", Header: nats.Header{"X": {s}, s: {"x"}}})
			return err
		}, fixed("s.x")},
		"WithMsgID":                        option(jetstream.WithMsgID),
		"WithExpectStream":                 option(jetstream.WithExpectStream),
		"WithExpectLastMsgID":              option(jetstream.WithExpectLastMsgID),
		"WithScheduleCron":                 option(jetstream.WithScheduleCron),
		"WithScheduleTarget":               option(jetstream.WithScheduleTarget),
		"WithScheduleSource":               option(jetstream.WithScheduleSource),
		"WithScheduleTimeZone":             option(jetstream.WithScheduleTimeZone),
		"WithExpectLastSequenceForSubject": option(func(s string) jetstream.PublishOpt { return jetstream.WithExpectLastSequenceForSubject(1, s) }),
		"API prefix": {func(ctx context.Context, x *target, s string) error {
			js, err := jetstream.NewWithAPIPrefix(x.js.Conn(), s)
			if err == nil {
				_, err = js.Stream(ctx, "S")
			}
			return err
		}, func(s string) []string {
			return append(tail("NAME.STREAM.INFO.S")(s), tail("NAME.STREAM.INFO.S")(strings.TrimSuffix(s, "."))...)
		}},
		"domain": {func(ctx context.Context, x *target, s string) error {
			js, err := jetstream.NewWithDomain(x.js.Conn(), s)
			if err == nil {
				_, err = js.Stream(ctx, "S")
			}
			return err
		}, tail("$JS.NAME.API.STREAM.INFO.S")},
	}
}

func bucketEntrances() map[string]entrance {
	const feed = apiPrefix + "CONSUMER.CREATE.KV_B"
	return map[string]entrance{
		"bucket": {func(ctx context.Context, x *target, s string) error {
			cfg := jetstream.KeyValueConfig{Bucket: s}
			_, err1 := x.js.KeyValue(ctx, s)
			_, err2 := x.js.CreateKeyValue(ctx, cfg)
			_, err3 := x.js.UpdateKeyValue(ctx, cfg)
			_, err4 := x.js.CreateOrUpdateKeyValue(ctx, cfg)
			return errors.Join(err1, err2, err3, err4, x.js.DeleteKeyValue(ctx, s))
		}, nameOfBucket(apiPrefix+"STREAM.INFO.KV_NAME", apiPrefix+"STREAM.CREATE.KV_NAME", apiPrefix+"STREAM.UPDATE.KV_NAME", apiPrefix+"STREAM.DELETE.KV_NAME")},
		"key": {func(ctx context.Context, x *target, s string) error {
			_, err1 := x.kv.Get(ctx, s)
			_, err2 := x.kv.Put(ctx, s, nil)
			_, err3 := x.kv.PutString(ctx, s, "")
			_, err4 := x.kv.Create(ctx, s, nil)
			_, err5 := x.kv.Update(ctx, s, nil, 1)
			_, err6 := x.kv.GetRevision(ctx, s, 1)
			return errors.Join(err1, err2, err3, err4, err5, err6, x.kv.Delete(ctx, s), x.kv.Purge(ctx, s))
		}, key(apiPrefix+"DIRECT.GET.KV_B.$KV.B.NAME", apiPrefix+"DIRECT.GET.KV_B", "$KV.B.NAME")},
		"filter for keys": {func(ctx context.Context, x *target, s string) error {
			w1, err1 := x.kv.Watch(ctx, s)
			err1 = watchedKeys(ctx, w1, err1)
			w2, err2 := x.kv.WatchFiltered(ctx, []string{s, "b"})
			err2 = watchedKeys(ctx, w2, err2)
			_, err3 := x.kv.History(ctx, s)
			return errors.Join(err1, err2, err3)
		}, func(s string) []string {
			if strings.ContainsAny(s, " \t\r\n\x00") || s == "" {
				return nil
			}
			return []string{feed, apiPrefix + "CONSUMER.DELETE.KV_B", apiPrefix + "CONSUMER.MSG.NEXT.KV_B", apiPrefix + "CONSUMER.INFO.KV_B", apiPrefix + "DIRECT.GET.KV_B", apiPrefix + "STREAM.INFO.KV_B"}
		}},
		"store": {func(ctx context.Context, x *target, s string) error {
			cfg := jetstream.ObjectStoreConfig{Bucket: s}
			_, err1 := x.js.ObjectStore(ctx, s)
			_, err2 := x.js.CreateObjectStore(ctx, cfg)
			_, err3 := x.js.UpdateObjectStore(ctx, cfg)
			_, err4 := x.js.CreateOrUpdateObjectStore(ctx, cfg)
			return errors.Join(err1, err2, err3, err4, x.js.DeleteObjectStore(ctx, s))
		}, nameOfBucket(apiPrefix+"STREAM.INFO.OBJ_NAME", apiPrefix+"STREAM.CREATE.OBJ_NAME", apiPrefix+"STREAM.UPDATE.OBJ_NAME", apiPrefix+"STREAM.DELETE.OBJ_NAME")},
		"object": {func(ctx context.Context, x *target, s string) error {
			_, err1 := x.objects.GetInfo(ctx, s)
			_, err2 := x.objects.PutBytes(ctx, s, nil)
			_, err3 := x.objects.AddLink(ctx, s, linkTarget)
			return errors.Join(err1, err2, err3, x.objects.Delete(ctx, s), x.objects.UpdateMeta(ctx, s, jetstream.ObjectMeta{Name: s, Description: s, Headers: nats.Header{s: {s}}}))
		}, func(s string) []string {
			// What the description names has one plain token as content.
			return append(object(apiPrefix+"DIRECT.GET.OBJ_O.$O.O.M.NAME", "$O.O.M.NAME", "$O.O.M.b2Jq")(s), onlyIf(s != "", apiPrefix+"STREAM.PURGE.OBJ_O")...)
		}},
		"target of a link": {func(ctx context.Context, x *target, s string) error {
			_, err := x.objects.AddLink(ctx, "link", &jetstream.ObjectInfo{ObjectMeta: jetstream.ObjectMeta{Name: s}, Bucket: s, NUID: s})
			return err
		}, fixed(apiPrefix+"DIRECT.GET.OBJ_O.$O.O.M.bGluaw==", "$O.O.M.bGluaw==")},
	}
}

// wire records what arrives at a raw server.
type wire struct {
	mu   sync.Mutex
	msgs []jstest.RawMsg
	subs []string
}

func (w *wire) take() (msgs []jstest.RawMsg, subs []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	msgs, subs = w.msgs, w.subs
	w.msgs, w.subs = nil, nil
	return msgs, subs
}

// Whatever text a program passes on, it is refused before anything is sent, or
// goes where it belongs and nowhere else.
func TestTextsCannotBreakOutOfTheirPlace(t *testing.T) {
	t.Parallel()
	w := new(wire)
	s := newHostile(*seedFlag)
	s.RawServer = jstest.StartRawServer(t, func(c *jstest.RawConn, req jstest.RawMsg) {
		w.mu.Lock()
		if req.Subject == "SUB" {
			w.subs = append(w.subs, string(req.Data))
		} else {
			w.msgs = append(w.msgs, req)
		}
		w.mu.Unlock()
		s.answer(c, req)
	})
	x := connect(t, s, honestly)
	all := make(map[string]entrance)
	for _, group := range []map[string]entrance{streamEntrances(), consumerEntrances(), publishEntrances(), bucketEntrances()} {
		maps.Copy(all, group)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, text := range bad {
			s.turn(modes[0])
			w.take()
			ctx, cancel := context.WithTimeout(context.Background(), honestly)
			err := all[name].call(ctx, x, text)
			cancel()
			ok(t, x.js.Conn().FlushTimeout(grace))
			msgs, subs := w.take()
			if what := displaced(msgs, subs, all[name].sent(text)); what != "" {
				t.Errorf("%s with %.60q: %s (error %v)", name, text, what, err)
			}
			if len(all[name].sent(text)) == 0 && text != "" && err == nil {
				t.Errorf("%s with %.60q: nothing is wrong", name, text)
			}
		}
	}
}

// displaced describes what was sent to the wrong place, empty if nothing was.
func displaced(msgs []jstest.RawMsg, subs, allowed []string) string {
	for _, m := range msgs {
		if strings.HasPrefix(m.Subject, apiPrefix+"CONSUMER.DELETE.KV_B.") {
			// What a watch leaves behind is removed in the background, which can
			// be after the call before this one.
			continue
		}
		fits := func(subject string) bool {
			// Generated names and what a request ends with come behind.
			return m.Subject == subject || strings.HasPrefix(m.Subject, subject+".")
		}
		if !slices.ContainsFunc(allowed, fits) {
			return fmt.Sprintf("sent to %.100q", m.Subject)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(string(m.Header), "\r\n\r\n"), "\r\n") {
			if strings.HasPrefix(strings.ToUpper(line), "INJECTED") || strings.Contains(line, "\n") {
				return fmt.Sprintf("header %q", m.Header)
			}
		}
		if strings.Contains(string(m.Header), "\r\n\r\nINJ") {
			return fmt.Sprintf("header %q", m.Header)
		}
	}
	for _, subject := range subs {
		if strings.HasPrefix(subject, "INJECTED") {
			return fmt.Sprintf("subscribed to %q", subject)
		}
	}
	return ""
}
