package progen

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"jitnic/host/diff"
	"jitnic/host/ebpf"
	"jitnic/host/kernel"
	"jitnic/host/vm"

	cebpf "github.com/cilium/ebpf"
)

var cases = flag.Int("cases", 100, "programs to load, and to compare with the kernel")

// shapes are the kinds of program the tests go through.
var shapes = []struct {
	name string
	opt  Options
}{
	{"small", Options{Statements: 8, V4: true, Latched: true}},
	{"normal", Options{V4: true, Latched: true}},
	{"large", Options{Statements: 60, V4: true, Latched: true}},
	{"plain", Options{NoMaps: true, NoCalls: true, NoAdjust: true, NoLoops: true}},
}

func needKernel(t *testing.T) {
	t.Helper()
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
}

// TestVerifierAccepts measures how many programs the kernel's verifier takes.
func TestVerifierAccepts(t *testing.T) {
	needKernel(t)
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			took, slots := 0, 0
			why, first := map[string]int{}, ""
			for seed := range uint64(*cases) {
				c := Generate(seed, s.opt)
				slots += c.Size()
				p, err := kernel.Load(c.Object, c.Entry, kernel.Options{})
				var refused *kernel.LoadError
				if errors.As(err, &refused) {
					why[refused.Error()]++
					if first == "" {
						log := strings.Split(strings.TrimSpace(fmt.Sprintf("%+v", refused)), "\n")
						first = fmt.Sprintf("seed %d, program %s: %s", seed, refused.Program, strings.Join(log[max(0, len(log)-40):], "\n"))
					}
					continue
				}
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				p.Close()
				p.Maps.Close()
				took++
			}
			t.Logf("%d of %d accepted, %d slots on average", took, *cases, slots / *cases)
			if took*100 < *cases*97 {
				t.Errorf("fewer than 97 in 100")
			}
			for w, k := range why {
				t.Logf("%4d %s", k, w)
			}
			if first != "" {
				t.Logf("%s", first)
			}
		})
	}
}

// That the verifier is asked at all: a program it must refuse.
func TestVerifierRefuses(t *testing.T) {
	needKernel(t)
	c := Generate(1, Options{NoMaps: true})
	c.Entry.Insns = []ebpf.Insn{{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: 0, Src: 3}, {Op: ebpf.OpExit}}
	c.Entry.Funcs = c.Entry.Funcs[:1]
	c.Entry.Funcs[0].End = 2
	_, err := kernel.Load(c.Object, c.Entry, kernel.Options{})
	var refused *kernel.LoadError
	if !errors.As(err, &refused) || !strings.Contains(fmt.Sprintf("%+v", refused), "!read_ok") {
		t.Errorf("a read of r3, which is not initialised: %v", err)
	}
}

// The interpreter does what the kernel does: verdict, bytes, metadata, and at
// the end every map.
func TestKernelAgrees(t *testing.T) {
	needKernel(t)
	cpu, err := kernel.CPU()
	if err != nil {
		t.Skip(err)
	}
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			compared, bad := 0, 0
			err := kernel.Isolated(cpu, func() error {
				for seed := range uint64(*cases) {
					c := Generate(seed, s.opt)
					n, err := compareKernel(c, cpu)
					compared += n
					if err != nil {
						if bad++; bad > 3 {
							return errors.New("and so on")
						}
						t.Errorf("seed %d: %v", seed, err)
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			t.Logf("%d packets compared", compared)
		})
	}
}

func compareKernel(c *Case, cpu int) (int, error) {
	p, err := kernel.Load(c.Object, c.Entry, kernel.Options{Latch: true})
	var refused *kernel.LoadError
	if errors.As(err, &refused) {
		return 0, nil // TestVerifierAccepts counts them
	}
	if err != nil {
		return 0, err
	}
	defer p.Maps.Close()
	defer p.Close()
	st, err := vm.NewState(c.Object, vm.Options{CPUs: cebpf.MustPossibleCPU(), Seed: c.Seed})
	if err != nil {
		return 0, err
	}
	defer st.Close()
	it, err := vm.NewInterp(st, c.Object, c.Entry)
	if err != nil {
		return 0, err
	}
	n := 0
	for i, pkt := range c.Packets(30, c.Seed) {
		in := vm.Input{Data: pkt, IfIndex: 1, Packet: uint64(i), CPU: cpu, TimeNS: uint64(1+i) * 1_234_567}
		if err := p.Maps.Latch(kernel.Inputs{
			TimeNS: in.TimeNS, CoarseNS: vm.Coarse(in.TimeNS), Jiffies: vm.Jiffies(in.TimeNS),
			Draw: func(n uint64) uint32 { return vm.Random(c.Seed, in.Packet, n) },
		}); err != nil {
			return n, err
		}
		want, err := p.Run(pkt, kernel.Context{})
		if err != nil {
			return n, fmt.Errorf("packet %d: %w", i, err)
		}
		var got vm.Output
		it.Run(&in, &got)
		if got.Err != nil {
			return n, fmt.Errorf("packet %d %x: %w\n%s", i, pkt, got.Err, c)
		}
		// The kernel doesn't tell where a packet goes.
		if d := diff.Outputs(&vm.Output{Verdict: want.Verdict, Data: want.Data, Meta: want.Meta, Redirect: got.Redirect}, &got); d != nil {
			return n, fmt.Errorf("packet %d %x: interpreter against kernel: %w\n%s", i, pkt, d, c)
		}
		n++
	}
	for i, m := range c.Object.Maps {
		if !kernel.Comparable(m) {
			continue
		}
		if err := compareMap(p.Maps.Map(i), st, i); err != nil {
			return n, fmt.Errorf("map %s: %w\n%s", m.Name, err, c)
		}
	}
	return n, nil
}

// compareMap compares the map's entries; of a queue or stack in popping order.
func compareMap(km *kernel.Map, st *vm.State, i int) error {
	want, err := km.Entries()
	if err != nil {
		return err
	}
	m := st.Maps[i]
	if t := m.Spec().Type; t == cebpf.Queue || t == cebpf.Stack {
		var buf []byte
		n := 0
		m.Range(func(_, v []byte) bool {
			n++
			buf = append(buf, v...)
			return true
		})
		if n != len(want) {
			return fmt.Errorf("kernel has %d entries, interpreter %d", len(want), n)
		}
		return nil
	}
	have := map[string][]byte{}
	m.Range(func(k, v []byte) bool { have[string(k)] = bytes.Clone(v); return true })
	for _, e := range want {
		v, ok := have[string(e.Key)]
		if !ok {
			return fmt.Errorf("key %x: in the kernel only", e.Key)
		}
		if !bytes.Equal(v, e.Value) {
			return fmt.Errorf("key %x: kernel has %x, interpreter %x", e.Key, e.Value, v)
		}
		delete(have, string(e.Key))
	}
	for k := range have {
		return fmt.Errorf("key %x: in the interpreter only", k)
	}
	return nil
}
