package jetstream_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// ordFake is an ordered consumer on a fake API that lets the first consumer be
// created, after which the test decides.
func ordFake(t *testing.T, cfg jetstream.OrderedConsumerConfig) (*jstest.FakeAPI, jetstream.Consumer) {
	t.Helper()
	s := jstest.StartServer(t)
	fake := jstest.StartFakeAPI(t, jstest.Connect(t, s), "FAKE")
	js, err := jetstream.NewWithAPIPrefix(jstest.Connect(t, s), "FAKE")
	ordOK(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), ordWait)
	defer cancel()
	cons, err := js.OrderedConsumer(ctx, "S", cfg)
	ordOK(t, err)
	return fake, cons
}

const (
	ordCreate  = "CONSUMER.CREATE.>"
	ordDeleted = "Consumer Deleted"
)

// B33
func TestOrderedMaxResetAttemptsIsFinal(t *testing.T) {
	t.Parallel()
	unavailable := jstest.Error(503, 10008, "system temporarily unavailable")
	t.Run("Consume", func(t *testing.T) {
		t.Parallel()
		fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{MaxResetAttempts: 2})
		fake.On(ordCreate, unavailable)
		fake.OnPull(jstest.Status(409, ordDeleted))
		sink := &ordSink{t: t}
		cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(sink.onErr))
		ordOK(t, err)
		ordClosed(t, cc)
		errs := sink.errors()
		if len(errs) != 2 || !errors.Is(errs[0], jetstream.ErrConsumerDeleted) {
			t.Fatalf("errors are %v", errs)
		}
		var api *jetstream.APIError
		if !errors.As(errs[1], &api) || api.ErrorCode != 10008 {
			t.Errorf("last error is %v, want that of the creation", errs[1])
		}
		if n := len(fake.Seen(ordCreate)); n != 3 {
			t.Errorf("%d creations were tried, want the first and 2", n)
		}
		if n := len(fake.Pulls()); n != 1 {
			t.Errorf("%d pull requests, want 1", n)
		}
	})
	t.Run("Messages", func(t *testing.T) {
		t.Parallel()
		fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{MaxResetAttempts: 2})
		fake.On(ordCreate, unavailable)
		fake.OnPull(jstest.Status(409, ordDeleted))
		it, err := cons.Messages()
		ordOK(t, err)
		_, err = it.Next(jetstream.NextMaxWait(ordWait))
		var api *jetstream.APIError
		if !errors.As(err, &api) || api.ErrorCode != 10008 {
			t.Errorf("error is %v, want that of the creation", err)
		}
		_, err = it.Next()
		ordIs(t, err, jetstream.ErrMsgIteratorClosed)
	})
	t.Run("one that succeeds starts the count over", func(t *testing.T) {
		t.Parallel()
		e := ordStart(t)
		e.publish("s.x", 30)
		cons := e.ordered(jetstream.OrderedConsumerConfig{MaxResetAttempts: 1})
		sink := &ordSink{t: t}
		cc, err := cons.Consume(sink.handle, jetstream.PullMaxMessages(2), ordBeat())
		ordOK(t, err)
		for range 3 {
			name := cons.CachedInfo().Name
			// It may have been replaced on account of the last deletion only now.
			if err := e.stream.DeleteConsumer(e.ctx, name); err != nil {
				ordIs(t, err, jetstream.ErrConsumerNotFound)
			}
			jstest.WaitFor(t, ordWait, "a new consumer", func() bool { return cons.CachedInfo().Name != name })
		}
		sink.await(30)
		cc.Stop()
		ordClosed(t, cc)
		ordWant(t, sink.got(), ordRange(1, 30))
	})
}

// A31
func TestOrderedConsumerSurvivesFailedReplacements(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	e := ordOn(t, jstest.Connect(t, s), s.ClientURL())
	e.publish("s.x", 20)
	fake := jstest.StartFakeAPI(t, jstest.Connect(t, s), "FAKE")
	fake.On(">", jstest.Forward)
	js, err := jetstream.NewWithAPIPrefix(jstest.Connect(t, s), "FAKE")
	ordOK(t, err)
	cons, err := js.OrderedConsumer(e.ctx, "S", jetstream.OrderedConsumerConfig{})
	ordOK(t, err)
	e.deleteCurrent(cons)
	fake.On(ordCreate, jstest.InTurn(
		jstest.Status(503, ""),
		jstest.Error(503, 10008, "system temporarily unavailable"),
		jstest.Forward,
	))
	it, err := cons.Messages(jetstream.StopAfter(20), ordBeat())
	ordOK(t, err)
	ordWant(t, ordDrain(t, it), ordRange(1, 20))
}

// Every replacement works, and comes to nothing at once.
func TestOrderedConsumerSlowsDownWhenReplacementsComeToNothing(t *testing.T) {
	t.Parallel()
	fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{})
	fake.OnPull(jstest.Status(409, ordDeleted))
	cc, err := cons.Consume(func(jetstream.Msg) {})
	ordOK(t, err)
	jstest.WaitFor(t, ordWait, "consumers to be made", func() bool { return len(fake.Seen(ordCreate)) >= 7 })
	cc.Stop()
	ordClosed(t, cc)
	creations := fake.Seen(ordCreate)
	// After a few that are free the pauses double: 0.4, 0.8 and 1.6 seconds.
	if took := creations[6].At.Sub(creations[0].At); took < 2*time.Second {
		t.Errorf("7 consumers within %v", took)
	}
	if n := len(fake.Pulls()); n > len(creations) {
		t.Errorf("%d pull requests for %d consumers", n, len(creations))
	}
}

// ordStuck is an ordered consumer whose replacement never comes about. When
// attempts are counted, each may take ten seconds.
func ordStuck(t *testing.T) (*jstest.FakeAPI, jetstream.Consumer) {
	t.Helper()
	fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{MaxResetAttempts: 9})
	fake.On(ordCreate, jstest.Ignore)
	fake.OnPull(jstest.Status(409, ordDeleted))
	return fake, cons
}

// B32, A39, A37
func TestOrderedConsumeEndsPromptlyDuringAReset(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(jetstream.ConsumeContext){
		"Stop":  jetstream.ConsumeContext.Stop,
		"Drain": jetstream.ConsumeContext.Drain,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, cons := ordStuck(t)
			cc, err := cons.Consume(func(jetstream.Msg) {})
			ordOK(t, err)
			jstest.WaitFor(t, ordWait, "the reset to begin", func() bool { return len(fake.Seen(ordCreate)) == 2 })

			// The cached info does not wait, a request waits as long as it may.
			if cons.CachedInfo() == nil {
				t.Error("no cached info")
			}
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			_, err = cons.Info(ctx)
			ordIs(t, err, context.DeadlineExceeded)

			begun := time.Now()
			end(cc)
			end(cc)
			ordClosed(t, cc)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("took %v, which is as long as the attempt", took)
			}
			// The consumer may have been made without our knowing.
			jstest.WaitFor(t, ordWait, "the attempt to be undone", func() bool {
				return len(fake.Seen("CONSUMER.DELETE.*.*")) == 2
			})
			created, deleted := fake.Seen(ordCreate)[1].Subject, fake.Seen("CONSUMER.DELETE.*.*")[1].Subject
			if ordLastToken(created) != ordLastToken(deleted) {
				t.Errorf("created %s, deleted %s", created, deleted)
			}
		})
	}
}

func ordLastToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// B32
func TestOrderedNextHonorsItsLimitsDuringAReset(t *testing.T) {
	t.Parallel()
	fake, cons := ordStuck(t)
	it, err := cons.Messages()
	ordOK(t, err)
	begun := time.Now()
	_, err = it.Next(jetstream.NextMaxWait(300 * time.Millisecond))
	ordIs(t, err, nats.ErrTimeout)
	jstest.WaitFor(t, ordWait, "the reset to begin", func() bool { return len(fake.Seen(ordCreate)) == 2 })
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err = it.Next(jetstream.NextContext(ctx))
	ordIs(t, err, context.DeadlineExceeded)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("limits of 300 ms took %v", took)
	}
	// One that has no limit ends with the iterator.
	result := make(chan error, 1)
	go func() {
		_, err := it.Next()
		result <- err
	}()
	it.Stop()
	select {
	case err := <-result:
		ordIs(t, err, jetstream.ErrMsgIteratorClosed)
	case <-time.After(ordWait):
		t.Fatal("Next did not return after Stop")
	}
}

func TestOrderedInfoWaitsForTheNewConsumer(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := e.ordered(jetstream.OrderedConsumerConfig{NamePrefix: "p"})
	cc, err := cons.Consume(func(jetstream.Msg) {})
	ordOK(t, err)
	jstest.WaitFor(t, ordWait, "the first request", func() bool {
		info, err := cons.Info(e.ctx)
		return err == nil && info.NumWaiting == 1
	})
	e.deleteCurrent(cons)
	jstest.WaitFor(t, ordWait, "the next consumer", func() bool {
		info, err := cons.Info(e.ctx)
		// What can be seen has been asked for messages.
		return err == nil && info.Name == "p_2" && info.NumWaiting == 1
	})
	if got := cons.CachedInfo().Name; got != "p_2" {
		t.Errorf("cached name is %s", got)
	}
	cc.Stop()
	ordClosed(t, cc)
	// Stop leaves the consumer to the server.
	info, err := cons.Info(e.ctx)
	ordOK(t, err)
	if info.Name != "p_2" {
		t.Errorf("name after Stop is %s", info.Name)
	}
}

// A39, B53
func TestOrderedConsumeStoppedDuringResetsLeavesNoConsumers(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 10)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	next := uint64(0)
	for range 100 {
		var seqs []uint64
		cc, err := cons.Consume(func(msg jetstream.Msg) {
			meta, err := msg.Metadata()
			if err != nil {
				t.Errorf("metadata: %v", err)
				return
			}
			seqs = append(seqs, meta.Sequence.Stream)
		})
		ordOK(t, err)
		// Both of these race with the reset that the start brings about.
		if err := e.stream.DeleteConsumer(e.ctx, cons.CachedInfo().Name); err != nil {
			ordIs(t, err, jetstream.ErrConsumerNotFound)
		}
		cc.Stop()
		ordClosed(t, cc)
		ordWant(t, seqs, ordRange(next+1, next+uint64(len(seqs))))
		next += uint64(len(seqs))
	}
	e.onlyCurrent(cons)
	e.publish("s.x", 5)
	it, err := cons.Messages(jetstream.StopAfter(15 - int(next)))
	ordOK(t, err)
	ordWant(t, ordDrain(t, it), ordRange(next+1, 15))
}

// B11: at the first gap the two part.
func TestOrderedConsumersWithTheSamePrefixBothGetEverything(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	other := jstest.ConnectURL(t, e.url)
	js2, err := jetstream.New(other)
	ordOK(t, err)
	cfg := jetstream.OrderedConsumerConfig{NamePrefix: "same"}
	var sinks [2]*ordSink
	for i, js := range []jetstream.JetStream{e.js, js2} {
		cons, err := js.OrderedConsumer(e.ctx, "S", cfg)
		ordOK(t, err)
		sinks[i] = &ordSink{t: t}
		cc, err := cons.Consume(sinks[i].handle, ordBeat())
		ordOK(t, err)
		t.Cleanup(cc.Stop)
	}
	e.publish("s.x", 50)
	for _, sink := range sinks {
		sink.await(50)
		ordWant(t, sink.got(), ordRange(1, 50))
	}
}

// The iterator must not tell of a consumer that vanished before it was used.
func TestOrderedMessagesHidesTheLossOfItsConsumer(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 10)
	cons := e.ordered(jetstream.OrderedConsumerConfig{})
	e.deleteCurrent(cons)
	it, err := cons.Messages(ordBeat(), jetstream.StopAfter(10))
	ordOK(t, err)
	ordWant(t, ordDrain(t, it), ordRange(1, 10))
}

// A request that gets lost shows by the missing heartbeat.
func TestOrderedConsumerReplacesOneThatFallsSilent(t *testing.T) {
	t.Parallel()
	fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{})
	fake.OnPull(jstest.Ignore)
	sink := &ordSink{t: t}
	cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(sink.onErr), ordBeat())
	ordOK(t, err)
	jstest.WaitFor(t, ordWait, "another consumer", func() bool { return len(fake.Seen(ordCreate)) >= 2 })
	created := fake.Seen(ordCreate)
	pulls := fake.Pulls()
	// When the fake took them in may be later than when they were sent.
	if took := created[1].At.Sub(pulls[0].At); took < time.Second || took > 10*time.Second {
		t.Errorf("replaced after %v of silence, want 2 s or little more", took)
	}
	cc.Stop()
	ordClosed(t, cc)
	if errs := sink.errors(); len(errs) == 0 || !errors.Is(errs[0], jetstream.ErrNoHeartbeat) {
		t.Errorf("errors are %v, want %v", errs, jetstream.ErrNoHeartbeat)
	}
}

// A36
func TestOrderedConsumerKeepsItsOptionsAcrossResets(t *testing.T) {
	t.Parallel()
	fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{})
	fake.OnPull(jstest.InTurn(jstest.Status(409, ordDeleted), jstest.Status(409, ordDeleted), jstest.Ignore))
	cc, err := cons.Consume(func(jetstream.Msg) {},
		jetstream.PullMaxMessages(17), jetstream.PullExpiry(9*time.Second), jetstream.PullHeartbeat(3*time.Second))
	ordOK(t, err)
	jstest.WaitFor(t, ordWait, "requests", func() bool { return len(fake.Pulls()) == 3 })
	cc.Stop()
	ordClosed(t, cc)
	for i, req := range fake.Pulls() {
		pull, err := req.Pull()
		ordOK(t, err)
		if pull.Batch != 17 || pull.Expires != 9*time.Second || pull.IdleHeartbeat != 3*time.Second {
			t.Errorf("request %d: %+v", i, pull)
		}
	}
}

func TestOrderedHeartbeatDefaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		opts []jetstream.PullConsumeOpt
		want time.Duration
	}{
		{nil, 5 * time.Second},
		{[]jetstream.PullConsumeOpt{jetstream.PullExpiry(4 * time.Second)}, 2 * time.Second},
		{[]jetstream.PullConsumeOpt{jetstream.PullHeartbeat(10 * time.Second)}, 10 * time.Second},
	} {
		fake, cons := ordFake(t, jetstream.OrderedConsumerConfig{})
		cc, err := cons.Consume(func(jetstream.Msg) {}, tc.opts...)
		ordOK(t, err)
		jstest.WaitFor(t, ordWait, "a request", func() bool { return len(fake.Pulls()) == 1 })
		pull, err := fake.Pulls()[0].Pull()
		ordOK(t, err)
		if pull.IdleHeartbeat != tc.want {
			t.Errorf("heartbeat is %v, want %v", pull.IdleHeartbeat, tc.want)
		}
		cc.Stop()
		ordClosed(t, cc)
	}
}

// A2: no round trip is made to find out whether a reset is needed.
func TestOrderedConsumerIsReplacedAtOnceAfterAReconnect(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	e := ordOn(t, jstest.ConnectURL(t, n.URL()), n.URL())
	e.publish("s.x", 5)
	cons := e.ordered(jetstream.OrderedConsumerConfig{NamePrefix: "p"})
	sink := &ordSink{t: t}
	cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(sink.onErr))
	ordOK(t, err)
	sink.await(5)
	watcher := jstest.Connect(t, n.Server())
	infos := jstest.RecordRequests(t, watcher, "$JS.API.CONSUMER.INFO.>")
	creations := jstest.RecordRequests(t, watcher, "$JS.API.CONSUMER.CREATE.>")
	n.Proxy().Cut()
	creations.WaitN(t, 1, ordWait)
	e.publish("s.x", 5)
	sink.await(10)
	cc.Stop()
	ordClosed(t, cc)
	ordWant(t, sink.got(), ordRange(1, 10))
	if n := infos.Len(); n != 0 {
		t.Errorf("%d requests for information", n)
	}
	if errs := sink.errors(); len(errs) != 0 {
		t.Errorf("a reconnect was reported: %v", errs)
	}
	e.onlyCurrent(cons)
}

// Drain right after a reset delivers what the new consumer was asked for.
func TestOrderedDrainAfterAResetDeliversWhatHasArrived(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	// So large that nothing else matters for what has come over the connection.
	large := make([]byte, 64<<10)
	for range 10 {
		_, err := e.js.Publish(e.ctx, "s.x", large)
		ordOK(t, err)
	}
	nc := jstest.ConnectURL(t, e.url)
	js, err := jetstream.New(nc)
	ordOK(t, err)
	cons, err := js.OrderedConsumer(e.ctx, "S", jetstream.OrderedConsumerConfig{})
	ordOK(t, err)
	e.deleteCurrent(cons)
	sink := &ordSink{t: t}
	gate, arrived := make(chan struct{}), make(chan struct{}, 10)
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		arrived <- struct{}{}
		<-gate
		sink.handle(msg)
	}, ordBeat())
	ordOK(t, err)
	<-arrived
	jstest.WaitFor(t, ordWait, "all messages to arrive", func() bool {
		return nc.Stats().InBytes >= uint64(10*len(large))
	})
	cc.Drain()
	close(gate)
	ordClosed(t, cc)
	ordWant(t, sink.got(), ordRange(1, 10))
}
