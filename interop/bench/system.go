package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/stromkafka/strom/interop/internal/peer"
)

// system is a broker under one policy of when a record counts as stored.
type system struct {
	name    string
	policy  string
	program string
	env     []string
	set     map[string]string
}

// kafkaJVM is what kafka-server-start.sh gives the JVM.
const kafkaJVM = "-Xmx1G -Xms1G -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 " +
	"-XX:+ExplicitGCInvokesConcurrent -XX:MaxInlineLevel=15"

const (
	kafkaName  = "kafka"
	stromOS    = "strom-os"
	stromFsync = "strom-fsync"
)

func systems(root, strom string, names []string) ([]system, error) {
	path, err := peer.Resolve(root, strom, "")
	if err != nil {
		return nil, err
	}
	kafka, err := filepath.Abs(filepath.Join(root, peer.Reference))
	if err != nil {
		return nil, err
	}
	known := map[string]system{
		kafkaName: {name: kafkaName, policy: "Apache Kafka 4.3.1 as it is: never syncs", program: kafka,
			env: []string{"KAFKA_JVM=" + kafkaJVM}},
		stromOS: {name: stromOS, policy: "Strom, log.flush.policy=os: the page cache counts, as with Kafka", program: path,
			set: map[string]string{"log.flush.policy": "os"}},
		stromFsync: {name: stromFsync, policy: "Strom, log.flush.policy=fsync: visible and acknowledged (acks=all) once on disk", program: path,
			set: map[string]string{"log.flush.policy": "fsync"}},
	}
	var all []system
	for _, name := range names {
		s, ok := known[strings.TrimSpace(name)]
		if !ok {
			return nil, fmt.Errorf("no system is called %q", name)
		}
		all = append(all, s)
	}
	return all, nil
}

func (s system) options(dir string) peer.Options {
	return peer.Options{Program: []string{s.program}, Env: s.env, Dir: dir, Set: s.set, Wrap: []string{"taskset", "-c", brokerCore}}
}
