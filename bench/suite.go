package main

import "strings"

// A suite is the rows that are taken together, and what they are taken of.
type suite struct {
	name     string
	verb     string // of make
	page     string // where its table is kept
	nodes    int
	settings []string // properties that both systems get
	rows     []row
}

var suites = []suite{
	{name: "broker", verb: "bench", page: "docs/benchmarks.md", nodes: 1, rows: rows},
	{name: "cluster", verb: "bench-cluster", page: "docs/benchmarks-cluster.md", nodes: 3, rows: clusterRows},
	{name: "storage", verb: "bench-storage", page: "docs/benchmarks-storage.md", nodes: 1, rows: storageRows},
	{name: "coordinators", verb: "bench-coordinators", page: "docs/benchmarks-coordinators.md", nodes: 1, settings: coordinatorSettings, rows: coordinatorRows},
}

func suiteNames() string {
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

func suiteNamed(name string) (suite, bool) {
	for _, s := range suites {
		if s.name == name {
			return s, true
		}
	}
	return suite{}, false
}
