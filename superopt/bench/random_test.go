package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"jitnic/cache"
	"jitnic/host/diff"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest/progen"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/superopt"
	"jitnic/trace"
)

var (
	cases  = flag.Int("cases", 12, "random programs to optimise and compare")
	from   = flag.Uint64("from", 0, "seed of the first")
	layers = flag.String("layers", "", "layers of the optimiser to run on them")
	props  = flag.Int("proposals", 2000, "proposals for each window")
	shrink = flag.Bool("shrink", false, "make a failing program small")
)

// optimised gives the case's object with an optimised entry program.
func optimised(c *progen.Case, opt superopt.Options) (*loader.Object, *superopt.Result, error) {
	p, err := superopt.FromSlots("random", superopt.KindXDP, c.Entry.Insns, c.Object.Maps)
	if err != nil {
		return nil, nil, err
	}
	r, err := superopt.Optimize(context.Background(), p, &opt)
	if err != nil {
		return nil, nil, err
	}
	slots, err := r.Prog.ToSlots()
	if err != nil {
		return nil, nil, err
	}
	obj, err := loader.FromCode("random", slots, c.Object.Maps)
	if err != nil {
		return nil, r, fmt.Errorf("the result is no program: %w", err)
	}
	obj.License = c.Object.License
	e := *c.Entry
	e.Insns, e.Funcs = obj.Programs[0].Insns, obj.Programs[0].Funcs
	obj.Programs = append([]*loader.Program{&e}, c.Object.Programs[1:]...)
	return obj, r, nil
}

// compare runs both over packets, side by side on maps of their own.
func compare(c *progen.Case, obj *loader.Object, packets int) error {
	var st [2]*vm.State
	var it [2]*vm.Interp
	for i, o := range []*loader.Object{c.Object, obj} {
		var err error
		if st[i], err = vm.NewState(o, vm.Options{Seed: c.Seed}); err != nil {
			return err
		}
		defer st[i].Close()
		if it[i], err = vm.NewInterp(st[i], o, o.Programs[0]); err != nil {
			return err
		}
	}
	ck := diff.NewChecker(st[0], st[1], 0)
	rng := rand.New(rand.NewPCG(c.Seed, 2))
	pkts := c.Packets(packets, c.Seed)
	var out [2]vm.Output
	for i := range 3 * len(pkts) {
		p := pkts[rng.IntN(len(pkts))]
		if rng.IntN(2) == 0 {
			p = c.Mutate(rng, p)
		}
		for k := range it {
			it[k].Run(&vm.Input{Data: p, TimeNS: uint64(1000 + i), IfIndex: 1, Packet: uint64(i)}, &out[k])
		}
		if d := ck.Packet(&out[0], &out[1]); d != nil {
			return fmt.Errorf("packet %d %x: %w", i, p, d)
		}
	}
	if d := ck.All(func() bool { return true }); d != nil {
		return d
	}
	return nil
}

// Random programs, optimised, do what they did; and the kernel takes them.
func TestRandom(t *testing.T) {
	bpf := kernel.Available()
	if bpf != nil {
		t.Logf("not loaded into the kernel: %v", bpf)
	}
	shorter, slots, loaded, refused := 0, 0, 0, 0
	whole := map[string]int{}
	began := time.Now()
	for seed := *from; seed < *from+uint64(*cases); seed++ {
		if d, ok := t.Deadline(); ok && time.Until(d) < 5*time.Second || *cases == 12 && time.Since(began) > 6*time.Second {
			t.Logf("stopped before seed %d: no time left", seed)
			break
		}
		popt := progen.Options{Statements: 8 + int(seed%24), V4: seed%2 == 0, Latched: seed%3 == 0, NoCalls: seed%2 == 1, NoLoops: seed%4 != 0}
		c := progen.Generate(seed, popt)
		opt := superopt.Options{Seed: seed, Layers: *layers, Proposals: *props, Workers: 1, Cost: []string{"count", "latency"}[seed/2%2]}
		obj, r, err := optimised(c, opt)
		if err == nil {
			err = compare(c, obj, 60)
		}
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			if *shrink {
				c = c.Shrink(func(c *progen.Case) bool {
					if ebpf.Validate(c.Entry.Insns) != nil {
						return false
					}
					if p, err := kernel.Load(c.Object, c.Entry, kernel.Options{}); err != nil {
						return false
					} else {
						p.Close()
						p.Maps.Close()
					}
					o, _, err := optimised(c, opt)
					return err == nil && compare(c, o, 60) != nil
				})
				o, _, _ := optimised(c, opt)
				t.Logf("%v\n%s\nbecame\n%s", compare(c, o, 60), c, ebpf.Printer{}.Code(o.Programs[0].Insns))
			}
			continue
		}
		verdict, why, _ := strings.Cut(r.Whole.String(), ":")
		if verdict == "unknown" {
			t.Logf("seed %d: unknown:%s", seed, why)
		}
		whole[verdict]++
		if verdict == "refuted" || r.Undone > 0 {
			t.Errorf("seed %d: the whole program is %s, %d rewrites undone", seed, r.Whole, r.Undone)
		}
		if r.After < r.Before {
			shorter++
			slots += r.Before - r.After
		}
		if bpf != nil {
			continue
		}
		ld := func(o *loader.Object) error {
			p, err := kernel.Load(o, o.Programs[0], kernel.Options{})
			if err == nil {
				p.Close()
				p.Maps.Close()
			}
			return err
		}
		if ld(c.Object) != nil {
			continue
		}
		loaded++
		var le *kernel.LoadError
		if err := ld(obj); errors.As(err, &le) {
			refused++
			t.Errorf("seed %d: the kernel takes the original and not the result: %v", seed, le)
			if *shrink {
				c = c.Shrink(func(c *progen.Case) bool {
					if ebpf.Validate(c.Entry.Insns) != nil || ld(c.Object) != nil {
						return false
					}
					o, _, err := optimised(c, opt)
					return err == nil && ld(o) != nil
				})
				o, _, _ := optimised(c, opt)
				t.Logf("%+v\n%s\nbecame\n%s", ld(o), c, ebpf.Printer{}.Code(o.Programs[0].Insns))
			}
		}
	}
	t.Logf("%d programs shorter, by %d slots; %d loaded into the kernel, %d refused; over the whole program %v", shorter, slots, loaded, refused, whole)
	if shorter == 0 && *cases > 1 {
		t.Error("nothing was made shorter")
	}
}

// What random programs once found, by name: run with the seed and layers that
// showed it.
func TestRegressions(t *testing.T) {
	for _, r := range []struct {
		name   string
		seed   uint64
		layers string
		traces bool
	}{
		{"tail-call-leaves-no-result", 5110, "se", false},
		{"bits-of-a-pointer", 5210, "se", false},
		{"callee-masks-a-packet-pointer", 5324, "se", false},
		{"key-of-an-unknown-map", 30027, "", false},
		{"only-call-is-dead", 30032, "", false},
		{"dead-call-before-its-function", 40082, "", false},
		{"window-entered-in-the-middle", 40168, "p", false},
		{"merged-memory-of-two-helpers", 30100, "", false},
		{"same-key-other-terms", 1305, "", true},
		{"store-behind-two-lookups", 1395, "", true},
		{"helper-after-redundant-stores", 20287, "p", true},
	} {
		t.Run(r.name, func(t *testing.T) {
			saved := []any{*cases, *from, *layers}
			defer func() { *cases, *from, *layers = saved[0].(int), saved[1].(uint64), saved[2].(string) }()
			*cases, *from, *layers = 1, r.seed, r.layers
			if r.traces {
				TestRandomTraces(t)
			} else {
				TestRandom(t)
			}
		})
	}
}

// traces runs a case in the runtime with its traces optimised and the
// interpreter beside every packet.
func traces(c *progen.Case, how jit.Remedies, opt superopt.Options) (made, shorter int, err error) {
	cuts, err := someCuts(c, how.Segments)
	if err != nil {
		return 0, 0, err
	}
	r, err := jit.New(c.Object, c.Entry, jit.Options{Check: true, Remedies: how, Cuts: cuts, VM: vm.Options{Seed: c.Seed}, Cache: cache.Config{Policy: "lru", Entries: 1 << 12},
		Optimise: func(p *pathcond.Path, comp *pathcond.Compiler) (*trace.Trace, error) {
			t, r, err := superopt.OptimizeTrace(context.Background(), p, comp, &opt, false)
			if err == nil {
				if made++; r.After < r.Before {
					shorter++
				}
				if r.Undone > 0 || r.Whole.Refuted() {
					return nil, fmt.Errorf("%d rewrites undone: %s", r.Undone, r.Whole)
				}
			}
			return t, err
		}})
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	rng := rand.New(rand.NewPCG(c.Seed, 2))
	var out vm.Output
	pkts := c.Packets(30, c.Seed)
	for i := range 150 {
		p := pkts[rng.IntN(len(pkts))]
		if rng.IntN(2) == 0 {
			p = c.Mutate(rng, p)
		}
		if _, err := r.Process(&vm.Input{Data: p, TimeNS: uint64(1000 + i), IfIndex: 1, Packet: uint64(i)}, &out); err != nil {
			return made, shorter, fmt.Errorf("packet %d: %x: %w", i, p, err)
		}
	}
	return made, shorter, r.CheckAll(context.Background())
}

// someCuts draws places at which paths are cut into so many tables at most.
func someCuts(c *progen.Case, tables int) ([]int, error) {
	if tables == 0 {
		return nil, nil
	}
	s, err := vm.NewState(c.Object, vm.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	all := pathcond.NewCompiler(s, c.Object).Candidates(c.Entry.Name)
	rng := rand.New(rand.NewPCG(c.Seed, 5))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(tables-1, len(all))], nil
}

// Segments of random programs' paths, optimised: what one leaves the next finds.
func TestRandomSegments(t *testing.T) {
	randomTraces(t, func(seed uint64) (jit.Remedies, superopt.Options) {
		how := jit.Remedies{Segments: 2 + int(seed%6), Auto: seed%5 == 1, Merge: seed%3 == 1}
		if seed%4 == 1 {
			how.Predicate = 32
		}
		return how, superopt.Options{Seed: seed, Tier: 1}
	})
}

// Traces of random programs, optimised under their conditions, do to every
// packet that hits them what the interpreter does.
func TestRandomTraces(t *testing.T) {
	randomTraces(t, func(seed uint64) (jit.Remedies, superopt.Options) {
		return jit.Remedies{Specialise: seed%2 == 1},
			superopt.Options{Seed: seed, Layers: *layers, Proposals: *props / 4, Workers: 1, Cost: []string{"", "latency"}[seed/2%2]}
	})
}

// And so do those whose branches became selects, at each tier.
func TestRandomSelects(t *testing.T) {
	randomTraces(t, func(seed uint64) (jit.Remedies, superopt.Options) {
		return jit.Remedies{Merge: true, Predicate: 32, Auto: seed%4 == 3},
			superopt.Options{Seed: seed, Tier: int(seed % 3), Layers: *layers, Proposals: *props / 4, Workers: 1}
	})
}

func randomTraces(t *testing.T, with func(seed uint64) (jit.Remedies, superopt.Options)) {
	t.Helper()
	programs, made, shorter := 0, 0, 0
	began := time.Now()
	for seed := *from; seed < *from+uint64(*cases); seed++ {
		if d, ok := t.Deadline(); ok && time.Until(d) < 20*time.Second || *cases == 12 && time.Since(began) > 4*time.Second {
			t.Logf("stopped before seed %d: no time left", seed)
			break
		}
		c := progen.Generate(seed, progen.Options{Statements: 8 + int(seed%16), V4: seed%2 == 0, Latched: seed%3 == 0})
		how, opt := with(seed)
		m, s, err := traces(c, how, opt)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			if *shrink {
				c = c.Shrink(func(c *progen.Case) bool {
					if ebpf.Validate(c.Entry.Insns) != nil {
						return false
					}
					_, _, err := traces(c, how, opt)
					return err != nil
				})
				_, _, err := traces(c, how, opt)
				t.Logf("%v\n%s", err, c)
			}
		}
		programs, made, shorter = programs+1, made+m, shorter+s
	}
	t.Logf("%d programs, %d traces, %d made shorter", programs, made, shorter)
	if shorter == 0 && *cases > 1 {
		t.Error("no trace was made shorter")
	}
}
