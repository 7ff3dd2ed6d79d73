package jetstream

// scanOther reads a member of a response that is not of its payload.
func (r *apiResponse) scanOther(s *jsonScan) {
	if string(s.key) == "error" {
		scanPointer(s, &r.Error, scanAPIError)
	} else {
		s.skipMember()
	}
}

func scanAPIError(s *jsonScan, err *APIError) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "code":
			scanInt(s, &err.Code)
		case "err_code":
			scanInt(s, &err.ErrorCode)
		case "description":
			err.Description = s.text()
		default:
			s.skipMember()
		}
	}
}

// scanOther reads a member of a paged response that is not of its payload.
func (r *pagedResponse) scanOther(s *jsonScan) {
	switch string(s.key) {
	case "total":
		scanInt(s, &r.Total)
	case "offset":
		scanInt(s, &r.Offset)
	case "limit":
		scanInt(s, &r.Limit)
	default:
		r.apiResponse.scanOther(s)
	}
}

// left returns how many items the page can have, provided that its position was
// read before them. It is bounded for the sake of those that make no sense.
func (r *pagedResponse) left() int {
	const most = 1024
	return max(0, min(r.Limit, r.Total-r.Offset, most))
}

// scan implements [scannedReply].
func (r *successResponse) scan(s *jsonScan) {
	for s.open('{'); s.member(); {
		if string(s.key) == "success" {
			r.Success = s.bool()
		} else {
			r.scanOther(s)
		}
	}
}

// scan implements [scannedReply].
func (r *consumerPauseReply) scan(s *jsonScan) {
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "paused":
			r.Paused = s.bool()
		case "pause_until":
			scanTime(s, &r.PauseUntil)
		case "pause_remaining":
			scanInt(s, &r.PauseRemaining)
		default:
			r.scanOther(s)
		}
	}
}

// scan implements [scannedReply].
func (r *streamListResponse) scan(s *jsonScan) {
	s.words = make(map[string]string)
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "streams":
			scanSlice(s, &r.Streams, r.left(), func(s *jsonScan, p **StreamInfo) {
				scanPointer(s, p, scanStreamInfo)
			})
		case "missing":
			scanSlice(s, &r.Missing, 1, scanText)
		default:
			r.scanOther(s)
		}
	}
}

// scan implements [scannedReply].
func (r *consumerListResponse) scan(s *jsonScan) {
	s.words = make(map[string]string)
	for s.open('{'); s.member(); {
		switch string(s.key) {
		case "consumers":
			scanSlice(s, &r.Consumers, r.left(), func(s *jsonScan, p **ConsumerInfo) {
				scanPointer(s, p, scanConsumerInfo)
			})
		case "missing":
			scanSlice(s, &r.Missing, 1, scanText)
		default:
			r.scanOther(s)
		}
	}
}

// scan implements [scannedReply].
func (r *streamNamesResponse) scan(s *jsonScan) {
	for s.open('{'); s.member(); {
		if string(s.key) == "streams" {
			scanSlice(s, &r.Streams, r.left(), scanText)
		} else {
			r.scanOther(s)
		}
	}
}

// scan implements [scannedReply].
func (r *consumerNamesResponse) scan(s *jsonScan) {
	for s.open('{'); s.member(); {
		if string(s.key) == "consumers" {
			scanSlice(s, &r.Consumers, r.left(), scanText)
		} else {
			r.scanOther(s)
		}
	}
}
