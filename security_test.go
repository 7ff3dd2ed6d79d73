package jetstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// secRoundTrip uses one of each kind: a stream, a consumer, a bucket and a store.
func secRoundTrip(t *testing.T, nc *nats.Conn) {
	t.Helper()
	js := tpHandle(t, nc)
	ctx := mgContext(t)
	st, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: tpStream, Subjects: []string{tpSubject}})
	mgOK(t, err)
	_, err = js.Publish(ctx, tpSubject, []byte("hello"))
	mgOK(t, err)
	cons, err := st.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: tpConsumer})
	mgOK(t, err)
	batch, err := cons.Fetch(1, jetstream.FetchMaxWait(tpWait))
	for _, m := range tpFetched(t, 1, batch, err) {
		mgOK(t, m.DoubleAck(ctx))
	}
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "B"})
	mgOK(t, err)
	_, err = kv.PutString(ctx, "key", "value")
	mgOK(t, err)
	store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "B"})
	mgOK(t, err)
	_, err = store.PutString(ctx, "object", "content")
	mgOK(t, err)
	got, err := store.GetString(ctx, "object")
	mgOK(t, err)
	mgEqual(t, "content", got, "content")
}

// secOperator configures a server for an operator with one account, and returns
// what makes users of it.
func secOperator(t *testing.T) (adjust func(*server.Options), user func(limit func(*jwt.UserClaims)) nats.Option) {
	t.Helper()
	operator, account, system := secKeys(t, nkeys.CreateOperator), secKeys(t, nkeys.CreateAccount), secKeys(t, nkeys.CreateAccount)
	encode := func(claims jwt.Claims, signer nkeys.KeyPair) string {
		token, err := claims.Encode(signer)
		mgOK(t, err)
		return token
	}
	oc := jwt.NewOperatorClaims(secPublic(t, operator))
	oc.SystemAccount = secPublic(t, system)
	operatorToken, err := jwt.DecodeOperatorClaims(encode(oc, operator))
	mgOK(t, err)
	ac := jwt.NewAccountClaims(secPublic(t, account))
	ac.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	resolver := new(server.MemAccResolver)
	mgOK(t, resolver.Store(secPublic(t, account), encode(ac, operator)))
	mgOK(t, resolver.Store(secPublic(t, system), encode(jwt.NewAccountClaims(secPublic(t, system)), operator)))
	adjust = func(o *server.Options) {
		o.TrustedOperators = []*jwt.OperatorClaims{operatorToken}
		o.SystemAccount = secPublic(t, system)
		o.AccountResolver = resolver
	}
	user = func(limit func(*jwt.UserClaims)) nats.Option {
		keys := secKeys(t, nkeys.CreateUser)
		uc := jwt.NewUserClaims(secPublic(t, keys))
		limit(uc)
		seed, err := keys.Seed()
		mgOK(t, err)
		return nats.UserJWTAndSeed(encode(uc, account), string(seed))
	}
	return adjust, user
}

func secKeys(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	keys, err := create()
	mgOK(t, err)
	return keys
}

func secPublic(t *testing.T, keys nkeys.KeyPair) string {
	t.Helper()
	public, err := keys.PublicKey()
	mgOK(t, err)
	return public
}

func TestEverythingWorksForUsersWithCredentials(t *testing.T) {
	t.Parallel()
	adjust, user := secOperator(t)
	s := jstest.StartServer(t, adjust)
	secRoundTrip(t, jstest.Connect(t, s, user(func(*jwt.UserClaims) {})))
	if _, err := nats.Connect(s.ClientURL()); err == nil {
		t.Error("nobody can connect, too")
	}
}

func TestEverythingWorksWithKeysOverTLS(t *testing.T) {
	t.Parallel()
	keys := secKeys(t, nkeys.CreateUser)
	cert, roots := secCertificate(t)
	s := jstest.StartServer(t, func(o *server.Options) {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
		o.TLSTimeout = 10 // seconds, for busy machines
		o.Nkeys = []*server.NkeyUser{{Nkey: secPublic(t, keys)}}
	})
	secRoundTrip(t, jstest.Connect(t, s,
		nats.Nkey(secPublic(t, keys), keys.Sign),
		nats.Secure(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}),
		nats.Timeout(tpWait)))
}

// secCertificate makes a certificate for the loopback address and the roots that
// trust it.
func secCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	mgOK(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	mgOK(t, err)
	cert, err := x509.ParseCertificate(der)
	mgOK(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// What a user may not do is named as soon as the server has said so, and not at the
// end of the time that the call has.
func TestWhatAUserMayNotDoIsNamed(t *testing.T) {
	t.Parallel()
	adjust, user := secOperator(t)
	s := jstest.StartServer(t, adjust)
	admin := tpHandle(t, jstest.Connect(t, s, user(func(*jwt.UserClaims) {})))
	ctx := mgContext(t)
	for _, name := range []string{"MINE", "YOURS"} {
		st, err := admin.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}})
		mgOK(t, err)
		_, err = st.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: tpConsumer})
		mgOK(t, err)
	}
	limited := user(func(c *jwt.UserClaims) {
		c.Pub.Allow.Add("MINE.>", "$JS.API.STREAM.INFO.MINE", "$JS.API.CONSUMER.INFO.>", "$JS.API.CONSUMER.MSG.NEXT.MINE.>", "$JS.ACK.MINE.>")
		c.Sub.Allow.Add("_INBOX_mine.>")
	})
	connect := func(t *testing.T, inbox string) jetstream.JetStream {
		quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
		nc := jstest.Connect(t, s, limited, nats.CustomInboxPrefix(inbox), quiet)
		js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(time.Hour))
		mgOK(t, err)
		return js
	}
	js := connect(t, "_INBOX_mine")

	// What is allowed works with nothing else.
	_, err := js.Publish(ctx, "MINE.a", nil)
	mgOK(t, err)
	cons, err := js.Consumer(ctx, "MINE", tpConsumer)
	mgOK(t, err)
	batch, err := cons.Fetch(1, jetstream.FetchMaxWait(tpWait))
	for _, m := range tpFetched(t, 1, batch, err) {
		mgOK(t, m.DoubleAck(ctx))
	}

	named := func(t *testing.T, err error) {
		t.Helper()
		mgIs(t, err, nats.ErrPermissionViolation)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
			t.Errorf("only after its time: %v", err)
		}
	}
	yours := func(t *testing.T, js jetstream.JetStream) jetstream.Consumer {
		cons, err := js.Consumer(mgContext(t), "YOURS", tpConsumer)
		mgOK(t, err)
		return cons
	}
	for name, call := range map[string]func(t *testing.T, ctx context.Context, js jetstream.JetStream) error{
		"publish": func(_ *testing.T, ctx context.Context, js jetstream.JetStream) error {
			_, err := js.Publish(ctx, "YOURS.a", nil)
			return err
		},
		"stream": func(_ *testing.T, ctx context.Context, js jetstream.JetStream) error {
			_, err := js.Stream(ctx, "YOURS")
			return err
		},
		"delete": func(_ *testing.T, ctx context.Context, js jetstream.JetStream) error {
			return js.DeleteStream(ctx, "MINE")
		},
		"create": func(_ *testing.T, ctx context.Context, js jetstream.JetStream) error {
			_, err := js.CreateConsumer(ctx, "YOURS", jetstream.ConsumerConfig{Durable: "D"})
			return err
		},
		"bucket": func(_ *testing.T, ctx context.Context, js jetstream.JetStream) error {
			_, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "B"})
			return err
		},
		"fetch": func(t *testing.T, ctx context.Context, js jetstream.JetStream) error {
			batch, err := yours(t, js).Fetch(1, jetstream.FetchContext(ctx))
			mgOK(t, err)
			for range batch.Messages() {
				t.Error("a message")
			}
			return batch.Error()
		},
		"next": func(t *testing.T, ctx context.Context, js jetstream.JetStream) error {
			_, err := yours(t, js).Next(jetstream.FetchContext(ctx))
			return err
		},
		"messages": func(t *testing.T, ctx context.Context, js jetstream.JetStream) error {
			it, err := yours(t, js).Messages()
			mgOK(t, err)
			defer it.Stop()
			_, err = it.Next(jetstream.NextContext(ctx))
			return err
		},
		"consume": func(t *testing.T, ctx context.Context, js jetstream.JetStream) error {
			errs := make(chan error, 1)
			cc, err := yours(t, js).Consume(func(jetstream.Msg) { t.Error("a message") },
				jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
					select {
					case errs <- err:
					default:
					}
				}))
			mgOK(t, err)
			defer cc.Stop()
			select {
			case err := <-errs:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := connect(t, "_INBOX_mine")
			for range 2 {
				named(t, call(t, mgContext(t), js))
			}
		})
	}
	t.Run("async", func(t *testing.T) {
		t.Parallel()
		js, err := jetstream.New(connect(t, "_INBOX_mine").Conn(), jetstream.WithPublishAsyncTimeout(time.Second))
		mgOK(t, err)
		defer js.CleanupPublisher()
		future, err := js.PublishAsync("YOURS.a", nil)
		mgOK(t, err)
		err = <-future.Err()
		mgIs(t, err, nats.ErrPermissionViolation)
		mgIs(t, err, jetstream.ErrAsyncPublishTimeout)
	})
	t.Run("no deadline", func(t *testing.T) {
		t.Parallel()
		_, err := connect(t, "_INBOX_mine").Publish(context.Background(), "YOURS.a", nil)
		named(t, err)
	})
	t.Run("answers", func(t *testing.T) {
		t.Parallel()
		_, err := connect(t, "_INBOX_yours").Publish(context.Background(), "MINE.a", nil)
		named(t, err)
	})
}

// A denial of the past ends no request, but is named if the time of one runs out.
func TestADenialOfThePastEndsNoRequest(t *testing.T) {
	t.Parallel()
	var published atomic.Int64
	s := jstest.StartRawServer(t, func(c *jstest.RawConn, m jstest.RawMsg) {
		if m.Subject != tpSubject {
			return
		}
		switch published.Add(1) {
		case 1:
			c.Write([]byte("-ERR 'Permissions Violation for Publish to \"" + tpSubject + "\"'\r\n"))
		case 2:
			// Later than several looks for a denial.
			time.AfterFunc(500*time.Millisecond, func() {
				c.Deliver(m.Reply, jstest.RawMsg{Subject: m.Reply, Data: []byte(`{"stream":"S","seq":1}`)})
			})
		}
	})
	js := tpHandle(t, jstest.ConnectURL(t, s.URL(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))
	_, err := js.Publish(mgContext(t), tpSubject, nil)
	mgIs(t, err, nats.ErrPermissionViolation)
	ack, err := js.Publish(mgContext(t), tpSubject, nil)
	mgOK(t, err)
	mgEqual(t, "sequence", ack.Sequence, uint64(1))
	brief, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = js.Publish(brief, tpSubject, nil)
	mgIs(t, err, context.DeadlineExceeded)
	mgIs(t, err, nats.ErrPermissionViolation)
}
