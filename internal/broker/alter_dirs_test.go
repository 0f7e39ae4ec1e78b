package broker_test

import (
	"testing"
	"testing/synctest"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// The errors of key 34 in the order in which Apache Kafka looks: the directory, which
// must be one of the broker's, before the partition, which must exist.
func TestAlterReplicaLogDirsErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := boot(t, vfs.NewMem())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.createTopic("t", 1, nil); err != nil {
			t.Fatal(err)
		}
		described, err := ask[*wire.DescribeLogDirsResponse](l, &wire.DescribeLogDirsRequest{})
		if err != nil || len(described.Results) != 1 {
			t.Fatalf("%+v, %v", described, err)
		}
		here := described.Results[0].LogDir
		for _, c := range []struct {
			dir, topic string
			partition  int32
			want       *kerr.Error
		}{
			{here, "t", 0, nil},
			{here, "t", 1, kerr.UnknownTopicOrPartition},
			{here, "missing", 0, kerr.UnknownTopicOrPartition},
			{"/somewhere/else", "t", 0, kerr.LogDirNotFound},
			{"/somewhere/else", "t", 1, kerr.LogDirNotFound},
			{"/somewhere/else", "missing", 0, kerr.LogDirNotFound},
		} {
			answer, err := ask[*wire.AlterReplicaLogDirsResponse](l, &wire.AlterReplicaLogDirsRequest{Dirs: []wire.AlterReplicaLogDirsRequestDir{{
				Path: c.dir, Topics: []wire.AlterReplicaLogDirsRequestTopic{{Name: c.topic, Partitions: []int32{c.partition}}},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			want := int16(0)
			if c.want != nil {
				want = c.want.Code
			}
			if got := answer.Results[0].Partitions[0].ErrorCode; got != want {
				t.Errorf("%s-%d to %s: error %d, want %d", c.topic, c.partition, c.dir, got, want)
			}
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}
