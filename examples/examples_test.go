// Package examples holds a test that runs all examples. Each of them is a
// program in a directory of its own.
package examples

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/jetstream/internal/jstest"
)

// wanted lists what each example must print, in this order.
var wanted = map[string][]string{
	"quickstart": {
		`Created stream orders-\w+`,
		`Published 100 messages`,
		`Fetch: +received and acknowledged 10`,
		`Messages: +received and acknowledged 10`,
		`Consume: +received and acknowledged 80`,
		`Consumer shipping: 100 delivered, 100 acknowledged, 0 awaiting acknowledgement, 0 left`,
	},
	"js-fetch": {
		`Published 20 messages`,
		`Fetch\(5\): 5 messages`,
		`FetchBytes\(1024\): [1-9]\d* messages`,
		`FetchNoWait\(100\): \d+ messages`,
		`Fetch\(5\) when nothing is left: 0 messages`,
	},
	"js-next": {
		`Received "message 1", stream sequence 1, 4 more to come`,
		`Received "message 5", stream sequence 5, 0 more to come`,
		`that is the end`,
	},
	"js-messages": {
		`Received "message 1"\n`,
		`Received "message 20"\n`,
		`Iterator closed after 20 messages`,
	},
	"js-consume": {
		`Received "message 1"\n`, // the publisher may print in between
		`  \.\.\. not now, again in 200 ms\n`,
		`All 20 messages are handled`,
	},
	"js-parallel-consume": {
		`Worker 1 handled [1-9]\d* messages`,
		`Worker 4 handled [1-9]\d* messages`,
		`Together they handled 100 and the queue is empty`,
	},
	"js-ordered-consume": {
		`Received "message 1"\n`,
		`Received "message 10"\n`,
		`Received "message 10"\n`,
		`All 20 messages came in order, with another consumer: true`,
	},
	"js-ordered-messages": {
		`Received "message 3" on rooms-\w+\.hall, number 3 of`,
		`Received "message 3" on rooms-\w+\.attic, number 9 of`,
		`Received "message 1" on rooms-\w+\.attic, number 10 of`,
		`Received "message 2" on rooms-\w+\.attic, number 11 of`,
		`Iterator closed`,
	},
	"js-ordered-fetch": {
		`Page 1: 8 messages, the last one is number 13`,
		`Page 2: 8 messages, the last one is number 21`,
		`Page 3: 4 messages, the last one is number 25`,
		`That is the end`,
	},
	"js-push": {
		`Received "message 1"\n`,
		`Received "message 20"\n`,
		`All 20 messages are handled`,
	},
	"js-publish-async": {
		`The last message has sequence 1000 in stream async-\w+`,
		`All 1000 messages were acknowledged`,
		`The stream holds 1000 messages`,
	},
	"js-streams": {
		`Created life-\w+`,
		`Holds 8 messages of at most 1000`,
		`Number 2 is "message 2"`,
		`The last one on life-\w+\.b is number 8`,
		`Deleted number 2`,
		`Holds 3 messages after life-\w+\.a was purged`,
		`Listed life-\w+`,
		`Deleted, and not found any more`,
	},
	"js-consumers": {
		`Created reports, 5 messages waiting`,
		`Updated reports, 8 messages waiting`,
		`A passing consumer got the last message, "message 3"`,
		`Paused: true`,
		`Paused after resuming: false`,
		`The stream has 2 consumers`,
		`Deleted reports`,
	},
	"object-basic": {
		`Stored "poems/roses are red.txt": 32 bytes, SHA-256=`,
		`Read "Roses are red,\\nviolets are blue."`,
		`The link leads to 32 bytes`,
		`Listed "greeting": 6 bytes, ""`,
		`Listed "poems/roses are red.txt": 32 bytes, "all of a very short poem"`,
		`Listed "latest": 0 bytes, ""`,
		`Deleted, and not found any more`,
		`Seen: "poems/roses are red.txt", deleted: false`,
		`Seen: "greeting", deleted: true`,
	},
	"object-file": {
		`Storing: 25 %`,
		`Storing: 100 %`,
		`Stored 33554432 bytes in 256 chunks`,
		`Fetching: 25 %`,
		`Fetching: 100 %`,
		`Fetched, and the digest is right`,
		`And the same with PutFile and GetFile`,
	},
	"kv-basic": {
		`Created bucket settings-\w+`,
		`ui.color is "blue" at revision 3`,
		`It was "red" at revision 1`,
		`Keys: \[ui.color ui.font\]`,
		`Revision 1: KeyValuePutOp "red"\n.*\n.*\nRevision 5: KeyValueDeleteOp ""`,
		`The bucket holds 5 entries`,
	},
	"kv-watch": {
		`north.1 is free\nnorth.2 is free\nUp to date, waiting for changes\nnorth.2 became taken\nnorth.1 is gone`,
	},
	"kv-cas": {
		`Created the counter once`,
		`4 workers counted to 100, with \d+ conflicts`,
		`Deleted the revision that was read last, and no other`,
	},
}

// buildExamples builds all examples into a directory of the test.
func buildExamples(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	// Linking is most of the work, and half of that is for debuggers.
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, "./...")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return bin
}

// runExample runs a built example and checks that it succeeds and prints what it
// should, and nothing to stderr.
func runExample(t *testing.T, path, natsURL string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	// The store of an example's own server must be gone when it ends.
	tmp := t.TempDir()
	cmd.Env = append(os.Environ(), "NATS_URL="+natsURL, "TMPDIR="+tmp)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("it complained:\n%s", &stderr)
	}
	lines := strings.Join(wanted[filepath.Base(path)], `(?s:.*?)`)
	if !regexp.MustCompile(lines).Match(stdout.Bytes()) {
		t.Errorf("it printed\n%s\nwant, in this order:\n%s", &stdout, strings.Join(wanted[filepath.Base(path)], "\n"))
	}
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("it left %s behind", left[0].Name())
	}
}

func TestExamples(t *testing.T) {
	t.Parallel()
	bin := buildExamples(t)

	t.Run("each with its own server", func(t *testing.T) {
		built, err := os.ReadDir(bin)
		if err != nil {
			t.Fatal(err)
		}
		if len(built) != len(wanted) {
			t.Errorf("%d examples built, %d known to this test", len(built), len(wanted))
		}
		for name := range wanted {
			t.Run(name, func(t *testing.T) { runExample(t, filepath.Join(bin, name), "") })
		}
	})

	t.Run("repeatedly with one server", func(t *testing.T) {
		s := jstest.StartServer(t)
		for name := range wanted {
			t.Run(name, func(t *testing.T) {
				for range 2 {
					runExample(t, filepath.Join(bin, name), s.ClientURL())
				}
			})
		}
		info, err := s.Jsz(nil)
		if err != nil {
			t.Fatal(err)
		}
		if info.Streams > 0 {
			t.Errorf("the examples left %d streams behind", info.Streams)
		}
	})

	t.Run("interrupted in the middle", func(t *testing.T) {
		printed := interruptExample(t, filepath.Join(bin, "js-messages"), `Received "message 1"`)
		if !strings.Contains(printed, "Interrupted.") || strings.Contains(printed, "Iterator closed") {
			t.Errorf("it printed\n%s", printed)
		}
	})

	t.Run("interrupted at the beginning", func(t *testing.T) {
		for name := range wanted {
			t.Run(name, func(t *testing.T) {
				// Some are done before the signal arrives.
				interruptExample(t, filepath.Join(bin, name), "Started a server")
			})
		}
	})
}

// interruptExample presses Ctrl-C as soon as an example prints a certain text,
// checks that it ends cleanly, and returns what it printed.
func interruptExample(t *testing.T, path, at string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	tmp := t.TempDir()
	cmd.Env = append(os.Environ(), "NATS_URL=", "TMPDIR="+tmp)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		printed.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), at) {
			if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("it ended with %v\n%s%s", err, &printed, &stderr)
	}
	if !strings.Contains(printed.String(), at) {
		t.Errorf("it did not print %q:\n%s", at, &printed)
	}
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("it left %s behind", left[0].Name())
	}
	return printed.String()
}
