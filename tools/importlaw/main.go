// Command importlaw holds the package table of ARCHITECTURE.md against the code.
//
// The table's rows are `package` | what it owns | what it may import. A package
// marked * may be imported anywhere; "all of the above" allows every package in
// an earlier row; "anything" allows all. A row that says "pure:" forbids, in the
// package and in all it imports from this module: os, net, sync, timers, the
// wall clock, goroutines, and global or cryptographic randomness.
//
// Functions and types that the page names as `path/file.go:Name` must be declared
// there.
//
// It prints each breach with the row that forbids it and exits with 1.
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
)

type row struct {
	names    []string
	anywhere bool
	pure     bool
	all      bool // may import everything
	above    bool // may import every earlier row
	may      []string
}

type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: importlaw ARCHITECTURE.md   (from the module's root)")
		os.Exit(2)
	}
	breaches, err := check(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "importlaw:", err)
		os.Exit(2)
	}
	for _, b := range breaches {
		fmt.Println(b)
	}
	if len(breaches) > 0 {
		os.Exit(1)
	}
}

func check(table string) ([]string, error) {
	text, err := os.ReadFile(table)
	if err != nil {
		return nil, err
	}
	rows := parseTable(string(text))
	packages, module, err := list()
	if err != nil {
		return nil, err
	}
	breaches := misplaced(string(text))
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		at := find(rows, name)
		if at < 0 {
			breaches = append(breaches, fmt.Sprintf("%s has no row in the package table", name))
			continue
		}
		for _, imported := range p.Imports {
			short, inside := strings.CutPrefix(imported, module+"/")
			if inside && !allowed(rows, at, short) {
				breaches = append(breaches, fmt.Sprintf("%s imports %s, which its row does not list", name, short))
			}
		}
		if rows[at].pure {
			found, err := impurities(p, packages)
			if err != nil {
				return nil, err
			}
			breaches = append(breaches, found...)
		}
	}
	sort.Strings(breaches)
	return slices.Compact(breaches), nil
}

var code = regexp.MustCompile("`([^`]+)`( \\*)?")

func parseTable(text string) []row {
	var rows []row
	for _, line := range strings.Split(text, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		var r row
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			r.names = append(r.names, m[1])
			r.anywhere = r.anywhere || m[2] != ""
		}
		r.pure = strings.HasPrefix(strings.TrimSpace(cells[2]), "pure:")
		r.above = strings.Contains(cells[3], "all of the above")
		r.all = strings.Contains(cells[3], "anything")
		for _, m := range code.FindAllStringSubmatch(cells[3], -1) {
			r.may = append(r.may, m[1])
		}
		rows = append(rows, r)
	}
	return rows
}

// find is the row of a package: its own, or the row ending in /... above it.
func find(rows []row, name string) int {
	for i, r := range rows {
		for _, n := range r.names {
			if n == name {
				return i
			}
			if prefix, ok := strings.CutSuffix(n, "/..."); ok && (name == prefix || strings.HasPrefix(name, prefix+"/")) {
				return i
			}
		}
	}
	return -1
}

func allowed(rows []row, at int, imported string) bool {
	r := rows[at]
	target := find(rows, imported)
	switch {
	case target < 0:
		return false
	case r.all, rows[target].anywhere, target == at:
		return true
	case r.above && target < at:
		return true
	}
	return slices.Contains(r.may, strings.TrimPrefix(imported, "internal/")) || slices.Contains(r.may, imported)
}

func list() ([]listed, string, error) {
	module, err := exec.Command("go", "list", "-m").Output()
	if err != nil {
		return nil, "", fmt.Errorf("go list -m: %w", err)
	}
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", "./...")
	out, err := cmd.Output()
	if err != nil {
		return nil, "", fmt.Errorf("go list: %w", err)
	}
	var packages []listed
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := decoder.Decode(&p); err == io.EOF {
			return packages, strings.TrimSpace(string(module)), nil
		} else if err != nil {
			return nil, "", err
		}
		packages = append(packages, p)
	}
}

// impure are the standard packages that a pure package may not use at all, and
// of others the names it may not use.
var (
	impure = map[string]bool{
		"os": true, "net": true, "net/http": true, "sync": true, "crypto/rand": true, "os/exec": true, "io/ioutil": true, "syscall": true,
	}
	impureNames = map[string][]string{
		"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
		"math/rand/v2": {
			"Int", "IntN", "Int32", "Int32N", "Int64", "Int64N", "Uint32", "Uint32N", "Uint64", "Uint64N", "N",
			"Float32", "Float64", "Perm", "Shuffle", "ExpFloat64", "NormFloat64",
		},
	}
)

// shared may hold locks or tables of their own and still serve pure packages.
var shared = map[string]bool{"internal/wire": true, "internal/config": true}

func impurities(p listed, packages []listed) ([]string, error) {
	var found []string
	for _, file := range p.GoFiles {
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		found = append(found, inFile(set, tree)...)
	}
	for _, imported := range p.Imports {
		for _, q := range packages {
			if q.ImportPath != imported || shared[q.ImportPath[strings.Index(q.ImportPath, "internal/"):]] {
				continue
			}
			deeper, err := impurities(q, packages)
			if err != nil {
				return nil, err
			}
			found = append(found, deeper...)
		}
	}
	return found, nil
}

func inFile(set *token.FileSet, tree *ast.File) []string {
	var found []string
	report := func(pos token.Pos, what string) {
		found = append(found, fmt.Sprintf("%s: %s in a pure package", set.Position(pos), what))
	}
	names := map[string]string{}
	for _, spec := range tree.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if impure[path] {
			report(spec.Pos(), "import of "+path)
		}
		local := path[strings.LastIndex(path, "/")+1:]
		if path == "math/rand/v2" {
			local = "rand"
		}
		if spec.Name != nil {
			local = spec.Name.Name
		}
		names[local] = path
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n.Pos(), "go statement")
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(impureNames[names[x.Name]], n.Sel.Name) {
				report(n.Pos(), x.Name+"."+n.Sel.Name)
			}
		}
		return true
	})
	return found
}

var place = regexp.MustCompile("`([a-z0-9_/]+\\.go):([A-Za-z]+)`")

// misplaced are the names that the text places in files which do not declare them.
func misplaced(text string) (breaches []string) {
	for _, m := range place.FindAllStringSubmatch(text, -1) {
		source, err := os.ReadFile(m[1])
		declared := regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type )` + m[2] + `\b`)
		if err != nil || !declared.Match(source) {
			breaches = append(breaches, fmt.Sprintf("ARCHITECTURE.md: %s does not declare %s", m[1], m[2]))
		}
	}
	return breaches
}
