package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/term"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(f.Fd()) }

// A style colours text, or leaves it alone.
type style bool

func (c *CLI) outStyle() style { return style(c.env.OutTerminal && c.colour()) }
func (c *CLI) errStyle() style { return style(c.env.ErrTerminal && c.colour()) }

// colour follows https://no-color.org.
func (c *CLI) colour() bool {
	return !c.opts.noColor && c.env.Getenv("NO_COLOR") == "" && c.env.Getenv("TERM") != "dumb"
}

func (s style) sgr(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) head(text string) string { return s.sgr("1", text) }
func (s style) dim(text string) string  { return s.sgr("2", text) }
func (s style) good(text string) string { return s.sgr("32", text) }
func (s style) warn(text string) string { return s.sgr("33", text) }
func (s style) bad(text string) string  { return s.sgr("31", text) }

// printJSON writes v as one indented document.
func (c *CLI) printJSON(v any) error {
	e := json.NewEncoder(c.env.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// clearLine goes back to the beginning of a terminal's line and empties it.
const clearLine = "\r\x1b[K"

// note tells the person at standard error something that is no failure.
func (c *CLI) note(format string, args ...any) {
	erase := ""
	if c.progressing.Load() {
		erase = clearLine
	}
	fmt.Fprintf(c.env.Err, "%s%s %s\n", erase, c.errStyle().dim("strom:"), fmt.Sprintf(format, args...))
}

// A table is aligned columns, two spaces apart, without lines around them: it
// reads well and `awk` can take it apart. An empty cell is written as a dash.
type table struct {
	head  []string
	rows  [][]cell
	right []bool // by column: numbers are aligned at their last digit
}

// A cell is text and the way it is shown. The width is the text's own.
type cell struct {
	text string
	show func(string) string
}

func plain(text string) cell                           { return cell{text: text} }
func shown(text string, show func(string) string) cell { return cell{text: text, show: show} }

// newTable has the given columns; the name of a column of numbers ends in '>'.
func newTable(columns ...string) *table {
	t := &table{}
	for _, name := range columns {
		bare, right := strings.CutSuffix(name, ">")
		t.head = append(t.head, bare)
		t.right = append(t.right, right)
	}
	return t
}

func (t *table) add(cells ...cell) {
	for i := range cells {
		if cells[i].text == "" {
			cells[i].text = "-"
		}
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(w io.Writer, s style) error {
	widths := make([]int, len(t.head))
	for i, name := range t.head {
		widths[i] = utf8.RuneCountInString(name)
	}
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	head := make([]cell, len(t.head))
	for i, name := range t.head {
		head[i] = shown(name, s.head)
	}
	for _, row := range append([][]cell{head}, t.rows...) {
		t.writeRow(&b, row, widths)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) writeRow(b *strings.Builder, row []cell, widths []int) {
	for i, c := range row {
		if i > 0 {
			b.WriteString("  ")
		}
		text := c.text
		if c.show != nil {
			text = c.show(text)
		}
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
		switch {
		case t.right[i]:
			b.WriteString(pad + text)
		case i == len(row)-1: // no blanks at a line's end
			b.WriteString(text)
		default:
			b.WriteString(text + pad)
		}
	}
	b.WriteByte('\n')
}

func number[T ~int | ~int16 | ~int32 | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// count is "1 record" or "3 records".
func count[T ~int | ~int16 | ~int32 | ~int64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(int64(n)) + " " + noun + "s"
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(s) - 3; i > first; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytesText writes 1536 as 1.5 KiB.
func bytesText(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, unit := float64(n), 0
	for v >= 1024 && unit < 4 {
		v /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", v, "BKMGT"[unit])
}

func nodes(ids []int32) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = number(id)
	}
	return strings.Join(texts, ",")
}
