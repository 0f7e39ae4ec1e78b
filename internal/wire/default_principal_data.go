package wire

// DefaultPrincipalData is the principal inside an Envelope, version 0.
type DefaultPrincipalData struct {
	Type               string
	Name               string
	TokenAuthenticated bool
}

// Reset sets the defaults.
func (m *DefaultPrincipalData) Reset() {
	*m = DefaultPrincipalData{}
}

func (m *DefaultPrincipalData) code(c *coder, _ int16) {
	c.flexible = true
	c.string(&m.Type)
	c.string(&m.Name)
	c.bool(&m.TokenAuthenticated)
	c.noTags()
}
