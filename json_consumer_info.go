package jetstream

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
