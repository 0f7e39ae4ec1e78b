//go:build synctests

// The tag makes the client's locks such that waiting for one does not stop a bubble's
// time; without it a simulation may stand still. `make test` and `make sim` set it.

package simtest

import (
	"flag"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/history"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

var (
	seeds = flag.Int("seeds", 1, "how many seeds of each shape")
	first = flag.Uint64("seed", 1, "the first seed")
)

// shapes are the clusters that are simulated.
var shapes = []Shape{
	{Nodes: 1, Replicas: 1},
	{Nodes: 2, Replicas: 1, Controllers: 1},
	{Nodes: 3, Replicas: 3},
	{Nodes: 4, Replicas: 3, Controllers: 3},
}

// Clusters under faults lose nothing, invent nothing and heal.
func TestSimulation(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.String(), func(t *testing.T) {
			for i := range *seeds {
				Run(t, Plan{Shape: s, Seed: *first + uint64(i), Length: 30 * time.Second,
					Minimum: history.Minimum{Acknowledged: 200, Read: 500, Faults: 3, Committed: 20, Copied: 50, Groups: len(groups), Given: 2, Saved: 20}})
			}
		})
	}
}

// Each fault by itself, under each policy, takes nothing from three nodes. Under
// the policy os that does not hold for the power of all of them, see below.
func TestThreeNodes(t *testing.T) {
	together := map[string][]string{ // those whose number is not bounded by what is left
		"kill": nil, "power loss": nil, "restart": {"rolling restart"}, "slow disk": nil, "full disk": nil, "failing disk": nil, "clock skew": nil, "clock jump": nil,
		"partition": {"one-way partition", "flapping partition"}, "links": {"slow links", "refused connections"},
		"power loss of all": nil, "bit rot": nil, "truncated file": nil,
	}
	for _, policy := range []string{"fsync", "os"} {
		for fault, others := range together {
			if policy == "os" && fault == "power loss of all" {
				continue
			}
			t.Run(policy+"/"+fault, func(t *testing.T) {
				for i := range *seeds {
					Run(t, Plan{Shape: Shape{Nodes: 3, Replicas: 3}, Seed: *first + uint64(i), Length: 6 * time.Second, Only: append(others, fault), Calm: true,
						Settings: []string{"log.flush.policy=" + policy}, Minimum: history.Minimum{Acknowledged: 200, Read: 500, Faults: 1}})
				}
			})
		}
	}
}

// Under the policy os, as in Apache Kafka, what no replica has synced is lost when
// all lose their power; the simulation notices.
func TestPowerLossOfAllUnderOSLoses(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		lost := false
		synctest.Test(t, func(t *testing.T) {
			s := &simulation{logs: &logs{}, plan: Plan{Shape: Shape{Nodes: 3, Replicas: 3}, Seed: seed, Length: 5 * time.Second,
				Settings: []string{"log.flush.policy=os"}, Only: []string{"power loss of all"}, Sync: 300 * time.Millisecond}}
			report, err := s.run(t.Context())
			lost = err == nil && (report.Found[history.LostWrite] != nil || report.Found[history.Unseen] != nil)
		})
		if lost {
			return
		}
	}
	t.Error("nothing was lost, or nobody noticed")
}

// unsynced is a disk that says it has synced files whose names begin so and has
// not.
type unsynced struct {
	vfs.FS
	files []string
}

func (u unsynced) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := u.FS.OpenFile(name, flag, perm)
	lies := func(begins string) bool { return strings.HasPrefix(name, "data/"+begins) }
	if err != nil || !slices.ContainsFunc(u.files, lies) {
		return f, err
	}
	return unsyncedFile{f}, nil
}

type unsyncedFile struct{ vfs.File }

func (unsyncedFile) Sync() error { return nil }

// A node that does not sync what it acknowledges is found out: by the history, or
// because it notices itself that committed records are missing, and refuses to
// lead.
func TestSkippedSyncIsNoticed(t *testing.T) { mustBeNoticed(t, "a-", "b-", "journal/") }

// So is one that does not sync what its coordinators promise: records are copied
// again, or transactions lose their end.
func TestSkippedSyncOfCoordinatorsIsNoticed(t *testing.T) {
	mustBeNoticed(t, model.OffsetsTopic+"-", model.TransactionsTopic+"-", "journal/")
}

func mustBeNoticed(t *testing.T, files ...string) {
	for seed := uint64(1); seed <= 20; seed++ {
		noticed := ""
		synctest.Test(t, func(t *testing.T) {
			s := &simulation{logs: &logs{}, plan: Plan{Shape: Shape{Nodes: 1, Replicas: 1}, Seed: seed, Length: 10 * time.Second,
				wrap: func(f vfs.FS) vfs.FS { return unsynced{f, files} }, Only: []string{"power loss"}}}
			report, err := s.run(t.Context())
			switch {
			case err != nil:
				noticed = err.Error()
			case len(report.Found) > 0:
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
