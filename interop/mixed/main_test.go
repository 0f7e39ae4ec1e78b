//go:build interop

package mixed

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/stromkafka/strom/interop/internal/peer"
)

var program = flag.String("program", os.Getenv("PROGRAM"), "what runs the nodes of Strom: a path; apache-kafka checks the tests themselves; without it cmd/strom is built")

// programs are the paths of what nodes run.
var programs map[kind]string

const root = "../.."

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := with(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func with(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "mixed")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	ours, err := peer.Resolve(root, *program, dir)
	if err != nil {
		return 1, err
	}
	theirs, err := peer.Resolve(root, "apache-kafka", dir)
	if err != nil {
		return 1, err
	}
	programs = map[kind]string{strom: ours, kafka: theirs}
	return m.Run(), nil
}
