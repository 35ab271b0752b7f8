package vm

import (
	"math/rand/v2"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// fuzzObject has one program and maps of every shape helpers treat apart.
func fuzzObject(insns []ebpf.Insn) *loader.Object {
	p := &loader.Program{Name: "fuzz", Insns: insns}
	return &loader.Object{File: "fuzz", Programs: []*loader.Program{p}, Maps: []*maps.Spec{
		{Name: "array", Type: cebpf.Array, KeySize: 4, ValueSize: 16, Max: 4},
		{Name: "hash", Type: cebpf.Hash, KeySize: 8, ValueSize: 12, Max: 4},
		{Name: "lru", Type: cebpf.LRUHash, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "percpu", Type: cebpf.PerCPUHash, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "lpm", Type: cebpf.LPMTrie, KeySize: 8, ValueSize: 4, Max: 4, Flags: maps.FlagNoPrealloc},
		{Name: "progs", Type: cebpf.ProgramArray, KeySize: 4, ValueSize: 4, Max: 4,
			Contents: []maps.Entry{{Key: []byte{1, 0, 0, 0}, Name: "fuzz"}}},
		{Name: "dev", Type: cebpf.DevMap, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "ring", Type: cebpf.RingBuf, Max: 4096},
		{Name: "events", Type: cebpf.PerfEventArray, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "queue", Type: cebpf.Queue, ValueSize: 4, Max: 4},
		{Name: "bloom", Type: cebpf.BloomFilter, ValueSize: 4, Max: 4},
		{Name: "rodata", Type: cebpf.Array, KeySize: 4, ValueSize: 64, Max: 1, ReadOnly: true,
			Contents: []maps.Entry{{Key: []byte{0, 0, 0, 0}, Value: make([]byte, 64)}}},
		{Name: "outer", Type: cebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, Max: 2,
			Inner:    &maps.Spec{Type: cebpf.Hash, KeySize: 8, ValueSize: 12, Max: 4},
			Contents: []maps.Entry{{Key: []byte{0, 0, 0, 0}, Name: "hash"}}},
	}}
}

// FuzzInterp runs arbitrary bytes as a program, plain and recorded: no panic,
// and both do the same.
func FuzzInterp(f *testing.F) {
	f.Add([]byte{0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}, []byte("packet of bytes"))
	for _, c := range cells() {
		f.Add(ebpf.Encode(append(c.insns, ebpf.Insn{Op: ebpf.OpExit})), make([]byte, 60))
	}
	r := rand.New(rand.NewPCG(9, 9))
	for range 200 {
		f.Add(ebpf.Encode(randomProgram(r, 40)), fill(100))
	}
	f.Fuzz(func(t *testing.T, code, pkt []byte) {
		if len(code) > 1<<14 {
			return
		}
		insns, err := ebpf.Decode(code[:len(code)&^7])
		if err != nil || len(insns) == 0 {
			return
		}
		fuzzOne(t, insns, pkt)
	})
}

func fuzzOne(t *testing.T, insns []ebpf.Insn, pkt []byte) *Fault {
	obj := fuzzObject(insns)
	readers := len(pkt)%2 == 0
	plain, rec := load(t, obj, Options{CPUs: 2, Track: true, Readers: readers}), load(t, obj, Options{CPUs: 2, Readers: readers})
	plain.Limit, rec.Limit = 5000, 5000
	var a, b Output
	var recording Recording
	in := &Input{Data: pkt, CPU: 1}
	var f *Fault
	for range 2 {
		plain.Run(in, &a)
		rec.RunRecorded(in, &b, &recording)
		if (a.Err == nil) != (b.Err == nil) || a.Verdict != b.Verdict || a.Steps != b.Steps || string(a.Data) != string(b.Data) {
			t.Fatalf("plain: %v %d after %d; recorded: %v %d after %d", a.Err, a.Verdict, a.Steps, b.Err, b.Verdict, b.Steps)
		}
		if b.Err == nil && len(recording.Steps) != b.Steps {
			t.Fatalf("recorded %d of %d steps", len(recording.Steps), b.Steps)
		}
		if a.Err != nil {
			f, _ = a.Err.(*Fault)
			_ = a.Err.Error()
		}
	}
	plain.S.Close()
	rec.S.Close()
	return f
}

// randomProgram is a program that mostly makes sense: pointers are passed where
// pointers belong, sizes are small.
func randomProgram(r *rand.Rand, n int) []ebpf.Insn {
	var out []ebpf.Insn
	reg := func() uint8 { return uint8(r.IntN(10)) }
	out = append(out, ebpf.Insn{Op: 0xbf, Dst: 6, Src: 1},
		ebpf.Insn{Op: 0x61, Dst: 8, Src: 1}, ebpf.Insn{Op: 0x61, Dst: 9, Src: 1, Off: 4})
	for i := uint8(0); i < 6; i++ {
		out = append(out, ebpf.Insn{Op: 0xb7, Dst: i, Imm: int32(r.IntN(64))})
	}
	all := cells()
	for len(out) < n {
		switch r.IntN(12) {
		case 0, 1, 2, 3:
			in := all[r.IntN(len(all))].insns[0]
			if in.Op == ebpf.OpLDDW {
				continue
			}
			in.Dst, in.Src = reg(), reg()
			if in.Class() == ebpf.ClassJMP || in.Class() == ebpf.ClassJMP32 {
				in.Off = int16(r.IntN(8) - 1)
			}
			if in.IsLoad() || in.IsStore() {
				in.Off = int16(r.IntN(48))
				if base := []uint8{8, 6, 0}[r.IntN(3)]; in.IsLoad() {
					in.Src = base
				} else {
					in.Dst = base
				}
			}
			out = append(out, in)
		case 4, 5:
			out = append(out, ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Src: reg(), Off: int16(-8 * (1 + r.IntN(8)))})
		case 6:
			out = append(out, ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeDW, Dst: reg(), Src: 10, Off: int16(-8 * (1 + r.IntN(8)))})
		case 7:
			out = append(out, ebpf.Insn{Op: ebpf.OpLDDW, Dst: reg(), Src: uint8(r.IntN(5)), Imm: int32(r.IntN(14))}, ebpf.Insn{Imm: int32(r.IntN(20))})
		default:
			id := int32(r.IntN(len(helpers)))
			if !Supported(id) {
				continue
			}
			m := int32(r.IntN(13))
			out = append(out,
				ebpf.Insn{Op: ebpf.OpLDDW, Dst: 1, Src: ebpf.PseudoMapFD, Imm: m}, ebpf.Insn{},
				ebpf.Insn{Op: 0xbf, Dst: 2, Src: 10}, ebpf.Insn{Op: 0x07, Dst: 2, Imm: -64},
				ebpf.Insn{Op: 0xbf, Dst: 3, Src: 10}, ebpf.Insn{Op: 0x07, Dst: 3, Imm: -32},
				ebpf.Insn{Op: 0xb7, Dst: 4, Imm: int32(r.IntN(4))}, ebpf.Insn{Op: 0xb7, Dst: 5, Imm: int32(r.IntN(40))})
			switch id { // those that don't take a map first
			case 25:
				out = append(out, ebpf.Insn{Op: 0xbf, Dst: 2, Src: 1}, ebpf.Insn{Op: 0xbf, Dst: 4, Src: 3},
					ebpf.Insn{Op: 0xb7, Dst: 3, Imm: int32(r.IntN(3) - 1)}, ebpf.Insn{Op: 0xbf, Dst: 1, Src: 6})
			case ebpf.FnTailCall:
				out = append(out, ebpf.Insn{Op: 0xbf, Dst: 2, Src: 1}, ebpf.Insn{Op: 0xbf, Dst: 1, Src: 6},
					ebpf.Insn{Op: 0xb7, Dst: 3, Imm: int32(r.IntN(3))})
			case 44, 54, 65, 69, 163, 188, 189, 190:
				out = append(out, ebpf.Insn{Op: 0xbf, Dst: 1, Src: 6}, ebpf.Insn{Op: 0xb7, Dst: 2, Imm: int32(r.IntN(64) - 32)})
			case 4, 6, 28, 105, 106, 113, 165, 177, 182:
				out = append(out, ebpf.Insn{Op: 0xbf, Dst: 1, Src: 3}, ebpf.Insn{Op: 0xb7, Dst: 2, Imm: int32(r.IntN(33))})
			case 131:
				out = append(out, ebpf.Insn{Op: 0xb7, Dst: 2, Imm: 16}, ebpf.Insn{Op: 0xb7, Dst: 3})
			}
			out = append(out, ebpf.Insn{Op: ebpf.OpCall, Imm: id})
		}
	}
	return append(out, ebpf.Insn{Op: ebpf.OpExit})
}

// TestRandom is the fuzz target on programs of one fixed stream, and demands
// that enough of them get to their end for that to mean something.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 11))
	why := map[Reason]int{}
	for range 1500 {
		f := fuzzOne(t, randomProgram(r, 10+r.IntN(60)), fill(14+r.IntN(200)))
		if f == nil {
			why[0]++
		} else {
			why[f.Reason]++
		}
	}
	t.Log(why)
	if why[0] < 100 {
		t.Errorf("only %d programs of 1500 ran to their end", why[0])
	}
}
