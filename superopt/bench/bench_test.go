package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"jitnic/host/hosttest/must"
	"jitnic/superopt"
	"jitnic/superopt/kernelcheck"
	"jitnic/superopt/z3"
)

// The kernel's samples compile, each is found, and what K2 published for those
// that are still what they were is reached. The kernel sees no difference.
func TestSamples(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: compiles the kernel's samples, which takes 15 seconds")
	}
	if err := z3.Open(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	dir := t.TempDir()
	if err := Build(t.Context(), dir); errors.Is(err, ErrMissing) {
		t.Skipf("skipped: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	o := &Options{Dirs: []string{dir}, Opt: superopt.Options{Seed: 1, Proposals: 2000, Layers: "pre"}}
	if kernelcheck.Allowed() == nil {
		o.Kernel = 500
	}
	rows := must.Get(Run(t.Context(), K2, o))(t)
	ran, same := 0, 0
	for i, r := range rows {
		if r.Skipped != "" {
			if K2[i].Object != "" {
				t.Logf("%s: %s", r.Name, r.Skipped) // bpftool or a newer kernel's sources
			}
			continue
		}
		ran++
		g := r.Result
		t.Logf("%-20s %4d -> %4d  %.2f s, whole: %s, kernel: %+v", r.Name, g.Before, g.After, g.Seconds, g.Whole, g.Kernel)
		if g.After > g.Before || g.Kernel != nil && g.Kernel.Differences > 0 {
			t.Errorf("%s: %d -> %d, kernel %+v", r.Name, g.Before, g.After, g.Kernel)
		}
		if r.Comparable {
			if same++; g.After > r.K2After {
				t.Errorf("%s: %d -> %d, K2 has %d", r.Name, g.Before, g.After, r.K2After)
			}
		}
	}
	if ran < 8 || same < 2 {
		t.Errorf("%d programs, %d as K2 had them", ran, same)
	}
}

// Inputs of a folder come before what is built, in any of the formats.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	must.OK(t, os.WriteFile(filepath.Join(dir, "xdp1.k2"), []byte("MOV64XC 0 1\nADD64XY 0 0\nEXIT\n"), 0o644))
	// K2's own names are found too, in the folder they have there or not.
	must.OK(t, os.MkdirAll(filepath.Join(dir, "katran/ubuntu-18.04"), 0o755))
	if err := os.WriteFile(filepath.Join(dir, "katran/balancer_kern_xdp-balancer.k2"), []byte("EXIT\n"), 0o644); err != nil { // another compiler's
		t.Fatal(err)
	}
	for _, f := range []string{"katran/xdp_pktcntr_xdp-pktcntr.k2", "xdp_fw_kern_xdp_fw.k2", "katran/ubuntu-18.04/balancer_kern_xdp-balancer.k2"} {
		must.OK(t, os.WriteFile(filepath.Join(dir, f), []byte("MOV64XC 0 1\nEXIT\n"), 0o644))
	}
	found := map[string]bool{}
	for i := range K2 {
		if p, _, err := K2[i].Load(dir); err == nil && p.Slots() == 2 {
			found[K2[i].Name] = true
		}
	}
	if len(found) != 3 || !found["xdp_fw"] || !found["xdp_pktcntr"] || !found["balancer"] {
		t.Errorf("found %v", found)
	}
	list := []Program{{Name: "xdp1", Before: 3, Artifact: 2}, {Name: "xdp2"}}
	for _, a := range []struct {
		rows func() int
		want int
	}{
		{func() int {
			rows, err := Run(context.Background(), list, &Options{Dirs: []string{dir}, Opt: superopt.Options{Layers: "p"}})
			if err != nil || rows[0].Result.After != 2 || !rows[0].Comparable || rows[1].Skipped == "" {
				t.Errorf("%v, %+v", err, rows)
			}
			return len(rows)
		}, 2},
		{func() int {
			rows, err := Ablate(context.Background(), list, &Options{Dirs: []string{dir}, Opt: superopt.Options{Layers: "p"}})
			if err != nil {
				t.Error(err)
			}
			return len(rows)
		}, len(Ablations) + 1},
	} {
		if n := a.rows(); n != a.want {
			t.Errorf("%d rows, want %d", n, a.want)
		}
	}
}

// TestBuildInterrupted: the compilers end with the script that started them, and the
// error is the context's.
func TestBuildInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := Build(ctx, t.TempDir()); errors.Is(err, ErrMissing) {
		t.Skip(err)
	} else if err != context.DeadlineExceeded {
		t.Errorf("error %v, want the context's", err)
	}
}
