package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// A describedCluster is what `strom cluster describe` tells.
type describedCluster struct {
	ClusterID       string           `json:"cluster_id"`
	MetadataVersion string           `json:"metadata_version,omitempty"`
	Nodes           []describedNode  `json:"nodes"`
	Quorum          *describedQuorum `json:"quorum"` // null when the cluster does not tell
	QuorumError     string           `json:"quorum_error,omitempty"`
	Topics          topicTotals      `json:"topics"`
}

// A describedNode is a broker, a controller or both.
type describedNode struct {
	Node       int32    `json:"node"`
	Roles      []string `json:"roles"`
	Broker     string   `json:"broker,omitempty"`     // host:port
	Controller string   `json:"controller,omitempty"` // host:port
	Rack       string   `json:"rack,omitempty"`
	State      string   `json:"state"` // alive, fenced, absent, silent or unknown
	Active     bool     `json:"active_controller"`
	Leads      int      `json:"leads"`    // partitions
	Replicas   int      `json:"replicas"` // partitions
}

type describedQuorum struct {
	Leader        int32           `json:"leader"` // -1: nobody
	Epoch         int32           `json:"epoch"`
	HighWatermark int64           `json:"high_watermark"`
	Replicas      []describedVote `json:"replicas"`
}

// A describedVote is a replica of the metadata log; null is what is not known.
type describedVote struct {
	Node      int32  `json:"node"`
	Role      string `json:"role"` // leader, voter or observer
	Directory string `json:"directory,omitempty"`
	End       *int64 `json:"end_offset"`
	Lag       *int64 `json:"lag"`
	BehindMS  *int64 `json:"behind_ms"`
	FetchedMS *int64 `json:"fetched_ms_ago"`
}

type topicTotals struct {
	Topics          int `json:"topics"`
	Internal        int `json:"internal"`
	Partitions      int `json:"partitions"`
	Replicas        int `json:"replicas"`
	Leaderless      int `json:"leaderless_partitions"`
	UnderMinInSync  int `json:"under_min_in_sync_partitions"`
	UnderReplicated int `json:"under_replicated_partitions"` // those above are not counted again
}

const (
	stateAlive   = "alive"
	stateFenced  = "fenced"
	stateAbsent  = "absent"
	stateSilent  = "silent"
	stateUnknown = "unknown"
)

func (c *CLI) clusterDescribeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "describe",
		Aliases: []string{"show"},
		Short:   "Show the nodes, the metadata quorum, and the topics in sum",
		Long: `Show the nodes, the metadata quorum, and the topics in sum.

A fenced broker is registered and does not take part: it stopped, lost contact
with the controller, or is not ready yet. LAG is how many metadata records a
node lacks, BEHIND for how long it has not had them all, LAST FETCH when it last
asked for more, by the clock of the quorum's leader.`,
		Example: examples(`
			strom cluster describe
			strom cluster describe -b kafka-1:9092 -o json | jq .quorum.leader`),
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
				s, err := k.askState(ctx)
				if err != nil {
					return err
				}
				return c.printCluster(describeCluster(s))
			})
		},
	}
}

func describeCluster(s *clusterState) describedCluster {
	d := describedCluster{ClusterID: s.id, MetadataVersion: s.metadataVersion, Nodes: describeNodes(s), Topics: totals(s)}
	if s.quorumErr != nil {
		d.QuorumError = quorumReason(s.quorumErr)
	}
	if q := s.quorum; q != nil {
		d.Quorum = &describedQuorum{Leader: q.leader, Epoch: q.epoch, HighWatermark: q.high, Replicas: []describedVote{}}
		for _, r := range q.voters {
			role := "voter"
			if r.id == q.leader {
				role = "leader"
			}
			d.Quorum.Replicas = append(d.Quorum.Replicas, r.described(role))
		}
		for _, r := range q.observers {
			d.Quorum.Replicas = append(d.Quorum.Replicas, r.described("observer"))
		}
	}
	return d
}

func (r quorumReplica) described(role string) describedVote {
	return describedVote{Node: r.id, Role: role, Directory: r.directory,
		End: known(r.end), Lag: known(r.lag), BehindMS: known(r.behind), FetchedMS: known(r.fetched)}
}

// known is nil for a number that stands for "not known".
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

// describeNodes joins brokers and controllers by their ids. An observer that is
// no broker may be either: it is left to the quorum's table.
func describeNodes(s *clusterState) []describedNode {
	byID := map[int32]*describedNode{}
	node := func(id int32, role string) *describedNode {
		n := byID[id]
		if n == nil {
			n = &describedNode{Node: id, State: stateUnknown}
			byID[id] = n
		}
		n.Roles = append(n.Roles, role)
		return n
	}
	for _, b := range s.brokers {
		n := node(b.id, "broker")
		n.Broker, n.Rack, n.State = fmt.Sprintf("%s:%d", b.host, b.port), b.rack, stateAlive
		if b.fenced {
			n.State = stateFenced
		}
	}
	for _, id := range s.absent() {
		node(id, "broker").State = stateAbsent
	}
	if s.quorum != nil {
		for _, v := range s.quorum.voters {
			n := node(v.id, "controller")
			n.Controller, n.Active = s.quorum.listeners[v.id], v.id == s.quorum.leader
			switch {
			case n.State != stateUnknown: // as a broker it is known better
			case s.quorum.silent(v):
				n.State = stateSilent
			default:
				n.State = stateAlive
			}
		}
	}
	for _, p := range s.partitions {
		for _, id := range p.replicas {
			byID[id].Replicas++
		}
		if n := byID[p.leader]; n != nil {
			n.Leads++
		}
	}
	var nodes []describedNode
	for _, n := range byID {
		nodes = append(nodes, *n)
	}
	slices.SortFunc(nodes, func(a, b describedNode) int { return cmp.Compare(a.Node, b.Node) })
	return nodes
}

func totals(s *clusterState) topicTotals {
	t := topicTotals{Topics: s.topics, Internal: s.internal, Partitions: len(s.partitions)}
	for _, p := range s.partitions {
		t.Replicas += len(p.replicas)
		switch {
		case p.leader < 0:
			t.Leaderless++
		case p.underMinInSync():
			t.UnderMinInSync++
		case p.underReplicated():
			t.UnderReplicated++
		}
	}
	return t
}

func (c *CLI) printCluster(d describedCluster) error {
	if c.json() {
		return c.printJSON(d)
	}
	style, out := c.outStyle(), c.env.Out
	facts := []string{count(len(d.Nodes), "node")}
	if d.MetadataVersion != "" {
		facts = append(facts, "metadata version "+d.MetadataVersion)
	}
	fmt.Fprintf(out, "%s  %s\n\n", style.head(d.ClusterID), strings.Join(facts, ", "))
	if err := nodeTable(d.Nodes, style).write(out, style); err != nil {
		return err
	}
	switch {
	case d.QuorumError != "":
		fmt.Fprintf(out, "\n%s  %s\n", style.head("metadata quorum"), style.bad("does not answer: "+d.QuorumError))
	case d.Quorum == nil:
		fmt.Fprintf(out, "\n%s\n", style.dim("this cluster does not tell about its metadata quorum"))
	default:
		fmt.Fprintf(out, "\n%s  %s\n\n", style.head("metadata quorum"), d.Quorum.summary(style))
		if err := d.Quorum.table(style).write(out, style); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "\n%s  %s\n", style.head("topics"), d.Topics.summary(style))
	return err
}

func nodeTable(nodes []describedNode, s style) *table {
	t := newTable("NODE>", "ROLES", "BROKER", "CONTROLLER", "RACK", "LEADS>", "REPLICAS>", "STATE")
	for _, n := range nodes {
		state := shown(n.State, s.bad)
		switch {
		case n.Active && n.State == stateAlive:
			state = shown("active controller", s.good)
		case n.State == stateAlive:
			state = shown(n.State, s.good)
		case n.Active:
			state = shown(n.State+", active controller", s.bad)
		}
		leads, replicas := "", ""
		if slices.Contains(n.Roles, "broker") {
			leads, replicas = number(n.Leads), number(n.Replicas)
		}
		t.add(plain(number(n.Node)), plain(strings.Join(n.Roles, ",")), plain(n.Broker), plain(n.Controller), plain(n.Rack), plain(leads), plain(replicas), state)
	}
	return t
}

func (q *describedQuorum) summary(s style) string {
	leader := s.bad("no leader")
	if q.Leader >= 0 {
		leader = "leader " + number(q.Leader)
	}
	return fmt.Sprintf("%s, epoch %d, high watermark %d", leader, q.Epoch, q.HighWatermark)
}

func (q *describedQuorum) table(s style) *table {
	t := newTable("NODE>", "ROLE", "END>", "LAG>", "BEHIND>", "LAST FETCH>", "DIRECTORY")
	for _, r := range q.Replicas {
		fetched := plain(age(r.FetchedMS, " ago"))
		if r.Role == "leader" {
			fetched = plain("")
		} else if r.FetchedMS != nil && *r.FetchedMS > silentAfter.Milliseconds() {
			fetched = shown(fetched.text, s.bad)
		}
		behind := plain(age(r.BehindMS, ""))
		if r.BehindMS != nil && *r.BehindMS > laggingAfter.Milliseconds() {
			behind = shown(behind.text, s.bad)
		}
		t.add(plain(number(r.Node)), plain(r.Role), plain(orDash(r.End)), plain(orDash(r.Lag)), behind, fetched, plain(r.Directory))
	}
	return t
}

func (t topicTotals) summary(s style) string {
	if t.Topics == 0 {
		return "none"
	}
	text := fmt.Sprintf("%s (%d internal), %s, %s", count(t.Topics, "topic"), t.Internal, count(t.Partitions, "partition"), count(t.Replicas, "replica"))
	sick := false
	for _, n := range []struct {
		count int
		what  string
		show  func(string) string
	}{
		{t.Leaderless, "without a leader", s.bad},
		{t.UnderMinInSync, "under min.insync.replicas", s.bad},
		{t.UnderReplicated, "under-replicated", s.warn},
	} {
		if n.count > 0 {
			text, sick = text+"; "+n.show(fmt.Sprintf("%d %s", n.count, n.what)), true
		}
	}
	if !sick {
		text += "; " + s.good("all in sync")
	}
	return text
}

func orDash(n *int64) string {
	if n == nil {
		return ""
	}
	return number(*n)
}

// age writes milliseconds for a person: 0.4s, 12s, 3m, 5h, 2d.
func age(ms *int64, suffix string) string {
	if ms == nil {
		return ""
	}
	const second, minute, hour, day = 1000, 60 * 1000, 60 * 60 * 1000, 24 * 60 * 60 * 1000
	var text string
	switch n := *ms; {
	case n < 10*second:
		text = fmt.Sprintf("%.1fs", float64(n)/second)
	case n < 2*minute:
		text = fmt.Sprintf("%ds", n/second)
	case n < 2*hour:
		text = fmt.Sprintf("%dm", n/minute)
	case n < 2*day:
		text = fmt.Sprintf("%dh", n/hour)
	default:
		text = fmt.Sprintf("%dd", n/day)
	}
	return text + suffix
}
