package assign

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/stromkafka/strom/internal/model"
)

// TestAssign runs the scripts of testdata: topics with their partitions, members
// with their subscriptions and what they have, and what a strategy makes of it.
func TestAssign(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var in Input
		counts := map[model.TopicID]int32{}
		in.Partitions = func(topic model.TopicID) int32 { return counts[topic] }
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "topics": // topics t1=3 t2=4
				clear(counts)
				for _, arg := range d.CmdArgs {
					n, err := strconv.Atoi(arg.Vals[0])
					if err != nil {
						t.Fatal(err)
					}
					counts[topicNamed(arg.Key)] = int32(n)
				}
				return ""
			case "members": // one a line: id [static=instance] topics...
				in.Members = changed(in.Members, d.Input)
				return ""
			}
			strategy, err := ByName(d.Cmd)
			if err != nil {
				return err.Error()
			}
			assigned := strategy(in)
			for i := range in.Members {
				in.Members[i].Assigned = assigned[in.Members[i].ID]
			}
			return written(assigned)
		})
	})
}

// changed are the members that the text names, with what they had.
func changed(old []Member, text string) []Member {
	var members []Member
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		m := Member{ID: words[0]}
		for _, word := range words[1:] {
			if instance, static := strings.CutPrefix(word, "static="); static {
				m.InstanceID = instance
				continue
			}
			m.Topics = append(m.Topics, topicNamed(word))
		}
		slices.SortFunc(m.Topics, CompareTopics)
		for _, o := range old {
			if o.ID == m.ID {
				m.Assigned = o.Assigned
			}
		}
		members = append(members, m)
	}
	return members
}

func topicNamed(name string) model.TopicID {
	var id model.TopicID
	n, err := strconv.Atoi(name[1:])
	if err != nil {
		panic(err)
	}
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	return id
}

func written(assigned map[string]Assignment) string {
	var lines []string
	for id, a := range assigned {
		line := id + ":"
		for _, topic := range a.Topics() {
			line += fmt.Sprintf(" t%d%v", binary.BigEndian.Uint32(topic[12:]), a[topic])
		}
		lines = append(lines, line)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// TestProperties: with random topics, members and changes every partition that
// somebody subscribes to has exactly one owner, who subscribes; the order of the
// members changes nothing; uniform keeps members that have the same subscription
// within one partition of each other and moves nothing when nothing has changed.
func TestProperties(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		counts := map[model.TopicID]int32{}
		in := Input{Partitions: func(topic model.TopicID) int32 { return counts[topic] }}
		strategy := Uniform
		if seed%3 == 0 {
			strategy = Range
		}
		for range 12 {
			for range 1 + rng.IntN(3) {
				topic := topicNamed("t" + strconv.Itoa(rng.IntN(6)))
				counts[topic] = max(counts[topic], int32(1+rng.IntN(20)))
			}
			in.Members = mutated(rng, in.Members, counts)
			assigned := strategy(in)
			check(t, seed, in, assigned)
			if seed%3 != 0 {
				balanced(t, seed, in.Members, assigned)
			}
			shuffled := in
			shuffled.Members = slices.Clone(in.Members)
			rng.Shuffle(len(shuffled.Members), func(i, j int) {
				shuffled.Members[i], shuffled.Members[j] = shuffled.Members[j], shuffled.Members[i]
			})
			if got := written(strategy(shuffled)); got != written(assigned) {
				t.Fatalf("seed %d: the order of members matters:\n%s\n\n%s", seed, written(assigned), got)
			}
			for i := range in.Members {
				in.Members[i].Assigned = assigned[in.Members[i].ID]
			}
			if got := written(strategy(in)); got != written(assigned) {
				t.Fatalf("seed %d: moved without a reason:\n%s\n\n%s", seed, written(assigned), got)
			}
		}
	}
}

func mutated(rng *rand.Rand, members []Member, counts map[model.TopicID]int32) []Member {
	topics := slices.SortedFunc(func(yield func(model.TopicID) bool) {
		for topic := range counts {
			if !yield(topic) {
				return
			}
		}
	}, CompareTopics)
	same := rng.IntN(2) == 0
	next := slices.Clone(members)
	if len(next) > 1 && rng.IntN(3) == 0 {
		next = slices.Delete(next, 0, 1+rng.IntN(len(next)-1))
	}
	for range rng.IntN(4) {
		id := "m" + strconv.Itoa(rng.IntN(1000))
		if !slices.ContainsFunc(next, func(m Member) bool { return m.ID == id }) {
			next = append(next, Member{ID: id})
		}
	}
	for i := range next {
		if same {
			next[i].Topics = topics
			continue
		}
		next[i].Topics = slices.DeleteFunc(slices.Clone(topics), func(model.TopicID) bool { return rng.IntN(2) == 0 })
	}
	return next
}

func check(t *testing.T, seed uint64, in Input, assigned map[string]Assignment) {
	t.Helper()
	type slot struct {
		topic model.TopicID
		index int32
	}
	owners := map[slot]string{}
	wanted := map[model.TopicID]bool{}
	for _, m := range in.Members {
		for topic, partitions := range assigned[m.ID] {
			if !slices.Contains(m.Topics, topic) || len(partitions) == 0 || !slices.IsSorted(partitions) {
				t.Fatalf("seed %d: %s has %v of a topic, subscribed %v", seed, m.ID, partitions, m.Topics)
			}
			for _, p := range partitions {
				if other := owners[slot{topic, p}]; other != "" {
					t.Fatalf("seed %d: %s and %s have the same partition", seed, other, m.ID)
				}
				owners[slot{topic, p}] = m.ID
			}
		}
		for _, topic := range m.Topics {
			wanted[topic] = true
		}
	}
	n := 0
	for topic := range wanted {
		n += int(in.Partitions(topic))
	}
	if n != len(owners) || len(assigned) != len(in.Members) {
		t.Fatalf("seed %d: %d of %d partitions assigned, to %d of %d members", seed, len(owners), n, len(assigned), len(in.Members))
	}
}

func balanced(t *testing.T, seed uint64, members []Member, assigned map[string]Assignment) {
	t.Helper()
	for _, a := range members {
		for _, b := range members {
			if slices.Equal(a.Topics, b.Topics) && assigned[a.ID].Count()-assigned[b.ID].Count() > 1 {
				t.Fatalf("seed %d: %s has %d partitions and %s %d", seed, a.ID, assigned[a.ID].Count(), b.ID, assigned[b.ID].Count())
			}
		}
	}
}

// TestDamagedAssignment: what a log says may name partitions twice or beyond the end.
func TestDamagedAssignment(t *testing.T) {
	topic := topicNamed("t1")
	for _, other := range []model.TopicID{topic, topicNamed("t2")} {
		in := Input{
			Partitions: func(model.TopicID) int32 { return 4 },
			Members: []Member{
				{ID: "a", Topics: []model.TopicID{topic}, Assigned: Assignment{topic: {0, 1, 9}}},
				{ID: "b", Topics: slices.Compact([]model.TopicID{topic, other}), Assigned: Assignment{topic: {1, 2}}},
			},
		}
		check(t, 0, in, Uniform(in))
	}
}
