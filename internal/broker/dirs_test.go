package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/stromkafka/strom/internal/broker/brokertest"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// TestDirectoryFails: a broker has two log directories and loses one while it
// leads partitions in both (KIP-858). The controller learned where each replica
// is, so the partitions of that directory move to other replicas, those of the
// other go on, and the broker lives.
func TestDirectoryFails(t *testing.T) {
	var failing atomic.Pointer[string]
	broken := func(op vfs.Op) error {
		if dir := failing.Load(); dir != nil && op.Kind.Changes() && strings.HasPrefix(strings.TrimPrefix(op.Path, "/"), *dir) {
			return syscall.EIO
		}
		return nil
	}
	c := startCluster(t, brokertest.Options{
		Node: map[int]map[string]string{2: {"log.dirs": "/a,/b"}},
		FS: func(node int) vfs.FS {
			if node != 2 {
				return vfs.NewMem()
			}
			return vfs.NewFaulty(vfs.NewMem(), broken)
		},
	})
	const partitions = 12
	var replicas [][]int32 // node 2 leads some in either directory, since it fills them in turn
	for p := range partitions {
		replicas = append(replicas, [][]int32{{2, 1, 3}, {2, 3, 1}, {1, 2, 3}, {3, 2, 1}}[p%4])
	}
	c.createOn("t", replicas)
	for p := range int32(partitions) {
		c.produce("t", p, 0, 10)
	}
	dirs := map[int32]string{} // of node 2's replicas
	for dir := range strings.SplitSeq("a,b", ",") {
		entries, err := c.Nodes[2].FS().ReadDir("/" + dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			for p := range int32(partitions) {
				if e.Name() == partitionDir("t", p) {
					dirs[p] = dir
				}
			}
		}
	}
	count := map[string]int{}
	leads := map[string]int{}
	for _, p := range c.partitions("t") {
		count[dirs[p.Partition]]++
		if p.Leader == 2 {
			leads[dirs[p.Partition]]++
		}
	}
	if count["a"] != partitions/2 || count["b"] != partitions/2 || leads["b"] == 0 {
		t.Fatalf("replicas are in %v, leaders in %v", count, leads)
	}
	lost := "b" // the metadata log is in the first
	failing.Store(&lost)
	for p := range int32(partitions) {
		c.produce("t", p, 10, 20)
	}
	c.await("t", "the directory's replicas left, the others stayed", func(p kadm.PartitionDetail) bool {
		if dirs[p.Partition] == lost {
			return p.Leader != 2 && len(p.ISR) == 2
		}
		return len(p.ISR) == 3
	})
	still := 0
	for _, p := range c.partitions("t") {
		if p.Leader == 2 {
			still++
		}
		c.consume("t", p.Partition, 20)
	}
	if still != leads["a"] {
		t.Errorf("node 2 leads %d partitions, want the %d of its other directory", still, leads["a"])
	}
}

// TestCordonedDirectories: a cordoned log directory gets no new replicas, and a
// broker whose directories are all cordoned none at all (KIP-1066). What the file
// says holds from the first moment on, and what is set later at once.
func TestCordonedDirectories(t *testing.T) {
	l, err := boot(t, vfs.NewMem(), "log.dirs=one,two", "cordoned.log.dirs=*")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.createTopic("a", 1, nil); !errors.Is(err, kerr.InvalidReplicationFactor) {
		t.Errorf("all directories are cordoned by the file: %v", err)
	}
	cordon := func(dirs string, fails bool) {
		t.Helper()
		if err := l.alter(brokerConfigs, "1", "cordoned.log.dirs", dirs); err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ { // until the controller has heard of it
			_, err := l.createTopic(fmt.Sprintf("%s-%d", strings.ReplaceAll(dirs, ",", "-"), i), 4, nil)
			if err != nil && !errors.Is(err, kerr.InvalidReplicationFactor) {
				t.Fatal(err)
			}
			if (err != nil) == fails {
				return
			}
		}
	}
	cordon("one", false)
	dirs, err := ask[*wire.DescribeLogDirsResponse](l, &wire.DescribeLogDirsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs.Results {
		if first := strings.HasSuffix(d.LogDir, "one"); d.IsCordoned != first || (len(d.Topics) == 0) != first {
			t.Errorf("the first directory is cordoned: %+v", d)
		}
	}
	cordon("one,two", true)
	cordon("two", false)
	if err := l.alter(brokerConfigs, "1", "cordoned.log.dirs", "three"); !errors.Is(err, kerr.InvalidRequest) {
		t.Errorf("a directory that is not there is cordoned: %v", err)
	}
	if err := l.stop(); err != nil {
		t.Error(err)
	}
}

func partitionDir(topic string, p int32) string { return fmt.Sprintf("%s-%d", topic, p) }
