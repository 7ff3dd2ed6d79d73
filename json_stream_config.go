package jetstream

func scanStreamConfig(s *jsonScan, cfg *StreamConfig) {
	for s.open('{'); s.member(); {
		if !scanStreamLimits(s, cfg) && !scanStreamFeatures(s, cfg) {
			s.skipMember()
		}
	}
}

// scanStreamLimits reads a member of a stream's config if it is one of those that
// say what the stream stores and for how long.
func scanStreamLimits(s *jsonScan, cfg *StreamConfig) bool {
	switch string(s.key) {
	case "name":
		cfg.Name = s.text()
	case "description":
		cfg.Description = s.text()
	case "subjects":
		scanSlice(s, &cfg.Subjects, 1, scanText)
	case "retention":
		s.unmarshal(&cfg.Retention)
	case "max_consumers":
		scanInt(s, &cfg.MaxConsumers)
	case "max_msgs":
		scanInt(s, &cfg.MaxMsgs)
	case "max_bytes":
		scanInt(s, &cfg.MaxBytes)
	case "discard":
		s.unmarshal(&cfg.Discard)
	case "discard_new_per_subject":
		cfg.DiscardNewPerSubject = s.bool()
	case "max_age":
		scanInt(s, &cfg.MaxAge)
	case "max_msgs_per_subject":
		scanInt(s, &cfg.MaxMsgsPerSubject)
	case "max_msg_size":
		scanInt(s, &cfg.MaxMsgSize)
	case "storage":
		s.unmarshal(&cfg.Storage)
	case "num_replicas":
		scanInt(s, &cfg.Replicas)
	case "duplicate_window":
		scanInt(s, &cfg.Duplicates)
	case "placement":
		scanPointer(s, &cfg.Placement, scanPlacement)
	case "mirror":
		scanPointer(s, &cfg.Mirror, scanStreamSource)
	case "sources":
		scanSlice(s, &cfg.Sources, 1, func(s *jsonScan, p **StreamSource) {
			scanPointer(s, p, scanStreamSource)
		})
	case "compression":
		s.unmarshal(&cfg.Compression)
	case "first_seq":
		cfg.FirstSeq = s.uint64()
	case "consumer_limits":
		scanStreamConsumerLimits(s, &cfg.ConsumerLimits)
	case "metadata":
		scanMap(s, &cfg.Metadata, (*jsonScan).word)
	default:
		return false
	}
	return true
}

// scanStreamFeatures reads a member of a stream's config if it is one of those
// that say what the stream can do and what it refuses.
func scanStreamFeatures(s *jsonScan, cfg *StreamConfig) bool {
	switch string(s.key) {
	case "no_ack":
		cfg.NoAck = s.bool()
	case "sealed":
		cfg.Sealed = s.bool()
	case "deny_delete":
		cfg.DenyDelete = s.bool()
	case "deny_purge":
		cfg.DenyPurge = s.bool()
	case "allow_rollup_hdrs":
		cfg.AllowRollup = s.bool()
	case "subject_transform":
		scanPointer(s, &cfg.SubjectTransform, scanSubjectTransform)
	case "republish":
		scanPointer(s, &cfg.RePublish, scanRePublish)
	case "allow_direct":
		cfg.AllowDirect = s.bool()
	case "mirror_direct":
		cfg.MirrorDirect = s.bool()
	case "template_owner":
		cfg.Template = s.text()
	case "allow_msg_ttl":
		cfg.AllowMsgTTL = s.bool()
	case "subject_delete_marker_ttl":
		scanInt(s, &cfg.SubjectDeleteMarkerTTL)
	case "allow_msg_counter":
		cfg.AllowMsgCounter = s.bool()
	case "allow_atomic":
		cfg.AllowAtomicPublish = s.bool()
	case "allow_msg_schedules":
		cfg.AllowMsgSchedules = s.bool()
	case "persist_mode":
		s.unmarshal(&cfg.PersistMode)
	case "allow_batched":
		cfg.AllowBatchPublish = s.bool()
	default:
		return false
	}
	return true
}

func scanStreamConsumerLimits(s *jsonScan, limits *StreamConsumerLimits) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "inactive_threshold":
			scanInt(s, &limits.InactiveThreshold)
		case "max_ack_pending":
			scanInt(s, &limits.MaxAckPending)
		default:
			s.skipMember()
		}
	}
}

func scanPlacement(s *jsonScan, placement *Placement) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "cluster":
			placement.Cluster = s.word()
		case "tags":
			scanSlice(s, &placement.Tags, 1, scanWord)
		default:
			s.skipMember()
		}
	}
}

func scanStreamSource(s *jsonScan, source *StreamSource) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "name":
			source.Name = s.text()
		case "opt_start_seq":
			source.OptStartSeq = s.uint64()
		case "opt_start_time":
			scanPointer(s, &source.OptStartTime, scanTime)
		case "filter_subject":
			source.FilterSubject = s.text()
		case "subject_transforms":
			scanSlice(s, &source.SubjectTransforms, 1, scanSubjectTransform)
		case "external":
			scanPointer(s, &source.External, scanExternalStream)
		case "consumer":
			scanPointer(s, &source.Consumer, scanStreamConsumerSource)
		default:
			s.skipMember()
		}
	}
}

func scanStreamConsumerSource(s *jsonScan, source *StreamConsumerSource) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "name":
			source.Name = s.text()
		case "deliver_subject":
			source.DeliverSubject = s.text()
		default:
			s.skipMember()
		}
	}
}

func scanExternalStream(s *jsonScan, external *ExternalStream) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "api":
			external.APIPrefix = s.word()
		case "deliver":
			external.DeliverPrefix = s.word()
		default:
			s.skipMember()
		}
	}
}

func scanSubjectTransform(s *jsonScan, transform *SubjectTransformConfig) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "src":
			transform.Source = s.text()
		case "dest":
			transform.Destination = s.text()
		default:
			s.skipMember()
		}
	}
}

func scanRePublish(s *jsonScan, republish *RePublish) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "src":
			republish.Source = s.text()
		case "dest":
			republish.Destination = s.text()
		case "headers_only":
			republish.HeadersOnly = s.bool()
		default:
			s.skipMember()
		}
	}
}
