package jetstream_test

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	ref "github.com/nats-io/nats.go/jetstream"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func objReferenceStore(t testing.TB, nc *nats.Conn, bucket string) ref.ObjectStore {
	t.Helper()
	js, err := ref.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	store, err := js.ObjectStore(context.Background(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// objLeafURLs returns where leaf nodes of a server connect to.
func objLeafURLs(t testing.TB, s *server.Server) []*url.URL {
	t.Helper()
	varz, err := s.Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	return []*url.URL{{Scheme: "nats-leaf", Host: net.JoinHostPort(varz.LeafNode.Host, strconv.Itoa(varz.LeafNode.Port))}}
}

// objDenied returns a store, in memory, as a user has it who may not publish to
// the given subjects.
func objDenied(t testing.TB, opts []jetstream.JetStreamOpt, subjects ...string) jetstream.ObjectStore {
	t.Helper()
	s := jstest.StartServer(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "x"},
			{Username: "user", Password: "x", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: subjects}}},
		}
	})
	objStore(t, objHandle(t, jstest.Connect(t, s, nats.UserInfo("admin", "x"))), "B")
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	js := objHandle(t, jstest.Connect(t, s, nats.UserInfo("user", "x"), quiet), opts...)
	denied, err := js.ObjectStore(objContext(t), "B")
	if err != nil {
		t.Fatal(err)
	}
	return denied
}
