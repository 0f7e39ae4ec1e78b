package wire

import "github.com/stromkafka/strom/internal/model"

// FetchSnapshotRequest asks FetchSnapshot, API key 59, versions 0-1.
type FetchSnapshotRequest struct {
	ClusterID *string // tag 0
	ReplicaID int32
	MaxBytes  int32
	Topics    []FetchSnapshotRequestTopic
}

// Reset sets the defaults.
func (m *FetchSnapshotRequest) Reset() {
	*m = FetchSnapshotRequest{ReplicaID: -1, MaxBytes: 2147483647}
}

// Key is the API key.
func (*FetchSnapshotRequest) Key() int16 { return KeyFetchSnapshot }
func (*FetchSnapshotRequest) request()   {}

func (m *FetchSnapshotRequest) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ReplicaID)
	c.int32(&m.MaxBytes)
	array(c, v, &m.Topics, false)
	c.beginTags()
	if c.tag(0, m.ClusterID != nil) {
		c.nullString(&m.ClusterID, true)
		c.endTag()
	}
	c.endTags()
}

// FetchSnapshotRequestTopic is part of FetchSnapshotRequest.
type FetchSnapshotRequestTopic struct {
	Name       string
	Partitions []FetchSnapshotRequestPartition
}

// Reset sets the defaults.
func (m *FetchSnapshotRequestTopic) Reset() {
	*m = FetchSnapshotRequestTopic{}
}

func (m *FetchSnapshotRequestTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// FetchSnapshotRequestPartition is part of FetchSnapshotRequest.
type FetchSnapshotRequestPartition struct {
	Partition          int32
	CurrentLeaderEpoch int32
	SnapshotID         FetchSnapshotRequestSnapshotID
	Position           int64
	ReplicaDirectoryID model.UUID // v1+, tag 0
}

// Reset sets the defaults.
func (m *FetchSnapshotRequestPartition) Reset() {
	*m = FetchSnapshotRequestPartition{}
}

func (m *FetchSnapshotRequestPartition) code(c *coder, v int16) {
	c.int32(&m.Partition)
	c.int32(&m.CurrentLeaderEpoch)
	m.SnapshotID.code(c, v)
	c.int64(&m.Position)
	c.beginTags()
	if v == 1 && c.tag(0, !m.ReplicaDirectoryID.IsZero()) {
		c.uuid(&m.ReplicaDirectoryID)
		c.endTag()
	}
	c.endTags()
}

// FetchSnapshotRequestSnapshotID is part of FetchSnapshotRequest.
type FetchSnapshotRequestSnapshotID struct {
	EndOffset int64
	Epoch     int32
}

// Reset sets the defaults.
func (m *FetchSnapshotRequestSnapshotID) Reset() {
	*m = FetchSnapshotRequestSnapshotID{}
}

func (m *FetchSnapshotRequestSnapshotID) code(c *coder, _ int16) {
	c.int64(&m.EndOffset)
	c.int32(&m.Epoch)
	c.noTags()
}

// FetchSnapshotResponse answers FetchSnapshotRequest.
type FetchSnapshotResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
	Topics         []FetchSnapshotResponseTopic
	NodeEndpoints  []FetchSnapshotResponseNodeEndpoint // v1+, tag 0
}

// Reset sets the defaults.
func (m *FetchSnapshotResponse) Reset() {
	*m = FetchSnapshotResponse{}
}

// Key is the API key.
func (*FetchSnapshotResponse) Key() int16 { return KeyFetchSnapshot }
func (*FetchSnapshotResponse) response()  {}

func (m *FetchSnapshotResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	array(c, v, &m.Topics, false)
	c.beginTags()
	if v == 1 && c.tag(0, len(m.NodeEndpoints) > 0) {
		array(c, v, &m.NodeEndpoints, false)
		c.endTag()
	}
	c.endTags()
}

// FetchSnapshotResponseTopic is part of FetchSnapshotResponse.
type FetchSnapshotResponseTopic struct {
	Name       string
	Partitions []FetchSnapshotResponsePartition
}

// Reset sets the defaults.
func (m *FetchSnapshotResponseTopic) Reset() {
	*m = FetchSnapshotResponseTopic{}
}

func (m *FetchSnapshotResponseTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// FetchSnapshotResponsePartition is part of FetchSnapshotResponse.
type FetchSnapshotResponsePartition struct {
	Index            int32
	ErrorCode        int16
	SnapshotID       FetchSnapshotResponseSnapshotID
	CurrentLeader    FetchSnapshotResponseCurrentLeader // tag 0
	Size             int64
	Position         int64
	UnalignedRecords Records
}

// Reset sets the defaults.
func (m *FetchSnapshotResponsePartition) Reset() {
	*m = FetchSnapshotResponsePartition{}
}

func (m *FetchSnapshotResponsePartition) code(c *coder, v int16) {
	c.int32(&m.Index)
	c.int16(&m.ErrorCode)
	m.SnapshotID.code(c, v)
	c.int64(&m.Size)
	c.int64(&m.Position)
	c.records(&m.UnalignedRecords, false)
	c.beginTags()
	if c.tag(0, m.CurrentLeader.LeaderID != 0 || m.CurrentLeader.LeaderEpoch != 0) {
		m.CurrentLeader.code(c, v)
		c.endTag()
	}
	c.endTags()
}

// FetchSnapshotResponseSnapshotID is part of FetchSnapshotResponse.
type FetchSnapshotResponseSnapshotID struct {
	EndOffset int64
	Epoch     int32
}

// Reset sets the defaults.
func (m *FetchSnapshotResponseSnapshotID) Reset() {
	*m = FetchSnapshotResponseSnapshotID{}
}

func (m *FetchSnapshotResponseSnapshotID) code(c *coder, _ int16) {
	c.int64(&m.EndOffset)
	c.int32(&m.Epoch)
	c.noTags()
}

// FetchSnapshotResponseCurrentLeader is part of FetchSnapshotResponse.
type FetchSnapshotResponseCurrentLeader struct {
	LeaderID    int32
	LeaderEpoch int32
}

// Reset sets the defaults.
func (m *FetchSnapshotResponseCurrentLeader) Reset() {
	*m = FetchSnapshotResponseCurrentLeader{}
}

func (m *FetchSnapshotResponseCurrentLeader) code(c *coder, _ int16) {
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	c.noTags()
}

// FetchSnapshotResponseNodeEndpoint is part of FetchSnapshotResponse.
type FetchSnapshotResponseNodeEndpoint struct {
	NodeID int32  // v1+
	Host   string // v1+
	Port   uint16 // v1+
}

// Reset sets the defaults.
func (m *FetchSnapshotResponseNodeEndpoint) Reset() {
	*m = FetchSnapshotResponseNodeEndpoint{}
}

func (m *FetchSnapshotResponseNodeEndpoint) code(c *coder, _ int16) {
	c.int32(&m.NodeID)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.noTags()
}
