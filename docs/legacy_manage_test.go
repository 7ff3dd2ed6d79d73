package docs

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
)

func legacyConnecting(was *legacySide, is *currentSide) []legacyRow {
	return []legacyRow{
		{"make a handle", func() error {
			js, err := was.nc.JetStream()
			_ = js
			return err
		}, func() error {
			js, err := jetstream.New(is.nc)
			_ = js
			return err
		}},
		{"of a domain", func() error {
			js, err := was.nc.JetStream(nats.Domain("hub"))
			_ = js
			return err
		}, func() error {
			js, err := jetstream.NewWithDomain(is.nc, "hub")
			_ = js
			return err
		}},
		{"with a prefix", func() error {
			js, err := was.nc.JetStream(nats.APIPrefix("JS.other.API"))
			_ = js
			return err
		}, func() error {
			js, err := jetstream.NewWithAPIPrefix(is.nc, "JS.other.API")
			_ = js
			return err
		}},
		{"with a time limit", func() error {
			js, err := was.nc.JetStream(nats.MaxWait(2 * time.Second))
			_ = js
			return err
		}, func() error {
			js, err := jetstream.New(is.nc, jetstream.WithDefaultTimeout(2*time.Second))
			_ = js
			return err
		}},
		{"for async publishes", func() error {
			js, err := was.nc.JetStream(nats.PublishAsyncMaxPending(256), nats.PublishAsyncTimeout(time.Second))
			_ = js
			return err
		}, func() error {
			js, err := jetstream.New(is.nc, jetstream.WithPublishAsyncMaxPending(256), jetstream.WithPublishAsyncTimeout(time.Second))
			_ = js
			return err
		}},
		{"account", func() error {
			info, err := was.js.AccountInfo()
			_ = info
			return err
		}, func() error {
			info, err := is.js.AccountInfo(is.ctx)
			_ = info
			return err
		}},
	}
}

func legacyStreams(was *legacySide, is *currentSide) []legacyRow {
	return []legacyRow{
		{"create", func() error {
			info, err := was.js.AddStream(&nats.StreamConfig{Name: "NEW", Subjects: []string{"new"}})
			_ = info
			return err
		}, func() error {
			stream, err := is.js.CreateStream(is.ctx, jetstream.StreamConfig{Name: "NEW", Subjects: []string{"new"}})
			_ = stream
			return err
		}},
		{"change", func() error {
			info, err := was.js.UpdateStream(&nats.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}, Storage: nats.MemoryStorage, MaxMsgs: 10})
			_ = info
			return err
		}, func() error {
			stream, err := is.js.UpdateStream(is.ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}, Storage: jetstream.MemoryStorage, MaxMsgs: 10})
			_ = stream
			return err
		}},
		{"state", func() error {
			info, err := was.js.StreamInfo("ORDERS")
			_ = info
			return err
		}, func() error {
			stream, err := is.js.Stream(is.ctx, "ORDERS")
			if err != nil {
				return err
			}
			info, err := stream.Info(is.ctx)
			_ = info
			return err
		}},
		{"not found", func() error {
			_, err := was.js.StreamInfo("NONE")
			found := !errors.Is(err, nats.ErrStreamNotFound)
			_ = found
			return nil
		}, func() error {
			_, err := is.js.Stream(is.ctx, "NONE")
			found := !errors.Is(err, jetstream.ErrStreamNotFound)
			_ = found
			return nil
		}},
		{"empty it", func() error {
			return was.js.PurgeStream("ORDERS", &nats.StreamPurgeRequest{Subject: "orders.new", Keep: 1})
		}, func() error {
			return is.stream.Purge(is.ctx, jetstream.WithPurgeSubject("orders.new"), jetstream.WithPurgeKeep(1))
		}},
		{"delete", func() error {
			return was.js.DeleteStream("ORDERS")
		}, func() error {
			return is.js.DeleteStream(is.ctx, "ORDERS")
		}},
		{"list", func() error {
			for info := range was.js.Streams() {
				use(info)
			}
			return nil
		}, func() error {
			list := is.js.ListStreams(is.ctx)
			for info := range list.Info() {
				use(info)
			}
			return list.Err()
		}},
		{"names", func() error {
			for name := range was.js.StreamNames() {
				use(name)
			}
			return nil
		}, func() error {
			list := is.js.StreamNames(is.ctx)
			for name := range list.Name() {
				use(name)
			}
			return list.Err()
		}},
		{"by subject", func() error {
			name, err := was.js.StreamNameBySubject("orders.new")
			_ = name
			return err
		}, func() error {
			name, err := is.js.StreamNameBySubject(is.ctx, "orders.new")
			_ = name
			return err
		}},
		{"one message", func() error {
			raw, err := was.js.GetMsg("ORDERS", 2)
			_ = raw
			return err
		}, func() error {
			raw, err := is.stream.GetMsg(is.ctx, 2)
			_ = raw
			return err
		}},
		{"the last one", func() error {
			raw, err := was.js.GetLastMsg("ORDERS", "orders.new")
			_ = raw
			return err
		}, func() error {
			raw, err := is.stream.GetLastMsgForSubject(is.ctx, "orders.new")
			_ = raw
			return err
		}},
		{"delete one", func() error {
			return was.js.DeleteMsg("ORDERS", 2)
		}, func() error {
			return is.stream.DeleteMsg(is.ctx, 2)
		}},
	}
}

func legacyConsumers(was *legacySide, is *currentSide) []legacyRow {
	return []legacyRow{
		{"create", func() error {
			info, err := was.js.AddConsumer("ORDERS", &nats.ConsumerConfig{Durable: "billing", AckPolicy: nats.AckExplicitPolicy})
			_ = info
			return err
		}, func() error {
			cons, err := is.stream.CreateConsumer(is.ctx, jetstream.ConsumerConfig{Durable: "billing"})
			_ = cons
			return err
		}},
		{"change", func() error {
			info, err := was.js.UpdateConsumer("ORDERS", &nats.ConsumerConfig{Durable: "shipping", AckPolicy: nats.AckExplicitPolicy, AckWait: time.Minute})
			_ = info
			return err
		}, func() error {
			cons, err := is.stream.UpdateConsumer(is.ctx, jetstream.ConsumerConfig{Durable: "shipping", AckWait: time.Minute})
			_ = cons
			return err
		}},
		{"state", func() error {
			info, err := was.js.ConsumerInfo("ORDERS", "shipping")
			_ = info
			return err
		}, func() error {
			cons, err := is.js.Consumer(is.ctx, "ORDERS", "shipping")
			if err != nil {
				return err
			}
			info, err := cons.Info(is.ctx)
			_ = info
			return err
		}},
		{"delete", func() error {
			return was.js.DeleteConsumer("ORDERS", "shipping")
		}, func() error {
			return is.js.DeleteConsumer(is.ctx, "ORDERS", "shipping")
		}},
		{"list", func() error {
			for info := range was.js.Consumers("ORDERS") {
				use(info)
			}
			return nil
		}, func() error {
			list := is.stream.ListConsumers(is.ctx)
			for info := range list.Info() {
				use(info)
			}
			return list.Err()
		}},
		{"names", func() error {
			for name := range was.js.ConsumerNames("ORDERS") {
				use(name)
			}
			return nil
		}, func() error {
			list := is.stream.ConsumerNames(is.ctx)
			for name := range list.Name() {
				use(name)
			}
			return list.Err()
		}},
	}
}
