package jetstream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

// accountInfoResponse is the reply to $JS.API.INFO.
type accountInfoResponse struct {
	apiResponse
	AccountInfo
}

const (
	// accountAttempts is how often AccountInfo asks when nobody responds.
	accountAttempts = 3

	// accountRetryWait is the pause between these attempts.
	accountRetryWait = 100 * time.Millisecond
)

func (js *jetStream) AccountInfo(ctx context.Context) (*AccountInfo, error) {
	for attempt := 1; ; attempt++ {
		var resp accountInfoResponse
		err := js.call(ctx, "INFO", nil, &resp)
		if err == nil {
			return &resp.AccountInfo, nil
		}
		if !errors.Is(err, nats.ErrNoResponders) {
			return nil, mapAPIError(err, ErrJetStreamNotEnabledForAccount, ErrJetStreamNotEnabled)
		}
		// A server that starts or a cluster that elects a leader has nobody to
		// respond for a moment either, and is not without JetStream for that.
		if attempt == accountAttempts {
			return nil, ErrJetStreamNotEnabled
		}
		select {
		case <-ctx.Done():
			return nil, ErrJetStreamNotEnabled
		case <-time.After(accountRetryWait):
		}
	}
}

type AccountInfo struct {
	Tier
	Domain string          `json:"domain"`
	API    APIStats        `json:"api"`
	Tiers  map[string]Tier `json:"tiers"`
}

type Tier struct {
	Memory         uint64        `json:"memory"`
	Store          uint64        `json:"storage"`
	ReservedMemory uint64        `json:"reserved_memory"`
	ReservedStore  uint64        `json:"reserved_storage"`
	Streams        int           `json:"streams"`
	Consumers      int           `json:"consumers"`
	Limits         AccountLimits `json:"limits"`
}

type APIStats struct {
	Level    int    `json:"level"`
	Total    uint64 `json:"total"`
	Errors   uint64 `json:"errors"`
	Inflight uint64 `json:"inflight,omitempty"`
}

type AccountLimits struct {
	MaxMemory            int64 `json:"max_memory"`
	MaxStore             int64 `json:"max_storage"`
	MaxStreams           int   `json:"max_streams"`
	MaxConsumers         int   `json:"max_consumers"`
	MaxAckPending        int   `json:"max_ack_pending"`
	MemoryMaxStreamBytes int64 `json:"memory_max_stream_bytes"`
	StoreMaxStreamBytes  int64 `json:"storage_max_stream_bytes"`
	MaxBytesRequired     bool  `json:"max_bytes_required"`
}
