package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// experiments are all measurements in the order of the guide.
var experiments = []func(context.Context, size) (chart, error){
	measureWindow, measureThreshold, measureBuffer, measureRedelivery, measureSharing, measureHeartbeat,
}

var roundTrips = []time.Duration{0, 2 * time.Millisecond, 20 * time.Millisecond}

// each runs a measurement on a bench of its own.
func each(ctx context.Context, messages, payload int, measure func(*bench) error) (err error) {
	b, err := newBench(ctx, messages, payload)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	return measure(b)
}

// measureWindow measures how fast messages come with windows of several sizes.
func measureWindow(ctx context.Context, s size) (chart, error) {
	windows := s.values(1, 10, 50, 100, 500, 2000, 5000)
	c := chart{
		Name: "window", Title: "Messages per second by window", Option: "PullMaxMessages", Unit: "messages/s",
		Values: windows, Log: true,
	}
	err := each(ctx, s.messages, 128, func(b *bench) error {
		for _, roundTrip := range roundTrips {
			one := series{Name: roundTripName(roundTrip)}
			for _, window := range windows {
				// About as long for each, however slow.
				n := s.messages
				if roundTrip > 0 {
					n = min(n, window*150)
				}
				r, err := b.best(ctx, s.rounds, roundTrip, n, jetstream.PullMaxMessages(window))
				if err != nil {
					return err
				}
				one.Figures = append(one.Figures, float64(n)/r.took.Seconds())
			}
			c.Series = append(c.Series, one)
		}
		return nil
	})
	return c, err
}

// measureThreshold measures how fast messages come, over a long link, by when
// more are asked for, and what that costs in requests.
func measureThreshold(ctx context.Context, s size) (chart, error) {
	thresholds := s.values(50, 125, 250, 375, 450, 500)
	c := chart{
		Name: "threshold", Title: "Messages per second by threshold, window of 500, 20 ms round trip",
		Option: "PullThresholdMessages", Unit: "messages/s", Values: thresholds,
	}
	const requests = "requests per 10,000 messages"
	set, standard := series{Name: "messages/s"}, series{Name: "messages/s by default"}
	setCost, standardCost := series{Name: requests}, series{Name: requests + " by default"}
	err := each(ctx, s.messages, 128, func(b *bench) error {
		measure := func(speed, cost *series, opts ...jetstream.PullConsumeOpt) error {
			r, err := b.best(ctx, s.rounds, 20*time.Millisecond, s.messages, opts...)
			if err != nil {
				return err
			}
			speed.Figures = append(speed.Figures, float64(s.messages)/r.took.Seconds())
			cost.Figures = append(cost.Figures, float64(r.requests)*10_000/float64(s.messages))
			return nil
		}
		if err := measure(&standard, &standardCost); err != nil {
			return err
		}
		for _, threshold := range thresholds {
			if err := measure(&set, &setCost, jetstream.PullThresholdMessages(threshold)); err != nil {
				return err
			}
		}
		return nil
	})
	c.Series = []series{set, standard.repeated(len(thresholds))}
	c.Beside = []series{setCost, standardCost.repeated(len(thresholds))}
	return c, err
}

// measureBuffer measures what has arrived at a client whose handler is stuck.
func measureBuffer(ctx context.Context, s size) (chart, error) {
	windows := s.values(10, 100, 500, 2000, 5000)
	c := chart{
		Name: "buffer", Title: "What waits in a client with a stuck handler, messages of 10 KiB",
		Option: "PullMaxMessages", Unit: "MiB", Values: windows,
	}
	one := series{Name: "MiB in the client"}
	err := each(ctx, min(s.messages, 6000), 10<<10, func(b *bench) error {
		for _, window := range windows {
			cons, err := b.consumer(ctx, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
			if err != nil {
				return err
			}
			before := b.nc.Stats().InBytes
			release := make(chan struct{})
			cc, err := cons.Consume(func(jetstream.Msg) { <-release }, jetstream.PullMaxMessages(window))
			if err != nil {
				return err
			}
			if err := b.quiet(ctx, s.settle); err != nil {
				return err
			}
			one.Figures = append(one.Figures, float64(b.nc.Stats().InBytes-before)/(1<<20))
			cc.Stop()
			close(release)
			<-cc.Closed()
		}
		return nil
	})
	c.Series = []series{one}
	return c, err
}

// quiet waits until nothing has arrived for a while.
func (b *bench) quiet(ctx context.Context, d time.Duration) error {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for last := uint64(0); ; {
		select {
		case <-tick.C:
			now := b.nc.Stats().InBytes
			if now == last {
				return nil
			}
			last = now
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// measureRedelivery measures how many deliveries are repetitions when the handler
// takes 10 ms and the consumer waits for a second.
func measureRedelivery(ctx context.Context, s size) (chart, error) {
	windows := s.values(10, 50, 100, 200, 500)
	c := chart{
		Name: "redelivery", Title: "Repeated deliveries, handler takes 10 ms, AckWait 1 s",
		Option: "PullMaxMessages", Unit: "% of messages", Values: windows,
	}
	one := series{Name: "repeated, % of messages"}
	err := each(ctx, s.slow, 128, func(b *bench) error {
		for _, window := range windows {
			cons, err := b.consumer(ctx, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second})
			if err != nil {
				return err
			}
			if _, err := b.consume(ctx, cons, s.slow, 10*time.Millisecond, jetstream.PullMaxMessages(window)); err != nil {
				return err
			}
			info, err := cons.Info(ctx)
			if err != nil {
				return err
			}
			again := max(float64(info.Delivered.Consumer)-float64(s.slow), 0)
			one.Figures = append(one.Figures, 100*again/float64(s.slow))
		}
		return nil
	})
	c.Series = []series{one}
	return c, err
}

// measureSharing measures how long two clients of one consumer take together.
func measureSharing(ctx context.Context, s size) (chart, error) {
	windows := s.values(1, 10, 50, 200, 500)
	c := chart{
		Name: "sharing", Title: fmt.Sprintf("Two clients share %d messages, each takes 10 ms", s.slow),
		Option: "PullMaxMessages", Unit: "seconds", Values: windows,
	}
	one := series{Name: "seconds until all are handled"}
	err := each(ctx, s.slow, 128, func(b *bench) error {
		for _, window := range windows {
			cons, err := b.consumer(ctx, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
			if err != nil {
				return err
			}
			handler, done := countUntil(s.slow, 10*time.Millisecond)
			start := time.Now()
			var running []jetstream.ConsumeContext
			arrived := b.nc.Stats().InMsgs
			for range 2 {
				cc, err := cons.Consume(handler, jetstream.PullMaxMessages(window))
				if err != nil {
					return err
				}
				running = append(running, cc)
				// The second one starts when the first has what it asked for.
				if err := b.arrival(ctx, arrived+uint64(min(window, s.slow))); err != nil {
					return err
				}
			}
			select {
			case <-done:
			case <-ctx.Done():
				err = ctx.Err()
			}
			one.Figures = append(one.Figures, time.Since(start).Seconds())
			for _, cc := range running {
				cc.Stop()
				<-cc.Closed()
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	c.Series = []series{one}
	return c, err
}

// measureHeartbeat measures after how long a server that has fallen silent is
// reported.
func measureHeartbeat(ctx context.Context, s size) (chart, error) {
	intervals := s.values(500, 1000, 2000, 4000)
	c := chart{
		Name: "heartbeat", Title: "Time until a silent server is reported", Option: "PullHeartbeat, ms",
		Unit: "seconds", Values: intervals,
	}
	one := series{Name: "seconds until ErrNoHeartbeat"}
	err := each(ctx, 0, 128, func(b *bench) error {
		for _, interval := range intervals {
			took, err := b.silence(ctx, time.Duration(interval)*time.Millisecond)
			if err != nil {
				return err
			}
			one.Figures = append(one.Figures, took.Seconds())
		}
		return nil
	})
	c.Series = []series{one}
	return c, err
}

// silence returns how long it takes until a Consume reports that nothing comes
// through the link any more.
func (b *bench) silence(ctx context.Context, heartbeat time.Duration) (time.Duration, error) {
	cons, err := b.consumer(ctx, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
	if err != nil {
		return 0, err
	}
	missed := make(chan struct{}, 1)
	cc, err := cons.Consume(func(jetstream.Msg) {}, jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			if errors.Is(err, jetstream.ErrNoHeartbeat) {
				select {
				case missed <- struct{}{}:
				default:
				}
			}
		}))
	if err != nil {
		return 0, err
	}
	// The silence begins with a sign of life.
	if err := b.arrival(ctx, b.nc.Stats().InMsgs+1); err != nil {
		return 0, err
	}
	b.link.BlackHole(jstest.ToClient, true)
	start := time.Now()
	select {
	case <-missed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	took := time.Since(start)
	b.link.Heal()
	cc.Stop()
	<-cc.Closed()
	return took, err
}

// arrival waits until as many messages have come from the server altogether.
func (b *bench) arrival(ctx context.Context, total uint64) error {
	for b.nc.Stats().InMsgs < total {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
