package wire

// DescribeGroupsRequest asks DescribeGroups, API key 15, versions 0-6.
type DescribeGroupsRequest struct {
	Groups                      []string
	IncludeAuthorizedOperations bool // v3+
}

// Reset sets the defaults.
func (m *DescribeGroupsRequest) Reset() {
	*m = DescribeGroupsRequest{}
}

// Key is the API key.
func (*DescribeGroupsRequest) Key() int16 { return KeyDescribeGroups }
func (*DescribeGroupsRequest) request()   {}

func (m *DescribeGroupsRequest) code(c *coder, v int16) {
	c.flexible = v >= 5
	list(c, &m.Groups, false, (*coder).string)
	if v >= 3 {
		c.bool(&m.IncludeAuthorizedOperations)
	}
	if c.flexible {
		c.noTags()
	}
}

// DescribeGroupsResponse answers DescribeGroupsRequest.
type DescribeGroupsResponse struct {
	ThrottleTimeMS int32 // v1+
	Groups         []DescribeGroupsResponseGroup
}

// Reset sets the defaults.
func (m *DescribeGroupsResponse) Reset() {
	*m = DescribeGroupsResponse{}
}

// Key is the API key.
func (*DescribeGroupsResponse) Key() int16 { return KeyDescribeGroups }
func (*DescribeGroupsResponse) response()  {}

func (m *DescribeGroupsResponse) code(c *coder, v int16) {
	c.flexible = v >= 5
	if v >= 1 {
		c.int32(&m.ThrottleTimeMS)
	}
	array(c, v, &m.Groups, false)
	if c.flexible {
		c.noTags()
	}
}

// DescribeGroupsResponseGroup is part of DescribeGroupsResponse.
type DescribeGroupsResponseGroup struct {
	ErrorCode            int16
	ErrorMessage         *string // v6+
	GroupID              string
	GroupState           string
	ProtocolType         string
	ProtocolData         string
	Members              []DescribeGroupsResponseMember
	AuthorizedOperations int32 // v3+
}

// Reset sets the defaults.
func (m *DescribeGroupsResponseGroup) Reset() {
	*m = DescribeGroupsResponseGroup{AuthorizedOperations: -2147483648}
}

func (m *DescribeGroupsResponseGroup) code(c *coder, v int16) {
	c.int16(&m.ErrorCode)
	if v == 6 {
		c.nullString(&m.ErrorMessage, true)
	}
	c.string(&m.GroupID)
	c.string(&m.GroupState)
	c.string(&m.ProtocolType)
	c.string(&m.ProtocolData)
	array(c, v, &m.Members, false)
	if v >= 3 {
		c.int32(&m.AuthorizedOperations)
	}
	if c.flexible {
		c.noTags()
	}
}

// DescribeGroupsResponseMember is part of DescribeGroupsResponse.
type DescribeGroupsResponseMember struct {
	MemberID         string
	GroupInstanceID  *string // v4+
	ClientID         string
	ClientHost       string
	MemberMetadata   []byte
	MemberAssignment []byte
}

// Reset sets the defaults.
func (m *DescribeGroupsResponseMember) Reset() {
	*m = DescribeGroupsResponseMember{}
}

func (m *DescribeGroupsResponseMember) code(c *coder, v int16) {
	c.string(&m.MemberID)
	if v >= 4 {
		c.nullString(&m.GroupInstanceID, true)
	}
	c.string(&m.ClientID)
	c.string(&m.ClientHost)
	c.bytes(&m.MemberMetadata, false)
	c.bytes(&m.MemberAssignment, false)
	if c.flexible {
		c.noTags()
	}
}
