package superopt_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"jitnic/host/diff"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/hosttest/progen"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/superopt"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

const telnet = `
		r2 = *(u32 *)(r1 +0)           # data
		r3 = *(u32 *)(r1 +4)           # data_end
		r0 = 2                         # XDP_PASS
		r4 = r2
		r4 += 38
		if r4 > r3 goto +16
		r5 = *(u8 *)(r2 +12)
		r6 = *(u8 *)(r2 +13)
		r6 <<= 8
		r6 |= r5
		if r6 != 8 goto +11            # IPv4
		r5 = *(u8 *)(r2 +14)
		if r5 != 0x45 goto +9          # without options
		r5 &= 15
		r5 <<= 2
		*(u16 *)(r2 +0) = r5           # 20, as the path says
		r5 = *(u16 *)(r2 +36)
		r1 = map[dropped] +0
		r7 = 1
		lock *(u64 *)(r1 +0) += r7
		r0 = 1                         # XDP_DROP
		exit
		exit`

// The condition of a path pays: what it fixes folds away.
func TestTraceCondition(t *testing.T) {
	counter := &maps.Spec{Name: "dropped", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 1}
	code, err := ebpf.Parser{MapIndex: func(name string) (int, bool) { return 0, name == "dropped" }}.Code(telnet)
	must.OK(t, err)
	p := &loader.Program{Name: "telnet", Insns: code, Maps: []*maps.Spec{counter}}
	obj := &loader.Object{File: "test", Programs: []*loader.Program{p}, Maps: p.Maps}
	packet := make([]byte, 54)
	copy(packet[12:], []byte{0x08, 0x00, 0x45})
	path, c, s := record(t, obj, packet)
	defer s.Close()
	if path.Abort != nil {
		t.Fatal(path.Abort)
	}
	with, rw, err := superopt.OptimizeTrace(context.Background(), path, c, nil, false)
	must.OK(t, err)
	_, ro, err := superopt.OptimizeTrace(context.Background(), path, c, nil, true)
	must.OK(t, err)
	t.Logf("trace of %d: with the condition %d (%s), without %d (%s)\n%s", rw.Before, rw.After, rw.Whole, ro.After, ro.Whole, rw.Prog)
	if rw.After >= ro.After || !rw.Whole.Proved() {
		t.Errorf("the condition does not pay: %d with, %d without", rw.After, ro.After)
	}
	runBoth(t, obj, path.Trace, with, [][]byte{packet})
}

func record(t *testing.T, obj *loader.Object, packet []byte) (*pathcond.Path, *pathcond.Compiler, *vm.State) {
	t.Helper()
	s := must.Get(vm.NewState(obj, vm.Options{}))(t)
	it := must.Get(vm.NewInterp(s, obj, obj.Programs[0]))(t)
	c := pathcond.NewCompiler(s, obj)
	var rec vm.Recording
	var out vm.Output
	c.Before()
	it.RunRecorded(&vm.Input{Data: packet}, &out, &rec)
	return c.Compile(&rec, len(packet), out.Err), c, s
}

// runBoth runs two traces as programs on packets that satisfy the condition
// and compares what comes out.
func runBoth(t *testing.T, obj *loader.Object, a, b *trace.Trace, packets [][]byte) {
	t.Helper()
	run := func(code []ebpf.Insn, data []byte) vm.Output {
		p := &loader.Program{Name: "trace", Insns: code, Maps: obj.Maps}
		o := &loader.Object{File: "trace", Programs: []*loader.Program{p}, Maps: obj.Maps}
		s := must.Get(vm.NewState(o, vm.Options{}))(t)
		defer s.Close()
		it := must.Get(vm.NewInterp(s, o, p))(t)
		var out vm.Output
		it.Run(&vm.Input{Data: data}, &out)
		out.Data = append([]byte(nil), out.Data...)
		return out
	}
	for _, pkt := range packets {
		x, y := run(a.Code, pkt), run(b.Code, pkt)
		if x.Verdict != y.Verdict || string(x.Data) != string(y.Data) || (x.Err == nil) != (y.Err == nil) {
			t.Fatalf("original: verdict %d %x %v\noptimised: %d %x %v", x.Verdict, x.Data, x.Err, y.Verdict, y.Data, y.Err)
		}
	}
}

// Random programs, optimised whole, do what they did: verdict and packet, on
// random packets, in the interpreter.
func TestRandomPrograms(t *testing.T) {
	first, seeds := uint64(1), 8
	if n, err := strconv.Atoi(os.Getenv("SUPEROPT_SEEDS")); err == nil { // a longer run: seeds 1000 to 1000+n
		first, seeds = 1000, n
	}
	shrunk := 0
	for seed := first; seed < first+uint64(seeds); seed++ {
		cs := progen.Generate(seed, progen.Options{Answers: seed >= 1900, OwnOrder: seed >= 1950})
		obj := cs.Object
		p0 := obj.Programs[0]
		g, err := superopt.FromSlots(p0.Name, superopt.KindXDP, p0.Insns, obj.Maps)
		must.OKf(t, err, "seed %d", seed)
		r, err := superopt.Optimize(context.Background(), g, &superopt.Options{Seed: seed, Proposals: 2000})
		must.OKf(t, err, "seed %d", seed)
		if r.Whole.Refuted() {
			t.Errorf("seed %d: %s", seed, r.Whole)
		}
		if r.After < r.Before {
			shrunk++
		}
		slots, err := r.Prog.ToSlots()
		must.OKf(t, err, "seed %d", seed)
		q := *p0
		q.Insns = slots
		progs := append([]*loader.Program{&q}, obj.Programs[1:]...)
		rng := rand.New(rand.NewPCG(seed, 5))
		sa, ia := machine(t, obj, p0)
		sb, ib := machine(t, &loader.Object{File: obj.File, Programs: progs, Maps: obj.Maps}, &q)
		for k := 0; k < 200; k++ {
			data := make([]byte, 14+rng.IntN(120))
			for i := range data {
				data[i] = byte(rng.Uint32())
				if rng.IntN(2) == 0 {
					data[i] = byte(rng.IntN(4))
				}
			}
			in := vm.Input{Data: data, Packet: uint64(k), TimeNS: uint64(k) * 1000}
			var x, y vm.Output
			ia.Run(&in, &x)
			ib.Run(&in, &y)
			if x.Verdict != y.Verdict || string(x.Data) != string(y.Data) || (x.Err == nil) != (y.Err == nil) {
				t.Fatalf("seed %d packet %d: verdict %d %x %v\nnow %d %x %v\n%s\n%s", seed, k, x.Verdict, x.Data, x.Err, y.Verdict, y.Data, y.Err, superopt.Diff(g, r.Prog), r.Prog)
			}
		}
		if d := diff.Maps(sa.Maps, sb.Maps); d != nil {
			t.Errorf("seed %d: maps: %v", seed, d)
		}
		sa.Close()
		sb.Close()
	}
	t.Logf("%d of %d programs got shorter", shrunk, seeds)
}

func machine(t *testing.T, obj *loader.Object, p *loader.Program) (*vm.State, *vm.Interp) {
	t.Helper()
	s := must.Get(vm.NewState(obj, vm.Options{}))(t)
	it := must.Get(vm.NewInterp(s, obj, p))(t)
	return s, it
}
