//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpuTime returns how much CPU time this process has used.
func cpuTime() (user, sys time.Duration) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		// Only possible with a bad argument.
		panic(err)
	}
	return time.Duration(usage.Utime.Nano()), time.Duration(usage.Stime.Nano())
}
