package kernelcheck

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/hosttest/progen"
	"jitnic/host/kernel"
	"jitnic/host/kernel/pair"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/verify"
	"jitnic/host/vm"
	"jitnic/superopt"
	"jitnic/superopt/object"

	cilium "github.com/cilium/ebpf"
)

var (
	objects  = flag.Int("objects", 0, "random objects to optimise and put before the kernel; 0: a few, with JITNIC_HEAVY=1 more")
	clangs   = flag.Int("clang", 0, "objects that clang makes of random C, likewise")
	from     = flag.Uint64("from", 0, "seed of the first")
	layers   = flag.String("layers", "", "layers of the optimiser")
	proposed = flag.Int("proposals", 400, "proposals for each window")
	seconds  = flag.Duration("seconds", 0, "stop after that long; 0: never, or 8 s where nothing else is said")
	sizes    = flag.Uint64("sizes", 24, "random objects have 6 statements to so many more")
	keep     = flag.String("keep", "", "folder for objects that fail")
)

// tally counts what came of the programs of all objects.
type tally struct {
	objects, programs, shorter, skipped int
	by                                  map[pair.Status]int
	runs                                int
	verified                            int // packets on which VM and kernel were compared
	why                                 map[string]int
}

// chain is what a user's object goes through: read, optimised function by
// function with every layer, written, and both files put before the kernel.
func (n *tally) chain(name string, raw []byte, seed uint64) error {
	o, err := object.Parse(name, raw)
	if err != nil {
		return err
	}
	n.objects++
	for _, f := range o.Funcs {
		if f.Err != nil {
			n.skipped++
			n.why["left as it is: "+f.Err.Error()]++
			continue
		}
		opt := &superopt.Options{Seed: seed, Layers: *layers, Proposals: *proposed, Workers: 1, Cost: []string{"balanced", "count", "latency"}[seed%3]}
		r, err := superopt.Optimize(context.Background(), f.Prog, opt)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		f.New = r.Prog
		if r.After < r.Before {
			n.shorter++
		}
	}
	out, err := o.Write(seed/3%3 == 0)
	if err != nil {
		return err
	}
	by, err := CompareObjects(context.Background(), raw, out, pair.Options{Runs: 150, Seed: seed})
	if err != nil {
		return err
	}
	for fn, k := range by {
		n.programs++
		n.by[k.Status]++
		n.runs += k.Runs
		if k.Bad() {
			if *keep != "" {
				os.WriteFile(filepath.Join(*keep, name), raw, 0o644)
				os.WriteFile(filepath.Join(*keep, name+".out"), out, 0o644)
			}
			return fmt.Errorf("%s: %v", fn, k)
		}
		if k.Status != pair.Equal {
			n.why[k.String()]++
		}
	}
	return nil
}

// verify holds the VM against the kernel on the object.
func (n *tally) verify(raw []byte, seed uint64) error {
	obj, err := loader.LoadBytes("random C", raw, loader.Options{})
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 12))
	i := 0
	rep, err := verify.Run(context.Background(), obj, obj.Named("prog"), verify.Options{Seed: seed}, func(in *vm.Input) error {
		if i == 60 {
			return io.EOF
		}
		*in = vm.Input{Data: pair.Packet(rng), TimeNS: 1e9 + uint64(i)*1e6, IfIndex: 1, Packet: uint64(i)}
		i++
		return nil
	})
	var refused *kernel.LoadError
	if errors.As(err, &refused) {
		return nil // chain counts it
	}
	if err != nil {
		return err
	}
	n.verified += int(rep.Compared)
	for why, k := range rep.Skipped {
		n.why["VM and kernel not compared, packets: "+why] += int(k)
	}
	if rep.Mismatches > 0 {
		return fmt.Errorf("the VM differs from the kernel: %s", rep.First)
	}
	return nil
}

func (n *tally) log(t *testing.T) {
	t.Helper()
	t.Logf("%d objects, %d programs: %d equal in %d runs, %d originals refused, %d not checked; %d functions shorter, %d left as they are; VM and kernel agree on %d packets",
		n.objects, n.programs, n.by[pair.Equal], n.runs, n.by[pair.OriginalRefused], n.by[pair.NotChecked], n.shorter, n.skipped, n.verified)
	for w, k := range n.why {
		if len(w) > 150 {
			w = w[:150]
		}
		t.Logf("%4d %s", k, w)
	}
}

// each calls f for as many seeds as asked, for so long.
func each(t *testing.T, asked, few, heavy int, f func(seed uint64) error) {
	t.Helper()
	if err := Allowed(); err != nil {
		t.Skip(err)
	}
	limit := *seconds
	if asked == 0 {
		if asked = few; os.Getenv("JITNIC_HEAVY") != "" {
			asked = heavy
		} else if limit == 0 {
			limit = 8 * time.Second
		}
	}
	began, bad := time.Now(), 0
	for seed := *from; seed < *from+uint64(asked); seed++ {
		if limit > 0 && time.Since(began) > limit {
			t.Logf("stopped before seed %d: no time left", seed)
			return
		}
		if err := f(seed); err != nil {
			t.Errorf("seed %d: %v", seed, err)
			if bad++; bad == 5 {
				return
			}
		}
	}
}

// Programs that the optimiser once made something wrong of, or refused: each is
// written as an object, optimised by every layer, and put before the kernel.
var regressions = []struct {
	name, why, code string
	shorter         bool // something must come of it
	maps            []*maps.Spec
}{
	{name: "calls by symbol", why: "two calls before the same end look alike in the file; only their relocations tell which function is meant", code: `
		r2 = *(u32 *)(r1 +0)
		r3 = *(u32 *)(r1 +4)
		r4 = r2
		r4 += 14
		if r4 > r3 goto +2
		r4 = *(u8 *)(r2 +0)
		if r4 > 100 goto +2
		call pc+3
		exit
		call pc+3
		exit
		r0 = 1
		exit
		r0 = 2
		exit`},
	{name: "last call goes", why: "the loader links one function less, and that is the proved program", shorter: true, code: `
		r6 = r1
		r0 = 1
		if r0 == 2 goto +3
		r1 = r6
		call pc+5
		exit
		call pc+1
		exit
		r0 = 3
		exit
		r0 = *(u32 *)(r1 +12)
		exit`},
	{name: "number and the packet's end", why: "a number the optimiser took for what may be a pointer; adding the packet's end to it first is a slot less, and refused", code: `
		r7 = r1
		r6 = *(u32 *)(r7 +4)
		r9 = *(u32 *)(r7 +0)
		call pc+8
		r1 = r6
		r1 -= r9
		r0 += r1
		r9 += 14
		if r9 > r6 goto +1
		r0 += 1
		r0 &= 3
		exit
		r0 = 5
		exit`},
	{name: "second check in a function", why: "of bounds of packet pointers that a function of its own reads the facts know nothing: a check whose outcome the first one decides looked needless", code: `
		call pc+1
		exit
		r2 = *(u32 *)(r1 +0)
		r3 = *(u32 *)(r1 +4)
		r4 = r2
		r4 += 54
		if r4 > r3 goto +9
		r5 = *(u8 *)(r2 +36)
		r5 &= 31
		r5 += r2
		r3 = *(u32 *)(r1 +4)
		r4 = r5
		r4 += 8
		if r4 > r3 goto +2
		r0 = *(u32 *)(r5 +1)
		goto +2
		r0 = 3
		exit
		r0 &= 1
		exit`},
	{name: "half of an address", why: "32 bits are subtracted from a pointer, which gives a number; of a pointer itself no bit may be taken", code: `
		w1 -= 32768
		r0 = r1
		r0 &= 1
		exit`},
	{name: "end spilled before a call", why: "a function that is given an address of the stack leaves other slots as they are: what was the packet's end is no number", code: `
		r7 = r1
		r1 = *(u32 *)(r7 +4)
		*(u64 *)(r10 -24) = r1
		r1 = *(u32 *)(r7 +0)
		*(u64 *)(r10 -32) = r1
		*(u64 *)(r10 -16) = 5
		r1 = r10
		r1 += -16
		call pc+12
		r7 = r0
		r2 = *(u64 *)(r10 -32)
		r3 = *(u64 *)(r10 -24)
		r1 = r3
		r1 -= r2
		r7 += r1
		r2 += 14
		if r2 > r3 goto +1
		r7 += 1
		r7 &= 3
		r0 = r7
		exit
		r0 = *(u64 *)(r1 +0)
		*(u64 *)(r1 +0) = 7
		exit`},
	{name: "what a bloom filter is asked", why: "it is read, though the same call fills the buffer from a queue", code: `
		*(u32 *)(r10 -4) = 7
		r1 = map[bloom]
		r2 = r10
		r2 += -4
		r3 = 0
		call map_push_elem
		*(u32 *)(r10 -8) = 7
		r1 = map[bloom]
		r2 = r10
		r2 += -8
		call map_peek_elem
		if r0 == 0 goto +2
		r0 = 1
		exit
		r0 = 2
		exit`, maps: []*maps.Spec{{Name: "bloom", Type: cilium.BloomFilter, ValueSize: 4, Max: 64}}},
	{name: "no byte of the packet", why: "where a helper is given 0 bytes any pointer does, but the verifier checks it all the same: one further into the packet than was checked is refused", code: `
		r7 = *(u32 *)(r1 +4)
		r1 = *(u32 *)(r1 +0)
		r9 = 7
		r0 = 1
		r2 = r1
		r2 += 18
		if r2 > r7 goto +19
		r3 = *(u8 *)(r1 +14)
		r3 &= 15
		*(u64 *)(r10 -8) = r3
		r1 += 14
		r1 += r3
		r4 = r1
		r4 += 4
		if r4 > r7 goto +1
		r9 = *(u16 *)(r1 +1)
		r8 = r10
		r8 += -8
		r1 = r8
		r2 = 0
		r3 = r8
		r4 = 8
		r5 = r9
		call csum_diff
		r0 &= 1
		r0 += 1
		exit`},
	{name: "half of the end's address", why: "a slot that may hold a pointer is read whole or not at all, though half of it is asked for", shorter: true, code: `
		r6 = r1
		r1 = *(u32 *)(r6 +4)
		*(u64 *)(r10 -32) = r1
		r8 = *(u32 *)(r6 +0)
		r1 = r6
		r2 = map[jumps]
		r3 = 0
		call tail_call
		r1 = *(u64 *)(r10 -32)
		w6 = w1
		w6 -= w8
		r0 = 1
		r0 += 0
		if w6 > 60 goto +1
		r0 = 2
		exit`, maps: []*maps.Spec{{Name: "jumps", Type: cilium.ProgramArray, KeySize: 4, ValueSize: 4, Max: 3}}},
}

func TestRegressions(t *testing.T) {
	if err := Allowed(); err != nil {
		t.Skip(err)
	}
	for _, c := range regressions {
		t.Run(c.name, func(t *testing.T) {
			code := must.Get(ebpf.Parser{MapIndex: func(string) (int, bool) { return 0, true }}.Code(c.code))(t)
			obj := must.Get(loader.FromCode("main", code, c.maps))(t)
			raw := must.Get(writeObject(obj))(t)
			for seed := range uint64(4) {
				n := &tally{by: map[pair.Status]int{}, why: map[string]int{}}
				if err := n.chain("main.o", raw, seed); err != nil {
					t.Errorf("%s: seed %d: %v", c.why, seed, err)
				}
				if n.by[pair.Equal] == 0 || c.shorter && n.shorter == 0 {
					t.Errorf("seed %d: nothing was compared, or nothing shorter: %v", seed, n.why)
				}
			}
		})
	}
}

// TestRandomObjects: random programs as object files.
func TestRandomObjects(t *testing.T) {
	n := &tally{by: map[pair.Status]int{}, why: map[string]int{}}
	none := 0
	one := func(seed uint64) error {
		c := progen.Generate(seed, progen.Options{
			Statements: 6 + int(seed%*sizes), V4: seed%2 == 0, Latched: seed%3 == 0, NoCalls: seed%4 == 1, NoLoops: seed%4 != 0, NoMaps: seed%7 == 6, Answers: seed%1000 >= 900})
		raw, err := writeObject(c.Object)
		if errors.Is(err, errNoObject) {
			none++
			return nil
		}
		if err != nil {
			return err
		}
		return n.chain(fmt.Sprintf("random%d.o", seed), raw, seed)
	}
	each(t, *objects, 25, 1000, one)
	if *objects == 0 {
		// 950: what is loaded again is checked again, and an access stands behind a
		// call of another function, where the facts know no packet.
		must.OKf(t, one(950), "seed 950")
	}
	n.log(t)
	t.Logf("%d programs have no object of this form", none)
	if n.by[pair.Equal] < n.programs*8/10 {
		t.Errorf("only %d of %d programs were compared", n.by[pair.Equal], n.programs)
	}
}

// TestClangObjects: objects that clang makes of random C.
func TestClangObjects(t *testing.T) {
	clang, err := exec.LookPath("clang")
	if err != nil {
		t.Skip("clang is not installed")
	}
	n := &tally{by: map[pair.Status]int{}, why: map[string]int{}}
	dir := t.TempDir()
	each(t, *clangs, 6, 300, func(seed uint64) error {
		src, obj := filepath.Join(dir, "x.c"), filepath.Join(dir, "x.o")
		if err := os.WriteFile(src, []byte(generateC(seed)), 0o644); err != nil {
			return err
		}
		args := []string{[]string{"-O2", "-O1", "-Os"}[seed%3], "-g", "-target", "bpf", []string{"-mcpu=v2", "-mcpu=v3", "-mcpu=v3"}[seed/3%3], "-Wno-everything",
			"-I/usr/include/x86_64-linux-gnu", "-I/usr/include/aarch64-linux-gnu", "-c", src, "-o", obj}
		if out, err := exec.Command(clang, args...).CombinedOutput(); err != nil {
			first, _, _ := bytes.Cut(out, []byte("\n"))
			n.why["clang: "+string(first)]++
			return nil
		}
		raw, err := os.ReadFile(obj)
		if err != nil {
			return err
		}
		if err := n.verify(raw, seed); err != nil {
			return err
		}
		return n.chain(fmt.Sprintf("clang%d.o", seed), raw, seed)
	})
	n.log(t)
	if n.objects > 0 && n.by[pair.Equal] < n.programs*7/10 {
		t.Errorf("only %d of %d programs were compared", n.by[pair.Equal], n.programs)
	}
}
