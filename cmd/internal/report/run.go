package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"jitnic/host/programs"
	"jitnic/pcaps/samples"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Schema is the number of the reports' form: it rises when a key of the JSON or a
// column of the CSV goes or changes its meaning, and stays when one is added.
const Schema = 1

// Version is the binary's: that of its module or, built within the repository, of
// the commit.
func Version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}

// A Run says what was run, so that a report alone is enough to run it again. Flags
// that change no result, folders of absolute paths and times are no part of it, so
// equal runs have equal reports.
type Run struct {
	Verb    string    `json:"verb"`
	Version string    `json:"version"`
	Schema  int       `json:"schema"`
	Command string    `json:"command"` // with every flag that isn't its default
	Inputs  []RunFile `json:"inputs"`  // what it read, by flag

	settings map[string]string // every flag's value, by its name
	sums     sums
}

// A RunFile is a file that was read.
type RunFile struct {
	Flag   string `json:"flag"` // or "argument"
	Name   string `json:"name"`
	SHA256 string `json:"sha256,omitempty"` // none of stdin and of what can't be read twice
}

// quiet are flags that change no result.
var quiet = map[string]bool{"json": true, "csv": true, "html": true, "out": true, "quiet": true, "jobs": true, "workers": true, "dump-maps": true, "dot": true, "profile": true, "in-place": true, "help": true, "memo": true, "memo-check": true}

// newRun is the run of a command, program the one of several that is studied, and
// the sums of the files it reads.
func newRun(c *cobra.Command, args []string, program string, files sums) *Run {
	_, verb, _ := strings.Cut(c.CommandPath(), " ")
	if verb == "" { // a command of its own, as in tests
		verb = c.Name()
	}
	r := &Run{Verb: verb, Version: Version(), Schema: Schema, Inputs: []RunFile{}, settings: map[string]string{}, sums: files}
	line := []string{"jitnic", verb}
	for _, a := range args {
		line = append(line, shell(r.input("argument", a)))
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		var names []string
		for _, v := range values(f, program) {
			if f.Changed && !quiet[f.Name] {
				names = append(names, r.input(f.Name, v))
			} else {
				names = append(names, Name(v))
			}
		}
		r.settings[f.Name] = strings.Join(names, " ")
		if !f.Changed || quiet[f.Name] || f.Value.String() == f.DefValue {
			return
		}
		for _, v := range names {
			if bare := f.NoOptDefVal; bare != "" { // a value is written behind =, as without one it is this
				line = append(line, "--"+f.Name+map[bool]string{true: "", false: "=" + v}[v == bare])
				continue
			}
			line = append(line, "--"+f.Name, shell(v))
		}
	})
	r.Command = strings.Join(line, " ")
	return r
}

// values are those of a flag, or the one program of several.
func values(f *pflag.Flag, program string) []string {
	if f.Name == "program" && program != "" {
		return []string{program}
	}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return slices.Clone(list.GetSlice())
	}
	return []string{f.Value.String()}
}

// input adds the files that a value names, and gives the value without folders.
func (r *Run) input(flag, value string) string {
	if name, ok := strings.CutPrefix(value, "sample:"); ok {
		if sum := sample(flag, name); sum != "" {
			r.Inputs = append(r.Inputs, RunFile{flag, value, sum})
		}
		return value
	}
	if value == "-" {
		r.Inputs = append(r.Inputs, RunFile{Flag: flag, Name: value})
		return value
	}
	paths, err := filepath.Glob(value)
	if err != nil || len(paths) == 0 {
		paths = []string{value}
		if _, at, ok := strings.Cut(value, "="); ok && flag == "maps" {
			paths = []string{at}
		}
	}
	for _, p := range paths {
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() {
			r.Inputs = append(r.Inputs, RunFile{flag, Name(p), r.sums.of(p)})
		}
	}
	return Name(value)
}

// sample is the hash of a sample program or capture.
func sample(flag, name string) string {
	if flag == "program" {
		if p, err := programs.Get(name); err == nil {
			return sum(strings.NewReader(string(p.Object)))
		}
		return ""
	}
	f, err := samples.Open(name)
	if err != nil {
		return ""
	}
	return sum(f)
}

// Names are paths as reports have them.
func Names(paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = Name(p)
	}
	return out
}

// Name is a path as reports have it. Of an absolute one it is the last part: where
// a file stands is no part of what was run.
func Name(path string) string {
	if name, at, ok := strings.Cut(path, "="); ok && filepath.IsAbs(at) {
		return name + "=" + filepath.Base(at)
	}
	if filepath.IsAbs(path) {
		return filepath.Base(path)
	}
	return path
}

// shell quotes a word where a shell would take it for something else.
func shell(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\n'\"\\$`*?[]{}()<>|&;#~!") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// facts are the run as the text and the page have it.
func (r *Run) facts() (f Facts) {
	f.Addf("jitnic", "%s, schema %d", r.Version, r.Schema)
	f.Add("command", r.Command)
	for _, in := range r.Inputs {
		hash := in.SHA256
		if hash == "" {
			hash = "not known: it can't be read twice"
		}
		f.Addf("read", "%s, sha256 %s", in.Name, hash)
	}
	return f
}

// runColumns are those that the rows of every verb have, so that rows of different
// runs can be put in one table: a flag's value, empty where the verb has no such
// flag.
var runColumns = []struct {
	name string
	of   func(r *Run) string
}{
	{"verb", func(r *Run) string { return r.Verb }},
	{"version", func(r *Run) string { return r.Version }},
	{"schema", func(r *Run) string { return fmt.Sprint(r.Schema) }},
	{"program", func(r *Run) string { return r.settings["program"] }},
	{"program_sha256", func(r *Run) string { return r.hashes("program", "argument") }},
	{"entry", func(r *Run) string { return r.settings["entry"] }},
	{"capture", func(r *Run) string { return r.settings["capture"] }},
	{"capture_sha256", func(r *Run) string { return r.hashes("capture", "requests") }},
	{"mode", func(r *Run) string {
		switch r.settings["specialise"] {
		case "true":
			return "specialised"
		case "false":
			return "generic"
		case "auto":
			return "specialised where it pays"
		}
		return ""
	}},
	{"filter", setting("filter")}, {"limit", setting("limit")}, {"loop", setting("loop")}, {"queues", setting("queues")}, {"seed", setting("seed")},
	{"hot", setting("hot")}, {"install_delay", setting("install-delay")}, {"policy", setting("policy")}, {"admission", setting("admission")},
	{"entries", setting("entries")}, {"slots", setting("slots")}, {"maps", setting("maps")}, {"fib", setting("fib")}, {"ct", setting("ct")},
	{"command", func(r *Run) string { return r.Command }},
}

func setting(name string) func(r *Run) string {
	return func(r *Run) string { return r.settings[name] }
}

func (r *Run) hashes(flags ...string) string {
	var out []string
	for _, in := range r.Inputs {
		if slices.Contains(flags, in.Flag) && in.SHA256 != "" {
			out = append(out, in.SHA256)
		}
	}
	return strings.Join(out, " ")
}

// complete are the names and values that rows get beside their own columns.
func (r *Run) complete(own []Column) (names, values []string) {
	has := map[string]bool{}
	for _, c := range own {
		has[c.Name] = true
	}
	for _, c := range runColumns {
		if !has[c.name] {
			names, values = append(names, c.name), append(values, c.of(r))
		}
	}
	return names, values
}

// withRun puts the run before the other keys of an object's JSON. A list stays one.
func withRun(r *Run, data any) (any, error) {
	b, err := encode(data)
	if err != nil || r == nil || len(b) < 2 || b[0] != '{' {
		return data, err
	}
	run, err := encode(r)
	if err != nil {
		return nil, err
	}
	head := append(append([]byte(`{"run":`), run...), ',')
	if string(b) == "{}" {
		head = head[:len(head)-1]
	}
	return json.RawMessage(append(head, b[1:]...)), nil
}
