// Package torture attacks the whole of the library at once: a cluster of three
// servers and a single server, faults drawn from a seed, workloads of every kind
// running together, and checkers that know afterwards what must hold.
//
// The schedule of faults is a function of the seed and nothing else. What the
// workloads do is drawn from the seed as well, but how that meets the faults is
// up to the machine, so a failure may take several replays to show again.
//
// The servers run in child processes, one for the cluster and one for the single
// server. So the faults of one do not wait for those of the other, and what this
// process has on its heap and which goroutines it runs is the clients' alone,
// which makes it possible to say that they give back what they took.
//
// What is decided is apart from what is done: [Draw] makes the schedule, and the
// functions whose names begin with check judge what was recorded. Table tests
// show that each of them sees the violation it is there for.
package torture
