package torture

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// strike carries out one track of a schedule until ctx ends. What takes longer
// than the schedule has it puts off what comes after it.
func (s *site) strike(ctx context.Context, track []Fault, begun time.Time) error {
	for _, f := range track {
		if !sleep(ctx, time.Until(begun.Add(f.At))) {
			break
		}
		if err := s.hit(ctx, f); err != nil {
			return err
		}
		s.report.count(s.name+" fault: "+string(f.Kind), 1)
	}
	return nil
}

// sleep waits for d and reports whether ctx has not ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// hit brings about one fault, and ends it. Only the loss of the servers' process
// is an error.
func (s *site) hit(ctx context.Context, f Fault) error {
	c := command{
		Do: string(f.Kind), Node: f.Node, ToServer: f.ToServer, ToClient: f.ToClient,
		Delay: f.Delay, Rate: f.Rate,
	}
	var end Kind
	switch f.Kind {
	case Refuse, Delay, Throttle, Stall:
		end = doHeal
	case HalfOpen:
		end = doSwallow
	case Stop, Kill:
		end = doStart
	case Part:
		end = doJoin
	case DeleteConsumer:
		s.deleteConsumer(ctx, f.Stream, f.Consumer)
		return nil
	case DeleteOrdered:
		s.deleteOrdered(ctx, f)
		return nil
	case Purge:
		s.purge(ctx, f)
		return nil
	case StepDownStream:
		s.stepDown(ctx, f, "STREAM.LEADER.STEPDOWN."+f.Stream)
		return nil
	case StepDownConsumer:
		s.stepDown(ctx, f, "CONSUMER.LEADER.STEPDOWN."+f.Stream+"."+f.Consumer)
		return nil
	case StepDownMeta:
		s.stepDown(ctx, f, "META.LEADER.STEPDOWN", nats.UserInfo(jstest.SystemUser, jstest.SystemUser))
		return nil
	case Cut:
	}
	if err := s.servers.do(c); err != nil || end == "" {
		return err
	}
	sleep(ctx, f.For)
	return s.servers.do(command{Do: string(end), Node: f.Node})
}

// request asks something of the servers. It may fail because of other faults.
func (s *site) request(ctx context.Context, what string, f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if f(ctx) != nil {
		s.report.count(s.name+" fault failed: "+what, 1)
	}
}

// stepDown makes a leader give up, if there is one just now.
func (s *site) stepDown(ctx context.Context, f Fault, subject string, opts ...nats.Option) {
	s.request(ctx, string(f.Kind), func(ctx context.Context) error {
		nc, err := nats.Connect(s.url, opts...)
		if err != nil {
			return err
		}
		defer nc.Close()
		m, err := nc.RequestWithContext(ctx, "$JS.API."+subject, nil)
		if err == nil && !strings.Contains(string(m.Data), `"success":true`) {
			err = errors.New(string(m.Data))
		}
		return err
	})
}

func (s *site) deleteConsumer(ctx context.Context, stream, consumer string) {
	s.request(ctx, string(DeleteConsumer), func(ctx context.Context) error {
		return s.js.DeleteConsumer(ctx, stream, consumer)
	})
}

// deleteOrdered deletes one of the consumers that have no durable name.
func (s *site) deleteOrdered(ctx context.Context, f Fault) {
	s.request(ctx, string(DeleteOrdered), func(ctx context.Context) error {
		infos, err := s.ephemeral(ctx, f.Stream)
		if err != nil || len(infos) == 0 {
			return err
		}
		return s.js.DeleteConsumer(ctx, f.Stream, infos[f.Pick%uint64(len(infos))].Name)
	})
}

// ephemeral returns those of a stream's consumers that are not durable.
func (s *site) ephemeral(ctx context.Context, stream string) ([]*jetstream.ConsumerInfo, error) {
	handle, err := s.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	var infos []*jetstream.ConsumerInfo
	list := handle.ListConsumers(ctx)
	for info := range list.Info() {
		if info.Config.Durable == "" {
			infos = append(infos, info)
		}
	}
	return infos, list.Err()
}

// purge removes all but the last messages of a stream that were acknowledged so
// far. The bound is taken down before, for the outcome may be unknown.
func (s *site) purge(ctx context.Context, f Fault) {
	last := s.published[f.Stream].last.Load()
	if last <= f.Pick {
		return
	}
	raise(&s.purged, last-f.Pick)
	s.request(ctx, string(Purge), func(ctx context.Context) error {
		handle, err := s.js.Stream(ctx, f.Stream)
		if err != nil {
			return err
		}
		return handle.Purge(ctx, jetstream.WithPurgeSequence(last-f.Pick))
	})
}

// heal ends all faults there may still be.
func (s *site) heal() error {
	for node := range s.servers.urls {
		for _, do := range []Kind{doHeal, doStart, doJoin} {
			if err := s.servers.do(command{Do: string(do), Node: node}); err != nil {
				return err
			}
		}
	}
	return nil
}
