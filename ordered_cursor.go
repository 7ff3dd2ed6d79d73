package jetstream

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// defaultOrderedInactivity is how long the server keeps the consumer of an
// ordered consumer that nobody uses any more.
const defaultOrderedInactivity = 5 * time.Minute

// orderedCursor is the position of an ordered consumer. It survives the consumers
// of the server that it is made of, each of which has a serial number.
type orderedCursor struct {
	// serial is the number of the current consumer of the server.
	serial uint64

	// stream is the stream sequence of the last message handed out, or 0.
	stream uint64

	// consumer is the consumer sequence of the last message handed out by the
	// current consumer of the server.
	consumer uint64

	// anchor is the stream sequence before the first message that the very first
	// consumer was to deliver, if anchored. For policies that depend on the state
	// of the stream at creation it takes the place of the policy, so that nothing
	// is lost if that consumer goes before it has delivered anything.
	anchor   uint64
	anchored bool

	// repeat makes each consumer start with the deliver policy, whatever has been
	// handed out.
	repeat bool
}

// accepts reports whether a message of the current consumer with the given
// consumer sequence is the next one.
func (c *orderedCursor) accepts(consumerSeq uint64) bool {
	return consumerSeq == c.consumer+1
}

// advance moves the cursor behind a message.
func (c *orderedCursor) advance(streamSeq, consumerSeq uint64) {
	c.stream, c.consumer = max(c.stream, streamSeq), consumerSeq
}

// renew turns to the next consumer of the server. skip leaves out numbers.
func (c *orderedCursor) renew(skip uint64) {
	c.serial += 1 + skip
	c.consumer = 0
}

// drop anchors the cursor at the state of the first consumer.
func (c *orderedCursor) drop(policy DeliverPolicy, info *ConsumerInfo) {
	switch policy {
	case DeliverNewPolicy, DeliverLastPolicy, DeliverLastPerSubjectPolicy:
		c.anchor, c.anchored = info.Delivered.Stream, true
	}
}

// name returns the name of the current consumer of the server.
func (c *orderedCursor) name(prefix string) string {
	return fmt.Sprintf("%s_%d", prefix, c.serial)
}

// config returns the configuration of the current consumer of the server, such
// that it starts right behind the cursor.
func (c *orderedCursor) config(cfg *OrderedConsumerConfig, prefix string) *ConsumerConfig {
	conf := &ConsumerConfig{
		Name:              c.name(prefix),
		DeliverPolicy:     cfg.DeliverPolicy,
		AckPolicy:         AckNonePolicy,
		InactiveThreshold: cfg.InactiveThreshold,
		HeadersOnly:       cfg.HeadersOnly,
		Replicas:          1,
		MemoryStorage:     true,
		Metadata:          cfg.Metadata,
	}
	if conf.InactiveThreshold == 0 {
		conf.InactiveThreshold = defaultOrderedInactivity
	}
	if len(cfg.FilterSubjects) == 1 {
		conf.FilterSubject = cfg.FilterSubjects[0]
	} else {
		conf.FilterSubjects = cfg.FilterSubjects
	}
	switch {
	case c.stream > 0 && !c.repeat:
		conf.DeliverPolicy, conf.OptStartSeq = DeliverByStartSequencePolicy, c.stream+1
	case c.anchored && !c.repeat:
		conf.DeliverPolicy, conf.OptStartSeq = DeliverByStartSequencePolicy, c.anchor+1
	case cfg.DeliverPolicy == DeliverByStartSequencePolicy:
		conf.OptStartSeq = cfg.OptStartSeq
	case cfg.DeliverPolicy == DeliverByStartTimePolicy:
		conf.OptStartTime = cfg.OptStartTime
	case cfg.DeliverPolicy == DeliverLastPerSubjectPolicy && len(cfg.FilterSubjects) == 0:
		// The server wants a filter with this policy.
		conf.FilterSubjects = []string{">"}
	}
	return conf
}

// cloneOrderedConfig copies a configuration that is kept.
func cloneOrderedConfig(cfg OrderedConsumerConfig) OrderedConsumerConfig {
	cfg.FilterSubjects = slices.Clone(cfg.FilterSubjects)
	cfg.Metadata = maps.Clone(cfg.Metadata)
	if cfg.OptStartTime != nil {
		start := *cfg.OptStartTime
		cfg.OptStartTime = &start
	}
	return cfg
}
