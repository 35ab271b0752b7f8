package kernelcheck

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"jitnic/superopt"
	"jitnic/superopt/object"
)

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
