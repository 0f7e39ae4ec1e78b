package peer

import (
	"fmt"
	"os"
)

// Main resolves Strom's program and Apache Kafka's for a TestMain, gives both to use, and returns the code to exit with:
// that of run, or 1 if there are no programs.
func Main(root, program string, use func(ours, theirs string), run func() int) int {
	code, err := withPrograms(root, program, use, run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func withPrograms(root, program string, use func(ours, theirs string), run func() int) (int, error) {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	ours, err := Resolve(root, program, dir)
	if err != nil {
		return 1, err
	}
	theirs, err := Resolve(root, "apache-kafka", dir)
	if err != nil {
		return 1, err
	}
	use(ours, theirs)
	return run(), nil
}
