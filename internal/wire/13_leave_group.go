package wire

// LeaveGroupRequest asks LeaveGroup, API key 13, versions 0-5.
type LeaveGroupRequest struct {
	GroupID  string
	MemberID string                    // v0-2
	Members  []LeaveGroupRequestMember // v3+
}

// Reset sets the defaults.
func (m *LeaveGroupRequest) Reset() {
	*m = LeaveGroupRequest{}
}

// Key is the API key.
func (*LeaveGroupRequest) Key() int16 { return KeyLeaveGroup }
func (*LeaveGroupRequest) request()   {}

func (m *LeaveGroupRequest) code(c *coder, v int16) {
	c.flexible = v >= 4
	c.string(&m.GroupID)
	if v <= 2 {
		c.string(&m.MemberID)
	}
	if v >= 3 {
		array(c, v, &m.Members, false)
	}
	if c.flexible {
		c.noTags()
	}
}

// LeaveGroupRequestMember is part of LeaveGroupRequest.
type LeaveGroupRequestMember struct {
	MemberID        string  // v3+
	GroupInstanceID *string // v3+
	Reason          *string // v5+
}

// Reset sets the defaults.
func (m *LeaveGroupRequestMember) Reset() {
	*m = LeaveGroupRequestMember{}
}

func (m *LeaveGroupRequestMember) code(c *coder, v int16) {
	if v >= 3 {
		c.string(&m.MemberID)
	}
	if v >= 3 {
		c.nullString(&m.GroupInstanceID, true)
	}
	if v == 5 {
		c.nullString(&m.Reason, true)
	}
	if c.flexible {
		c.noTags()
	}
}

// LeaveGroupResponse answers LeaveGroupRequest.
type LeaveGroupResponse struct {
	ThrottleTimeMS int32 // v1+
	ErrorCode      int16
	Members        []LeaveGroupResponseMember // v3+
}

// Reset sets the defaults.
func (m *LeaveGroupResponse) Reset() {
	*m = LeaveGroupResponse{}
}

// Key is the API key.
func (*LeaveGroupResponse) Key() int16 { return KeyLeaveGroup }
func (*LeaveGroupResponse) response()  {}

func (m *LeaveGroupResponse) code(c *coder, v int16) {
	c.flexible = v >= 4
	if v >= 1 {
		c.int32(&m.ThrottleTimeMS)
	}
	c.int16(&m.ErrorCode)
	if v >= 3 {
		array(c, v, &m.Members, false)
	}
	if c.flexible {
		c.noTags()
	}
}

// LeaveGroupResponseMember is part of LeaveGroupResponse.
type LeaveGroupResponseMember struct {
	MemberID        string  // v3+
	GroupInstanceID *string // v3+
	ErrorCode       int16   // v3+
}

// Reset sets the defaults.
func (m *LeaveGroupResponseMember) Reset() {
	*m = LeaveGroupResponseMember{}
}

func (m *LeaveGroupResponseMember) code(c *coder, v int16) {
	if v >= 3 {
		c.string(&m.MemberID)
	}
	if v >= 3 {
		c.nullString(&m.GroupInstanceID, true)
	}
	if v >= 3 {
		c.int16(&m.ErrorCode)
	}
	if c.flexible {
		c.noTags()
	}
}
