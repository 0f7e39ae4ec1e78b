package wire

// DeleteGroupsRequest asks DeleteGroups, API key 42, versions 0-2.
type DeleteGroupsRequest struct {
	GroupsNames []string
}

// Reset sets the defaults.
func (m *DeleteGroupsRequest) Reset() {
	*m = DeleteGroupsRequest{}
}

// Key is the API key.
func (*DeleteGroupsRequest) Key() int16 { return KeyDeleteGroups }
func (*DeleteGroupsRequest) request()   {}

func (m *DeleteGroupsRequest) code(c *coder, v int16) {
	c.flexible = v == 2
	list(c, &m.GroupsNames, false, (*coder).string)
	if c.flexible {
		c.noTags()
	}
}

// DeleteGroupsResponse answers DeleteGroupsRequest.
type DeleteGroupsResponse struct {
	ThrottleTimeMS int32
	Results        []DeleteGroupsResponseResult
}

// Reset sets the defaults.
func (m *DeleteGroupsResponse) Reset() {
	*m = DeleteGroupsResponse{}
}

// Key is the API key.
func (*DeleteGroupsResponse) Key() int16 { return KeyDeleteGroups }
func (*DeleteGroupsResponse) response()  {}

func (m *DeleteGroupsResponse) code(c *coder, v int16) {
	c.flexible = v == 2
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Results, false)
	if c.flexible {
		c.noTags()
	}
}

// DeleteGroupsResponseResult is part of DeleteGroupsResponse.
type DeleteGroupsResponseResult struct {
	GroupID   string
	ErrorCode int16
}

// Reset sets the defaults.
func (m *DeleteGroupsResponseResult) Reset() {
	*m = DeleteGroupsResponseResult{}
}

func (m *DeleteGroupsResponseResult) code(c *coder, _ int16) {
	c.string(&m.GroupID)
	c.int16(&m.ErrorCode)
	if c.flexible {
		c.noTags()
	}
}
