package wire

import "github.com/stromkafka/strom/internal/model"

// CreateTopicsRequest asks CreateTopics, API key 19, versions 2-7.
type CreateTopicsRequest struct {
	Topics       []CreateTopicsRequestTopic
	TimeoutMS    int32
	ValidateOnly bool
}

// Reset sets the defaults.
func (m *CreateTopicsRequest) Reset() {
	*m = CreateTopicsRequest{TimeoutMS: 60000}
}

// Key is the API key.
func (*CreateTopicsRequest) Key() int16 { return KeyCreateTopics }
func (*CreateTopicsRequest) request()   {}

func (m *CreateTopicsRequest) code(c *coder, v int16) {
	c.flexible = v >= 5
	array(c, v, &m.Topics, false)
	c.int32(&m.TimeoutMS)
	c.bool(&m.ValidateOnly)
	if c.flexible {
		c.noTags()
	}
}

// CreateTopicsRequestTopic is part of CreateTopicsRequest.
type CreateTopicsRequestTopic struct {
	Name              string
	NumPartitions     int32
	ReplicationFactor int16
	Assignments       []CreateTopicsRequestAssignment
	Configs           []CreateTopicsRequestConfig
}

// Reset sets the defaults.
func (m *CreateTopicsRequestTopic) Reset() {
	*m = CreateTopicsRequestTopic{}
}

func (m *CreateTopicsRequestTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	c.int32(&m.NumPartitions)
	c.int16(&m.ReplicationFactor)
	array(c, v, &m.Assignments, false)
	array(c, v, &m.Configs, false)
	if c.flexible {
		c.noTags()
	}
}

// CreateTopicsRequestAssignment is part of CreateTopicsRequest.
type CreateTopicsRequestAssignment struct {
	PartitionIndex int32
	BrokerIDs      []int32
}

// Reset sets the defaults.
func (m *CreateTopicsRequestAssignment) Reset() {
	*m = CreateTopicsRequestAssignment{}
}

func (m *CreateTopicsRequestAssignment) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	list(c, &m.BrokerIDs, false, (*coder).int32)
	if c.flexible {
		c.noTags()
	}
}

// CreateTopicsRequestConfig is part of CreateTopicsRequest.
type CreateTopicsRequestConfig struct {
	Name  string
	Value *string
}

// Reset sets the defaults.
func (m *CreateTopicsRequestConfig) Reset() {
	*m = CreateTopicsRequestConfig{}
}

func (m *CreateTopicsRequestConfig) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.nullString(&m.Value, true)
	if c.flexible {
		c.noTags()
	}
}

// CreateTopicsResponse answers CreateTopicsRequest.
type CreateTopicsResponse struct {
	ThrottleTimeMS int32
	Topics         []CreateTopicsResponseTopic
}

// Reset sets the defaults.
func (m *CreateTopicsResponse) Reset() {
	*m = CreateTopicsResponse{}
}

// Key is the API key.
func (*CreateTopicsResponse) Key() int16 { return KeyCreateTopics }
func (*CreateTopicsResponse) response()  {}

func (m *CreateTopicsResponse) code(c *coder, v int16) {
	c.flexible = v >= 5
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Topics, false)
	if c.flexible {
		c.noTags()
	}
}

// CreateTopicsResponseTopic is part of CreateTopicsResponse.
type CreateTopicsResponseTopic struct {
	Name                 string
	TopicID              model.UUID // v7+
	ErrorCode            int16
	ErrorMessage         *string
	TopicConfigErrorCode int16                        // v5+, tag 0
	NumPartitions        int32                        // v5+
	ReplicationFactor    int16                        // v5+
	Configs              []CreateTopicsResponseConfig // v5+, nil is null
}

// Reset sets the defaults.
func (m *CreateTopicsResponseTopic) Reset() {
	*m = CreateTopicsResponseTopic{NumPartitions: -1, ReplicationFactor: -1}
}

func (m *CreateTopicsResponseTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	if v == 7 {
		c.uuid(&m.TopicID)
	}
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	if v >= 5 {
		c.int32(&m.NumPartitions)
	}
	if v >= 5 {
		c.int16(&m.ReplicationFactor)
	}
	if v >= 5 {
		array(c, v, &m.Configs, true)
	}
	if c.flexible {
		c.beginTags()
		if c.tag(0, m.TopicConfigErrorCode != 0) {
			c.int16(&m.TopicConfigErrorCode)
			c.endTag()
		}
		c.endTags()
	}
}

// CreateTopicsResponseConfig is part of CreateTopicsResponse.
type CreateTopicsResponseConfig struct {
	Name         string  // v5+
	Value        *string // v5+
	ReadOnly     bool    // v5+
	ConfigSource int8    // v5+
	IsSensitive  bool    // v5+
}

// Reset sets the defaults.
func (m *CreateTopicsResponseConfig) Reset() {
	*m = CreateTopicsResponseConfig{ConfigSource: -1}
}

func (m *CreateTopicsResponseConfig) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.nullString(&m.Value, true)
	c.bool(&m.ReadOnly)
	c.int8(&m.ConfigSource)
	c.bool(&m.IsSensitive)
	c.noTags()
}
