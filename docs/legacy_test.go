package docs

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// legacyRow is a line of the table in MIGRATING.md: what a program does, with a
// nats.JetStreamContext and with this package. The functions are run, and their
// text becomes the table.
type legacyRow struct {
	what    string
	was, is func() error
}

// legacySide is what the calls of the old API work on.
type legacySide struct {
	nc    *nats.Conn
	js    nats.JetStreamContext
	msg   *nats.Msg
	kv    nats.KeyValue
	store nats.ObjectStore
}

// currentSide is what the calls of this package work on.
type currentSide struct {
	ctx    context.Context
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	cons   jetstream.Consumer
	msg    jetstream.Msg
	kv     jetstream.KeyValue
	store  jetstream.ObjectStore
}

// legacyTables are the tables in their order.
var legacyTables = []struct {
	title string
	rows  func(was *legacySide, is *currentSide) []legacyRow
}{
	{"Connecting", legacyConnecting},
	{"Streams", legacyStreams},
	{"Consumers", legacyConsumers},
	{"Publishing", legacyPublishing},
	{"Receiving", legacyReceiving},
	{"Messages", legacyMessages},
	{"Key-value buckets", legacyKeyValue},
	{"Object stores", legacyObjects},
}

// TestLegacyCalls runs both sides of each line on the same data.
func TestLegacyCalls(t *testing.T) {
	nc := jstest.Connect(t, jstest.StartServer(t))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, table := range legacyTables {
		was, is := new(legacySide), new(currentSide)
		for _, row := range table.rows(was, is) {
			t.Run(table.title+"/"+row.what, func(t *testing.T) {
				prepare(ctx, t, nc, was, is)
				if err := row.was(); err != nil {
					t.Errorf("before: %v", err)
				}
				prepare(ctx, t, nc, was, is)
				if err := row.is(); err != nil {
					t.Errorf("now: %v", err)
				}
			})
		}
	}
}

// prepare makes the stream ORDERS with three messages, the consumer shipping, the
// bucket settings and the object store reports. They are in memory: a server that
// has just deleted a stream's files is not always ready for others of that name.
func prepare(ctx context.Context, t *testing.T, nc *nats.Conn, was *legacySide, is *currentSide) {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	for _, name := range []string{"ORDERS", "KV_settings", "OBJ_reports"} {
		if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Fatal(err)
		}
	}
	*is = currentSide{ctx: ctx, nc: nc, js: js}
	is.stream, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "ORDERS", Subjects: []string{"orders.>"}, AllowDirect: true, Storage: jetstream.MemoryStorage,
	})
	must(t, err)
	for i := range 3 {
		_, err := js.Publish(ctx, "orders.new", fmt.Appendf(nil, "order %d", i+1))
		must(t, err)
	}
	is.cons, err = is.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "shipping"})
	must(t, err)
	is.kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "settings", History: 5, Storage: jetstream.MemoryStorage})
	must(t, err)
	_, err = is.kv.PutString(ctx, "color", "red")
	must(t, err)
	is.store, err = js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "reports", Storage: jetstream.MemoryStorage})
	must(t, err)
	_, err = is.store.PutString(ctx, "november", "17")
	must(t, err)
	is.msg, err = is.cons.Next()
	must(t, err)

	*was = legacySide{nc: nc}
	was.js, err = nc.JetStream()
	must(t, err)
	was.kv, err = was.js.KeyValue("settings")
	must(t, err)
	was.store, err = was.js.ObjectStore("reports")
	must(t, err)
	sub, err := was.js.PullSubscribe("", "", nats.Bind("ORDERS", "shipping"))
	must(t, err)
	messages, err := sub.Fetch(1)
	must(t, err)
	was.msg = messages[0]
	must(t, sub.Unsubscribe())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLegacyTable compares the tables in MIGRATING.md with the rows that
// TestLegacyCalls runs. Run it with -update to write them anew.
func TestLegacyTable(t *testing.T) {
	const document, begin, end = "MIGRATING.md", "<!-- tables: begin -->\n", "<!-- tables: end -->\n"
	content := read(t, document)
	before, rest, ok := strings.Cut(content, begin)
	have, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the tables", document)
	}
	want := renderLegacyTables(t)
	if *update {
		write(t, document, before+begin+want+end+after)
		return
	}
	if have != want {
		t.Errorf("the tables in %s are out of date, run go test ./docs -update", document)
	}
}

// renderLegacyTables turns the functions in this package's files into Markdown.
func renderLegacyTables(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, name := range []string{"legacy_manage_test.go", "legacy_messages_test.go", "legacy_stores_test.go"} {
		set, file, source := parseFile(t, name)
		text := func(n ast.Node) string {
			return source[set.Position(n.Pos()).Offset:set.Position(n.End()).Offset]
		}
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "legacy") {
				continue
			}
			rows := fn.Body.List[len(fn.Body.List)-1].(*ast.ReturnStmt).Results[0].(*ast.CompositeLit).Elts
			out.WriteString("\n### " + titleOf(t, fn.Name.Name) + "\n\n| | `nats.JetStreamContext` | this package |\n|---|---|---|\n")
			for _, row := range rows {
				cells := row.(*ast.CompositeLit).Elts
				what, err := strconv.Unquote(text(cells[0]))
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&out, "| %s | %s | %s |\n", what, renderCalls(cells[1], text), renderCalls(cells[2], text))
			}
		}
	}
	out.WriteString("\n")
	return out.String()
}

// titleOf returns the title of the table a function makes, which is a function
// of legacyTables in the same order.
func titleOf(t *testing.T, function string) string {
	t.Helper()
	functions := []string{
		"legacyConnecting", "legacyStreams", "legacyConsumers", "legacyPublishing",
		"legacyReceiving", "legacyMessages", "legacyKeyValue", "legacyObjects",
	}
	i := slices.Index(functions, function)
	if i < 0 || len(functions) != len(legacyTables) {
		t.Fatalf("table %s is unknown", function)
	}
	return legacyTables[i].title
}

// renderCalls shows the statements of a function, without what only makes it
// compile: error checks, returns and uses of results.
func renderCalls(function ast.Expr, text func(ast.Node) string) string {
	var lines []string
	for _, stmt := range function.(*ast.FuncLit).Body.List {
		shown := text(stmt)
		switch s := stmt.(type) {
		case *ast.ReturnStmt:
			if _, isCall := s.Results[0].(*ast.CallExpr); !isCall {
				continue
			}
			shown = "err := " + text(s.Results[0])
		case *ast.IfStmt:
			if shown = strings.ReplaceAll(shown, "\t", ""); shown == "if err != nil {\nreturn err\n}" {
				continue
			}
		case *ast.AssignStmt:
			if name, ok := s.Lhs[0].(*ast.Ident); ok && name.Name == "_" && len(s.Lhs) == 1 && s.Tok == token.ASSIGN {
				continue
			}
		}
		for line := range strings.Lines(shown) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, "`"+line+"`")
			}
		}
	}
	shown := strings.Join(lines, "<br>")
	return strings.NewReplacer("was.", "", "is.", "").Replace(shown)
}

// use stands for what a program does with a message or an entry of a list.
func use(any) {}
