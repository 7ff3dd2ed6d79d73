package jetstream

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// appendConsumerCreateRequest appends the body of CONSUMER.CREATE, byte for byte
// as encoding/json would. It fails as encoding/json does for what has no JSON.
func appendConsumerCreateRequest(b []byte, stream string, cfg *ConsumerConfig, action consumerAction) ([]byte, error) {
	e := jsonAppender{b: b}
	e.b = append(e.b, '{')
	e.text(`"stream_name":`, stream)
	e.key(`"config":`)
	e.b = append(e.b, '{')
	e.consumerConfig(cfg)
	e.b = append(e.b, '}')
	e.text(`"action":`, string(action))
	e.b = append(e.b, '}')
	if e.failed {
		return json.Marshal(&consumerCreateRequest{Stream: stream, Config: cfg, Action: action})
	}
	return e.b, nil
}

// consumerConfig appends the members of a consumer's config.
func (e *jsonAppender) consumerConfig(cfg *ConsumerConfig) {
	e.optText(`"name":`, cfg.Name)
	e.optText(`"durable_name":`, cfg.Durable)
	e.optText(`"description":`, cfg.Description)
	e.enum(`"deliver_policy":`, deliverPolicies, int(cfg.DeliverPolicy))
	e.optUint(`"opt_start_seq":`, cfg.OptStartSeq)
	e.optTime(`"opt_start_time":`, cfg.OptStartTime)
	e.enum(`"ack_policy":`, ackPolicies, int(cfg.AckPolicy))
	e.optInt(`"ack_wait":`, int64(cfg.AckWait))
	e.optInt(`"max_deliver":`, int64(cfg.MaxDeliver))
	if len(cfg.BackOff) > 0 {
		e.key(`"backoff":`)
		e.b = append(e.b, '[')
		for i, wait := range cfg.BackOff {
			e.separate(i)
			e.b = strconv.AppendInt(e.b, int64(wait), 10)
		}
		e.b = append(e.b, ']')
	}
	e.optText(`"filter_subject":`, cfg.FilterSubject)
	e.enum(`"replay_policy":`, replayPolicies, int(cfg.ReplayPolicy))
	e.optUint(`"rate_limit_bps":`, cfg.RateLimit)
	e.optText(`"sample_freq":`, cfg.SampleFrequency)
	e.optInt(`"max_waiting":`, int64(cfg.MaxWaiting))
	e.optInt(`"max_ack_pending":`, int64(cfg.MaxAckPending))
	e.optBool(`"headers_only":`, cfg.HeadersOnly)
	e.optInt(`"max_batch":`, int64(cfg.MaxRequestBatch))
	e.optInt(`"max_expires":`, int64(cfg.MaxRequestExpires))
	e.optInt(`"max_bytes":`, int64(cfg.MaxRequestMaxBytes))
	e.optInt(`"inactive_threshold":`, int64(cfg.InactiveThreshold))
	e.key(`"num_replicas":`)
	e.b = strconv.AppendInt(e.b, int64(cfg.Replicas), 10)
	e.optBool(`"mem_storage":`, cfg.MemoryStorage)
	e.optTexts(`"filter_subjects":`, cfg.FilterSubjects)
	e.optMap(`"metadata":`, cfg.Metadata)
	e.optTime(`"pause_until":`, cfg.PauseUntil)
	if cfg.PriorityPolicy != PriorityPolicyNone {
		e.enum(`"priority_policy":`, priorityPolicies, int(cfg.PriorityPolicy))
	}
	e.optInt(`"priority_timeout":`, int64(cfg.PinnedTTL))
	e.optTexts(`"priority_groups":`, cfg.PriorityGroups)
	e.optText(`"deliver_subject":`, cfg.DeliverSubject)
	e.optText(`"deliver_group":`, cfg.DeliverGroup)
	e.optBool(`"flow_control":`, cfg.FlowControl)
	e.optInt(`"idle_heartbeat":`, int64(cfg.IdleHeartbeat))
}

// jsonAppender appends members of JSON objects as encoding/json writes them. Keys
// come with their quotes and colon. The methods that start with opt leave out
// what is zero or empty.
type jsonAppender struct {
	b      []byte
	failed bool // what was appended is of no use
}

// separate puts a comma in front of all elements but the first.
func (e *jsonAppender) separate(i int) {
	if i > 0 {
		e.b = append(e.b, ',')
	}
}

func (e *jsonAppender) key(key string) { e.b = append(appendComma(e.b), key...) }

// quoted appends a string.
func (e *jsonAppender) quoted(s string) {
	start := len(e.b)
	e.b = append(e.b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '<' || c == '>' || c == '&':
			const hex = "0123456789abcdef"
			e.b = append(e.b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		case c < ' ' || c == '"' || c == '\\' || c > '~':
			// Escapes and what is not ASCII are rare.
			data, err := json.Marshal(s)
			e.failed = e.failed || err != nil
			e.b = append(e.b[:start], data...)
			return
		default:
			e.b = append(e.b, c)
		}
	}
	e.b = append(e.b, '"')
}

func (e *jsonAppender) text(key, s string) {
	e.key(key)
	e.quoted(s)
}

func (e *jsonAppender) optText(key, s string) {
	if s != "" {
		e.text(key, s)
	}
}

func (e *jsonAppender) optTexts(key string, texts []string) {
	if len(texts) == 0 {
		return
	}
	e.key(key)
	e.b = append(e.b, '[')
	for i, s := range texts {
		e.separate(i)
		e.quoted(s)
	}
	e.b = append(e.b, ']')
}

func (e *jsonAppender) optMap(key string, texts map[string]string) {
	if len(texts) == 0 {
		return
	}
	e.key(key)
	e.b = append(e.b, '{')
	for i, name := range slices.Sorted(maps.Keys(texts)) {
		e.separate(i)
		e.quoted(name)
		e.b = append(e.b, ':')
		e.quoted(texts[name])
	}
	e.b = append(e.b, '}')
}

func (e *jsonAppender) optInt(key string, n int64) { e.b = appendIntField(e.b, key, n) }

func (e *jsonAppender) optUint(key string, n uint64) {
	if n != 0 {
		e.key(key)
		e.b = strconv.AppendUint(e.b, n, 10)
	}
}

func (e *jsonAppender) optBool(key string, set bool) {
	if set {
		e.key(key)
		e.b = append(e.b, "true"...)
	}
}

func (e *jsonAppender) optTime(key string, t *time.Time) {
	if t == nil {
		return
	}
	data, err := t.MarshalJSON()
	e.failed = e.failed || err != nil
	e.key(key)
	e.b = append(e.b, data...)
}

// enum appends the word of a value.
func (e *jsonAppender) enum(key string, t *enumTable, value int) {
	if value < 0 || value >= len(t.words) {
		e.failed = true
		return
	}
	e.text(key, t.words[value])
}
