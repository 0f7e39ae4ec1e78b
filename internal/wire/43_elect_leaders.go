package wire

// ElectLeadersRequest asks ElectLeaders, API key 43, versions 0-2.
type ElectLeadersRequest struct {
	ElectionType    int8                                // v1+
	TopicPartitions []ElectLeadersRequestTopicPartition // nil is null
	TimeoutMS       int32
}

// Reset sets the defaults.
func (m *ElectLeadersRequest) Reset() {
	*m = ElectLeadersRequest{TimeoutMS: 60000}
}

// Key is the API key.
func (*ElectLeadersRequest) Key() int16 { return KeyElectLeaders }
func (*ElectLeadersRequest) request()   {}

func (m *ElectLeadersRequest) code(c *coder, v int16) {
	c.flexible = v >= 2
	if v >= 1 {
		c.int8(&m.ElectionType)
	}
	array(c, v, &m.TopicPartitions, true)
	c.int32(&m.TimeoutMS)
	if c.flexible {
		c.noTags()
	}
}

// ElectLeadersRequestTopicPartition is part of ElectLeadersRequest.
type ElectLeadersRequestTopicPartition struct {
	Topic      string
	Partitions []int32
}

// Reset sets the defaults.
func (m *ElectLeadersRequestTopicPartition) Reset() {
	*m = ElectLeadersRequestTopicPartition{}
}

func (m *ElectLeadersRequestTopicPartition) code(c *coder, _ int16) {
	c.string(&m.Topic)
	list(c, &m.Partitions, false, (*coder).int32)
	if c.flexible {
		c.noTags()
	}
}

// ElectLeadersResponse answers ElectLeadersRequest.
type ElectLeadersResponse struct {
	ThrottleTimeMS         int32
	ErrorCode              int16 // v1+
	ReplicaElectionResults []ElectLeadersResponseReplicaElectionResult
}

// Reset sets the defaults.
func (m *ElectLeadersResponse) Reset() {
	*m = ElectLeadersResponse{}
}

// Key is the API key.
func (*ElectLeadersResponse) Key() int16 { return KeyElectLeaders }
func (*ElectLeadersResponse) response()  {}

func (m *ElectLeadersResponse) code(c *coder, v int16) {
	c.flexible = v >= 2
	c.int32(&m.ThrottleTimeMS)
	if v >= 1 {
		c.int16(&m.ErrorCode)
	}
	array(c, v, &m.ReplicaElectionResults, false)
	if c.flexible {
		c.noTags()
	}
}

// ElectLeadersResponseReplicaElectionResult is part of ElectLeadersResponse.
type ElectLeadersResponseReplicaElectionResult struct {
	Topic           string
	PartitionResult []ElectLeadersResponsePartitionResult
}

// Reset sets the defaults.
func (m *ElectLeadersResponseReplicaElectionResult) Reset() {
	*m = ElectLeadersResponseReplicaElectionResult{}
}

func (m *ElectLeadersResponseReplicaElectionResult) code(c *coder, v int16) {
	c.string(&m.Topic)
	array(c, v, &m.PartitionResult, false)
	if c.flexible {
		c.noTags()
	}
}

// ElectLeadersResponsePartitionResult is part of ElectLeadersResponse.
type ElectLeadersResponsePartitionResult struct {
	PartitionID  int32
	ErrorCode    int16
	ErrorMessage *string
}

// Reset sets the defaults.
func (m *ElectLeadersResponsePartitionResult) Reset() {
	*m = ElectLeadersResponsePartitionResult{}
}

func (m *ElectLeadersResponsePartitionResult) code(c *coder, _ int16) {
	c.int32(&m.PartitionID)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	if c.flexible {
		c.noTags()
	}
}
