package wire

// EndTxnRequest asks EndTxn, API key 26, versions 0-5.
type EndTxnRequest struct {
	TransactionalID string
	ProducerID      int64
	ProducerEpoch   int16
	Committed       bool
}

// Reset sets the defaults.
func (m *EndTxnRequest) Reset() {
	*m = EndTxnRequest{}
}

// Key is the API key.
func (*EndTxnRequest) Key() int16 { return KeyEndTxn }
func (*EndTxnRequest) request()   {}

func (m *EndTxnRequest) code(c *coder, v int16) {
	c.flexible = v >= 3
	c.string(&m.TransactionalID)
	c.int64(&m.ProducerID)
	c.int16(&m.ProducerEpoch)
	c.bool(&m.Committed)
	if c.flexible {
		c.noTags()
	}
}

// EndTxnResponse answers EndTxnRequest.
type EndTxnResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
	ProducerID     int64 // v5+
	ProducerEpoch  int16 // v5+
}

// Reset sets the defaults.
func (m *EndTxnResponse) Reset() {
	*m = EndTxnResponse{ProducerID: -1, ProducerEpoch: -1}
}

// Key is the API key.
func (*EndTxnResponse) Key() int16 { return KeyEndTxn }
func (*EndTxnResponse) response()  {}

func (m *EndTxnResponse) code(c *coder, v int16) {
	c.flexible = v >= 3
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	if v >= 5 {
		c.int64(&m.ProducerID)
		c.int16(&m.ProducerEpoch)
	}
	if c.flexible {
		c.noTags()
	}
}
