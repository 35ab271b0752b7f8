package vm

import (
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// timed is a program that, when the first byte of the packet is 1, arms the
// timer at byte 16 of its value for 100 ns from now, when it is 2 cancels it,
// and when it is 3 deletes the entry. The callback adds its key to the number
// at byte 8 and takes down when it ran at byte 0.
func timed(kind cebpf.MapType) *loader.Object {
	b := &rowProg{}
	b.mov(6, 1)
	b.add(ebpf.Insn{Op: 0x61, Dst: 8, Src: 6}, ebpf.Insn{Op: 0x61, Dst: 3, Src: 6, Off: 4})
	b.mov(4, 8)
	b.plus(4, 14)
	b.add(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpLE | ebpf.SrcX, Dst: 4, Src: 3, Off: 2})
	b.imm(0, 1)
	b.add(ebpf.Insn{Op: ebpf.OpExit})
	b.add(ebpf.Insn{Op: 0x71, Dst: 8, Src: 8}) // the first byte
	b.add(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeW, Dst: 10, Off: -4, Imm: 1})
	table := rowArg{func(b *rowProg, r uint8) { b.mapPtr(r, 0) }, -1, 0, ""}
	b.helper(ebpf.FnMapLookupElem, table, stack(-4))
	b.keep()
	b.plus(9, 16)
	b.unless(ebpf.JmpNE, 8, 1, func() {
		b.helper(ebpf.FnTimerInit, reg(9), table, num(1))
		b.helper(ebpf.FnTimerSetCallback, reg(9), callback())
		b.helper(ebpf.FnTimerStart, reg(9), num(100), num(0))
	})
	b.unless(ebpf.JmpNE, 8, 2, func() { b.helper(ebpf.FnTimerCancel, reg(9)) })
	b.unless(ebpf.JmpNE, 8, 3, func() { b.helper(ebpf.FnMapDeleteElem, table, stack(-4)) })
	b.imm(0, 2)
	b.add(ebpf.Insn{Op: ebpf.OpExit})
	for _, at := range b.calls {
		b.insns[at].Imm = int32(len(b.insns) - at - 1)
	}
	b.mov(6, 3)
	b.add(ebpf.Insn{Op: 0x61, Dst: 1, Src: 2}) // the key
	b.add(ebpf.Insn{Op: 0x79, Dst: 2, Src: 6, Off: 8})
	b.add(ebpf.Insn{Op: 0x0f, Dst: 2, Src: 1})
	b.add(ebpf.Insn{Op: 0x7b, Dst: 6, Src: 2, Off: 8})
	b.call(ebpf.FnKtimeGetNs)
	b.add(ebpf.Insn{Op: 0x7b, Dst: 6, Src: 0})
	b.imm(0, 0)
	b.add(ebpf.Insn{Op: ebpf.OpExit})
	return &loader.Object{File: "timed", Programs: []*loader.Program{{Name: "timed", Insns: b.insns}},
		Maps: []*maps.Spec{{Name: "m", Type: kind, KeySize: 4, ValueSize: 32, Max: 2}}}
}

// TestTimer: callbacks run before the first packet that comes after they expire,
// at the time they were set to, and not once they are cancelled or their entry
// has gone.
func TestTimer(t *testing.T) {
	for _, kind := range []cebpf.MapType{cebpf.Array, cebpf.Hash} {
		it := load(t, timed(kind), Options{})
		m := it.S.Maps[0]
		put := func() {
			if e := m.Update(u32(1), make([]byte, 32), 0, 0); e != 0 {
				t.Fatal(e)
			}
		}
		put()
		packet := func(what byte, at uint64) (when, sum uint64) {
			data := fill(64)
			data[0] = what
			var out Output
			it.Run(&Input{Data: data, TimeNS: at}, &out)
			if out.Err != nil || out.Verdict != XDPPass {
				t.Fatalf("%v: at %d: verdict %d, %v", kind, at, out.Verdict, out.Err)
			}
			v := m.Peek(u32(1), 0)
			if v == 0 {
				return 0, 0
			}
			return it.S.Load(v, 8), it.S.Load(v+8, 8)
		}
		for i, c := range []struct {
			what      byte
			at        uint64
			when, sum uint64
		}{
			{1, 1000, 0, 0}, {0, 1099, 0, 0}, {0, 1100, 1100, 1}, {0, 5000, 1100, 1}, // once
			{1, 6000, 1100, 1}, {2, 6050, 1100, 1}, {0, 9000, 1100, 1}, // cancelled
			{1, 10000, 1100, 1}, {0, 20000, 10100, 2},
		} {
			if when, sum := packet(c.what, c.at); when != c.when || sum != c.sum {
				t.Errorf("%v: packet %d: ran at %d, sum %d; want %d, %d", kind, i, when, sum, c.when, c.sum)
			}
		}
		if kind == cebpf.Hash {
			packet(1, 30000)
			if packet(3, 30010); m.Peek(u32(1), 0) != 0 {
				t.Fatal("not deleted")
			}
			put()
			var out Output
			it.Run(&Input{Data: fill(64), TimeNS: 40000}, &out)
			if v := m.Peek(u32(1), 0); it.S.Load(v+8, 8) != 0 {
				t.Error("the timer of a deleted entry ran")
			}
		}
	}
}
