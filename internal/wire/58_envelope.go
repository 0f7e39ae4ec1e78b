package wire

// EnvelopeRequest asks Envelope, API key 58, version 0.
type EnvelopeRequest struct {
	RequestData       []byte
	RequestPrincipal  []byte // nil is null
	ClientHostAddress []byte
}

// Reset sets the defaults.
func (m *EnvelopeRequest) Reset() {
	*m = EnvelopeRequest{}
}

// Key is the API key.
func (*EnvelopeRequest) Key() int16 { return KeyEnvelope }
func (*EnvelopeRequest) request()   {}

func (m *EnvelopeRequest) code(c *coder, _ int16) {
	c.flexible = true
	c.bytes(&m.RequestData, false)
	c.bytes(&m.RequestPrincipal, true)
	c.bytes(&m.ClientHostAddress, false)
	c.noTags()
}

// EnvelopeResponse answers EnvelopeRequest.
type EnvelopeResponse struct {
	ResponseData []byte // nil is null
	ErrorCode    int16
}

// Reset sets the defaults.
func (m *EnvelopeResponse) Reset() {
	*m = EnvelopeResponse{}
}

// Key is the API key.
func (*EnvelopeResponse) Key() int16 { return KeyEnvelope }
func (*EnvelopeResponse) response()  {}

func (m *EnvelopeResponse) code(c *coder, _ int16) {
	c.flexible = true
	c.bytes(&m.ResponseData, true)
	c.int16(&m.ErrorCode)
	c.noTags()
}
