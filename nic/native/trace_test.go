package native

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"jitnic/host/diff"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/exec"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// A register that one instruction reads as a constant is still made for those
// that read it later and can't.
func TestConstantOperandElsewhere(t *testing.T) {
	mem := memory(t)
	code := []ebpf.Insn{
		{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeW, Dst: 9, Src: 1},         // r9 = data
		{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeW, Dst: 2, Src: 1, Off: 4}, // r2 = data_end
		{Op: ebpf.ClassALU | ebpf.ALUSub | ebpf.SrcX, Dst: 2, Src: 9},           // w2 -= w9: a constant here
		{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeB, Dst: 3, Src: 9, Off: 1}, // r3 = 5
		{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcX, Dst: 9, Src: 3},         // r9 += r3
		{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeB, Dst: 0, Src: 9},         // r0 = packet[5]
		{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcX, Dst: 0, Src: 2},         // r0 += length
		{Op: ebpf.OpExit},
	}
	p := &loader.Program{Name: "p", Insns: code}
	obj := &loader.Object{File: "flat", Programs: []*loader.Program{p}}
	s, err := vm.NewState(obj, vm.Options{})
	must.OK(t, err)
	defer s.Close()
	in := vm.Input{Data: []byte{0, 5, 2, 3, 4, 100, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}
	must.OK(t, s.Begin(&in))
	m := NewMachine(s, mem)
	x, err := bind(m, 0, &trace.Trace{Code: code, MinLen: 16}, nil, nil)
	must.OK(t, err)
	defer x.Free()
	got, err := x.Run()
	if err != nil || got != 100+16 {
		t.Errorf("%d, %v; want 116", got, err)
	}
}

// What a trace whose stores are held back overwrites is noted, wherever it stores:
// at places that are known, through pointers that came by memory, which are checked,
// and at those that are left to Go. All of it is taken back, newest first, and it is
// what the executor in Go notes.
func TestHeldStores(t *testing.T) {
	mem := memory(t)
	code := must.Get(ebpf.Parser{}.Code(`
		r2 = *(u32 *)(r1 +0)
		r3 = *(u8 *)(r2 +0)
		r3 += 1
		*(u8 *)(r2 +0) = r3
		*(u64 *)(r10 -8) = r2          # the packet, by way of the stack
		*(u64 *)(r10 -16) = r3
		r4 = *(u32 *)(r10 -8)
		*(u64 *)(r4 +4) = r3
		*(u16 *)(r4 +6) = 258
		lock *(u32 *)(r4 +6) += r3
		r0 = 0
		r0 = atomic64_cmpxchg(*(u64 *)(r4 +8), r0, r3)
		r5 = *(u64 *)(r10 +64)         # a map's value, as a cut hands it over
		*(u32 *)(r5 +4) = r3
		lock *(u64 *)(r5 +0) += r3
		r0 = r3
		exit`))(t)
	obj := must.Get(loader.FromCode("p", code, []*maps.Spec{{Name: "m", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 1}}))(t)
	s := must.Get(vm.NewState(obj, vm.Options{}))(t)
	defer s.Close()
	tr := &trace.Trace{Code: code, MinLen: 14}
	value, ok := s.ValuePtr(0, 0)
	if !ok {
		t.Fatal("the map has no value")
	}
	at := s.FrameTop(0) + 64
	h := nic.NewHeld(s)
	in := vm.Input{Data: bytes.Repeat([]byte{7}, 20)}
	x := must.Get(bind(NewMachine(s, mem), 0, tr, nil, h))(t)
	defer x.Free()
	y := must.Get(exec.New(s).BindHeld(0, tr, h))(t)
	var left [2][]byte
	for k, code := range []nic.Code{x, y} {
		s.Store(value, 8, 5)
		for _, back := range []bool{true, false} {
			must.OK(t, s.Begin(&in))
			h.Begin()
			s.Store(at, 8, value)
			for i := range uint64(2) {
				if r0, err := code.Run(); err != nil || r0 != 8+i {
					t.Fatalf("%T: %d, %v", code, r0, err)
				}
			}
			left[k] = append(left[k], s.Mem.B[s.Data:s.DataEnd]...)
			left[k] = append(left[k], s.Mem.B[value:value+8]...)
			if !back {
				if n := h.Commit(); n != 2*(1+8+2+4+8+4+8) {
					t.Errorf("%T: %d bytes held back", code, n)
				}
				continue
			}
			if h.Back(); !bytes.Equal(s.Mem.B[s.Data:s.DataEnd], in.Data) || s.Load(value, 8) != 5 {
				t.Errorf("%T: %x and %x after Back", code, s.Mem.B[s.Data:s.DataEnd], s.Mem.B[value:value+8])
			}
		}
	}
	if !bytes.Equal(left[0], left[1]) {
		t.Errorf("machine code leaves %x, Go %x", left[0], left[1])
	}
}

// Traces that move the packet's head back and forth, write and read where it begins
// by then, and redirect it, leave what the interpreter leaves of the same code; but
// for entries with programs and what may fail, nothing is left to Go.
func TestHeadsAndTargets(t *testing.T) {
	mem := memory(t)
	ports := &maps.Spec{Name: "ports", Type: cebpf.DevMap, KeySize: 4, ValueSize: 8, Max: 4, Contents: []maps.Entry{
		{Key: []byte{1, 0, 0, 0}, Value: []byte{7, 0, 0, 0, 0, 0, 0, 0}}}}
	const length = 100
	left, kept := 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 5))
		var code []ebpf.Insn
		add := func(format string, args ...any) {
			text := must.Get(ebpf.Parser{}.Code(fmt.Sprintf(format, args...)))(t)
			code = append(code, text...)
		}
		add("r6 = r1\nr9 = 5\nr8 = *(u32 *)(r6 +0)")
		at, certain := 0, true
		for range 1 + r.IntN(12) {
			switch off := r.IntN(length - at - 8); r.IntN(5) {
			case 0, 1:
				by := r.IntN(80) - 50
				if to := at + by; to < vm.FrameSize-vm.Headroom || to > length-vm.MinPacket {
					certain = false // it fails, which code leaves to Go
				} else {
					at = to
				}
				add("r1 = r6\nr2 = %d\ncall xdp_adjust_head#44\nr9 += r0\nr8 = *(u32 *)(r6 +0)", by)
			case 2:
				size := []string{"u8", "u16", "u32", "u64"}[r.IntN(4)]
				add("*(%s *)(r8 +%d) = %d", size, off, r.IntN(1<<31))
				add("*(%s *)(r8 +%d) = r9", size, r.IntN(length-at-8))
			case 3:
				add("r2 = *(u32 *)(r8 +%d)\nr9 += r2\nr9 *= 31", off)
				add("r3 = *(u32 *)(r6 +8)\nr9 += r3\nr4 = *(u32 *)(r6 +4)\nr4 -= r3\nr9 += r4")
			case 4:
				add("r2 = r9\nr2 &= %d\nr1 = map[#0]\nr3 = %d\ncall redirect_map#51\nr9 += r0", r.IntN(8), r.IntN(4))
				if r.IntN(3) == 0 {
					add("r1 = r9\nr2 = 0\ncall redirect#23")
				}
			}
		}
		add("r0 = r9\nexit")
		p := &loader.Program{Name: "p", Insns: code, Maps: []*maps.Spec{ports}}
		obj := &loader.Object{File: "heads", Programs: []*loader.Program{p}, Maps: []*maps.Spec{ports}}
		machine := func() *vm.Interp {
			s := must.Get(vm.NewState(obj, vm.Options{}))(t)
			if seed%4 == 3 { // an entry with a program
				s.Maps[0].Update([]byte{2, 0, 0, 0}, []byte{9, 0, 0, 0, 1, 0, 0, 0}, 0, 0)
				certain = false
			}
			it := must.Get(vm.NewInterp(s, obj, p))(t)
			return it
		}
		want, got := machine(), machine()
		defer want.S.Close()
		defer got.S.Close()
		x := must.Get(bind(NewMachine(got.S, mem), 0, &trace.Trace{Code: code, MinLen: length}, nil, nil))(t)
		for i := range 3 {
			data := make([]byte, length+i)
			for k := range data {
				data[k] = byte(r.Uint32())
			}
			in := vm.Input{Data: data}
			var wout, gout vm.Output
			want.Run(&in, &wout)
			if wout.Err != nil {
				t.Fatalf("seed %d: %v", seed, wout.Err)
			}
			must.OK(t, got.S.Begin(&in))
			x.m.ctx.resume = 0
			r0, err := x.Run()
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if x.m.ctx.resume != 0 {
				left++
				if certain {
					t.Errorf("seed %d: something was left to Go:\n%s", seed, ebpf.Printer{}.Code(code))
				}
			} else {
				kept++
			}
			got.S.End(uint32(r0), &gout)
			if d := diff.Outputs(&wout, &gout); d != nil || !bytes.Equal(wout.Data, gout.Data) {
				t.Fatalf("seed %d, packet %d: %v\n%s", seed, i, d, ebpf.Printer{}.Code(code))
			}
		}
		x.Free()
	}
	if left == 0 || kept < 300 {
		t.Errorf("%d runs left something to Go, %d didn't", left, kept)
	}
}
