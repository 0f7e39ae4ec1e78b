package kraft

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// TestInteraction runs the scripts in testdata: nodes whose effects are written
// down, a network that carries what they send. Commands:
//
//	start id=N voters=(A,B) [version=V] [bootstrap=N]   a new node
//	restart id=N [lose]                    stop it, losing what is not synced, and start it
//	append id=N v1 v2 ...                  the leader's shell appends data, without sync
//	slow id=N                              its syncs take until the command sync from now on
//	sync id=N | freeze id=N | clean id=N | shutdown id=N | stop id=N
//	resign id=N                            as when the controller on top has failed
//	cut id=N | heal                        all that N sends and gets is lost
//	deliver                                carry messages until none is under way
//	fetch id=N key=value ...               a request from outside
//	describe id=N
//	tick ms=N                              time passes
func TestInteraction(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		net := newNetwork()
		var out strings.Builder
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out.Reset()
			if err := command(net, &out, d, t); err != nil {
				fmt.Fprintf(&out, "error: %v\n", err)
			}
			if out.Len() == 0 {
				return "nothing\n"
			}
			return out.String()
		})
	})
}

func command(net *network, out *strings.Builder, d *datadriven.TestData, t *testing.T) error {
	var id, ms int
	d.MaybeScanArgs(t, "id", &id)
	nd := net.nodes[model.NodeID(id)]
	switch d.Cmd {
	case "start":
		return startNode(net, out, d, t, id)
	case "restart":
		nd.crash() // without a sync, all that is not synced is lost
		return nd.start()
	case "stop":
		nd.crash()
	case "append":
		var values []string
		for _, a := range d.CmdArgs {
			if a.Key != "id" {
				values = append(values, a.Key)
			}
		}
		slow := nd.slow
		nd.slow = true
		nd.append(values...)
		nd.slow = slow
	case "sync":
		nd.sync()
	case "slow":
		nd.slow = true
	case "freeze":
		nd.freeze()
	case "clean":
		nd.clean()
	case "shutdown":
		nd.step(Shutdown{})
	case "resign":
		nd.step(Resign{nd.m.epoch})
	case "cut":
		for _, other := range net.ids() {
			net.cut[[2]model.NodeID{nd.cfg.NodeID, other}] = true
			net.cut[[2]model.NodeID{other, nd.cfg.NodeID}] = true
		}
	case "heal":
		clear(net.cut)
	case "deliver":
		net.settle()
	case "fetch":
		net.token++
		nd.step(Request{net.token, 18, "CONTROLLER", scriptedFetch(d, t)})
	case "describe":
		net.token++
		q := &wire.DescribeQuorumRequest{Topics: []wire.DescribeQuorumRequestTopic{{TopicName: model.MetadataTopic, Partitions: make([]wire.DescribeQuorumRequestPartition, 1)}}}
		nd.step(Request{net.token, 2, "CONTROLLER", q})
	case "tick":
		d.ScanArgs(t, "ms", &ms)
		net.now = net.now.Add(time.Duration(ms) * time.Millisecond)
		for id := model.NodeID(0); id < 100; id++ {
			if nd := net.nodes[id]; nd != nil && nd.m != nil {
				nd.step(Tick{})
			}
		}
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	return nil
}

func startNode(net *network, out *strings.Builder, d *datadriven.TestData, t *testing.T, id int) error {
	var ids []int
	var bootstrap, version int
	d.MaybeScanArgs(t, "bootstrap", &bootstrap)
	d.MaybeScanArgs(t, "version", &version)
	for _, a := range d.CmdArgs {
		if a.Key == "voters" {
			for i := range a.Vals {
				var v int
				a.Scan(t, i, &v)
				ids = append(ids, v)
			}
		}
	}
	var voters VoterSet
	for _, v := range ids {
		voters = append(voters, voterSet(model.NodeID(v))...)
	}
	cfg := testConfig(model.NodeID(id), voters)
	if bootstrap != 0 {
		cfg.Bootstrap = []Address{endpointsOf(model.NodeID(bootstrap))[0].Address}
	}
	nd := net.add(cfg, out)
	if version > 0 {
		nd.cfg.StaticVoters = nil
		nd.formatStandalone()
	}
	return nd.start()
}

func scriptedFetch(d *datadriven.TestData, t *testing.T) *wire.FetchRequest {
	replica, epoch, offset, last, wait, hw, cluster := -1, 1, 0, 0, 500, -1, "test"
	d.MaybeScanArgs(t, "replica", &replica)
	d.MaybeScanArgs(t, "epoch", &epoch)
	d.MaybeScanArgs(t, "offset", &offset)
	d.MaybeScanArgs(t, "last", &last)
	d.MaybeScanArgs(t, "wait", &wait)
	d.MaybeScanArgs(t, "hw", &hw)
	d.MaybeScanArgs(t, "cluster", &cluster)
	q := new(wire.FetchRequest)
	q.Reset()
	q.ClusterID, q.MaxWaitMS, q.ReplicaState.ReplicaID = &cluster, int32(wait), int32(replica)
	var p wire.FetchRequestPartition
	p.Reset()
	p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.HighWatermark = int32(epoch), int64(offset), int32(last), int64(hw)
	topic := model.UUID(model.MetadataTopicID)
	if d.HasArg("wrong-topic") {
		topic = model.UUID{5}
	}
	q.Topics = []wire.FetchRequestTopic{{TopicID: topic, Partitions: []wire.FetchRequestPartition{p}}}
	return q
}
