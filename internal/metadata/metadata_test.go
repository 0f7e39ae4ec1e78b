package metadata

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// generator makes records that a controller could write, knowing the draft they
// will be applied to.
type generator struct {
	*rand.Rand
	d *Draft
	n int
}

func (g *generator) uuid() (u model.UUID) {
	for i := range u {
		u[i] = byte(g.Uint32())
	}
	return u
}

func pick[V any](g *generator, all iter.Seq[V]) (v V, ok bool) {
	vs := slices.Collect(all)
	if len(vs) == 0 {
		return v, false
	}
	return vs[g.IntN(len(vs))], true
}

func (g *generator) nodes(n int) []int32 {
	all := []int32{}
	for _, i := range g.Perm(6)[:n] {
		all = append(all, int32(i))
	}
	return all
}

func (g *generator) maybe(ids []int32) []int32 {
	if g.IntN(2) == 0 {
		return nil
	}
	return ids
}

func (g *generator) uuids(n int) []model.UUID {
	all := make([]model.UUID, n)
	for i := range all {
		all[i] = g.uuid()
	}
	return all
}

// next is a record of a random kind; nil when the kind has nothing to act on.
func (g *generator) next() wire.Record {
	g.n++
	name := fmt.Sprintf("t%d", g.IntN(20))
	switch g.IntN(24) {
	case 0, 1:
		rack := fmt.Sprint("r", g.IntN(3))
		r := &wire.RegisterBrokerRecord{
			BrokerID: int32(g.IntN(6)), BrokerEpoch: int64(g.n), IncarnationID: g.uuid(), Fenced: true, Rack: &rack, LogDirs: g.uuids(2),
			EndPoints: []wire.RegisterBrokerRecordEndPoint{{Name: "PLAINTEXT", Host: "h", Port: uint16(g.n)}},
			Features:  []wire.RegisterBrokerRecordFeature{{Name: FeatureMetadataVersion, MinSupportedVersion: 7, MaxSupportedVersion: 30}},
		}
		if g.IntN(2) == 0 {
			r.CordonedLogDirs = []model.UUID{}
		}
		return r
	case 2:
		if b, ok := pick(g, g.d.Brokers()); ok {
			return &wire.UnregisterBrokerRecord{BrokerID: int32(b.ID), BrokerEpoch: int64(b.Epoch)}
		}
	case 3:
		if b, ok := pick(g, g.d.Brokers()); ok {
			return &wire.FenceBrokerRecord{ID: int32(b.ID), Epoch: int64(b.Epoch)}
		}
	case 4:
		if b, ok := pick(g, g.d.Brokers()); ok {
			return &wire.UnfenceBrokerRecord{ID: int32(b.ID), Epoch: int64(b.Epoch)}
		}
	case 5:
		if b, ok := pick(g, g.d.Brokers()); ok {
			r := &wire.BrokerRegistrationChangeRecord{BrokerID: int32(b.ID), BrokerEpoch: int64(b.Epoch), Fenced: int8(g.IntN(3) - 1), InControlledShutdown: int8(g.IntN(2))}
			if g.IntN(2) == 0 {
				r.LogDirs, r.CordonedLogDirs = g.uuids(1), g.uuids(1)
			}
			return r
		}
	case 6, 7, 8:
		if g.d.Topic(name) == nil {
			return &wire.TopicRecord{Name: name, TopicID: g.uuid()}
		}
	case 9, 10, 11, 12:
		if t, ok := pick(g, g.d.Topics()); ok {
			n := 1 + g.IntN(3)
			r := &wire.PartitionRecord{
				PartitionID: int32(len(t.Partitions)), TopicID: model.UUID(t.ID), Replicas: g.nodes(n), ISR: g.nodes(n), Leader: int32(g.IntN(7) - 1),
				LeaderEpoch: int32(g.IntN(5)), PartitionEpoch: int32(g.IntN(5)), LeaderRecoveryState: int8(g.IntN(2)), Directories: g.uuids(n),
				EligibleLeaderReplicas: g.maybe(g.nodes(1)), LastKnownELR: g.maybe(g.nodes(1)), AddingReplicas: g.nodes(1), RemovingReplicas: g.nodes(1),
			}
			if g.IntN(3) == 0 {
				r.Directories = nil
			}
			return r
		}
	case 13, 14, 15:
		if t, ok := pick(g, g.d.Topics()); ok && len(t.Partitions) > 0 {
			r := &wire.PartitionChangeRecord{
				PartitionID: int32(g.IntN(len(t.Partitions))), TopicID: model.UUID(t.ID), ISR: g.maybe(g.nodes(2)), Leader: int32(g.IntN(4) - 2),
				LeaderRecoveryState: int8(g.IntN(3) - 1), EligibleLeaderReplicas: g.maybe(g.nodes(1)), LastKnownELR: g.maybe(g.nodes(1)),
				AddingReplicas: g.maybe(g.nodes(1)), RemovingReplicas: g.maybe(g.nodes(0)),
			}
			if g.IntN(3) == 0 {
				r.Replicas, r.Directories = g.nodes(3), g.uuids(3)
			}
			return r
		}
	case 16:
		if t, ok := pick(g, g.d.Topics()); ok && g.IntN(3) == 0 {
			return &wire.RemoveTopicRecord{TopicID: model.UUID(t.ID)}
		}
	case 17:
		if g.d.Topic(name) != nil {
			return &wire.ClearElrRecord{TopicName: name}
		}
		return &wire.ClearElrRecord{}
	case 18:
		value := fmt.Sprint(g.IntN(9))
		r := &wire.ConfigRecord{ResourceType: ConfigTopic, ResourceName: name, Name: fmt.Sprint("k", g.IntN(3)), Value: &value}
		if g.IntN(3) == 0 {
			r.Value = nil
		}
		return r
	case 19:
		return &wire.FeatureLevelRecord{Name: fmt.Sprint("f", g.IntN(3)), FeatureLevel: int16(g.IntN(3))}
	case 20:
		return &wire.ProducerIdsRecord{NextProducerID: int64(g.n)}
	case 21:
		entity := []wire.ClientQuotaRecordEntity{{EntityType: "user", EntityName: &name}, {EntityType: "client-id"}}
		if g.IntN(2) == 0 {
			slices.Reverse(entity)
		}
		return &wire.ClientQuotaRecord{Entity: entity, Key: "rate", Value: g.Float64(), Remove: g.IntN(3) == 0}
	case 22:
		if a, ok := pick(g, g.d.ACLs()); ok && g.IntN(2) == 0 {
			return &wire.RemoveAccessControlEntryRecord{ID: a.ID}
		}
		return &wire.AccessControlEntryRecord{ID: g.uuid(), ResourceName: name, Principal: "User:a"}
	case 23:
		return g.rest(name)
	}
	return &wire.NoOpRecord{}
}

func (g *generator) rest(name string) wire.Record {
	switch g.IntN(6) {
	case 0:
		return &wire.UserScramCredentialRecord{Name: name, Mechanism: 1, Salt: []byte{1}, StoredKey: []byte{2}, ServerKey: []byte{3}, Iterations: int32(g.n)}
	case 1:
		return &wire.RemoveUserScramCredentialRecord{Name: name, Mechanism: 1}
	case 2:
		return &wire.DelegationTokenRecord{TokenID: name, Owner: "User:a", Renewers: []string{"User:b"}}
	case 3:
		return &wire.RemoveDelegationTokenRecord{TokenID: name}
	case 4:
		return &wire.RegisterControllerRecord{ControllerID: int32(g.IntN(3)), IncarnationID: g.uuid()}
	}
	return &wire.UnregisterControllerRecord{ControllerID: int32(g.IntN(3))}
}

func begin(t *testing.T, version Version) *Draft {
	t.Helper()
	d := NewDraft(Empty)
	if err := d.Apply(&wire.FeatureLevelRecord{Name: FeatureMetadataVersion, FeatureLevel: int16(version)}, 0); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSnapshotIsTheImage: the records of an image, encoded and decoded at their
// versions, replay to an equal image.
func TestSnapshotIsTheImage(t *testing.T) {
	for seed := range uint64(60) {
		d := begin(t, ProductionVersion)
		g := &generator{rand.New(rand.NewPCG(seed, 1)), d, 0}
		for i := range 400 {
			if err := d.Apply(g.next(), model.Offset(i)); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		img, _ := d.Image(400, 3)
		copied, err := FromRecords(overTheWire(t, img), 400, 3)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if c := Diff(img, copied); !c.Empty() {
			t.Fatalf("seed %d: snapshot differs: %+v", seed, c)
		}
	}
}

func overTheWire(t *testing.T, img *Image) iter.Seq[wire.Record] {
	return func(yield func(wire.Record) bool) {
		for v := range img.Records() {
			b, err := wire.EncodeRecord(v.Version, v.Record)
			if err != nil {
				t.Fatal(err)
			}
			r, _, err := wire.DecodeRecord(b)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(r) {
				return
			}
		}
	}
}

// TestImagesNeverChange: an image given out keeps its content while the draft
// goes on, and each Change names all that Diff finds.
func TestImagesNeverChange(t *testing.T) {
	for seed := range uint64(30) {
		d := begin(t, ProductionVersion)
		g := &generator{rand.New(rand.NewPCG(seed, 2)), d, 0}
		type kept struct{ img, copied *Image }
		var all []kept
		last := Empty
		for i := range 300 {
			if err := d.Apply(g.next(), model.Offset(i)); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if g.IntN(10) > 0 {
				continue
			}
			img, change := d.Image(model.Offset(i), 1)
			covers(t, change, Diff(last, img))
			copied, err := FromRecords(overTheWire(t, img), img.Offset, img.Epoch)
			if err != nil {
				t.Fatal(err)
			}
			all, last = append(all, kept{img, copied}), img
		}
		for _, k := range all {
			if c := Diff(k.img, k.copied); !c.Empty() {
				t.Fatalf("seed %d: image at %d changed later: %+v", seed, k.img.Offset, c)
			}
		}
	}
}

func covers(t *testing.T, got, want *Change) {
	t.Helper()
	for _, w := range want.Topics {
		i := slices.IndexFunc(got.Topics, func(c TopicChange) bool { return c.ID == w.ID })
		if i < 0 {
			t.Fatalf("change misses topic %s", w.name())
		}
		for _, p := range w.Partitions {
			if !slices.Contains(got.Topics[i].Partitions, p) {
				t.Fatalf("change misses %s-%d", w.name(), p)
			}
		}
	}
	for _, id := range want.Brokers {
		if !slices.Contains(got.Brokers, id) {
			t.Fatalf("change misses broker %d", id)
		}
	}
	for _, r := range want.Configs {
		if !slices.Contains(got.Configs, r) {
			t.Fatalf("change misses config %v", r)
		}
	}
	if want.Features && !got.Features || want.Quotas && !got.Quotas || want.ACLs && !got.ACLs || want.Scram && !got.Scram || want.Tokens && !got.Tokens {
		t.Fatalf("change %+v misses some of %+v", got, want)
	}
}

// TestTransactions is KIP-866: nothing of a transaction is seen before its end,
// and nothing at all after an abort.
func TestTransactions(t *testing.T) {
	d := begin(t, ProductionVersion)
	apply := func(records ...wire.Record) {
		t.Helper()
		for _, r := range records {
			if err := d.Apply(r, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	a, b := model.UUID{1}, model.UUID{2}
	apply(&wire.TopicRecord{Name: "a", TopicID: a}, &wire.BeginTransactionRecord{}, &wire.PartitionRecord{TopicID: a, Replicas: []int32{1}})
	img, change := d.Image(5, 1)
	if !img.InTransaction || len(img.Topic("a").Partitions) != 0 || len(change.Topics) != 1 {
		t.Fatalf("open transaction shows: %+v", change)
	}
	apply(&wire.EndTransactionRecord{})
	img, change = d.Image(6, 1)
	if img.InTransaction || len(img.Topic("a").Partitions) != 1 || len(change.Topics) != 1 {
		t.Fatalf("ended transaction does not show: %+v", change)
	}
	apply(&wire.BeginTransactionRecord{}, &wire.TopicRecord{Name: "b", TopicID: b}, &wire.RemoveTopicRecord{TopicID: a}, &wire.AbortTransactionRecord{})
	img2, change := d.Image(7, 1)
	if !change.Empty() || !Diff(img, img2).Empty() {
		t.Fatalf("aborted transaction shows: %+v", change)
	}
	for _, r := range []wire.Record{&wire.EndTransactionRecord{}, &wire.AbortTransactionRecord{}} {
		if err := d.Apply(r, 8); err == nil {
			t.Errorf("%T without a transaction was applied", r)
		}
	}
}

// TestEpochsAreCounted is trap 19 of the replay: a change names no epoch.
func TestEpochsAreCounted(t *testing.T) {
	d := begin(t, ProductionVersion)
	id := model.UUID{1}
	must := func(r wire.Record) {
		t.Helper()
		if err := d.Apply(r, 1); err != nil {
			t.Fatal(err)
		}
	}
	must(&wire.TopicRecord{Name: "a", TopicID: id})
	must(&wire.PartitionRecord{TopicID: id, Replicas: []int32{1, 2}, ISR: []int32{1, 2}, Leader: 1})
	change := &wire.PartitionChangeRecord{}
	change.Reset()
	change.TopicID, change.PartitionID, change.ISR = id, 0, []int32{1}
	must(change)
	again := *change
	again.Leader = 1
	must(&again)
	p := d.Partition(model.TopicID(id), 0)
	if p.LeaderEpoch != 1 || p.PartitionEpoch != 2 || p.Leader != 1 {
		t.Errorf("leader epoch %d, partition epoch %d", p.LeaderEpoch, p.PartitionEpoch)
	}
}

// TestContradictions: a record that does not fit is an error and changes nothing.
func TestContradictions(t *testing.T) {
	d := begin(t, ProductionVersion)
	id := model.UUID{1}
	if err := d.Apply(&wire.TopicRecord{Name: "a", TopicID: id}, 1); err != nil {
		t.Fatal(err)
	}
	before, _ := d.Image(1, 1)
	for _, r := range []wire.Record{
		&wire.TopicRecord{Name: "a", TopicID: model.UUID{2}},
		&wire.TopicRecord{Name: "b", TopicID: id},
		&wire.PartitionRecord{TopicID: model.UUID{9}},
		&wire.PartitionRecord{TopicID: id, PartitionID: -1},
		&wire.PartitionRecord{TopicID: id, PartitionID: maxPartition},
		&wire.PartitionRecord{TopicID: id, Replicas: []int32{1}, Directories: []model.UUID{{1}, {2}}},
		&wire.PartitionChangeRecord{TopicID: id},
		&wire.RemoveTopicRecord{TopicID: model.UUID{9}},
		&wire.ClearElrRecord{TopicName: "none"},
		&wire.FenceBrokerRecord{ID: 4},
		&wire.BrokerRegistrationChangeRecord{BrokerID: 4},
		&wire.RemoveAccessControlEntryRecord{},
		&wire.FeatureLevelRecord{Name: FeatureMetadataVersion, FeatureLevel: 6},
	} {
		if err := d.Apply(r, 2); err == nil {
			t.Errorf("%T %+v was applied", r, r)
		}
	}
	if after, _ := d.Image(1, 1); !Diff(before, after).Empty() {
		t.Error("a refused record changed the draft")
	}
}

func TestManyPartitions(t *testing.T) {
	d := begin(t, ProductionVersion)
	id := model.UUID{1}
	if err := d.Apply(&wire.TopicRecord{Name: "big", TopicID: id}, 1); err != nil {
		t.Fatal(err)
	}
	for i := range int32(10_000) {
		if err := d.Apply(&wire.PartitionRecord{TopicID: id, PartitionID: i, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1}, 1); err != nil {
			t.Fatal(err)
		}
	}
	_, change := d.Image(1, 1)
	if len(change.Topics) != 1 || len(change.Topics[0].Partitions) != 10_000 {
		t.Fatal("not all partitions are in the change")
	}
	if allocs := testing.AllocsPerRun(100, func() {
		if err := d.Apply(&wire.NoOpRecord{}, 2); err != nil {
			t.Fatal(err)
		}
		d.Image(2, 1)
	}); allocs > 3 {
		t.Errorf("a NoOp costs %v allocations", allocs)
	}
}

func TestTree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	tr := newTree[int, int](func(a, b int) int { return a - b })
	want := map[int]int{}
	for i := range 5000 {
		k := rng.IntN(400)
		if rng.IntN(3) == 0 {
			tr = tr.without(k)
			delete(want, k)
		} else {
			tr = tr.set(k, i)
			want[k] = i
		}
	}
	if tr.count != len(want) || tr.root.tall() > 12 {
		t.Fatalf("count %d, want %d; height %d", tr.count, len(want), tr.root.tall())
	}
	last := -1
	for k, v := range tr.all() {
		if k <= last || want[k] != v {
			t.Fatalf("key %d after %d has %d, want %d", k, last, v, want[k])
		}
		last = k
	}
	for k := range tr.from(200) {
		if k < 200 {
			t.Fatalf("from 200 yields %d", k)
		}
		break
	}
}

func TestFeatures(t *testing.T) {
	want := []FeatureLevel{{FeatureMetadataVersion, 30}, {FeatureELRVersion, 1}, {FeatureGroupVersion, 1}, {FeatureShareVersion, 1}, {FeatureStreamsVersion, 1}, {FeatureTransactionVersion, 2}}
	if got := DefaultLevels(ProductionVersion); !slices.Equal(got, want) {
		t.Errorf("default levels of 4.3: %v", got)
	}
	if got := DefaultLevels(15); !slices.Equal(got, []FeatureLevel{{FeatureMetadataVersion, 15}}) {
		t.Errorf("default levels of 3.7-IV0: %v", got)
	}
	for name, want := range map[string]Version{"4.3": 30, "3.7": 19, "3.7-IV2": 17, "4.4-IV2": 33, "3.3": 7} {
		if got, err := ParseVersion(name); err != nil || got != want {
			t.Errorf("%s is %d, %v", name, got, err)
		}
	}
	if _, err := ParseVersion("2.8"); err == nil {
		t.Error("2.8 was accepted")
	}
	if err := CheckLevels(want); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]FeatureLevel{
		{{FeatureMetadataVersion, 22}, {FeatureELRVersion, 1}}, {{FeatureMetadataVersion, 34}}, {{FeatureMetadataVersion, 30}, {FeatureGroupVersion, 2}}, {{FeatureMetadataVersion, 30}, {"nonsense", 1}},
	} {
		if err := CheckLevels(bad); err == nil {
			t.Errorf("%v was accepted", bad)
		} else if !strings.Contains(err.Error(), "INVALID_UPDATE_VERSION") {
			t.Error(err)
		}
	}
}

// TestTopicsGone: it finds what looking up every topic finds.
func TestTopicsGone(t *testing.T) {
	found := 0
	for seed := range uint64(40) {
		d := begin(t, ProductionVersion)
		g := &generator{rand.New(rand.NewPCG(seed, 7)), d, 0}
		last := Empty
		for i := range 400 {
			if err := d.Apply(g.next(), model.Offset(i)); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if g.IntN(20) > 0 {
				continue
			}
			img, _ := d.Image(model.Offset(i), 1)
			got := map[model.TopicID]bool{}
			for _, topic := range TopicsGone(last, img) {
				got[topic.ID] = true
			}
			want := map[model.TopicID]bool{}
			for topic := range last.Topics() {
				if img.TopicByID(topic.ID) == nil {
					want[topic.ID] = true
				}
			}
			if !maps.Equal(got, want) {
				t.Fatalf("seed %d: gone are %v, want %v", seed, got, want)
			}
			found += len(want)
			last = img
		}
	}
	if found == 0 {
		t.Fatal("no topic was ever deleted")
	}
}
