package admin

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/loggers"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// cluster is a controller whose decisions are committed and published at once.
type cluster struct {
	t       *testing.T
	machine *controller.Machine
	loader  *metadata.Draft
	view    View
	next    model.Offset
	ids     byte
	rights  denied
	hold    chan struct{} // when not nil, Forward waits for it before it publishes
	stall   chan struct{} // when not nil, Forward waits for it before it decides
	calls   int
	creator *AutoCreator // nil if topics are not created for who asks about them
}

// denied are "OPERATION name" pairs that are not allowed.
type denied map[string]bool

func (d denied) Allowed(_ auth.Principal, _ string, op auth.Operation, _ auth.ResourceType, name string) bool {
	return !d[op.String()+" "+name]
}

func newCluster(t *testing.T, brokers int) *cluster {
	values := static(t)
	c := &cluster{t: t, loader: metadata.NewDraft(metadata.Empty), rights: denied{}}
	c.machine = controller.New(controller.Config{
		NodeID: 1, ClusterID: "cluster", SessionTimeout: time.Hour, DefaultPartitions: 1, DefaultReplicas: 1, MinISR: 1, DeleteTopics: true,
		Topics: controller.NewTopicConfigs(values), KRaftVersion: func() int16 { return 1 }, Supported: metadata.SupportedFeatures(false), Rand: rand.New(rand.NewPCG(1, 1)),
		NewUUID: func() model.UUID { c.ids++; return model.UUID{0: 7, 15: c.ids} }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	c.commit(c.machine.Claim(metadata.Empty, time.UnixMilli(0), 0, nil))
	for id := 1; id <= brokers; id++ {
		c.start(int32(id))
	}
	return c
}

func static(t *testing.T) *config.Values {
	t.Helper()
	values, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func (c *cluster) commit(r controller.Result) {
	c.t.Helper()
	for _, v := range r.Records {
		if err := c.loader.Apply(v.Record, c.next); err != nil {
			c.t.Fatal(err)
		}
		c.next++
	}
	img, _ := c.loader.Image(c.next-1, 1)
	c.view.Publish(img)
}

func (c *cluster) submit(body wire.Request, version int16, r *server.Request) controller.Result {
	return c.machine.Handle(time.UnixMilli(0), c.next, controller.Request{Body: body, Version: version,
		Allowed: func(op auth.Operation, rt auth.ResourceType, name string) bool {
			return c.rights.Allowed(auth.Principal{}, "", op, rt, name)
		}})
}

func (c *cluster) start(id int32) {
	q := &wire.BrokerRegistrationRequest{}
	q.Reset()
	q.BrokerID, q.ClusterID, q.IncarnationID, q.LogDirs = id, "cluster", model.UUID{9, byte(id)}, []model.UUID{{8, byte(id)}}
	q.Listeners = []wire.BrokerRegistrationRequestListener{
		{Name: "PLAINTEXT", Host: "host" + strconv.Itoa(int(id)), Port: 9092}, {Name: "INTERNAL", Host: "inside", Port: uint16(19090 + id)},
	}
	for _, f := range metadata.SupportedFeatures(false) {
		q.Features = append(q.Features, wire.BrokerRegistrationRequestFeature{Name: f.Name, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
	}
	c.commit(c.submit(q, 4, nil))
	beat := &wire.BrokerHeartbeatRequest{BrokerID: id, BrokerEpoch: int64(c.view.Image().Broker(model.NodeID(id)).Epoch), CurrentMetadataOffset: int64(c.next)}
	c.commit(c.submit(beat, 2, nil))
}

// fence ends a broker's session.
func (c *cluster) fence(id model.NodeID) {
	c.commit(c.machine.Lost(time.UnixMilli(0), c.next, id, c.view.Image().Broker(id).Epoch))
}

// Forward implements Forwarder.
func (c *cluster) Forward(ctx context.Context, r *server.Request, body wire.Request, version int16) (wire.Response, error) {
	c.calls++
	if c.stall != nil {
		select {
		case <-c.stall:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	result := c.submit(body, version, r)
	if result.Err != nil {
		return nil, result.Err
	}
	if c.hold == nil {
		c.commit(result)
		return result.Response, nil
	}
	go func() {
		<-c.hold
		c.commit(result)
	}()
	return result.Response, nil
}

// autoCreate has topics created that are asked about, until the test ends.
func (c *cluster) autoCreate() {
	c.creator = NewAutoCreator(c, nil, slog.New(slog.DiscardHandler))
	go func() { _ = c.creator.Run(c.t.Context()) }()
}

func (c *cluster) create(names ...string) {
	c.t.Helper()
	q := &wire.CreateTopicsRequest{}
	for _, name := range names {
		q.Topics = append(q.Topics, wire.CreateTopicsRequestTopic{Name: name, NumPartitions: 3, ReplicationFactor: 1})
	}
	result := c.submit(q, 7, nil)
	for _, t := range result.Response.(*wire.CreateTopicsResponse).Topics {
		if t.ErrorCode != 0 {
			c.t.Fatalf("%s: %v", t.Name, kerr.FromCode(t.ErrorCode))
		}
	}
	c.commit(result)
}

func request(body wire.Request, version int16) *server.Request {
	r := &server.Request{Body: body, Listener: "PLAINTEXT"}
	r.Header.APIKey, r.Header.APIVersion = body.Key(), version
	return r
}

func (c *cluster) metadata(version int16, auto bool, topics ...wire.MetadataRequestTopic) *wire.MetadataResponse {
	c.t.Helper()
	h := &Metadata{View: &c.view, ClusterID: "cluster", NodeID: 1, Authorizer: c.rights, Create: c.creator}
	q := &wire.MetadataRequest{Topics: topics, AllowAutoTopicCreation: auto}
	response := h.Handle(c.t.Context(), request(q, version)).(*wire.MetadataResponse)
	for v := int16(0); v <= 13; v++ { // whatever is answered can be sent
		if _, err := wire.Encode(v, response); err != nil {
			c.t.Errorf("version %d: %v", v, err)
		}
	}
	return response
}

func named(names ...string) []wire.MetadataRequestTopic {
	all := []wire.MetadataRequestTopic{}
	for _, name := range names {
		all = append(all, wire.MetadataRequestTopic{Name: &name})
	}
	return all
}

// topics are "name:error" in the order of the answer.
func topics(r *wire.MetadataResponse) string {
	var all []string
	for _, t := range r.Topics {
		name := "null"
		if t.Name != nil {
			name = *t.Name
		}
		all = append(all, name+":"+strconv.Itoa(int(t.ErrorCode)))
	}
	return strings.Join(all, " ")
}

func TestMetadataTopics(t *testing.T) {
	c := newCluster(t, 2)
	c.create("a", "b", "secret")
	c.rights["DESCRIBE secret"] = true
	c.rights["DESCRIBE hidden"] = true
	id, unknown, secret := c.view.Image().Topic("a").ID, model.UUID{99}, c.view.Image().Topic("secret").ID
	for _, tc := range []struct {
		name    string
		version int16
		topics  []wire.MetadataRequestTopic
		want    string
	}{
		{"all", 12, nil, "a:0 b:0"},
		{"all in version 0", 0, named(), "a:0 b:0"},
		{"none", 1, named(), ""},
		{"by name", 12, named("b", "a", "b"), "b:0 a:0"},
		{"unknown and invalid", 12, named("none", "bad name"), "none:3 bad name:17"},
		{"not to be described", 12, named("secret", "hidden"), "secret:29 hidden:29"},
		{"by id", 12, []wire.MetadataRequestTopic{{TopicID: model.UUID(id)}, {TopicID: unknown}, {TopicID: model.UUID(secret)}}, "a:0 null:100 null:29"},
	} {
		if got := topics(c.metadata(tc.version, false, tc.topics...)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	bad := c.metadata(10, false, wire.MetadataRequestTopic{TopicID: model.UUID(id)})
	if got := topics(bad); got != ":42" {
		t.Errorf("an id in version 10: %s", got)
	}
}

func TestMetadataBrokers(t *testing.T) {
	c := newCluster(t, 2)
	c.create("a")
	got := c.metadata(12, false)
	if len(got.Brokers) != 2 || got.Brokers[1].Host != "host2" || got.ControllerID != 1 || *got.ClusterID != "cluster" {
		t.Errorf("%+v", got)
	}
	c.fence(1)
	got = c.metadata(12, false)
	if len(got.Brokers) != 1 || got.Brokers[0].NodeID != 2 || got.ControllerID != 2 {
		t.Errorf("with broker 1 fenced: %+v", got.Brokers)
	}
	led, lost := 0, 0
	for _, p := range got.Topics[0].Partitions {
		if p.LeaderID == 2 && p.ErrorCode == 0 {
			led++
		}
		if p.LeaderID == -1 && p.ErrorCode == kerr.LeaderNotAvailable.Code && slices.Equal(p.OfflineReplicas, []int32{1}) {
			lost++
		}
	}
	if led+lost != 3 || led == 0 || lost == 0 {
		t.Errorf("partitions: %+v", got.Topics[0].Partitions)
	}
	h := &Metadata{View: &c.view, Authorizer: c.rights}
	r := request(&wire.MetadataRequest{}, 12)
	r.Listener = "INTERNAL"
	if got := h.Handle(t.Context(), r).(*wire.MetadataResponse); got.Brokers[0].Port != 19092 {
		t.Errorf("on another listener: %+v", got.Brokers)
	}
	r.Listener = "NONE"
	if got := h.Handle(t.Context(), r).(*wire.MetadataResponse); len(got.Brokers) != 0 || got.Topics[0].Partitions[0].LeaderID != -1 {
		t.Errorf("on a listener that no broker has: %+v", got)
	}
}

// TestMetadataCreates: who asks first for a topic that does not exist is told so,
// and it is there for who asks once it is created.
func TestMetadataCreates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		c.create("old")
		c.autoCreate()
		c.rights["CREATE kafka-cluster"], c.rights["CREATE no"] = true, true
		if got := topics(c.metadata(12, true, named("old", "new", "no", "bad name")...)); got != "old:0 new:3 no:29 bad name:17" {
			t.Error(got)
		}
		synctest.Wait()
		if got := topics(c.metadata(12, true, named("old", "new", "no")...)); got != "old:0 new:0 no:29" {
			t.Error(got)
		}
		synctest.Wait()
		if c.calls != 1 {
			t.Errorf("%d creations, want 1: an existing topic was created again", c.calls)
		}
	})
}

// TestMetadataCreatesOnce: a topic is asked of the controller once, however many
// ask about it meanwhile, and again after a failure.
func TestMetadataCreatesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		c.autoCreate()
		c.stall = make(chan struct{})
		for range 3 {
			if got := topics(c.metadata(12, true, named("new")...)); got != "new:3" {
				t.Error(got)
			}
			synctest.Wait()
		}
		if c.calls != 1 {
			t.Errorf("%d creations under way, want 1", c.calls)
		}
		time.Sleep(autoCreateTimeout) // in the bubble: the controller does not answer
		synctest.Wait()
		close(c.stall)
		c.metadata(12, true, named("new")...)
		synctest.Wait()
		if got := topics(c.metadata(12, true, named("new")...)); got != "new:0" || c.calls != 2 {
			t.Errorf("after a creation that timed out: %s, %d creations", got, c.calls)
		}
	})
}

// TestMetadataCreatesWithinBounds: what finds no room among the creations waiting
// is not created, and can be asked about again.
func TestMetadataCreatesWithinBounds(t *testing.T) {
	c := newCluster(t, 1)
	c.creator = NewAutoCreator(c, nil, slog.New(slog.DiscardHandler)) // nobody runs it
	for i := range autoCreateQueue + 1 {
		c.metadata(12, true, named("t"+strconv.Itoa(i))...)
	}
	if last := "t" + strconv.Itoa(autoCreateQueue); len(c.creator.queue) != autoCreateQueue || c.creator.underWay[last] || !c.creator.underWay["t0"] {
		t.Errorf("%d wait, %s is under way: %v", len(c.creator.queue), last, c.creator.underWay[last])
	}
}

func TestCreateAndDeleteAreSeenHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		c.hold = make(chan struct{})
		create := &wire.CreateTopicsRequest{Topics: []wire.CreateTopicsRequestTopic{{Name: "a", NumPartitions: 1, ReplicationFactor: 1}}, TimeoutMS: 30000}
		done := make(chan wire.Response, 1)
		go func() { done <- (&CreateTopics{c, &c.view}).Handle(t.Context(), request(create, 7)) }()
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("answered before this node knows the topic")
		}
		close(c.hold)
		if got := (<-done).(*wire.CreateTopicsResponse); got.Topics[0].ErrorCode != 0 || c.view.Image().Topic("a") == nil {
			t.Errorf("%+v", got)
		}
		c.hold = nil
		name := "a"
		deleted := (&DeleteTopics{c, &c.view}).Handle(t.Context(), request(&wire.DeleteTopicsRequest{Topics: []wire.DeleteTopicsRequestTopic{{Name: &name}}}, 6))
		if got := deleted.(*wire.DeleteTopicsResponse); got.Responses[0].ErrorCode != 0 || c.view.Image().Topic("a") != nil {
			t.Errorf("%+v", got)
		}
	})
}

func TestAuthorizedOperations(t *testing.T) {
	c := newCluster(t, 1)
	c.create("a")
	c.rights["WRITE a"] = true
	h := &Metadata{View: &c.view, Authorizer: c.rights}
	q := &wire.MetadataRequest{IncludeTopicAuthorizedOperations: true, IncludeClusterAuthorizedOperations: true}
	got := h.Handle(t.Context(), request(q, 8)).(*wire.MetadataResponse)
	topic, cluster := got.Topics[0].TopicAuthorizedOperations, got.ClusterAuthorizedOperations
	if topic != 1<<auth.Read|1<<auth.Create|1<<auth.Delete|1<<auth.Alter|1<<auth.Describe|1<<auth.DescribeConfigs|1<<auth.AlterConfigs {
		t.Errorf("topic: %b", topic)
	}
	if cluster&(1<<auth.ClusterAction) == 0 || cluster&(1<<auth.Read) != 0 {
		t.Errorf("cluster: %b", cluster)
	}
	c.rights["DESCRIBE kafka-cluster"] = true
	if got := h.Handle(t.Context(), request(q, 8)).(*wire.MetadataResponse); got.ClusterAuthorizedOperations != 0 {
		t.Errorf("without DESCRIBE: %b", got.ClusterAuthorizedOperations)
	}
	q.IncludeTopicAuthorizedOperations = false
	if got := h.Handle(t.Context(), request(q, 8)).(*wire.MetadataResponse); got.Topics[0].TopicAuthorizedOperations != notAsked {
		t.Errorf("not asked: %b", got.Topics[0].TopicAuthorizedOperations)
	}
}

func TestApiVersions(t *testing.T) {
	c := newCluster(t, 1)
	h := &ApiVersions{
		Served: func() []server.Route { return []server.Route{{Key: 0, Min: 3, Max: 13}, {Key: 18, Max: 5}} }, Broker: true,
		ClusterID: "cluster", NodeID: 1, View: &c.view, KRaftVersion: func() int16 { return 1 },
		Supported: metadata.SupportedFeatures(false),
	}
	ask := func(version int16, change func(*wire.ApiVersionsRequest)) *wire.ApiVersionsResponse {
		q := &wire.ApiVersionsRequest{}
		q.Reset()
		q.ClientSoftwareName, q.ClientSoftwareVersion = "apache-kafka-java", "4.4.0"
		if change != nil {
			change(q)
		}
		return h.Handle(t.Context(), request(q, version)).(*wire.ApiVersionsResponse)
	}
	got := ask(4, nil)
	if len(got.APIKeys) != 2 || got.APIKeys[0].MinVersion != 0 || got.APIKeys[0].MaxVersion != 13 {
		t.Errorf("keys: %+v", got.APIKeys)
	}
	if len(got.SupportedFeatures) != 7 || len(ask(3, nil).SupportedFeatures) != 1 {
		t.Errorf("supported: %+v; a minimum of 0 must not be told before version 4", got.SupportedFeatures)
	}
	if len(got.FinalizedFeatures) != 7 || got.FinalizedFeaturesEpoch != int64(c.view.Image().Offset) {
		t.Errorf("finalized: %+v at %d", got.FinalizedFeatures, got.FinalizedFeaturesEpoch)
	}
	text := func(s string) *string { return &s }
	for _, tc := range []struct {
		name    string
		version int16
		change  func(*wire.ApiVersionsRequest)
		want    int16
	}{
		{"a bad name", 3, func(q *wire.ApiVersionsRequest) { q.ClientSoftwareName = "-x" }, kerr.InvalidRequest.Code},
		{"no name before version 3", 2, func(q *wire.ApiVersionsRequest) { q.ClientSoftwareName = "" }, 0},
		{"this node", 5, func(q *wire.ApiVersionsRequest) { q.ClusterID, q.NodeID = text("cluster"), 1 }, 0},
		{"another node", 5, func(q *wire.ApiVersionsRequest) { q.ClusterID, q.NodeID = text("cluster"), 2 }, kerr.RebootstrapRequired.Code},
		{"another cluster", 5, func(q *wire.ApiVersionsRequest) { q.ClusterID, q.NodeID = text("x"), 1 }, kerr.RebootstrapRequired.Code},
		{"half of it", 5, func(q *wire.ApiVersionsRequest) { q.ClusterID = text("cluster") }, kerr.InvalidRequest.Code},
	} {
		if got := ask(tc.version, tc.change).ErrorCode; got != tc.want {
			t.Errorf("%s: error %d, want %d", tc.name, got, tc.want)
		}
	}
	var none View
	h.View = &none
	if got := ask(4, nil); got.FinalizedFeaturesEpoch != -1 || len(got.FinalizedFeatures) != 0 {
		t.Errorf("before metadata.version is known: %+v", got)
	}
}

func TestDescribeTopicPartitions(t *testing.T) {
	c := newCluster(t, 1)
	c.create("a", "b", "c", "secret")
	c.rights["DESCRIBE secret"] = true
	h := &DescribeTopicPartitions{View: &c.view, Authorizer: c.rights, MaxPage: 2000}
	var pages []string
	q := &wire.DescribeTopicPartitionsRequest{ResponsePartitionLimit: 4}
	for {
		got := h.Handle(t.Context(), request(q, 0)).(*wire.DescribeTopicPartitionsResponse)
		var seen []string
		for _, topic := range got.Topics {
			for _, p := range topic.Partitions {
				seen = append(seen, *topic.Name+strconv.Itoa(int(p.PartitionIndex)))
			}
		}
		pages = append(pages, strings.Join(seen, " "))
		if got.NextCursor == nil {
			break
		}
		q.Cursor = &wire.DescribeTopicPartitionsRequestCursor{TopicName: got.NextCursor.TopicName, PartitionIndex: got.NextCursor.PartitionIndex}
	}
	if got := strings.Join(pages, " | "); got != "a0 a1 a2 b0 | b1 b2 c0 c1 | c2" {
		t.Error(got)
	}
	q = &wire.DescribeTopicPartitionsRequest{ResponsePartitionLimit: 100, Topics: []wire.DescribeTopicPartitionsRequestTopic{{Name: "secret"}, {Name: "none"}, {Name: "a"}}}
	got := h.Handle(t.Context(), request(q, 0)).(*wire.DescribeTopicPartitionsResponse)
	codes := map[string]int16{}
	for _, topic := range got.Topics {
		codes[*topic.Name] = topic.ErrorCode
	}
	if codes["secret"] != 29 || codes["none"] != 3 || codes["a"] != 0 || len(codes) != 3 {
		t.Errorf("%v", codes)
	}
	q.Cursor = &wire.DescribeTopicPartitionsRequestCursor{TopicName: "b"}
	if got := h.Handle(t.Context(), request(q, 0)).(*wire.DescribeTopicPartitionsResponse); got.Topics[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("a cursor outside the topics: %+v", got)
	}
}

func TestDescribeCluster(t *testing.T) {
	c := newCluster(t, 2)
	c.fence(2)
	h := &DescribeCluster{View: &c.view, ClusterID: "cluster", NodeID: 1, Authorizer: c.rights}
	q := &wire.DescribeClusterRequest{EndpointType: 1}
	got := h.Handle(t.Context(), request(q, 2)).(*wire.DescribeClusterResponse)
	if got.ErrorCode != 0 || len(got.Brokers) != 1 || got.ControllerID != 1 || got.ClusterID != "cluster" {
		t.Errorf("%+v", got)
	}
	q.IncludeFencedBrokers = true
	if got := h.Handle(t.Context(), request(q, 2)).(*wire.DescribeClusterResponse); len(got.Brokers) != 2 || !got.Brokers[1].IsFenced {
		t.Errorf("%+v", got)
	}
	for _, tc := range []struct {
		endpoint int8
		version  int16
		want     int16
	}{{2, 1, 114}, {2, 0, 42}, {9, 1, 115}, {9, 0, 42}} {
		if got := h.Handle(t.Context(), request(&wire.DescribeClusterRequest{EndpointType: tc.endpoint}, tc.version)).(*wire.DescribeClusterResponse); got.ErrorCode != tc.want {
			t.Errorf("endpoint type %d in version %d: %d, want %d", tc.endpoint, tc.version, got.ErrorCode, tc.want)
		}
	}
	registration := &wire.ControllerRegistrationRequest{ControllerID: 3, Listeners: []wire.ControllerRegistrationRequestListener{{Name: "PLAINTEXT", Host: "c3", Port: 9093}}}
	c.commit(c.submit(registration, 0, nil))
	h.QuorumLeader = func() model.NodeID { return 3 }
	got = h.Handle(t.Context(), request(&wire.DescribeClusterRequest{EndpointType: 2}, 2)).(*wire.DescribeClusterResponse)
	if got.ErrorCode != 0 || len(got.Brokers) != 1 || got.ControllerID != 3 || got.Brokers[0].Host != "c3" {
		t.Errorf("%+v", got)
	}
	c.rights["ALTER kafka-cluster"] = true
	if got := h.Handle(t.Context(), request(&wire.DescribeClusterRequest{EndpointType: 2}, 2)).(*wire.DescribeClusterResponse); got.ErrorCode != 31 {
		t.Errorf("without ALTER: %+v", got)
	}
}

func TestDescribeConfigs(t *testing.T) {
	c := newCluster(t, 1)
	c.create("a")
	value := "5"
	c.commit(controller.Result{Records: []metadata.Versioned{{Record: &wire.ConfigRecord{ResourceType: 2, ResourceName: "a", Name: "retention.ms", Value: &value}}}})
	c.rights["DESCRIBE_CONFIGS secret"] = true
	h := &DescribeConfigs{View: &c.view, Static: static(t), NodeID: 1, Loggers: loggers.New(1, slog.New(slog.DiscardHandler)), Authorizer: c.rights}
	q := &wire.DescribeConfigsRequest{IncludeSynonyms: true, IncludeDocumentation: true}
	for _, resource := range []struct {
		kind int8
		name string
	}{{2, "a"}, {2, "none"}, {2, "bad name"}, {2, "secret"}, {4, "1"}, {4, ""}, {4, "2"}, {4, "x"}, {8, "1"}, {8, ""}, {16, "m"}, {16, ""}, {32, "g"}, {32, ""}, {77, "?"}} {
		q.Resources = append(q.Resources, wire.DescribeConfigsRequestResource{ResourceType: resource.kind, ResourceName: resource.name})
	}
	q.Resources[0].ConfigurationKeys = []string{"retention.ms"}
	got := h.Handle(t.Context(), request(q, 4)).(*wire.DescribeConfigsResponse)
	want := []int16{0, 3, 17, 29, 0, 0, 42, 42, 0, 42, 0, 42, 0, 42, 42}
	for i, result := range got.Results {
		if result.ErrorCode != want[i] {
			t.Errorf("%d %q: error %d, want %d", result.ResourceType, result.ResourceName, result.ErrorCode, want[i])
		}
	}
	if topic := got.Results[0].Configs; len(topic) != 1 || *topic[0].Value != "5" || topic[0].ConfigSource != 1 || topic[0].ConfigType != 5 || len(topic[0].Synonyms) < 1 || *topic[0].Documentation == "" {
		t.Errorf("topic: %+v", topic)
	}
	if broker := got.Results[4].Configs; len(broker) < 100 {
		t.Errorf("%d broker configs", len(broker))
	}
	if defaults := got.Results[5].Configs; len(defaults) != 1 || defaults[0].Name != "min.insync.replicas" || defaults[0].ConfigSource != 3 {
		t.Errorf("cluster: %+v", defaults)
	}
}

func TestTopicDefaults(t *testing.T) {
	fill := NewTopicDefaults(static(t))
	plain := wire.CreateTopicsRequestTopic{Name: "a", NumPartitions: -1, ReplicationFactor: -1}
	if fill(&plain); plain.NumPartitions != -1 || plain.ReplicationFactor != -1 || plain.Configs != nil {
		t.Errorf("%+v", plain)
	}
	for name := range internalTopicSettings {
		topic := wire.CreateTopicsRequestTopic{Name: name}
		fill(&topic)
		overrides := map[string]string{}
		for _, c := range topic.Configs {
			overrides[c.Name] = *c.Value
		}
		if topic.NumPartitions < 1 || topic.ReplicationFactor < 1 || overrides["cleanup.policy"] == "" || overrides["segment.bytes"] == "" {
			t.Errorf("%+v", topic)
		}
		if err := config.ValidateTopic(overrides); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
