package wire

// CreatePartitionsRequest asks CreatePartitions, API key 37, versions 0-3.
type CreatePartitionsRequest struct {
	Topics       []CreatePartitionsRequestTopic
	TimeoutMS    int32
	ValidateOnly bool
}

// Reset sets the defaults.
func (m *CreatePartitionsRequest) Reset() {
	*m = CreatePartitionsRequest{}
}

// Key is the API key.
func (*CreatePartitionsRequest) Key() int16 { return KeyCreatePartitions }
func (*CreatePartitionsRequest) request()   {}

func (m *CreatePartitionsRequest) code(c *coder, v int16) {
	c.flexible = v >= 2
	array(c, v, &m.Topics, false)
	c.int32(&m.TimeoutMS)
	c.bool(&m.ValidateOnly)
	if c.flexible {
		c.noTags()
	}
}

// CreatePartitionsRequestTopic is part of CreatePartitionsRequest.
type CreatePartitionsRequestTopic struct {
	Name        string
	Count       int32
	Assignments []CreatePartitionsRequestAssignment // nil is null
}

// Reset sets the defaults.
func (m *CreatePartitionsRequestTopic) Reset() {
	*m = CreatePartitionsRequestTopic{}
}

func (m *CreatePartitionsRequestTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	c.int32(&m.Count)
	array(c, v, &m.Assignments, true)
	if c.flexible {
		c.noTags()
	}
}

// CreatePartitionsRequestAssignment is part of CreatePartitionsRequest.
type CreatePartitionsRequestAssignment struct {
	BrokerIDs []int32
}

// Reset sets the defaults.
func (m *CreatePartitionsRequestAssignment) Reset() {
	*m = CreatePartitionsRequestAssignment{}
}

func (m *CreatePartitionsRequestAssignment) code(c *coder, _ int16) {
	list(c, &m.BrokerIDs, false, (*coder).int32)
	if c.flexible {
		c.noTags()
	}
}

// CreatePartitionsResponse answers CreatePartitionsRequest.
type CreatePartitionsResponse struct {
	ThrottleTimeMS int32
	Results        []CreatePartitionsResponseResult
}

// Reset sets the defaults.
func (m *CreatePartitionsResponse) Reset() {
	*m = CreatePartitionsResponse{}
}

// Key is the API key.
func (*CreatePartitionsResponse) Key() int16 { return KeyCreatePartitions }
func (*CreatePartitionsResponse) response()  {}

func (m *CreatePartitionsResponse) code(c *coder, v int16) {
	c.flexible = v >= 2
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Results, false)
	if c.flexible {
		c.noTags()
	}
}

// CreatePartitionsResponseResult is part of CreatePartitionsResponse.
type CreatePartitionsResponseResult struct {
	Name         string
	ErrorCode    int16
	ErrorMessage *string
}

// Reset sets the defaults.
func (m *CreatePartitionsResponseResult) Reset() {
	*m = CreatePartitionsResponseResult{}
}

func (m *CreatePartitionsResponseResult) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	if c.flexible {
		c.noTags()
	}
}
