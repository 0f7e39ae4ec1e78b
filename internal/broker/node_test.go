package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/broker"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// life is a running node, and a connection to it.
type life struct {
	*link.Link
	network transport.Network
	address string
	ctx     context.Context
	cancel  context.CancelFunc
	ended   chan error
}

// nodeAddress is where nodes listen in their own network.
const nodeAddress = "127.0.0.1:9092"

// boot starts a node over a disk and connects to it, unless it cannot start.
func boot(t *testing.T, disk vfs.FS, settings ...string) (*life, error) {
	t.Helper()
	set := append([]string{"log.dirs=data", "listeners=PLAINTEXT://" + nodeAddress}, settings...)
	values, err := config.Load(config.Sources{Set: set})
	if err != nil {
		t.Fatal(err)
	}
	return bootOn(t, values, disk, transport.NewPipe())
}

// startPatience is for a node that cannot start yet, such as on a full disk.
const startPatience = 3 * time.Minute

// bootOn starts a node on a network.
func bootOn(t *testing.T, values *config.Values, disk vfs.FS, network transport.Network) (*life, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // it is still there in the test's cleanup
	l := &life{ctx: ctx, cancel: cancel, ended: make(chan error, 1)}
	l.network = network
	ready := make(chan broker.Ready, 1)
	go func() {
		l.ended <- broker.Run(ctx, broker.Options{Values: values, FS: disk, Network: network,
			Log: slog.New(slog.DiscardHandler), Ready: func(r broker.Ready) { ready <- r }})
	}()
	select {
	case r := <-ready:
		l.address = r.Listeners[0].Address()
	case err := <-l.ended:
		cancel()
		return nil, fmt.Errorf("start: %w", err)
	case <-time.After(startPatience):
		cancel()
		return nil, errors.Join(errors.New("start: it is not ready"), <-l.ended)
	}
	first, err := l.again()
	if err != nil {
		_ = l.stop() // the node lives no longer than the reason to give up
		return nil, err
	}
	return first, nil
}

// again is another connection to the node.
func (l *life) again() (*life, error) {
	another := *l
	var err error
	another.Link, err = link.Dial(l.ctx, link.Options{Network: l.network, Address: l.address, ClientID: "test", Timeout: 2 * time.Minute})
	return &another, err
}

// stop ends the node in good order, if it can still do that.
func (l *life) stop() error {
	if l.Link != nil {
		l.Close()
	}
	l.cancel()
	return <-l.ended
}

// ask sends a request; R is the type of its response.
func ask[R wire.Response](l *life, r wire.Request) (answer R, err error) {
	response, err := l.Do(l.ctx, r)
	if err != nil {
		return answer, err
	}
	return response.(R), nil
}

func (l *life) createTopic(name string, partitions int32, configs map[string]string) (model.UUID, error) {
	r := &wire.CreateTopicsRequest{}
	r.Reset()
	t := wire.CreateTopicsRequestTopic{Name: name, NumPartitions: partitions, ReplicationFactor: 1}
	for key, value := range configs {
		t.Configs = append(t.Configs, wire.CreateTopicsRequestConfig{Name: key, Value: &value})
	}
	r.Topics = []wire.CreateTopicsRequestTopic{t}
	answer, err := ask[*wire.CreateTopicsResponse](l, r)
	if err != nil {
		return model.UUID{}, err
	}
	return answer.Topics[0].TopicID, kerr.FromCode(answer.Topics[0].ErrorCode)
}

func (l *life) deleteTopic(id model.UUID) error {
	r := &wire.DeleteTopicsRequest{TimeoutMS: 60000, Topics: []wire.DeleteTopicsRequestTopic{{TopicID: id}}}
	answer, err := ask[*wire.DeleteTopicsResponse](l, r)
	if err != nil {
		return err
	}
	return kerr.FromCode(answer.Responses[0].ErrorCode)
}

func (l *life) producerID() (model.ProducerID, error) {
	r := &wire.InitProducerIdRequest{}
	r.Reset()
	answer, err := ask[*wire.InitProducerIdResponse](l, r)
	if err != nil {
		return -1, err
	}
	return model.ProducerID(answer.ProducerID), kerr.FromCode(answer.ErrorCode)
}

// produce appends a batch to one partition and returns its base offset.
func (l *life) produce(id model.UUID, partition int32, acks int16, b batch.Batch) (int64, error) {
	r := &wire.ProduceRequest{}
	r.Reset()
	r.Acks, r.TimeoutMS = acks, 30000
	r.TopicData = []wire.ProduceRequestTopicData{{TopicID: id, PartitionData: []wire.ProduceRequestPartitionData{{Index: partition, Records: wire.BytesRecords(b)}}}}
	answer, err := ask[*wire.ProduceResponse](l, r)
	if err != nil {
		return -1, err
	}
	p := answer.Responses[0].PartitionResponses[0]
	return p.BaseOffset, kerr.FromCode(p.ErrorCode)
}

// fetch reads what is visible of a partition from an offset on.
func (l *life) fetch(id model.UUID, partition int32, from int64) (values []string, highWatermark int64, err error) {
	r := &wire.FetchRequest{}
	r.Reset()
	p := wire.FetchRequestPartition{}
	p.Reset()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, from, 1<<20
	r.ReplicaID, r.MaxBytes, r.SessionEpoch = -1, 10<<20, -1
	r.Topics = []wire.FetchRequestTopic{{TopicID: id, Partitions: []wire.FetchRequestPartition{p}}}
	answer, err := ask[*wire.FetchResponse](l, r)
	if err != nil {
		return nil, 0, err
	}
	if err := kerr.FromCode(answer.ErrorCode); err != nil {
		return nil, 0, err
	}
	got := answer.Responses[0].Partitions[0]
	if err := kerr.FromCode(got.ErrorCode); err != nil {
		return nil, 0, err
	}
	values, err = valuesFrom(got.Records.Bytes(), from)
	return values, got.HighWatermark, err
}

// valuesFrom are the values of all records from an offset on, which must be there
// one after the other.
func valuesFrom(records []byte, from int64) (values []string, err error) {
	for len(records) > 0 {
		var b batch.Batch
		if b, records, err = batch.Next(records); err == nil {
			err = b.Check()
		}
		if err != nil {
			return values, err
		}
		for r, err := range b.Records(1 << 20) {
			switch {
			case err != nil:
				return values, err
			case int64(r.Offset) < from:
			case int64(r.Offset) != from+int64(len(values)):
				return values, fmt.Errorf("offset %d where %d is next", r.Offset, from+int64(len(values)))
			default:
				values = append(values, string(r.Value))
			}
		}
	}
	return values, nil
}

// all reads a partition from its beginning to its high watermark.
func (l *life) all(id model.UUID, partition int32) ([]string, error) {
	var values []string
	for {
		more, highWatermark, err := l.fetch(id, partition, int64(len(values)))
		if err != nil {
			return values, fmt.Errorf("reading from %d: %w", len(values), err)
		}
		values = append(values, more...)
		if int64(len(values)) >= highWatermark {
			return values, nil
		}
		if len(more) == 0 {
			return values, fmt.Errorf("nothing at %d below the high watermark %d", len(values), highWatermark)
		}
	}
}

func (l *life) topics() (map[string]wire.MetadataResponseTopic, error) {
	answer, err := ask[*wire.MetadataResponse](l, &wire.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	all := map[string]wire.MetadataResponseTopic{}
	for _, t := range answer.Topics {
		all[*t.Name] = t
	}
	return all, nil
}

// newBatch has a record for each value, by an idempotent producer or by none.
func newBatch(t *testing.T, producer *batch.Producer, values ...string) batch.Batch {
	t.Helper()
	builder := batch.New(batch.Options{Producer: producer})
	for _, v := range values {
		builder.Add(time.Now().UnixMilli(), nil, []byte(v))
	}
	b, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
