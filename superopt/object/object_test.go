package object

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"jitnic/superopt"
)

// objects are the real ones at hand: Debian's libxdp1, the project's own
// programs, and kernel samples where somebody compiled them.
func objects(t testing.TB) []string {
	var out []string
	for _, g := range []string{"/usr/lib/x86_64-linux-gnu/bpf/*.o", "../../host/programs/*.o", "../../host/loader/testdata/*.o", "/tmp/soks/o/*.o"} {
		m, _ := filepath.Glob(g)
		out = append(out, m...)
	}
	if len(out) == 0 {
		t.Skip("skipped: no eBPF objects here (Debian: libxdp1)")
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	for _, p := range objects(t) {
		raw, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		o, err := Parse(p, raw)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		// Nothing changed, but everything laid out anew.
		for _, f := range o.Funcs {
			if f.Err == nil {
				f.New = f.Prog
			} else {
				t.Logf("%s %s: %v", p, f.Name, f.Err)
			}
		}
		got, err := o.Write(false)
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		if !bytes.Equal(got, raw) {
			at := 0
			for at < len(got) && at < len(raw) && got[at] == raw[at] {
				at++
			}
			t.Errorf("%s: written back without a change: %d bytes, was %d; first difference at %#x", p, len(got), len(raw), at)
		}
	}
}

// loads says whether the kernel takes every program of an object.
func loads(t *testing.T, raw []byte) error {
	spec, err := cebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	for _, m := range spec.Maps {
		m.Pinning = cebpf.PinNone
	}
	c, err := cebpf.NewCollection(spec)
	if err != nil {
		return err
	}
	c.Close()
	return nil
}

func TestOptimised(t *testing.T) {
	for _, p := range objects(t) {
		if only := os.Getenv("ONLY"); only != "" && filepath.Base(p) != only {
			continue
		}
		raw, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		o, err := Parse(p, raw)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, f := range o.Funcs {
			if f.Err != nil {
				t.Logf("%s %s: %v", p, f.Name, f.Err)
				continue
			}
			opt := &superopt.Options{Layers: "p"}
			if os.Getenv("V") != "" {
				opt.Log = t.Logf
			}
			r, err := superopt.Optimize(context.Background(), f.Prog, opt)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s %s: %d -> %d %.2fs (%s)", filepath.Base(p), f.Name, r.Before, r.After, r.Seconds, r.Whole)
			if os.Getenv("V") != "" {
				t.Log("\n" + r.Prog.String())
			}
			f.New = r.Prog
		}
		got, err := o.Write(false)
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		if len(got) >= len(raw) {
			t.Logf("%s: %d bytes, was %d", p, len(got), len(raw))
		}
		if rlimit.RemoveMemlock() != nil {
			continue
		}
		if err := loads(t, raw); err != nil {
			var ve *cebpf.VerifierError
			if errors.As(err, &ve) {
				t.Logf("%s: the original isn't loaded: %v", p, err)
			} else {
				t.Logf("%s: the original isn't loaded: %v", p, err)
			}
			continue
		}
		if err := loads(t, got); err != nil {
			os.WriteFile("/tmp/bad.o", got, 0o644)
			t.Errorf("%s: not loaded: %+v", p, err)
		}
		padded, err := o.Write(true)
		if err != nil {
			t.Errorf("%s: padded: %v", p, err)
		} else if err := loads(t, padded); err != nil {
			t.Errorf("%s: padded not loaded: %+v", p, err)
		}
	}
}
