// Package jstest is the fault kit of this project's tests: real servers that
// can be made to fail in the ways real ones do, and on demand.
//
//   - [StartServer] runs one embedded server that lives as long as the test.
//   - [StartNode] runs one that can be stopped, killed and started again, with
//     its data and its address kept.
//   - [StartCluster] runs three of them with replicated JetStream, finds and
//     moves the leaders of streams, consumers and the meta group, and parts the
//     nodes from one another.
//   - [StartProxy] puts a TCP link between client and server that can be cut,
//     delayed, throttled and held up in either direction. Every node has one in
//     front of it, see [Node.Proxy].
//   - [StartFakeAPI] answers JetStream API requests under a prefix of its own
//     with whatever the test wants, or not at all.
//   - [StartRawServer] is taken for a server by clients and sends whatever bytes
//     the test wants.
//   - [RecordPulls] and [RecordRequests] look on as requests go to a real server.
//   - [WaitFor] waits for a condition with a deadline.
//
// What a test starts is ended when the test ends; nothing outlives it. A fault
// that cannot be brought about fails the test. Unless said otherwise, methods
// may be called from any goroutine as long as the test runs, except those that
// can fail the test: these belong on the goroutine of the test itself, as
// [testing.TB.FailNow] does.
//
// The package imports neither this project's root package nor the reference, so
// that tests inside the root package can use it.
package jstest
