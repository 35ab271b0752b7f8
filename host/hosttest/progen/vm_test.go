package progen

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/vm"

	cebpf "github.com/cilium/ebpf"
)

// On the interpreter nothing faults: what the verifier accepts is safe. And
// the cases are worth their name: their packets take many paths.
func TestRuns(t *testing.T) {
	paths, packets, verdicts := 0, 0, map[uint32]int{}
	for seed := range uint64(150) {
		c := Generate(seed, Options{V4: true, Latched: true, Answers: seed%2 == 0, OwnOrder: seed%3 == 0})
		st, err := vm.NewState(c.Object, vm.Options{})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		it, err := vm.NewInterp(st, c.Object, c.Entry)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		seen := map[string]bool{}
		for i, p := range c.Packets(40, seed) {
			var out vm.Output
			it.Run(&vm.Input{Data: p, IfIndex: 1, TimeNS: uint64(i) * 1000, Packet: uint64(i)}, &out)
			if out.Err != nil {
				t.Fatalf("seed %d, packet %d, %x: %v\n%s", seed, i, p, out.Err, c)
			}
			seen[fmt.Sprint(out.Verdict, out.Steps)] = true
			verdicts[out.Verdict]++
			packets++
		}
		paths += len(seen)
		st.Close()
	}
	t.Logf("%d packets, about %.1f paths a program, verdicts 0 to 4: %d %d %d %d %d", packets, float64(paths)/150,
		verdicts[0], verdicts[1], verdicts[2], verdicts[3], verdicts[4])
	if paths < 150*3 {
		t.Errorf("only %d paths in 150 programs", paths)
	}
}

// The same seed gives the same case.
func TestDeterministic(t *testing.T) {
	for seed := range uint64(50) {
		a, b := Generate(seed, Options{Latched: true, V4: true}), Generate(seed, Options{Latched: true, V4: true})
		if !reflect.DeepEqual(a.Object, b.Object) {
			t.Fatalf("seed %d: two programs", seed)
		}
		if !reflect.DeepEqual(a.Packets(20, 1), b.Packets(20, 1)) {
			t.Fatalf("seed %d: two sets of packets", seed)
		}
		p := a.Packets(1, 2)[0]
		if !bytes.Equal(a.Mutate(rand.New(rand.NewPCG(1, seed)), p), b.Mutate(rand.New(rand.NewPCG(1, seed)), p)) {
			t.Fatalf("seed %d: two mutants", seed)
		}
	}
}

// Every production, opcode kind and helper is used.
func TestCovers(t *testing.T) {
	used := map[string]int{}
	ops := map[uint8]int{}
	helpers := map[int32]int{}
	types := map[cebpf.MapType]int{}
	locals := 0
	for seed := range uint64(600) {
		c := Generate(seed, Options{V4: true, Latched: true, Answers: seed%4 == 0, OwnOrder: seed%4 == 0, Trace: func(s string) { used[s]++ }})
		for _, m := range c.Object.Maps {
			types[m.Type]++
		}
		for _, p := range c.Object.Programs {
			for i := 0; i < len(p.Insns); i++ {
				in := p.Insns[i]
				ops[in.Op]++
				if in.Op == ebpf.OpCall {
					if in.Src == ebpf.CallHelper {
						helpers[in.Imm]++
					} else {
						locals++
					}
				}
				if in.IsWide() {
					i++
				}
			}
		}
	}
	for _, s := range statements {
		if used[s.name] == 0 {
			t.Errorf("production %q never used", s.name)
		}
	}
	for _, class := range []uint8{ebpf.ClassALU, ebpf.ClassALU64} {
		for op := ebpf.ALUAdd; op <= ebpf.ALUArsh; op += 0x10 {
			if ops[class|op] == 0 || op != ebpf.ALUNeg && ops[class|op|ebpf.SrcX] == 0 {
				t.Errorf("ALU opcode %#x never used", class|op)
			}
		}
	}
	for _, class := range []uint8{ebpf.ClassJMP, ebpf.ClassJMP32} {
		for _, op := range jumpOps {
			if ops[class|op] == 0 || ops[class|op|ebpf.SrcX] == 0 {
				t.Errorf("jump opcode %#x never used", class|op)
			}
		}
	}
	for _, h := range []int32{1, 2, 3, 5, 7, 8, 12, 23, 28, 44, 51, 54, 65, 87, 88, 89, 118, 125, 130, 160, 113, 115, 131, 132, 133, 134, 164, 165, 169, 170, 171, 172, 181, 188, 189, 190, 195} {
		if helpers[h] == 0 {
			t.Errorf("helper %d never called", h)
		}
	}
	for _, m := range append(keyed, cebpf.Queue, cebpf.Stack, cebpf.RingBuf, cebpf.DevMap, cebpf.DevMapHash, cebpf.ProgramArray, cebpf.ArrayOfMaps, cebpf.HashOfMaps) {
		if types[m] == 0 {
			t.Errorf("map type %s never made", m)
		}
	}
	if locals == 0 {
		t.Error("no subprogram called")
	}
}

func ExampleGenerate() {
	c := Generate(6, Options{Statements: 3, NoMaps: true, NoCalls: true})
	fmt.Print(c)
	fmt.Println("lengths that matter:", c.Lengths)
	for _, f := range c.Fields {
		fmt.Printf("the %d byte at %d is often set to %d or next to it\n", f.Size, f.Off, f.Value)
	}
	// Output:
	// program main:
	// r6 = r1
	// r4 = *(u32 *)(r6 +0)
	// r2 = *(u32 *)(r6 +4)
	// r5 = r4
	// r5 += 18
	// if r5 > r2 goto +11
	// r9 = *(u32 *)(r4 +12)
	// r3 = *(u8 *)(r4 +15)
	// r3 &= 63
	// r3 += r4
	// r5 = *(u32 *)(r6 +4)
	// r1 = r3
	// r1 += 2
	// if r1 > r5 goto +3
	// r7 = *(u16 *)(r3 +0)
	// *(u64 *)(r10 -120) = r9
	// goto +0
	// r0 = 4
	// exit
	// lengths that matter: [18]
	// the 1 byte at 15 is often set to 1 or next to it
}
