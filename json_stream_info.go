package jetstream

// scan implements [scannedReply].
func (r *streamInfoResponse) scan(s *jsonScan) {
	info := new(StreamInfo)
	for s.open('{'); s.member(); {
		if scanStreamInfoMember(s, info) {
			r.StreamInfo = info
		} else {
			r.scanOther(s)
		}
	}
}

func scanStreamInfo(s *jsonScan, info *StreamInfo) {
	for s.open('{'); s.member(); {
		if !scanStreamInfoMember(s, info) {
			s.skipMember()
		}
	}
}

// scanStreamInfoMember reads a member of an info, and reports false for one that
// is none.
func scanStreamInfoMember(s *jsonScan, info *StreamInfo) bool {
	switch string(s.key) {
	case "config":
		scanStreamConfig(s, &info.Config)
	case "created":
		scanTime(s, &info.Created)
	case "state":
		scanStreamState(s, &info.State)
	case "domain":
		info.Domain = s.word()
	case "cluster":
		scanPointer(s, &info.Cluster, scanClusterInfo)
	case "mirror":
		scanPointer(s, &info.Mirror, scanStreamSourceInfo)
	case "sources":
		scanSlice(s, &info.Sources, 1, func(s *jsonScan, p **StreamSourceInfo) {
			scanPointer(s, p, scanStreamSourceInfo)
		})
	case "alternates":
		scanSlice(s, &info.Alternates, 2, scanStreamAlternate)
	case "ts":
		scanTime(s, &info.TimeStamp)
	default:
		return false
	}
	return true
}

func scanStreamState(s *jsonScan, state *StreamState) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "messages":
			state.Msgs = s.uint64()
		case "bytes":
			state.Bytes = s.uint64()
		case "first_seq":
			state.FirstSeq = s.uint64()
		case "first_ts":
			scanTime(s, &state.FirstTime)
		case "last_seq":
			state.LastSeq = s.uint64()
		case "last_ts":
			scanTime(s, &state.LastTime)
		case "consumer_count":
			scanInt(s, &state.Consumers)
		case "deleted":
			scanSlice(s, &state.Deleted, 16, scanUint64)
		case "num_deleted":
			scanInt(s, &state.NumDeleted)
		case "num_subjects":
			state.NumSubjects = s.uint64()
		case "subjects":
			scanMap(s, &state.Subjects, (*jsonScan).uint64)
		case "lost":
			scanPointer(s, &state.Lost, scanLostStreamData)
		default:
			s.skipMember()
		}
	}
}

func scanLostStreamData(s *jsonScan, lost *LostStreamData) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "msgs":
			scanSlice(s, &lost.Msgs, 16, scanUint64)
		case "bytes":
			lost.Bytes = s.uint64()
		default:
			s.skipMember()
		}
	}
}

func scanStreamSourceInfo(s *jsonScan, info *StreamSourceInfo) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "name":
			info.Name = s.text()
		case "external":
			scanPointer(s, &info.External, scanExternalStream)
		case "lag":
			info.Lag = s.uint64()
		case "seq":
			info.Seq = s.uint64()
		case "active":
			scanInt(s, &info.Active)
		case "error":
			scanPointer(s, &info.Error, scanAPIError)
		case "filter_subject":
			info.FilterSubject = s.text()
		case "subject_transforms":
			scanSlice(s, &info.SubjectTransforms, 1, scanSubjectTransform)
		default:
			s.skipMember()
		}
	}
}

func scanStreamAlternate(s *jsonScan, alternate *StreamAlternate) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "name":
			alternate.Name = s.text()
		case "domain":
			alternate.Domain = s.word()
		case "cluster":
			alternate.Cluster = s.word()
		default:
			s.skipMember()
		}
	}
}

func scanClusterInfo(s *jsonScan, info *ClusterInfo) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "name":
			info.Name = s.word()
		case "raft_group":
			info.RaftGroup = s.text()
		case "leader":
			info.Leader = s.word()
		case "leader_since":
			scanPointer(s, &info.LeaderSince, scanTime)
		case "system_account":
			info.SystemAcc = s.bool()
		case "traffic_account":
			info.TrafficAcc = s.word()
		case "replicas":
			scanSlice(s, &info.Replicas, 2, func(s *jsonScan, p **PeerInfo) {
				scanPointer(s, p, scanPeerInfo)
			})
		case "desired":
			s.fail() // Changes are rare, and what is told about them is a lot.
		default:
			s.skipMember()
		}
	}
}

func scanPeerInfo(s *jsonScan, info *PeerInfo) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "name":
			info.Name = s.word()
		case "current":
			info.Current = s.bool()
		case "offline":
			info.Offline = s.bool()
		case "active":
			scanInt(s, &info.Active)
		case "lag":
			info.Lag = s.uint64()
		case "peer":
			info.Peer = s.word()
		case "pending":
			info.Pending = s.bool()
		default:
			s.skipMember()
		}
	}
}
