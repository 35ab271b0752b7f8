package native

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"jitnic/host/diff"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/hosttest/progen"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/nic/native/code"

	cebpf "github.com/cilium/ebpf"
)

// memory is executable memory, or the test is skipped with the reason.
func memory(t testing.TB) *code.Memory {
	t.Helper()
	m, err := code.New(0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// pair is an interpreter and the same with native code, on states of their own.
type pair struct {
	want, got  *vm.Interp
	e          *Engine
	wout, gout vm.Output
}

func newPair(t testing.TB, mem *code.Memory, obj *loader.Object, entry *loader.Program, opt vm.Options, prepare func(*vm.State) error) *pair {
	t.Helper()
	machine := func(track bool) *vm.Interp {
		o := opt
		o.Track = track
		s := must.Get(vm.NewState(obj, o))(t)
		if prepare != nil {
			must.OK(t, prepare(s))
		}
		it := must.Get(vm.NewInterp(s, obj, entry))(t)
		return it
	}
	p := &pair{want: machine(opt.Track), got: machine(opt.Track)}
	var err error
	if p.e, err = NewEngine(p.got.S, obj, mem); err != nil {
		t.Fatal(err)
	}
	p.got.Engine = p.e
	return p
}

func (p *pair) close() {
	p.e.Close()
	p.want.S.Close()
	p.got.S.Close()
}

// run runs a packet on both sides and says where they differ.
func (p *pair) run(in *vm.Input) error {
	p.want.Run(in, &p.wout)
	p.got.Run(in, &p.gout)
	if d := diff.Outputs(&p.wout, &p.gout); d != nil {
		return d
	}
	if p.wout.Steps != p.gout.Steps {
		return fmt.Errorf("%d steps interpreted, %d native", p.wout.Steps, p.gout.Steps)
	}
	return nil
}

// batch runs packets on both sides, on the native one many at a time, and says where
// verdicts or faults differ; done counts those that ended with a verdict.
func (p *pair) batch(in []vm.Input) (done int, err error) {
	verdicts := make([]uint32, len(in))
	for from := 0; from < len(in); from++ { // behind one that faults
		n, gerr := p.got.Verdicts(in[from:], verdicts[from:])
		for i := from; i < from+n; i++ {
			if p.want.Run(&in[i], &p.wout); p.wout.Err != nil || p.wout.Verdict != verdicts[i] {
				return done, fmt.Errorf("packet %d of a batch: verdict %d (%v), native %d", i, p.wout.Verdict, p.wout.Err, verdicts[i])
			}
		}
		if done, from = done+n, from+n; from == len(in) {
			return done, nil
		}
		if p.want.Run(&in[from], &p.wout); gerr == nil || fmt.Sprint(p.wout.Err) != fmt.Sprint(gerr) {
			return done, fmt.Errorf("packet %d of a batch: %v, native %v", from, p.wout.Err, gerr)
		}
	}
	return done, nil
}

func (p *pair) maps() error {
	if d := diff.Maps(p.want.S.Maps, p.got.S.Maps); d != nil {
		return d
	}
	return nil
}

// TestProgen holds random programs that the verifier accepts to the
// interpreter: outputs, steps and maps.
func TestProgen(t *testing.T) {
	mem := memory(t)
	n := uint64(400)
	if os.Getenv("JITNIC_HEAVY") != "" {
		n = 20000
	}
	runs, leaves := uint64(0), uint64(0)
	for seed := range n {
		c := progen.Generate(seed, progen.Options{V4: true, Latched: true})
		for _, track := range []bool{false, true} {
			if track && seed%4 != 0 {
				continue
			}
			p := newPair(t, mem, c.Object, c.Entry, vm.Options{CPUs: 2, Track: track}, nil)
			var ins []vm.Input
			for i, data := range c.Packets(24, seed) {
				in := &vm.Input{Data: data, IfIndex: 1, TimeNS: uint64(i) * 1000, Packet: uint64(i), CPU: i % 2}
				if err := p.run(in); err != nil {
					t.Fatalf("seed %d, packet %d: %v\n%s", seed, i, err, c)
				}
				ins = append(ins, *in)
			}
			for _, limit := range []int{vm.MaxSteps, 40} {
				p.want.Limit, p.got.Limit = limit, limit
				if _, err := p.batch(ins); err != nil {
					t.Fatalf("seed %d, %d steps: %v\n%s", seed, limit, err, c)
				}
			}
			if err := p.maps(); err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, c)
			}
			runs, leaves = runs+p.e.Runs, leaves+p.e.Leaves
			p.close()
		}
	}
	t.Logf("%d programs: %d stretches, %d left to the interpreter", n, runs, leaves)
	if runs == 0 {
		t.Error("nothing ran natively")
	}
	if mem.Used() != 0 {
		t.Errorf("%d bytes of code are in use after all engines are closed", mem.Used())
	}
}

// TestSamples runs the sample programs over recorded captures.
func TestSamples(t *testing.T) {
	mem := memory(t)
	for _, s := range programs.All() {
		p := hosttest.Sample(t, s.Name)
		for _, capture := range []string{"echo-connections.pcap.gz", "zoo.pcap.gz"} {
			file := hosttest.Capture(t, capture)
			x := newPair(t, mem, p.Obj, p.Entry, vm.Options{}, p.Prepare)
			err := hosttest.Each(file, 3000, func(in *vm.Input) error { return x.run(in) })
			if err == nil {
				err = x.maps()
			}
			if err != nil {
				t.Errorf("%s on %s: %v", s.Name, capture, err)
			}
			t.Logf("%s on %s: %d stretches, %d left", s.Name, capture, x.e.Runs, x.e.Leaves)
			x.close()
			batches(t, mem, p, file)
		}
	}
}

// batches runs a sample over a capture many packets at a time, among them such as no
// program sees.
func batches(t *testing.T, mem *code.Memory, p *hosttest.Program, file string) {
	x := newPair(t, mem, p.Obj, p.Entry, vm.Options{CPUs: 2}, p.Prepare)
	defer x.close()
	var ins []vm.Input
	must.OK(t, hosttest.Each(file, 2500, func(in *vm.Input) error {
		one := *in
		one.Data = append([]byte(nil), in.Data...)
		switch n := len(ins); {
		case n%91 == 90:
			one.Data = one.Data[:13]
		case n%97 == 96:
			one.CPU = 2
		case n%89 == 88:
			one.Data = append(one.Data, make([]byte, vm.MaxLinear)...)
		default:
			one.CPU = n / 7 % 2
		}
		ins = append(ins, one)
		return nil
	}))
	done, err := x.batch(ins)
	if err == nil {
		err = x.maps()
	}
	if err != nil {
		t.Errorf("%s on %s: %v", p.Entry.Name, file, err)
	}
	if done < len(ins)*9/10 || x.e.Runs > uint64(done)/4+2*x.e.Leaves {
		t.Errorf("%s on %s: %d of %d packets ended, in %d stretches", p.Entry.Name, file, done, len(ins), x.e.Runs)
	}
	t.Logf("%s: %d packets in batches: %d stretches, %d left", p.Entry.Name, done, x.e.Runs, x.e.Leaves)
}

// flat runs code over memory on both sides, as the conformance suite does.
func flat(t testing.TB, mem *code.Memory, insns []ebpf.Insn, data []byte) (want, got uint64, werr, gerr error) {
	t.Helper()
	p := &loader.Program{Name: "p", Insns: insns}
	obj := &loader.Object{File: "flat", Programs: []*loader.Program{p}}
	run := func(native bool) (uint64, error) {
		s := must.Get(vm.NewState(obj, vm.Options{}))(t)
		defer s.Close()
		it := must.Get(vm.NewInterp(s, obj, p))(t)
		if native {
			e := must.Get(NewFlatEngine(s, obj, mem))(t)
			defer e.Close()
			it.Engine = e
		}
		return it.RunFlat(data)
	}
	want, werr = run(false)
	got, gerr = run(true)
	return
}

// edges are the operands that arithmetic goes wrong with.
var edges = []uint64{0, 1, 2, 3, 31, 32, 33, 63, 64, 0x7f, 0x80, 0xff, 0x8000, 0xffff, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32,
	1<<63 - 1, 1 << 63, 1<<64 - 1, 1<<64 - 2, 0xffffffff80000000, 0x80000000ffffffff, 0x123456789abcdef0}

// TestInstructions runs every arithmetic and jump instruction on every pair of
// registers and boundary operands, and demands the same in all registers.
func TestInstructions(t *testing.T) {
	mem := memory(t)
	r := rand.New(rand.NewPCG(1, 2))
	var forms []ebpf.Insn
	for op := 0; op < 256; op++ {
		for _, off := range []int16{0, 1, 8, 16, 32} {
			for _, imm := range []int32{0, 1, -1, 16, 32, 64, 31, 63, 1<<31 - 1, -1 << 31, 0x12345678} {
				in := ebpf.Insn{Op: uint8(op), Off: off, Imm: imm}
				switch in.Class() {
				case ebpf.ClassALU, ebpf.ClassALU64:
				case ebpf.ClassJMP, ebpf.ClassJMP32:
					if !in.IsCondJump() || in.Op == ebpf.OpMayGo {
						continue
					}
				default:
					continue
				}
				if in.IsCondJump() && off != 1 || in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd && imm != 0 || !vm.Valid(in) {
					continue
				}
				forms = append(forms, in)
			}
		}
	}
	n := 0
	for _, form := range forms {
		var prog []ebpf.Insn
		for d := uint8(0); d < 10; d++ {
			for s := uint8(0); s < 10; s++ {
				if form.Op&ebpf.SrcX == 0 && s != d {
					continue
				}
				in := form
				in.Dst, in.Src = d, s
				if form.Op&ebpf.SrcX == 0 || form.ALUOp() == ebpf.ALUEnd && !form.IsCondJump() {
					in.Src = 0
				}
				set := func(reg uint8, v uint64) {
					prog = append(prog, ebpf.Insn{Op: ebpf.OpLDDW, Dst: reg, Imm: int32(v)}, ebpf.Insn{Imm: int32(v >> 32)})
				}
				for reg := uint8(0); reg < 10; reg++ {
					set(reg, r.Uint64())
				}
				set(d, edges[r.IntN(len(edges))])
				if s != d || r.IntN(2) == 0 {
					set(s, edges[r.IntN(len(edges))])
				}
				prog = append(prog, in)
				if in.IsCondJump() {
					prog = append(prog, ebpf.Insn{Op: 0x07, Dst: d, Imm: 12345}) // skipped where it jumps
				}
				// Fold all registers into the word at the frame's bottom.
				for reg := uint8(0); reg < 10; reg++ {
					prog = append(prog, ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Src: reg, Off: -16},
						ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeDW, Dst: reg, Src: 10, Off: -8},
						ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMul, Dst: reg, Imm: 1000003},
						ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Src: reg, Off: -8},
						ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeDW, Dst: reg, Src: 10, Off: -16},
						ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | ebpf.SizeDW, Dst: 10, Src: reg, Off: -8, Imm: ebpf.AtomicXor})
				}
				n++
			}
		}
		prog = append(prog, ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeDW, Src: 10, Off: -8}, ebpf.Insn{Op: ebpf.OpExit})
		want, got, werr, gerr := flat(t, mem, prog, nil)
		if werr != nil || gerr != nil || want != got {
			t.Fatalf("%v: %#x, %v; native %#x, %v", form, want, werr, got, gerr)
		}
	}
	t.Logf("%d forms, %d instructions", len(forms), n)
}

// TestAccesses runs loads, stores and atomics of every size on every pair of
// registers, in bounds and out of them, in the frame and in the packet.
func TestAccesses(t *testing.T) {
	mem := memory(t)
	var forms []ebpf.Insn
	for op := 0; op < 256; op++ {
		for _, imm := range []int32{0, -559038737, 0x01, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 0x100, 0x110} {
			in := ebpf.Insn{Op: uint8(op), Imm: imm}
			switch {
			case in.IsAtomic():
			case in.Class() == ebpf.ClassST && imm == -559038737, (in.Class() == ebpf.ClassLDX || in.Class() == ebpf.ClassSTX) && imm == 0:
			default:
				continue
			}
			if vm.Valid(in) {
				forms = append(forms, in)
			}
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	data := make([]byte, 64)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	n, faults := 0, 0
	for _, form := range forms {
		for _, stack := range []bool{false, true} {
			for _, off := range []int16{0, -1, 1, 3, 7, 8, 56, 57, 60, 61, 63, 64, -512, -505, -8, -7, -1, 32767, -32768} {
				d, s := uint8(r.IntN(10)), uint8(r.IntN(10))
				in := form
				in.Dst, in.Src, in.Off = d, s, off
				if in.Class() == ebpf.ClassST {
					in.Src = 0
				}
				base := d
				if in.IsLoad() || in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq {
					base = s
				}
				prog := []ebpf.Insn{{Op: 0xbf, Dst: 9, Src: 1}} // keep the memory
				for reg := uint8(0); reg < 9; reg++ {
					v := r.Uint64()
					prog = append(prog, ebpf.Insn{Op: ebpf.OpLDDW, Dst: reg, Imm: int32(v)}, ebpf.Insn{Imm: int32(v >> 32)})
				}
				switch {
				case stack && r.IntN(2) == 0:
					prog = append(prog, ebpf.Insn{Op: 0xbf, Dst: base, Src: 10})
				case stack: // through memory, so that nothing is known of it
					prog = append(prog, ebpf.Insn{Op: 0xbf, Dst: base, Src: 10},
						ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUNeg, Dst: base}, ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUNeg, Dst: base})
				default:
					prog = append(prog, ebpf.Insn{Op: 0xbf, Dst: base, Src: 9})
				}
				prog = append(prog, in)
				for reg := uint8(0); reg < 10; reg++ {
					prog = append(prog, ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMul, Dst: 0, Imm: 1000003},
						ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUXor | ebpf.SrcX, Dst: 0, Src: reg})
				}
				prog = append(prog, ebpf.Insn{Op: ebpf.OpExit})
				want, got, werr, gerr := flat(t, mem, prog, data)
				if fmt.Sprint(werr) != fmt.Sprint(gerr) || want != got {
					t.Fatalf("%v: %#x, %v; native %#x, %v", in, want, werr, got, gerr)
				}
				n++
				if werr != nil {
					faults++
				}
			}
		}
	}
	t.Logf("%d accesses of %d forms, %d faults", n, len(forms), faults)
	if faults == 0 || faults == n {
		t.Errorf("%d faults of %d", faults, n)
	}
}

// The step limit holds, to the step.
func TestLimit(t *testing.T) {
	mem := memory(t)
	insns := must.Get(ebpf.Parser{}.Code("r0 = 0\nr0 += 1\nif r0 < 100 goto -2\nr1 = 7\nexit"))(t)
	p := &loader.Program{Name: "p", Insns: insns}
	obj := &loader.Object{File: "limit", Programs: []*loader.Program{p}}
	x := newPair(t, mem, obj, p, vm.Options{}, nil)
	defer x.close()
	for limit := range 230 {
		x.want.Limit, x.got.Limit = limit, limit
		if err := x.run(&vm.Input{Data: make([]byte, 60)}); err != nil {
			t.Fatalf("limit %d: %v", limit, err)
		}
		var f *vm.Fault
		if (limit < 203) != errors.As(x.gout.Err, &f) {
			t.Fatalf("limit %d: %v", limit, x.gout.Err)
		}
	}
}

// hostile is an object of one program and maps of all the kinds that look-ups
// know.
func hostile(insns []ebpf.Insn) *loader.Object {
	p := &loader.Program{Name: "fuzz", Insns: insns}
	return &loader.Object{File: "fuzz", Programs: []*loader.Program{p}, Maps: []*maps.Spec{
		{Name: "array", Type: cebpf.Array, KeySize: 4, ValueSize: 16, Max: 4},
		{Name: "hash", Type: cebpf.Hash, KeySize: 8, ValueSize: 12, Max: 4, Contents: []maps.Entry{{Key: make([]byte, 8), Value: make([]byte, 12)}}},
		{Name: "lru", Type: cebpf.LRUHash, KeySize: 4, ValueSize: 4, Max: 4, Contents: []maps.Entry{{Key: make([]byte, 4), Value: make([]byte, 4)}}},
		{Name: "percpu", Type: cebpf.PerCPUHash, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "percpuarray", Type: cebpf.PerCPUArray, KeySize: 4, ValueSize: 20, Max: 3},
		{Name: "lpm", Type: cebpf.LPMTrie, KeySize: 8, ValueSize: 4, Max: 4, Flags: maps.FlagNoPrealloc},
		{Name: "progs", Type: cebpf.ProgramArray, KeySize: 4, ValueSize: 4, Max: 4,
			Contents: []maps.Entry{{Key: []byte{1, 0, 0, 0}, Name: "fuzz"}}},
		{Name: "dev", Type: cebpf.DevMap, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "rodata", Type: cebpf.Array, KeySize: 4, ValueSize: 64, Max: 1, ReadOnly: true,
			Contents: []maps.Entry{{Key: []byte{0, 0, 0, 0}, Value: make([]byte, 64)}}},
	}}
}

// canary fills the arena's gaps, which are readable and writable and belong to
// nobody, and says whether they are as they were.
type canary struct {
	s *vm.State
}

func newCanary(s *vm.State) *canary {
	c := &canary{s: s}
	for i := range s.Mem.B[:min(len(s.Mem.B), canarySpan)] {
		if s.Mem.Find(uint64(i), 1) == nil {
			s.Mem.B[i] = byte(i*7 + 3)
		}
	}
	return c
}

const canarySpan = 600 << 10

func (c *canary) intact() error {
	for i := range c.s.Mem.B[:min(len(c.s.Mem.B), canarySpan)] {
		if c.s.Mem.B[i] != byte(i*7+3) && c.s.Mem.Find(uint64(i), 1) == nil {
			return fmt.Errorf("byte %#x of the flat memory, which belongs to nobody, was written", i)
		}
	}
	return nil
}

// hostileOne runs a program that no verifier has seen on both sides.
func hostileOne(t testing.TB, mem *code.Memory, insns []ebpf.Insn, pkt []byte, guard bool) *vm.Fault {
	obj := hostile(insns)
	x := newPair(t, mem, obj, obj.Programs[0], vm.Options{CPUs: 2, Track: len(pkt)%2 == 0}, nil)
	defer x.close()
	x.want.Limit, x.got.Limit = 3000, 3000
	var c *canary
	if guard {
		c = newCanary(x.got.S)
		newCanary(x.want.S)
	}
	var f *vm.Fault
	for i := range 2 {
		if err := x.run(&vm.Input{Data: pkt, CPU: i}); err != nil {
			t.Fatalf("run %d: %v\n%s", i, err, ebpf.Printer{}.Code(insns))
		}
		errors.As(x.gout.Err, &f)
	}
	if _, err := x.batch([]vm.Input{{Data: pkt}, {Data: pkt, CPU: 1}, {Data: pkt}}); err != nil {
		t.Fatalf("%v\n%s", err, ebpf.Printer{}.Code(insns))
	}
	if err := x.maps(); err != nil {
		t.Fatalf("%v\n%s", err, ebpf.Printer{}.Code(insns))
	}
	if guard {
		if err := c.intact(); err != nil {
			t.Fatalf("%v\n%s", err, ebpf.Printer{}.Code(insns))
		}
	}
	return f
}

// randomHostile is a program that half makes sense: wild pointers, huge
// offsets, jumps anywhere, but some of it runs.
func randomHostile(r *rand.Rand, n int) []ebpf.Insn {
	reg := func() uint8 { return uint8(r.IntN(10)) }
	dw := ebpf.ModeMEM | ebpf.SizeDW
	out := []ebpf.Insn{{Op: 0xbf, Dst: 6, Src: 1}, {Op: 0x61, Dst: 8, Src: 1}, {Op: 0x61, Dst: 9, Src: 1, Off: 4}}
	aluOps := []uint8{ebpf.ALUAdd, ebpf.ALUSub, ebpf.ALUMul, ebpf.ALUDiv, ebpf.ALUOr, ebpf.ALUAnd, ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUMod, ebpf.ALUXor, ebpf.ALUMov, ebpf.ALUArsh}
	sizes := []uint8{ebpf.SizeB, ebpf.SizeH, ebpf.SizeW, ebpf.SizeDW}
	offs := []int16{0, 1, 4, 8, 13, 14, 40, 60, 61, 64, 508, 512, -1, -4, -8, -16, -512, -513, 32767, -32768}
	bases := []uint8{8, 8, 10, 10, 0, 7, 6}
	for len(out) < n {
		switch r.IntN(14) {
		case 0, 1, 2:
			class := []uint8{ebpf.ClassALU, ebpf.ClassALU64, ebpf.ClassALU64}[r.IntN(3)]
			in := ebpf.Insn{Op: class | aluOps[r.IntN(len(aluOps))] | ebpf.SrcX*uint8(r.IntN(2)), Dst: reg(), Src: reg()}
			if in.Op&ebpf.SrcX == 0 {
				in.Imm = int32(edges[r.IntN(len(edges))])
			}
			out = append(out, in)
		case 3: // checks as programs write them, right and wrong
			k := int32(r.IntN(80))
			op := []uint8{ebpf.JmpGT, ebpf.JmpGE, ebpf.JmpLT, ebpf.JmpLE}[r.IntN(4)]
			a, b := uint8(7), uint8(9)
			if r.IntN(3) == 0 {
				a, b = b, a
			}
			out = append(out, ebpf.Insn{Op: 0xbf, Dst: 7, Src: 8}, ebpf.Insn{Op: 0x07, Dst: 7, Imm: k},
				ebpf.Insn{Op: ebpf.ClassJMP | op | ebpf.SrcX, Dst: a, Src: b, Off: int16(r.IntN(6))})
		case 4, 5, 6:
			out = append(out, ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | sizes[r.IntN(4)], Dst: reg(), Src: bases[r.IntN(len(bases))], Off: offs[r.IntN(len(offs))]})
		case 7, 8:
			out = append(out, ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | sizes[r.IntN(4)], Dst: bases[r.IntN(len(bases))], Src: reg(), Off: offs[r.IntN(len(offs))]})
		case 9:
			out = append(out, ebpf.Insn{Op: []uint8{ebpf.ClassJMP, ebpf.ClassJMP32}[r.IntN(2)] | uint8(r.IntN(14))<<4, Dst: reg(), Src: 0, Off: int16(r.IntN(9) - 2), Imm: int32(r.IntN(70))})
		case 10: // a variable offset into the packet
			x := reg()
			out = append(out, ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeB, Dst: x, Src: 8, Off: 14},
				ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAnd, Dst: x, Imm: int32(r.IntN(64))},
				ebpf.Insn{Op: 0xbf, Dst: 7, Src: 8}, ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcX, Dst: 7, Src: x})
		case 11: // spilled and filled
			off := int16(-8 * (1 + r.IntN(4)))
			out = append(out, ebpf.Insn{Op: ebpf.ClassSTX | dw, Dst: 10, Src: bases[r.IntN(len(bases))], Off: off},
				ebpf.Insn{Op: ebpf.ClassLDX | dw, Dst: reg(), Src: 10, Off: off})
		case 12:
			out = append(out, ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | sizes[r.IntN(4)], Dst: bases[r.IntN(len(bases))], Src: reg(), Off: offs[r.IntN(len(offs))],
				Imm: []int32{0, 1, 0x40, 0x51, 0xe1, 0xf1, 0x100, 0x110}[r.IntN(8)]})
		default:
			m := int32(r.IntN(9))
			out = append(out, ebpf.Insn{Op: ebpf.OpLDDW, Dst: 1, Src: ebpf.PseudoMapFD, Imm: m}, ebpf.Insn{},
				ebpf.Insn{Op: 0xbf, Dst: 2, Src: bases[r.IntN(4)]}, ebpf.Insn{Op: 0x07, Dst: 2, Imm: int32(r.IntN(40) - 24)},
				ebpf.Insn{Op: 0xbf, Dst: 3, Src: 10}, ebpf.Insn{Op: 0x07, Dst: 3, Imm: -32},
				ebpf.Insn{Op: 0xb7, Dst: 4, Imm: int32(r.IntN(3))},
				ebpf.Insn{Op: ebpf.OpCall, Imm: []int32{1, 1, 1, 2, 3, 44, 65, 5}[r.IntN(8)]})
			if r.IntN(3) > 0 {
				out = append(out, ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ, Dst: 0, Off: int16(r.IntN(5))})
			}
		}
	}
	return append(out, ebpf.Insn{Op: ebpf.OpExit})
}

// TestHostile runs programs that no verifier would take. Each must end as the
// interpreter ends it, and the memory around all regions must stay untouched.
func TestHostile(t *testing.T) {
	mem := memory(t)
	r := rand.New(rand.NewPCG(5, 6))
	n := 3000
	if os.Getenv("JITNIC_HEAVY") != "" {
		n = 200000
	}
	why := map[vm.Reason]int{}
	for i := range n {
		pkt := make([]byte, 14+r.IntN(80))
		for j := range pkt {
			pkt[j] = byte(r.Uint32())
		}
		f := hostileOne(t, mem, randomHostile(r, 6+r.IntN(60)), pkt, i%50 == 0)
		if f == nil {
			why[0]++
		} else {
			why[f.Reason]++
		}
	}
	t.Log(why)
	if why[0] < n/50 || why[vm.BadAccess] < n/50 {
		t.Errorf("of %d programs %d ran to their end and %d made invalid accesses", n, why[0], why[vm.BadAccess])
	}
}

// FuzzNative runs arbitrary bytes as a program.
func FuzzNative(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		f.Add(ebpf.Encode(randomHostile(r, 40)), make([]byte, 60))
	}
	mem, err := code.New(0)
	if err != nil {
		f.Skip(err)
	}
	f.Fuzz(func(t *testing.T, raw, pkt []byte) {
		if len(raw) > 1<<13 || len(pkt) > 2000 {
			return
		}
		insns, err := ebpf.Decode(raw[:len(raw)&^7])
		if err != nil || len(insns) == 0 {
			return
		}
		hostileOne(t, mem, insns, pkt, len(pkt)%16 == 0)
	})
}

// Registers and opcodes that aren't there, wherever an instruction has them, end
// in the interpreter's fault and trouble no one before.
func TestUnknownInstructions(t *testing.T) {
	mem := memory(t)
	r := rand.New(rand.NewPCG(9, 10))
	for op := range 256 {
		for range 12 {
			in := ebpf.Insn{Op: uint8(op), Dst: uint8(r.IntN(16)), Src: uint8(r.IntN(16)), Off: int16(r.IntN(5) - 2), Imm: int32(r.IntN(300) - 20)}
			prog := []ebpf.Insn{{Op: 0xb7, Imm: 1}, {Op: ebpf.ClassJMP | ebpf.JmpEQ, Dst: 0, Off: int16(r.IntN(3)), Imm: 1}, in, {Op: 0xb7, Dst: 1, Imm: 3}, {Op: ebpf.OpExit}}
			hostileOne(t, mem, prog, make([]byte, 60), false)
		}
	}
}

// TestCsumDiff holds checksums over every pair of sizes to the interpreter's, of
// bytes in the packet and in the frame.
func TestCsumDiff(t *testing.T) {
	mem := memory(t)
	r := rand.New(rand.NewPCG(13, 14))
	sizes := []int32{0, 4, 8, 20, 40, 128}
	for _, from := range sizes {
		for _, to := range sizes {
			for round := range 6 {
				insns := must.Get(ebpf.Parser{}.Code(fmt.Sprintf(`r7 = *(u32 *)(r1 +0)
r8 = *(u32 *)(r1 +4)
r0 = 2
r2 = r7
r2 += 300
if r2 > r8 goto +12
r2 = *(u64 *)(r7 +7)
*(u64 *)(r10 -128) = r2
r2 = *(u64 *)(r7 +17)
*(u64 *)(r10 -120) = r2
r1 = r7
r2 = %d
r3 = %s
r3 += %d
r4 = %d
r5 = *(u32 *)(r7 +280)
call csum_diff#28
r0 = r0
exit`, from, [2]string{"r7", "r10"}[round%2], [2]int{131, -128}[round%2], to)))(t)
				obj := hostile(insns)
				x := newPair(t, mem, obj, obj.Programs[0], vm.Options{}, nil)
				pkt := make([]byte, 300)
				for i := range pkt {
					if pkt[i] = byte(r.Uint32()); round >= 4 {
						pkt[i] = 0xff // carries
					}
				}
				if err := x.run(&vm.Input{Data: pkt}); err != nil {
					t.Errorf("from %d, to %d: %v", from, to, err)
				}
				if x.gout.Err != nil || x.e.Leaves != 0 {
					t.Errorf("from %d, to %d: %v, %d times left to the interpreter", from, to, x.gout.Err, x.e.Leaves)
				}
				x.close()
			}
		}
	}
}
