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
	return fmt.Sprintf(`Medians of %d sessions of each system, interleaved, lowest and highest in brackets; "times better" above 1 is in Strom's favour.
Policy fsync: Strom acknowledges when the record is on disk. Policy os: when it is in the page cache, as Apache Kafka does.
Any: the policy has no part in it; measured with fsync. Apache Kafka %s runs as it ships: heap 1 GB, G1, no syncing.
%s: a client's core was full (95 %% or more), so the row counts only for CPU per GB. MB and GB are of record values, 10^6 and 10^9 bytes.
End to end is from the moment a record was due to the moment a consumer has it, at %d records a second, open loop.
%s%sMeasured on %s, %d cores, Linux %s, load before %s, in %s.`,
		r.Plan.Runs, kafkaVersion, clientBound, r.Plan.Rate, cold(r.Plan), disturbed(r.Lines), r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Machine.Load,
		(time.Duration(r.Seconds) * time.Second).String())
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

// markdown is the page docs/benchmarks.md.
func markdown(r *results) string {
	var text strings.Builder
	fmt.Fprintf(&text, "# Strom beside Apache Kafka\n\nWritten by `go run ./bench -markdown docs/benchmarks.md` on %s; `make bench` measures again.\n\n", r.Began.Format(time.DateOnly))
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
