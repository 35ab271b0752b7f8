package tracescmd

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// packets of the test capture: three times IPv6 TCP to 443, one IPv4.
var packets = []string{
	"020000000001020000000002 86dd 60000000 0014 06 40 20010db8000000000000000000000001 20010db8000000000000000000000002 c000 01bb 00000001 00000000 5002 ffff 0000 0000",
	"020000000001020000000002 86dd 60000000 0014 06 40 20010db8000000000000000000000003 20010db8000000000000000000000002 c001 01bb 00000001 00000000 5002 ffff 0000 0000",
	"020000000001020000000002 0800 4500 0014 0000 0000 40 11 0000 0a000001 0a000002",
	"020000000001020000000002 86dd 60000000 0014 06 40 20010db8000000000000000000000004 20010db8000000000000000000000002 c002 01bb 00000001 00000000 5002 ffff 0000 0000",
}

func capture(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "four.pcap")
	f := must.Get(os.Create(name))(t)
	defer f.Close()
	w := pcapgo.NewWriter(f)
	must.OK(t, w.WriteFileHeader(65535, layers.LinkTypeEthernet))
	for i, p := range packets {
		data := must.Get(hex.DecodeString(strings.ReplaceAll(p, " ", "")))(t)
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(data), Length: len(data)}
		must.OK(t, w.WritePacket(ci, data))
	}
	return name
}

func run(args ...string) (stdout string, err error) {
	c := Command()
	var out, errs bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetArgs(args)
	c.SilenceUsage, c.SilenceErrors = true, true
	err = c.ExecuteContext(context.Background())
	return out.String(), err
}

func TestText(t *testing.T) {
	file := capture(t)
	out := must.Get(run("--program", "sample:ipv6filter", "--capture", file))(t)
	want := `trace 0: 2 hits, 3 packets (75.00 %), first seen in packet 1
  length: 60 executed, 40 straight, 2 without dead code
  misses: 1 cold
  condition:
    layout ip6@14 tcp@54
    eth.type == 0x86dd       # ipv6filter.c:97
`
	if !strings.Contains(out, want) {
		t.Errorf("%s\nis not in\n%s", want, out)
	}
	if strings.Contains(out, "    eth.type != 0x8100            # ipv6filter.c:97\n    eth.type == 0x86dd\n") {
		t.Error("a predicate that follows from another is printed")
	}
	if i, j := strings.Index(out, "trace 0:"), strings.Index(out, "trace 1:"); i < 0 || j < i {
		t.Errorf("traces are not in the order of hits:\n%s", out)
	}
	out = must.Get(run("--program", "sample:ipv6filter", "--capture", file, "--whole", "--limit-traces", "1"))(t)
	if !strings.Contains(out, "    eth.type != 0x8100            # ipv6filter.c:97\n    eth.type == 0x86dd\n") || !strings.Contains(out, "\n1 more paths not shown (--limit-traces)\n\njitnic ") {
		t.Error(out)
	}
}

func TestJSONAndDot(t *testing.T) {
	file := capture(t)
	dir := t.TempDir()
	jsonFile, dotFile := filepath.Join(dir, "t.json"), filepath.Join(dir, "t.dot")
	must.Get(run("--program", "sample:ipv6filter", "--capture", file, "--json", jsonFile, "--dot", dotFile))(t)
	raw := must.Get(os.ReadFile(jsonFile))(t)
	var r Report
	must.OK(t, json.Unmarshal(raw, &r))
	if r.Packets != 4 || r.Paths != 2 || len(r.Traces) != 2 || len(r.Dead) != 0 || r.Traces[0].Hits != 2 || r.Traces[0].Length != 2 {
		t.Errorf("%+v", r)
	}
	for _, tr := range r.Traces {
		if tr.Hits >= tr.Packets || tr.Raw < tr.Straight || tr.Straight < tr.Length || len(tr.Code) != tr.Length || len(tr.Condition) == 0 {
			t.Errorf("%+v", tr)
		}
	}
	dot := must.Get(os.ReadFile(dotFile))(t)
	for _, want := range []string{"digraph guards {", `[label="eth.type == 0x86dd\lipv6filter.c:97"]`, `label="trace 0\l3 packets\l2 instructions"`, "style=dashed"} {
		if !strings.Contains(string(dot), want) {
			t.Errorf("%s is not in\n%s", want, dot)
		}
	}
	// The same inputs give the same bytes.
	must.Get(run("--program", "sample:ipv6filter", "--capture", file, "--json", jsonFile+"2"))(t)
	if again, _ := os.ReadFile(jsonFile + "2"); !bytes.Equal(raw, again) {
		t.Error("two runs, two reports")
	}
	if out, err := run("--program", "sample:ipv6filter", "--capture", file, "--json", "-"); err != nil || out != string(raw) {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := run("--program", "sample:ipv6filter", "--capture", file, "--json", filepath.Join(dir, "no", "t.json")); err == nil {
		t.Error("wrote into a folder that isn't there")
	}
}

func TestDeadPaths(t *testing.T) {
	in := replay.Input{Program: "sample:ipv6filter", Captures: []string{capture(t)}}
	s := must.Get(replay.Open(context.Background(), in, replay.Cache{Policy: "lru", HotThreshold: 1}, func(o *jit.Options) { o.MaxGuards = 5 }))(t)
	defer s.Close()
	must.OK(t, s.Run(context.Background(), nil))
	var out bytes.Buffer
	r := Summarise(s, jit.Remedies{}, nil, false, 0)
	must.OK(t, r.document().Text(&out))
	want := `
dead path 0: 3 packets (75.00 %): too_many_guards
  program "ipv6filter": insn `
	if len(r.Traces) != 1 || len(r.Dead) != 1 || !strings.Contains(out.String(), want) ||
		!strings.Contains(out.String(), "  condition up to there:\n    layout ip6@14\n    eth.type == 0x86dd  # ipv6filter.c:97\n") ||
		!strings.Contains(out.String(), "\n  at ipv6filter.c:112: if (") {
		t.Error(out.String())
	}
	var g bytes.Buffer
	if err := dot(&g, s); err != nil || !strings.Contains(g.String(), `label="dead path 0\l3 packets\ltoo_many_guards"`) {
		t.Errorf("%v: %s", err, g.String())
	}
}

// TestDotFolds: what all paths below pass alike is folded into an edge.
func TestDotFolds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.dot")
	must.Get(run("--program", "sample:nat", "--capture", "sample:lab", "--dot", file))(t)
	b := must.Get(os.ReadFile(file))(t)
	dot := string(b)
	paths, forks := strings.Count(dot, "shape=ellipse"), strings.Count(dot, " [label=")-strings.Count(dot, "->")
	if labels := strings.Count(dot, "label="); paths != 59 || forks < paths-1 || labels > 10*paths {
		t.Errorf("%d paths, %d forks, %d labels", paths, forks, labels)
	}
	for line := range strings.Lines(dot) {
		from, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.Contains(line, " [label=") && !strings.Contains(line, "->") && strings.Count(dot, "\t"+from+" -> ") != 2 {
			t.Errorf("%s has not two edges", from)
		}
	}
}

// TestGroups: paths in groups are all paths, whatever they are grouped by, with their
// packets, hits and misses; and places stand beside what they are of.
func TestGroups(t *testing.T) {
	for _, by := range []string{"condition", "verdict", "map"} {
		out := must.Get(run("--program", "sample:telemetry", "--capture", "sample:dns", "--entries", "16", "--by", by, "--json", "-"))(t)
		var r Report
		must.OK(t, json.Unmarshal([]byte(out), &r))
		paths, packets := 0, uint64(0)
		for _, g := range r.Groups {
			paths += g.Paths
			missed := uint64(0)
			for _, n := range g.Misses {
				missed += n
			}
			if packets += g.Packets; missed != g.Packets-g.Hits || g.Name == "" || len(g.Numbers) != g.Paths {
				t.Errorf("by %s: %+v", by, g)
			}
		}
		if paths != len(r.Traces) || packets != r.Packets || len(r.Groups) < 1 || by == "condition" && len(r.Groups) < 2 {
			t.Errorf("by %s: %d paths of %d, %d packets of %d, %d groups", by, paths, len(r.Traces), packets, r.Packets, len(r.Groups))
		}
		for _, tr := range r.Traces {
			missed := uint64(0)
			for _, n := range tr.Misses {
				missed += n
			}
			if missed != tr.Packets-tr.Hits || len(tr.ConditionAt) != len(tr.Condition) || len(tr.CodeAt) != len(tr.Code) {
				t.Errorf("trace %d: %d misses of %d; places of %d lines of %d, %d of %d", tr.Number, missed, tr.Packets-tr.Hits, len(tr.ConditionAt), len(tr.Condition), len(tr.CodeAt), len(tr.Code))
			}
		}
	}
	if _, err := run("--program", "sample:nat", "--capture", "sample:dns", "--by", "colour"); err == nil || err.Error() != "--by colour: want condition, verdict, map" {
		t.Errorf("%v", err)
	}
}

// TestCorpus prints the traces of the samples on real traffic: every operation
// has its notation, none is printed as it stands.
func TestCorpus(t *testing.T) {
	files, _ := filepath.Glob("../../../../shared/corpus/captures/defrag*.pcap.gz")
	if len(files) == 0 {
		t.Skip("no captures in ../shared/corpus/captures")
	}
	for _, p := range []string{"sample:nat", "sample:conntrack", "sample:telemetry", "sample:router", "sample:loadbalancer"} {
		out, err := run("--program", p, "--capture", files[0], "--limit", "2000")
		must.OKf(t, err, "%s", p)
		for _, l := range strings.Split(out, "\n") {
			if strings.Contains(l, "raw(") || strings.Contains(l, "insn 0x") {
				t.Errorf("%s: printed as it stands: %s", p, l)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"--program: name an object file, sample:NAME or filter:EXPR": {"--capture", "x.pcap"},
		"--limit-traces -1: want 0 or more":                          {"--program", "sample:nat", "--capture", "x.pcap", "--limit-traces", "-1"},
	} {
		if _, err := run(args...); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %s", args, err, want)
		}
	}
}

// --asm shows machine code with the instructions it was made of, where the
// machine has a backend.
func TestAsm(t *testing.T) {
	out := must.Get(run("--program", "sample:ipv6filter", "--capture", capture(t), "--asm"))(t)
	for _, want := range []string{"machine code:", "instructions of BPF", ": exit", "ret"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
