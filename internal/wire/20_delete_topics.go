package wire

import "github.com/stromkafka/strom/internal/model"

// DeleteTopicsRequest asks DeleteTopics, API key 20, versions 1-6.
type DeleteTopicsRequest struct {
	Topics     []DeleteTopicsRequestTopic // v6+
	TopicNames []string                   // v1-5
	TimeoutMS  int32
}

// Reset sets the defaults.
func (m *DeleteTopicsRequest) Reset() {
	*m = DeleteTopicsRequest{}
}

// Key is the API key.
func (*DeleteTopicsRequest) Key() int16 { return KeyDeleteTopics }
func (*DeleteTopicsRequest) request()   {}

func (m *DeleteTopicsRequest) code(c *coder, v int16) {
	c.flexible = v >= 4
	if v == 6 {
		array(c, v, &m.Topics, false)
	}
	if v <= 5 {
		list(c, &m.TopicNames, false, (*coder).string)
	}
	c.int32(&m.TimeoutMS)
	if c.flexible {
		c.noTags()
	}
}

// DeleteTopicsRequestTopic is part of DeleteTopicsRequest.
type DeleteTopicsRequestTopic struct {
	Name    *string    // v6+
	TopicID model.UUID // v6+
}

// Reset sets the defaults.
func (m *DeleteTopicsRequestTopic) Reset() {
	*m = DeleteTopicsRequestTopic{}
}

func (m *DeleteTopicsRequestTopic) code(c *coder, _ int16) {
	c.nullString(&m.Name, true)
	c.uuid(&m.TopicID)
	c.noTags()
}

// DeleteTopicsResponse answers DeleteTopicsRequest.
type DeleteTopicsResponse struct {
	ThrottleTimeMS int32
	Responses      []DeleteTopicsResponseResponse
}

// Reset sets the defaults.
func (m *DeleteTopicsResponse) Reset() {
	*m = DeleteTopicsResponse{}
}

// Key is the API key.
func (*DeleteTopicsResponse) Key() int16 { return KeyDeleteTopics }
func (*DeleteTopicsResponse) response()  {}

func (m *DeleteTopicsResponse) code(c *coder, v int16) {
	c.flexible = v >= 4
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Responses, false)
	if c.flexible {
		c.noTags()
	}
}

// DeleteTopicsResponseResponse is part of DeleteTopicsResponse.
type DeleteTopicsResponseResponse struct {
	Name         *string
	TopicID      model.UUID // v6+
	ErrorCode    int16
	ErrorMessage *string // v5+
}

// Reset sets the defaults.
func (m *DeleteTopicsResponseResponse) Reset() {
	*m = DeleteTopicsResponseResponse{}
}

func (m *DeleteTopicsResponseResponse) code(c *coder, v int16) {
	c.nullString(&m.Name, v == 6)
	if v == 6 {
		c.uuid(&m.TopicID)
	}
	c.int16(&m.ErrorCode)
	if v >= 5 {
		c.nullString(&m.ErrorMessage, true)
	}
	if c.flexible {
		c.noTags()
	}
}
