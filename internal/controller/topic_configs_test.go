package controller

import (
	"testing"

	"github.com/stromkafka/strom/internal/config"
)

func TestTopicConfigs(t *testing.T) {
	values, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	c := NewTopicConfigs(values)
	cluster, node := map[string]string{configMinISR: "2"}, map[string]string{configMinISR: "3", configUnclean: "true"}
	for _, tc := range []struct {
		name                     string
		overrides, cluster, node map[string]string
		want                     string
	}{
		{configMinISR, nil, nil, nil, "1"},
		{configMinISR, nil, cluster, nil, "2"},
		{configMinISR, nil, cluster, node, "3"},
		{configMinISR, map[string]string{configMinISR: "4"}, cluster, node, "4"},
		{configUnclean, nil, cluster, nil, "false"},
	} {
		if got := c.Value(tc.name, tc.overrides, tc.cluster, tc.node); got != tc.want {
			t.Errorf("%s of %v over %v over %v = %s, want %s", tc.name, tc.overrides, tc.node, tc.cluster, got, tc.want)
		}
	}
	if err := c.Validate(map[string]string{"retention.ms": "soon"}); err == nil {
		t.Error("retention.ms=soon was accepted")
	}
	if all := c.Effective(map[string]string{"retention.ms": "5"}, nil, nil); len(all) < 30 {
		t.Errorf("%d effective configs", len(all))
	}
}
