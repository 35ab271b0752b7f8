package profile

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// profile is what both kinds have in common.
type profile interface {
	Format() string
	Params() []Param
	Set(key, value string) error
	Sweep(key string, steps int) ([]string, error)
}

// each runs a test for every built-in profile of both kinds.
func each(t *testing.T, f func(t *testing.T, text string, load func() profile, parse func(text string) (profile, error), with func(key, value string) (profile, error))) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			text := must.Get(Text(name))(t)
			load := func() profile {
				n := must.Get(Load(name))(t)
				return n
			}
			f(t, text, load,
				func(text string) (profile, error) { return Parse("x.nic", []byte(text)) },
				func(k, v string) (profile, error) { return load().(*NIC).With(k, v) })
		})
	}
	for _, name := range HostNames() {
		t.Run("host/"+name, func(t *testing.T) {
			text := must.Get(HostText(name))(t)
			load := func() profile {
				h := must.Get(LoadHost(name))(t)
				return h
			}
			f(t, text, load,
				func(text string) (profile, error) { return ParseHost("x.host", []byte(text)) },
				func(k, v string) (profile, error) { return load().(*Host).With(k, v) })
		})
	}
}

// The committed files are in normal form, and what is printed parses to the
// same parameters with the same sources.
func TestRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, text string, load func() profile, parse func(string) (profile, error), _ func(string, string) (profile, error)) {
		p := load()
		if d := cmp.Diff(text, p.Format()); d != "" {
			t.Errorf("the file is not in normal form:\n%s", d)
		}
		q := must.Get(parse(p.Format()))(t)
		if d := cmp.Diff(p.Format(), q.Format()); d != "" {
			t.Error(d)
		}
		pp, qp := p.Params(), q.Params()
		for i := range pp {
			pp[i].Where, qp[i].Where = "", ""
		}
		if d := cmp.Diff(pp, qp); d != "" {
			t.Error(d)
		}
	})
}

// No number without a source: cited, or assumed with a range it lies in.
func TestSources(t *testing.T) {
	each(t, func(t *testing.T, _ string, load func() profile, _ func(string) (profile, error), _ func(string, string) (profile, error)) {
		for _, p := range load().Params() {
			if p.Doc == "" {
				t.Errorf("%s: no documentation", p.Key)
			}
			if p.Key == "name" || p.Key == "title" {
				continue
			}
			switch {
			case p.Assumed && p.Lo == "" && len(p.Alternatives) < 2:
				t.Errorf("%s: assumed without a range", p.Key)
			case p.Assumed && p.Source == "":
				t.Errorf("%s: assumed without a reason", p.Key)
			case !p.Assumed && p.Source == "":
				t.Errorf("%s: no source", p.Key)
			}
			if p.User {
				t.Errorf("%s: a built-in set by the user", p.Key)
			}
			if !strings.Contains(p.Where, ":") {
				t.Errorf("%s: no file and line: %q", p.Key, p.Where)
			}
		}
	})
}

// The figures that the study was given stand in the profiles.
func TestFigures(t *testing.T) {
	for _, c := range []struct{ profile, key, value, spread string }{
		{"hxdp", "clock", "156.25 MHz", ""},
		{"hxdp", "exec.lanes", "4 insns/cycle", ""},
		{"hxdp", "exec.helpers", "1 calls/cycle", ""},
		{"hxdp", "pcie.read", "573 ns", "546 ns..600 ns"},
		{"hxdp", "pcie.writeread", "787 ns", "773 ns..800 ns"},
		{"hxdp", "pcie.numa", "0 ns", "0 ns..107 ns"},
		{"netronome", "limit.map.entries", "3_071_999 entries", ""},
		{"netronome", "limit.map.entry", "64 B", ""},
		{"netronome", "limit.slots", "2800 slots", ""},
		{"netronome", "limit.map.writes", "atomic", ""},
		{"netronome", "limit.helpers", "map_lookup_elem, map_update_elem, map_delete_elem, get_prandom_u32, perf_event_output, xdp_adjust_head, xdp_adjust_tail", ""},
		{"pensando", "install.rate", "3 M/s", "1 M/s..4 M/s"},
		{"netronome", "exec.dispatch", "224 cycles", ""},
		{"bluefield", "limit.entries", "200_000 traces", "200_000 traces..unlimited traces"},
		{"host/paper", "driver", "41.6 ns", ""},
		{"host/paper", "map.array", "3.9 ns", "3.9 ns..9.4 ns"},
		{"host/paper", "map.hash", "18.8 ns", "18.8 ns..45.3 ns"},
		{"host/paper", "map.lru", "19.2 ns", "19.2 ns..37 ns"},
		{"host/paper", "verdict.pass", "273 ns", "273 ns..5738 ns"},
		{"host/paper", "user.array", "490 ns", "485 ns..495 ns"},
		{"host/paper", "user.percpu", "1550 ns", ""},
	} {
		var ps []Param
		if name, ok := strings.CutPrefix(c.profile, "host/"); ok {
			h := must.Get(LoadHost(name))(t)
			ps = h.Params()
		} else {
			n := must.Get(Load(c.profile))(t)
			ps = n.Params()
		}
		found := false
		for _, p := range ps {
			if p.Key != c.key {
				continue
			}
			found = true
			spread := ""
			if p.Lo != "" {
				spread = p.Lo + ".." + p.Hi
			}
			if p.Value != c.value || spread != c.spread {
				t.Errorf("%s: %s = %s (%s), want %s (%s)", c.profile, c.key, p.Value, spread, c.value, c.spread)
			}
		}
		if !found {
			t.Errorf("%s: no %s", c.profile, c.key)
		}
	}
}

// Fields hold what the files say, in the units of their tags.
func TestFields(t *testing.T) {
	n, err := Load("hxdp")
	must.OK(t, err)
	if n.Name != "hxdp" || n.Clock != 156_250 || n.Link != 40_000 || n.PCIeRate != 63_015 || n.Matcher != MatchTree || n.Executor != ExecVLIW ||
		n.Memory != MemNIC || n.RunProgram != 1 || n.MatcherRange != 0 || n.MapTypes != nil || n.InstallRate != 0 || n.MapWrites != WritesAny {
		t.Errorf("%+v", n)
	}
	h, err := LoadHost("paper")
	must.OK(t, err)
	if h.Driver != 41_600 || h.Hash != 18_800 || h.Optimise != 1_000_000_000 || h.Pass != 273_000 {
		t.Errorf("%+v", h)
	}
	if n, err = Load("netronome"); err != nil || len(n.MapTypes) != 3 || n.NoInsns[0] != InsnMod {
		t.Errorf("%v, %v: %v", n.MapTypes, n.NoInsns, err)
	}
	if b, err := Load("bluefield"); err != nil || b.MapMemory != 16<<30 || b.InstallRate != 400_000 {
		t.Errorf("%d, %d: %v", b.MapMemory, b.InstallRate, err)
	}
}

// In the ideal profiles nothing takes time and nothing is limited.
func TestIdeal(t *testing.T) {
	n := must.Get(Load("ideal"))(t)
	h := must.Get(LoadHost("ideal"))(t)
	for _, p := range append(n.Params(), h.Params()...) {
		timed := strings.HasPrefix(p.Unit, "cycles") || strings.HasPrefix(p.Unit, "ns") || p.Unit == "B/packet"
		limit := strings.HasPrefix(p.Key, "limit.") && p.Unit != "name" && p.Unit != "names" && p.Unit != "classes"
		if (timed || limit) && p.Number != 0 {
			t.Errorf("%s = %s", p.Key, p.Value)
		}
	}
	if n.MapTypes != nil || n.HelperNames != nil || n.NoInsns != nil || n.MapWrites != WritesAny || n.Link != 0 || n.PCIeRate != 0 {
		t.Errorf("%+v", n)
	}
}

// Every parameter can be set to itself, to zero or its neighbours, and is then
// the user's; the profile it came from stays as it was.
func TestWith(t *testing.T) {
	each(t, func(t *testing.T, text string, load func() profile, _ func(string) (profile, error), with func(string, string) (profile, error)) {
		for _, p := range load().Params() {
			w, err := with(p.Key, p.Value)
			if err != nil {
				t.Errorf("%s = %s: %v", p.Key, p.Value, err)
				continue
			}
			for _, q := range w.Params() {
				if q.Key != p.Key {
					if q.User {
						t.Errorf("setting %s marks %s", p.Key, q.Key)
					}
					continue
				}
				if q.Number != p.Number || q.Value != p.Value || !q.User || q.Source != SetByUser || q.Assumed || q.Lo != "" {
					t.Errorf("%+v after setting it to itself, was %+v", q, p)
				}
			}
			values, err := load().Sweep(p.Key, 5)
			if (err == nil) != (p.Lo != "" || p.Alternatives != nil) {
				t.Errorf("sweep %s: %v", p.Key, err)
			}
			seen := map[string]bool{}
			for _, v := range values {
				w, err := with(p.Key, v)
				if err != nil {
					// A value may contradict another parameter: then the message names it.
					if !strings.Contains(err.Error(), p.Key) {
						t.Errorf("sweep %s to %s: %v", p.Key, v, err)
					}
					continue
				}
				for _, q := range w.Params() {
					if q.Key == p.Key {
						seen[q.Value] = true
					}
				}
			}
			if len(values) > 0 && (!seen[p.Value] || len(seen) < 2) {
				t.Errorf("sweep %s: %v, without %s", p.Key, values, p.Value)
			}
		}
		if load().Format() != text {
			t.Error("With changed the original")
		}
	})
}

func TestSweep(t *testing.T) {
	n := must.Get(Parse("x.nic", []byte("base = hxdp\nlimit.slots = 1024 slots assumed 512..unlimited\ninstall.base = 2 us assumed 1..1001\npcie.tlp = 24 B/TLP assumed 20..28\n")))(t)
	for _, c := range []struct {
		key   string
		steps int
		want  string
	}{
		{"pcie.tlp", 3, "20 B/TLP;24 B/TLP;28 B/TLP"},
		{"pcie.tlp", 5, "20 B/TLP;22 B/TLP;24 B/TLP;26 B/TLP;28 B/TLP"},
		{"pcie.tlp", 0, "20 B/TLP;24 B/TLP;28 B/TLP"},
		{"install.base", 4, "1 us;2 us;10.003 us;100.067 us;1001 us"}, // by equal factors
		{"limit.slots", 3, "512 slots;1024 slots;16_640 slots;32_768 slots;unlimited slots"},
		{"matcher.kind", 9, "tree;linear;tss;tcam"},
		{"matcher.range", 9, "no;yes"},
	} {
		got, err := n.Sweep(c.key, c.steps)
		if err != nil || strings.Join(got, ";") != c.want {
			t.Errorf("%s, %d steps: %s (%v), want %s", c.key, c.steps, strings.Join(got, ";"), err, c.want)
		}
	}
	for _, key := range []string{"clock", "nonsense"} {
		if v, err := n.Sweep(key, 3); err == nil {
			t.Errorf("%s: %v", key, v)
		}
	}
}

func TestBase(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.nic")
	must.OK(t, os.WriteFile(file, []byte("# faster\nbase = hxdp\nclock = 250 MHz # our own board\nlimit.map.types = hash , array assumed array,hash|hash, array|all\n"), 0o600))
	n := must.Get(Load(file))(t)
	hxdp, _ := Load("hxdp")
	if n.Name != "mine" || n.Clock != 250_000 || n.Lanes != hxdp.Lanes || n.Title != hxdp.Title {
		t.Errorf("%+v", n)
	}
	if o := n.From["clock"]; o.Source != "our own board" || o.Where != file+":3" {
		t.Errorf("%+v", o)
	}
	if o := n.From["exec.lanes"]; !strings.HasPrefix(o.Where, "hxdp.nic:") || o.Source != hxdp.From["exec.lanes"].Source {
		t.Errorf("%+v", o)
	}
	n.MapTypes[0] = "changed"
	if again, _ := Load("hxdp"); !cmp.Equal(again, hxdp) {
		t.Error("a derived profile shares memory with a built-in")
	}
}

// base gives the text of a built-in with a line replaced or left out.
func base(t *testing.T, key, line string) string {
	t.Helper()
	text := must.Get(Text("hxdp"))(t)
	var out []string
	found := false
	for l := range strings.Lines(text) {
		if k, _, ok := strings.Cut(l, "="); ok && strings.TrimSpace(k) == key {
			found = true
			if line != "" {
				out = append(out, line+"\n")
			}
			continue
		}
		out = append(out, l)
	}
	if !found {
		t.Fatalf("no %s", key)
	}
	return strings.Join(out, "")
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `x.nic: title: missing (one line: what the device is); 62 more are missing; start with base = NAME to take what isn't given from a built-in profile`},
		{base(t, "clock", ""), `x.nic: clock: missing (of matcher and executors); start with base = NAME to take what isn't given from a built-in profile`},
		{"base = hxdp\nclock 5", `x.nic:2: "clock 5": want key = value`},
		{"base = hxdp\n\nclok = 5 MHz # x", `x.nic:3: "clok": no such parameter of a profile`},
		{"base = hxdp\nclock = 5 ns # x", `x.nic:2: clock: unit "ns": want kHz, MHz or GHz`},
		{"base = hxdp\nclock = 5 # x", `x.nic:2: clock: 5 has no unit: want kHz, MHz or GHz`},
		{"base = hxdp\nclock = # x", `x.nic:2: clock: no value`},
		{"base = hxdp\nclock = 5 MHz 4..6 7 # x", `x.nic:2: clock: "5 MHz 4..6 7": want a number, a unit, and after that a range lo..hi at most`},
		{"base = hxdp\nclock = 5 MHz", `x.nic:2: clock: no source: cite one after #, or write assumed lo..hi`},
		{"base = hxdp\nclock = 5 MHz #", `x.nic:2: clock: no source: cite one after #, or write assumed lo..hi`},
		{"base = hxdp\nclock = 5 MHz assumed # x", `x.nic:2: clock: assumed without a range to sweep: want assumed lo..hi`},
		{"base = hxdp\nclock = 5 MHz assumed 6..7", `x.nic:2: clock: 5 MHz is outside its range 6..7`},
		{"base = hxdp\nclock = 5 MHz assumed 5..5", `x.nic:2: clock: range 5..5: its end is not above its start`},
		{"base = hxdp\nclock = 5 MHz assumed 7..1", `x.nic:2: clock: range 7..1: its end is not above its start`},
		{"base = hxdp\nclock = 5 MHz assumed 5-7", `x.nic:2: clock: range "5-7": want lo..hi in MHz`},
		{"base = hxdp\nclock = 5 MHz assumed 5 .. 7", `x.nic:2: clock: range "5 .. 7": want lo..hi in MHz`},
		{"base = hxdp\nclock = 5 MHz assumed 5..x", `x.nic:2: clock: range: "x" is not a number`},
		{"base = hxdp\nclock = -5 MHz # x", `x.nic:2: clock: "-5" is not a number`},
		{"base = hxdp\nclock = 1e3 MHz # x", `x.nic:2: clock: "1e3" is not a number`},
		{"base = hxdp\nclock = 5_ MHz # x", `x.nic:2: clock: "5_" is not a number`},
		{"base = hxdp\nclock = 1.2.3 MHz # x", `x.nic:2: clock: "1.2.3" is not a number`},
		{"base = hxdp\nclock = 0.0001 MHz # x", `x.nic:2: clock: 0.0001 MHz is finer than the model's 1 kHz`},
		{"base = hxdp\nclock = 0 MHz # x", `x.nic:2: clock: 0 MHz is out of range: 1000 to 100_000_000 kHz`},
		{"base = hxdp\nclock = 99999999999999999999999 MHz # x", `x.nic:2: clock: 99999999999999999999999 MHz is out of range: 1000 to 100_000_000 kHz`},
		{"base = hxdp\nclock = unlimited MHz # x", `x.nic:2: clock: "unlimited": only parameters that say so may be unlimited`},
		{"base = hxdp\nlimit.slots = 0 slots # x", `x.nic:2: limit.slots: 0 slots: write "unlimited" if there is no limit`},
		{"base = hxdp\nclock = 5 MHz # x\nclock = 6 MHz # x", `x.nic:3: clock: given twice, first in line 2`},
		{"base = hxdp\nbase = hxdp", `x.nic:2: base: given twice, first in line 1`},
		{"clock = 5 MHz # x\nbase = hxdp", `x.nic:2: base: must come before all parameters`},
		{"base = nope", `x.nic:1: base: "nope": no built-in profile of that name: want bluefield, hxdp, ideal, netronome, pensando`},
		{"base = hxdp\nmatcher.kind = magic # x", `x.nic:2: matcher.kind: "magic": want one of linear, tree, tss, tcam`},
		{"base = hxdp\nmatcher.kind = tree", `x.nic:2: matcher.kind: no source: cite one after #, or write assumed one|other`},
		{"base = hxdp\nmatcher.kind = tree assumed", `x.nic:2: matcher.kind: assumed without a range to sweep: want assumed one|other`},
		{"base = hxdp\nmatcher.kind = tree assumed linear|tcam", `x.nic:2: matcher.kind: tree is not in its range linear|tcam`},
		{"base = hxdp\nmatcher.kind = tree assumed tree", `x.nic:2: matcher.kind: range tree: want more than one value`},
		{"base = hxdp\nmatcher.kind = tree assumed tree|x", `x.nic:2: matcher.kind: range: "x": want one of linear, tree, tss, tcam`},
		{"base = hxdp\nmatcher.kind = # x", `x.nic:2: matcher.kind: no value`},
		{"base = hxdp\nmatcher.range = 1 # x", `x.nic:2: matcher.range: "1": want yes or no`},
		{"base = hxdp\nlimit.map.types = hash, nope # x", `x.nic:2: limit.map.types: "nope" is no map type`},
		{"base = hxdp\nlimit.map.types = hash, # x", `x.nic:2: limit.map.types: "hash,": want names separated by commas, or all`},
		{"base = hxdp\nlimit.map.types = hash, hash # x", `x.nic:2: limit.map.types: hash stands twice`},
		{"base = hxdp\nlimit.helpers = bpf_redirect # x", `x.nic:2: limit.helpers: "bpf_redirect" is no helper`},
		{"base = hxdp\nlimit.refused = nope # x", `x.nic:2: limit.refused: "nope" is no instruction class: want some of ` + strings.Join(InsnClasses, ", ")},
		{"base = hxdp\ntitle =", `x.nic:2: title: no value`},
		{"base = hxdp\npcie.writeread = 500 ns # x", `x.nic:2: pcie.writeread: 500 ns, less than the read alone (pcie.read, 573 ns)`},
		{"base = hxdp\nlimit.trace = 2000 slots # x", `x.nic:2: limit.trace: 2000 slots, more than the store has (limit.slots, 1024)`},
		{"base = hxdp\nexec.units = 65537 packets # x", `x.nic:2: exec.units: 65537 packets is out of range: 1 to 65_536 packets`},
	} {
		n, err := Parse("x.nic", []byte(c.text))
		switch {
		case err == nil:
			t.Errorf("%q: no error: %+v", c.text, n)
		case err.Error() != c.want:
			t.Errorf("%q:\n got %s\nwant %s", clip(c.text), err, c.want)
		}
	}
	if _, err := ParseHost("h.host", []byte("base = paper\ndriver = 0.0001 ns # x\n")); err == nil || err.Error() != "h.host:2: driver: 0.0001 ns is finer than the model's 0.001 ns" {
		t.Error(err)
	}
	if _, err := ParseHost("h.host", []byte("base = hxdp\n")); err == nil || err.Error() != `h.host:1: base: "hxdp": no built-in host profile of that name: want ideal, paper` {
		t.Error(err)
	}
	if _, err := Load("/nowhere"); err == nil || err.Error() != "/nowhere: no such file, and no built-in profile: want bluefield, hxdp, ideal, netronome, pensando" {
		t.Error(err)
	}
	if _, err := Load(t.TempDir()); err == nil || !strings.HasSuffix(err.Error(), ": not a file") {
		t.Error(err)
	}
}

func TestSetErrors(t *testing.T) {
	n := must.Get(Load("hxdp"))(t)
	before := n.Format()
	for _, c := range []struct{ key, value, want string }{
		{"nope", "5", "nope: no such parameter of a profile"},
		{"clock", "", `clock: "" is not a number`},
		{"clock", "MHz", `clock: "MHz" is not a number`},
		{"clock", "5 ns", `clock: unit "ns": want kHz, MHz or GHz`},
		{"clock", "5 MHz 6", `clock: unit "MHz 6": want kHz, MHz or GHz`},
		{"matcher.kind", "x", `matcher.kind: "x": want one of linear, tree, tss, tcam`},
		{"pcie.read", "800 ns", `pcie.read = 800 ns: pcie.writeread: 787 ns, less than the read alone (pcie.read, 800 ns)`},
	} {
		if err := n.Set(c.key, c.value); err == nil || err.Error() != c.want {
			t.Errorf("%s=%s: %v, want %s", c.key, c.value, err, c.want)
		}
		if w, err := n.With(c.key, c.value); err == nil || w != nil {
			t.Errorf("%s=%s: %v, %v", c.key, c.value, w, err)
		}
	}
	if n.Format() != before {
		t.Error("a failed Set changed the profile")
	}
	// Bare numbers are in the canonical unit; units may touch the number.
	for _, c := range []struct {
		key, value string
		want       string
	}{
		{"clock", "250000", "250 MHz"}, {"clock", "250MHz", "250 MHz"}, {"clock", "0.25 GHz", "0.25 GHz"},
		{"limit.map.memory", "1536", "1.5 KiB"}, {"limit.map.memory", "1000", "1000 B"}, {"limit.map.memory", "3MiB", "3 MiB"},
		{"install.rate", "unlimited", "unlimited 1/s"}, {"install.rate", "2.5M/s", "2.5 M/s"}, {"install.rate", "2000 1/s", "2000 1/s"},
		{"install.slot", "0.5us/slot", "0.5 us/slot"}, {"matcher.range", "yes", "yes"}, {"limit.refused", "div,mod", "div, mod"}, {"limit.refused", "none", "none"},
	} {
		w, err := n.With(c.key, c.value)
		if err != nil {
			t.Error(err)
			continue
		}
		f := nicSchema().field(c.key)
		if got := w.record().value(f); got != c.want {
			t.Errorf("%s=%s: %s, want %s", c.key, c.value, got, c.want)
		}
	}
}

// Put is what a program that measures uses: the file says where numbers are
// from.
func TestPut(t *testing.T) {
	h := must.Get(LoadHost("paper"))(t)
	must.OK(t, h.Put("map.hash", Picoseconds(21_345), Origin{Source: "measured on Linux 6.18.5, median of 11", Range: "20..23"}))
	if h.Hash != 21_345 {
		t.Error(h.Hash)
	}
	if !strings.Contains(h.Format(), "map.hash         = 21.345 ns 20..23") {
		t.Error(h.Format())
	}
	if err := h.Put("map.hash", "5 ns", Origin{Source: "x", Range: "6..7"}); err == nil || h.Hash != 21_345 {
		t.Error(err, h.Hash)
	}
	// A profile built by a program parses too.
	var made Host
	made.Name, made.Title, made.Cores, made.Queue, made.Compilers, made.CompileQueue = "made", "by a program", 1, 1, 1, 1
	if got, err := ParseHost("made.host", []byte(made.Format())); err != nil || got.Title != made.Title {
		t.Error(err)
	}
}

// Numbers print exactly and parse back, in every unit.
func TestNumbers(t *testing.T) {
	for _, s := range []*schema{nicSchema(), hostSchema()} {
		for i := range s.fields {
			f := &s.fields[i]
			if f.kind != kindNumber {
				continue
			}
			if len(f.units) == 0 || f.units[0].name != f.unit || f.lo > f.hi {
				t.Errorf("%s: units %v, %d..%d", f.key, f.units, f.lo, f.hi)
			}
			rapid.Check(t, func(t *rapid.T) {
				v := rapid.Uint64Range(max(f.lo, 1), f.hi).Draw(t, "v")
				for _, u := range append(f.units, f.pick(v)) {
					text := f.number(v, u)
					if len(text) > 32 {
						continue // a byte in GiB
					}
					if got, err := f.parseNumber(text, u); err != nil || got != v {
						t.Fatalf("%s: %d as %s %s: %d, %v", f.key, v, text, u.name, got, err)
					}
				}
			})
		}
	}
}

// Every field of the structs is a parameter but the origins.
func TestSchema(t *testing.T) {
	for _, c := range []struct {
		s *schema
		t reflect.Type
	}{{nicSchema(), reflect.TypeFor[NIC]()}, {hostSchema(), reflect.TypeFor[Host]()}} {
		if len(c.s.fields) != c.t.NumField()-1 || len(c.s.byKey) != len(c.s.fields) {
			t.Errorf("%v: %d parameters of %d fields, %d keys", c.t, len(c.s.fields), c.t.NumField(), len(c.s.byKey))
		}
	}
}

// FuzzParse: whatever the file, an answer; and what parses prints as something
// that parses to the same.
func FuzzParse(f *testing.F) {
	for _, n := range Names() {
		text, _ := Text(n)
		f.Add(text)
	}
	for _, s := range []string{
		"base = hxdp\nclock = 5 MHz assumed 1..9 # x\n",
		"# a\nbase=ideal\n## b\nlimit.refused = div , mod assumed div,mod|none\n# end",
		"base = hxdp\nlimit.map.memory = 0.5 GiB assumed 1e..unlimited",
		"base = hxdp\ninstall.rate = unlimited k/s assumed 0.001..unlimited",
		"=\n#\n= =\nbase = \n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = ParseHost("f.host", []byte(text))
		n, err := Parse("f.nic", []byte(text))
		if err != nil {
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("an error of more than one line: %q", err)
			}
			return
		}
		out := n.Format()
		again, err := Parse("f.nic", []byte(out))
		if err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		if d := cmp.Diff(out, again.Format()); d != "" {
			t.Error(d)
		}
		for _, p := range n.Params() {
			if _, err := n.Sweep(p.Key, 7); err != nil && p.Lo+strings.Join(p.Alternatives, "") != "" {
				t.Errorf("%s: %v", p.Key, err)
			}
		}
	})
}

// Picoseconds writes a time of a Host for [Host.Put].
func Picoseconds(ps uint64) string {
	return fmt.Sprintf("%d.%03d ns", ps/1000, ps%1000)
}
