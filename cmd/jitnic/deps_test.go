package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// layers is the policy of DESIGN.md: a package may import packages of its own
// layer's predecessors and of its own room. Longest prefix wins.
var layers = []struct {
	prefix string
	layer  int
}{
	{"jitnic/host/ebpf", 0}, {"jitnic/host/mem", 0}, {"jitnic/host/maps", 0}, {"jitnic/pathcond/bv", 0},
	{"jitnic/cache", 0}, {"jitnic/pcaps", 0}, {"jitnic/pcaps/unpack", 0}, {"jitnic/pcaps/outfile", 0}, {"jitnic/pcaps/splitmix", 0},
	{"jitnic/host/conntrack", 1}, {"jitnic/host/fib", 1}, {"jitnic/host/points", 1}, {"jitnic/host/mapfile", 1}, {"jitnic/host/programs", 1},
	{"jitnic/host/loader", 1}, {"jitnic/host/vm", 1}, {"jitnic/host/kernel", 1},
	{"jitnic/host/diff", 1}, {"jitnic/host/verify", 1},
	{"jitnic/trace", 2},
	{"jitnic/pathcond", 3},
	{"jitnic/superopt", 4}, {"jitnic/nic", 4},
	{"jitnic/host/run", 5}, {"jitnic/host/study", 5}, {"jitnic/host/calibrate", 5}, {"jitnic/host/hosttest", 5},
	{"jitnic/cmd", 6},
}

func layerOf(pkg string) (prefix string, layer int) {
	layer = -1
	for _, l := range layers {
		if (pkg == l.prefix || strings.HasPrefix(pkg, l.prefix+"/")) && len(l.prefix) > len(prefix) {
			prefix, layer = l.prefix, l.layer
		}
	}
	return prefix, layer
}

// forbidden are imports that no layering forbids and the design does.
var forbidden = []struct{ from, to, why string }{
	{"jitnic/superopt", "jitnic/nic", "the optimiser never knows the device: its cost function is given to it"},
	{"jitnic/nic", "jitnic/superopt", "the device never knows the optimiser"},
	{"jitnic/nic", "jitnic/superopt/z3", "the device never reaches a solver"},
	{"jitnic/pathcond", "jitnic/superopt", "conditions never reach a solver"},
	{"jitnic/cache", "jitnic/host", "the cache sees keys, sizes and costs only"},
	{"jitnic/cache", "jitnic/pcaps", "the cache never sees packets"},
	{"jitnic/cache", "jitnic/pathcond", "the cache never sees conditions"},
	{"jitnic/host/run", "github.com/spf13", "what makes a run knows no flags"},
	{"jitnic/host/run", "github.com/schollz", "what makes a run prints nothing"},
	{"jitnic/host/study", "github.com/spf13", "what runs a study knows no flags"},
	{"jitnic/host/study", "github.com/schollz", "what runs a study prints nothing"},
	{"jitnic/host/run", "jitnic/host/study", "a run never knows the studies it is part of"},
	{"jitnic/host/run/jit", "jitnic/superopt", "the runtime is given its optimiser"},
	{"jitnic/host/run/jit", "jitnic/nic/designs", "the runtime never knows the rival designs"},
	{"jitnic/host/run/jit", "jitnic/nic/workload", "the runtime makes no workloads: an observer does"},
	{"jitnic/host/run/jit", "jitnic/host/run/replay", "the runtime never knows what feeds it"},
	{"jitnic/host/run/observe", "jitnic/nic/designs", "a workload is for every design alike"},
	{"jitnic/pcaps", "jitnic/host", "captures know nothing of programs"},
}

// within says for the packages of a room which others of the room they import.
// A package of such a room stands here or is an error.
var within = map[string][]string{
	"jitnic/pathcond/bv":        {},
	"jitnic/pathcond/bv/bvtest": {"jitnic/pathcond/bv"},
	"jitnic/pathcond":           {"jitnic/pathcond/bv"},
	"jitnic/pathcond/text":      {"jitnic/pathcond/bv", "jitnic/pathcond"},
	"jitnic/pathcond/tree":      {"jitnic/pathcond/bv", "jitnic/pathcond"},

	"jitnic/host/study/spec":   {},
	"jitnic/host/study/store":  {},
	"jitnic/host/study/cell":   {"jitnic/host/study/flows", "jitnic/host/study/spec"},
	"jitnic/host/study/flows":  {},
	"jitnic/host/study/run":    {"jitnic/host/study/cell", "jitnic/host/study/flows", "jitnic/host/study/spec", "jitnic/host/study/store"},
	"jitnic/host/study/result": {"jitnic/host/study/cell", "jitnic/host/study/run"},
	"jitnic/host/study": {"jitnic/host/study/cell", "jitnic/host/study/result", "jitnic/host/study/run", "jitnic/host/study/spec",
		"jitnic/host/study/store"},

	"jitnic/nic":                  {},
	"jitnic/nic/profile":          {},
	"jitnic/nic/published":        {},
	"jitnic/nic/drivers":          {},
	"jitnic/nic/workload":         {},
	"jitnic/nic/exec":             {"jitnic/nic"},
	"jitnic/nic/native/asm":       {},
	"jitnic/nic/native/code":      {},
	"jitnic/nic/native/readback":  {},
	"jitnic/nic/native":           {"jitnic/nic", "jitnic/nic/native/asm", "jitnic/nic/native/code", "jitnic/nic/native/readback"},
	"jitnic/nic/workload/consult": {"jitnic/nic/workload"},
	"jitnic/nic/vliw":             {"jitnic/nic/profile"},
	"jitnic/nic/match":            {"jitnic/nic/profile", "jitnic/nic/workload"},
	"jitnic/nic/fit":              {"jitnic/nic/profile", "jitnic/nic/workload"},
	"jitnic/nic/fastpath":         {},
	"jitnic/nic/flower":           {},
	"jitnic/nic/device":           {"jitnic/nic/profile"},
	"jitnic/nic/device/load":      {"jitnic/nic/device", "jitnic/nic/profile"},
	"jitnic/nic/price":            {"jitnic/nic/device", "jitnic/nic/match", "jitnic/nic/profile", "jitnic/nic/vliw", "jitnic/nic/workload"},
	"jitnic/nic/designs":          {"jitnic/nic/device", "jitnic/nic/price", "jitnic/nic/profile", "jitnic/nic/workload"},
	"jitnic/nic/feasibility": {"jitnic/nic/designs", "jitnic/nic/device", "jitnic/nic/device/load", "jitnic/nic/fit", "jitnic/nic/match",
		"jitnic/nic/price", "jitnic/nic/profile", "jitnic/nic/vliw", "jitnic/nic/workload"},

	"jitnic/host/run/jit":         {},
	"jitnic/host/run/explore":     {"jitnic/host/run/jit"},
	"jitnic/host/run/observe":     {"jitnic/host/run/jit"},
	"jitnic/host/run/replay":      {"jitnic/host/run/jit", "jitnic/host/run/observe"},
	"jitnic/host/run/offload":     {"jitnic/host/run/explore", "jitnic/host/run/jit", "jitnic/host/run/observe", "jitnic/host/run/replay"},
	"jitnic/host/run/validate":    {"jitnic/host/run/jit", "jitnic/host/run/observe"},
	"jitnic/host/run/explain":     {"jitnic/host/run/jit", "jitnic/host/run/replay"},
	"jitnic/host/run/filterbench": {},
	"jitnic/host/run/fastpath":    {"jitnic/host/run/jit", "jitnic/host/run/replay"},
}

// ordered are the rooms within holds the order of.
var ordered = []string{"jitnic/pathcond", "jitnic/nic", "jitnic/host/run", "jitnic/host/study"}

// unpack hands out bytes and outfile takes them, and they know nothing of what
// they mean: captures and request streams may both use the one, and whoever writes
// a file the other. Numbers are drawn by splitmix wherever they are to be the same
// everywhere.
const (
	unpack   = "jitnic/pcaps/unpack"
	outfile  = "jitnic/pcaps/outfile"
	splitmix = "jitnic/pcaps/splitmix"
)

// cellar are the ground rooms that other ground rooms stand on.
func cellar(room, other string) bool {
	switch other {
	case "jitnic/host/mem":
		return room == "jitnic/host/maps"
	case outfile, splitmix:
		return true
	case unpack:
		return room == "jitnic/cache" || room == "jitnic/pcaps"
	}
	return false
}

// testOnly says whether a package is of a room named for tests, as hosttest or
// browsertest: only tests import it.
func testOnly(pkg string) bool {
	if !strings.HasPrefix(pkg, "jitnic/") {
		return false
	}
	return slices.ContainsFunc(strings.Split(pkg, "/"), func(room string) bool { return strings.HasSuffix(room, "test") })
}

func under(pkg, prefix string) bool { return pkg == prefix || strings.HasPrefix(pkg, prefix+"/") }

// TestImports holds the import graph as a statement of policy (as go/build's
// deps_test does).
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "jitnic/...").Output()
	must.OKf(t, err, "go list")
	type pkg struct {
		ImportPath string
		Imports    []string
	}
	n := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
		room, layer := layerOf(p.ImportPath)
		if layer < 0 {
			t.Errorf("%s: belongs to no room", p.ImportPath)
			continue
		}
		for _, im := range p.Imports {
			if testOnly(im) && !testOnly(p.ImportPath) {
				t.Errorf("%s imports %s: only tests do", p.ImportPath, im)
			}
			for _, f := range forbidden {
				if under(p.ImportPath, f.from) && under(im, f.to) && im != unpack && im != outfile && im != splitmix {
					t.Errorf("%s imports %s: %s", p.ImportPath, im, f.why)
				}
			}
			if !strings.HasPrefix(im, "jitnic/") {
				continue
			}
			for _, r := range ordered {
				if under(p.ImportPath, r) && under(im, r) && !slices.Contains(within[p.ImportPath], im) {
					t.Errorf("%s imports %s: not in the order inside %s", p.ImportPath, im, r)
				}
			}
			other, l := layerOf(im)
			if l > layer {
				t.Errorf("%s imports %s: a room above it", p.ImportPath, im)
			}
			if l == 0 && layer == 0 && other != room && !cellar(room, other) {
				t.Errorf("%s imports %s: ground rooms don't know each other", p.ImportPath, im)
			}
		}
	}
	if n < 15 {
		t.Fatalf("go list found %d packages", n)
	}
}

// TestBeamImports: the module that runs studies on Apache Beam uses a study's rooms,
// and none of what it needs reaches this module.
func TestBeamImports(t *testing.T) {
	c := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
	c.Dir = "../jitnic-beam"
	out, err := c.Output()
	must.OKf(t, err, "go list")
	var p struct {
		ImportPath string
		Imports    []string
	}
	if err := json.Unmarshal(out, &p); err != nil || p.ImportPath != "jitnic/cmd/jitnic-beam" {
		t.Fatalf("%q: %v", p.ImportPath, err)
	}
	for _, im := range p.Imports {
		if strings.HasPrefix(im, "jitnic/") && !under(im, "jitnic/host/study") && im != "jitnic/cmd/internal/near" {
			t.Errorf("%s imports %s: a study's rooms are all it needs", p.ImportPath, im)
		}
	}
	mod, err := os.ReadFile("../../go.mod")
	must.OK(t, err)
	if strings.Contains(string(mod), "apache/beam") {
		t.Error("go.mod names Apache Beam: it is for the module in cmd/jitnic-beam")
	}
}
