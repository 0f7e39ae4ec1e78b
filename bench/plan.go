package main

import "time"

// A plan says how long to look.
type plan struct {
	Runs    int           `json:"runs"`    // sessions of each system
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
	fullPlan = plan{Runs: 3, Settle: 5 * time.Second, Idle: 10 * time.Second, Heat: 15 * time.Second, Warm: 5 * time.Second,
		Measure: 5 * time.Second, Latency: 12 * time.Second, Rate: 1000, Fill: 400e6}
	// shortPlan meets a JVM that is still compiling: for a look, not for a claim.
	shortPlan = plan{Runs: 1, Settle: 3 * time.Second, Idle: 10 * time.Second, Heat: 8 * time.Second, Warm: 3 * time.Second,
		Measure: 3 * time.Second, Latency: 6 * time.Second, Rate: 1000, Fill: 150e6}
)
