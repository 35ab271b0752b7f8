package explain

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/pathcond/text"
)

func study(t *testing.T, in replay.Input, ca replay.Cache) *Study {
	t.Helper()
	s := must.Get(Run(t.Context(), in, ca, nil))(t)
	t.Cleanup(s.Session.Close)
	must.OK(t, s.Cost(12))
	return s
}

func sample(name, capture string) replay.Input {
	return replay.Input{Program: "sample:" + name, Captures: []string{capture}}
}

// TestMakesAddUp: the points' paths add up to all but one, folded or not, and no
// point is there that tells no paths apart.
func TestMakesAddUp(t *testing.T) {
	for _, p := range programs.All() {
		for _, how := range []jit.Remedies{{}, {Specialise: true}, {Auto: true}} {
			specialised := how != jit.Remedies{}
			s := study(t, sample(p.Name, "sample:ipv6"), replay.Cache{Entries: 8, Remedies: how})
			for i, info := range s.runtime.Paths() {
				asked := 0
				for _, c := range info.Path.Choices {
					if c.Pred < 0 {
						continue
					}
					if pr := info.Path.Cond[c.Pred]; int(c.Pred) != asked || pr.Term != c.Term || pr.Want != c.Want || pr.Prog != c.Prog || pr.PC != c.PC {
						t.Fatalf("%s, %v: path %d: choice %+v is of predicate %+v", p.Name, how, i, c, pr)
					}
					asked++
				}
				if asked != len(info.Path.Cond) {
					t.Fatalf("%s, %v: path %d: %d choices for %d predicates", p.Name, how, i, asked, len(info.Path.Cond))
				}
			}
			classes := newCounter(s.Paths()).distinct(s.total)
			if !specialised && classes != s.Paths() { // specialised, a path may take another's place
				t.Errorf("%s: %d paths, and their answers tell %d apart", p.Name, s.Paths(), classes)
			}
			for _, by := range Folds() {
				folds := must.Get(s.Fold(by))(t)
				sum := 1
				for _, f := range folds {
					sum += f.Makes
					if f.Ways < 2 || f.Left > classes || f.Left < 1 || f.Cold != uint64(classes-f.Left) {
						t.Errorf("%s: by %s: %s: %+v of %d paths", p.Name, by, f.Name, f.Tally, classes)
					}
					if s.Asking(f) == "" {
						t.Errorf("%s: by %s: %s asks nothing", p.Name, by, f.Name)
					}
				}
				if sum != classes {
					t.Errorf("%s: by %s: points make %d paths of %d", p.Name, by, sum, classes)
				}
			}
		}
	}
}

// TestLeftByHand counts the paths left without a point once more, in the plain way.
func TestLeftByHand(t *testing.T) {
	s := study(t, sample("firewall", "sample:vlan"), replay.Cache{})
	tells := open(s.runtime.Paths())
	for _, p := range s.Points {
		left := map[string]bool{}
		for _, info := range s.runtime.Paths() {
			var all []string
			again := map[[2]int32]uint64{}
			said := map[string]bool{}
			for _, c := range info.Path.Choices {
				k := [2]int32{c.Prog, c.PC}
				again[k]++
				term := s.runtime.Comp.B.String(c.Term)
				if c.Pred < 0 && said[term] {
					continue
				}
				said[term] = said[term] || c.Pred >= 0
				if q := (inquiry{k, again[k]}); tells[q].many && PlaceOf(s.program(c.Prog), int(c.PC)).key() != p.key() {
					all = append(all, PlaceOf(s.program(c.Prog), int(c.PC)).key(), string(rune('0'+again[k])), map[bool]string{true: "y", false: "n"}[c.Want], string(rune(c.PC)))
				}
			}
			slices.Sort(all)
			left[strings.Join(all, " ")] = true
		}
		if len(left) != p.Left {
			t.Errorf("%s: %d paths left, %d by hand", p.Where, p.Left, len(left))
		}
	}
}

// TestSentences holds what is said first of each sample.
func TestSentences(t *testing.T) {
	for name, want := range map[string][]string{
		"telemetry":    {"246 paths: 91 by pkt.len at telemetry.c:130", "57 by every 16th of events[0] at telemetry.c:369", "tcp.flags & SYN, FIN, RST at telemetry.c:360, 362, 364"},
		"firewall":     {"65 paths: 20 by eth.type, vlan.type: QinQ, VLAN, IPv6, IPv4 at net.h:263, 273", "udp.dport, udp.sport at firewall.c:110", "whether there is an entry in map services at firewall.c:228, 233"},
		"conntrack":    {"120 paths: ", "conns.state"},
		"loadbalancer": {"117 paths: ", "in `return MAX_BACKENDS + best;` at loadbalancer.c:144", "what is in maps .rodata, backends at loadbalancer.c:179"},
		"router":       {"36 paths: ", "what is in maps routes4, routes6 at router.c:"},
		"ratelimiter":  {"83 paths: ", "tcp.flags & SYN|ACK at ratelimiter.c:164"},
		"nat":          {"59 paths: ", "an entry in outgoing at nat.c:121"},
		"ipv6filter":   {"38 paths: "},
	} {
		s := study(t, sample(name, "sample:lab"), replay.Cache{})
		got := s.Sentence()
		sum := 0
		for _, m := range regexp.MustCompile(`(?:; |: |the other )(\d+) by |and the (first)`).FindAllStringSubmatch(got, -1) {
			if n, err := strconv.Atoi(m[1]); err == nil {
				sum += n
			} else {
				sum++
			}
		}
		if sum != s.Paths() {
			t.Errorf("%s: the numbers add up to %d: %s", name, sum, got)
		}
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q is not in: %s", name, w, got)
			}
		}
	}
}

// TestCapacity: a cache that evicts nothing costs nothing, and the misses a point
// costs are those of a replay with its paths as one.
func TestCapacity(t *testing.T) {
	for _, p := range study(t, sample("firewall", "sample:dns"), replay.Cache{Entries: 256}).Points {
		if !p.Costed || p.Capacity != 0 {
			t.Errorf("%s: %d misses for room in a cache that is never full", p.Where, p.Capacity)
		}
	}
	s := study(t, sample("telemetry", "sample:dns"), replay.Cache{Entries: 8})
	p := s.Points[0]
	tc := must.Get(cache.NewTraceCache(s.config()))(t)
	class := s.classes([]*Point{p})
	for _, id := range s.stream.IDs {
		tc.Request(class[id], 1, 1)
	}
	if got, want := p.Capacity, int64(s.counts[cache.Capacity])-int64(tc.Stats().Outcome[cache.Capacity]); !p.Costed || got != want || got == 0 {
		t.Errorf("%s costs %d misses for room, want %d and some", p.Where, got, want)
	}
}

// TestPacket: of each packet it is said what the replay says, and of a capacity miss
// who took its trace's room.
func TestPacket(t *testing.T) {
	in, ca := sample("firewall", "sample:vlan"), replay.Cache{Entries: 4}
	s := study(t, in, ca)
	seen := map[cache.Outcome]int{}
	for i, o := range s.outcome {
		if seen[o]++; seen[o] != 3 && seen[o] != 90 { // a few of each
			continue
		}
		f, x, err := Packet(t.Context(), in, ca, nil, uint64(i+1))
		must.OK(t, err)
		x.Close()
		if f.Outcome != o.String() || f.Path != int(s.stream.IDs[i]) || len(f.Way) == 0 || f.Known == 0 && i > 0 {
			t.Errorf("packet %d: %s on path %d, want %v on %d", i+1, f.Outcome, f.Path, o, s.stream.IDs[i])
		}
		if !strings.HasPrefix(f.Why, f.Outcome) {
			t.Errorf("packet %d: %s", i+1, f.Why)
		}
		var last Event
		if n := len(f.History); n > 0 {
			last = f.History[n-1]
		}
		switch o {
		case cache.Hit:
			if last.What != "put" || len(f.Left) > 0 {
				t.Errorf("packet %d hits: %+v", i+1, f)
			}
		case cache.Capacity:
			if last.What != "evicted" || last.By < 0 || last.By == f.Path || last.By != int(s.stream.IDs[last.Packet-1]) || len(f.Left) == 0 {
				t.Errorf("packet %d: %+v", i+1, f)
			}
		case cache.Cold:
			if len(f.History) > 0 || f.Installed > 0 && len(f.Left) == 0 {
				t.Errorf("packet %d: %+v", i+1, f)
			}
		}
		for _, d := range f.Way {
			if o != cache.Cold && strings.HasPrefix(d.Predicate, "pkt.len >= ") && d.Value != strconv.Itoa(f.Length) {
				t.Errorf("packet %d of %d bytes: %+v", i+1, f.Length, d)
			}
		}
		for _, l := range f.Left {
			if l.Agreed >= l.Of || l.Decision.Predicate == "" || l.Decision.Place.Line == 0 {
				t.Errorf("packet %d left %+v", i+1, l)
			}
		}
	}
	if seen[cache.Capacity] < 4 || seen[cache.Cold] < 4 {
		t.Errorf("too few misses: %v", seen)
	}
	if _, _, err := Packet(t.Context(), in, ca, nil, 1<<40); err == nil || !strings.Contains(err.Error(), "there are only 1756") {
		t.Errorf("a packet that isn't there: %v", err)
	}
}

// TestInvalidated: a timed update ends a specialised trace, and the packet says so.
func TestInvalidated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "maps.json")
	must.OK(t, os.WriteFile(file, []byte(`{"maps": {"services": [{"key": {"port": {"be16": 53}, "proto": 17}, "value": {"action": 2, "id": 19}}]},
		"updates": [{"at": 400, "map": "services", "key": {"port": {"be16": 53}, "proto": 17}, "value": {"action": 1, "id": 19}}]}`), 0o600))
	in, ca := sample("firewall", "sample:dns"), replay.Cache{Remedies: jit.Remedies{Specialise: true}}
	in.Maps = []string{file}
	s := study(t, in, ca)
	i := slices.Index(s.outcome, cache.Invalidated)
	if i < 0 {
		t.Fatal("no packet missed for a change")
	}
	f, x, err := Packet(t.Context(), in, ca, nil, uint64(i+1))
	must.OK(t, err)
	defer x.Close()
	if last := f.History[len(f.History)-1]; last.What != "dropped" || !strings.Contains(f.Why, "dropped during packet") {
		t.Errorf("%s: %+v", f.Why, f.History)
	}
}

// TestWithoutLines: an object without line information is told by functions and
// instructions, and one line says so.
func TestWithoutLines(t *testing.T) {
	p := must.Get(programs.Get("firewall"))(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "firewall.o")
	plain := bytes.ReplaceAll(p.Object, []byte(".BTF.ext\x00"), []byte(".XTF.ext\x00"))
	must.OK(t, os.WriteFile(file, plain, 0o600))
	s := study(t, replay.Input{Program: file, Captures: []string{"sample:vlan"}}, replay.Cache{})
	if files, note := Sources(s.Session.Obj, file); len(files) > 0 || !strings.Contains(note, "no line information") {
		t.Errorf("%d files: %s", len(files), note)
	}
	sum := 1
	for _, p := range s.Points {
		sum += p.Makes
		if p.Line != 0 || !strings.Contains(p.Where, "+") {
			t.Errorf("%+v", p.Place)
		}
	}
	if sum != s.Paths() || !strings.Contains(s.Sentence(), " at firewall+") {
		t.Errorf("%d of %d: %s", sum, s.Paths(), s.Sentence())
	}
}

// TestSources: a source file beside the object is shown where it is that version.
func TestSources(t *testing.T) {
	p, err := programs.Get("ipv6filter")
	must.OK(t, err)
	dir := t.TempDir()
	file := filepath.Join(dir, "ipv6filter.o")
	write := func(name string, b []byte) {
		must.OK(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	write("ipv6filter.o", p.Object)
	obj, _, _, err := replay.LoadProgram(&replay.Input{Program: file})
	must.OK(t, err)
	alone, _ := Sources(obj, file)
	source := programs.Source("ipv6filter.c")
	write("ipv6filter.c", source)
	whole, note := Sources(obj, file)
	if len(whole[0].Lines) <= len(alone[0].Lines) || len(whole[0].Lines) != bytes.Count(source, []byte("\n")) || strings.Contains(note, "version") {
		t.Errorf("%d lines, %d of the object: %s", len(whole[0].Lines), len(alone[0].Lines), note)
	}
	write("ipv6filter.c", append([]byte("/* one more */\n"), source...))
	other, note := Sources(obj, file)
	if len(other[0].Lines) != len(alone[0].Lines) || !strings.Contains(note, "another version") {
		t.Errorf("%d lines, %d of the object: %s", len(other[0].Lines), len(alone[0].Lines), note)
	}
}

// TestPaths: the bytes a condition reads, the steps and the windows.
func TestPaths(t *testing.T) {
	s := study(t, sample("firewall", "sample:vlan"), replay.Cache{Entries: 16})
	preds := s.Predicates()
	packets := uint64(0)
	for _, p := range s.PathList() {
		packets += p.Packets
		in := uint64(0)
		for _, w := range p.Over {
			in += w.Hits + w.Misses
		}
		if in != p.Packets || p.Outcome.Total() != p.Packets || len(p.Steps) != len(s.conditionOf(p.Number)) || len(p.Code) == 0 {
			t.Errorf("path %d: %d packets over time of %d, %d steps", p.Number, in, p.Packets, len(p.Steps))
		}
		if !slices.Contains(p.Read, 12) || !slices.Contains(p.Read, 13) { // the EtherType
			t.Errorf("path %d reads %v", p.Number, p.Read)
		}
		for _, st := range p.Steps {
			if x := preds[st.Predicate]; st.Want && x.Holds == "" || !st.Want && x.Fails == "" {
				t.Errorf("path %d: %+v has no words", p.Number, x)
			}
		}
	}
	if packets != s.Packets() {
		t.Errorf("%d packets on paths of %d", packets, s.Packets())
	}
}

// TestRemedies: where traces are the same code, merging is named.
func TestRemedies(t *testing.T) {
	s := study(t, sample("nat", "sample:lab"), replay.Cache{})
	folds, err := s.Fold("line")
	must.OK(t, err)
	names := map[string]bool{}
	for _, f := range folds {
		for _, r := range s.Remedies(f) {
			names[r.Name] = true
			if r.Saves < 1 || r.Saves >= s.Paths() || r.Price == "" || r.Known != (r.Name == "merge" || r.Name == "predicate") {
				t.Errorf("%s: %+v", f.Name, r)
			}
			if (r.Name == "merge" || r.Name == "predicate") && r.Saves > int(f.Cold) {
				t.Errorf("%s: %+v of %d paths that it makes alone", f.Name, r, f.Cold)
			}
		}
	}
	if !names["merge"] && !names["predicate"] {
		t.Errorf("remedies: %v", names)
	}
	_, paths := s.runtime.Beside()
	_, done, err := replay.Paths(t.Context(), sample("nat", "sample:lab"), jit.Remedies{Merge: true, Predicate: besides})
	must.OK(t, err)
	defer done.Close()
	if n := len(done.Runtime.Paths()); n != len(paths) || n >= s.Paths() {
		t.Errorf("%d paths beside the run, %d in a run of that way", len(paths), n)
	}
}

// TestShown holds how predicates are said to people.
func TestShown(t *testing.T) {
	for want, q := range map[string]text.Question{
		"ip6.next < 44":               {Of: "ip6.next", Rel: "<", To: "44"},
		"ip6.next == fragment":        {Of: "ip6.next", Rel: "==", To: "44"},
		"tcp.flags & SYN|ACK == 0":    {Of: "tcp.flags & 0x12", Rel: "==", To: "0"},
		"services[tcp.dport] present": {Of: "map services[le(tcp.dport), hex(00)]", Rel: "present"},
		"conns.state == 6":            {Of: "conns_1.state", Rel: "==", To: "6", Lets: []string{"let conns_1 = map conns[ip.src, ip.dst, tcp.sport, tcp.dport, ip.proto]"}},
		"events[0] != 3":              {Of: "map events[0][0:8]", Rel: "!=", To: "3"},
		"v1 + 5 < 3":                  {Of: "v1 + 5", Rel: "<", To: "3", Lets: []string{"let v1 = u64(ip.len) * 3"}},
	} {
		if got := shown(q); got != want {
			t.Errorf("%+v: %q, want %q", q, got, want)
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := Run(ctx, sample("firewall", "sample:dns"), replay.Cache{}, func(*jit.Options) {})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if s != nil {
		defer s.Session.Close()
		if !s.Session.Partial {
			t.Error("an interrupted run is whole")
		}
	}
}
