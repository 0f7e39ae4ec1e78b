package wire

// AddOffsetsToTxnRequest asks AddOffsetsToTxn, API key 25, versions 0-4.
type AddOffsetsToTxnRequest struct {
	TransactionalID string
	ProducerID      int64
	ProducerEpoch   int16
	GroupID         string
}

// Reset sets the defaults.
func (m *AddOffsetsToTxnRequest) Reset() {
	*m = AddOffsetsToTxnRequest{}
}

// Key is the API key.
func (*AddOffsetsToTxnRequest) Key() int16 { return KeyAddOffsetsToTxn }
func (*AddOffsetsToTxnRequest) request()   {}

func (m *AddOffsetsToTxnRequest) code(c *coder, v int16) {
	c.flexible = v >= 3
	c.string(&m.TransactionalID)
	c.int64(&m.ProducerID)
	c.int16(&m.ProducerEpoch)
	c.string(&m.GroupID)
	if c.flexible {
		c.noTags()
	}
}

// AddOffsetsToTxnResponse answers AddOffsetsToTxnRequest.
type AddOffsetsToTxnResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
}

// Reset sets the defaults.
func (m *AddOffsetsToTxnResponse) Reset() {
	*m = AddOffsetsToTxnResponse{}
}

// Key is the API key.
func (*AddOffsetsToTxnResponse) Key() int16 { return KeyAddOffsetsToTxn }
func (*AddOffsetsToTxnResponse) response()  {}

func (m *AddOffsetsToTxnResponse) code(c *coder, v int16) {
	c.flexible = v >= 3
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	if c.flexible {
		c.noTags()
	}
}
