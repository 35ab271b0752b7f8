package native

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/progen"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/nic/native/asm"
	"jitnic/nic/native/readback"
	"jitnic/pathcond"
	"jitnic/pathcond/tree"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// corrupted is what became of code with one bit changed.
type corrupted struct{ tried, found int }

// flips changes bits of code one after the other, every step'th, and counts how
// many of them read finds.
func (n *corrupted) flips(r *rand.Rand, text []byte, from, to, step int, read func(text []byte) error) (missed []int) {
	bad := append([]byte(nil), text...)
	for at := from + r.IntN(step); at < to; at += step {
		bit := r.IntN(8)
		bad[at] ^= 1 << bit
		n.tried++
		if err := read(bad); err != nil {
			n.found++
		} else {
			missed = append(missed, at*8+bit)
		}
		bad[at] ^= 1 << bit
	}
	return missed
}

// traceOf records one run and makes its trace.
func traceOf(t testing.TB, s *vm.State, it *vm.Interp, c *pathcond.Compiler, in *vm.Input) *trace.Trace {
	t.Helper()
	var rec vm.Recording
	var out vm.Output
	c.Before()
	it.RunRecorded(in, &out, &rec)
	return c.Compile(&rec, len(in.Data), out.Err).Trace
}

// Whatever bit of a trace's code is changed, what would run then isn't the trace. The
// bits that aren't found change nothing that could be: where a jump leads that a
// constant never takes, the upper half of a number that has none.
func TestReadBackTraces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n, ready, traces := &corrupted{}, &corrupted{}, 0
	one := func(name string, s *vm.State, tr *trace.Trace, step int) {
		if tr == nil {
			return
		}
		w := &work{sets: 8}
		x, text, err := compileTrace(w, s, 5, tr, nil, traces%4 == 3)
		if errors.Is(err, ErrReadBack) {
			t.Fatalf("%s: %v\n%s", name, err, trace.Format(tr, nil))
		}
		if err != nil {
			return
		}
		traces++
		read := func(text []byte) error {
			for seed := range uint64(8) {
				if err := w.back.trace(&w.c, x, text, nil, seed); err != nil {
					return err
				}
			}
			return nil
		}
		if x.batch != x.counts {
			w.gaps.seen = nil
			ready.flips(r, text, int(x.batch), len(text), 3*step, func(text []byte) error { return w.gaps.prelude(x, text) })
		}
		missed := n.flips(r, text, int(x.place[0]), int(x.place[len(tr.Code)]), step, read)
		if testing.Verbose() {
			for _, m := range missed {
				pc := 0
				for pc+1 < len(x.place) && int(x.place[pc+1]) <= m/8 {
					pc++
				}
				var in readback.Inst
				at := int(x.place[pc])
				for at <= m/8 {
					w.back.m.Scan(text, at, &in)
					if at+int(in.Len) > m/8 {
						break
					}
					at += int(in.Len)
				}
				t.Logf("%s: missed bit %d of byte %d (% x, byte %d of it): %s", name, m%8, m/8, text[at:at+int(in.Len)], m/8-at, ebpf.Printer{}.Code(tr.Code[pc:pc+1]))
			}
		}
	}
	for seed := range uint64(30) {
		c := progen.Generate(seed, progen.Options{V4: true, Latched: seed%2 == 0})
		s, it, comp := recorder(t, c.Object, c.Entry)
		for i, data := range c.Packets(3, seed) {
			one("random", s, traceOf(t, s, it, comp, &vm.Input{Data: data, IfIndex: 1, TimeNS: uint64(i) * 1000}), 7)
		}
		s.Close()
	}
	records := fullRing(t)
	s, it, comp := recorder(t, records, records.Programs[0])
	one("records", s, traceOf(t, s, it, comp, &vm.Input{Data: make([]byte, 60), IfIndex: 1}), 2)
	s.Close()
	for _, p := range programs.All() {
		sample := hosttest.Sample(t, p.Name)
		s, it, comp := recorder(t, sample.Obj, sample.Entry)
		if err := sample.Prepare(s); err != nil {
			t.Fatal(err)
		}
		seen := 0
		_ = hosttest.Each(hosttest.Capture(t, "zoo.pcap.gz"), 400, func(in *vm.Input) error {
			if seen++; seen%50 == 0 {
				one(p.Name, s, traceOf(t, s, it, comp, in), 29)
			}
			return nil
		})
		s.Close()
	}
	t.Logf("%d traces, %d of %d changed bits found; %d of %d of what makes packets ready", traces, n.found, n.tried, ready.found, ready.tried)
	if ready.tried < 500 || ready.found < ready.tried*80/100 {
		t.Errorf("%d of %d changed bits found in what makes packets ready", ready.found, ready.tried)
	}
	if traces < 60 || n.found < n.tried*90/100 {
		t.Errorf("%d traces, %d of %d changed bits found", traces, n.found, n.tried)
	}
}

// fullRing is a program whose record finds no room in a ring buffer.
func fullRing(t testing.TB) *loader.Object {
	t.Helper()
	code, err := ebpf.Parser{MapIndex: func(string) (int, bool) { return 0, true }}.Code(
		"r1 = map[m]; r2 = 4080; r3 = 0; call ringbuf_reserve; if r0 == 0 goto +2; r1 = r0; r2 = 0; " +
			"r6 = 1; *(u64 *)(r10 -8) = r6; r1 = map[m]; r2 = r10; r2 += -8; r3 = 8; r4 = 0; call ringbuf_output; r0 = 1; exit")
	if err != nil {
		t.Fatal(err)
	}
	ring := &maps.Spec{Name: "m", Type: cebpf.RingBuf, Max: 4096}
	return &loader.Object{File: "t", Programs: []*loader.Program{{Name: "t", Insns: code, Maps: []*maps.Spec{ring}}}, Maps: []*maps.Spec{ring}}
}

func recorder(t testing.TB, obj *loader.Object, entry *loader.Program) (*vm.State, *vm.Interp, *pathcond.Compiler) {
	t.Helper()
	s, err := vm.NewState(obj, vm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	it, err := vm.NewInterp(s, obj, entry)
	if err != nil {
		t.Fatal(err)
	}
	return s, it, pathcond.NewCompiler(s, obj)
}

// Likewise of programs.
func TestReadBackPrograms(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	n := &corrupted{}
	for seed := range uint64(12) {
		c := progen.Generate(seed, progen.Options{V4: true, Latched: seed%2 == 0})
		s, err := vm.NewState(c.Object, vm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := new(work)
		u, comp, err := compileProgram(w, s, c.Entry, true, nests(c.Entry.Insns))
		if err != nil {
			t.Fatal(err)
		}
		missed := n.flips(r, u.code, int(u.place[0]), int(u.place[len(c.Entry.Insns)]), 13, func(text []byte) error {
			bad := *u
			bad.code = text
			for seed := range uint64(programSets) {
				if err := w.back.program(comp, &bad, seed); err != nil {
					return err
				}
			}
			return nil
		})
		if testing.Verbose() {
			for _, m := range missed {
				pc := 0
				for pc+1 < len(u.place) && int(u.place[pc+1]) <= m/8 {
					pc++
				}
				t.Logf("missed bit %d of byte %d: %d: %s", m%8, m/8-int(u.place[pc]), pc, ebpf.Printer{}.Code(c.Entry.Insns[pc:pc+1]))
			}
		}
		s.Close()
	}
	t.Logf("%d of %d changed bits found", n.found, n.tried)
	if n.found < n.tried*86/100 {
		t.Errorf("%d of %d changed bits found", n.found, n.tried)
	}
}

// What looks keys up in a map, with one bit changed, finds another value, or none,
// or leaves other registers behind; or runs into what it may not touch.
func TestReadBackLookups(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	n := &corrupted{}
	var specs []*maps.Spec
	for _, typ := range []cebpf.MapType{cebpf.Hash, cebpf.LRUHash, cebpf.PerCPUHash} {
		for _, key := range []uint32{3, 4, 8, 12, 16, 37} {
			specs = append(specs, &maps.Spec{Name: "m", Type: typ, KeySize: key, ValueSize: 13, Max: 24})
		}
	}
	for _, key := range []uint32{8, 12} {
		specs = append(specs, &maps.Spec{Name: "m", Type: cebpf.LPMTrie, KeySize: key, ValueSize: 13, Max: 24, Flags: maps.FlagNoPrealloc})
	}
	for _, spec := range specs {
		code, err := ebpf.Parser{MapIndex: func(string) (int, bool) { return 0, true }}.Code("r1 = map[m]; r2 = r10; r2 += -64; call map_lookup_elem; r0 = 1; exit")
		if err != nil {
			t.Fatal(err)
		}
		obj := &loader.Object{File: "t", Programs: []*loader.Program{{Name: "t", Insns: code, Maps: []*maps.Spec{spec}}}, Maps: []*maps.Spec{spec}}
		s, err := vm.NewState(obj, vm.Options{CPUs: 2})
		if err != nil {
			t.Fatal(err)
		}
		for i := range byte(16) {
			key := make([]byte, spec.KeySize)
			if key[len(key)-1] = i; spec.Type == cebpf.LPMTrie {
				key[0], key[4], key[5] = 8+i, 10, i
			}
			if e := s.Maps[0].Update(key, make([]byte, 13), 0, 0); e != 0 {
				t.Fatal(e)
			}
		}
		w := &work{}
		_, text, err := compileTrace(w, s, 0, &trace.Trace{Code: code}, nil, false)
		if err != nil {
			t.Fatalf("%v, keys of %d bytes: %v", spec.Type, spec.KeySize, err)
		}
		c := &w.c
		missed := n.flips(r, text, c.Offset(c.lookup[0]), len(text), 3, func(text []byte) error {
			w.back.text = text
			return w.back.subroutine(0, c.Offset(c.lookup[0]))
		})
		if testing.Verbose() {
			for _, m := range missed {
				t.Logf("%v, keys of %d bytes: missed bit %d of byte %d", spec.Type, spec.KeySize, m%8, m/8)
			}
		}
		s.Close()
	}
	t.Logf("%d of %d changed bits found", n.found, n.tried)
	least := 82
	if runtime.GOARCH == "arm64" { // more bits of its instructions stand for what comes to the same
		least = 79
	}
	if n.tried < 1000 || n.found < n.tried*least/100 {
		t.Errorf("%d of %d changed bits found", n.found, n.tried)
	}
}

// Likewise of guard trees: of all their code.
func TestReadBackTrees(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	n, nodes, looks, exacts := &corrupted{}, 0, 0, 0
	one := func(name string, s *vm.State, g *tree.Tree, step int) {
		b, err := asm.New(runtime.GOARCH)
		if err != nil {
			t.Skip(err)
		}
		made, tc, err := compileTree(b, s, g)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		w := &work{sets: 8}
		if err := w.readTree(tc, made); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		nodes, exacts = nodes+len(tc.marks), exacts+len(tc.exacts)
		for _, m := range tc.marks {
			for i := range g.Node(m.node).Code {
				if in := &g.Node(m.node).Code[i]; in.Op == tree.OpLookup {
					looks++
				}
			}
		}
		text := made.text
		bad := append([]byte(nil), text...)
		made.text = bad
		for at := r.IntN(step); at < len(bad); at += step {
			bit := r.IntN(8)
			bad[at] ^= 1 << bit
			n.tried++
			if err := w.readTree(tc, made); err != nil {
				n.found++
			} else if testing.Verbose() {
				t.Logf("%s: missed bit %d of byte %d (% x)", name, bit, at, text[max(at-4, 0):min(at+6, len(text))])
			}
			bad[at] ^= 1 << bit
		}
	}
	grow := func(name string, obj *loader.Object, entry *loader.Program, prepare func(*vm.State) error, step int, next func(func(in *vm.Input) error)) {
		s, it, comp := recorder(t, obj, entry)
		defer s.Close()
		if prepare != nil {
			if err := prepare(s); err != nil {
				t.Fatal(err)
			}
		}
		g := tree.New(comp.B, &pathcond.Env{S: s, Versions: comp.Versions})
		id := int32(0)
		next(func(in *vm.Input) error {
			var rec vm.Recording
			var out vm.Output
			if err := s.Begin(in); err != nil || g.Match() >= 0 {
				return nil
			}
			comp.Before()
			it.RunRecorded(in, &out, &rec)
			if p := comp.Compile(&rec, len(in.Data), out.Err); p.Abort == nil && g.Insert(p, id) == nil {
				id++
			}
			return nil
		})
		if g.Nodes() > 0 {
			one(name, s, g, step)
		}
	}
	for seed := range uint64(25) {
		c := progen.Generate(seed, progen.Options{V4: true, Latched: seed%2 == 0, Answers: seed%5 == 0})
		grow("random", c.Object, c.Entry, nil, 5, func(f func(in *vm.Input) error) {
			for i, data := range c.Packets(20, seed) {
				_ = f(&vm.Input{Data: data, IfIndex: 1, TimeNS: uint64(i) * 1000, Packet: uint64(i)})
			}
		})
	}
	for _, p := range programs.All() {
		sample := hosttest.Sample(t, p.Name)
		grow(p.Name, sample.Obj, sample.Entry, sample.Prepare, 97, func(f func(in *vm.Input) error) {
			_ = hosttest.Each(hosttest.Capture(t, "zoo.pcap.gz"), 400, f)
		})
	}
	records := fullRing(t)
	grow("records", records, records.Programs[0], nil, 2, func(f func(in *vm.Input) error) {
		_ = f(&vm.Input{Data: make([]byte, 60), IfIndex: 1})
	})
	f := newForest(t)
	for id := range 200 {
		f.path(t, id, 3000)
	}
	one("fields", f.s, f.t, 11)
	t.Logf("%d nodes, %d look-ups, %d look-ups of fields; %d of %d changed bits found", nodes, looks, exacts, n.found, n.tried)
	if looks < 50 || exacts == 0 {
		t.Error("not all kinds of code were met")
	}
	least := 92
	if runtime.GOARCH == "arm64" { // more bits of its instructions stand for what comes to the same
		least = 85
	}
	if n.tried < 500 || n.found < n.tried*least/100 {
		t.Errorf("%d of %d changed bits found", n.found, n.tried)
	}
}
