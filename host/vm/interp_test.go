package vm

import (
	"encoding/binary"
	"errors"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// link turns cilium assembly into a program; map references are indexes.
func link(t testing.TB, name string, insns asm.Instructions) *loader.Program {
	t.Helper()
	var raw []ebpf.Insn
	buf := new(writer)
	must.OK(t, insns.Marshal(buf, binary.LittleEndian))
	raw = must.Get(ebpf.Decode(buf.b))(t)
	return &loader.Program{Name: name, Insns: raw}
}

type writer struct{ b []byte }

func (w *writer) Write(p []byte) (int, error) { w.b = append(w.b, p...); return len(p), nil }

func load(t testing.TB, obj *loader.Object, opt Options) *Interp {
	t.Helper()
	s := must.Get(NewState(obj, opt))(t)
	t.Cleanup(func() { s.Close() })
	it := must.Get(NewInterp(s, obj, obj.Programs[0]))(t)
	return it
}

// mapRef is lddw of map i.
func mapRef(dst asm.Register, i int) asm.Instruction {
	in := asm.LoadImm(dst, int64(i), asm.DWord)
	in.Src = 1
	return in
}

// counter counts packets in an array, by the low bits of byte 14, and passes.
func counter(t testing.TB) *loader.Object {
	p := link(t, "counter", asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word),
		asm.Mov.Imm(asm.R0, XDPDrop),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, 15),
		asm.JGT.Reg(asm.R4, asm.R3, "exit"),
		asm.LoadMem(asm.R5, asm.R2, 14, asm.Byte),
		asm.And.Imm(asm.R5, 3),
		asm.StoreMem(asm.R10, -4, asm.R5, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -4),
		mapRef(asm.R1, 0),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, XDPPass),
		asm.Return().WithSymbol("exit"),
	})
	spec := &maps.Spec{Name: "counts", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 4}
	return &loader.Object{File: "test", Programs: []*loader.Program{p}, Maps: []*maps.Spec{spec}}
}

func TestCounter(t *testing.T) {
	it := load(t, counter(t), Options{})
	pkt := make([]byte, 60)
	pkt[14] = 0x46
	var out Output
	for i := range 5 {
		it.Run(&Input{Data: pkt, Packet: uint64(i)}, &out)
		if out.Err != nil || out.Verdict != XDPPass {
			t.Fatalf("verdict %d, %v", out.Verdict, out.Err)
		}
	}
	a := it.S.Maps[0].Peek([]byte{2, 0, 0, 0}, 0)
	if got := it.S.Load(a, 8); got != 5 {
		t.Errorf("counted %d packets, want 5", got)
	}
	it.Run(&Input{Data: pkt[:14]}, &out)
	if out.Verdict != XDPDrop || out.Steps != 7 {
		t.Errorf("short packet: verdict %d in %d steps", out.Verdict, out.Steps)
	}
	it.Run(&Input{Data: pkt[:13]}, &out)
	if !errors.Is(out.Err, ErrShort) {
		t.Errorf("13 bytes: %v", out.Err)
	}
	if n := testing.AllocsPerRun(100, func() { it.Run(&Input{Data: pkt}, &out) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
	var rec Recording
	it.RunRecorded(&Input{Data: pkt}, &out, &rec)
	if len(rec.Steps) != out.Steps || len(rec.Calls) != 1 || rec.Calls[0].Ret != a {
		t.Errorf("recorded %d steps of %d, %d calls", len(rec.Steps), out.Steps, len(rec.Calls))
	}
	if k := rec.Key(&rec.Calls[0]); binary.LittleEndian.Uint32(k) != 2 {
		t.Errorf("recorded key %x", k)
	}
	if n := testing.AllocsPerRun(100, func() { it.RunRecorded(&Input{Data: pkt}, &out, &rec) }); n != 0 {
		t.Errorf("%v allocations a recorded packet", n)
	}
}

func BenchmarkCounter(b *testing.B) {
	it := load(b, counter(b), Options{})
	pkt := make([]byte, 60)
	var out Output
	in := &Input{Data: pkt}
	it.Run(in, &out)
	for b.Loop() {
		it.Run(in, &out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(out.Steps), "ns/insn")
}

func BenchmarkCounterRecorded(b *testing.B) {
	it := load(b, counter(b), Options{})
	pkt := make([]byte, 60)
	var out Output
	var rec Recording
	in := &Input{Data: pkt}
	it.RunRecorded(in, &out, &rec)
	for b.Loop() {
		it.RunRecorded(in, &out, &rec)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(out.Steps), "ns/insn")
}
