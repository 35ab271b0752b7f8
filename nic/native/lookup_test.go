package native

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic/native/code"

	cebpf "github.com/cilium/ebpf"
)

// TestLookups asks maps of every kind and key size that code walks itself, for
// keys that are there and keys that aren't, while entries come, go and are
// evicted: the same address comes out as of the interpreter, and the maps stay
// the same, so reference bits were set alike.
func TestLookups(t *testing.T) {
	mem := memory(t)
	var specs []*maps.Spec
	add := func(typ cebpf.MapType, key uint32, flags uint32) {
		specs = append(specs, &maps.Spec{Name: fmt.Sprintf("%v-%d", typ, key), Type: typ, KeySize: key, ValueSize: 13, Max: 24, Flags: flags})
	}
	add(cebpf.Array, 4, 0)
	add(cebpf.PerCPUArray, 4, 0)
	for n := uint32(1); n <= 66; n++ {
		add(cebpf.Hash, n, 0)
	}
	for _, n := range []uint32{80, 127, 256, 500, maxKey} {
		add(cebpf.Hash, n, 0)
		add(cebpf.LRUHash, n, 0)
	}
	for _, n := range []uint32{4, 6, 16, 37} {
		add(cebpf.PerCPUHash, n, 0)
		add(cebpf.LRUHash, n, 0)
		add(cebpf.LRUCPUHash, n, 0)
	}
	for _, n := range []uint32{5, 8, 9, 12, 13, 16, 17, 19, 20, 21, 24, 27, 36, 260} {
		add(cebpf.LPMTrie, n, maps.FlagNoPrealloc)
	}
	for _, spec := range specs {
		lookupsOf(t, mem, spec)
	}
}

func lookupsOf(t *testing.T, mem *code.Memory, spec *maps.Spec) {
	t.Helper()
	// The key is copied to the stack and looked up; what else registers hold
	// shows in the result.
	var prog []ebpf.Insn
	top := int16(spec.KeySize+7) &^ 7
	prog = append(prog, ebpf.Insn{Op: 0x61, Dst: 6, Src: 1}, ebpf.Insn{Op: 0x61, Dst: 7, Src: 1, Off: 4},
		ebpf.Insn{Op: 0xbf, Dst: 2, Src: 6}, ebpf.Insn{Op: 0x07, Dst: 2, Imm: int32(spec.KeySize)},
		ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcX, Dst: 2, Src: 7, Off: int16(2*spec.KeySize) + 15})
	for i := int16(0); i < int16(spec.KeySize); i++ {
		prog = append(prog, ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeB, Dst: 3, Src: 6, Off: i},
			ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeB, Dst: 10, Src: 3, Off: i - top})
	}
	prog = append(prog, ebpf.Insn{Op: ebpf.OpLDDW, Dst: 1, Src: ebpf.PseudoMapFD}, ebpf.Insn{},
		ebpf.Insn{Op: 0xbf, Dst: 2, Src: 10}, ebpf.Insn{Op: 0x07, Dst: 2, Imm: -int32(top)},
		ebpf.Insn{Op: 0xb7, Dst: 3, Imm: 333}, ebpf.Insn{Op: 0xb7, Dst: 4, Imm: 4444}, ebpf.Insn{Op: 0xb7, Dst: 5, Imm: 55555},
		ebpf.Insn{Op: ebpf.OpCall, Imm: ebpf.FnMapLookupElem})
	for r := uint8(1); r <= 5; r++ {
		prog = append(prog, ebpf.Insn{Op: 0x0f, Dst: 0, Src: r})
	}
	prog = append(prog, ebpf.Insn{Op: ebpf.OpExit}, ebpf.Insn{Op: 0xb7}, ebpf.Insn{Op: ebpf.OpExit})
	p := &loader.Program{Name: "look", Insns: prog}
	obj := &loader.Object{File: "look", Programs: []*loader.Program{p}, Maps: []*maps.Spec{spec}}
	x := newPair(t, mem, obj, p, vm.Options{CPUs: 2}, nil)
	defer x.close()

	r := rand.New(rand.NewPCG(uint64(spec.KeySize), uint64(spec.Type)))
	var before [][]byte // keys of a trie
	key := func() []byte {
		k := make([]byte, spec.KeySize)
		switch {
		case spec.Type == cebpf.LPMTrie && len(before) > 0 && r.IntN(4) > 0:
			// Parts from one there was late, or never.
			copy(k, before[r.IntN(len(before))])
			bits := 8 * (spec.KeySize - 4)
			binary.LittleEndian.PutUint32(k, bits-r.Uint32N(bits+1)*r.Uint32N(2))
			if at := r.Uint32N(bits); r.IntN(2) == 0 {
				k[4+at/8] ^= 1 << (at % 8)
			}
			before = append(before, k)
		case spec.Type == cebpf.LPMTrie:
			binary.LittleEndian.PutUint32(k, r.Uint32N(8*(spec.KeySize-4)+2))
			for i := range k[4:] {
				k[4+i] = []byte{0, 0, 1, 0x80, 0xff}[r.IntN(5)]
			}
			before = append(before, k)
		case spec.Type == cebpf.Array || spec.Type == cebpf.PerCPUArray:
			binary.LittleEndian.PutUint32(k, []uint32{r.Uint32N(26), r.Uint32()}[r.IntN(2)])
		default:
			for i := range k {
				k[i] = byte(r.IntN(2))
			}
			k[r.IntN(len(k))] = byte(r.IntN(16))
		}
		return k
	}
	value := make([]byte, spec.ValueSize)
	found := 0
	for i := range 1200 {
		cpu := i % 2
		k := key()
		switch r.IntN(8) {
		case 0, 1:
			for _, s := range []*vm.State{x.want.S, x.got.S} {
				s.Maps[0].Update(k, value, 0, cpu)
			}
		case 2:
			for _, s := range []*vm.State{x.want.S, x.got.S} {
				s.Maps[0].Delete(k)
			}
		}
		if err := x.run(&vm.Input{Data: append(k, make([]byte, 14)...), CPU: cpu, Packet: uint64(i)}); err != nil {
			t.Fatalf("%s: %x: %v", spec.Name, k, err)
		}
		if x.want.S.Maps[0].Peek(k, cpu) != 0 {
			found++
		}
	}
	if err := x.maps(); err != nil {
		t.Fatalf("%s: %v", spec.Name, err)
	}
	if found == 0 {
		t.Errorf("%s: no key was ever there", spec.Name)
	}
	if f, ok := maps.FlatOf(x.got.S.Maps[0]); ok && canLookUp(&f) && x.e.Leaves > 0 {
		t.Errorf("%s: %d look-ups were left to the interpreter", spec.Name, x.e.Leaves)
	}
}
