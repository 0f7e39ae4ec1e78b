package data

import (
	"context"
	"errors"
	"time"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// Produce is API key 0, versions 3-13. ApiVersions says 0-13: old librdkafka
// takes a broker without version 0 for one that is too old (KAFKA-18659). A
// request of versions 0-2 closes the connection, as in Apache Kafka 4.
//
// Records are appended before the next request of the connection is read, and
// waited for while it is: pipelined producers share a sync. acks=all waits until
// the records are committed, acks=1 answers at the append, acks=0 never; an error
// with acks=0 closes the connection, so that the producer notices.
//
// The first records of a transaction in a partition are appended once the
// transaction's coordinator knows of the partition; from version 12 on it is told
// of it here. The connection waits for that.
//
// KIP-98 (idempotence, transactions), KIP-467 (errors of single records, v8),
// KIP-951 (the new leader in the error, v10), KIP-890 (verification, v11 and 12),
// KIP-516 (topic ids, v13).
type Produce struct {
	Image      func() *metadata.Image
	Partitions Partitions
	Authorizer auth.Authorizer
	Verifier   Verifier
}

// adminClientID may write to internal topics, as in Kafka.
const adminClientID = "__admin_client"

// produced is one request whose records are appended.
type produced struct {
	h        *Produce
	response wire.ProduceResponse
	acks     int16
	timeout  time.Duration
	version  int16
	listener string
	waits    []wait
	failed   bool
}

// wait is one append that is not yet known to be committed. The indexes say
// where its answer is.
type wait struct {
	token        replica.Token
	topicID      model.TopicID
	topic, index int
}

// Begin implements server.Pipelined.
func (h *Produce) Begin(ctx context.Context, r *server.Request) server.Pending {
	req := r.Body.(*wire.ProduceRequest)
	p := &produced{
		h: h, acks: req.Acks, timeout: time.Duration(req.TimeoutMS) * time.Millisecond,
		version: r.Header.APIVersion, listener: r.Listener,
	}
	c := call{Produce: h, r: r, img: h.Image(), acks: req.Acks}
	topics := eachOnce(req.TopicData)
	c.refused = c.refusal(ctx, req, topics)
	p.response.Responses = make([]wire.ProduceResponseResponse, len(topics))
	for i := range topics {
		c.topic(p, i, &topics[i])
	}
	switch {
	case req.Acks == 0 && p.failed:
		return server.Done{Response: server.Close}
	case req.Acks == 0:
		return nil
	case len(p.waits) == 0:
		return server.Done{Response: &p.response}
	}
	return p
}

// call is what the partitions of one request have in common.
type call struct {
	*Produce
	r       *server.Request
	img     *metadata.Image
	acks    int16
	refused error
	// verdicts are those on the partitions of a transaction; nil without one.
	verdicts map[model.Partition]verdict
}

// refusal is why no partition of the request is appended to; nil if any may be.
func (c *call) refusal(ctx context.Context, req *wire.ProduceRequest, topics []wire.ProduceRequestTopicData) error {
	transactional, err := hasTransactional(req)
	if err != nil || !transactional {
		return err
	}
	if req.TransactionalID == nil || !c.Authorizer.Allowed(c.r.Principal, c.r.ClientHost, auth.Write, auth.TransactionalID, *req.TransactionalID) {
		return kerr.TransactionalIDAuthorizationFailed
	}
	c.verdicts = map[model.Partition]verdict{}
	return c.verify(ctx, *req.TransactionalID, topics)
}

func (c *call) topic(p *produced, i int, data *wire.ProduceRequestTopicData) {
	out := &p.response.Responses[i]
	out.Name, out.TopicID = data.Name, data.TopicID
	out.PartitionResponses = make([]wire.ProduceResponsePartitionResponse, len(data.PartitionData))
	topic, err := c.resolve(data)
	for j := range data.PartitionData {
		partition, answer := &data.PartitionData[j], &out.PartitionResponses[j]
		answer.Reset()
		answer.Index, answer.BaseOffset = partition.Index, -1
		token, info, appendErr := replica.Token{}, noAppend, err
		if err == nil {
			token, info, appendErr = c.append(topic, partition)
		}
		var id model.TopicID
		if topic != nil {
			id = topic.ID
		}
		if appendErr != nil {
			answer.LogStartOffset = int64(info.LogStart)
			answer.ErrorMessage = c.message(appendErr)
			p.fail(answer, id, appendErr)
			continue
		}
		answer.BaseOffset, answer.LogAppendTimeMS = int64(info.FirstOffset), info.LogAppendTime
		answer.LogStartOffset = int64(info.LogStart)
		if c.acks == -1 {
			p.waits = append(p.waits, wait{token: token, topicID: id, topic: i, index: j})
		}
	}
}

// resolve is the topic that the request names. The order of the checks is
// Kafka's: an unknown id, the right to write, an unknown name.
func (c *call) resolve(data *wire.ProduceRequestTopicData) (*metadata.Topic, error) {
	if c.refused != nil {
		return nil, c.refused
	}
	topic, name := c.img.Topic(data.Name), data.Name
	if c.r.Header.APIVersion >= 13 {
		if topic = c.img.TopicByID(model.TopicID(data.TopicID)); topic == nil {
			return nil, kerr.UnknownTopicID
		}
		name = topic.Name
	}
	switch {
	case !rights.Topic(c.Authorizer, c.r, auth.Write, name):
		return nil, kerr.TopicAuthorizationFailed
	case topic == nil:
		return nil, kerr.UnknownTopicOrPartition
	}
	return topic, nil
}

var noAppend = replica.AppendInfo{LogStart: -1}

func (c *call) append(topic *metadata.Topic, data *wire.ProduceRequestPartitionData) (replica.Token, replica.AppendInfo, error) {
	if c.img.Partition(topic.ID, data.Index) == nil {
		return replica.Token{}, noAppend, kerr.UnknownTopicOrPartition
	}
	records := data.Records.Bytes()
	if err := checkRecords(c.r.Header.APIVersion, records); err != nil {
		return replica.Token{}, noAppend, err
	}
	if c.acks < -1 || c.acks > 1 {
		return replica.Token{}, noAppend, kerr.InvalidRequiredAcks
	}
	if model.IsInternalTopic(topic.Name) && (c.r.Header.ClientID == nil || *c.r.Header.ClientID != adminClientID) {
		return replica.Token{}, noAppend, kerr.InvalidTopicException.With("cannot append to internal topic %s", topic.Name)
	}
	p, err := c.Partitions.Partition(topic.ID, data.Index)
	if err != nil {
		return replica.Token{}, noAppend, err
	}
	v := c.verdicts[model.Partition{Topic: topic.Name, Index: data.Index}]
	if v.err != nil {
		return replica.Token{}, noAppend, v.err
	}
	token, info, err := p.Append(records, c.acks, commitlog.Append{Guard: v.guard})
	if err != nil {
		info = noAppend
		if s, statusErr := p.Status(); statusErr == nil && !silent[kerr.Code(err)] {
			info.LogStart = s.LogStart
		}
	}
	return token, info, err
}

// fail turns an answer into an error.
func (p *produced) fail(answer *wire.ProduceResponsePartitionResponse, topic model.TopicID, err error) {
	p.failed = true
	answer.ErrorCode = kerr.Code(err)
	var records *batch.RecordErrors
	if errors.As(err, &records) {
		for _, r := range records.Records {
			message := r.Message
			answer.RecordErrors = append(answer.RecordErrors, wire.ProduceResponseRecordError{BatchIndex: r.BatchIndex, BatchIndexErrorMessage: &message})
		}
	}
	if p.version >= 10 && answer.ErrorCode == kerr.NotLeaderOrFollower.Code {
		p.hint(answer, topic)
	}
}

func (p *produced) hint(answer *wire.ProduceResponsePartitionResponse, topic model.TopicID) {
	hint := currentLeader(p.h.Image(), p.h.Partitions, topic, answer.Index, p.listener)
	answer.CurrentLeader.LeaderID, answer.CurrentLeader.LeaderEpoch = hint.id, hint.epoch
	if hint.node == nil {
		return
	}
	for _, known := range p.response.NodeEndpoints {
		if known.NodeID == hint.id {
			return
		}
	}
	p.response.NodeEndpoints = append(p.response.NodeEndpoints, wire.ProduceResponseNodeEndpoint{
		NodeID: hint.id, Host: hint.at.Host, Port: int32(hint.at.Port), Rack: hint.node.Rack,
	})
}

// Ready implements the optional half of server.Pending.
func (p *produced) Ready() bool {
	for i := range p.waits {
		if !p.waits[i].token.Settled() {
			return false
		}
	}
	return true
}

// Wait implements server.Pending. Partitions whose records are not committed in
// the request's time answer REQUEST_TIMED_OUT; the records may be committed yet.
func (p *produced) Wait(ctx context.Context) wire.Response {
	timed := ctx
	if !p.Ready() {
		var cancel context.CancelFunc
		timed, cancel = context.WithTimeout(ctx, p.timeout)
		defer cancel()
	}
	for i := range p.waits {
		w := &p.waits[i]
		err := w.token.Wait(timed)
		if err == nil {
			continue
		}
		if timed.Err() != nil && errors.Is(err, context.Cause(timed)) {
			err = kerr.RequestTimedOut
		}
		p.fail(&p.response.Responses[w.topic].PartitionResponses[w.index], w.topicID, err)
	}
	return &p.response
}
