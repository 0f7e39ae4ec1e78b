package membership

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

// desk is a controller at which one kind of request is handed in. Each is noted
// as text and answered by whoever tests.
type desk struct {
	asked   chan string
	answers chan wire.Response
}

// atDesk runs a part of the broker in a bubble, with a desk to ask.
func atDesk(t *testing.T, note func(wire.Request) string, run func(t *testing.T, ch *Channel) func(context.Context) error, script func(t *testing.T, d *desk)) {
	synctest.Test(t, func(t *testing.T) {
		network, d := transport.NewPipe(), &desk{asked: make(chan string, 10), answers: make(chan wire.Response)}
		server := listen(t, network, "a", func(r wire.Request) wire.Response {
			d.asked <- note(r)
			return <-d.answers
		})
		ch := channel(network, "a")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		part := run(t, ch)
		go func() { ended <- part(ctx) }()
		synctest.Wait()
		script(t, d)
		synctest.Wait()
		if len(d.asked) > 0 {
			t.Errorf("asked without need: %s", <-d.asked)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		server.listener.Close()
		ch.Close()
	})
}

// wants takes the next request and answers it.
func (d *desk) wants(t *testing.T, want string, answer wire.Response) {
	t.Helper()
	if got := <-d.asked; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	d.answers <- answer
}

func noteProposals(r wire.Request) string {
	q := r.(*wire.AlterPartitionRequest)
	all := []string{}
	for _, topic := range q.Topics {
		for _, p := range topic.Partitions {
			text := fmt.Sprintf("%d-%d epoch %d.%d:", topic.TopicID[0], p.PartitionIndex, p.LeaderEpoch, p.PartitionEpoch)
			for _, one := range p.NewISRWithEpochs {
				text += fmt.Sprintf(" %d(%d)", one.BrokerID, one.BrokerEpoch)
			}
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func proposal(topic byte, index int32, partitionEpoch int32, isr ...model.NodeID) Proposal {
	p := Proposal{Place: Place{model.TopicID{topic}, index}, LeaderEpoch: 3, PartitionEpoch: partitionEpoch, ISR: isr}
	for _, id := range isr {
		p.BrokerEpochs = append(p.BrokerEpochs, model.BrokerEpoch(id)*10)
	}
	return p
}

// agreed is the controller's yes to partition 0 of topics, or its no.
func agreed(code int16, topics ...byte) *wire.AlterPartitionResponse {
	r := &wire.AlterPartitionResponse{}
	for _, topic := range topics {
		r.Topics = append(r.Topics, wire.AlterPartitionResponseTopic{TopicID: model.UUID{topic}, Partitions: []wire.AlterPartitionResponsePartition{
			{PartitionIndex: 0, ErrorCode: code, LeaderEpoch: 3, ISR: []int32{1, 2}, PartitionEpoch: 8}}})
	}
	return r
}

// While one request is in flight, the newest proposal of each partition waits for
// the next. Nothing is asked twice that was decided.
func TestProposalsOneInFlight(t *testing.T) {
	var p *Proposals
	var decided []string
	atDesk(t, noteProposals, func(t *testing.T, ch *Channel) func(context.Context) error {
		p = NewProposals(ProposalOptions{Broker: NewBroker(Options{ID: 1}), Channel: ch, Log: quiet(), Decided: func(one Proposal, d Decision) bool {
			decided = append(decided, fmt.Sprintf("%d: %v %v %d", one.Topic[0], d.Err, d.ISR, d.PartitionEpoch))
			return false
		}})
		return p.Run
	}, func(t *testing.T, d *desk) {
		p.Propose(proposal(1, 0, 7, 1, 2))
		synctest.Wait()
		p.Propose(proposal(1, 0, 7, 1))
		p.Propose(proposal(2, 0, 0, 1, 3))
		p.Propose(proposal(1, 0, 7, 1, 3))
		d.wants(t, "1-0 epoch 3.7: 1(10) 2(20)", agreed(0, 1))
		d.wants(t, "1-0 epoch 3.7: 1(10) 3(30), 2-0 epoch 3.0: 1(10) 3(30)", agreed(kerr.InvalidUpdateVersion.Code, 1, 2))
	})
	slices.Sort(decided[1:])
	if want := []string{"1: <nil> [1 2] 8", "1: INVALID_UPDATE_VERSION [1 2] 8", "2: INVALID_UPDATE_VERSION [1 2] 8"}; !slices.Equal(decided, want) {
		t.Errorf("told %q", decided)
	}
}

// What was not decided is asked again after a moment: the whole answer was an
// error, the partition is not in it, or the owner says so. A newer proposal takes
// its place.
func TestProposalsAreAskedAgain(t *testing.T) {
	var p *Proposals
	again := true
	atDesk(t, noteProposals, func(t *testing.T, ch *Channel) func(context.Context) error {
		p = NewProposals(ProposalOptions{Broker: NewBroker(Options{ID: 1}), Channel: ch, Log: quiet(), Decided: func(Proposal, Decision) bool { return again }})
		return p.Run
	}, func(t *testing.T, d *desk) {
		const one = "1-0 epoch 3.7: 1(10) 2(20)"
		p.Propose(proposal(1, 0, 7, 1, 2))
		d.wants(t, one, &wire.AlterPartitionResponse{ErrorCode: kerr.StaleBrokerEpoch.Code})
		began := time.Now()
		d.wants(t, one, agreed(0))
		d.wants(t, one, agreed(0, 1))
		if took := time.Since(began); took < 2*proposalRetry {
			t.Errorf("asked again within %v", took)
		}
		if got := <-d.asked; got != one {
			t.Errorf("asked %s", got)
		}
		p.Propose(proposal(1, 0, 9, 1)) // while the old one is on its way
		d.answers <- &wire.AlterPartitionResponse{ErrorCode: kerr.StaleBrokerEpoch.Code}
		synctest.Wait()
		again = false
		d.wants(t, "1-0 epoch 3.9: 1(10)", agreed(0, 1))
	})
}

func noteAssignments(r wire.Request) string {
	all := []string{}
	for _, dir := range r.(*wire.AssignReplicasToDirsRequest).Directories {
		for _, topic := range dir.Topics {
			for _, p := range topic.Partitions {
				all = append(all, fmt.Sprintf("%d-%d in %d", topic.TopicID[0], p.PartitionIndex, dir.ID[0]))
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// placed answers for each partition with the code of its topic, 0 by default.
func placed(places map[Place]model.DirectoryID, codes map[byte]int16) *wire.AssignReplicasToDirsResponse {
	r := &wire.AssignReplicasToDirsResponse{}
	for at, dir := range places {
		r.Directories = append(r.Directories, wire.AssignReplicasToDirsResponseDirectory{ID: model.UUID(dir), Topics: []wire.AssignReplicasToDirsResponseTopic{
			{TopicID: model.UUID(at.Topic), Partitions: []wire.AssignReplicasToDirsResponsePartition{{PartitionIndex: at.Index, ErrorCode: codes[at.Topic[0]]}}}}})
	}
	slices.SortFunc(r.Directories, func(a, b wire.AssignReplicasToDirsResponseDirectory) int { return cmp.Compare(a.ID[0], b.ID[0]) })
	return r
}

// What comes within a moment goes in one request. What the controller does not
// know is settled; what it could not take is told again, later each time, unless
// the replica has moved meanwhile.
func TestAssignments(t *testing.T) {
	var a *Assignments
	one, two, three := Place{model.TopicID{1}, 0}, Place{model.TopicID{2}, 1}, Place{model.TopicID{3}, 0}
	atDesk(t, noteAssignments, func(t *testing.T, ch *Channel) func(context.Context) error {
		a = NewAssignments(AssignmentOptions{Broker: NewBroker(Options{ID: 1}), Channel: ch, Log: quiet(), Image: func() *metadata.Image { return metadata.Empty }})
		return a.Run
	}, func(t *testing.T, d *desk) {
		a.Assign(one, model.DirectoryID{8})
		synctest.Wait()
		a.Assign(two, model.DirectoryID{9})
		a.Assign(three, model.DirectoryID{8})
		d.wants(t, "1-0 in 8, 2-1 in 9, 3-0 in 8", placed(map[Place]model.DirectoryID{one: {8}, two: {9}, three: {8}},
			map[byte]int16{1: kerr.UnknownTopicID.Code, 2: kerr.NotController.Code, 3: kerr.UnknownServerError.Code}))
		began := time.Now()
		d.wants(t, "2-1 in 9, 3-0 in 8", &wire.AssignReplicasToDirsResponse{ErrorCode: kerr.StaleBrokerEpoch.Code})
		first := time.Since(began)
		synctest.Wait()
		a.Assign(three, model.DirectoryID{9})
		d.wants(t, "2-1 in 9, 3-0 in 9", placed(map[Place]model.DirectoryID{two: {9}, three: {9}}, nil))
		if second := time.Since(began) - first; first == 0 || second <= first {
			t.Errorf("told again after %v, then after %v", first, second)
		}
	})
}

// What the metadata says already is not told, nor what is about a replica of
// other brokers; a topic that it does not show may be newer than the image.
func TestAssignmentsThatDoNotMatter(t *testing.T) {
	draft := metadata.NewDraft(metadata.Empty)
	id := model.TopicID{1}
	mine := &wire.PartitionRecord{}
	mine.Reset()
	mine.PartitionID, mine.TopicID, mine.Replicas, mine.ISR, mine.Leader = 0, model.UUID(id), []int32{1, 2}, []int32{1, 2}, 1
	mine.Directories = []model.UUID{{8}, {7}}
	others := *mine
	others.PartitionID, others.Replicas, others.ISR, others.Leader = 1, []int32{2, 3}, []int32{2, 3}, 2
	for i, r := range []wire.Record{&wire.TopicRecord{Name: "t", TopicID: model.UUID(id)}, mine, &others} {
		if err := draft.Apply(r, model.Offset(i)); err != nil {
			t.Fatal(err)
		}
	}
	img, _ := draft.Image(2, 1)
	var a *Assignments
	atDesk(t, noteAssignments, func(t *testing.T, ch *Channel) func(context.Context) error {
		a = NewAssignments(AssignmentOptions{Broker: NewBroker(Options{ID: 1}), Channel: ch, Log: quiet(), Image: func() *metadata.Image { return img }})
		return a.Run
	}, func(t *testing.T, d *desk) {
		a.Assign(Place{id, 0}, model.DirectoryID{8}) // known
		a.Assign(Place{id, 1}, model.DirectoryID{8}) // no replica of this broker
		time.Sleep(2 * assignmentLinger)             // virtual
		synctest.Wait()
		if len(d.asked) > 0 {
			t.Errorf("told %s", <-d.asked)
		}
		a.Assign(Place{id, 0}, model.DirectoryID{9})
		a.Assign(Place{model.TopicID{5}, 0}, model.DirectoryID{8})
		d.wants(t, "1-0 in 9, 5-0 in 8", placed(map[Place]model.DirectoryID{{id, 0}: {9}, {model.TopicID{5}, 0}: {8}}, nil))
	})
}
