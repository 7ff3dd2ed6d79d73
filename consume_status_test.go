package jetstream_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func TestConsumeReportsMissingConsumerAndEnds(t *testing.T) {
	t.Parallel()
	// B21
	e := tpStart(t)
	mgOK(t, e.adminJS.DeleteConsumer(mgContext(t), tpStream, tpConsumer))
	var errs tpErrors
	started := time.Now()
	cc, err := e.cons.Consume(func(jetstream.Msg) {}, jetstream.PullHeartbeat(500*time.Millisecond), errs.handler())
	mgOK(t, err)
	tpDone(t, "the end", cc.Closed())
	got := errs.all()
	if len(got) < 3 {
		t.Fatalf("errors are %v", got)
	}
	mgSame(t, got[0], nats.ErrNoResponders)
	mgSame(t, got[1], jetstream.ErrNoHeartbeat)
	if d := errs.when(1).Sub(started); d < time.Second || d > 10*time.Second {
		t.Errorf("missing heartbeat was reported after %v, want 1s or little more", d)
	}
	mgSame(t, got[len(got)-1], jetstream.ErrConsumerNotFound)
}

func TestErrorHandlerThatBlocksHoldsUpNothing(t *testing.T) {
	t.Parallel()
	// A18 B52
	e := tpStart(t)
	cons, fake := tpFakeOver(t, e.nc, e.admin)
	var statuses atomic.Int32
	fake.OnPull(func(c *jstest.Call) {
		if statuses.Add(1) <= 5 {
			for range 20 {
				c.Status(409, "Something Else")
			}
			return
		}
		c.Forward()
	})
	block := make(chan struct{})
	entered := make(chan struct{})
	var once sync.Once
	var log tpLog
	cc, err := cons.Consume(log.take, jetstream.ConsumeErrHandler(func(jetstream.ConsumeContext, error) {
		once.Do(func() { close(entered) })
		<-block
	}))
	mgOK(t, err)
	tpDone(t, "the error handler", entered)
	e.publish(100)
	log.wait(t, 100)
	log.inOrderOnce(t, 100)
	cc.Stop()
	tpDone(t, "the end", cc.Closed())
	close(block)
}

func TestConsumeOutlastsStatuses(t *testing.T) {
	t.Parallel()
	// B65: without an error handler too.
	for _, c := range []struct {
		code    int
		text    string
		headers []string
		report  string
	}{
		{404, "No Messages", nil, "nats: no messages"},
		{408, "Request Timeout", []string{"Nats-Pending-Messages", "10", "Nats-Pending-Bytes", "0"}, ""},
		{408, "Requests Pending", nil, ""},
		{409, "Message Size Exceeds MaxBytes", []string{"Nats-Pending-Messages", "10", "Nats-Pending-Bytes", "10"}, ""},
		{409, "Leadership Change", nil, "nats: leadership change"},
		{409, "Server Shutdown", []string{"Nats-Pending-Messages", "10", "Nats-Pending-Bytes", "0"}, "nats: server shutdown"},
		{409, "Exceeded MaxRequestBatch of 7", nil, "nats: Exceeded MaxRequestBatch of 7"},
		{409, "Exceeded MaxWaiting", nil, "nats: Exceeded MaxWaiting"},
		{412, "Required Api Level", nil, "nats: Required Api Level"},
		{423, "Nats-Pin-Id mismatch", nil, "nats: pin ID mismatch"},
		{503, "", nil, "nats: no responders available for request"},
	} {
		t.Run(fmt.Sprint(c.code, c.text), func(t *testing.T) {
			t.Parallel()
			e := tpStart(t)
			e.publish(20)
			cons, fake := tpFakeOver(t, e.nc, e.admin)
			fake.OnPull(jstest.InTurn(jstest.Status(c.code, c.text, c.headers...), jstest.Forward))
			var log tpLog
			var errs tpErrors
			cc, err := cons.Consume(log.take, jetstream.PullMaxMessages(10), errs.handler())
			mgOK(t, err)
			// The default heartbeat could not help yet.
			log.wait(t, 20)
			cc.Stop()
			tpDone(t, "the end", cc.Closed())
			log.inOrderOnce(t, 20)
			var texts []string
			for _, err := range errs.all() {
				texts = append(texts, err.Error())
			}
			if got := strings.Join(texts, ", "); got != c.report {
				t.Errorf("reported %q, want %q", got, c.report)
			}
		})
	}
}

func TestRequestThatIsLostWithItsServerHoldsUpNothing(t *testing.T) {
	t.Parallel()
	// B16
	for _, c := range []struct {
		text string
		err  error
	}{{"Server Shutdown", jetstream.ErrServerShutdown}, {"Leadership Change", jetstream.ErrConsumerLeadershipChanged}} {
		e := tpStart(t)
		e.publish(6)
		cons, fake := tpFakeOver(t, e.nc, e.admin)
		first := make(chan *jstest.Call, 1)
		fake.OnPull(jstest.InTurn(func(c *jstest.Call) {
			c.Forward()
			first <- c
		}, jstest.Ignore, jstest.Forward))
		var log tpLog
		var errs tpErrors
		cc, err := cons.Consume(log.take, jetstream.PullMaxMessages(10), errs.handler())
		mgOK(t, err)
		log.wait(t, 6)
		jstest.WaitFor(t, tpWait, "the second request", func() bool { return len(fake.Pulls()) == 2 })
		// The second one never gets an answer, and alone is as much as the
		// threshold.
		(<-first).Status(409, c.text, "Nats-Pending-Messages", "4", "Nats-Pending-Bytes", "0")
		jstest.WaitFor(t, tpWait, "the third request", func() bool { return len(fake.Pulls()) == 3 })
		pull, err := fake.Pulls()[2].Pull()
		mgOK(t, err)
		mgEqual(t, "batch", pull.Batch, 10)
		e.publish(10)
		log.wait(t, 16)
		cc.Stop()
		if got := errs.wait(t, 1); len(got) != 1 || got[0] != c.err {
			t.Errorf("errors are %v, want %v once", got, c.err)
		}
	}
}

func TestConsumeAndMessagesEndWithTerminalStatus(t *testing.T) {
	t.Parallel()
	// B22
	for _, c := range []struct {
		code    int
		text    string
		headers []string
		want    string
		is      error
	}{
		{400, "Bad Request - why", nil, "nats: API error: code=400 err_code=10003 description=bad request", jetstream.ErrBadRequest},
		{409, "Consumer Deleted", nil, "nats: consumer deleted", jetstream.ErrConsumerDeleted},
		{409, "Consumer is push based", nil, jetstream.ErrNotPullConsumer.Error(), jetstream.ErrNotPullConsumer},
		{408, "Request Timeout", []string{"Nats-Pending-Messages", "x"}, "nats: invalid format of Nats-Pending-Messages", nil},
		{408, "Request Timeout", []string{"Nats-Pending-Bytes", "x"}, "nats: invalid format of Nats-Pending-Bytes", nil},
	} {
		cons, fake := tpFake(t)
		fake.OnPull(jstest.Status(c.code, c.text, c.headers...))
		var errs tpErrors
		cc, err := cons.Consume(func(jetstream.Msg) {}, errs.handler())
		mgOK(t, err)
		tpDone(t, "the end", cc.Closed())
		got := errs.all()
		if len(got) != 1 || got[0].Error() != c.want || (c.is != nil && !errors.Is(got[0], c.is)) {
			t.Errorf("%d %s: errors are %v, want %s once", c.code, c.text, got, c.want)
		}
		it, err := cons.Messages()
		mgOK(t, err)
		_, err = it.Next()
		if err == nil || err.Error() != c.want || (c.is != nil && !errors.Is(err, c.is)) {
			t.Errorf("%d %s: Next returned %v, want %s", c.code, c.text, err, c.want)
		}
		_, err = it.Next()
		mgSame(t, err, jetstream.ErrMsgIteratorClosed)
		mgEqual(t, "requests", len(fake.Pulls()), 2)
	}
}

func TestPushConsumerIsRefusedByPullHandle(t *testing.T) {
	t.Parallel()
	// B22
	e := tpStart(t)
	_, err := e.js.CreatePushConsumer(mgContext(t), tpStream, jetstream.ConsumerConfig{Durable: "P", DeliverSubject: "d"})
	mgOK(t, err)
	_, err = e.js.Consumer(mgContext(t), tpStream, "P")
	mgIs(t, err, jetstream.ErrNotPullConsumer)
}

func TestConsumeEndsWhenConsumerOrStreamIsDeleted(t *testing.T) {
	t.Parallel()
	for what, remove := range map[string]func(e *tpEnv) error{
		"consumer": func(e *tpEnv) error { return e.adminJS.DeleteConsumer(mgContext(t), tpStream, tpConsumer) },
		"stream":   func(e *tpEnv) error { return e.adminJS.DeleteStream(mgContext(t), tpStream) },
	} {
		e := tpStart(t)
		e.publish(5)
		var log tpLog
		var errs tpErrors
		cc, err := e.cons.Consume(log.take, errs.handler())
		mgOK(t, err)
		log.wait(t, 5)
		mgOK(t, remove(e))
		tpDone(t, what+" to be missed", cc.Closed())
		got := errs.all()
		if len(got) != 1 || got[0] != jetstream.ErrConsumerDeleted {
			t.Errorf("%s deleted: errors are %v", what, got)
		}
	}
}

func TestInvalidPriorityEndsConsume(t *testing.T) {
	t.Parallel()
	e := tpStart(t, tpPrioritized)
	var errs tpErrors
	cc, err := e.cons.Consume(func(jetstream.Msg) {}, jetstream.PullPriorityGroup("A"), jetstream.PullPrioritized(10), errs.handler())
	mgOK(t, err)
	tpDone(t, "the end", cc.Closed())
	if got := errs.all(); len(got) != 1 || !errors.Is(got[0], jetstream.ErrBadRequest) {
		t.Errorf("errors are %v", got)
	}
}
