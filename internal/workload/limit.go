package workload

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	limitTimeout = 30 * time.Second

	// limitPending is how many acks are awaited at most, as by default in both
	// implementations.
	limitPending = 4000
)

// request is one that stands for operation i.
type request func(r *Run, i int) (subject string, body []byte)

func publishRequest(r *Run, _ int) (string, []byte) { return r.stream, r.data }

func putRequest(r *Run, i int) (string, []byte) { return keySubject(r.name, r.keys[i]), r.data }

func getRequest(r *Run, i int) (string, []byte) {
	return apiPrefix + "DIRECT.GET." + r.stream + "." + keySubject(r.name, r.keys[i]), nil
}

func directRequest(r *Run, i int) (string, []byte) {
	return apiPrefix + "DIRECT.GET." + r.stream, sequenceBody(i)
}

func getMsgRequest(r *Run, i int) (string, []byte) {
	return apiPrefix + "STREAM.MSG.GET." + r.stream, sequenceBody(i)
}

func sequenceBody(i int) []byte {
	return append(strconv.AppendInt([]byte(`{"seq":`), int64(i+1), 10), '}')
}

func infoRequest(r *Run, _ int) (string, []byte) {
	return apiPrefix + "CONSUMER.INFO." + r.stream + "." + r.consumers[0], nil
}

func createRequest(r *Run, _ int) (string, []byte) {
	return apiPrefix + "CONSUMER.CREATE." + r.stream + ".C",
		[]byte(`{"stream_name":"` + r.stream + `","config":{"name":"C","durable_name":"C","ack_policy":"explicit"}}`)
}

func deleteRequest(r *Run, _ int) (string, []byte) {
	return apiPrefix + "CONSUMER.DELETE." + r.stream + ".C", nil
}

// requests sends a request for each operation and does not read the answer.
func requests(parts ...request) func(context.Context, *Run) error {
	return func(_ context.Context, r *Run) error {
		err := r.each(func(i int) error {
			for _, part := range parts {
				subject, body := part(r, i)
				answer, err := r.nc.Request(subject, body, limitTimeout)
				if err != nil {
					return err
				}
				if bytes.Contains(answer.Data, []byte(`"error"`)) {
					return fmt.Errorf("%s: %s", subject, answer.Data)
				}
			}
			return nil
		})
		if err == nil {
			r.done = r.n
		}
		return err
	}
}

// publishCounting publishes and counts the answers.
func publishCounting(ctx context.Context, r *Run) error {
	return r.counted(publishCounted(ctx, r.nc, r.n, func(int) *nats.Msg {
		return &nats.Msg{Subject: r.stream, Data: r.data}
	}))
}

func publishCountingHeaders(ctx context.Context, r *Run) error {
	return r.counted(publishCounted(ctx, r.nc, r.n, func(i int) *nats.Msg {
		msg := r.withHeader()
		msg.Header.Set("Nats-Msg-Id", r.ids[i])
		return msg
	}))
}

func (r *Run) counted(err error) error {
	if err == nil {
		r.done = r.n
	}
	return err
}

// publishCounted publishes n messages and waits for as many answers, with so few
// outstanding that no server drops one.
func publishCounted(ctx context.Context, nc *nats.Conn, n int, message func(i int) *nats.Msg) error {
	inbox := nats.NewInbox()
	room, answered := make(chan struct{}, limitPending), 0
	done := make(chan struct{})
	sub, err := nc.Subscribe(inbox, func(*nats.Msg) {
		<-room
		if answered++; answered == n {
			close(done)
		}
	})
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	for i := range n {
		select {
		case room <- struct{}{}: // far cheaper than with a second case
		default:
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		msg := message(i)
		msg.Reply = inbox
		if err := nc.PublishMsg(msg); err != nil {
			return err
		}
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pushed lets the server send everything, so many messages an operation, to a
// subscription.
func pushed(config consumerConfig, perOp int) func(context.Context, *Run) error {
	return func(ctx context.Context, r *Run) error {
		inbox := nats.NewInbox()
		config := config
		config.DeliverSubject = inbox
		if config.FilterSubject != "" {
			config.FilterSubject = fmt.Sprintf(config.FilterSubject, r.name)
		}
		want := r.n * perOp
		got, done := 0, make(chan struct{})
		var failed error
		sub, err := r.nc.Subscribe(inbox, func(msg *nats.Msg) {
			if failed == nil {
				failed = r.acknowledge(msg)
			}
			if got++; got == want {
				close(done)
			}
		})
		if err != nil {
			return err
		}
		defer func() { _ = sub.Unsubscribe() }()
		if err := sub.SetPendingLimits(-1, -1); err != nil {
			return err
		}
		name, err := r.addConsumer(config)
		if err != nil {
			return err
		}
		if r.ack {
			r.waitAcked(name)
		}
		select {
		case <-done:
			r.done = r.n
			return failed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pulled requests one message at a time and waits for it, in one goroutine besides
// core's.
func pulled(ctx context.Context, r *Run) error {
	name, err := r.addConsumer(consumerConfig{AckPolicy: ackNone})
	if err != nil {
		return err
	}
	inbox, messages := nats.NewInbox(), make(chan *nats.Msg, 1)
	sub, err := r.nc.ChanSubscribe(inbox, messages)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	subject, body := apiPrefix+"CONSUMER.MSG.NEXT."+r.stream+"."+name, []byte(`{"batch":1,"expires":30000000000}`)
	rd := r.reader()
	err = r.each(func(int) error {
		if err := r.nc.PublishRequest(subject, inbox, body); err != nil {
			return err
		}
		select {
		case msg := <-messages:
			if err := checkPayload(msg.Data, rd.next, rd.size); err != nil {
				return err
			}
			rd.next++
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	r.done = rd.next
	return err
}

func (r *Run) acknowledge(msg *nats.Msg) (err error) {
	switch ack := []byte("+ACK"); {
	case r.double:
		_, err = r.nc.Request(msg.Reply, ack, limitTimeout)
	case r.ack:
		err = msg.Respond(ack)
	}
	return err
}

// listPages asks for all pages of the list of streams.
func listPages(_ context.Context, r *Run) error {
	const page = 256
	for r.done < r.n {
		for offset := 0; offset < r.streams(); offset += page {
			body := append(strconv.AppendInt([]byte(`{"offset":`), int64(offset), 10), '}')
			if _, err := r.nc.Request(apiPrefix+"STREAM.LIST", body, limitTimeout); err != nil {
				return err
			}
		}
		r.done += r.streams()
	}
	return nil
}
