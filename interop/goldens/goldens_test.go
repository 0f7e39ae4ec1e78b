package goldens

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stromkafka/strom/interop/internal/peer"
)

var (
	program = flag.String("program", os.Getenv("PROGRAM"), "broker to run: apache-kafka, or a path; without it cmd/strom is built")
	record  = flag.Bool("record", false, "write the answers down as Apache Kafka's")
)

const root = "../.."

// TestGoldens plays every script of testdata against a fresh node.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	run, err := peer.Resolve(root, *program, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if *record && !peer.IsReference(run) {
		t.Fatal("only Apache Kafka's answers are recorded: -program apache-kafka -record")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { play(t, file, run) })
	}
}

func play(t *testing.T, file, run string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	script, err := Parse(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	node, err := peer.Start(t.Context(), peer.Options{Program: []string{run}, Dir: t.TempDir(), Set: script.Properties})
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(node.Addr)
	if !peer.IsReference(run) {
		r.print.added = addedConfigs
	}
	for _, step := range script.Steps {
		got, err := r.do(step)
		if err != nil {
			t.Errorf("%s:%d: %s: %v", file, step.Line, step.Command, err)
			r.close()
			got = "(broken: " + err.Error() + ")\n"
		}
		if *record {
			step.Golden = got
			continue
		}
		want := step.Golden
		if step.Why != "" && !peer.IsReference(run) {
			want = step.Strom
		}
		if err == nil && got != want {
			t.Errorf("%s:%d: %s\n%s", file, step.Line, step.Command, difference(want, got))
		}
	}
	r.close()
	if err := node.Stop(); err != nil {
		t.Error(err)
	}
	if *record && !t.Failed() {
		if err := os.WriteFile(file, []byte(script.Format()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// difference shows both texts by lines: - is what Apache Kafka said, + what came.
func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	longest := make([][]int, len(a)+1) // of the common lines from here on
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	var out strings.Builder
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out.WriteString("  " + a[i] + "\n")
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1]:
			out.WriteString("- " + a[i] + "\n")
			i++
		default:
			out.WriteString("+ " + b[j] + "\n")
			j++
		}
	}
	return out.String()
}
