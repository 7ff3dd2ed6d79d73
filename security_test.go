package jetstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
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

// What a user may not do is named at the end of the time the call has. The server
// tells of it apart from the call, through the connection's error handler, which
// is the user's, so that there is nothing to end it sooner.
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
		c.Pub.Allow.Add("MINE.>", "$JS.API.STREAM.INFO.MINE", "$JS.API.CONSUMER.INFO.MINE.>", "$JS.API.CONSUMER.MSG.NEXT.MINE.>", "$JS.ACK.MINE.>")
		c.Sub.Allow.Add("_INBOX_mine.>")
	})
	connect := func(t *testing.T) jetstream.JetStream {
		quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
		return tpHandle(t, jstest.Connect(t, s, limited, nats.CustomInboxPrefix("_INBOX_mine"), quiet))
	}
	js := connect(t)

	// What is allowed works with nothing else.
	_, err := js.Publish(ctx, "MINE.a", nil)
	mgOK(t, err)
	cons, err := js.Consumer(ctx, "MINE", tpConsumer)
	mgOK(t, err)
	batch, err := cons.Fetch(1, jetstream.FetchMaxWait(tpWait))
	for _, m := range tpFetched(t, 1, batch, err) {
		mgOK(t, m.DoubleAck(ctx))
	}

	for name, call := range map[string]func(ctx context.Context, js jetstream.JetStream) error{
		"publish": func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.Publish(ctx, "YOURS.a", nil)
			return err
		},
		"stream": func(ctx context.Context, js jetstream.JetStream) error { _, err := js.Stream(ctx, "YOURS"); return err },
		"delete": func(ctx context.Context, js jetstream.JetStream) error { return js.DeleteStream(ctx, "MINE") },
		"consumer": func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.Consumer(ctx, "YOURS", tpConsumer)
			return err
		},
		"bucket": func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "B"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := connect(t)
			// The reason has to be in before the time is over.
			brief, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			err := call(brief, js)
			mgIs(t, err, nats.ErrPermissionViolation)
			mgIs(t, err, context.DeadlineExceeded)
		})
	}
}
