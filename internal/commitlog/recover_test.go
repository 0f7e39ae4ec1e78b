package commitlog

import (
	"errors"
	"testing"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/vfs"
)

// What the transaction index says of transactions below the recovery point stays,
// also where the offset index has no entry yet to begin the check at.
func TestRecoveryKeepsAbortedTransactions(t *testing.T) {
	mem := vfs.NewMem()
	if err := errors.Join(mem.MkdirAll("/data", 0o755), mem.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	o := testOptions(mem)
	o.Config.IndexInterval = 1 << 20
	l := open(t, o)
	producer := &batch.Producer{ID: 4}
	if _, err := l.AppendLeader(records(t, batch.Options{Transactional: true, Producer: producer}, 2, 10, 5), Append{Now: testNow}); err != nil {
		t.Fatal(err)
	}
	key, value := batch.Marker{Type: batch.ControlAbort}.MarkerRecord()
	b := batch.New(batch.Options{Control: true, Transactional: true, Producer: &batch.Producer{ID: 4, BaseSequence: -1}})
	b.Add(5, key, value)
	marker, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendLeader(marker, Append{Now: testNow, Origin: Coordinator}); err != nil {
		t.Fatal(err)
	}
	point, err := l.Checkpoint()
	if err != nil || point != 3 {
		t.Fatal(point, err)
	}
	appendN(t, l, 1)
	crashed := mem.Crash()
	o.FS, o.Files, o.RecoveryPoint = crashed, NewFiles(crashed, 8), point
	l = open(t, o)
	aborted, err := l.AbortedTransactions(0, 3)
	if err != nil || len(aborted) != 1 || aborted[0] != (Aborted{4, 0}) {
		t.Errorf("aborted transactions %v %v", aborted, err)
	}
}

// A lost tail of a segment is noticed in a compacted log too, and gaps that Apache
// Kafka's cleanings left are none.
func TestGapsInACompactedLog(t *testing.T) {
	for _, c := range []struct {
		name    string
		cleaned int64
		end     int64
	}{{"lost tail", 0, 1}, {"cleaned by Apache Kafka", 3, 4}} {
		l, o := newLog(t)
		o.Config.Compact = true
		for range 2 {
			appendN(t, l, 1)
			appendN(t, l, 1)
			if err := l.Roll(); err != nil {
				t.Fatal(err)
			}
		}
		first := l.segments[0]
		size := first.size
		mem := o.FS.(*vfs.Mem).Crash()
		f, err := mem.OpenFile(first.log.name, vfs.ReadWrite, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(size / 2); err != nil {
			t.Fatal(err)
		}
		o.FS, o.Files, o.Cleaned = mem, NewFiles(mem, 8), 0
		if c.cleaned > 0 {
			o.Cleaned = 3
		}
		if l := open(t, o); int64(l.End()) != c.end {
			t.Errorf("%s: end %d, want %d", c.name, l.End(), c.end)
		}
	}
}
