package main

import "time"

// A plan says how long to look.
type plan struct {
	Runs    int           `json:"runs"`  // sessions of each system
	Nodes   int           `json:"nodes"` // brokers of each system
	Suite   string        `json:"suite"`
	Kills   int           `json:"kills"`   // of a leader, and as many of the active controller, a session
	Settle  time.Duration `json:"settle"`  // after the start, before anything idle is measured
	Idle    time.Duration `json:"idle"`    // the idle broker
	Heat    time.Duration `json:"heat"`    // unmeasured load before the first row under load, for the JVM's compiler
	Warm    time.Duration `json:"warm"`    // unmeasured start of a row under load
	Measure time.Duration `json:"measure"` // a row under load
	Latency time.Duration `json:"latency"` // a row at a fixed rate
	Rate    int           `json:"rate"`    // records a second of that row
	Fill    int           `json:"fill"`    // bytes in the partition that is consumed, over and over
}

var (
	// fullPlan warms up for as long as Apache Kafka needs on one core: its broker gets faster for about 15 s under load, its
	// producer for about 5 s. A plan that is shorter flatters Strom.
	fullPlan = plan{Runs: 3, Kills: 5, Settle: 5 * time.Second, Idle: 10 * time.Second, Heat: 15 * time.Second, Warm: 5 * time.Second,
		Measure: 5 * time.Second, Latency: 12 * time.Second, Rate: 1000, Fill: 400e6}
	// shortPlan meets a JVM that is still compiling: for a look, not for a claim.
	shortPlan = plan{Runs: 1, Kills: 2, Settle: 3 * time.Second, Idle: 10 * time.Second, Heat: 8 * time.Second, Warm: 3 * time.Second,
		Measure: 3 * time.Second, Latency: 6 * time.Second, Rate: 1000, Fill: 150e6}
)

// planOf is a plan for a suite.
func planOf(p plan, s suite) plan {
	p.Suite, p.Nodes = s.name, s.nodes
	return p
}

// suite is what the plan takes: by its name.
func (p plan) suite() suite {
	s, _ := suiteNamed(p.Suite)
	return s
}

// clusterPartitions is how many a topic of a cluster's rows has, so that each of three nodes leads two.
const clusterPartitions = 6

// partitions of a topic that is written as fast as it goes.
func (p plan) partitions() int32 {
	if p.Nodes == 1 {
		return 1
	}
	return clusterPartitions
}

// copies of each partition.
func (p plan) copies() int { return min(3, p.Nodes) }
