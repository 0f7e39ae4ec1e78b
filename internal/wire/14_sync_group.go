package wire

// SyncGroupRequest asks SyncGroup, API key 14, versions 0-5.
type SyncGroupRequest struct {
	GroupID         string
	GenerationID    int32
	MemberID        string
	GroupInstanceID *string // v3+
	ProtocolType    *string // v5+
	ProtocolName    *string // v5+
	Assignments     []SyncGroupRequestAssignment
}

// Reset sets the defaults.
func (m *SyncGroupRequest) Reset() {
	*m = SyncGroupRequest{}
}

// Key is the API key.
func (*SyncGroupRequest) Key() int16 { return KeySyncGroup }
func (*SyncGroupRequest) request()   {}

func (m *SyncGroupRequest) code(c *coder, v int16) {
	c.flexible = v >= 4
	c.string(&m.GroupID)
	c.int32(&m.GenerationID)
	c.string(&m.MemberID)
	if v >= 3 {
		c.nullString(&m.GroupInstanceID, true)
	}
	if v == 5 {
		c.nullString(&m.ProtocolType, true)
	}
	if v == 5 {
		c.nullString(&m.ProtocolName, true)
	}
	array(c, v, &m.Assignments, false)
	if c.flexible {
		c.noTags()
	}
}

// SyncGroupRequestAssignment is part of SyncGroupRequest.
type SyncGroupRequestAssignment struct {
	MemberID   string
	Assignment []byte
}

// Reset sets the defaults.
func (m *SyncGroupRequestAssignment) Reset() {
	*m = SyncGroupRequestAssignment{}
}

func (m *SyncGroupRequestAssignment) code(c *coder, _ int16) {
	c.string(&m.MemberID)
	c.bytes(&m.Assignment, false)
	if c.flexible {
		c.noTags()
	}
}

// SyncGroupResponse answers SyncGroupRequest.
type SyncGroupResponse struct {
	ThrottleTimeMS int32 // v1+
	ErrorCode      int16
	ProtocolType   *string // v5+
	ProtocolName   *string // v5+
	Assignment     []byte
}

// Reset sets the defaults.
func (m *SyncGroupResponse) Reset() {
	*m = SyncGroupResponse{}
}

// Key is the API key.
func (*SyncGroupResponse) Key() int16 { return KeySyncGroup }
func (*SyncGroupResponse) response()  {}

func (m *SyncGroupResponse) code(c *coder, v int16) {
	c.flexible = v >= 4
	if v >= 1 {
		c.int32(&m.ThrottleTimeMS)
	}
	c.int16(&m.ErrorCode)
	if v == 5 {
		c.nullString(&m.ProtocolType, true)
	}
	if v == 5 {
		c.nullString(&m.ProtocolName, true)
	}
	c.bytes(&m.Assignment, false)
	if c.flexible {
		c.noTags()
	}
}
