package kernelcheck

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	if k := Compare(old, old, 200, 1); !k.Loaded || k.Runs != 200 || k.Differences != 0 {
		t.Errorf("against itself: %+v", *k)
	}
	if k := Compare(old, prog("LDXW 0 1 24\nAND64XC 0 63\nEXIT\n"), 200, 1); k.Differences == 0 {
		t.Errorf("against another: %+v", *k)
	}
	written := prog("MOV64XC 2 1\nSTXW 1 4 2\nMOV64XC 0 1\nEXIT\n") // user_ip4 of a socket's address
	if k := Compare(written, written, 10, 1); !k.Loaded || k.Runs != 0 || !strings.Contains(k.Reason, "no test run for") {
		t.Errorf("a cgroup hook: %+v", *k)
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
		for name, k := range CompareObjects(raw, got, 3000, 1) {
			t.Logf("%s %s: %+v", filepath.Base(p), name, *k)
			if k.Differences != 0 {
				t.Errorf("%s %s: %d differences in %d runs: %s", p, name, k.Differences, k.Runs, k.Reason)
			}
		}
	}
}
