package native

import (
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/trace"
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
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := vm.Input{Data: []byte{0, 5, 2, 3, 4, 100, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}
	if err := s.Begin(&in); err != nil {
		t.Fatal(err)
	}
	m := NewMachine(s, mem)
	x, err := bind(m, 0, &trace.Trace{Code: code, MinLen: 16}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Free()
	got, err := x.Run()
	if err != nil || got != 100+16 {
		t.Errorf("%d, %v; want 116", got, err)
	}
}
