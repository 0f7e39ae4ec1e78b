// Package copies compares the copies of a partition as they lie on disk. Below
// the high watermark the replicas of a partition hold the same batches, byte for
// byte, the leader's epoch in each included; how they cut them into segments is
// each replica's own affair.
package copies

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// Copy is one replica's directory of a partition.
type Copy struct {
	Node model.NodeID
	FS   vfs.FS
	Dir  string
}

// Result is what a comparison read and found.
type Result struct {
	Batches     int // of each copy
	Differences []string
}

// seen is one batch of one copy.
type seen struct {
	base, next model.Offset
	epoch      model.Epoch
	sum        [sha256.Size]byte
}

// Compare compares copies of one partition up to an offset, which all of them
// have to reach. Their nodes must not be running.
func Compare(all []Copy, end model.Offset) (Result, error) {
	var r Result
	if len(all) == 0 {
		return r, errors.New("no copies to compare")
	}
	var first []seen
	for i, c := range all {
		batches, err := read(c, end)
		if err != nil {
			r.Differences = append(r.Differences, fmt.Sprintf("node %d: %v", c.Node, err))
			continue
		}
		if reached := reached(batches); reached < end {
			r.Differences = append(r.Differences, fmt.Sprintf("node %d has the partition up to %d, not %d", c.Node, reached, end))
		}
		if i == 0 {
			first, r.Batches = batches, len(batches)
		} else if d := differ(first, batches); d != "" {
			r.Differences = append(r.Differences, fmt.Sprintf("nodes %d and %d: %s", all[0].Node, c.Node, d))
		}
	}
	return r, nil
}

func reached(batches []seen) model.Offset {
	if len(batches) == 0 {
		return 0
	}
	return batches[len(batches)-1].next
}

// differ tells the first difference, but for the lengths.
func differ(a, b []seen) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("batch %d is %d-%d of epoch %d here and %d-%d of epoch %d there, or their bytes differ",
				i, a[i].base, a[i].next-1, a[i].epoch, b[i].base, b[i].next-1, b[i].epoch)
		}
	}
	return ""
}

// read reads the batches of a copy below end. Offsets must follow each other
// without a gap.
func read(c Copy, end model.Offset) ([]seen, error) {
	entries, err := c.FS.ReadDir(c.Dir)
	if err != nil {
		return nil, err
	}
	var batches []seen
	for _, e := range entries { // in the order of their names, which is that of offsets
		if !strings.HasSuffix(e.Name(), ".log") {
			continue
		}
		if batches, err = readSegment(c.FS, path.Join(c.Dir, e.Name()), end, batches); err != nil {
			return batches, fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	return batches, nil
}

func readSegment(fsys vfs.FS, name string, end model.Offset, batches []seen) (_ []seen, err error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return batches, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return batches, err
	}
	for at := int64(0); at < size; {
		b, err := readBatch(f, at, size)
		if err != nil {
			return batches, fmt.Errorf("at byte %d: %w", at, err)
		}
		if b.BaseOffset() >= end {
			return batches, nil
		}
		if len(batches) > 0 && b.BaseOffset() != reached(batches) {
			return batches, fmt.Errorf("at byte %d: offset %d where %d is next", at, b.BaseOffset(), reached(batches))
		}
		batches = append(batches, seen{b.BaseOffset(), b.NextOffset(), b.LeaderEpoch(), sha256.Sum256(b)})
		at += int64(len(b))
	}
	return batches, nil
}

func readBatch(f io.ReaderAt, at, size int64) (batch.Batch, error) {
	var head [batch.LengthEnd]byte
	if _, err := f.ReadAt(head[:], at); err != nil {
		return nil, err
	}
	n, err := batch.Size(head[:])
	if err != nil {
		return nil, err
	}
	if int64(n) > size-at {
		return nil, batch.ErrIncomplete
	}
	bytes := make([]byte, n)
	if _, err := f.ReadAt(bytes, at); err != nil {
		return nil, err
	}
	b, _, err := batch.Next(bytes)
	if err == nil {
		err = b.Check()
	}
	return b, err
}
