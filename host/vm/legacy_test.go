package vm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// TestPacketLoads compares LD_ABS and LD_IND with the kernel's, which has them
// only in socket filters, where the packet begins behind the Ethernet header.
func TestPacketLoads(t *testing.T) {
	needKernel(t)
	pkt := fill(40)
	for _, mode := range []uint8{ebpf.ModeABS, ebpf.ModeIND} {
		for _, size := range []uint8{ebpf.SizeB, ebpf.SizeH, ebpf.SizeW} {
			for _, imm := range []int32{0, 1, 3, 22, 23, 24, 25, 26, 27, 1000, -1, 0x7fffffff} {
				for _, reg := range []int32{0, 2, -3, 100} {
					if mode == ebpf.ModeABS && reg != 0 {
						continue
					}
					in := ebpf.Insn{Op: ebpf.ClassLD | mode | size, Imm: imm}
					if mode == ebpf.ModeIND {
						in.Src = 7
					}
					insns := []ebpf.Insn{{Op: 0xbf, Dst: 6, Src: 1}, {Op: 0xb7, Dst: 7, Imm: reg}, in,
						{Op: 0x07, Imm: 5}, {Op: ebpf.OpExit}}
					code, err := asm.AppendInstructions(nil, bytes.NewReader(ebpf.Encode(insns)), binary.LittleEndian, "linux")
					must.OK(t, err)
					p, err := cebpf.NewProgram(&cebpf.ProgramSpec{Type: cebpf.SocketFilter, Instructions: code, License: "GPL"})
					if err != nil {
						t.Fatalf("%+v", err)
					}
					w := twin{t: t, prog: p}
					want, _, err := w.kernel(pkt)
					p.Close()
					must.OK(t, err)
					it := load(t, &loader.Object{Programs: []*loader.Program{{Name: "p", Insns: insns}}}, Options{})
					got, err := it.RunXDP(pkt[14:])
					if err != nil || uint32(got) != want {
						t.Errorf("%s: got %d, %v; kernel %d", fmt.Sprintf("op %#02x imm %d reg %d", in.Op, imm, reg), got, err, want)
					}
				}
			}
		}
	}
}

// TestFaults is every reason a run can stop for, and what is said of it.
func TestFaults(t *testing.T) {
	exit := ebpf.Insn{Op: ebpf.OpExit}
	reached := map[Reason]bool{}
	for _, tc := range []struct {
		want  string
		insns []ebpf.Insn
	}{
		{`program "p": insn 0: invalid load of 8 bytes at 0x0`, []ebpf.Insn{{Op: 0x79, Dst: 0, Src: 2}, exit}},
		{`program "p": insn 1: invalid store of 4 bytes at 0x10`, []ebpf.Insn{{Op: 0xb7, Dst: 3, Imm: 16}, {Op: 0x62, Dst: 3}, exit}},
		{`program "p": insn 0: unknown opcode 0xff (00000000000000ff)`, []ebpf.Insn{{Op: 0xff}, exit}},
		{`program "p": insn 1: jump out of the program`, []ebpf.Insn{{Op: 0xb7}}},
		{`program "p": insn 2: jump out of the program: second slot of a lddw`, []ebpf.Insn{{Op: 0x05, Off: 1}, {Op: ebpf.OpLDDW}, {}, exit}},
		{`program "p": insn 0: helper 1 (map_lookup_elem): not a map it can use`, []ebpf.Insn{{Op: ebpf.OpCall, Imm: 1}, exit}},
		{`program "p": insn 0: helper 9999 (helper): not supported`, []ebpf.Insn{{Op: ebpf.OpCall, Imm: 9999}, exit}},
		{`program "p": insn 0: helper 35 (get_current_task): not supported`, []ebpf.Insn{{Op: ebpf.OpCall, Imm: 35}, exit}},
		{`program "p": insn 0: helper 181 (loop): not a callback`, []ebpf.Insn{{Op: ebpf.OpCall, Imm: 181}, exit}},
		{`program "p": insn 0: helper 132 (ringbuf_submit): invalid argument: not a reserved record`, []ebpf.Insn{{Op: ebpf.OpCall, Imm: 132}, exit}},
		{`program "p": insn 0: kfunc bpf_thing: not supported`, []ebpf.Insn{{Op: ebpf.OpCall, Src: 2, Imm: 7}, exit}},
		{`program "p": insn 0: step limit reached`, []ebpf.Insn{{Op: 0x05, Off: -1}}},
		{`program "p": insn 0: call depth exceeded`, []ebpf.Insn{{Op: ebpf.OpCall, Src: 1, Imm: -1}}},
	} {
		p := &loader.Program{Name: "p", Insns: tc.insns, Unsupported: map[int]string{0: "kfunc bpf_thing"}}
		if tc.insns[0].Op != ebpf.OpCall || tc.insns[0].Src != ebpf.CallKfunc {
			p.Unsupported = nil
		}
		it := load(t, &loader.Object{Programs: []*loader.Program{p}}, Options{})
		var out Output
		it.Run(&Input{Data: make([]byte, 60)}, &out)
		if out.Err == nil || out.Err.Error() != tc.want {
			t.Errorf("got %v\nwant %s", out.Err, tc.want)
		}
		if f, ok := out.Err.(*Fault); ok {
			reached[f.Reason] = true
		}
		if out.Verdict != XDPAborted {
			t.Errorf("%s: verdict %d", tc.want, out.Verdict)
		}
	}
	for r := BadAccess; int(r) < len(reasons); r++ {
		if !reached[r] {
			t.Errorf("no run stopped for reason %q", r)
		}
	}
}
