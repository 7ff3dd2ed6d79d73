// Command graft makes a copy of the nats.go module whose jetstream package is
// this one. A module that replaces nats.go with the copy uses this package
// everywhere, also inside dependencies that take or return the types of
// github.com/nats-io/nats.go/jetstream.
//
// Run it in the module that is to use the copy:
//
//	go get -tool example.com/jetstream/cmd/graft
//	go tool graft -out third_party/nats.go
//	go mod edit -replace github.com/nats-io/nats.go=./third_party/nats.go
//
// With -check it writes nothing, and fails when the copy is not what it would
// write.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// testedVersion is the version of nats.go this package is tested with.
const testedVersion = "v1.55.0"

const usage = `graft copies the nats.go module that the current module uses to DIR, with
package jetstream replaced by that of example.com/jetstream.

usage: graft -out DIR [-check] [-any-version]

  -out DIR      where the copy goes; a former copy there is replaced,
                anything else is left alone
  -check        write nothing; fail when the copy in DIR is out of date
  -any-version  accept a nats.go other than ` + testedVersion + `

Afterwards, let the current module use the copy:

  go mod edit -replace github.com/nats-io/nats.go=DIR
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
	case err != nil:
		fmt.Fprintln(os.Stderr, "graft:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("graft", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	out := flags.String("out", "", "")
	check := flags.Bool("check", false, "")
	anyVersion := flags.Bool("any-version", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q, see graft -help", flags.Arg(0))
	case *out == "":
		return errors.New("-out is missing, see graft -help")
	}

	nats, err := locateNats(ctx, *out)
	if err != nil {
		return err
	}
	if nats.Version != testedVersion && !*anyVersion {
		return fmt.Errorf("nats.go %s is not the tested version %s; -any-version accepts it", nats.versionOrPath(), testedVersion)
	}
	own, err := locate(ctx, ownPath)
	if err != nil {
		return err
	}
	wanted, err := assemble(nats, own.Dir)
	if err != nil {
		return err
	}
	if *check {
		if err := wanted.compare(*out); err != nil {
			return err
		}
		_, err := fmt.Fprintf(stdout, "%s is up to date: nats.go %s, %s\n", *out, nats.versionOrPath(), wanted.hash())
		return err
	}
	if err := wanted.write(*out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s written: nats.go %s, %d files, %s\n", *out, nats.versionOrPath(), len(wanted), wanted.hash())
	return err
}
