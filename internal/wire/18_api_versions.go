package wire

// ApiVersionsRequest asks ApiVersions, API key 18, versions 0-5.
type ApiVersionsRequest struct {
	ClientSoftwareName    string  // v3+
	ClientSoftwareVersion string  // v3+
	ClusterID             *string // v5+
	NodeID                int32   // v5+
}

// Reset sets the defaults.
func (m *ApiVersionsRequest) Reset() {
	*m = ApiVersionsRequest{NodeID: -1}
}

// Key is the API key.
func (*ApiVersionsRequest) Key() int16 { return KeyApiVersions }
func (*ApiVersionsRequest) request()   {}

func (m *ApiVersionsRequest) code(c *coder, v int16) {
	c.flexible = v >= 3
	if v >= 3 {
		c.string(&m.ClientSoftwareName)
	}
	if v >= 3 {
		c.string(&m.ClientSoftwareVersion)
	}
	if v == 5 {
		c.nullString(&m.ClusterID, true)
	}
	if v == 5 {
		c.int32(&m.NodeID)
	}
	if c.flexible {
		c.noTags()
	}
}

// ApiVersionsResponse answers ApiVersionsRequest.
type ApiVersionsResponse struct {
	ErrorCode              int16
	APIKeys                []ApiVersionsResponseAPIKey
	ThrottleTimeMS         int32                                 // v1+
	SupportedFeatures      []ApiVersionsResponseSupportedFeature // v3+, tag 0
	FinalizedFeaturesEpoch int64                                 // v3+, tag 1
	FinalizedFeatures      []ApiVersionsResponseFinalizedFeature // v3+, tag 2
	ZkMigrationReady       bool                                  // v3+, tag 3
}

// Reset sets the defaults.
func (m *ApiVersionsResponse) Reset() {
	*m = ApiVersionsResponse{FinalizedFeaturesEpoch: -1}
}

// Key is the API key.
func (*ApiVersionsResponse) Key() int16 { return KeyApiVersions }
func (*ApiVersionsResponse) response()  {}

func (m *ApiVersionsResponse) code(c *coder, v int16) {
	c.flexible = v >= 3
	c.int16(&m.ErrorCode)
	array(c, v, &m.APIKeys, false)
	if v >= 1 {
		c.int32(&m.ThrottleTimeMS)
	}
	if c.flexible {
		c.beginTags()
		if c.tag(0, len(m.SupportedFeatures) > 0) {
			array(c, v, &m.SupportedFeatures, false)
			c.endTag()
		}
		if c.tag(1, m.FinalizedFeaturesEpoch != -1) {
			c.int64(&m.FinalizedFeaturesEpoch)
			c.endTag()
		}
		if c.tag(2, len(m.FinalizedFeatures) > 0) {
			array(c, v, &m.FinalizedFeatures, false)
			c.endTag()
		}
		if c.tag(3, m.ZkMigrationReady) {
			c.bool(&m.ZkMigrationReady)
			c.endTag()
		}
		c.endTags()
	}
}

// ApiVersionsResponseAPIKey is part of ApiVersionsResponse.
type ApiVersionsResponseAPIKey struct {
	APIKey     int16
	MinVersion int16
	MaxVersion int16
}

// Reset sets the defaults.
func (m *ApiVersionsResponseAPIKey) Reset() {
	*m = ApiVersionsResponseAPIKey{}
}

func (m *ApiVersionsResponseAPIKey) code(c *coder, _ int16) {
	c.int16(&m.APIKey)
	c.int16(&m.MinVersion)
	c.int16(&m.MaxVersion)
	if c.flexible {
		c.noTags()
	}
}

// ApiVersionsResponseSupportedFeature is part of ApiVersionsResponse.
type ApiVersionsResponseSupportedFeature struct {
	Name       string // v3+
	MinVersion int16  // v3+
	MaxVersion int16  // v3+
}

// Reset sets the defaults.
func (m *ApiVersionsResponseSupportedFeature) Reset() {
	*m = ApiVersionsResponseSupportedFeature{}
}

func (m *ApiVersionsResponseSupportedFeature) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.int16(&m.MinVersion)
	c.int16(&m.MaxVersion)
	c.noTags()
}

// ApiVersionsResponseFinalizedFeature is part of ApiVersionsResponse.
type ApiVersionsResponseFinalizedFeature struct {
	Name            string // v3+
	MaxVersionLevel int16  // v3+
	MinVersionLevel int16  // v3+
}

// Reset sets the defaults.
func (m *ApiVersionsResponseFinalizedFeature) Reset() {
	*m = ApiVersionsResponseFinalizedFeature{}
}

func (m *ApiVersionsResponseFinalizedFeature) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.int16(&m.MaxVersionLevel)
	c.int16(&m.MinVersionLevel)
	c.noTags()
}
