package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/superopt/z3"

	"github.com/spf13/cobra"
)

// A shown command is one that a page for users tells, with what it shows of the
// output.
type shown struct {
	page string
	args []string
	root bool // told with sudo
	runs bool // told with the shell's prompt: as it stands
	out  []string
}

var argument = regexp.MustCompile(`(?:'[^']*'|[^\s'])+`)

// pagesCommands are the commands of all pages for users.
func pagesCommands(t *testing.T) (out []shown) {
	pages := must.Get(filepath.Glob("../../docs/*.md"))(t)
	for _, page := range append(pages, "../../README.md") {
		for i, block := range strings.Split(string(must.Get(os.ReadFile(page))(t)), "```") {
			if i%2 == 0 {
				continue
			}
			var last *shown
			for line := range strings.Lines(block) {
				line = strings.TrimSuffix(line, "\n")
				word, runs := strings.CutPrefix(line, "$ ")
				word, root := strings.CutPrefix(word, "sudo ")
				word, is := strings.CutPrefix(word, "bin/jitnic ")
				switch {
				case is:
					word, _, _ = strings.Cut(word, " #")
					args := argument.FindAllString(word, -1)
					for i, a := range args {
						args[i] = strings.ReplaceAll(a, "'", "")
					}
					args = slices.DeleteFunc(args, func(a string) bool { return a == "…" })
					out = append(out, shown{page: filepath.Base(page), args: args, root: root, runs: runs})
					last = &out[len(out)-1]
				case runs:
					last = nil
				case last != nil && last.runs:
					last.out = append(last.out, line)
				}
			}
		}
	}
	return out
}

// TestPagesCommands: every command that the pages for users tell has the verb and
// the flags it is told with.
func TestPagesCommands(t *testing.T) {
	cmds := pagesCommands(t)
	if len(cmds) < 30 {
		t.Fatalf("only %d commands found", len(cmds))
	}
	for _, s := range cmds {
		root := &cobra.Command{Use: "jitnic"}
		root.PersistentFlags().BoolP("quiet", "q", false, "")
		root.AddCommand(verbs()...)
		c, rest, err := root.Find(s.args)
		if err == nil && c == root {
			t.Errorf("%s: %v: no such verb", s.page, s.args)
			continue
		}
		if err == nil {
			err = c.ParseFlags(rest)
		}
		if err != nil {
			t.Errorf("%s: %v: %v", s.page, s.args, err)
		}
	}
}

// TestREADME runs what README.md shows with the output, which must have each line
// that is shown, in order; "…" stands for any.
func TestREADME(t *testing.T) {
	if err := z3.Open(); err != nil {
		t.Skip(err)
	}
	cmds := pagesCommands(t)
	root := must.Get(filepath.Abs("../.."))(t)
	dir := t.TempDir()
	must.OK(t, os.Symlink(filepath.Join(root, "host"), filepath.Join(dir, "host")))
	t.Chdir(dir)
	n := 0
	for _, s := range cmds {
		if s.page != "README.md" || !s.runs || s.root {
			continue
		}
		n++
		code, out, errs := jitnic(t.Context(), s.args...)
		if code != 0 {
			t.Errorf("%v: exit code %d: %s", s.args, code, errs)
			continue
		}
		lines := strings.Split(out, "\n")
		for _, want := range s.out {
			if want == "" || want == "…" {
				continue
			}
			i := slices.Index(lines, want)
			if i < 0 {
				t.Errorf("%v: README.md shows a line that is not there, or not after the one before:\n%s", s.args, want)
				continue
			}
			lines = lines[i+1:]
		}
	}
	if n < 5 {
		t.Errorf("only %d commands run", n)
	}
}
