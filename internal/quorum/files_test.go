package quorum

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path"
	"reflect"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// The two formats as Apache Kafka's FileQuorumStateStore writes them.
func TestElectionFile(t *testing.T) {
	for want, e := range map[string]kraft.Election{
		`{"clusterId":"","leaderId":1,"leaderEpoch":2,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1},{"voterId":3}],"data_version":0}`: {
			Epoch: 2, Leader: 1, Voted: kraft.Replica{ID: -1}, Voters: []model.NodeID{1, 3}},
		`{"leaderId":-1,"leaderEpoch":5,"votedId":4,"votedDirectoryId":"AQAAAAAAAAAAAAAAAAAAAg","data_version":1}`: {
			Epoch: 5, Leader: -1, Voted: kraft.Replica{ID: 4, Directory: model.DirectoryID{0: 1, 15: 2}}, Version: 1},
	} {
		got, err := encodeElection(e)
		if err != nil || string(got) != want {
			t.Errorf("%s, %v\nwant %s", got, err, want)
		}
		back, err := decodeElection(got)
		if err != nil || !reflect.DeepEqual(back, e) {
			t.Errorf("decoded %+v, %v, want %+v", back, err, e)
		}
	}
}

func TestElectionFileRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, bad := range []string{``, `{}`, `{"data_version":2}`, `{"data_version":1,"extra":1}`, `{"data_version":1,"leaderEpoch":-2}`,
		`{"data_version":1}{}`, `{"data_version":1,"votedDirectoryId":"x"}`} {
		if e, err := decodeElection([]byte(bad)); err == nil {
			t.Errorf("%q read as %+v", bad, e)
		}
	}
}

func FuzzElection(f *testing.F) {
	f.Add([]byte(`{"leaderId":-1,"leaderEpoch":5,"votedId":4,"votedDirectoryId":"AQAAAAAAAAAAAAAAAAAAAg","data_version":1}`))
	f.Add([]byte(`{"clusterId":"","leaderId":1,"leaderEpoch":2,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeElection(b)
		if err != nil {
			return
		}
		out, err := encodeElection(e)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%s, %v", out, err)
		}
	})
}

func TestSnapshotNames(t *testing.T) {
	id := kraft.SnapshotID{End: 1234, Epoch: 5}
	name := id.String() + snapshotSuffix
	if name != "00000000000000001234-0000000005.checkpoint" {
		t.Error(name)
	}
	if got, ok := parseSnapshotName(name); !ok || got != id {
		t.Errorf("%v, %v", got, ok)
	}
	for _, bad := range []string{"leader-epoch-checkpoint", "0-0.checkpoint", name + ".part", "0000000000000000123x-0000000005.checkpoint",
		"00000000000000001234-0000000005.checkpoint.deleted", "+0000000000000001234-0000000005.checkpoint"} {
		if _, ok := parseSnapshotName(bad); ok {
			t.Errorf("%s was read", bad)
		}
	}
}

// testSnapshot is a snapshot of a small image.
func testSnapshot(t testing.TB, fsys vfs.FS) (*snapshots, kraft.Snapshot, *metadata.Image) {
	d := metadata.NewDraft(metadata.Empty)
	for _, r := range []wire.Record{&wire.FeatureLevelRecord{Name: "metadata.version", FeatureLevel: 30}, &wire.TopicRecord{Name: "a", TopicID: model.UUID{1}}} {
		if err := d.Apply(r, 0); err != nil {
			t.Fatal(err)
		}
	}
	img, _ := d.Image(9, 3)
	if err := errors.Join(fsys.MkdirAll("/d", 0o755)); err != nil {
		t.Fatal(err)
	}
	s, err := openSnapshots(fsys, "/d")
	if err != nil {
		t.Fatal(err)
	}
	voters, err := kraft.NewVoterSet(kraft.Voter{Replica: kraft.Replica{ID: 1}, Endpoints: controllerEndpoints, MaxVersion: 1})
	if err != nil {
		t.Fatal(err)
	}
	version := &wire.KRaftVersionRecord{KRaftVersion: 1}
	snap, err := s.create(snapshotJob{id: kraft.SnapshotID{End: 10, Epoch: 3}, image: img, lastTimestamp: 77, at: time.UnixMilli(88),
		controls: []kraft.Control{{Offset: 2, Record: version}, {Offset: 3, Record: voters.Record()}}})
	if err != nil {
		t.Fatal(err)
	}
	return s, snap, img
}

func TestSnapshotRoundTrip(t *testing.T) {
	disk := vfs.NewMem()
	s, snap, img := testSnapshot(t, disk)
	c, err := s.read(snap.SnapshotID)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.controls) != 2 || c.controls[0].Offset != 9 || c.timestamp != 77 || c.size != snap.Size {
		t.Errorf("%+v", c)
	}
	back, err := metadata.FromRecords(func(yield func(wire.Record) bool) {
		for _, r := range c.records {
			if !yield(r) {
				return
			}
		}
	}, 9, 3)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, back, img)
	again, err := openSnapshots(disk, "/d")
	if err != nil || len(again.list()) != 1 || again.list()[0] != snap {
		t.Errorf("%v, %v", again.list(), err)
	}
}

// TestSnapshotCutAnywhereIsRefused: a snapshot without its footer is none.
func TestSnapshotCutAnywhereIsRefused(t *testing.T) {
	disk := vfs.NewMem()
	s, snap, _ := testSnapshot(t, disk)
	whole, err := s.slice(snap.SnapshotID, 0, int(snap.Size))
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := decodeSnapshot(whole[:n], 9); err == nil {
			t.Errorf("%d of %d bytes were taken for a snapshot", n, len(whole))
		}
	}
	if _, err := decodeSnapshot(bytes.Repeat(whole, 2), 9); err == nil {
		t.Error("two snapshots in one file were taken for one")
	}
}

func FuzzSnapshot(f *testing.F) {
	s, snap, _ := testSnapshot(f, vfs.NewMem())
	whole, err := s.slice(snap.SnapshotID, 0, int(snap.Size))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = decodeSnapshot(b, 9) })
}

// TestPartialSnapshotsGo: what was being written or removed at the end is gone
// at the start.
func TestPartialSnapshotsGo(t *testing.T) {
	disk := vfs.NewMem()
	s, snap, _ := testSnapshot(t, disk)
	if err := s.write(kraft.SnapshotID{End: 20, Epoch: 3}, 0, []byte("part")); err != nil {
		t.Fatal(err)
	}
	again, err := openSnapshots(disk, "/d")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := disk.ReadDir("/d")
	if err != nil || len(entries) != 1 || len(again.list()) != 1 || again.list()[0] != snap {
		t.Errorf("%v, %v, %v", entries, again.list(), err)
	}
}

// BenchmarkStart is from Open to the active controller on a fresh directory, and
// BenchmarkRestart on one that has been led before.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		startOnce(b, realDir(b))
	}
}

func BenchmarkRestart(b *testing.B) {
	dir := realDir(b)
	startOnce(b, dir)
	for b.Loop() {
		startOnce(b, dir)
	}
}

func realDir(b *testing.B) string {
	dir, err := os.MkdirTemp(b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	return path.Clean(dir)
}

func startOnce(b *testing.B, dir string) {
	o := controllerOptions(vfs.OS())
	o.Dir = dir
	r, err := start(o)
	if err != nil {
		b.Fatal(err)
	}
	r.awaitActive()
	r.awaitImage(func(i *metadata.Image) bool { return i.Features().Version != 0 })
	b.StopTimer()
	if err := r.stop(); err != nil {
		b.Fatal(err)
	}
	b.StartTimer()
}

// BenchmarkCreateTopic is one decision from Submit to its commit, on disk.
func BenchmarkCreateTopic(b *testing.B) {
	o := controllerOptions(vfs.OS())
	o.Dir = realDir(b)
	r, err := start(o)
	if err != nil {
		b.Fatal(err)
	}
	r.awaitActive()
	if err := r.register(); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		if err := r.create("t" + time.Duration(n).String()); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.stop(); err != nil {
		b.Fatal(err)
	}
}
