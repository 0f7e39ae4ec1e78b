package simtest

import (
	"flag"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/history"
	"github.com/stromkafka/strom/internal/vfs"
)

var (
	seeds = flag.Int("seeds", 2, "how many seeds of each shape")
	first = flag.Uint64("seed", 1, "the first seed")
)

// shapes are the clusters that are simulated.
var shapes = []Shape{{Nodes: 1, Replicas: 1}, {Nodes: 2, Replicas: 1, Controllers: 1}}

// Clusters under faults lose nothing, invent nothing and heal.
func TestSimulation(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.String(), func(t *testing.T) {
			for i := range *seeds {
				Run(t, Plan{Shape: s, Seed: *first + uint64(i), Length: 30 * time.Second,
					Minimum: history.Minimum{Acknowledged: 200, Read: 500, Faults: 3}})
			}
		})
	}
}

// unsynced is a disk that says it has synced partitions and has not.
type unsynced struct{ vfs.FS }

func (u unsynced) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := u.FS.OpenFile(name, flag, perm)
	if err != nil || !strings.HasPrefix(name, "data/a-") && !strings.HasPrefix(name, "data/b-") {
		return f, err
	}
	return unsyncedFile{f}, nil
}

type unsyncedFile struct{ vfs.File }

func (unsyncedFile) Sync() error { return nil }

// A node that does not sync what it acknowledges is found out: by the history, or
// because it notices itself that committed records are missing, and refuses to
// lead.
func TestSkippedSyncIsNoticed(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		noticed := ""
		synctest.Test(t, func(t *testing.T) {
			s := &simulation{logs: &logs{}, plan: Plan{Shape: Shape{Nodes: 1, Replicas: 1}, Seed: seed, Length: 10 * time.Second,
				wrap: func(f vfs.FS) vfs.FS { return unsynced{f} }, only: []string{"power loss"}}}
			report, err := s.run(t.Context())
			switch {
			case err != nil:
				noticed = err.Error()
			case report.Found[history.LostWrite] != nil || report.Found[history.Unseen] != nil:
				noticed = report.String()
			}
		})
		if noticed != "" {
			t.Log(noticed)
			return
		}
	}
	t.Error("nobody noticed")
}
