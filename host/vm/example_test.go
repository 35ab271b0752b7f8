package vm_test

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/vm"
)

// A program that drops packets whose first byte is odd, on two packets.
func Example() {
	p := &loader.Program{Name: "odd", Insns: []ebpf.Insn{
		{Op: 0x61, Dst: 2, Src: 1, Off: vm.CtxData},    // r2 = ctx->data
		{Op: 0x61, Dst: 3, Src: 1, Off: vm.CtxDataEnd}, // r3 = ctx->data_end
		{Op: 0xb7, Dst: 0, Imm: vm.XDPPass},            // r0 = XDP_PASS
		{Op: 0xbf, Dst: 4, Src: 2},                     // r4 = r2
		{Op: 0x07, Dst: 4, Imm: 1},                     // r4 += 1
		{Op: 0x2d, Dst: 4, Src: 3, Off: 3},             // if r4 > r3 goto +3
		{Op: 0x71, Dst: 4, Src: 2},                     // r4 = *(u8 *)r2
		{Op: 0x45, Dst: 4, Off: 2, Imm: 1},             // if r4 & 1 goto +2
		{Op: 0x05, Off: 0},                             // goto +0
		{Op: ebpf.OpExit},                              // exit
		{Op: 0xb7, Dst: 0, Imm: vm.XDPDrop},            // r0 = XDP_DROP
		{Op: ebpf.OpExit},                              // exit
	}}
	obj := &loader.Object{File: "example", Programs: []*loader.Program{p}}
	s, err := vm.NewState(obj, vm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	it, err := vm.NewInterp(s, obj, p)
	if err != nil {
		fmt.Println(err)
		return
	}
	var out vm.Output
	var rec vm.Recording
	for _, first := range []byte{2, 3} {
		packet := make([]byte, 60)
		packet[0] = first
		it.RunRecorded(&vm.Input{Data: packet}, &out, &rec)
		last := rec.Steps[len(rec.Steps)-1]
		fmt.Printf("verdict %d after %d steps, the last at slot %d\n", out.Verdict, out.Steps, last.PC)
	}
	it.Run(&vm.Input{Data: make([]byte, 10)}, &out)
	fmt.Println(out.Err)
	// Output:
	// verdict 2 after 10 steps, the last at slot 9
	// verdict 1 after 10 steps, the last at slot 11
	// packet: shorter than an Ethernet header of 14 bytes
}
