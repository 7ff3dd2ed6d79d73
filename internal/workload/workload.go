// Package workload holds the jobs by which this project's package is compared
// with the reference. Each is written once and runs on either, so that both do
// exactly the same and are checked in the same way.
package workload

import (
	"context"
	"time"
)

const (
	// payloadSize is the size of messages unless the workload says otherwise.
	payloadSize = 128

	mebibyte = 1 << 20
)

// Workload is a job of many equal operations.
type Workload struct {
	Name string

	// N is how many operations make a run long enough to be measured.
	N int

	// Unit says what one operation is.
	Unit string

	// Delay is the latency of the link to the server, one way.
	Delay time.Duration

	// Alone tells that the job sees all streams of its account, so that no other
	// workload may use the server meanwhile.
	Alone bool

	// Timed tells that operations are done one at a time, and that the run knows
	// how long each took.
	Timed bool

	// Idle tells that an operation starts something that then has nothing to do,
	// and that the run knows what each holds on to.
	Idle bool

	// RoundTrips tells that what matters is how often an operation waits for an
	// answer over the link.
	RoundTrips bool

	ground ground
	open   func(ctx context.Context, r *Run) error
	do     func(ctx context.Context, r *Run) error
	// limit does the same with the connection alone. Nil: it makes no sense.
	limit func(ctx context.Context, r *Run) error

	// size is that of each message in bytes; 0 is the default.
	size int
	// lanes is by how many goroutines or consumers the work is done; 0 is one.
	lanes   int
	options options
	limits  pullLimits
	// double tells that acknowledgements are to be confirmed.
	double bool
}

// HasLimit tells whether [Limit] can do the job.
func (w Workload) HasLimit() bool { return w.limit != nil }

func (w Workload) payloadSize() int {
	if w.size == 0 {
		return payloadSize
	}
	return w.size
}

// All returns the workloads in the order in which reports list them.
func All() []Workload {
	all := append(publishing(), receiving()...)
	all = append(all, buckets()...)
	all = append(all, objects()...)
	all = append(all, managing()...)
	all = append(all, idling()...)
	all = append(all, linked(all)...)
	return append(all, roundTrips()...)
}

func publishing() []Workload {
	const unit = "message"
	return []Workload{
		{
			Name: "Publish", N: 20_000, Unit: unit, Timed: true,
			ground: newStream, do: publish, limit: requests(publishRequest),
		},
		{
			Name: "Publish16", N: 50_000, Unit: unit, Timed: true, lanes: 16,
			ground: newStream, do: publish, limit: requests(publishRequest),
		},
		{
			Name: "PublishAsync", N: 200_000, Unit: unit,
			ground: newStream, do: publishAsync, limit: publishCounting,
		},
		{
			Name: "PublishAsyncTimeout", N: 200_000, Unit: unit, options: options{ackTimeout: time.Minute},
			ground: newStream, do: publishAsync, limit: publishCounting,
		},
		{
			Name: "PublishAsyncHeaders", N: 100_000, Unit: unit,
			ground: newStream, open: numberIDs, do: publishHeaders, limit: publishCountingHeaders,
		},
		{
			Name: "PublishAsyncAcks", N: 100_000, Unit: unit,
			ground: newStream, do: publishAwaiting,
		},
	}
}

func receiving() []Workload {
	read := func(name string, n int, policy string, do func(context.Context, *Run) error) Workload {
		return Workload{
			Name: name, N: n, Unit: "message",
			ground: filledStream, open: openConsumer(policy), do: do, limit: pushed(consumerConfig{AckPolicy: policy}, 1),
		}
	}
	// One message at a time.
	single := func(w Workload) Workload {
		w.Timed, w.limit = true, pulled
		return w
	}
	limited := func(w Workload, limits pullLimits) Workload {
		w.limits = limits
		return w
	}
	ordered := func(w Workload) Workload {
		w.open = openOrdered
		return w
	}
	return []Workload{
		read("Consume", 300_000, ackNone, consume),
		read("ConsumeAck", 100_000, ackExplicit, consume),
		read("ConsumeMetadata", 300_000, ackNone, consumeMetadata),
		read("Messages", 300_000, ackNone, messages),
		read("MessagesAck", 100_000, ackExplicit, messages),
		limited(read("MessagesMaxBytes", 300_000, ackNone, messages), pullLimits{bytes: mebibyte}),
		single(limited(read("MessagesMax1", 20_000, ackNone, messages), pullLimits{messages: 1})),
		read("Fetch100", 100_000, ackNone, fetch(100)),
		read("Fetch10", 50_000, ackNone, fetch(10)),
		read("FetchNoWait100", 100_000, ackNone, fetchNoWait(100)),
		single(read("Fetch1", 10_000, ackNone, fetch(1))),
		single(read("Next", 10_000, ackNone, next)),
		read("FetchBytes64K", 50_000, ackNone, fetchByBytes),
		ordered(read("OrderedConsume", 300_000, ackNone, consume)),
		ordered(read("OrderedMessages", 300_000, ackNone, messages)),
		{
			Name: "PushConsume", N: 300_000, Unit: "message",
			ground: filledStream, open: openPush, do: consume, limit: pushed(consumerConfig{AckPolicy: ackNone}, 1),
		},
		{
			Name: "DoubleAck", N: 20_000, Unit: "message", double: true, Timed: true,
			ground: filledStream, open: openConsumer(ackExplicit), do: messages,
			limit: pushed(consumerConfig{AckPolicy: ackExplicit}, 1),
		},
	}
}

func buckets() []Workload {
	last := consumerConfig{AckPolicy: ackNone, DeliverPolicy: "last_per_subject", FilterSubject: "$KV.%s.>"}
	names := last
	names.HeadersOnly = true
	return []Workload{
		{
			Name: "KVPut", N: 20_000, Unit: "key", Timed: true,
			ground: newBucket, open: openKeys, do: kvPut, limit: requests(putRequest),
		},
		{
			Name: "KVUpdate", N: 20_000, Unit: "update", Timed: true,
			ground: singleKey, open: openKeys, do: kvUpdate,
		},
		{
			Name: "KVGet", N: 20_000, Unit: "key", Timed: true,
			ground: filledBucket, open: openKeys, do: kvGet, limit: requests(getRequest),
		},
		{
			Name: "KVKeys", N: 100_000, Unit: "key",
			ground: filledBucket, open: openBucket, do: kvKeys, limit: pushed(names, 1),
		},
		{
			Name: "KVListKeys", N: 100_000, Unit: "key",
			ground: filledBucket, open: openBucket, do: kvListKeys, limit: pushed(names, 1),
		},
		{
			Name: "KVWatchAll", N: 100_000, Unit: "key",
			ground: filledBucket, open: openBucket, do: kvWatch, limit: pushed(last, 1),
		},
	}
}

func objects() []Workload {
	chunks := consumerConfig{AckPolicy: ackNone, FilterSubject: "$O.%s.C.>"}
	put := Workload{Unit: "MiB", ground: newStore, open: openStore, do: objectPut}
	get := Workload{Unit: "MiB", ground: filledStore, open: openStore, do: objectGet, limit: pushed(chunks, chunksPerMB)}
	sized := func(w Workload, name string, n int) Workload {
		w.Name, w.N = name, n
		return w
	}
	whole := sized(get, "ObjectGetBytes64M", 64)
	whole.do = objectGetBytes
	return []Workload{
		sized(put, "ObjectPut64M", 64),
		sized(get, "ObjectGet64M", 64),
		whole,
		sized(put, "ObjectPut1G", 1024),
		sized(get, "ObjectGet1G", 1024),
	}
}

func managing() []Workload {
	return []Workload{
		{
			Name: "StreamInfos2000", N: 10 * streamCount, Unit: unitStream, Alone: true,
			ground: manyStreams, do: streamInfos, limit: listPages,
		},
		{
			Name: "GetMsgDirect", N: 20_000, Unit: "message", Timed: true,
			ground: directStream, open: openStream, do: getMsg, limit: requests(directRequest),
		},
		{
			Name: "GetMsgAPI", N: 10_000, Unit: "message", Timed: true,
			ground: filledStream, open: openStream, do: getMsg, limit: requests(getMsgRequest),
		},
		{
			Name: "ConsumerCreateDelete", N: 2_000, Unit: "consumer", Timed: true,
			ground: emptyStream, do: createDelete, limit: requests(createRequest, deleteRequest),
		},
		{
			Name: "ConsumerInfo", N: 10_000, Unit: "call", Timed: true,
			ground: emptyStream, open: openConsumer(ackExplicit), do: consumerInfo, limit: requests(infoRequest),
		},
	}
}

func idling() []Workload {
	return []Workload{
		{
			Name: "IdleConsume500", N: 500, Unit: "consumer", Idle: true,
			ground: emptyStream, open: openMany, do: idleConsume,
		},
		{
			Name: "IdleMessages500", N: 500, Unit: "consumer", Idle: true,
			ground: emptyStream, open: openMany, do: idleMessages,
		},
		{
			Name: "IdleWatch500", N: 500, Unit: "watcher", Idle: true,
			ground: emptyBucket, open: openBucket, do: idleWatch,
		},
	}
}

// linked returns some of all with a delay.
func linked(all []Workload) []Workload {
	const near, far = 5 * time.Millisecond, 25 * time.Millisecond
	var out []Workload
	for _, l := range []struct {
		name  string
		delay time.Duration
		n     int
	}{
		{"Consume", near, 40_000},
		{"Consume", far, 10_000},
		{"Messages", near, 40_000},
		{"Messages", far, 10_000},
		{"OrderedConsume", far, 30_000},
		{"OrderedMessages", far, 30_000},
		{"KVWatchAll", far, 30_000},
		{"KVKeys", near, 100_000},
		{"KVKeys", far, 100_000},
		{"ObjectGet64M", near, 64},
		{"ObjectGet64M", far, 64},
		{"ObjectPut64M", near, 64},
		{"ObjectPut64M", far, 64},
	} {
		for i := range all {
			if w := all[i]; w.Name == l.name {
				w.Name, w.Delay, w.N = w.Name+"@"+l.delay.String(), l.delay, l.n
				out = append(out, w)
			}
		}
	}
	return out
}

func roundTrips() []Workload {
	all := []Workload{
		{Name: "ListStreams2000", N: 3, Alone: true, ground: manyStreams, do: listStreams},
		{Name: "CreateBucket", N: 10, ground: emptyStream, do: createBuckets},
		{Name: "KVKeys", N: 10, ground: filledBucket, open: openBucket, do: kvKeysCalls},
		{Name: "KVWatchStop", N: 10, ground: filledBucket, open: openBucket, do: kvWatchCalls},
		{Name: "ObjectPutNew", N: 10, ground: smallObjects, open: openStore, do: objectPutNew},
		{Name: "ObjectPutAgain", N: 10, ground: smallObject, open: openStoreFilled, do: objectPutAgain},
	}
	for i := range all {
		w := &all[i]
		w.Name, w.Unit, w.Delay, w.RoundTrips = "RoundTrips/"+w.Name, "call", 25*time.Millisecond, true
	}
	return all
}
