package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
)

// usersFile is a table of the commands that users have in scripts. A line "$ ..."
// is a command, with its exit code behind it; below it stand the paths of the keys
// of the JSON, or the columns of the CSV, or the flags of the help that it printed.
// Commands run one after the other in one folder; ROOT is the module's. It was
// written by the binary whose users they are:
//
//	JITNIC_USERS=/path/to/that/jitnic go test ./cmd/jitnic -run TestUsersCommands
//
// A key that is there may never go; others may come.
const usersFile = "testdata/users.txt"

// command is one of the table's.
type command struct {
	line string // behind "$ "
	note string // its exit code
	keys []string
}

func readUsers(t *testing.T) (head string, out []*command) {
	t.Helper()
	b := must.Get(os.ReadFile(usersFile))(t)
	for l := range strings.Lines(string(b)) {
		l = strings.TrimRight(l, "\n")
		switch {
		case strings.HasPrefix(l, "$ "):
			line, note, _ := strings.Cut(l[2:], "  # ")
			out = append(out, &command{line: strings.TrimSpace(line), note: note})
		case len(out) == 0:
			head += l + "\n"
		case strings.TrimSpace(l) != "":
			c := out[len(out)-1]
			c.keys = append(c.keys, strings.TrimSpace(l))
		}
	}
	return head, out
}

var helpFlag = regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z0-9-]+)`)

// keysOf are the parts of an output that a script can name: of JSON the paths of
// its keys, of CSV the columns, of a help text the flags.
func keysOf(out string) []string {
	set := map[string]bool{}
	var v any
	switch {
	case json.Unmarshal([]byte(out), &v) == nil:
		jsonKeys("", v, set)
	case strings.Contains(out, "\nUsage:\n"):
		for _, m := range helpFlag.FindAllStringSubmatch(out, -1) {
			set[m[1]] = true
		}
	default:
		head, _, _ := strings.Cut(out, "\n")
		if cols := strings.Split(head, ","); len(cols) > 3 && !strings.Contains(head, " ") {
			for _, c := range cols {
				set[c] = true
			}
		}
	}
	keys := make([]string, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func jsonKeys(at string, v any, set map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			set[at+"."+k] = true
			jsonKeys(at+"."+k, x, set)
		}
	case []any:
		for _, x := range v {
			jsonKeys(at+"[]", x, set)
		}
	}
}

func TestUsersCommands(t *testing.T) {
	head, table := readUsers(t)
	file := must.Get(filepath.Abs(usersFile))(t)
	root := must.Get(filepath.Abs("../.."))(t)
	bpf := kernel.Available()
	t.Chdir(t.TempDir())
	binary := os.Getenv("JITNIC_USERS")
	for _, c := range table {
		args := strings.Fields(strings.ReplaceAll(c.line, "ROOT", root))
		if binary != "" {
			c.record(t, binary, args)
			continue
		}
		if args[0] == "verify" && bpf != nil {
			t.Logf("%s: not run: %v", c.line, bpf)
			continue
		}
		code, stdout, stderr := jitnic(t.Context(), args...)
		if got := fmt.Sprintf("exit %d", code); got != c.note {
			t.Errorf("$ %s: %s, want %s: %s", c.line, got, c.note, stderr)
			continue
		}
		have := keysOf(stdout)
		for _, k := range c.keys {
			if !slices.Contains(have, k) {
				t.Errorf("$ %s: %s is gone", c.line, k)
			}
		}
	}
	if binary == "" {
		return
	}
	var b strings.Builder
	b.WriteString(head)
	for _, c := range table {
		fmt.Fprintf(&b, "$ %s  # %s\n", c.line, c.note)
		for _, k := range c.keys {
			fmt.Fprintf(&b, "  %s\n", k)
		}
	}
	must.OK(t, os.WriteFile(file, []byte(b.String()), 0o644))
}

// record runs the command by a binary and notes what came.
func (c *command) record(t *testing.T, binary string, args []string) {
	t.Helper()
	x := exec.Command(binary, args...)
	var out, errs bytes.Buffer
	x.Stdout, x.Stderr = &out, &errs
	code := 0
	if err := x.Run(); err != nil {
		var e *exec.ExitError
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		code = e.ExitCode()
		t.Logf("$ %s: exit %d: %s", c.line, code, errs.String())
	}
	c.note = fmt.Sprintf("exit %d", code)
	c.keys = keysOf(out.String())
}
