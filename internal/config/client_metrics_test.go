package config

import (
	"errors"
	"testing"

	"github.com/stromkafka/strom/internal/kerr"
)

// The cases follow ClientMetricsConfigs.validate of Apache Kafka 4.3.
func TestClientMetrics(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        *kerr.Error // nil: valid
	}{
		{"interval.ms", "100", nil}, {"interval.ms", "3600000", nil},
		{"interval.ms", "99", kerr.InvalidRequest}, {"interval.ms", "3600001", kerr.InvalidRequest},
		{"interval", "100", kerr.InvalidRequest},
		{"metrics", "", nil}, {"metrics", "a,b", nil}, {"metrics", "*", nil},
		{"match", "", nil}, {"match", "client_id=a.*,client_source_port=1[0-9]+", nil}, {"match", "client_id = a=", nil},
		{"match", "client_id", kerr.InvalidConfig}, {"match", "client_id=", kerr.InvalidConfig}, {"match", "client_id==", kerr.InvalidConfig},
		{"match", "client_id=a=b", kerr.InvalidConfig}, {"match", "client=a", kerr.InvalidConfig}, {"match", "client_id=[", kerr.InvalidConfig},
		{"match", "client_id=a)|(b", kerr.InvalidConfig},
	} {
		_, err := NewClientMetrics(map[string]string{c.name: c.value})
		if (err == nil) != (c.want == nil) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s = %q: %v, want %v", c.name, c.value, err, c.want)
		}
	}
	s, err := NewClientMetrics(map[string]string{"match": "client_id=a|b"})
	if err != nil || !s.Match[MatchClientID].MatchString("b") || s.Match[MatchClientID].MatchString("ab") {
		t.Errorf("a pattern is for the whole value: %v %v", s, err)
	}
}
