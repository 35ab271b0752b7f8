package kernelcheck

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/kernel/pair"
	"jitnic/superopt"
	"jitnic/superopt/format"
	"jitnic/superopt/object"
)

// Programs over flat contexts run as raw tracepoint programs where the kernel
// takes them so, and a wrong rewrite shows; where it has no test run for what
// they are, one line says so.
func TestFlatContexts(t *testing.T) {
	if err := Allowed(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	prog := func(text string) *superopt.Prog {
		f := must.Get(format.Parse("x.k2", []byte(text), nil, []byte("{ pgm_input_type = 1, }")))(t)
		p := must.Get(f.Prog())(t)
		return p
	}
	old := prog("LDXW 0 1 28\nAND64XC 0 63\nEXIT\n")
	opt := pair.Options{Runs: 200, Seed: 1}
	if o := Compare(t.Context(), old, old, opt); o.Status != pair.Equal || o.Runs != 200 {
		t.Errorf("against itself: %+v", o)
	}
	if o := Compare(t.Context(), old, prog("LDXW 0 1 24\nAND64XC 0 63\nEXIT\n"), opt); o.Status != pair.Different || !o.Bad() {
		t.Errorf("against another: %+v", o)
	}
	written := prog("MOV64XC 2 1\nSTXW 1 4 2\nMOV64XC 0 1\nEXIT\n") // user_ip4 of a socket's address
	if o := Compare(t.Context(), written, written, opt); o.Status != pair.NotChecked || !o.Loaded || !strings.Contains(o.Reason, "no test run for") {
		t.Errorf("a cgroup hook: %+v", o)
	}
}

func TestObjects(t *testing.T) {
	if err := Allowed(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	files, _ := filepath.Glob("/usr/lib/x86_64-linux-gnu/bpf/xdpfilt_alw_eth.o")
	if g := os.Getenv("OBJS"); g != "" {
		files, _ = filepath.Glob(g)
	} else {
		m, _ := filepath.Glob("../../host/programs/ratelimiter.o")
		files = append(files, m...)
	}
	if len(files) == 0 {
		t.Skip("skipped: no objects here (Debian: libxdp1)")
	}
	for _, p := range files {
		raw := must.Get(os.ReadFile(p))(t)
		o := must.Get(object.Parse(p, raw))(t)
		for _, f := range o.Funcs {
			if f.Err != nil {
				continue
			}
			r := must.Get(superopt.Optimize(context.Background(), f.Prog, &superopt.Options{Layers: "p"}))(t)
			f.New = r.Prog
		}
		got := must.Get(o.Write(false))(t)
		by := must.Get(CompareObjects(t.Context(), raw, got, pair.Options{Runs: 3000, Seed: 1}))(t)
		for name, k := range by {
			t.Logf("%s %s: %v", filepath.Base(p), name, k)
			if k.Bad() {
				t.Errorf("%s %s: %+v", p, name, k)
			}
		}
	}
}
