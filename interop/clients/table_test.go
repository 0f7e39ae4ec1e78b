//go:build interop

package clients

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestTable: the table in the README says what the tests have each client do.
func TestTable(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	before := *everything
	defer func() { *everything = before }()
	*everything = true
	all := everyClient()
	*everything = false
	quick := len(everyClient())
	table := "| client | run by | compressions | idempotent | transactions | groups | expressions |\n|---|---|---|---|---|---|---|\n"
	for i, c := range all {
		by := "`make interop`"
		if i >= quick {
			by = "`make interop-all`"
		}
		table += row(c, by)
	}
	if !strings.Contains(string(readme), table) {
		t.Errorf("interop/README.md lacks this table:\n%s", table)
	}
}

func row(c kafkaClient, by string) string {
	codecs := slices.DeleteFunc(slices.Clone(c.codecs()), func(codec string) bool { return codec == plainWrites })
	groups, expressions, transactions := "no", "no", "no"
	if g, ok := c.(groupClient); ok {
		groups = strings.Join(g.groupProtocols(), ", ")
		if subscribesByExpression(c) {
			expressions = groups
		}
	}
	if tr, ok := c.(transactClient); ok && tr.transactional() {
		transactions = "yes"
	}
	idempotent := map[bool]string{true: "with and without", false: "no"}[slices.Contains(c.codecs(), plainWrites)]
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |\n", c.name(), by, strings.Join(codecs, " "), idempotent, transactions, groups, expressions)
}
