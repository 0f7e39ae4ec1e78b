package storage

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/vfs"
)

// ErrProblems says that Info found something wrong and has written what.
var ErrProblems = errors.New("there are problems with the log directories")

// Info writes what `kafka-storage info` does about a node's directories.
func Info(fsys vfs.FS, n *config.Node, w io.Writer) error {
	dirs := n.Dirs()
	slices.Sort(dirs)
	var found, problems []string
	var first *Meta
	for _, dir := range dirs {
		info, err := fsys.Stat(dir)
		switch {
		case notThere(err):
			problems = append(problems, dir+" does not exist")
			continue
		case err != nil:
			problems = append(problems, err.Error())
			continue
		case !info.IsDir():
			problems = append(problems, dir+" is not a directory")
			continue
		}
		found = append(found, dir)
		m, err := ReadMeta(fsys, dir)
		switch {
		case notThere(err):
			problems = append(problems, dir+" is not formatted.")
		case err != nil:
			problems = append(problems, fmt.Sprintf("Error loading %s: %v", path.Join(dir, metaFile), err))
		case first == nil:
			first = &m
		case first.ClusterID != m.ClusterID:
			problems = append(problems, "Mismatched cluster IDs between storage directories.")
		case first.NodeID != m.NodeID:
			problems = append(problems, "Mismatched node IDs between storage directories.")
		}
	}
	writeList(w, "Found log directory:", "Found log directories:", found)
	if first != nil {
		var parts []string
		for _, p := range first.properties() {
			parts = append(parts, p[0]+"="+p[1])
		}
		fmt.Fprintf(w, "Found metadata: {%s}\n\n", strings.Join(parts, ", "))
	}
	writeList(w, "Found problem:", "Found problems:", problems)
	if len(problems) > 0 {
		return ErrProblems
	}
	return nil
}

func writeList(w io.Writer, one, many string, items []string) {
	if len(items) == 0 {
		return
	}
	if len(items) == 1 {
		many = one
	}
	fmt.Fprintln(w, many)
	for _, item := range items {
		fmt.Fprintln(w, "  "+item)
	}
	fmt.Fprintln(w)
}
