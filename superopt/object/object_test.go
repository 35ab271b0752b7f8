package object

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"jitnic/host/hosttest/must"
	"jitnic/superopt"
)

// objects are the real ones at hand: Debian's libxdp1, the project's own
// programs, and kernel samples where somebody compiled them.
func objects(t testing.TB) []string {
	var out []string
	globs := []string{"/usr/lib/x86_64-linux-gnu/bpf/*.o", "../../host/programs/*.o", "../../host/loader/testdata/*.o", "../../host/vm/testdata/*.o"}
	if g := os.Getenv("SUPEROPT_OBJECTS"); g != "" { // kernel samples where somebody compiled them
		globs = []string{g}
	}
	for _, g := range globs {
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
		must.OK(t, err)
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

// quick are the objects optimised in every run of the tests.
var quick = map[string]bool{"xdp-dispatcher.o": true, "xdpdump_xdp.o": true, "xdpfilt_alw_eth.o": true, "xsk_def_xdp_prog.o": true,
	"xsk_def_xdp_prog_5.3.o": true, "ratelimiter.o": true, "text.o": true}

func TestOptimised(t *testing.T) {
	for _, p := range objects(t) {
		if only := os.Getenv("ONLY"); only != "" && filepath.Base(p) != only {
			continue
		}
		if !quick[filepath.Base(p)] && os.Getenv("SUPEROPT_OBJECTS") == "" && os.Getenv("ONLY") == "" {
			continue // the rest when asked for
		}
		raw, err := os.ReadFile(p)
		must.OK(t, err)
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
			r := must.Get(superopt.Optimize(context.Background(), f.Prog, opt))(t)
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

// Damaged objects give errors, never panics.
func TestDamaged(t *testing.T) {
	files := objects(t)
	raw := must.Get(os.ReadFile(files[0]))(t)
	rng := rand.New(rand.NewPCG(1, 1))
	read := 0
	for k := 0; k < 3000; k++ {
		b := append([]byte(nil), raw...)
		if k%7 == 0 {
			b = b[:rng.IntN(len(b))]
		}
		for n := 1 + rng.IntN(4); n > 0 && len(b) > 0; n-- {
			at := rng.IntN(len(b))
			if k%3 == 0 { // headers and tables at the end
				at = len(b) - 1 - rng.IntN(min(len(b), 1500))
			}
			b[at] = byte(rng.Uint32())
		}
		o, err := Parse("damaged", b)
		if err != nil {
			continue
		}
		read++
		for _, f := range o.Funcs {
			if f.Err == nil {
				q := f.Prog.Clone()
				f.New = q
			}
		}
		o.Write(false)
	}
	if read == 0 {
		t.Error("every damaged object was refused: nothing was tried")
	}
}
