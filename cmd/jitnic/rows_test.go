package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/superopt"
)

// engines are who says of each row whether it handles the call, and why not.
var engines = []struct {
	name  string
	no    func(h *ebpf.Helper) string
	never []int32 // what it must never say no to again
}{
	{"interpreter", vm.Refusal, []int32{1, 2, 3, 4, 5, 6, 7, 8, 12, 14, 23, 25, 28, 42, 44, 51, 54, 65, 69, 84, 85, 87, 88, 89, 93, 94, 99, 105, 106, 112,
		113, 114, 115, 118, 125, 130, 131, 132, 133, 134, 160, 163, 164, 165, 177, 181, 182, 188, 189, 190, 195, 197, 198, 199, 200, 201, 202, 203, 208}},
	{"traces", pathcond.Refusal, []int32{1, 2, 3, 5, 6, 7, 8, 12, 14, 23, 25, 28, 42, 44, 51, 54, 65, 69, 87, 88, 89, 93, 94, 118, 125, 130, 131, 132, 133, 163, 164,
		84, 85, 99, 134, 160, 165, 177, 181, 188, 189, 190, 195, 198, 199, 200, 204, 205, 206, 207, 208, 4, 112, 113, 114, 115, 164, 169, 170, 171, 172}},
	{"trace executor", executor, []int32{1, 2, 3, 5, 6, 7, 8, 23, 25, 28, 42, 44, 51, 54, 65, 69, 87, 88, 89, 93, 94, 118, 125, 130, 131, 132, 133, 160,
		177, 188, 189, 190, 195, 208}},
	{"optimiser", superopt.Barrier, []int32{1, 2, 3, 4, 5, 7, 8, 12, 14, 15, 16, 23, 25, 26, 27, 28, 35, 42, 46, 51, 69, 80, 112, 113, 125, 130, 189}},
	{"scheduler", points.Barrier, []int32{1, 2, 3, 5, 7, 8, 23, 25, 28, 42, 44, 51, 54, 65, 69, 87, 88, 89, 118, 125, 130, 134, 160, 163, 188, 189, 190, 195, 208}},
}

// executor answers for nic/exec, which runs the interpreter's functions where
// control comes back by itself.
func executor(h *ebpf.Helper) string {
	if h.ID > 0 && vm.Helper(h.ID) != nil {
		return ""
	}
	if h.Flow != ebpf.Returns {
		return "a trace has no such control: the recorder puts the path in its place"
	}
	if h.ID == 0 && vm.Refusal(h) == "" {
		return "traces call no kernel functions"
	}
	return vm.Refusal(h)
}

// TestEveryEngineAnswers walks every row of helpers and kernel functions: each
// engine handles it or says why it doesn't.
func TestEveryEngineAnswers(t *testing.T) {
	for _, e := range engines {
		yes := 0
		for _, rows := range [][]ebpf.Helper{ebpf.Helpers(), ebpf.Kfuncs()} {
			for i := range rows {
				h := &rows[i]
				why := e.no(h)
				handled := why == ""
				if handled {
					yes++
				}
				// An answer is a reason, or the helper in hand.
				if handled && !handles(e.name, h) {
					t.Errorf("%s: helper %d (%s): neither handled nor a reason why not", e.name, h.ID, h.Name)
				}
			}
		}
		for _, id := range e.never {
			if why := e.no(ebpf.HelperByID(id)); why != "" {
				t.Errorf("%s: helper %d (%s) was handled once: %s", e.name, id, ebpf.HelperName(id), why)
			}
		}
		t.Logf("%s: %d of %d", e.name, yes, len(ebpf.Helpers())+len(ebpf.Kfuncs()))
	}
}

// handles says whether an engine has the helper in hand.
func handles(engine string, h *ebpf.Helper) bool {
	switch engine {
	case "interpreter":
		return h.ID == 0 || vm.Supported(h.ID)
	case "traces":
		return h.ID == 0 || pathcond.Modelled(h.ID)
	case "trace executor":
		return h.ID == 0 || vm.Helper(h.ID) != nil
	}
	return true
}

// bare finds a helper's number written as such: compared with an instruction's
// constant, given to a builder of calls, or named in a constant of its own.
var bare = []*regexp.Regexp{
	regexp.MustCompile(`\.Imm *[=!]= *[0-9]+\b.*\b(call|helper|Helper)`),
	regexp.MustCompile(`\bHelper *[=!]= *[0-9]+\b`),
	regexp.MustCompile(`\b(helper|call)\(([0-9]+)\)`),
	regexp.MustCompile(`^\s*(fn|helper)[A-Z]\w*(, *(fn|helper)\w+)*\s*= *[0-9]+(, *[0-9]+)*\s*(//.*)?$`),
	regexp.MustCompile(`^\s*case [0-9, ]+: *// *(map_|redirect|ktime|bpf_)`),
	regexp.MustCompile(`^\s*[0-9]+: +\w+,.*// *(map_|redirect|ktime|get_|probe_|sk_|spin_)`),
	regexp.MustCompile(`^\s*[0-9]+: +\{[nN]ame: "`),
	regexp.MustCompile(`HelperName\(int32\([0-9]|Imm: *[0-9]+.*// *bpf_`),
}

// named are strings that may be helpers' names, of three words or more: shorter ones
// are words like others, and structures of the kernel begin with bpf_ too.
var named = regexp.MustCompile(`"([a-z0-9]+_[a-z0-9]+_[a-z0-9_]+)"`)

// labels says whether a file names what was measured of a helper or a program, by others
// or on this machine: that isn't the helper.
func labels(path string) bool {
	return slices.ContainsFunc([]string{"host/calibrate/", "nic/published/", "superopt/bench/", "cmd/internal/latency/"}, func(room string) bool { return strings.Contains(filepath.ToSlash(path), room) })
}

// TestNoBareHelperNumbers: a helper's number, and its name, stand in host/ebpf alone.
func TestNoBareHelperNumbers(t *testing.T) {
	root := filepath.Join("..", "..")
	must.OK(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || path == filepath.Join(root, "host", "ebpf")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for n, line := range strings.Split(string(src), "\n") {
			for _, re := range bare {
				if re.MatchString(line) {
					t.Errorf("%s:%d: a helper by its number: %s", path, n+1, strings.TrimSpace(line))
				}
			}
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				if _, ok := ebpf.HelperNumber(m[1]); ok && !strings.HasPrefix(m[1], "bpf_") && !labels(path) {
					t.Errorf("%s:%d: a helper by its name: %s", path, n+1, strings.TrimSpace(line))
				}
			}
		}
		return nil
	}))
}
