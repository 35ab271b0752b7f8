package published

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// Every program is there in both forms, and every figure is about one.
func TestPrograms(t *testing.T) {
	have := map[string]bool{}
	for _, name := range Programs() {
		have[name] = true
		if o, err := Object(name); err != nil || len(o) == 0 {
			t.Errorf("%s: %d bytes of object: %v", name, len(o), err)
		}
		if c, err := Source(name); err != nil || !strings.Contains(string(c), "SPDX-License-Identifier") {
			t.Errorf("%s: source without a licence: %v", name, err)
		}
	}
	used := map[string]bool{}
	for i, f := range Figures() {
		used[f.Program] = true
		switch {
		case !have[f.Program]:
			t.Errorf("figure %d is of %q", i, f.Program)
		case f.Source == "" || f.Value <= 0:
			t.Errorf("figure %d of %s: value %v, source %q", i, f.Program, f.Value, f.Source)
		}
	}
	for name := range have {
		if !used[name] {
			t.Errorf("%s: no figure is of it", name)
		}
	}
}

// The committed objects are what the committed sources give.
func TestObjects(t *testing.T) {
	want, err := os.ReadFile("programs/clang.txt")
	must.OK(t, err)
	out, err := exec.Command("clang", "--version").Output()
	if err != nil || !strings.Contains(string(out), "clang version "+strings.TrimSpace(string(want))) {
		t.Skipf("skipped: needs clang %s", strings.TrimSpace(string(want)))
	}
	if _, err := exec.LookPath("llvm-strip"); err != nil {
		t.Skip("skipped: needs llvm-strip")
	}
	dir := t.TempDir()
	if msg, err := exec.Command("make", "-C", "programs", "-s", "-B", "OUT="+dir, "all").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	for _, name := range Programs() {
		made := must.Get(os.ReadFile(filepath.Join(dir, name+".o")))(t)
		if have, _ := Object(name); string(have) != string(made) {
			t.Errorf("%s.o: not what %s.c gives: make -C nic/published/programs", name, name)
		}
	}
}
