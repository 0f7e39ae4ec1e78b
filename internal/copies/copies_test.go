package copies

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// made is a batch of n records at an offset.
func made(t *testing.T, base model.Offset, epoch model.Epoch, n int) batch.Batch {
	b := batch.New(batch.Options{BaseOffset: base, LeaderEpoch: epoch})
	for i := range n {
		b.Add(int64(i), nil, fmt.Append(nil, "value ", int64(base)+int64(i)))
	}
	built, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// stored is a copy whose segments hold these bytes.
func stored(t *testing.T, node model.NodeID, segments ...[]byte) Copy {
	c := Copy{Node: node, FS: vfs.NewMem(), Dir: "t-0"}
	if err := c.FS.MkdirAll(c.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, s := range segments {
		f, err := c.FS.OpenFile(fmt.Sprintf("t-0/%020d.log", i), vfs.CreateOrOpen, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(s, 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestCompare(t *testing.T) {
	a, b, c := made(t, 0, 0, 3), made(t, 3, 0, 2), made(t, 5, 1, 1)
	rotten := slices.Clone(b)
	rotten[len(rotten)-1]++
	good := stored(t, 1, slices.Concat(a, b, c))
	for _, test := range []struct {
		name  string
		other Copy
		end   model.Offset
		want  string // of the difference
	}{
		{"the same", stored(t, 2, slices.Concat(a, b, c)), 6, ""},
		{"other segments", stored(t, 2, a, slices.Concat(b, c)), 6, ""},
		{"another tail above the end", stored(t, 2, slices.Concat(a, b, made(t, 5, 2, 2))), 5, ""},
		{"another tail below the end", stored(t, 2, slices.Concat(a, b, made(t, 5, 2, 1))), 6, "batch 2 is 5-5 of epoch 1 here and 5-5 of epoch 2"},
		{"batches cut elsewhere", stored(t, 2, slices.Concat(made(t, 0, 0, 5), c)), 6, "batch 0 is 0-2 of epoch 0 here and 0-4"},
		{"shorter", stored(t, 2, slices.Concat(a, b)), 6, "node 2 has the partition up to 5, not 6"},
		{"empty", stored(t, 2), 6, "node 2 has the partition up to 0, not 6"},
		{"a gap", stored(t, 2, slices.Concat(a, c)), 6, "offset 5 where 3 is next"},
		{"rot", stored(t, 2, slices.Concat(a, rotten, c)), 6, "node 2: 00000000000000000000.log: at byte"},
		{"torn", stored(t, 2, slices.Concat(a, b, c[:20])), 6, "node 2: 00000000000000000000.log: at byte"},
		{"missing", Copy{Node: 2, FS: vfs.NewMem(), Dir: "t-0"}, 6, "node 2: readdir"},
	} {
		r, err := Compare([]Copy{good, test.other}, test.end)
		got := strings.Join(r.Differences, "; ")
		if err != nil || (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, %v; want %q", test.name, got, err, test.want)
		}
		if r.Batches == 0 {
			t.Errorf("%s: nothing was read", test.name)
		}
	}
	if _, err := Compare(nil, 1); err == nil {
		t.Error("nothing was compared, and that is fine")
	}
}
