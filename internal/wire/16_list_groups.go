package wire

// ListGroupsRequest asks ListGroups, API key 16, versions 0-5.
type ListGroupsRequest struct {
	StatesFilter []string // v4+
	TypesFilter  []string // v5+
}

// Reset sets the defaults.
func (m *ListGroupsRequest) Reset() {
	*m = ListGroupsRequest{}
}

// Key is the API key.
func (*ListGroupsRequest) Key() int16 { return KeyListGroups }
func (*ListGroupsRequest) request()   {}

func (m *ListGroupsRequest) code(c *coder, v int16) {
	c.flexible = v >= 3
	if v >= 4 {
		list(c, &m.StatesFilter, false, (*coder).string)
	}
	if v == 5 {
		list(c, &m.TypesFilter, false, (*coder).string)
	}
	if c.flexible {
		c.noTags()
	}
}

// ListGroupsResponse answers ListGroupsRequest.
type ListGroupsResponse struct {
	ThrottleTimeMS int32 // v1+
	ErrorCode      int16
	Groups         []ListGroupsResponseGroup
}

// Reset sets the defaults.
func (m *ListGroupsResponse) Reset() {
	*m = ListGroupsResponse{}
}

// Key is the API key.
func (*ListGroupsResponse) Key() int16 { return KeyListGroups }
func (*ListGroupsResponse) response()  {}

func (m *ListGroupsResponse) code(c *coder, v int16) {
	c.flexible = v >= 3
	if v >= 1 {
		c.int32(&m.ThrottleTimeMS)
	}
	c.int16(&m.ErrorCode)
	array(c, v, &m.Groups, false)
	if c.flexible {
		c.noTags()
	}
}

// ListGroupsResponseGroup is part of ListGroupsResponse.
type ListGroupsResponseGroup struct {
	GroupID      string
	ProtocolType string
	GroupState   string // v4+
	GroupType    string // v5+
}

// Reset sets the defaults.
func (m *ListGroupsResponseGroup) Reset() {
	*m = ListGroupsResponseGroup{}
}

func (m *ListGroupsResponseGroup) code(c *coder, v int16) {
	c.string(&m.GroupID)
	c.string(&m.ProtocolType)
	if v >= 4 {
		c.string(&m.GroupState)
	}
	if v == 5 {
		c.string(&m.GroupType)
	}
	if c.flexible {
		c.noTags()
	}
}
