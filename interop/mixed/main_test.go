//go:build interop

package mixed

import (
	"flag"
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
	os.Exit(peer.Main(root, *program, func(ours, theirs string) { programs = map[kind]string{strom: ours, kafka: theirs} }, m.Run))
}
