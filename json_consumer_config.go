package jetstream

import (
	"encoding/json"
	"strconv"
	"time"
)

// scanConsumerConfig reads the config of a consumer. That the name in it is most
// often that of the info, which comes first, saves a string.
func scanConsumerConfig(s *jsonScan, info *ConsumerInfo) {
	cfg := &info.Config
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "name":
			cfg.Name = s.same(info.Name)
		case "durable_name":
			cfg.Durable = s.same(info.Name)
		default:
			if !scanConsumerPolicies(s, cfg) && !scanConsumerLimits(s, cfg) {
				s.skipMember()
			}
		}
	}
}

// scanConsumerPolicies reads a member of a consumer's config if it is one of
// those that say what is delivered, how and to whom.
func scanConsumerPolicies(s *jsonScan, cfg *ConsumerConfig) bool {
	switch string(s.key) {
	case "description":
		cfg.Description = s.text()
	case "deliver_policy":
		s.unmarshal(&cfg.DeliverPolicy)
	case "opt_start_seq":
		cfg.OptStartSeq = s.uint64()
	case "opt_start_time":
		scanPointer(s, &cfg.OptStartTime, scanTime)
	case "ack_policy":
		s.unmarshal(&cfg.AckPolicy)
	case "filter_subject":
		cfg.FilterSubject = s.text()
	case "replay_policy":
		s.unmarshal(&cfg.ReplayPolicy)
	case "headers_only":
		cfg.HeadersOnly = s.bool()
	case "filter_subjects":
		scanSlice(s, &cfg.FilterSubjects, 2, scanText)
	case "metadata":
		scanMap(s, &cfg.Metadata, (*jsonScan).word)
	case "pause_until":
		scanPointer(s, &cfg.PauseUntil, scanTime)
	case "priority_policy":
		s.unmarshal(&cfg.PriorityPolicy)
	case "priority_timeout":
		scanInt(s, &cfg.PinnedTTL)
	case "priority_groups":
		scanSlice(s, &cfg.PriorityGroups, 1, scanWord)
	case "deliver_subject":
		cfg.DeliverSubject = s.text()
	case "deliver_group":
		cfg.DeliverGroup = s.text()
	case "flow_control":
		cfg.FlowControl = s.bool()
	case "idle_heartbeat":
		scanInt(s, &cfg.IdleHeartbeat)
	default:
		return false
	}
	return true
}

// scanConsumerLimits reads a member of a consumer's config if it is one of those
// that limit it.
func scanConsumerLimits(s *jsonScan, cfg *ConsumerConfig) bool {
	switch string(s.key) {
	case "ack_wait":
		scanInt(s, &cfg.AckWait)
	case "max_deliver":
		scanInt(s, &cfg.MaxDeliver)
	case "backoff":
		scanSlice(s, &cfg.BackOff, 4, scanInt[time.Duration])
	case "rate_limit_bps":
		cfg.RateLimit = s.uint64()
	case "sample_freq":
		cfg.SampleFrequency = s.word()
	case "max_waiting":
		scanInt(s, &cfg.MaxWaiting)
	case "max_ack_pending":
		scanInt(s, &cfg.MaxAckPending)
	case "max_batch":
		scanInt(s, &cfg.MaxRequestBatch)
	case "max_expires":
		scanInt(s, &cfg.MaxRequestExpires)
	case "max_bytes":
		scanInt(s, &cfg.MaxRequestMaxBytes)
	case "inactive_threshold":
		scanInt(s, &cfg.InactiveThreshold)
	case "num_replicas":
		scanInt(s, &cfg.Replicas)
	case "mem_storage":
		cfg.MemoryStorage = s.bool()
	default:
		return false
	}
	return true
}

// appendConsumerCreateRequest appends the body of CONSUMER.CREATE, byte for byte
// as encoding/json would. It fails as encoding/json does for what has no JSON.
func appendConsumerCreateRequest(b []byte, stream string, cfg *ConsumerConfig, action consumerAction) ([]byte, error) {
	a := jsonAppender{b: b}
	a.b = append(a.b, '{')
	a.text(`"stream_name":`, stream)
	a.key(`"config":`)
	a.b = append(a.b, '{')
	a.consumerConfig(cfg)
	a.b = append(a.b, '}')
	a.text(`"action":`, string(action))
	a.b = append(a.b, '}')
	if a.failed {
		return json.Marshal(&consumerCreateRequest{Stream: stream, Config: cfg, Action: action})
	}
	return a.b, nil
}

// consumerConfig appends the members of a consumer's config.
func (a *jsonAppender) consumerConfig(cfg *ConsumerConfig) {
	a.optText(`"name":`, cfg.Name)
	a.optText(`"durable_name":`, cfg.Durable)
	a.optText(`"description":`, cfg.Description)
	a.enum(`"deliver_policy":`, deliverPolicies, int(cfg.DeliverPolicy))
	a.optUint(`"opt_start_seq":`, cfg.OptStartSeq)
	a.optTime(`"opt_start_time":`, cfg.OptStartTime)
	a.enum(`"ack_policy":`, ackPolicies, int(cfg.AckPolicy))
	a.optInt(`"ack_wait":`, int64(cfg.AckWait))
	a.optInt(`"max_deliver":`, int64(cfg.MaxDeliver))
	if len(cfg.BackOff) > 0 {
		a.key(`"backoff":`)
		a.b = append(a.b, '[')
		for i, wait := range cfg.BackOff {
			a.separate(i)
			a.b = strconv.AppendInt(a.b, int64(wait), 10)
		}
		a.b = append(a.b, ']')
	}
	a.optText(`"filter_subject":`, cfg.FilterSubject)
	a.enum(`"replay_policy":`, replayPolicies, int(cfg.ReplayPolicy))
	a.optUint(`"rate_limit_bps":`, cfg.RateLimit)
	a.optText(`"sample_freq":`, cfg.SampleFrequency)
	a.optInt(`"max_waiting":`, int64(cfg.MaxWaiting))
	a.optInt(`"max_ack_pending":`, int64(cfg.MaxAckPending))
	a.optBool(`"headers_only":`, cfg.HeadersOnly)
	a.optInt(`"max_batch":`, int64(cfg.MaxRequestBatch))
	a.optInt(`"max_expires":`, int64(cfg.MaxRequestExpires))
	a.optInt(`"max_bytes":`, int64(cfg.MaxRequestMaxBytes))
	a.optInt(`"inactive_threshold":`, int64(cfg.InactiveThreshold))
	a.key(`"num_replicas":`)
	a.b = strconv.AppendInt(a.b, int64(cfg.Replicas), 10)
	a.optBool(`"mem_storage":`, cfg.MemoryStorage)
	a.optTexts(`"filter_subjects":`, cfg.FilterSubjects)
	a.optMap(`"metadata":`, cfg.Metadata)
	a.optTime(`"pause_until":`, cfg.PauseUntil)
	if cfg.PriorityPolicy != PriorityPolicyNone {
		a.enum(`"priority_policy":`, priorityPolicies, int(cfg.PriorityPolicy))
	}
	a.optInt(`"priority_timeout":`, int64(cfg.PinnedTTL))
	a.optTexts(`"priority_groups":`, cfg.PriorityGroups)
	a.optText(`"deliver_subject":`, cfg.DeliverSubject)
	a.optText(`"deliver_group":`, cfg.DeliverGroup)
	a.optBool(`"flow_control":`, cfg.FlowControl)
	a.optInt(`"idle_heartbeat":`, int64(cfg.IdleHeartbeat))
}
