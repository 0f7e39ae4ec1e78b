package storage

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

const (
	combined = `process.roles=broker,controller
node.id=3
listeners=PLAINTEXT://:9092,CONTROLLER://kafka.example:9093
advertised.listeners=PLAINTEXT://kafka.example:9092
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=one.example:9093
log.dirs=/data/b,/data/a
`
	clusterID = "5L6g3nShT-eMCtK--X86sw"
)

var now = time.UnixMilli(1_700_000_000_000)

func values(t *testing.T, text string) *config.Values {
	t.Helper()
	s := config.Sources{FileName: "server.properties"}
	if text != "" {
		s.FileText = []byte(text)
	}
	v, err := config.Load(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func random() io.Reader { return rand.NewChaCha8([32]byte{1}) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(fsys vfs.FS, v *config.Values) (*Directories, error) {
	return Open(OpenOptions{FS: fsys, Values: v, Now: now, Random: random(), Log: quiet()})
}

// The lines are those kafka-storage of Apache Kafka 4.3 prints.
func TestFormatStandalone(t *testing.T) {
	fsys, v := vfs.NewMem(), values(t, combined)
	var out strings.Builder
	o := FormatOptions{Values: v, ClusterID: clusterID, Standalone: true, Now: now, Random: random()}
	if err := Format(fsys, o, &out); err != nil {
		t.Fatal(err)
	}
	want := "Bootstrap metadata: BootstrapMetadata(records=[" +
		"ApiMessageAndVersion(FeatureLevelRecord(name='metadata.version', featureLevel=30) at version 0), " +
		"ApiMessageAndVersion(FeatureLevelRecord(name='eligible.leader.replicas.version', featureLevel=1) at version 0), " +
		"ApiMessageAndVersion(FeatureLevelRecord(name='group.version', featureLevel=1) at version 0), " +
		"ApiMessageAndVersion(FeatureLevelRecord(name='share.version', featureLevel=1) at version 0), " +
		"ApiMessageAndVersion(FeatureLevelRecord(name='streams.version', featureLevel=1) at version 0), " +
		"ApiMessageAndVersion(FeatureLevelRecord(name='transaction.version', featureLevel=2) at version 0)" +
		"], metadataVersionLevel=30, source=format command)\n" +
		"Formatting data directory /data/a with metadata.version 4.3-IV0.\n" +
		"Formatting dynamic metadata voter directory /data/b with metadata.version 4.3-IV0.\n"
	if out.String() != want {
		t.Errorf("%s\nwant %s", out.String(), want)
	}
	d, err := open(fsys, v)
	if err != nil {
		t.Fatal(err)
	}
	if d.ClusterID != clusterID || d.Metadata.Path != "/data/b" || len(d.Logs) != 2 || d.Logs[0].ID == d.Logs[1].ID {
		t.Errorf("%+v", d)
	}
	voters := firstVoters(t, fsys, "/data/b")
	if len(voters.Voters) != 1 || voters.Voters[0].VoterDirectoryID != model.UUID(d.Metadata.ID) || voters.Voters[0].Endpoints[0].Host != "kafka.example" {
		t.Errorf("%+v", voters)
	}
	for _, dir := range []string{"/data/a", "/data/b"} {
		records, err := Bootstrap(fsys, dir)
		if err != nil || len(records) != 6 {
			t.Errorf("%s: %v %v", dir, records, err)
		}
	}
}

// firstVoters reads the voter set of the snapshot 0-0 and checks its shape.
func firstVoters(t *testing.T, fsys vfs.FS, dir string) *wire.VotersRecord {
	t.Helper()
	data, err := vfs.ReadFile(fsys, dir+"/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	voters := &wire.VotersRecord{}
	var kinds []batch.ControlType
	for len(data) > 0 {
		b, rest, err := batch.Next(data)
		if err != nil || b.Check() != nil || !b.IsControl() || b.LeaderEpoch() != 0 {
			t.Fatalf("batch: %v", err)
		}
		for r, err := range b.Records(1 << 20) {
			if err != nil {
				t.Fatal(err)
			}
			kind, err := batch.ParseControlKey(r.Key)
			if err != nil {
				t.Fatal(err)
			}
			if model.Offset(len(kinds)) != r.Offset {
				t.Errorf("record %d is at offset %d", len(kinds), r.Offset)
			}
			kinds = append(kinds, kind)
			if kind == batch.ControlKRaftVoters {
				if err := wire.Decode(r.Value, 0, voters); err != nil {
					t.Fatal(err)
				}
			}
		}
		data = rest
	}
	want := []batch.ControlType{batch.ControlSnapshotHeader, batch.ControlKRaftVersion, batch.ControlKRaftVoters, batch.ControlSnapshotFooter}
	if len(kinds) != 4 || kinds[0] != want[0] || kinds[1] != want[1] || kinds[2] != want[2] || kinds[3] != want[3] {
		t.Fatalf("control records %v, want %v", kinds, want)
	}
	return voters
}

func TestFormatRefuses(t *testing.T) {
	static := combined + "controller.quorum.voters=3@kafka.example:9093,4@b:1\n"
	broker := "process.roles=broker\nnode.id=5\nlisteners=PLAINTEXT://a:1\ncontroller.listener.names=C\ncontroller.quorum.bootstrap.servers=x:1\nlog.dirs=/d\n"
	for _, c := range []struct {
		name, config string
		o            FormatOptions
		want         string
	}{
		{"no cluster", combined, FormatOptions{}, "You must specify the cluster id."},
		{"no way", combined, FormatOptions{ClusterID: "x"}, "you must specify one of the following: --standalone, --initial-controllers, or --no-initial-controllers."},
		{"static and standalone", static, FormatOptions{ClusterID: "x", Standalone: true}, "You cannot specify controller.quorum.voters"},
		{"broker standalone", broker, FormatOptions{ClusterID: "x", Standalone: true}, "You can only use --standalone on a controller."},
		{"release", combined, FormatOptions{ClusterID: "x", Standalone: true, ReleaseVersion: "9.9"}, "Unknown metadata.version '9.9'. Supported metadata.version are: 3.3-IV3, "},
		{"unstable", combined, FormatOptions{ClusterID: "x", Standalone: true, Features: []metadata.FeatureLevel{{Name: "metadata.version", Level: 31}}}, "metadata.version 4.4-IV0 is not yet stable."},
		{"twice", combined, FormatOptions{ClusterID: "x", Standalone: true, ReleaseVersion: "4.2", Features: []metadata.FeatureLevel{{Name: "metadata.version", Level: 30}}}, "Use --release-version instead of --feature metadata.version=X"},
		{"dependency", combined, FormatOptions{ClusterID: "x", Standalone: true, ReleaseVersion: "3.9", Features: []metadata.FeatureLevel{{Name: "eligible.leader.replicas.version", Level: 1}}}, "needs metadata.version 4.0-IV1"},
		{"kraft 0", combined, FormatOptions{ClusterID: "x", Standalone: true, Features: []metadata.FeatureLevel{{Name: "kraft.version", Level: 0}}}, "Cannot set kraft.version to 0"},
		{"kraft 1", static, FormatOptions{ClusterID: "x", Features: []metadata.FeatureLevel{{Name: "kraft.version", Level: 1}}}, "Cannot set kraft.version to 1 unless"},
		{"voters", combined, FormatOptions{ClusterID: "x", InitialControllers: "3@a:1"}, "is not of the form id@host:port:directory"},
		{"scram", combined, FormatOptions{ClusterID: "x", Standalone: true, SCRAM: []string{"PLAIN=[]"}}, "must begin with SCRAM-SHA-256="},
		{"old scram", combined, FormatOptions{ClusterID: "x", Standalone: true, ReleaseVersion: "3.4", SCRAM: []string{"SCRAM-SHA-256=[name=a,password=b]"}}, "SCRAM is only supported in metadata.version 3.5-IV2 or later."},
	} {
		fsys := vfs.NewMem()
		c.o.Values, c.o.Now, c.o.Random = values(t, c.config), now, random()
		err := Format(fsys, c.o, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		}
		if entries, _ := fsys.ReadDir("/data/a"); len(entries) > 0 {
			t.Errorf("%s: something was written", c.name)
		}
	}
}

func TestFormatAgain(t *testing.T) {
	fsys, v := vfs.NewMem(), values(t, combined)
	o := FormatOptions{Values: v, ClusterID: clusterID, NoInitialControllers: true, Now: now, Random: random()}
	if err := Format(fsys, o, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := Format(fsys, o, io.Discard); err == nil || !strings.Contains(err.Error(), "Log directory /data/a is already formatted.") {
		t.Error(err)
	}
	o.IgnoreFormatted = true
	var out strings.Builder
	if err := Format(fsys, o, &out); err != nil || out.String() != "All of the log directories are already formatted.\n" {
		t.Error(err, out.String())
	}
	o.ClusterID = "other"
	if err := Format(fsys, o, io.Discard); err == nil || !strings.Contains(err.Error(), "invalid cluster.id") {
		t.Error(err)
	}
	if _, err := fsys.Stat("/data/b/__cluster_metadata-0"); !notThere(err) {
		t.Error("a controller that joins has a snapshot")
	}
}

// A listed voter takes its directory id from the list; the release decides the
// features.
func TestFormatInitialControllers(t *testing.T) {
	fsys, v := vfs.NewMem(), values(t, combined)
	o := FormatOptions{Values: v, ClusterID: clusterID, ReleaseVersion: "4.0", Now: now, Random: random(),
		InitialControllers: "2@[::1]:9093:JEXY6aqzQY-32P5TStzaFg,3@three:9093:MvDxzVmcRsaTz33bUuRU6A",
		SCRAM:              []string{"SCRAM-SHA-512=[name=alice,password=secret]"}}
	var out strings.Builder
	if err := Format(fsys, o, &out); err != nil {
		t.Fatal(err)
	}
	m, err := ReadMeta(fsys, "/data/b")
	if err != nil || m.DirectoryID.String() != "MvDxzVmcRsaTz33bUuRU6A" {
		t.Error(m, err)
	}
	voters := firstVoters(t, fsys, "/data/b")
	if len(voters.Voters) != 2 || voters.Voters[0].Endpoints[0] != (wire.VotersRecordEndpoint{Name: "CONTROLLER", Host: "::1", Port: 9093}) {
		t.Errorf("%+v", voters)
	}
	records, err := Bootstrap(fsys, "/data/b")
	if err != nil || len(records) != 4 { // metadata.version, group, transaction, SCRAM
		t.Fatalf("%v %v", records, err)
	}
	if s, ok := records[3].(*wire.UserScramCredentialRecord); !ok || s.Mechanism != 2 || s.Iterations != 4096 || len(s.StoredKey) != 64 {
		t.Errorf("%+v", records[3])
	}
	if strings.Contains(out.String(), "secret") {
		t.Error("the password is printed")
	}
}

// RFC 7677 section 3: the client's proof holds against the stored key, and the
// server's signature comes from the server key.
func TestSCRAM(t *testing.T) {
	r, err := parseSCRAM(`SCRAM-SHA-256=[name=user,password=pencil,iterations=4096,salt="W22ZaJ0SNY7soEsUEjb6gQ=="]`, random())
	if err != nil {
		t.Fatal(err)
	}
	message := "n=user,r=rOprNGfwEbeRWgbNEkqO," +
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," +
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	sign := func(key []byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(message))
		return h.Sum(nil)
	}
	key, err := base64.StdEncoding.DecodeString("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range sign(r.StoredKey) {
		key[i] ^= b
	}
	if stored := sha256.Sum256(key); !bytes.Equal(stored[:], r.StoredKey) {
		t.Error("stored key")
	}
	if got := base64.StdEncoding.EncodeToString(sign(r.ServerKey)); got != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Error("server key:", got)
	}
}

func TestFormatAtStart(t *testing.T) {
	self := strings.Replace(combined, "one.example", "kafka.example", 1)
	for _, c := range []struct {
		name, config string
		want         string // empty: formats itself
	}{
		{"no file", "", ""},
		{"own static voter", combined + "controller.quorum.voters=3@kafka.example:9093\n", ""},
		{"knows only itself", self, ""},
		{"broker of a named cluster", "process.roles=broker\nnode.id=5\nlisteners=PLAINTEXT://a:1\ncontroller.listener.names=C\ncontroller.quorum.bootstrap.servers=x:1\nlog.dirs=/d\ncluster.id=" + clusterID + "\n", ""},
		{"broker", "process.roles=broker\nnode.id=5\nlisteners=PLAINTEXT://a:1\ncontroller.listener.names=C\ncontroller.quorum.bootstrap.servers=x:1\nlog.dirs=/d\n", "not formatted: /d; run"},
		{"one of two voters", combined + "controller.quorum.voters=3@kafka.example:9093,4@b:1\n", "not formatted: /data/b, /data/a; run"},
		{"may join others", combined, "not formatted"},
	} {
		fsys, v := vfs.NewMem(), values(t, c.config)
		d, err := open(fsys, v)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil {
			continue
		}
		id := d.ClusterID
		if _, err := open(fsys, v); !errors.Is(err, vfs.ErrLocked) {
			t.Errorf("%s: a second process: %v", c.name, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		again, err := open(fsys, v)
		if err != nil || again.ClusterID != id || again.Metadata != d.Metadata {
			t.Errorf("%s: opened again: %+v %v", c.name, again, err)
		}
	}
}

func write(t *testing.T, fsys vfs.FS, name, text string) {
	t.Helper()
	if err := fsys.MkdirAll(name[:strings.LastIndexByte(name, '/')], 0o755); err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFileAtomic(fsys, name, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	good := "version=1\nnode.id=3\ncluster.id=c\ndirectory.id=JEXY6aqzQY-32P5TStzaFg\n"
	self := strings.Replace(combined, "one.example", "kafka.example", 1)
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"data without meta.properties", map[string]string{"/data/a/t-0/x": ""}, "is not empty (t-0)"},
		{"one of two", map[string]string{"/data/b/meta.properties": good}, "not formatted: /data/a"},
		{"other node", map[string]string{"/data/b/meta.properties": strings.Replace(good, "node.id=3", "node.id=4", 1), "/data/a/meta.properties": good}, "belongs to node 4, but this is node 3"},
		{"two clusters", map[string]string{"/data/a/meta.properties": good, "/data/b/meta.properties": "version=1\nnode.id=3\ncluster.id=d\n"}, "expected c, but read d"},
		{"one id twice", map[string]string{"/data/a/meta.properties": good, "/data/b/meta.properties": good}, "have the same directory.id"},
		{"reserved id", map[string]string{"/data/a/meta.properties": "version=1\nnode.id=3\ncluster.id=c\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\n"}, "is reserved"},
		{"old", map[string]string{"/data/a/meta.properties": "version=0\nbroker.id=3\n"}, "ZooKeeper"},
		{"metadata elsewhere", map[string]string{"/data/a/meta.properties": good, "/data/b/meta.properties": "version=1\nnode.id=3\ncluster.id=c\n", "/data/a/__cluster_metadata-0/x": ""}, "the metadata log is in /data/a"},
	} {
		fsys := vfs.NewMem()
		for name, text := range c.files {
			write(t, fsys, name, text)
		}
		if _, err := open(fsys, values(t, self)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func TestDirectoryIDIsFilledIn(t *testing.T) {
	fsys := vfs.NewMem()
	for _, dir := range []string{"/data/a", "/data/b"} {
		write(t, fsys, dir+"/meta.properties", "#\n#Tue Nov 14 2023\nversion=1\nnode.id=3\ncluster.id=c\\=d\n")
	}
	d, err := open(fsys, values(t, combined))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadMeta(fsys, "/data/a")
	if err != nil || m.DirectoryID != d.Logs[1].ID || m.ClusterID != "c=d" || model.UUID(m.DirectoryID).IsZero() {
		t.Errorf("%+v %v", m, err)
	}
}

func TestInfo(t *testing.T) {
	fsys, v := vfs.NewMem(), values(t, combined)
	var out strings.Builder
	if err := Info(fsys, v.Node(), &out); !errors.Is(err, ErrProblems) {
		t.Error(err)
	}
	if want := "Found problems:\n  /data/a does not exist\n  /data/b does not exist\n\n"; out.String() != want {
		t.Errorf("%q", out.String())
	}
	write(t, fsys, "/data/a/meta.properties", "version=1\nnode.id=3\ncluster.id=c\ndirectory.id=JEXY6aqzQY-32P5TStzaFg\n")
	write(t, fsys, "/data/b/x", "")
	out.Reset()
	if err := Info(fsys, v.Node(), &out); !errors.Is(err, ErrProblems) {
		t.Error(err)
	}
	want := "Found log directories:\n  /data/a\n  /data/b\n\n" +
		"Found metadata: {cluster.id=c, directory.id=JEXY6aqzQY-32P5TStzaFg, node.id=3, version=1}\n\n" +
		"Found problem:\n  /data/b is not formatted.\n\n"
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
}

// As kafka-storage of Apache Kafka 4.3.1 prints it.
func TestVersionMapping(t *testing.T) {
	for release, want := range map[string]string{
		"":    "metadata.version=30 (4.3-IV0)\nkraft.version=1\ntransaction.version=2\ngroup.version=1\neligible.leader.replicas.version=1\nshare.version=1\nstreams.version=1\n",
		"4.0": "metadata.version=25 (4.0)\nkraft.version=1\ntransaction.version=2\ngroup.version=1\neligible.leader.replicas.version=0\nshare.version=0\nstreams.version=0\n",
		"3.8": "metadata.version=20 (3.8)\nkraft.version=0\ntransaction.version=0\ngroup.version=0\neligible.leader.replicas.version=0\nshare.version=0\nstreams.version=0\n",
	} {
		var out strings.Builder
		if err := VersionMapping(release, &out); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%q: %s", release, out.String())
		}
	}
}

func TestFeatureDependencies(t *testing.T) {
	var out strings.Builder
	levels := []metadata.FeatureLevel{{Name: "metadata.version", Level: 30}, {Name: "eligible.leader.replicas.version", Level: 1}, {Name: "transaction.version", Level: 2}}
	if err := FeatureDependencies(levels, &out); err != nil {
		t.Fatal(err)
	}
	want := "metadata.version=30 (4.3-IV0) has no dependencies.\neligible.leader.replicas.version=1 requires:\n    metadata.version=23 (4.0-IV1)\ntransaction.version=2 has no dependencies.\n"
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
	for _, l := range []metadata.FeatureLevel{{Name: "x", Level: 1}, {Name: "group.version", Level: 9}, {Name: "metadata.version", Level: 1}} {
		if err := FeatureDependencies([]metadata.FeatureLevel{l}, io.Discard); err == nil {
			t.Errorf("%v passed", l)
		}
	}
}

// Power is lost after each operation of the first start: either the next start
// formats again or it finds what was formatted, and never half of it.
func TestFormatLosesPower(t *testing.T) {
	v := values(t, "")
	for cut := 0; ; cut++ {
		mem, left := vfs.NewMem(), cut
		out := errors.New("no power")
		fsys := vfs.NewFaulty(mem, func(op vfs.Op) error {
			if op.Kind.Changes() {
				if left--; left < 0 {
					return out
				}
			}
			return nil
		})
		d, first := open(fsys, v)
		for seed := range uint64(8) {
			after := mem.PowerLoss(vfs.KeepRandom(seed))
			again, err := open(after, v)
			if err != nil {
				t.Fatalf("cut %d seed %d: %v", cut, seed, err)
			}
			if voters := firstVoters(t, after, "strom-data"); voters.Voters[0].VoterDirectoryID != model.UUID(again.Metadata.ID) {
				t.Fatalf("cut %d seed %d: directory %s, voters %+v", cut, seed, again.Metadata.ID, voters)
			}
			if first == nil && again.ClusterID != d.ClusterID {
				t.Fatalf("cut %d seed %d: the cluster was formatted twice", cut, seed)
			}
		}
		if first == nil {
			return
		}
		if !errors.Is(first, out) {
			t.Fatal(first)
		}
	}
}

func FuzzMeta(f *testing.F) {
	f.Add([]byte("version=1\nnode.id=3\ncluster.id=c\ndirectory.id=JEXY6aqzQY-32P5TStzaFg\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseMeta(text)
		if err != nil {
			return
		}
		fsys := vfs.NewMem()
		if err := fsys.MkdirAll("/d", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := WriteMeta(fsys, "/d", m); err != nil {
			t.Fatal(err)
		}
		if back, err := ReadMeta(fsys, "/d"); err != nil || back != m {
			t.Errorf("%+v became %+v: %v", m, back, err)
		}
	})
}

func FuzzBootstrap(f *testing.F) {
	fsys := vfs.NewMem()
	if err := fsys.MkdirAll("/d", 0o755); err != nil {
		f.Fatal(err)
	}
	if err := writeBootstrap(fsys, "/d", metadata.BootstrapRecords(metadata.DefaultLevels(30)), now); err != nil {
		f.Fatal(err)
	}
	data, err := vfs.ReadFile(fsys, "/d/bootstrap.checkpoint", 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := decodeRecords(data); err != nil {
			return
		}
	})
}

func FuzzSCRAM(f *testing.F) {
	f.Add(`SCRAM-SHA-512=[name=alice,iterations=8192,salt="N3E=",saltedpassword="YCE="]`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 || strings.Contains(text, "iterations") {
			return // each costs thousands of hashes
		}
		if r, err := parseSCRAM(text, random()); err == nil && r.Name == "" {
			t.Error("a credential of nobody")
		}
	})
}

func FuzzInitialVoters(f *testing.F) {
	f.Add("2@[::1]:9093:JEXY6aqzQY-32P5TStzaFg,3@three:9093:MvDxzVmcRsaTz33bUuRU6A")
	f.Fuzz(func(t *testing.T, text string) {
		if voters, err := parseInitialVoters(text); err == nil && len(voters) == 0 {
			t.Error("no voters and no error")
		}
	})
}
