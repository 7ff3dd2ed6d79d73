package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// JetStream is the entry point of the package: it manages streams and
// consumers, and publishes to streams, over one connection. Handles are made by
// [New], [NewWithAPIPrefix] and [NewWithDomain], cost next to nothing, hold no
// resources of their own until the first async publish, and are safe for
// concurrent use.
//
// Each method that takes a context uses the context's deadline, or the handle's
// default timeout (see [WithDefaultTimeout]) when it has none. A context that
// ends yields its own error, unwrapped.
//
// A request that the server denies for want of a permission ends with an error that
// matches [nats.ErrPermissionViolation] as soon as the server has said so, and not
// with its time. The server says that apart from the request, to the connection, so
// another error that the connection meets at the same moment may hide it.
type JetStream interface {
	// AccountInfo asks the server for the limits and the usage of the account
	// the connection belongs to. It returns [ErrJetStreamNotEnabled] when the
	// server runs without JetStream and [ErrJetStreamNotEnabledForAccount] when
	// the account may not use it.
	AccountInfo(ctx context.Context) (*AccountInfo, error)

	// Conn returns the connection the handle was made with.
	Conn() *nats.Conn

	// Options returns a copy of the handle's configuration. Changing it, the
	// client trace included, has no effect on the handle.
	Options() JetStreamOptions

	Publisher
	StreamManager
	StreamConsumerManager
	KeyValueManager
	ObjectStoreManager
}

// jetStream implements [JetStream].
type jetStream struct {
	conn *nats.Conn
	opts JetStreamOptions

	// prefix starts the subject of every API request and ends in a dot. It is
	// fixed at construction: an option that assigns APIPrefix or Domain changes
	// what Options reports, not where requests go.
	prefix string

	async asyncPublisher

	firstPull sharedBody // of Consume and Messages

	// Of the lists of all streams and of their names.
	infoPages, namePages pageMemory
}

var _ JetStream = (*jetStream)(nil)

// New returns a handle that talks to the JetStream API under its default
// prefix. It sends nothing and starts nothing. It fails when nc is nil
// ([nats.ErrInvalidConnection]) or an option does.
func New(nc *nats.Conn, opts ...JetStreamOpt) (JetStream, error) {
	js, err := newJetStream(nc, opts)
	if err != nil {
		return nil, err
	}
	return js, nil
}

// NewWithAPIPrefix returns a handle that sends its API requests to subjects
// starting with apiPrefix, as needed where an account imports the JetStream API
// of another one under a name of its own. A dot is put after the prefix unless
// it ends in one. An empty prefix is an error. Apart from that it is [New].
func NewWithAPIPrefix(nc *nats.Conn, apiPrefix string, opts ...JetStreamOpt) (JetStream, error) {
	js, err := newJetStream(nc, opts)
	if err != nil {
		return nil, err
	}
	if apiPrefix == "" {
		return nil, errors.New("API prefix cannot be empty")
	}
	js.opts.APIPrefix = apiPrefix
	js.prefix = apiPrefix
	if !strings.HasSuffix(apiPrefix, ".") {
		js.prefix += "."
	}
	return js, nil
}

// NewWithDomain returns a handle that talks to the JetStream of the given
// domain, such as the one of a leaf node's hub: API requests go to
// $JS.<domain>.API. An empty domain is an error. Apart from that it is [New].
func NewWithDomain(nc *nats.Conn, domain string, opts ...JetStreamOpt) (JetStream, error) {
	js, err := newJetStream(nc, opts)
	if err != nil {
		return nil, err
	}
	if domain == "" {
		return nil, errors.New("domain cannot be empty")
	}
	js.opts.Domain = domain
	js.prefix = domainAPIPrefix(domain) + "."
	return js, nil
}

func newJetStream(nc *nats.Conn, opts []JetStreamOpt) (*jetStream, error) {
	if nc == nil {
		return nil, nats.ErrInvalidConnection
	}
	js := &jetStream{
		conn:   nc,
		prefix: DefaultAPIPrefix,
		opts: JetStreamOptions{
			DefaultTimeout: defaultAPITimeout,
			async:          asyncOptions{maxPending: defaultAsyncMaxPending},
		},
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, invalidOption("option cannot be nil")
		}
		if err := opt(&js.opts); err != nil {
			return nil, err
		}
	}
	js.async.js = js
	return js, nil
}

// domainAPIPrefix returns the subject, without a final dot, under which the
// JetStream API of a domain is reached.
func domainAPIPrefix(domain string) string {
	return fmt.Sprintf("$JS.%s.API", domain)
}

func (js *jetStream) Conn() *nats.Conn { return js.conn }

func (js *jetStream) Options() JetStreamOptions {
	opts := js.opts
	if opts.ClientTrace != nil {
		trace := *opts.ClientTrace
		opts.ClientTrace = &trace
	}
	return opts
}
