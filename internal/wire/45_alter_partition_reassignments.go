package wire

// AlterPartitionReassignmentsRequest asks AlterPartitionReassignments, API key 45, versions 0-1.
type AlterPartitionReassignmentsRequest struct {
	TimeoutMS                    int32
	AllowReplicationFactorChange bool // v1+
	Topics                       []AlterPartitionReassignmentsRequestTopic
}

// Reset sets the defaults.
func (m *AlterPartitionReassignmentsRequest) Reset() {
	*m = AlterPartitionReassignmentsRequest{TimeoutMS: 60000, AllowReplicationFactorChange: true}
}

// Key is the API key.
func (*AlterPartitionReassignmentsRequest) Key() int16 { return KeyAlterPartitionReassignments }
func (*AlterPartitionReassignmentsRequest) request()   {}

func (m *AlterPartitionReassignmentsRequest) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.TimeoutMS)
	if v >= 1 {
		c.bool(&m.AllowReplicationFactorChange)
	}
	array(c, v, &m.Topics, false)
	c.noTags()
}

// AlterPartitionReassignmentsRequestTopic is part of AlterPartitionReassignmentsRequest.
type AlterPartitionReassignmentsRequestTopic struct {
	Name       string
	Partitions []AlterPartitionReassignmentsRequestPartition
}

// Reset sets the defaults.
func (m *AlterPartitionReassignmentsRequestTopic) Reset() {
	*m = AlterPartitionReassignmentsRequestTopic{}
}

func (m *AlterPartitionReassignmentsRequestTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// AlterPartitionReassignmentsRequestPartition is part of AlterPartitionReassignmentsRequest.
type AlterPartitionReassignmentsRequestPartition struct {
	PartitionIndex int32
	Replicas       []int32 // nil is null
}

// Reset sets the defaults.
func (m *AlterPartitionReassignmentsRequestPartition) Reset() {
	*m = AlterPartitionReassignmentsRequestPartition{}
}

func (m *AlterPartitionReassignmentsRequestPartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	list(c, &m.Replicas, true, (*coder).int32)
	c.noTags()
}

// AlterPartitionReassignmentsResponse answers AlterPartitionReassignmentsRequest.
type AlterPartitionReassignmentsResponse struct {
	ThrottleTimeMS               int32
	AllowReplicationFactorChange bool // v1+
	ErrorCode                    int16
	ErrorMessage                 *string
	Responses                    []AlterPartitionReassignmentsResponseResponse
}

// Reset sets the defaults.
func (m *AlterPartitionReassignmentsResponse) Reset() {
	*m = AlterPartitionReassignmentsResponse{AllowReplicationFactorChange: true}
}

// Key is the API key.
func (*AlterPartitionReassignmentsResponse) Key() int16 { return KeyAlterPartitionReassignments }
func (*AlterPartitionReassignmentsResponse) response()  {}

func (m *AlterPartitionReassignmentsResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	if v >= 1 {
		c.bool(&m.AllowReplicationFactorChange)
	}
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	array(c, v, &m.Responses, false)
	c.noTags()
}

// AlterPartitionReassignmentsResponseResponse is part of AlterPartitionReassignmentsResponse.
type AlterPartitionReassignmentsResponseResponse struct {
	Name       string
	Partitions []AlterPartitionReassignmentsResponsePartition
}

// Reset sets the defaults.
func (m *AlterPartitionReassignmentsResponseResponse) Reset() {
	*m = AlterPartitionReassignmentsResponseResponse{}
}

func (m *AlterPartitionReassignmentsResponseResponse) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// AlterPartitionReassignmentsResponsePartition is part of AlterPartitionReassignmentsResponse.
type AlterPartitionReassignmentsResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
	ErrorMessage   *string
}

// Reset sets the defaults.
func (m *AlterPartitionReassignmentsResponsePartition) Reset() {
	*m = AlterPartitionReassignmentsResponsePartition{}
}

func (m *AlterPartitionReassignmentsResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	c.noTags()
}
