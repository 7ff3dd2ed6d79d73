package torture

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Kind is a kind of fault.
type Kind string

// Faults of links.
const (
	Cut      Kind = "cut"       // all connections are reset
	Refuse   Kind = "refuse"    // the same, and new ones are refused
	Delay    Kind = "delay"     // bytes arrive late
	Throttle Kind = "throttle"  // few bytes a second
	Stall    Kind = "stall"     // bytes arrive when the fault is over
	HalfOpen Kind = "half-open" // bytes are swallowed, then the connections are reset
)

// Faults of servers, and what may happen on healthy ones.
const (
	Stop             Kind = "stop"
	Kill             Kind = "kill"
	Part             Kind = "part" // from the other nodes of the cluster
	StepDownStream   Kind = "step down stream"
	StepDownConsumer Kind = "step down consumer"
	StepDownMeta     Kind = "step down meta"
	DeleteConsumer   Kind = "delete consumer"
	DeleteOrdered    Kind = "delete ordered consumer" // that of the server behind an ordered one, a watch or a read
	Purge            Kind = "purge"
)

// Fault is one event of a schedule. Which fields count depends on the kind.
type Fault struct {
	Kind Kind
	At   time.Duration // after the begin of the schedule
	For  time.Duration

	Node               int
	ToServer, ToClient bool
	Delay              time.Duration
	Rate               int // bytes a second

	Stream, Consumer string
	Pick             uint64 // chooses among what is there at that time
}

func (f Fault) String() string {
	s := fmt.Sprintf("%6.2fs %s", f.At.Seconds(), f.Kind)
	switch f.Kind {
	case Delay, Throttle, Stall, HalfOpen:
		s += fmt.Sprintf(" node %d for %v, to server %v, to client %v", f.Node, f.For, f.ToServer, f.ToClient)
	case Cut, Refuse, Stop, Kill, Part:
		s += fmt.Sprintf(" node %d for %v", f.Node, f.For)
	case Purge:
		s += fmt.Sprintf(" %s but %d", f.Stream, f.Pick)
	default:
		s += fmt.Sprintf(" %s %s", f.Stream, f.Consumer)
	}
	return s
}

// Targets are what the faults of a schedule can hit.
type Targets struct {
	Nodes     int
	Streams   []string
	Consumers [][2]string // durable ones, as stream and name
	Deletable [][2]string // those that may be deleted
	Ephemeral []string    // streams with consumers behind ordered ones
	Purgeable []string    // streams
}

// Schedule is two tracks of faults that go on side by side. Within a track, one
// fault is over before the next begins, so never more than one node is down.
type Schedule struct {
	Links   []Fault
	Servers []Fault
}

// weighted is a kind and how often it is drawn.
type weighted struct {
	kind   Kind
	weight int
}

// Draw makes the schedule of a site for so long a time. The same arguments make
// the same schedule.
func Draw(seed uint64, site string, length time.Duration, on Targets) Schedule {
	stream := uint64(len(site))
	for _, c := range []byte(site) {
		stream = stream*31 + uint64(c)
	}
	d := drawing{rnd: rand.New(rand.NewPCG(seed, stream)), on: on, length: length}
	links := []weighted{{Cut, 3}, {Refuse, 2}, {Delay, 2}, {Throttle, 2}, {Stall, 2}, {HalfOpen, 3}}
	servers := []weighted{{Stop, 2}, {Kill, 2}, {DeleteConsumer, 2}, {DeleteOrdered, 3}, {Purge, 3}}
	if on.Nodes > 1 {
		servers = append(servers, weighted{Part, 2}, weighted{StepDownStream, 4}, weighted{StepDownConsumer, 4}, weighted{StepDownMeta, 1})
	}
	return Schedule{
		Links:   d.track(links, 200*time.Millisecond, 2*time.Second),
		Servers: d.track(servers, 300*time.Millisecond, 1500*time.Millisecond),
	}
}

type drawing struct {
	rnd    *rand.Rand
	on     Targets
	length time.Duration
}

// between draws a duration in whole milliseconds.
func (d *drawing) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.rnd.Int64N(int64((high-low)/time.Millisecond)))*time.Millisecond
}

// track draws faults with pauses of the given range between them.
func (d *drawing) track(kinds []weighted, low, high time.Duration) []Fault {
	var faults []Fault
	for at := d.between(low, high); ; {
		f := d.fault(d.kind(kinds))
		f.At = at
		at += f.For
		if at >= d.length {
			return faults
		}
		faults = append(faults, f)
		at += d.between(low, high)
	}
}

func (d *drawing) kind(kinds []weighted) Kind {
	sum := 0
	for _, k := range kinds {
		sum += k.weight
	}
	n := d.rnd.IntN(sum)
	for _, k := range kinds {
		if n -= k.weight; n < 0 {
			return k.kind
		}
	}
	panic("unreachable: n is below the sum of the weights")
}

// fault draws the particulars of a fault.
func (d *drawing) fault(kind Kind) Fault {
	f := Fault{Kind: kind, Node: d.rnd.IntN(d.on.Nodes)}
	switch kind {
	case Refuse:
		f.For = d.between(100*time.Millisecond, 2*time.Second)
	case Delay:
		f.direct(d.rnd)
		f.For, f.Delay = d.between(500*time.Millisecond, 4*time.Second), d.between(5*time.Millisecond, 400*time.Millisecond)
	case Throttle:
		f.direct(d.rnd)
		f.For, f.Rate = d.between(500*time.Millisecond, 3*time.Second), 20_000+d.rnd.IntN(200_000)
	case Stall, HalfOpen:
		f.direct(d.rnd)
		f.For = d.between(200*time.Millisecond, 4*time.Second)
	case Stop, Kill:
		f.For = d.between(0, 3*time.Second)
	case Part:
		f.For = d.between(500*time.Millisecond, 5*time.Second)
	case StepDownStream:
		f.Stream = d.on.Streams[d.rnd.IntN(len(d.on.Streams))]
	case StepDownConsumer:
		f.consume(d.rnd, d.on.Consumers)
	case DeleteConsumer:
		f.consume(d.rnd, d.on.Deletable)
	case DeleteOrdered:
		f.Stream, f.Pick = d.on.Ephemeral[d.rnd.IntN(len(d.on.Ephemeral))], d.rnd.Uint64()
	case Purge:
		f.Stream, f.Pick = d.on.Purgeable[d.rnd.IntN(len(d.on.Purgeable))], d.rnd.Uint64N(50)
	}
	return f
}

// direct draws one direction or both.
func (f *Fault) direct(rnd *rand.Rand) {
	n := 1 + rnd.IntN(3)
	f.ToServer, f.ToClient = n&1 != 0, n&2 != 0
}

func (f *Fault) consume(rnd *rand.Rand, consumers [][2]string) {
	c := consumers[rnd.IntN(len(consumers))]
	f.Stream, f.Consumer = c[0], c[1]
}
