package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// partTimeout bounds each question that a sick cluster may leave open: to the
	// quorum's leader, and to every broker about its directories.
	partTimeout = 5 * time.Second
	// configsAtOnce is how many topics one DescribeConfigs names.
	configsAtOnce = 1000
	minInSync     = "min.insync.replicas"
)

// A clusterState is what a cluster told about itself. Its parts are answers to
// questions asked one after the other, so they may be of different moments; nil
// is what this cluster does not tell.
type clusterState struct {
	id              string
	metadataVersion string
	brokers         []brokerState // by id; with the fenced ones where the cluster tells of them
	partitions      []partitionState
	topics          int
	internal        int
	quorum          *quorumState
	quorumErr       error // why a cluster that has a quorum did not tell about it
	dirs            []dirState
	dirsErr         map[int32]error // brokers that did not tell about their directories
}

type brokerState struct {
	id     int32
	host   string
	port   int32
	rack   string
	fenced bool
}

type partitionState struct {
	topic     string
	partition int32
	leader    int32 // -1: none
	replicas  []int32
	inSync    []int32
	elr       []int32 // eligible leader replicas
	lastELR   []int32 // those of the time before nobody was left
	minInSync int     // 0: unknown
}

// quorumState is the leader's view of the metadata quorum.
type quorumState struct {
	leader    int32 // -1: none
	epoch     int32
	high      int64
	voters    []quorumReplica
	observers []quorumReplica
	listeners map[int32]string // the controllers' first listeners, host:port
}

// A quorumReplica has -1 for what is not known. The ages are by the leader's
// clock, in milliseconds.
type quorumReplica struct {
	id        int32
	directory string // empty with static voters
	end       int64
	lag       int64 // records behind the leader's end
	behind    int64 // how long it has been behind; 0 when it has everything
	fetched   int64 // since its last fetch
}

type dirState struct {
	broker int32
	path   string
	err    error // not nil: offline
}

// askState asks for everything that describe and health tell. The error is for
// a cluster that cannot be asked at all.
func (k *cluster) askState(ctx context.Context) (*clusterState, error) {
	versions, err := k.versions(ctx)
	if err != nil {
		return nil, err
	}
	s := &clusterState{metadataVersion: finalizedMetadata(versions)}
	if err := s.addNodes(ctx, k, versions); err != nil {
		return nil, err
	}
	if err := s.addPartitions(ctx, k, versions); err != nil {
		return nil, err
	}
	if knows(versions, kmsg.DescribeLogDirs) {
		s.addDirs(ctx, k)
	}
	// Last: without a majority this question stays open, and what is asked on the
	// same connection after it too.
	if knows(versions, kmsg.DescribeQuorum) {
		s.quorum, s.quorumErr = k.askQuorum(ctx, s.live())
	}
	return s, nil
}

func finalizedMetadata(v *kmsg.ApiVersionsResponse) string {
	for _, f := range v.FinalizedFeatures {
		if f.Name == metadata.FeatureMetadataVersion {
			return metadata.Version(f.MaxVersionLevel).String()
		}
	}
	return ""
}

// addNodes asks with DescribeCluster, which from version 2 on tells of fenced
// brokers; a cluster without it tells its live brokers as metadata.
func (s *clusterState) addNodes(ctx context.Context, k *cluster, versions *kmsg.ApiVersionsResponse) error {
	if !knows(versions, kmsg.DescribeCluster) {
		m, err := k.BrokerMetadata(ctx)
		if err != nil {
			return fmt.Errorf("ask for the brokers: %w", err)
		}
		s.id = m.Cluster
		for _, b := range m.Brokers {
			s.brokers = append(s.brokers, brokerState{id: b.NodeID, host: b.Host, port: b.Port, rack: orEmpty(b.Rack)})
		}
		return nil
	}
	req := kmsg.NewPtrDescribeClusterRequest()
	req.IncludeFencedBrokers = true
	resp, err := req.RequestWith(ctx, k.raw)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return refused("cannot describe the cluster", err, "")
	}
	s.id = resp.ClusterID
	for _, b := range resp.Brokers {
		s.brokers = append(s.brokers, brokerState{id: b.NodeID, host: b.Host, port: b.Port, rack: orEmpty(b.Rack), fenced: b.IsFenced})
	}
	slices.SortFunc(s.brokers, func(a, b brokerState) int { return cmp.Compare(a.id, b.id) })
	return nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *clusterState) addPartitions(ctx context.Context, k *cluster, versions *kmsg.ApiVersionsResponse) error {
	topics, err := k.ListTopicsWithInternal(ctx)
	if err != nil {
		return fmt.Errorf("ask for the topics: %w", err)
	}
	minimum, err := k.askMinInSync(ctx, topics.Names())
	if err != nil {
		return err
	}
	for _, t := range topics.Sorted() {
		s.topics++
		if t.IsInternal {
			s.internal++
		}
		for _, p := range t.Partitions.Sorted() {
			s.partitions = append(s.partitions, partitionState{topic: t.Topic, partition: p.Partition, leader: p.Leader,
				replicas: p.Replicas, inSync: p.ISR, minInSync: minimum[t.Topic]})
		}
	}
	if knows(versions, kmsg.DescribeTopicPartitions) {
		return s.addELR(ctx, k)
	}
	return nil
}

// askMinInSync is min.insync.replicas by topic; a topic whose configs may not be
// read is left out.
func (k *cluster) askMinInSync(ctx context.Context, topics []string) (map[string]int, error) {
	minimum := map[string]int{}
	for some := range slices.Chunk(topics, configsAtOnce) {
		req := kmsg.NewPtrDescribeConfigsRequest()
		for _, name := range some {
			r := kmsg.NewDescribeConfigsRequestResource()
			r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, name, []string{minInSync}
			req.Resources = append(req.Resources, r)
		}
		resp, err := req.RequestWith(ctx, k.raw)
		if err != nil {
			return nil, fmt.Errorf("ask for %s of the topics: %w", minInSync, err)
		}
		for _, r := range resp.Resources {
			for _, c := range r.Configs {
				if n, err := strconv.Atoi(orEmpty(c.Value)); err == nil && c.Name == minInSync {
					minimum[r.ResourceName] = n
				}
			}
		}
	}
	return minimum, nil
}

// addELR goes through the pages of DescribeTopicPartitions. The cursor of a page
// has to be past that of the one before.
func (s *clusterState) addELR(ctx context.Context, k *cluster) error {
	type place struct {
		topic     string
		partition int32
	}
	at := map[place]*partitionState{}
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	for i := range s.partitions {
		p := &s.partitions[i]
		at[place{p.topic, p.partition}] = p
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != p.topic {
			t := kmsg.NewDescribeTopicPartitionsRequestTopic()
			t.Topic = p.topic
			req.Topics = append(req.Topics, t)
		}
	}
	for len(req.Topics) > 0 {
		resp, err := req.RequestWith(ctx, k.raw)
		if err != nil {
			return fmt.Errorf("ask for the eligible leader replicas: %w", err)
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if known := at[place{orEmpty(t.Topic), p.Partition}]; known != nil {
					known.elr, known.lastELR = p.EligibleLeaderReplicas, p.LastKnownELR
				}
			}
		}
		next := resp.NextCursor
		if next == nil || req.Cursor != nil && (next.Topic < req.Cursor.Topic || next.Topic == req.Cursor.Topic && next.Partition <= req.Cursor.Partition) {
			return nil
		}
		cursor := kmsg.NewDescribeTopicPartitionsRequestCursor()
		cursor.Topic, cursor.Partition = next.Topic, next.Partition
		req.Cursor = &cursor
	}
	return nil
}

// askQuorum is the state of the metadata quorum, or why it is not known. Any
// broker passes the question on to the leader, for as long as there is one; the
// next is asked when a broker cannot be reached.
func (k *cluster) askQuorum(ctx context.Context, brokers []int32) (q *quorumState, err error) {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	err = errors.New("no broker is alive")
	for _, broker := range brokers {
		q, err = k.askQuorumAt(ctx, broker)
		if err == nil || !isNetwork(err) {
			break
		}
	}
	return q, err
}

func (k *cluster) askQuorumAt(ctx context.Context, broker int32) (*quorumState, error) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, topic)
	answer, err := k.raw.Broker(int(broker)).Request(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := answer.(*kmsg.DescribeQuorumResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, errors.New("the answer does not hold the one partition that was asked for")
	}
	p := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		return nil, err
	}
	return newQuorumState(p, resp.Nodes), nil
}

func newQuorumState(p kmsg.DescribeQuorumResponseTopicPartition, nodes []kmsg.DescribeQuorumResponseNode) *quorumState {
	q := &quorumState{leader: p.LeaderID, epoch: p.LeaderEpoch, high: p.HighWatermark, listeners: map[int32]string{}}
	for _, n := range nodes {
		if len(n.Listeners) > 0 {
			q.listeners[n.NodeID] = fmt.Sprintf("%s:%d", n.Listeners[0].Host, n.Listeners[0].Port)
		}
	}
	leader := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
	leader.LogEndOffset = -1
	if i := slices.IndexFunc(p.CurrentVoters, func(v kmsg.DescribeQuorumResponseTopicPartitionReplicaState) bool { return v.ReplicaID == p.LeaderID }); i >= 0 {
		leader = p.CurrentVoters[i]
	}
	all := func(states []kmsg.DescribeQuorumResponseTopicPartitionReplicaState) []quorumReplica {
		var replicas []quorumReplica
		for _, state := range states {
			replicas = append(replicas, newQuorumReplica(state, leader))
		}
		slices.SortFunc(replicas, func(a, b quorumReplica) int { return cmp.Compare(a.id, b.id) })
		return replicas
	}
	q.voters, q.observers = all(p.CurrentVoters), all(p.Observers)
	return q
}

// newQuorumReplica measures a replica against the leader, whose own timestamps
// are the moment of its answer.
func newQuorumReplica(state, leader kmsg.DescribeQuorumResponseTopicPartitionReplicaState) quorumReplica {
	r := quorumReplica{id: state.ReplicaID, end: state.LogEndOffset, lag: -1, behind: -1, fetched: -1}
	if state.ReplicaDirectoryID != [16]byte{} {
		r.directory = model.UUID(state.ReplicaDirectoryID).String()
	}
	if state.LogEndOffset >= 0 && leader.LogEndOffset >= 0 {
		r.lag = max(0, leader.LogEndOffset-state.LogEndOffset)
	}
	if state.LastFetchTimestamp >= 0 && leader.LastFetchTimestamp >= 0 {
		r.fetched = max(0, leader.LastFetchTimestamp-state.LastFetchTimestamp)
	}
	switch {
	case r.lag == 0:
		r.behind = 0
	case state.LastCaughtUpTimestamp >= 0 && leader.LastCaughtUpTimestamp >= 0:
		r.behind = max(0, leader.LastCaughtUpTimestamp-state.LastCaughtUpTimestamp)
	}
	return r
}

// addDirs asks every live broker for its directories. One that does not answer
// is noted, for the others' answers are worth having.
func (s *clusterState) addDirs(ctx context.Context, k *cluster) {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	live := s.live()
	dirs, failures := make([][]dirState, len(live)), make([]error, len(live))
	var asking sync.WaitGroup
	for i, broker := range live {
		asking.Go(func() { dirs[i], failures[i] = k.askDirs(ctx, broker) })
	}
	asking.Wait()
	s.dirs, s.dirsErr = slices.Concat(dirs...), map[int32]error{}
	for i, err := range failures {
		if err != nil {
			s.dirsErr[live[i]] = err
		}
	}
}

// askDirs asks one broker for its directories and for none of the partitions in
// them, which may be many.
func (k *cluster) askDirs(ctx context.Context, broker int32) ([]dirState, error) {
	req := kmsg.NewPtrDescribeLogDirsRequest()
	req.Topics = []kmsg.DescribeLogDirsRequestTopic{}
	answer, err := k.raw.Broker(int(broker)).Request(ctx, req)
	if err != nil { // once more: the connection may have been closed
		answer, err = k.raw.Broker(int(broker)).Request(ctx, req)
	}
	if err != nil {
		return nil, err
	}
	resp := answer.(*kmsg.DescribeLogDirsResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	var dirs []dirState
	for _, d := range resp.Dirs {
		dirs = append(dirs, dirState{broker: broker, path: d.Dir, err: kerr.ErrorForCode(d.ErrorCode)})
	}
	slices.SortFunc(dirs, func(a, b dirState) int { return cmp.Compare(a.path, b.path) })
	return dirs, nil
}

// live are the brokers that are not fenced.
func (s *clusterState) live() []int32 {
	var ids []int32
	for _, b := range s.brokers {
		if !b.fenced {
			ids = append(ids, b.id)
		}
	}
	return ids
}

// absent are the nodes that hold replicas and are no registered brokers.
func (s *clusterState) absent() []int32 {
	holders := map[int32]bool{}
	for _, p := range s.partitions {
		for _, id := range p.replicas {
			holders[id] = true
		}
	}
	for _, b := range s.brokers {
		delete(holders, b.id)
	}
	return slices.Sorted(maps.Keys(holders))
}
