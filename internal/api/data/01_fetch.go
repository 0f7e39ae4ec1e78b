package data

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/fetch"
	"github.com/stromkafka/strom/internal/isr"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// Fetch is API key 1, versions 4-18, for consumers and followers.
//
// It waits until min.bytes can be returned, an error has to be, or the time is
// up. Record bytes go from the file to the connection.
//
// KIP-74 (the first batch comes whatever its size), KIP-98 (read_committed),
// KIP-227 (sessions, v7), KIP-320 (leader epochs, v9), KIP-392 (any replica may
// be read from v11 on), KIP-595 (divergence, v12), KIP-516 (topic ids, v13),
// KIP-951 (the new leader in the error, v16). Left out: tiered storage, quotas.
type Fetch struct {
	Image      func() *metadata.Image
	Partitions Partitions
	Authorizer auth.Authorizer
	Sessions   *fetch.Cache
	MaxBytes   int // fetch.max.bytes
	// RackAware is RackAwareReplicaSelector as replica.selector.class: consumers
	// are sent to a replica in their rack. Self is this broker.
	RackAware bool
	Self      model.NodeID
}

// Handle implements server.Handler.
func (h *Fetch) Handle(ctx context.Context, r *server.Request) wire.Response {
	req := r.Body.(*wire.FetchRequest)
	version := r.Header.APIVersion
	if err := checkIsolation(req.IsolationLevel); err != nil {
		return refuseFetch(req, err)
	}
	c := fetchCall{Fetch: h, r: r, img: h.Image(), follower: follower(req), rack: req.RackID}
	running, err := h.Sessions.Begin(fetch.Request{
		SessionID: req.SessionID, SessionEpoch: req.SessionEpoch,
		Fetcher: c.fetcher(), Connection: r.ConnectionNumber, UsesIDs: version >= 13,
		Topics: req.Topics, Forgotten: req.ForgottenTopicsData,
	})
	if err != nil {
		return failed(err)
	}
	id, results, err := running.Run(ctx, h.terms(version, req, c.follower), &c)
	if ctx.Err() != nil {
		return nil // nobody is there any more
	}
	if err != nil {
		return failed(err)
	}
	return c.respond(id, results)
}

func failed(err error) *wire.FetchResponse {
	return &wire.FetchResponse{ErrorCode: kerr.Code(err)}
}

// refuseFetch is one error for the response and for every partition named.
func refuseFetch(req *wire.FetchRequest, err error) *wire.FetchResponse {
	out := failed(err)
	for i := range req.Topics {
		in := &req.Topics[i]
		topic := wire.FetchResponseResponse{Topic: in.Topic, TopicID: in.TopicID, Partitions: make([]wire.FetchResponsePartition, len(in.Partitions))}
		for j := range in.Partitions {
			p := &topic.Partitions[j]
			p.Reset()
			p.PartitionIndex, p.ErrorCode, p.HighWatermark = in.Partitions[j].Partition, out.ErrorCode, -1
			p.Records = wire.BytesRecords(nil)
		}
		out.Responses = append(out.Responses, topic)
	}
	return out
}

// follower is the broker that fetches, NoNode for a consumer. From version 15 on
// the request says so elsewhere.
func follower(req *wire.FetchRequest) model.NodeID {
	return model.NodeID(max(-1, req.ReplicaID, req.ReplicaState.ReplicaID))
}

func (h *Fetch) terms(version int16, req *wire.FetchRequest, follower model.NodeID) fetch.Terms {
	t := fetch.Terms{
		Follower: follower, Broker: model.BrokerEpoch(req.ReplicaState.ReplicaEpoch),
		MaxBytes: min(int(req.MaxBytes), h.MaxBytes), MaxWait: time.Duration(req.MaxWaitMS) * time.Millisecond,
		// Consumers say from version 11 on where they are, and may read from any
		// replica.
		LeaderOnly: follower != model.NoNode || version < 11,
	}
	t.MinBytes = min(int(req.MinBytes), t.MaxBytes)
	switch {
	case follower != model.NoNode:
		t.Isolation = replica.LogEnd
	case req.IsolationLevel == 1:
		t.Isolation = replica.Stable
	}
	return t
}

// fetchCall is what the partitions of one fetch have in common.
type fetchCall struct {
	*Fetch
	r        *server.Request
	img      *metadata.Image
	follower model.NodeID
	rack     string
}

// fetcher is who fetches, nil if it is a consumer.
func (c *fetchCall) fetcher() *fetch.Fetcher {
	if c.follower == model.NoNode {
		return nil
	}
	return &fetch.Fetcher{Follower: c.follower, ClientID: c.r.ClientID()}
}

// Closer implements fetch.Resolver with the rules of RackAwareReplicaSelector: this
// broker if it is in the client's rack, else the in-sync replica there that has
// the most, then the one that was caught up last, then the one with the larger id.
// A replica that the client cannot reach by its listener is none.
func (c *fetchCall) Closer(p *replica.Partition, from model.Offset) model.NodeID {
	if !c.RackAware || c.rack == "" || c.inRack(c.Self) {
		return model.NoNode
	}
	best := isr.Replica{ID: model.NoNode}
	for _, r := range p.Readable(from) {
		if c.inRack(r.ID) && (best.ID == model.NoNode || closer(r, best)) {
			best = r
		}
	}
	return best.ID
}

func (c *fetchCall) inRack(id model.NodeID) bool {
	b := c.img.Broker(id)
	if b == nil || b.Rack == nil || *b.Rack != c.rack || b.Fenced {
		return false
	}
	_, reachable := b.Endpoint(c.r.Listener)
	return reachable
}

func closer(a, b isr.Replica) bool {
	return cmp.Or(cmp.Compare(a.End, b.End), a.CaughtUp.Compare(b.CaughtUp), cmp.Compare(a.ID, b.ID)) > 0
}

// Resolve implements fetch.Resolver. The order of the checks is Kafka's: an
// unknown id, the right to read, an unknown name. The image is the one at the
// time of each look, which may be long after the request came.
func (c *fetchCall) Resolve(name string, id model.TopicID, index int32) (string, *replica.Partition, error) {
	c.img = c.Image()
	topic := c.img.Topic(name)
	if name == "" {
		if topic = c.img.TopicByID(id); topic == nil {
			return "", nil, kerr.UnknownTopicID
		}
		name = topic.Name
	}
	if !c.mayRead(name) {
		return name, nil, kerr.TopicAuthorizationFailed
	}
	if topic == nil {
		return name, nil, kerr.UnknownTopicOrPartition
	}
	p, err := find(c.img, c.Partitions, topic.ID, index)
	return name, p, err
}

func (c *fetchCall) mayRead(topic string) bool {
	if c.follower != model.NoNode {
		return rights.Cluster(c.Authorizer, c.r, auth.ClusterAction)
	}
	return rights.Topic(c.Authorizer, c.r, auth.Read, topic)
}

// respond makes the response. Results keep their order, and those of one topic
// that follow each other share an entry.
func (c *fetchCall) respond(session int32, results []fetch.Result) wire.Response {
	out := &wire.FetchResponse{SessionID: session}
	for from := 0; from < len(results); {
		to := from + 1
		for to < len(results) && results[to].Topic == results[from].Topic && results[to].TopicID == results[from].TopicID {
			to++
		}
		topic := wire.FetchResponseResponse{Topic: results[from].Topic, TopicID: model.UUID(results[from].TopicID)}
		topic.Partitions = make([]wire.FetchResponsePartition, to-from)
		for i := range topic.Partitions {
			c.partition(out, &topic.Partitions[i], &results[from+i])
		}
		out.Responses = append(out.Responses, topic)
		from = to
	}
	return out
}

func (c *fetchCall) partition(response *wire.FetchResponse, out *wire.FetchResponsePartition, r *fetch.Result) {
	out.Reset()
	out.PartitionIndex, out.ErrorCode = r.Index, c.code(r.Err)
	out.HighWatermark, out.LastStableOffset, out.LogStartOffset = int64(r.HighWatermark), int64(r.LastStable), int64(r.LogStart)
	if r.Err == nil {
		out.PreferredReadReplica = int32(r.Preferred)
	}
	out.Records = wire.BytesRecords(nil) // empty and not null: some clients fail on null
	if r.Size() > 0 {
		out.Records = wire.RangeRecords(r.Records)
	}
	if r.Diverging != nil {
		out.DivergingEpoch.Epoch, out.DivergingEpoch.EndOffset = int32(r.Diverging.Epoch), int64(r.Diverging.End)
	}
	if r.Aborted != nil {
		out.AbortedTransactions = make([]wire.FetchResponseAbortedTransaction, len(r.Aborted))
		for i, a := range r.Aborted {
			out.AbortedTransactions[i].ProducerID = int64(a.Producer)
			out.AbortedTransactions[i].FirstOffset = int64(a.First)
		}
	}
	if c.r.Header.APIVersion >= 16 && (errors.Is(r.Err, kerr.NotLeaderOrFollower) || errors.Is(r.Err, kerr.FencedLeaderEpoch)) {
		c.hint(response, out, r)
	}
}

// code is the error's code. Clients up to version 5 do not know
// KAFKA_STORAGE_ERROR, and would take it for one that is final.
func (c *fetchCall) code(err error) int16 {
	if errors.Is(err, kerr.KafkaStorageError) && c.r.Header.APIVersion <= 5 {
		err = kerr.NotLeaderOrFollower
	}
	return kerr.Code(err)
}

func (c *fetchCall) hint(response *wire.FetchResponse, out *wire.FetchResponsePartition, r *fetch.Result) {
	id := r.TopicID
	if t := c.img.Topic(r.Topic); t != nil {
		id = t.ID
	}
	hint := currentLeader(c.img, c.Partitions, id, r.Index, c.r.Listener)
	out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = hint.id, hint.epoch
	if hint.node == nil {
		return
	}
	for _, known := range response.NodeEndpoints {
		if known.NodeID == hint.id {
			return
		}
	}
	response.NodeEndpoints = append(response.NodeEndpoints, wire.FetchResponseNodeEndpoint{
		NodeID: hint.id, Host: hint.at.Host, Port: int32(hint.at.Port), Rack: hint.node.Rack,
	})
}
