package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
)

// errUnhealthy is the exit code 1 of `strom cluster health`, which has said why.
var errUnhealthy = errors.New("the cluster is unhealthy")

const (
	// silentAfter is how long a voter may not fetch: the quorum's followers ask at
	// least every half second, and hold an election after two (the default of
	// controller.quorum.fetch.timeout.ms).
	silentAfter = 3 * time.Second
	// laggingAfter is how long a voter may lack records that the leader has.
	laggingAfter = 3 * time.Second
	// maxNamed is how many partitions a finding names in a table.
	maxNamed = 12
)

// A finding is one thing that is wrong (a problem), or worth knowing (a note).
type finding struct {
	Severity   string           `json:"severity"` // problem or note
	Kind       string           `json:"kind"`
	What       string           `json:"what"`
	Fix        string           `json:"fix"`
	Nodes      []int32          `json:"nodes,omitempty"`
	Partitions []namedPartition `json:"partitions,omitempty"`
}

type namedPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

// A healthReport is what `strom cluster health` tells.
type healthReport struct {
	ClusterID string      `json:"cluster_id"`
	Healthy   bool        `json:"healthy"` // there is no problem
	Findings  []finding   `json:"findings"`
	Topics    topicTotals `json:"topics"`
	brokers   int
	voters    int
}

const (
	problem = "problem"
	remark  = "note"
)

func (c *CLI) clusterHealthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Tell what is wrong with a cluster, and what to do about it",
		Long: `Tell what is wrong with a cluster, and what to do about it. The exit code is 1
when there is a problem; notes are no problem.

Looked at are the brokers, the metadata quorum's voters, the log directories,
and each partition's leader and in-sync set.`,
		Example: examples(`
			strom cluster health
			strom cluster health -o json | jq -r '.findings[].what'`),
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
				s, err := k.askState(ctx)
				if err != nil {
					return err
				}
				return c.printHealth(checkHealth(s))
			})
		},
	}
}

// checkHealth looks at everything that is known, the gravest first.
func checkHealth(s *clusterState) healthReport {
	r := healthReport{ClusterID: s.id, Healthy: true, Findings: []finding{}, Topics: totals(s), brokers: len(s.brokers)}
	if s.quorum != nil {
		r.voters = len(s.quorum.voters)
	}
	for _, check := range []func(*clusterState) []finding{
		checkQuorum, checkBrokers, checkDirs, checkLeaders, checkInSync, checkELR, checkRoom, checkPreferred,
	} {
		r.Findings = append(r.Findings, check(s)...)
	}
	// Problems first, each kind as it comes.
	slices.SortStableFunc(r.Findings, func(a, b finding) int { return -cmp.Compare(a.Severity, b.Severity) })
	for _, f := range r.Findings {
		r.Healthy = r.Healthy && f.Severity != problem
	}
	return r
}

func checkQuorum(s *clusterState) []finding {
	if errors.Is(s.quorumErr, kerr.ClusterAuthorizationFailed) {
		return []finding{{Severity: remark, Kind: "quorum-hidden", What: "the metadata quorum is not shown to this user",
			Fix: "Allow it DESCRIBE on the cluster."}}
	}
	if s.quorumErr != nil || s.quorum != nil && s.quorum.leader < 0 {
		why := "no controller leads"
		if s.quorumErr != nil {
			why = quorumReason(s.quorumErr)
		}
		return []finding{{Severity: problem, Kind: "no-quorum", What: fmt.Sprintf("the metadata quorum does not answer (%s): nothing can be created, changed or elected", why),
			Fix: "More than half of the controllers have to run and reach each other: start those that do not. Their logs say what they wait for."}}
	}
	if s.quorum == nil {
		return nil
	}
	var findings []finding
	var silent, lagging []int32
	for _, v := range s.quorum.voters {
		switch {
		case s.quorum.silent(v):
			silent = append(silent, v.id)
		case v.behind > laggingAfter.Milliseconds():
			lagging = append(lagging, v.id)
		}
	}
	if len(silent) > 0 {
		findings = append(findings, finding{Severity: problem, Kind: "silent-voters", Nodes: silent,
			What: fmt.Sprintf("%s of the metadata quorum %s silent: %s", outOf(len(silent), len(s.quorum.voters), "voter"), isAre(len(silent)), s.quorum.whenFetched(silent)),
			Fix:  fmt.Sprintf("Start %s, or see whether it reaches the leader, node %d. %s", nodesText(silent), s.quorum.leader, s.quorum.room(len(silent)))})
	}
	if len(lagging) > 0 {
		findings = append(findings, finding{Severity: problem, Kind: "lagging-voters", Nodes: lagging,
			What: fmt.Sprintf("%s of the metadata quorum %s behind: %s", outOf(len(lagging), len(s.quorum.voters), "voter"), isAre(len(lagging)), s.quorum.howFar(lagging)),
			Fix:  fmt.Sprintf("Look at the disk and the network of %s: every change waits for more than half of the voters.", nodesText(lagging))})
	}
	return findings
}

// quorumReason is why a question to the quorum was not answered.
func quorumReason(err error) string {
	var k *kerr.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fmt.Sprintf("nothing within %s", partTimeout)
	case errors.As(err, &k):
		return k.Message
	}
	return reason(err)
}

// silent tells whether a voter has not fetched for too long: a follower that a
// leader never heard from counts, the leader itself does not fetch.
func (q *quorumState) silent(v quorumReplica) bool {
	return v.id != q.leader && (v.fetched > silentAfter.Milliseconds() || v.fetched < 0 && v.end < 0)
}

func (q *quorumState) voter(id int32) quorumReplica {
	return q.voters[slices.IndexFunc(q.voters, func(v quorumReplica) bool { return v.id == id })]
}

func (q *quorumState) whenFetched(ids []int32) string {
	var texts []string
	for _, id := range ids {
		when := fmt.Sprintf("not once since node %d leads", q.leader)
		if v := q.voter(id); v.fetched >= 0 {
			when = "last heard " + age(&v.fetched, " ago")
		}
		texts = append(texts, fmt.Sprintf("node %d (%s)", id, when))
	}
	return strings.Join(texts, ", ")
}

func (q *quorumState) howFar(ids []int32) string {
	var texts []string
	for _, id := range ids {
		v := q.voter(id)
		texts = append(texts, fmt.Sprintf("node %d (%s, for %s)", id, count(v.lag, "record"), age(&v.behind, "")))
	}
	return strings.Join(texts, ", ")
}

// room says how many voters may still fail.
func (q *quorumState) room(silent int) string {
	spare := len(q.voters) - silent - (len(q.voters)/2 + 1)
	if spare > 0 {
		return fmt.Sprintf("The quorum can lose %d more.", spare)
	}
	return "The quorum can lose no other: then nothing can be created, changed or elected."
}

func checkBrokers(s *clusterState) []finding {
	var findings []finding
	var fenced []int32
	for _, b := range s.brokers {
		if b.fenced {
			fenced = append(fenced, b.id)
		}
	}
	if len(fenced) > 0 {
		findings = append(findings, finding{Severity: problem, Kind: "fenced-brokers", Nodes: fenced,
			What: fmt.Sprintf("%s %s fenced: %s", outOf(len(fenced), len(s.brokers), "broker"), isAre(len(fenced)), nodesText(fenced)),
			Fix:  "A fenced broker leads nothing and is in no in-sync set. Start it, or read in its log why it cannot reach the controller or is not ready."})
	}
	if absent := s.absent(); len(absent) > 0 {
		findings = append(findings, finding{Severity: problem, Kind: "absent-brokers", Nodes: absent,
			What: fmt.Sprintf("replicas belong on %s, which %s no broker of this cluster now", nodesText(absent), isAre(len(absent))),
			Fix:  "Start it. If it is gone for good, move its replicas to others (kafka-reassign-partitions)."})
	}
	return findings
}

func checkDirs(s *clusterState) []finding {
	var findings []finding
	for _, d := range s.dirs {
		if d.err != nil {
			findings = append(findings, finding{Severity: problem, Kind: "offline-directory", Nodes: []int32{d.broker},
				What: fmt.Sprintf("log directory %s of node %d is offline", d.path, d.broker),
				Fix:  "The node's log has the first error. Check the disk, then restart the node: a directory comes back by a restart alone."})
		}
	}
	var unreachable []int32
	for _, id := range slices.Sorted(maps.Keys(s.dirsErr)) {
		err := s.dirsErr[id]
		if errors.Is(err, context.DeadlineExceeded) || isNetwork(err) {
			unreachable = append(unreachable, id)
			continue
		}
		findings = append(findings, finding{Severity: remark, Kind: "directories-unknown", Nodes: []int32{id},
			What: fmt.Sprintf("node %d does not tell about its log directories (%s)", id, quorumReason(err)),
			Fix:  "It may be of a version that cannot, or this user needs DESCRIBE on the cluster."})
	}
	if len(unreachable) > 0 {
		findings = append(findings, finding{Severity: problem, Kind: "unreachable-brokers", Nodes: unreachable,
			What: fmt.Sprintf("%s cannot be reached from here, though the controller counts on it", nodesText(unreachable)),
			Fix:  "It has stopped a moment ago, or its advertised.listeners names an address that does not work from here."})
	}
	return findings
}

func checkLeaders(s *clusterState) []finding {
	var hit []partitionState
	wanted := map[int32]bool{}
	for _, p := range s.partitions {
		if p.leader >= 0 {
			continue
		}
		hit = append(hit, p)
		for _, id := range slices.Concat(p.inSync, p.elr) {
			wanted[id] = true
		}
		if len(p.inSync)+len(p.elr) == 0 {
			for _, id := range p.lastELR {
				wanted[id] = true
			}
		}
	}
	if len(hit) == 0 {
		return nil
	}
	fix := "No replica of some is known to hold every committed record. If none can be brought back"
	if len(wanted) > 0 {
		fix = fmt.Sprintf("Start %s with the data there, which has every committed record. Only if that is lost for good", nodesText(slices.Sorted(maps.Keys(wanted))))
	}
	return []finding{{Severity: problem, Kind: "leaderless", Partitions: named(hit),
		What: fmt.Sprintf("%s no leader and can be neither written nor read", countHave(len(hit), "partition")),
		Fix:  fix + ", an unclean election (kafka-leader-election --election-type unclean) takes what another replica has and loses the rest."}}
}

func (p partitionState) underReplicated() bool { return len(p.inSync) < len(p.replicas) }

// underMinInSync counts in-sync replicas against min.insync.replicas, or against
// all replicas where there are fewer.
func (p partitionState) underMinInSync() bool {
	return len(p.inSync) < min(p.minInSync, len(p.replicas))
}

func (p partitionState) atMinInSync() bool {
	return p.minInSync > 0 && len(p.inSync) == min(p.minInSync, len(p.replicas))
}

// checkInSync puts each partition that has a leader under the gravest of three.
func checkInSync(s *clusterState) []finding {
	var under, at, short []partitionState
	for _, p := range s.partitions {
		switch {
		case p.leader < 0 || !p.underReplicated():
		case p.underMinInSync():
			under = append(under, p)
		case p.atMinInSync():
			at = append(at, p)
		default:
			short = append(short, p)
		}
	}
	var findings []finding
	for _, f := range []struct {
		kind, what string
		hit        []partitionState
	}{
		{"under-min-in-sync", "%s fewer in-sync replicas than min.insync.replicas: producers with acks=all are refused", under},
		{"at-min-in-sync", "%s no in-sync replica to spare: one more that fails, and producers with acks=all are refused", at},
		{"under-replicated", "%s replicas that are not in sync", short},
	} {
		if len(f.hit) > 0 {
			findings = append(findings, finding{Severity: problem, Kind: f.kind, Partitions: named(f.hit),
				What: fmt.Sprintf(f.what, countHave(len(f.hit), "partition")), Fix: s.fixMissing(f.hit)})
		}
	}
	return findings
}

// fixMissing says which nodes' replicas are missing from the in-sync sets.
func (s *clusterState) fixMissing(hit []partitionState) string {
	missing := map[int32]int{}
	for _, p := range hit {
		for _, id := range p.replicas {
			if !slices.Contains(p.inSync, id) {
				missing[id]++
			}
		}
	}
	live := s.live()
	var down, slow []string
	for _, id := range slices.Sorted(maps.Keys(missing)) {
		text := fmt.Sprintf("node %d (%s)", id, count(missing[id], "replica"))
		if slices.Contains(live, id) {
			slow = append(slow, text)
		} else {
			down = append(down, text)
		}
	}
	var fix []string
	if len(down) > 0 {
		fix = append(fix, fmt.Sprintf("Start %s.", strings.Join(down, " and ")))
	}
	if len(slow) > 0 {
		fix = append(fix, fmt.Sprintf("Running and not caught up: %s. If that lasts, look at the disk, the network and the log there.", strings.Join(slow, ", ")))
	}
	return strings.Join(fix, " ")
}

func checkELR(s *clusterState) []finding {
	var hit []partitionState
	for _, p := range s.partitions {
		if len(p.elr) > 0 {
			hit = append(hit, p)
		}
	}
	if len(hit) == 0 {
		return nil
	}
	return []finding{{Severity: problem, Kind: "eligible-leaders", Partitions: named(hit),
		What: fmt.Sprintf("%s on eligible leader replicas: nodes out of the in-sync set whose data still counts", countRely(len(hit), "partition")),
		Fix:  fmt.Sprintf("Keep the data on %s as it is, and bring it back into sync: it may be what the next leader has.", nodesText(eligible(hit)))}}
}

func eligible(hit []partitionState) []int32 {
	var ids []int32
	for _, p := range hit {
		ids = append(ids, p.elr...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// checkRoom notes topics that refuse acks=all as soon as one of several replicas
// fails, though all are well now. A topic of one replica is meant to be so.
func checkRoom(s *clusterState) []finding {
	var hit []partitionState
	for _, p := range s.partitions {
		if p.leader >= 0 && len(p.replicas) > 1 && !p.underReplicated() && p.atMinInSync() {
			hit = append(hit, p)
		}
	}
	if len(hit) == 0 {
		return nil
	}
	return []finding{{Severity: remark, Kind: "min-in-sync-is-all", Partitions: named(hit),
		What: fmt.Sprintf("%s all replicas in sync and min.insync.replicas wants all: one node that stops, and producers with acks=all are refused", countHave(len(hit), "partition")),
		Fix:  "Set min.insync.replicas one below the number of replicas, or add a replica."}}
}

// checkPreferred looks at partitions that are led by another replica than their
// first while that one is in sync: it could lead.
func checkPreferred(s *clusterState) []finding {
	var hit []partitionState
	for _, p := range s.partitions {
		if p.leader >= 0 && len(p.replicas) > 0 && p.leader != p.replicas[0] && slices.Contains(p.inSync, p.replicas[0]) {
			hit = append(hit, p)
		}
	}
	if len(hit) == 0 {
		return nil
	}
	return []finding{{Severity: remark, Kind: "preferred-leaders", Partitions: named(hit),
		What: fmt.Sprintf("%s by another replica than the preferred one, which is in sync", countLed(len(hit), "partition")),
		Fix:  "With auto.leader.rebalance.enable (the default) the controller moves them within minutes; kafka-leader-election --election-type preferred does it at once."}}
}

func named(hit []partitionState) []namedPartition {
	names := make([]namedPartition, len(hit))
	for i, p := range hit {
		names[i] = namedPartition{p.topic, p.partition}
	}
	return names
}

func (c *CLI) printHealth(r healthReport) error {
	var unhealthy error
	if !r.Healthy {
		unhealthy = errUnhealthy
	}
	if c.json() {
		return errors.Join(c.printJSON(r), unhealthy)
	}
	s := c.outStyle()
	var b strings.Builder
	b.WriteString(r.headline(s) + "\n")
	for _, f := range r.Findings {
		severity := s.warn(f.Severity + ":")
		if f.Severity == problem {
			severity = s.bad(f.Severity + ":")
		}
		fmt.Fprintf(&b, "\n%s %s\n", severity, f.What)
		if len(f.Partitions) > 0 {
			fmt.Fprintf(&b, "  %s\n", s.dim(partitionsText(f.Partitions)))
		}
		fmt.Fprintf(&b, "  %s\n", f.Fix)
	}
	_, err := fmt.Fprint(c.env.Out, b.String())
	if err != nil {
		return err
	}
	return unhealthy
}

func (r healthReport) headline(s style) string {
	problems := 0
	for _, f := range r.Findings {
		if f.Severity == problem {
			problems++
		}
	}
	state := s.good("healthy")
	if problems > 0 {
		state = s.bad("unhealthy")
	}
	var facts []string
	if problems > 0 {
		facts = append(facts, count(problems, "problem"))
	}
	if n := len(r.Findings) - problems; n > 0 {
		facts = append(facts, count(n, "note"))
	}
	facts = append(facts, count(r.brokers, "broker"))
	if r.voters > 0 {
		facts = append(facts, count(r.voters, "voter"))
	}
	facts = append(facts, count(r.Topics.Topics, "topic"), count(r.Topics.Partitions, "partition"))
	return fmt.Sprintf("%s  cluster %s: %s", state, r.ClusterID, strings.Join(facts, ", "))
}

// partitionsText names partitions topic by topic, the first of many.
func partitionsText(all []namedPartition) string {
	var b strings.Builder
	for i, p := range all[:min(len(all), maxNamed)] {
		switch {
		case i == 0:
			fmt.Fprintf(&b, "%s %d", p.Topic, p.Partition)
		case all[i-1].Topic == p.Topic:
			fmt.Fprintf(&b, ",%d", p.Partition)
		default:
			fmt.Fprintf(&b, "; %s %d", p.Topic, p.Partition)
		}
	}
	if more := len(all) - maxNamed; more > 0 {
		fmt.Fprintf(&b, " and %d more (-o json names all)", more)
	}
	return b.String()
}

// nodesText is "node 1", or "nodes 1, 2 and 3".
func nodesText(ids []int32) string {
	if len(ids) == 1 {
		return "node " + number(ids[0])
	}
	last := len(ids) - 1
	return fmt.Sprintf("nodes %s and %d", strings.ReplaceAll(nodes(ids[:last]), ",", ", "), ids[last])
}

// verb puts a count and its verb together: "1 partition has", "3 partitions have".
func verb(n int, noun, one, many string) string {
	if n == 1 {
		many = one
	}
	return count(n, noun) + " " + many
}

func countHave(n int, noun string) string { return verb(n, noun, "has", "have") }
func countRely(n int, noun string) string { return verb(n, noun, "relies", "rely") }
func countLed(n int, noun string) string  { return verb(n, noun, "is led", "are led") }

// outOf is "1 of 3 voters".
func outOf(n, all int, noun string) string { return fmt.Sprintf("%d of %s", n, count(all, noun)) }

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
