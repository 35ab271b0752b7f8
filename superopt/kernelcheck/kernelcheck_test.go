package kernelcheck

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		f, err := format.Parse("x.k2", []byte(text), nil, []byte("{ pgm_input_type = 1, }"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := f.Prog()
		if err != nil {
			t.Fatal(err)
		}
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
		raw, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		o, err := object.Parse(p, raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range o.Funcs {
			if f.Err != nil {
				continue
			}
			r, err := superopt.Optimize(context.Background(), f.Prog, &superopt.Options{Layers: "p"})
			if err != nil {
				t.Fatal(err)
			}
			f.New = r.Prog
		}
		got, err := o.Write(false)
		if err != nil {
			t.Fatal(err)
		}
		by, err := CompareObjects(t.Context(), raw, got, pair.Options{Runs: 3000, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		for name, k := range by {
			t.Logf("%s %s: %v", filepath.Base(p), name, k)
			if k.Bad() {
				t.Errorf("%s %s: %+v", p, name, k)
			}
		}
	}
}
