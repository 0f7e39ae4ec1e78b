//go:build mutation

package kraft

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// edit replaces one place of a source file.
type edit struct{ file, from, to string }

// mutations are mistakes that the simulation must find, and what it then says.
var mutations = []struct {
	name  string
	finds []string // any of them
	edits []edit
}{
	{"a vote is not written down", []string{"SingleLeader", "two leaders"}, []edit{
		{"vote.go", "	m.persist()\n	return true\n", "	return true\n"}}},
	{"a second vote in an epoch", []string{"SingleLeader", "two leaders"}, []edit{
		{"vote.go", "return m.voted.ID == candidate.ID && (", "return m.voted.ID >= 0 || ("}}},
	{"the leader counts what it has not synced", []string{"MajorityReachedHighWatermark"}, []edit{
		{"leader.go", "return m.log.synced\n", "return m.log.end\n"}}},
	{"a follower acknowledges what it has not synced", []string{"MajorityReachedHighWatermark"}, []edit{
		{"follow.go", "if m.cfg.Controller && (m.log.syncing || m.log.synced < m.log.end) {", "m.sync()\n	if false {"},
		{"follow.go", "|| m.log.syncing {", "{"},
		{"log.go", "	assert.That(!l.syncing, \"truncation to %d during a sync\", end)\n", ""},
		{"log.go", "	assert.That(!l.syncing, \"snapshot %s installed during a sync\", s)\n", "	assert.That(true, \"\")\n"}}},
	{"a sync counts for what came after it", []string{"MajorityReachedHighWatermark"}, []edit{
		{"leader.go", "m.log.syncing, m.log.synced = false, max(m.log.synced, e.End)", "m.log.syncing, m.log.synced = false, m.log.end"}}},
	{"a candidate stands with what it has not synced", []string{"LeaderCompleteness", "ConsistentCommittedData", "is a candidate with a log"}, []edit{
		{"election.go", "if m.ballot.ends && m.log.synced == m.log.end {", "if m.ballot.ends {"}}},
	{"records of an older epoch are committed by counting", []string{"OwnEpochCommitted", "MajorityReachedHighWatermark"}, []edit{
		{"leader.go", "if hw > m.leading.epochStart && hw > m.hw {", "if hw > m.hw {"}}},
	{"the log is not truncated", []string{"Liveness", "LogMatching"}, []edit{
		{"follow.go", "	m.log.truncate(to)\n	m.emit(Truncate{to})\n", ""}}},
	{"the file is not truncated", []string{"LogMatching", "ConsistentCommittedData", "NoHalt"}, []edit{
		{"follow.go", "	m.emit(Truncate{to})\n", ""}}},
	{"a leader leads on in its epoch after a restart", []string{"LogMatching", "ConsistentCommittedData", "LeaderCompleteness"}, []edit{
		{"kraft.go", "		m.becomeResigned(nil)\n", "		m.ballot = m.newBallot()\n		m.becomeLeader()\n"}}},
	{"a replaced disk keeps the voter's id", []string{"LeaderCompleteness", "ConsistentCommittedData"}, []edit{
		{"voters.go", "return v.ID == r.ID && (v.Directory == model.DirectoryID{} || v.Directory == r.Directory)", "return v.ID == r.ID"},
		{"vote.go", "return model.NodeID(id) == m.cfg.NodeID && (directory == model.UUID{} || model.DirectoryID(directory) == m.cfg.DirectoryID)", "return model.NodeID(id) == m.cfg.NodeID"}}},
	{"an empty static voter votes", []string{"LeaderCompleteness", "ConsistentCommittedData"}, []edit{
		{"behind.go", "return !m.behind || p.end == 0 || (m.inquiry != nil && len(m.doubters(p)) == 0)", "return true"}}},
	{"a restart ends being behind", []string{"LeaderCompleteness", "ConsistentCommittedData"}, []edit{
		{"kraft.go", "m.hasNoPast() || (stored.Behind && m.isStaticVoter())", "m.hasNoPast()"}}},
	{"the leader of an older epoch is believed", []string{"epoch goes from"}, []edit{
		{"epoch.go", "	case n.epoch < m.epoch:\n		return kerr.FencedLeaderEpoch\n", ""}}},
	{"a voter set that was truncated goes on counting", []string{"VotersOfLog"}, []edit{
		{"log.go", "	l.history.truncate(end)\n", ""}}},
	{"a candidate with a shorter log is elected", []string{"LeaderCompleteness", "ConsistentCommittedData", "NoHalt"}, []edit{
		{"behind.go", "return p.epoch > q.epoch || (p.epoch == q.epoch && p.end >= q.end)", "return true"}}},
}

// TestMutations makes each mistake, in a copy that only the compiler sees, and
// lets the simulation find it. It takes minutes: make mutants.
func TestMutations(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutations {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			overlay := mutate(t, here, m.edits)
			out, err := exec.Command("go", "test", "-overlay", overlay, "-run", "^TestSimulation(OfVoters|OfDisks)?$", "-timeout", "300s", ".", "-args", "-seeds", "500").CombinedOutput()
			if err == nil {
				t.Fatalf("nobody noticed")
			}
			for _, word := range m.finds {
				if strings.Contains(string(out), word) {
					return
				}
			}
			t.Errorf("none of %q in:\n%.4000s", m.finds, out)
		})
	}
}

// mutate writes the changed files and the list that puts them in their places.
func mutate(t *testing.T, here string, edits []edit) (overlay string) {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for _, e := range edits {
		original := filepath.Join(here, e.file)
		from := original
		if changed, ok := replace[original]; ok {
			from = changed
		}
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), e.from); n != 1 {
			t.Fatalf("%q is %d times in %s", e.from, n, e.file)
		}
		replace[original] = filepath.Join(dir, e.file)
		if err := os.WriteFile(replace[original], []byte(strings.Replace(string(b), e.from, e.to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}
