package vm

import (
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/loader"

	"github.com/cilium/ebpf/asm"
)

// BenchmarkPacket is what a packet costs before its first instruction: Begin
// and End.
func BenchmarkPacket(b *testing.B) {
	it := load(b, counter(b), Options{})
	var out Output
	in := &Input{Data: make([]byte, 64)}
	for b.Loop() {
		if err := it.S.Begin(in); err != nil {
			b.Fatal(err)
		}
		it.S.End(XDPPass, &out)
	}
}

// BenchmarkALU is a loop of arithmetic and branches alone.
func BenchmarkALU(b *testing.B) {
	p := link(b, "alu", asm.Instructions{
		asm.Mov.Imm(asm.R0, 0),
		asm.Mov.Imm(asm.R1, 1000),
		asm.Add.Reg(asm.R0, asm.R1).WithSymbol("loop"),
		asm.Xor.Imm(asm.R0, 0x55),
		asm.LSh.Imm32(asm.R0, 1),
		asm.Sub.Imm(asm.R1, 1),
		asm.JNE.Imm(asm.R1, 0, "loop"),
		asm.Return(),
	})
	benchmark(b, p)
}

// BenchmarkMem is a loop of loads and stores on stack and packet.
func BenchmarkMem(b *testing.B) {
	p := link(b, "mem", asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word),
		asm.Mov.Imm(asm.R1, 1000),
		asm.LoadMem(asm.R3, asm.R2, 12, asm.Half).WithSymbol("loop"),
		asm.StoreMem(asm.R10, -8, asm.R3, asm.DWord),
		asm.LoadMem(asm.R4, asm.R10, -8, asm.Word),
		asm.Sub.Imm(asm.R1, 1),
		asm.JNE.Imm(asm.R1, 0, "loop"),
		asm.Return(),
	})
	benchmark(b, p)
}

func benchmark(b *testing.B, p *loader.Program) {
	it := load(b, &loader.Object{Programs: []*loader.Program{p}}, Options{})
	var out Output
	in := &Input{Data: make([]byte, 64)}
	it.Run(in, &out)
	if out.Err != nil {
		b.Fatal(out.Err)
	}
	for b.Loop() {
		it.Run(in, &out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(out.Steps), "ns/insn")
}

// BenchmarkPrograms runs our sample programs over packets of a real capture:
// time for a packet and for an instruction, plain and recorded.
func BenchmarkPrograms(b *testing.B) {
	packets := capture(b, "echo-connections.pcap.gz", 2000)
	files, _ := filepath.Glob("../programs/*.o")
	for _, file := range files {
		obj := must.Get(loader.Load(file, loader.Options{}))(b)
		it := load(b, obj, Options{})
		var rec Recording
		for _, recorded := range []bool{false, true} {
			name := strings.TrimSuffix(filepath.Base(file), ".o") + map[bool]string{false: "/plain", true: "/recorded"}[recorded]
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				var out Output
				in := &Input{IfIndex: 1}
				steps, i := 0, 0
				for b.Loop() {
					in.Data, in.Packet, in.TimeNS = packets[i%len(packets)], uint64(i), uint64(i)*1000
					if recorded {
						it.RunRecorded(in, &out, &rec)
					} else {
						it.Run(in, &out)
					}
					steps += out.Steps
					i++
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/insn")
				b.ReportMetric(float64(steps)/float64(i), "insns")
			})
		}
	}
}
