package wire

// JoinGroupRequest asks JoinGroup, API key 11, versions 0-9.
type JoinGroupRequest struct {
	GroupID            string
	SessionTimeoutMS   int32
	RebalanceTimeoutMS int32 // v1+
	MemberID           string
	GroupInstanceID    *string // v5+
	ProtocolType       string
	Protocols          []JoinGroupRequestProtocol
	Reason             *string // v8+
}

// Reset sets the defaults.
func (m *JoinGroupRequest) Reset() {
	*m = JoinGroupRequest{RebalanceTimeoutMS: -1}
}

// Key is the API key.
func (*JoinGroupRequest) Key() int16 { return KeyJoinGroup }
func (*JoinGroupRequest) request()   {}

func (m *JoinGroupRequest) code(c *coder, v int16) {
	c.flexible = v >= 6
	c.string(&m.GroupID)
	c.int32(&m.SessionTimeoutMS)
	if v >= 1 {
		c.int32(&m.RebalanceTimeoutMS)
	}
	c.string(&m.MemberID)
	if v >= 5 {
		c.nullString(&m.GroupInstanceID, true)
	}
	c.string(&m.ProtocolType)
	array(c, v, &m.Protocols, false)
	if v >= 8 {
		c.nullString(&m.Reason, true)
	}
	if c.flexible {
		c.noTags()
	}
}

// JoinGroupRequestProtocol is part of JoinGroupRequest.
type JoinGroupRequestProtocol struct {
	Name     string
	Metadata []byte
}

// Reset sets the defaults.
func (m *JoinGroupRequestProtocol) Reset() {
	*m = JoinGroupRequestProtocol{}
}

func (m *JoinGroupRequestProtocol) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.bytes(&m.Metadata, false)
	if c.flexible {
		c.noTags()
	}
}

// JoinGroupResponse answers JoinGroupRequest.
type JoinGroupResponse struct {
	ThrottleTimeMS int32 // v2+
	ErrorCode      int16
	GenerationID   int32
	ProtocolType   *string // v7+
	ProtocolName   *string
	Leader         string
	SkipAssignment bool // v9+
	MemberID       string
	Members        []JoinGroupResponseMember
}

// Reset sets the defaults.
func (m *JoinGroupResponse) Reset() {
	*m = JoinGroupResponse{GenerationID: -1}
}

// Key is the API key.
func (*JoinGroupResponse) Key() int16 { return KeyJoinGroup }
func (*JoinGroupResponse) response()  {}

func (m *JoinGroupResponse) code(c *coder, v int16) {
	c.flexible = v >= 6
	if v >= 2 {
		c.int32(&m.ThrottleTimeMS)
	}
	c.int16(&m.ErrorCode)
	c.int32(&m.GenerationID)
	if v >= 7 {
		c.nullString(&m.ProtocolType, true)
	}
	c.nullString(&m.ProtocolName, v >= 7)
	c.string(&m.Leader)
	if v == 9 {
		c.bool(&m.SkipAssignment)
	}
	c.string(&m.MemberID)
	array(c, v, &m.Members, false)
	if c.flexible {
		c.noTags()
	}
}

// JoinGroupResponseMember is part of JoinGroupResponse.
type JoinGroupResponseMember struct {
	MemberID        string
	GroupInstanceID *string // v5+
	Metadata        []byte
}

// Reset sets the defaults.
func (m *JoinGroupResponseMember) Reset() {
	*m = JoinGroupResponseMember{}
}

func (m *JoinGroupResponseMember) code(c *coder, v int16) {
	c.string(&m.MemberID)
	if v >= 5 {
		c.nullString(&m.GroupInstanceID, true)
	}
	c.bytes(&m.Metadata, false)
	if c.flexible {
		c.noTags()
	}
}
