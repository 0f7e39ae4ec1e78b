package wire

// UpdateFeaturesRequest asks UpdateFeatures, API key 57, versions 0-2.
type UpdateFeaturesRequest struct {
	TimeoutMS      int32
	FeatureUpdates []UpdateFeaturesRequestFeatureUpdate
	ValidateOnly   bool // v1+
}

// Reset sets the defaults.
func (m *UpdateFeaturesRequest) Reset() {
	*m = UpdateFeaturesRequest{TimeoutMS: 60000}
}

// Key is the API key.
func (*UpdateFeaturesRequest) Key() int16 { return KeyUpdateFeatures }
func (*UpdateFeaturesRequest) request()   {}

func (m *UpdateFeaturesRequest) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.TimeoutMS)
	array(c, v, &m.FeatureUpdates, false)
	if v >= 1 {
		c.bool(&m.ValidateOnly)
	}
	c.noTags()
}

// UpdateFeaturesRequestFeatureUpdate is part of UpdateFeaturesRequest.
type UpdateFeaturesRequestFeatureUpdate struct {
	Feature         string
	MaxVersionLevel int16
	AllowDowngrade  bool // v0
	UpgradeType     int8 // v1+
}

// Reset sets the defaults.
func (m *UpdateFeaturesRequestFeatureUpdate) Reset() {
	*m = UpdateFeaturesRequestFeatureUpdate{UpgradeType: 1}
}

func (m *UpdateFeaturesRequestFeatureUpdate) code(c *coder, v int16) {
	c.string(&m.Feature)
	c.int16(&m.MaxVersionLevel)
	if v <= 0 {
		c.bool(&m.AllowDowngrade)
	}
	if v >= 1 {
		c.int8(&m.UpgradeType)
	}
	c.noTags()
}

// UpdateFeaturesResponse answers UpdateFeaturesRequest.
type UpdateFeaturesResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
	ErrorMessage   *string
	Results        []UpdateFeaturesResponseResult // v0-1
}

// Reset sets the defaults.
func (m *UpdateFeaturesResponse) Reset() {
	*m = UpdateFeaturesResponse{}
}

// Key is the API key.
func (*UpdateFeaturesResponse) Key() int16 { return KeyUpdateFeatures }
func (*UpdateFeaturesResponse) response()  {}

func (m *UpdateFeaturesResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	if v <= 1 {
		array(c, v, &m.Results, false)
	}
	c.noTags()
}

// UpdateFeaturesResponseResult is part of UpdateFeaturesResponse.
type UpdateFeaturesResponseResult struct {
	Feature      string
	ErrorCode    int16
	ErrorMessage *string
}

// Reset sets the defaults.
func (m *UpdateFeaturesResponseResult) Reset() {
	*m = UpdateFeaturesResponseResult{}
}

func (m *UpdateFeaturesResponseResult) code(c *coder, _ int16) {
	c.string(&m.Feature)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	c.noTags()
}
