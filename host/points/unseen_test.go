package points

import (
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// TestUnseen: whether 8 bytes at r6 are said to be in bounds behind programs that no
// verifier has seen, each with one beside it that nearly is the same.
func TestUnseen(t *testing.T) {
	const (
		end    = "r7 = *(u32 *)(r1 +4)\n"
		data   = "r6 = *(u32 *)(r1 +0)\n"
		find   = "r8 = r1\nr1 = map[#0]\nr2 = r10\nr2 += -4\ncall map_lookup_elem\nr6 = r0\n"
		spill  = "*(u64 *)(r10 -8) = r10\n"
		reload = "r6 = *(u64 *)(r10 -8)\nr6 += -16"
	)
	for _, c := range []struct {
		what, text string
		in         bool
	}{
		{"the frame", "r6 = r10\nr6 += -8", true},
		{"above it", "r6 = r10\nr6 += -4", false},
		{"far away and back", "r6 = r10\nr6 += -1048577\nr6 += 1048569", false},
		{"a number added", "r6 = r10\nr6 += -16\nr6 += r3", false},
		{"the packet, checked", end + data + "r3 = r6\nr3 += 8\nif r3 > r7 goto +0", true},
		{"one byte less", end + data + "r3 = r6\nr3 += 7\nif r3 > r7 goto +0", false},
		{"loaded anew", end + data + "r3 = r6\nr3 += 8\nif r3 > r7 goto +0\nr6 = *(u32 *)(r1 +0)", true},
		{"and the packet moved", end + data + "r3 = r6\nr3 += 8\nif r3 > r7 goto +0\nr9 = r1\nr2 = 0\ncall xdp_adjust_head\nr6 = *(u32 *)(r9 +0)", false},
		{"before the packet", end + data + "r6 += -1\nr3 = r6\nr3 += 8\nif r3 > r7 goto +0", false},
		{"a small number added", end + data + "r3 &= 255\nr6 += r3\nr3 = r6\nr3 += 8\nif r3 > r7 goto +0", true},
		{"any number", end + data + "r6 += r3\nr3 = r6\nr3 += 8\nif r3 > r7 goto +0", false},
		{"a number subtracted", end + data + "r3 &= 255\nr6 -= r3\nr3 = r6\nr3 += 8\nif r3 > r7 goto +0", false},
		{"a value", find + "if r6 == 0 goto +0", true},
		{"that may not be there", find, false},
		{"moved before it was asked for", find + "r6 += 4\nif r6 == 0 goto +0", false},
		{"past its end", find + "if r6 == 0 goto +0\nr6 += 9", false},
		{"a copy was asked for", find + "if r0 == 0 goto +0", true},
		{"of another look-up", find + "r1 = map[#0]\nr2 = r10\nr2 += -4\ncall map_lookup_elem\nif r0 == 0 goto +0", false},
		{"a map that isn't there", "r1 = map[#5]\nr2 = r10\nr2 += -4\ncall map_lookup_elem\nr6 = r0\nif r6 == 0 goto +0", false},
		{"a record", "r1 = map[#1]\nr2 = 8\nr3 = 0\ncall ringbuf_reserve\nr6 = r0\nif r6 == 0 goto +0", true},
		{"a shorter one", "r1 = map[#1]\nr2 = 7\nr3 = 0\ncall ringbuf_reserve\nr6 = r0\nif r6 == 0 goto +0", false},
		{"given back", "r1 = map[#1]\nr2 = 8\nr3 = 0\ncall ringbuf_reserve\nr6 = r0\nif r6 == 0 goto +0\nr1 = r6\nr2 = 0\ncall ringbuf_submit", false},
		{"spilled", spill + reload, true},
		{"a store into the packet, checked", end + data + "r3 = r6\nr3 += 8\nif r3 > r7 goto +0\n" + spill + "*(u64 *)(r6 +0) = r1\n" + reload, true},
		{"unchecked", data + spill + "*(u64 *)(r6 +0) = r1\n" + reload, false},
		{"through a number", spill + "*(u64 *)(r3 +0) = r1\n" + reload, false},
		{"a helper that writes", spill + "r3 = 4096\nr2 = 0\nr4 = 8\ncall xdp_load_bytes\n" + reload, false},
		{"one that doesn't", spill + "call ktime_get_ns\n" + reload, true},
		{"a function", spill + "call pc+0\n" + reload, false},
	} {
		code, err := ebpf.Parser{}.Code(c.text)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		p := Program{Context: ebpf.ContextXDP, Maps: []*maps.Spec{
			{Name: "hash", Type: cebpf.Hash, KeySize: 4, ValueSize: 16}, {Name: "ring", Type: cebpf.RingBuf, Max: 4096}}}
		f := Facts{Reached: true, Unseen: true}
		f.R[1], f.R[10] = Value{Kind: Ctx}, Value{Kind: Stack}
		for i := 0; i < len(code); i++ {
			in := InsnAt(code, i)
			switch {
			case in.IsCondJump(): // on to the next either way: what holds on the other side is asked
				Branch(in.Insn, &f, false)
			default:
				p.Step(&in, &f, nil)
			}
			if in.IsWide() {
				i++
			}
		}
		if in := p.InBounds(&f.R[6], 0, 8); in != c.in {
			t.Errorf("%s: in bounds %v: %+v", c.what, in, f.R[6])
		}
	}
}

// TestUnseenRounds: what an instruction made in the round of a loop before is another
// thing than what it makes now, and where two ways meet only what both say is certain.
func TestUnseenRounds(t *testing.T) {
	p := Program{Context: ebpf.ContextXDP, Maps: []*maps.Spec{{Name: "hash", Type: cebpf.Hash, KeySize: 4, ValueSize: 16}}}
	f := Facts{Reached: true, Unseen: true}
	f.R[1], f.R[10] = Value{Kind: Map}, Value{Kind: Stack}
	f.R[2] = Value{Kind: Stack, Off: -8}
	look := Insn{Insn: ebpf.Insn{Op: ebpf.OpCall, Imm: ebpf.FnMapLookupElem}, At: 3}
	p.Step(&look, &f, nil)
	f.R[6] = f.R[0]
	f.R[1] = Value{Kind: Map}
	p.Step(&look, &f, nil)
	f.NotNull(0)
	if !p.InBounds(&f.R[0], 0, 16) || p.InBounds(&f.R[6], 0, 1) {
		t.Errorf("two rounds of a look-up: %+v, and before %+v", f.R[0], f.R[6])
	}
	f.R[7], f.R[8] = Value{Kind: Packet, Base: 5, Range: 40}, AtMost(9)
	f.R[6] = Value{Kind: Packet}
	add := Insn{Insn: ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcX, Dst: 6, Src: 8}, At: 4, Left: 6}
	p.Step(&add, &f, nil)
	if f.R[6].Base != 5 || f.R[7].IsPointer() {
		t.Errorf("two rounds of an addition: %+v, and before %+v", f.R[6], f.R[7])
	}
	a, b := f, f
	a.R[6], b.R[6] = f.R[0], Constant(0)
	a.R[7], b.R[7] = Value{Kind: Stack, Off: -8}, Value{Kind: Stack, Off: -16}
	if j := JoinFacts(&a, &b); j.R[6].IsPointer() || j.R[7].IsPointer() || !p.InBounds(&j.R[0], 0, 16) {
		t.Errorf("two ways: %+v", j.R)
	}
}
