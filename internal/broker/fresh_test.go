package broker_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// askFor asks for a topic's metadata, which creates it, until it is there.
func (l *life) askFor(name string) (model.UUID, error) {
	r := &wire.MetadataRequest{}
	r.Reset()
	r.Topics = []wire.MetadataRequestTopic{{Name: &name}}
	r.AllowAutoTopicCreation = true
	var t wire.MetadataResponseTopic
	for {
		answer, err := ask[*wire.MetadataResponse](l, r)
		if err != nil {
			return model.UUID{}, err
		}
		if t = answer.Topics[0]; t.ErrorCode != kerr.UnknownTopicOrPartition.Code {
			break
		}
	}
	if err := kerr.FromCode(t.ErrorCode); err != nil {
		return model.UUID{}, err
	}
	for _, p := range t.Partitions {
		if p.ErrorCode != 0 || p.LeaderID < 0 {
			return model.UUID{}, fmt.Errorf("partition %d: leader %d, error %d", p.PartitionIndex, p.LeaderID, p.ErrorCode)
		}
	}
	return t.TopicID, nil
}

// A leader that is named serves: the first produce to a topic that was created
// this moment, by asking for it or by CreateTopics, is not refused.
func TestFreshTopicsServe(t *testing.T) {
	const topics, clients = 1000, 4
	for name, create := range map[string]func(l *life, name string) (model.UUID, error){
		"asked for": (*life).askFor,
		"created":   func(l *life, name string) (model.UUID, error) { return l.createTopic(name, 1, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			first, err := boot(t, vfs.NewMem())
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for c := range clients {
				l, err := first.again()
				if err != nil {
					t.Fatal(err)
				}
				all.Go(func() {
					defer l.Close()
					for i := range topics / clients {
						topic := fmt.Sprintf("fresh-%d-%d", c, i)
						id, err := create(l, topic)
						if err != nil {
							t.Errorf("%s: %v", topic, err)
							return
						}
						if offset, err := l.produce(id, 0, -1, newBatch(t, nil, topic)); err != nil || offset != 0 {
							t.Errorf("%s: the first produce: offset %d, %v", topic, offset, err)
						}
						if got, err := l.all(id, 0); err != nil || len(got) != 1 || got[0] != topic {
							t.Errorf("%s: read %q, %v", topic, got, err)
						}
					}
				})
			}
			all.Wait()
			if err := first.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}
