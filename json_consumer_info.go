package jetstream

import "time"

// scan implements [scannedReply].
func (r *consumerInfoResponse) scan(s *jsonScan) {
	info := new(ConsumerInfo)
	for s.open('{'); s.member(); {
		if scanConsumerInfoMember(s, info) {
			r.ConsumerInfo = info
		} else {
			r.scanOther(s)
		}
	}
}

func (r *consumerInfoResponse) reset() { *r = consumerInfoResponse{} }

func scanConsumerInfo(s *jsonScan, info *ConsumerInfo) {
	for s.open('{'); s.member(); {
		if !scanConsumerInfoMember(s, info) {
			s.skipMember()
		}
	}
}

// scanConsumerInfoMember reads a member of an info, and reports false for one
// that is none.
func scanConsumerInfoMember(s *jsonScan, info *ConsumerInfo) bool {
	switch string(s.key) {
	case "stream_name":
		info.Stream = s.word()
	case "name":
		info.Name = s.text()
	case "created":
		scanTime(s, &info.Created)
	case "config":
		scanConsumerConfig(s, info)
	case "delivered":
		scanSequenceInfo(s, &info.Delivered)
	case "ack_floor":
		scanSequenceInfo(s, &info.AckFloor)
	case "num_ack_pending":
		scanInt(s, &info.NumAckPending)
	case "num_redelivered":
		scanInt(s, &info.NumRedelivered)
	case "num_waiting":
		scanInt(s, &info.NumWaiting)
	case "num_pending":
		info.NumPending = s.uint64()
	case "cluster":
		scanPointer(s, &info.Cluster, scanClusterInfo)
	case "push_bound":
		info.PushBound = s.bool()
	case "ts":
		scanTime(s, &info.TimeStamp)
	case "priority_groups":
		scanSlice(s, &info.PriorityGroups, 1, scanPriorityGroupState)
	case "paused":
		info.Paused = s.bool()
	case "pause_remaining":
		scanInt(s, &info.PauseRemaining)
	default:
		return false
	}
	return true
}

func scanSequenceInfo(s *jsonScan, info *SequenceInfo) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "consumer_seq":
			info.Consumer = s.uint64()
		case "stream_seq":
			info.Stream = s.uint64()
		case "last_active":
			scanPointer(s, &info.Last, scanTime)
		default:
			s.skipMember()
		}
	}
}

func scanPriorityGroupState(s *jsonScan, state *PriorityGroupState) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "group":
			state.Group = s.text()
		case "pinned_client_id":
			state.PinnedClientID = s.text()
		case "pinned_ts":
			scanTime(s, &state.PinnedTS)
		default:
			s.skipMember()
		}
	}
}

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
