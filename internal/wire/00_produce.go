package wire

import "github.com/stromkafka/strom/internal/model"

// ProduceRequest asks Produce, API key 0, versions 3-13.
type ProduceRequest struct {
	TransactionalID *string
	Acks            int16
	TimeoutMS       int32
	TopicData       []ProduceRequestTopicData
}

// Reset sets the defaults.
func (m *ProduceRequest) Reset() {
	*m = ProduceRequest{}
}

// Key is the API key.
func (*ProduceRequest) Key() int16 { return KeyProduce }
func (*ProduceRequest) request()   {}

func (m *ProduceRequest) code(c *coder, v int16) {
	c.flexible = v >= 9
	c.nullString(&m.TransactionalID, true)
	c.int16(&m.Acks)
	c.int32(&m.TimeoutMS)
	array(c, v, &m.TopicData, false)
	if c.flexible {
		c.noTags()
	}
}

// ProduceRequestTopicData is part of ProduceRequest.
type ProduceRequestTopicData struct {
	Name          string     // v3-12
	TopicID       model.UUID // v13+
	PartitionData []ProduceRequestPartitionData
}

// Reset sets the defaults.
func (m *ProduceRequestTopicData) Reset() {
	*m = ProduceRequestTopicData{}
}

func (m *ProduceRequestTopicData) code(c *coder, v int16) {
	if v <= 12 {
		c.string(&m.Name)
	}
	if v == 13 {
		c.uuid(&m.TopicID)
	}
	array(c, v, &m.PartitionData, false)
	if c.flexible {
		c.noTags()
	}
}

// ProduceRequestPartitionData is part of ProduceRequest.
type ProduceRequestPartitionData struct {
	Index   int32
	Records Records // nil is null
}

// Reset sets the defaults.
func (m *ProduceRequestPartitionData) Reset() {
	*m = ProduceRequestPartitionData{}
}

func (m *ProduceRequestPartitionData) code(c *coder, _ int16) {
	c.int32(&m.Index)
	c.records(&m.Records, true)
	if c.flexible {
		c.noTags()
	}
}

// ProduceResponse answers ProduceRequest.
type ProduceResponse struct {
	Responses      []ProduceResponseResponse
	ThrottleTimeMS int32
	NodeEndpoints  []ProduceResponseNodeEndpoint // v10+, tag 0
}

// Reset sets the defaults.
func (m *ProduceResponse) Reset() {
	*m = ProduceResponse{}
}

// Key is the API key.
func (*ProduceResponse) Key() int16 { return KeyProduce }
func (*ProduceResponse) response()  {}

func (m *ProduceResponse) code(c *coder, v int16) {
	c.flexible = v >= 9
	array(c, v, &m.Responses, false)
	c.int32(&m.ThrottleTimeMS)
	if c.flexible {
		c.beginTags()
		if v >= 10 && c.tag(0, len(m.NodeEndpoints) > 0) {
			array(c, v, &m.NodeEndpoints, false)
			c.endTag()
		}
		c.endTags()
	}
}

// ProduceResponseResponse is part of ProduceResponse.
type ProduceResponseResponse struct {
	Name               string     // v3-12
	TopicID            model.UUID // v13+
	PartitionResponses []ProduceResponsePartitionResponse
}

// Reset sets the defaults.
func (m *ProduceResponseResponse) Reset() {
	*m = ProduceResponseResponse{}
}

func (m *ProduceResponseResponse) code(c *coder, v int16) {
	if v <= 12 {
		c.string(&m.Name)
	}
	if v == 13 {
		c.uuid(&m.TopicID)
	}
	array(c, v, &m.PartitionResponses, false)
	if c.flexible {
		c.noTags()
	}
}

// ProduceResponsePartitionResponse is part of ProduceResponse.
type ProduceResponsePartitionResponse struct {
	Index           int32
	ErrorCode       int16
	BaseOffset      int64
	LogAppendTimeMS int64
	LogStartOffset  int64                        // v5+
	RecordErrors    []ProduceResponseRecordError // v8+
	ErrorMessage    *string                      // v8+
	CurrentLeader   ProduceResponseCurrentLeader // v10+, tag 0
}

// Reset sets the defaults.
func (m *ProduceResponsePartitionResponse) Reset() {
	*m = ProduceResponsePartitionResponse{LogAppendTimeMS: -1, LogStartOffset: -1}
	m.CurrentLeader.Reset()
}

func (m *ProduceResponsePartitionResponse) code(c *coder, v int16) {
	c.int32(&m.Index)
	c.int16(&m.ErrorCode)
	c.int64(&m.BaseOffset)
	c.int64(&m.LogAppendTimeMS)
	if v >= 5 {
		c.int64(&m.LogStartOffset)
	}
	if v >= 8 {
		array(c, v, &m.RecordErrors, false)
	}
	if v >= 8 {
		c.nullString(&m.ErrorMessage, true)
	}
	if c.flexible {
		c.beginTags()
		if v >= 10 && c.tag(0, m.CurrentLeader.LeaderID != -1 || m.CurrentLeader.LeaderEpoch != -1) {
			m.CurrentLeader.code(c, v)
			c.endTag()
		}
		c.endTags()
	}
}

// ProduceResponseRecordError is part of ProduceResponse.
type ProduceResponseRecordError struct {
	BatchIndex             int32   // v8+
	BatchIndexErrorMessage *string // v8+
}

// Reset sets the defaults.
func (m *ProduceResponseRecordError) Reset() {
	*m = ProduceResponseRecordError{}
}

func (m *ProduceResponseRecordError) code(c *coder, _ int16) {
	c.int32(&m.BatchIndex)
	c.nullString(&m.BatchIndexErrorMessage, true)
	if c.flexible {
		c.noTags()
	}
}

// ProduceResponseCurrentLeader is part of ProduceResponse.
type ProduceResponseCurrentLeader struct {
	LeaderID    int32 // v10+
	LeaderEpoch int32 // v10+
}

// Reset sets the defaults.
func (m *ProduceResponseCurrentLeader) Reset() {
	*m = ProduceResponseCurrentLeader{LeaderID: -1, LeaderEpoch: -1}
}

func (m *ProduceResponseCurrentLeader) code(c *coder, _ int16) {
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	c.noTags()
}

// ProduceResponseNodeEndpoint is part of ProduceResponse.
type ProduceResponseNodeEndpoint struct {
	NodeID int32   // v10+
	Host   string  // v10+
	Port   int32   // v10+
	Rack   *string // v10+
}

// Reset sets the defaults.
func (m *ProduceResponseNodeEndpoint) Reset() {
	*m = ProduceResponseNodeEndpoint{}
}

func (m *ProduceResponseNodeEndpoint) code(c *coder, _ int16) {
	c.int32(&m.NodeID)
	c.string(&m.Host)
	c.int32(&m.Port)
	c.nullString(&m.Rack, true)
	c.noTags()
}
