package broker_test

import (
	"slices"
	"testing"

	"github.com/stromkafka/strom/internal/broker/brokertest"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

// TestUnstableLevels: clients' listeners name the unstable levels of features by
// unstable.feature.versions.enable and controllers' by unstable.api.versions.enable,
// as Apache Kafka's do.
func TestUnstableLevels(t *testing.T) {
	const client, controller = "127.0.0.1:9092", "127.0.0.1:9093"
	for _, tc := range []struct {
		feature, api       string
		client, controller metadata.Version
	}{
		{"true", "false", metadata.UnstableVersion, metadata.ProductionVersion},
		{"false", "true", metadata.ProductionVersion, metadata.UnstableVersion},
	} {
		network := transport.NewPipe()
		brokertest.Start(t, brokertest.Options{Nodes: 1, Network: network, Config: map[string]string{
			"unstable.feature.versions.enable": tc.feature, "unstable.api.versions.enable": tc.api,
		}})
		for address, want := range map[string]metadata.Version{client: tc.client, controller: tc.controller} {
			l, err := link.Dial(t.Context(), link.Options{Network: network, Address: address, ClientID: "test"})
			if err != nil {
				t.Fatal(err)
			}
			request := &wire.ApiVersionsRequest{}
			request.Reset()
			request.ClientSoftwareName, request.ClientSoftwareVersion = "test", "1"
			call, err := l.SendVersion(t.Context(), 4, request)
			if err != nil {
				t.Fatal(err)
			}
			response, err := call.Wait(t.Context())
			l.Close()
			if err != nil {
				t.Fatal(err)
			}
			all := response.(*wire.ApiVersionsResponse).SupportedFeatures
			at := slices.IndexFunc(all, func(f wire.ApiVersionsResponseSupportedFeature) bool {
				return f.Name == metadata.FeatureMetadataVersion
			})
			if at < 0 || all[at].MaxVersion != int16(want) {
				t.Errorf("feature %s, api %s: %s names %v, want metadata.version up to %d", tc.feature, tc.api, address, all, want)
			}
		}
	}
}
