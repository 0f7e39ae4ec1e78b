package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

// columns of the table, and of the markdown.
var columns = []string{"measured", "Strom's policy", "Strom", "Kafka", "unit", "times better", "target", "", "cores (broker/client) Strom, Kafka"}

// report prints the table and writes the files that were asked for. A row that could not be measured is an error; a target
// that is not reached is a result.
func (b *bench) report() error {
	r := &b.results
	r.Lines = r.compare(b.rows)
	printTable(os.Stdout, cells(r.Lines))
	fmt.Println()
	fmt.Println(legend(r))
	err := errors.Join(writeJSON(b.json, r), writeMarkdown(b.markdown, r))
	for _, f := range r.Failures {
		err = errors.Join(err, fmt.Errorf("%s, %s: %s", f.Row, f.System, f.Error))
	}
	return err
}

func cells(lines []line) [][]string {
	table := [][]string{columns}
	for _, l := range lines {
		times := "-"
		switch {
		case l.TimesBetter != nil:
			times = figure(*l.TimesBetter) + "x"
		case l.Strom != nil && l.Kafka != nil:
			times = "not measurable"
		}
		wanted := l.Target.Meaning
		if wanted == "" {
			wanted = "-"
		}
		table = append(table, []string{l.Label, l.Policy, l.Strom.text(), l.Kafka.text(), l.Unit, times, wanted, l.Verdict, coresText(l)})
	}
	return table
}

func coresText(l line) string {
	if l.StromCores.Client == 0 && l.KafkaCores.Client == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f/%.0f %%, %.0f/%.0f %%", 100*l.StromCores.Broker, 100*l.StromCores.Client, 100*l.KafkaCores.Broker, 100*l.KafkaCores.Client)
}

// text is the median, with the spread when there were several runs.
func (s *spread) text() string {
	switch {
	case s == nil:
		return "failed"
	case len(s.Samples) == 1:
		return figure(s.Median)
	}
	return fmt.Sprintf("%s (%s-%s)", figure(s.Median), figure(s.Min), figure(s.Max))
}

// figure shows a number with about three digits that matter.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// printTable aligns the columns.
func printTable(w io.Writer, table [][]string) {
	widths := make([]int, len(columns))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range table {
		var text strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&text, "%-*s  ", widths[i], cell)
		}
		fmt.Fprintln(w, strings.TrimRight(text.String(), " "))
	}
}

// legend says what the figures mean.
func legend(r *results) string {
	return nodesLegend(r.Plan) + settingsLegend(r.Plan) + fmt.Sprintf(`Medians of %d sessions of each system, interleaved, lowest and highest in brackets; "times better" above 1 is in Strom's favour.
Policy fsync: Strom acknowledges when the record is on disk. Policy os: when it is in the page cache, as Apache Kafka does.
Any: the policy has no part in it; measured with fsync. Apache Kafka %s runs as it ships: heap %s, G1, no syncing.
%s: a client's core was full (95 %% or more), so the row counts only for CPU per GB. MB and GB are of record values, 10^6 and 10^9 bytes.
End to end is from the moment a record was due to the moment a consumer has it, at %d records a second, open loop.
%s%sMeasured on %s, %d cores, Linux %s, load before %s, in %s.`,
		r.Plan.Runs, kafkaVersion, r.Plan.heap(), clientBound, r.Plan.Rate, cold(r.Plan), disturbed(r.Lines), r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Machine.Load,
		(time.Duration(r.Seconds)*time.Second).String())
}

// nodesLegend says what a cluster's rows were measured on.
func nodesLegend(p plan) string {
	if p.Nodes == 1 {
		return ""
	}
	return fmt.Sprintf(`Three nodes of each system on one core, brokers and controllers at once: replication factor 3, acks=all, min.insync.replicas 2, topics of
%d partitions (of one for the latency). Strom's policy holds on every node: under fsync a record is acknowledged when it is on the
disk of every replica in sync. Unavailable is from kill -9 until the last of %d partitions acknowledges a record that was produced
afterwards, to a librdkafka client with its default settings that produces every %v to each; %d kills a session, and the longest
is the median over the sessions of each one's longest. The controller that is killed leads partitions too.
`, clusterPartitions, clusterPartitions, produceEvery, p.Kills)
}

// settingsLegend says which settings both systems were given.
func settingsLegend(p plan) string {
	settings := p.suite().settings
	if len(settings) == 0 {
		return ""
	}
	return "Both with " + strings.Join(settings, ", ") + ".\n"
}

// heap of Apache Kafka's JVM.
func (p plan) heap() string {
	if p.Nodes == 1 {
		return "1 GB"
	}
	return "512 MB each"
}

// cold is the warning that goes with a plan too short for a JVM.
func cold(p plan) string {
	if p.Heat >= fullPlan.Heat && p.Warm >= fullPlan.Warm {
		return ""
	}
	return "A SHORT RUN: Apache Kafka's JVM is still compiling, so rows under load flatter Strom; drop -short for figures to quote.\n"
}

// disturbance is how much of a core others may use under a row before its figures are doubted.
const disturbance = 0.25

// disturbed is the warning that others were busy on the same cores.
func disturbed(lines []line) string {
	worst := 0.0
	for _, l := range lines {
		worst = max(worst, l.StromCores.Others, l.KafkaCores.Others)
	}
	if worst < disturbance {
		return ""
	}
	return fmt.Sprintf("DISTURBED: other processes used up to %.0f %% of a core during a row; measure again on a quiet machine.\n", 100*worst)
}

func writeJSON(file string, r *results) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func writeMarkdown(file string, r *results) error {
	if file == "" {
		return nil
	}
	return os.WriteFile(file, []byte(markdown(r)), 0o644)
}

// markdown is the page of a suite.
func markdown(r *results) string {
	var text strings.Builder
	fmt.Fprintf(&text, "# Strom beside Apache Kafka\n\nWritten by `go run ./bench -suite %s -markdown %s` on %s; `make %s` measures again.\n\n",
		r.Plan.suite().name, r.Plan.suite().page, r.Began.Format(time.DateOnly), r.Plan.suite().verb)
	for i, row := range cells(r.Lines) {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&text, "|%s\n", strings.Repeat("---|", len(row)))
		}
	}
	fmt.Fprintf(&text, "\n%s\n", strings.ReplaceAll(legend(r), "\n", "\n\n"))
	if len(r.Failures) > 0 {
		fmt.Fprint(&text, "\n## Not measured\n\n")
		for _, f := range r.Failures {
			fmt.Fprintf(&text, "- %s, %s: %s\n", f.Row, f.System, strings.Join(strings.Fields(f.Error), " "))
		}
	}
	return text.String()
}
