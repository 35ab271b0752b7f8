package spec

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
)

// TestErrors holds what is said of files that are wrong: file, line, column, and the
// words that would be right.
func TestErrors(t *testing.T) {
	const head = "programs: sample:firewall\ncaptures: sample:lab\n"
	for _, c := range []struct{ text, want string }{
		{"", "s.yaml: empty: a study names programs and captures"},
		{"programs: [a\ncaptures: b", "s.yaml:2:1: ',' or ']' must be specified"},
		{"captures: x", "s.yaml:1:1: programs: name at least one"},
		{"[a, b]", "s.yaml:1:1: a study: want a mapping of keys, there is a list"},
		{head + "polices: [lru]", `s.yaml:3:1: key "polices": not known in a study; there are name, question,`},
		{head + "policies:\n  - lru\n  - lruu", `s.yaml:5:5: policy "lruu": not known; there are `},
		{head + "modes: [generic, special]", `s.yaml:3:18: mode "special": not known; there are generic, specialised`},
		{head + "entries: [4, 0]", `s.yaml:3:14: size "0": a size is a number from 1 to 1099511627775`},
		{head + "entries: []", "s.yaml:3:10: an empty list: leave the key out, or name something"},
		{head + "queues: 500", `s.yaml:3:9: want a whole number from 1 to 128, there is "500"`},
		{head + "split: flow/3", `s.yaml:3:8: split "flow/3": want none, flows/N with N up to 128, or windows/N`},
		{head + "warmup: 100%", `s.yaml:3:9: warmup "100%": want a number of requests, or a share as 10%`},
		{head + "rates: 10 apples", `s.yaml:3:8: rates "10 apples": `},
		{head + "exclude: {polcy: lru}", `s.yaml:3:11: key "polcy": not a coordinate; there are program, entry,`},
		{head + "include:\n  - {entries: 4, plicies: lru}", `s.yaml:4:18: key "plicies": not known in include; there are programs,`},
		{head + "seeds: -1", `s.yaml:3:8: want a whole number from 0 to 9007199254740992, there is "-1"`},
		{"programs: {entry: x}\ncaptures: sample:lab", "s.yaml:1:11: file: name the program's object, or sample:NAME"},
		{"programs: sample:nat\ncaptures: {limit: 5}", "s.yaml:2:11: a capture: want file, files or gen, and one of them"},
		{"programs: sample:nat\ncaptures: [{gen: zip}]", `s.yaml:2:18: preset "zip": not known; there are zipf,`},
		{"programs: sample:nat\ncaptures: [{gen: {preset: zipf, flow: 3}}]", `s.yaml:2:33: key "flow": not known in gen; there are seed, packets,`},
		{"programs: sample:nat\ncaptures: [{gen: {flows: many}}]", `s.yaml:2:26: flows "many": want a whole number`},
		{"programs: sample:nat\ncaptures: [{gen: {alpha: 99}}]", "s.yaml:2:18: traffic spec: alpha is 99: not 0 to 10"},
		{head + "modes: *x", "s.yaml:3:8: *x: no such anchor before it"},
		{head + "programs: sample:nat", "s.yaml:3:1: "},
		{head + "---\nname: x", "s.yaml:4:1: a second document: a study is one"},
	} {
		_, err := Parse("s.yaml", ".", []byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

// TestParse reads every kind of value.
func TestParse(t *testing.T) {
	s := must.Get(Parse("s.yaml", "d", []byte(`
name: all
matrix: &m
  programs:
    - {file: a.o, entry: "*", maps: [m=x.json, y.json], fib: r.txt, filter: tcp, btf: v}
    - sample:nat
  captures:
    - "*.pcap"
    - {files: [a, b], name: both, limit: 1_000, loop: 2, linktype: skip, pad_cut: true, strip_vlan: true}
    - gen: {preset: thrash, packets: 500, attack: {paths: 9}}
      name: attack
  modes: [generic, specialised]
  queues: [1, 4]
  split: [none, flows/4]
  policies: lru,slru/5
  admissions: [always, probabilistic/4]
  entries: [1..8, 100]
  devices: [hxdp, {nic: bluefield, set: {clock: 2 GHz}}]
  rates: 1M..4M/3
  tiers: [0, 2]
  seeds: [1, 7]
  repeats: 2
include:
  - {modes: specialised, slots: 64}
exclude:
  - {policy: lru, entries: [1, 2]}
`)))(t)
	if d := cmp.Diff([]uint64{1, 2, 4, 8, 100}, s.Entries); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]uint64{1, 2, 7, 8}, s.EachSeed()); d != "" {
		t.Error(d)
	}
	g := s.Captures[2].Gen
	if g.Packets != 500 || g.Attack == nil || g.Attack.Kind != "thrash" || g.Attack.Paths != 9 {
		t.Errorf("generator: %+v", g)
	}
	if len(s.Include) != 1 || len(s.Include[0].Programs) != 2 || s.Include[0].Entries != nil || s.Include[0].Slots[0] != 64 || s.Include[0].Policies[0] != "lru" {
		t.Errorf("include: %+v", s.Include)
	}
	if p := s.Programs[0]; p.Entry != "*" || len(p.Maps) != 2 || p.At.Line != 5 || p.At.Column != 7 {
		t.Errorf("program: %+v", p)
	}
	if len(s.Devices) != 2 || s.Devices[1].Set[0] != "clock=2 GHz" || len(s.Rates) != 3 {
		t.Errorf("devices: %+v %v", s.Devices, s.Rates)
	}
}

// TestTemplate holds that what is written can be read, and that each commented line
// is right where its comment goes.
func TestTemplate(t *testing.T) {
	text := Template([]string{"a b.o"}, []string{"x.pcap"})
	s, err := Parse("study.yaml", ".", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if s.Programs[0].File != "a b.o" || s.Captures[0].Files[0] != "x.pcap" {
		t.Errorf("%+v", s.Axes)
	}
	var all []string
	for line := range strings.SplitSeq(text, "\n") {
		if l, ok := strings.CutPrefix(line, "# "); ok && (strings.HasPrefix(l, "  - ") || strings.Contains(l, ": ") && strings.IndexByte(l, ' ') > strings.IndexByte(l, ':')) && !strings.HasPrefix(l, "yaml-") {
			if key, _, _ := strings.Cut(l, ":"); strings.HasPrefix(l, "  - ") || isKey(key) {
				line = l
			}
		}
		all = append(all, line)
	}
	if _, err := Parse("study.yaml", ".", []byte(strings.Join(all, "\n"))); err != nil {
		t.Errorf("with comments taken off: %v\n%s", err, strings.Join(all, "\n"))
	}
}

func isKey(k string) bool {
	for _, w := range studyWords {
		if w.key == k {
			return true
		}
	}
	return false
}

// TestShipped reads the studies that the binary carries.
func TestShipped(t *testing.T) {
	for _, name := range Shipped() {
		s, err := Read("study:" + name)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if s.Question == "" || s.Name != name {
			t.Errorf("study:%s: called %q, asks %q", name, s.Name, s.Question)
		}
	}
	if _, err := Read("study:nix"); err == nil || !strings.Contains(err.Error(), `study "nix": not known; there are `) {
		t.Errorf("%v", err)
	}
}

// TestSchema: the schema names every key that is read, with what it is.
func TestSchema(t *testing.T) {
	b := must.Get(json.Marshal(Schema()))(t)
	var s struct {
		Properties map[string]struct{ Description string }
	}
	must.OK(t, json.Unmarshal(b, &s))
	for _, w := range studyWords {
		if s.Properties[w.key].Description == "" {
			t.Errorf("%s: not described", w.key)
		}
	}
	if len(s.Properties) != len(studyWords) {
		t.Errorf("%d properties for %d keys", len(s.Properties), len(studyWords))
	}
}

// FuzzParse: whatever the file holds, an error in one line or a study.
func FuzzParse(f *testing.F) {
	all, _ := filepath.Glob("studies/*.yaml")
	for _, p := range all {
		text := must.Get(os.ReadFile(p))(f)
		f.Add(text)
	}
	f.Add([]byte("programs: &a [*a]\ncaptures: {<<: 3}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("s.yaml", ".", text)
		if err != nil && strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("%q", err)
		}
		if err == nil && len(s.Commands) == 0 && (len(s.Programs) == 0 || len(s.Captures) == 0) {
			t.Error("a study of nothing")
		}
	})
}
