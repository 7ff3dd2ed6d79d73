package docs

import (
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
)

func legacyPublishing(was *legacySide, is *currentSide) []legacyRow {
	data := []byte("one pizza")
	return []legacyRow{
		{"publish", func() error {
			ack, err := was.js.Publish("orders.new", data)
			_ = ack
			return err
		}, func() error {
			ack, err := is.js.Publish(is.ctx, "orders.new", data)
			_ = ack
			return err
		}},
		{"with headers", func() error {
			ack, err := was.js.PublishMsg(&nats.Msg{Subject: "orders.new", Header: nats.Header{"Shop": {"north"}}})
			_ = ack
			return err
		}, func() error {
			ack, err := is.js.PublishMsg(is.ctx, &nats.Msg{Subject: "orders.new", Header: nats.Header{"Shop": {"north"}}})
			_ = ack
			return err
		}},
		{"once", func() error {
			ack, err := was.js.Publish("orders.new", data, nats.MsgId("17"))
			_ = ack
			return err
		}, func() error {
			ack, err := is.js.Publish(is.ctx, "orders.new", data, jetstream.WithMsgID("17"))
			_ = ack
			return err
		}},
		{"if nobody was faster", func() error {
			ack, err := was.js.Publish("orders.new", data, nats.ExpectLastSequence(3))
			_ = ack
			return err
		}, func() error {
			ack, err := is.js.Publish(is.ctx, "orders.new", data, jetstream.WithExpectLastSequence(3))
			_ = ack
			return err
		}},
		{"the same per subject", func() error {
			ack, err := was.js.Publish("orders.new", data, nats.ExpectLastSequencePerSubject(3))
			_ = ack
			return err
		}, func() error {
			ack, err := is.js.Publish(is.ctx, "orders.new", data, jetstream.WithExpectLastSequencePerSubject(3))
			_ = ack
			return err
		}},
		{"to one stream", func() error {
			ack, err := was.js.Publish("orders.new", data, nats.ExpectStream("ORDERS"))
			_ = ack
			return err
		}, func() error {
			ack, err := is.js.Publish(is.ctx, "orders.new", data, jetstream.WithExpectStream("ORDERS"))
			_ = ack
			return err
		}},
		{"retries", func() error {
			ack, err := was.js.Publish("orders.new", data, nats.RetryAttempts(5), nats.RetryWait(time.Second))
			_ = ack
			return err
		}, func() error {
			ack, err := is.js.Publish(is.ctx, "orders.new", data, jetstream.WithRetryAttempts(5), jetstream.WithRetryWait(time.Second))
			_ = ack
			return err
		}},
		{"do not wait", func() error {
			future, err := was.js.PublishAsync("orders.new", data)
			if err != nil {
				return err
			}
			ack := <-future.Ok()
			_ = ack
			return nil
		}, func() error {
			future, err := is.js.PublishAsync("orders.new", data)
			if err != nil {
				return err
			}
			ack := <-future.Ok()
			_ = ack
			return nil
		}},
	}
}

func legacyReceiving(was *legacySide, is *currentSide) []legacyRow {
	return []legacyRow{
		{"batches", func() error {
			sub, err := was.js.PullSubscribe("orders.>", "billing")
			if err != nil {
				return err
			}
			msgs, err := sub.Fetch(2, nats.MaxWait(5*time.Second))
			_ = msgs
			return err
		}, func() error {
			cons, err := is.stream.CreateOrUpdateConsumer(is.ctx, jetstream.ConsumerConfig{Durable: "billing", FilterSubject: "orders.>"})
			if err != nil {
				return err
			}
			batch, err := cons.Fetch(2, jetstream.FetchMaxWait(5*time.Second))
			if err != nil {
				return err
			}
			for msg := range batch.Messages() {
				use(msg.Data())
			}
			return batch.Error()
		}},
		{"of a consumer that exists", func() error {
			sub, err := was.js.PullSubscribe("", "", nats.Bind("ORDERS", "shipping"))
			_ = sub
			return err
		}, func() error {
			cons, err := is.js.Consumer(is.ctx, "ORDERS", "shipping")
			_ = cons
			return err
		}},
		{"with a handler", func() error {
			sub, err := was.js.Subscribe("orders.>", func(m *nats.Msg) { use(m.Data) }, nats.Durable("billing"), nats.ManualAck())
			if err != nil {
				return err
			}
			return sub.Drain()
		}, func() error {
			cons, err := is.stream.CreateOrUpdateConsumer(is.ctx, jetstream.ConsumerConfig{Durable: "billing", FilterSubject: "orders.>"})
			if err != nil {
				return err
			}
			cc, err := cons.Consume(func(msg jetstream.Msg) { use(msg.Data()) })
			if err != nil {
				return err
			}
			cc.Drain()
			<-cc.Closed()
			return nil
		}},
		{"acknowledged after the handler", func() error {
			sub, err := was.js.Subscribe("orders.>", func(m *nats.Msg) { use(m.Data) }, nats.Durable("billing"))
			if err != nil {
				return err
			}
			return sub.Unsubscribe()
		}, func() error {
			cc, err := is.cons.Consume(func(msg jetstream.Msg) { use(msg.Data()); warn(msg.Ack()) })
			if err != nil {
				return err
			}
			cc.Stop()
			<-cc.Closed()
			return nil
		}},
		{"shared by several programs", func() error {
			sub, err := was.js.QueueSubscribe("orders.>", "billing", func(m *nats.Msg) { use(m.Data) })
			if err != nil {
				return err
			}
			return sub.Unsubscribe()
		}, func() error {
			// Each of them consumes the same durable consumer.
			cc, err := is.cons.Consume(func(msg jetstream.Msg) { use(msg.Data()) })
			if err != nil {
				return err
			}
			cc.Stop()
			<-cc.Closed()
			return nil
		}},
		{"one by one", func() error {
			sub, err := was.js.SubscribeSync("orders.>")
			if err != nil {
				return err
			}
			m, err := sub.NextMsg(5 * time.Second)
			if err != nil {
				return err
			}
			use(m)
			return sub.Unsubscribe()
		}, func() error {
			it, err := is.cons.Messages()
			if err != nil {
				return err
			}
			msg, err := it.Next(jetstream.NextMaxWait(5 * time.Second))
			if err != nil {
				return err
			}
			use(msg)
			it.Stop()
			return nil
		}},
		{"in order, without acknowledgements", func() error {
			sub, err := was.js.Subscribe("orders.>", func(m *nats.Msg) { use(m.Data) }, nats.OrderedConsumer())
			if err != nil {
				return err
			}
			return sub.Unsubscribe()
		}, func() error {
			cons, err := is.js.OrderedConsumer(is.ctx, "ORDERS", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"orders.>"}})
			if err != nil {
				return err
			}
			cc, err := cons.Consume(func(msg jetstream.Msg) { use(msg.Data()) })
			if err != nil {
				return err
			}
			cc.Stop()
			<-cc.Closed()
			return nil
		}},
		{"pushed by the server", func() error {
			sub, err := was.js.Subscribe("", func(m *nats.Msg) { use(m.Data) }, nats.DeliverSubject(nats.NewInbox()), nats.BindStream("ORDERS"))
			if err != nil {
				return err
			}
			return sub.Unsubscribe()
		}, func() error {
			cons, err := is.stream.CreatePushConsumer(is.ctx, jetstream.ConsumerConfig{DeliverSubject: is.nc.NewInbox()})
			if err != nil {
				return err
			}
			cc, err := cons.Consume(func(msg jetstream.Msg) { use(msg.Data()) })
			if err != nil {
				return err
			}
			cc.Stop()
			<-cc.Closed()
			return nil
		}},
	}
}

func warn(error) {}

func legacyMessages(was *legacySide, is *currentSide) []legacyRow {
	return []legacyRow{
		{"content", func() error {
			use(was.msg.Data)
			_ = was.msg.Header
			return nil
		}, func() error {
			use(is.msg.Data())
			_ = is.msg.Headers()
			return nil
		}},
		{"done", func() error {
			return was.msg.Ack()
		}, func() error {
			return is.msg.Ack()
		}},
		{"done, confirmed", func() error {
			return was.msg.AckSync()
		}, func() error {
			return is.msg.DoubleAck(is.ctx)
		}},
		{"again", func() error {
			return was.msg.Nak()
		}, func() error {
			return is.msg.Nak()
		}},
		{"again, later", func() error {
			return was.msg.NakWithDelay(time.Minute)
		}, func() error {
			return is.msg.NakWithDelay(time.Minute)
		}},
		{"more time", func() error {
			return was.msg.InProgress()
		}, func() error {
			return is.msg.InProgress()
		}},
		{"never again", func() error {
			return was.msg.Term()
		}, func() error {
			return is.msg.TermWithReason("cannot be decoded")
		}},
		{"origin", func() error {
			meta, err := was.msg.Metadata()
			_ = meta
			return err
		}, func() error {
			meta, err := is.msg.Metadata()
			_ = meta
			return err
		}},
	}
}
