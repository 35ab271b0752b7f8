package report

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// programKey is of the context that says which of several programs is studied.
type programKey struct{}

// one is that program: its number, and what it is called in names of files.
type one struct {
	index         int
	program, name string
}

// odd is what can't stand in a file's name everywhere.
var odd = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// Several runs a command for each of several programs in turn, as if each had been
// named alone. Files and folders that flags name get the program's name into
// theirs: report.json is report.firewall.json, and a folder has one in it for each.
// On stdout the reports stand one after the other.
func Several(c *cobra.Command, programs []string, run func(program string) error) error {
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	defer c.SetContext(ctx)
	seen := map[string]bool{}
	for i, p := range programs {
		base := strings.TrimPrefix(p, "sample:")
		if strings.HasPrefix(p, "filter:") { // an expression, which may hold anything
			base = strings.Trim(odd.ReplaceAllString(p, "-"), "-")
		} else {
			base = strings.TrimSuffix(filepath.Base(base), filepath.Ext(base))
		}
		name := base
		for k := 2; seen[name]; k++ {
			name = fmt.Sprintf("%s-%d", base, k)
		}
		seen[name] = true
		c.SetContext(context.WithValue(ctx, programKey{}, one{i, p, name}))
		if err := run(p); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

// of is the program of several that a command is run for.
func of(c *cobra.Command) one {
	if c == nil || c.Context() == nil {
		return one{}
	}
	x, _ := c.Context().Value(programKey{}).(one)
	return x
}

// Path is where an output goes: what the flag names, with the program's name in it
// where there are several. A device is the same for all.
func (o *Outputs) Path(path string) string {
	if o.one.name == "" || path == "" || toStdout(path) || device(path) {
		return path
	}
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "." + o.one.name + ext
}

// afterFirst leaves the head out of the second and further tables on stdout.
func (o *Outputs) afterFirst(write func(io.Writer) error) func(io.Writer) error {
	if o.one.index == 0 {
		return write
	}
	return func(w io.Writer) error {
		var b strings.Builder
		if err := write(&b); err != nil {
			return err
		}
		_, rows, _ := strings.Cut(b.String(), "\n")
		_, err := io.WriteString(w, rows)
		return err
	}
}
