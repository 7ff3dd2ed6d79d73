package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// cores are the processors of the two sides when each has its own, so that neither
// the scheduler of the system nor that of Go moves work between them while it is
// measured.
//
// It takes taskset, of util-linux, and two processors at least. Without them,
// cores are empty, and everything runs anywhere.
type cores struct {
	client, server string // lists as taskset has them
	all            string
}

// splitCores gives the first processor to the client and the others to the server.
func splitCores() (cores, error) {
	if _, err := exec.LookPath("taskset"); err != nil {
		return cores{}, errors.New("there is no taskset")
	}
	all, err := allowed()
	if err != nil {
		return cores{}, err
	}
	return splitList(all)
}

// allowed returns the list of the processors that the calling thread may run on.
func allowed() (string, error) {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(status), "\nCpus_allowed_list:")
	if !ok {
		return "", errors.New("the system does not say which processors there are")
	}
	list, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(list), nil
}

// splitList splits a list such as 0-3,6.
func splitList(all string) (cores, error) {
	first, others, more := strings.Cut(all, ",")
	low, high, isRange := strings.Cut(first, "-")
	from, err := strconv.Atoi(low)
	to, errTo := strconv.Atoi(cmp.Or(high, low))
	if err := errors.Join(err, errTo); err != nil {
		return cores{}, err
	}
	c := cores{client: low, all: all}
	switch {
	case isRange && from < to:
		c.server = strconv.Itoa(from + 1)
		if from+1 < to {
			c.server += "-" + high
		}
		if more {
			c.server += "," + others
		}
	case more:
		c.server = others
	default:
		return cores{}, errors.New("there is one processor only")
	}
	return c, nil
}

// pinned reports whether each side has processors of its own.
func (c cores) pinned() bool { return c.client != "" }

// serverCommand returns the command that starts a program on the server's side.
func (c cores) serverCommand(program string) *exec.Cmd {
	if !c.pinned() {
		return exec.Command(program)
	}
	return exec.Command("taskset", "-c", c.server, program)
}

// enter moves this process to the client's side until leave is called.
func (c cores) enter() (leave func() error, err error) {
	if !c.pinned() {
		return func() error { return nil }, nil
	}
	if err := moveTo(c.client); err != nil {
		return nil, err
	}
	before := runtime.GOMAXPROCS(1)
	return func() error {
		runtime.GOMAXPROCS(before)
		return moveTo(c.all)
	}, nil
}

// moveTo lets all threads of this process, and those they start, run on the listed
// processors.
func moveTo(list string) error {
	out, err := exec.Command("taskset", "-a", "-c", "-p", list, strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("taskset: %w: %s", err, out)
	}
	return nil
}
