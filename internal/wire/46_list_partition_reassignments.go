package wire

// ListPartitionReassignmentsRequest asks ListPartitionReassignments, API key 46, version 0.
type ListPartitionReassignmentsRequest struct {
	TimeoutMS int32
	Topics    []ListPartitionReassignmentsRequestTopic // nil is null
}

// Reset sets the defaults.
func (m *ListPartitionReassignmentsRequest) Reset() {
	*m = ListPartitionReassignmentsRequest{TimeoutMS: 60000}
}

// Key is the API key.
func (*ListPartitionReassignmentsRequest) Key() int16 { return KeyListPartitionReassignments }
func (*ListPartitionReassignmentsRequest) request()   {}

func (m *ListPartitionReassignmentsRequest) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.TimeoutMS)
	array(c, v, &m.Topics, true)
	c.noTags()
}

// ListPartitionReassignmentsRequestTopic is part of ListPartitionReassignmentsRequest.
type ListPartitionReassignmentsRequestTopic struct {
	Name             string
	PartitionIndexes []int32
}

// Reset sets the defaults.
func (m *ListPartitionReassignmentsRequestTopic) Reset() {
	*m = ListPartitionReassignmentsRequestTopic{}
}

func (m *ListPartitionReassignmentsRequestTopic) code(c *coder, _ int16) {
	c.string(&m.Name)
	list(c, &m.PartitionIndexes, false, (*coder).int32)
	c.noTags()
}

// ListPartitionReassignmentsResponse answers ListPartitionReassignmentsRequest.
type ListPartitionReassignmentsResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
	ErrorMessage   *string
	Topics         []ListPartitionReassignmentsResponseTopic
}

// Reset sets the defaults.
func (m *ListPartitionReassignmentsResponse) Reset() {
	*m = ListPartitionReassignmentsResponse{}
}

// Key is the API key.
func (*ListPartitionReassignmentsResponse) Key() int16 { return KeyListPartitionReassignments }
func (*ListPartitionReassignmentsResponse) response()  {}

func (m *ListPartitionReassignmentsResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	array(c, v, &m.Topics, false)
	c.noTags()
}

// ListPartitionReassignmentsResponseTopic is part of ListPartitionReassignmentsResponse.
type ListPartitionReassignmentsResponseTopic struct {
	Name       string
	Partitions []ListPartitionReassignmentsResponsePartition
}

// Reset sets the defaults.
func (m *ListPartitionReassignmentsResponseTopic) Reset() {
	*m = ListPartitionReassignmentsResponseTopic{}
}

func (m *ListPartitionReassignmentsResponseTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// ListPartitionReassignmentsResponsePartition is part of ListPartitionReassignmentsResponse.
type ListPartitionReassignmentsResponsePartition struct {
	PartitionIndex   int32
	Replicas         []int32
	AddingReplicas   []int32
	RemovingReplicas []int32
}

// Reset sets the defaults.
func (m *ListPartitionReassignmentsResponsePartition) Reset() {
	*m = ListPartitionReassignmentsResponsePartition{}
}

func (m *ListPartitionReassignmentsResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	list(c, &m.Replicas, false, (*coder).int32)
	list(c, &m.AddingReplicas, false, (*coder).int32)
	list(c, &m.RemovingReplicas, false, (*coder).int32)
	c.noTags()
}
