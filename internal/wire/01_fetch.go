package wire

import "github.com/stromkafka/strom/internal/model"

// FetchRequest asks Fetch, API key 1, versions 4-18.
type FetchRequest struct {
	ClusterID           *string                  // v12+, tag 0
	ReplicaID           int32                    // v4-14
	ReplicaState        FetchRequestReplicaState // v15+, tag 1
	MaxWaitMS           int32
	MinBytes            int32
	MaxBytes            int32
	IsolationLevel      int8
	SessionID           int32 // v7+
	SessionEpoch        int32 // v7+
	Topics              []FetchRequestTopic
	ForgottenTopicsData []FetchRequestForgottenTopicsData // v7+
	RackID              string                            // v11+
}

// Reset sets the defaults.
func (m *FetchRequest) Reset() {
	*m = FetchRequest{ReplicaID: -1, MaxBytes: 2147483647, SessionEpoch: -1}
	m.ReplicaState.Reset()
}

// Key is the API key.
func (*FetchRequest) Key() int16 { return KeyFetch }
func (*FetchRequest) request()   {}

func (m *FetchRequest) code(c *coder, v int16) {
	c.flexible = v >= 12
	if v <= 14 {
		c.int32(&m.ReplicaID)
	}
	c.int32(&m.MaxWaitMS)
	c.int32(&m.MinBytes)
	c.int32(&m.MaxBytes)
	c.int8(&m.IsolationLevel)
	if v >= 7 {
		c.int32(&m.SessionID)
	}
	if v >= 7 {
		c.int32(&m.SessionEpoch)
	}
	array(c, v, &m.Topics, false)
	if v >= 7 {
		array(c, v, &m.ForgottenTopicsData, false)
	}
	if v >= 11 {
		c.string(&m.RackID)
	}
	if c.flexible {
		c.beginTags()
		if c.tag(0, m.ClusterID != nil) {
			c.nullString(&m.ClusterID, true)
			c.endTag()
		}
		if v >= 15 && c.tag(1, m.ReplicaState.ReplicaID != -1 || m.ReplicaState.ReplicaEpoch != -1) {
			m.ReplicaState.code(c, v)
			c.endTag()
		}
		c.endTags()
	}
}

// FetchRequestReplicaState is part of FetchRequest.
type FetchRequestReplicaState struct {
	ReplicaID    int32 // v15+
	ReplicaEpoch int64 // v15+
}

// Reset sets the defaults.
func (m *FetchRequestReplicaState) Reset() {
	*m = FetchRequestReplicaState{ReplicaID: -1, ReplicaEpoch: -1}
}

func (m *FetchRequestReplicaState) code(c *coder, _ int16) {
	c.int32(&m.ReplicaID)
	c.int64(&m.ReplicaEpoch)
	c.noTags()
}

// FetchRequestTopic is part of FetchRequest.
type FetchRequestTopic struct {
	Topic      string     // v4-12
	TopicID    model.UUID // v13+
	Partitions []FetchRequestPartition
}

// Reset sets the defaults.
func (m *FetchRequestTopic) Reset() {
	*m = FetchRequestTopic{}
}

func (m *FetchRequestTopic) code(c *coder, v int16) {
	if v <= 12 {
		c.string(&m.Topic)
	}
	if v >= 13 {
		c.uuid(&m.TopicID)
	}
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// FetchRequestPartition is part of FetchRequest.
type FetchRequestPartition struct {
	Partition          int32
	CurrentLeaderEpoch int32 // v9+
	FetchOffset        int64
	LastFetchedEpoch   int32 // v12+
	LogStartOffset     int64 // v5+
	PartitionMaxBytes  int32
	ReplicaDirectoryID model.UUID // v17+, tag 0
	HighWatermark      int64      // v18+, tag 1
}

// Reset sets the defaults.
func (m *FetchRequestPartition) Reset() {
	*m = FetchRequestPartition{CurrentLeaderEpoch: -1, LastFetchedEpoch: -1, LogStartOffset: -1, HighWatermark: 9223372036854775807}
}

func (m *FetchRequestPartition) code(c *coder, v int16) {
	c.int32(&m.Partition)
	if v >= 9 {
		c.int32(&m.CurrentLeaderEpoch)
	}
	c.int64(&m.FetchOffset)
	if v >= 12 {
		c.int32(&m.LastFetchedEpoch)
	}
	if v >= 5 {
		c.int64(&m.LogStartOffset)
	}
	c.int32(&m.PartitionMaxBytes)
	if c.flexible {
		c.beginTags()
		if v >= 17 && c.tag(0, !m.ReplicaDirectoryID.IsZero()) {
			c.uuid(&m.ReplicaDirectoryID)
			c.endTag()
		}
		if v == 18 && c.tag(1, m.HighWatermark != 9223372036854775807) {
			c.int64(&m.HighWatermark)
			c.endTag()
		}
		c.endTags()
	}
}

// FetchRequestForgottenTopicsData is part of FetchRequest.
type FetchRequestForgottenTopicsData struct {
	Topic      string     // v7-12
	TopicID    model.UUID // v13+
	Partitions []int32    // v7+
}

// Reset sets the defaults.
func (m *FetchRequestForgottenTopicsData) Reset() {
	*m = FetchRequestForgottenTopicsData{}
}

func (m *FetchRequestForgottenTopicsData) code(c *coder, v int16) {
	if v <= 12 {
		c.string(&m.Topic)
	}
	if v >= 13 {
		c.uuid(&m.TopicID)
	}
	list(c, &m.Partitions, false, (*coder).int32)
	if c.flexible {
		c.noTags()
	}
}

// FetchResponse answers FetchRequest.
type FetchResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16 // v7+
	SessionID      int32 // v7+
	Responses      []FetchResponseResponse
	NodeEndpoints  []FetchResponseNodeEndpoint // v16+, tag 0
}

// Reset sets the defaults.
func (m *FetchResponse) Reset() {
	*m = FetchResponse{}
}

// Key is the API key.
func (*FetchResponse) Key() int16 { return KeyFetch }
func (*FetchResponse) response()  {}

func (m *FetchResponse) code(c *coder, v int16) {
	c.flexible = v >= 12
	c.int32(&m.ThrottleTimeMS)
	if v >= 7 {
		c.int16(&m.ErrorCode)
	}
	if v >= 7 {
		c.int32(&m.SessionID)
	}
	array(c, v, &m.Responses, false)
	if c.flexible {
		c.beginTags()
		if v >= 16 && c.tag(0, len(m.NodeEndpoints) > 0) {
			array(c, v, &m.NodeEndpoints, false)
			c.endTag()
		}
		c.endTags()
	}
}

// FetchResponseResponse is part of FetchResponse.
type FetchResponseResponse struct {
	Topic      string     // v4-12
	TopicID    model.UUID // v13+
	Partitions []FetchResponsePartition
}

// Reset sets the defaults.
func (m *FetchResponseResponse) Reset() {
	*m = FetchResponseResponse{}
}

func (m *FetchResponseResponse) code(c *coder, v int16) {
	if v <= 12 {
		c.string(&m.Topic)
	}
	if v >= 13 {
		c.uuid(&m.TopicID)
	}
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// FetchResponsePartition is part of FetchResponse.
type FetchResponsePartition struct {
	PartitionIndex       int32
	ErrorCode            int16
	HighWatermark        int64
	LastStableOffset     int64
	LogStartOffset       int64                             // v5+
	DivergingEpoch       FetchResponseDivergingEpoch       // v12+, tag 0
	CurrentLeader        FetchResponseCurrentLeader        // v12+, tag 1
	SnapshotID           FetchResponseSnapshotID           // v12+, tag 2
	AbortedTransactions  []FetchResponseAbortedTransaction // nil is null
	PreferredReadReplica int32                             // v11+
	Records              Records                           // nil is null
}

// Reset sets the defaults.
func (m *FetchResponsePartition) Reset() {
	*m = FetchResponsePartition{LastStableOffset: -1, LogStartOffset: -1, PreferredReadReplica: -1}
	m.DivergingEpoch.Reset()
	m.CurrentLeader.Reset()
	m.SnapshotID.Reset()
}

func (m *FetchResponsePartition) code(c *coder, v int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	c.int64(&m.HighWatermark)
	c.int64(&m.LastStableOffset)
	if v >= 5 {
		c.int64(&m.LogStartOffset)
	}
	array(c, v, &m.AbortedTransactions, true)
	if v >= 11 {
		c.int32(&m.PreferredReadReplica)
	}
	c.records(&m.Records, true)
	if c.flexible {
		c.beginTags()
		if c.tag(0, m.DivergingEpoch.Epoch != -1 || m.DivergingEpoch.EndOffset != -1) {
			m.DivergingEpoch.code(c, v)
			c.endTag()
		}
		if c.tag(1, m.CurrentLeader.LeaderID != -1 || m.CurrentLeader.LeaderEpoch != -1) {
			m.CurrentLeader.code(c, v)
			c.endTag()
		}
		if c.tag(2, m.SnapshotID.EndOffset != -1 || m.SnapshotID.Epoch != -1) {
			m.SnapshotID.code(c, v)
			c.endTag()
		}
		c.endTags()
	}
}

// FetchResponseDivergingEpoch is part of FetchResponse.
type FetchResponseDivergingEpoch struct {
	Epoch     int32 // v12+
	EndOffset int64 // v12+
}

// Reset sets the defaults.
func (m *FetchResponseDivergingEpoch) Reset() {
	*m = FetchResponseDivergingEpoch{Epoch: -1, EndOffset: -1}
}

func (m *FetchResponseDivergingEpoch) code(c *coder, _ int16) {
	c.int32(&m.Epoch)
	c.int64(&m.EndOffset)
	c.noTags()
}

// FetchResponseCurrentLeader is part of FetchResponse.
type FetchResponseCurrentLeader struct {
	LeaderID    int32 // v12+
	LeaderEpoch int32 // v12+
}

// Reset sets the defaults.
func (m *FetchResponseCurrentLeader) Reset() {
	*m = FetchResponseCurrentLeader{LeaderID: -1, LeaderEpoch: -1}
}

func (m *FetchResponseCurrentLeader) code(c *coder, _ int16) {
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	c.noTags()
}

// FetchResponseSnapshotID is part of FetchResponse.
type FetchResponseSnapshotID struct {
	EndOffset int64 // v12+
	Epoch     int32 // v12+
}

// Reset sets the defaults.
func (m *FetchResponseSnapshotID) Reset() {
	*m = FetchResponseSnapshotID{EndOffset: -1, Epoch: -1}
}

func (m *FetchResponseSnapshotID) code(c *coder, _ int16) {
	c.int64(&m.EndOffset)
	c.int32(&m.Epoch)
	c.noTags()
}

// FetchResponseAbortedTransaction is part of FetchResponse.
type FetchResponseAbortedTransaction struct {
	ProducerID  int64
	FirstOffset int64
}

// Reset sets the defaults.
func (m *FetchResponseAbortedTransaction) Reset() {
	*m = FetchResponseAbortedTransaction{}
}

func (m *FetchResponseAbortedTransaction) code(c *coder, _ int16) {
	c.int64(&m.ProducerID)
	c.int64(&m.FirstOffset)
	if c.flexible {
		c.noTags()
	}
}

// FetchResponseNodeEndpoint is part of FetchResponse.
type FetchResponseNodeEndpoint struct {
	NodeID int32   // v16+
	Host   string  // v16+
	Port   int32   // v16+
	Rack   *string // v16+
}

// Reset sets the defaults.
func (m *FetchResponseNodeEndpoint) Reset() {
	*m = FetchResponseNodeEndpoint{}
}

func (m *FetchResponseNodeEndpoint) code(c *coder, _ int16) {
	c.int32(&m.NodeID)
	c.string(&m.Host)
	c.int32(&m.Port)
	c.nullString(&m.Rack, true)
	c.noTags()
}
