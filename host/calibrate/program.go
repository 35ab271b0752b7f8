package calibrate

import (
	"fmt"
	"slices"

	"jitnic/host"
	"jitnic/host/ebpf"
	"jitnic/host/kernel"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/trace"

	cilium "github.com/cilium/ebpf"
)

// programs times the sample programs whole, each on a packet of its own, and
// compares that with the sum of the parts: floor, look-ups and helpers as
// measured by themselves. What is left, over the executed instructions, is what
// an instruction costs in a real program, where caches, branches and the JIT's
// entry and exit have their share.
func programsWhole(b *bench) error {
	all, err := samples(16, b.opt.Seed)
	if err != nil {
		return err
	}
	floor := b.study.Find("floor", "xdp_drop")
	var perInsn []float64
	type whole struct {
		f    Figure
		raw  float64 // executed instructions
		rest float64 // ns but for the parts
	}
	var wholes []whole
	for _, s := range all {
		b.progress("sample programs: " + s.name)
		w, err := b.whole(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		b.close()
		if w == nil {
			continue // its paths are no traces: its instructions aren't known
		}
		parts := 0.0
		if floor != nil {
			parts = floor.Value
		}
		parts += b.calls(s, w.trace)
		x := whole{w.f, float64(w.trace.Raw), w.f.Value - parts}
		wholes = append(wholes, x)
		perInsn = append(perInsn, x.rest/x.raw)
	}
	if len(perInsn) == 0 || floor == nil || b.study.Find("type", "access") == nil {
		return nil // measured alone, without the parts: nothing to compare with
	}
	insn := of(perInsn)
	insn.Group, insn.Name = "program", "insn"
	insn.Note = fmt.Sprintf("an instruction in %d sample programs: time less floor, look-ups and helpers, by executed instructions; median", len(perInsn))
	for _, w := range wholes {
		sum := w.f.Value - w.rest + insn.Value*w.raw
		w.f.Note += fmt.Sprintf("; %.0f instructions; the parts measured add up to %.1f ns", w.raw, sum)
		b.note(w.f)
	}
	b.note(insn)
	return nil
}

type wholeRun struct {
	f     Figure
	trace *trace.Trace
}

// whole times one sample in the kernel, its maps filled as in the VM, on the
// packet whose path has the most instructions in the state it settles in.
func (b *bench) whole(s *sample) (*wholeRun, error) {
	o := host.ExploreOptions()
	o.Prepare = s.prepare
	r, err := host.New(s.obj, s.entry, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	k, err := kernel.Load(s.obj, s.entry, kernel.Options{Plain: true})
	if err != nil {
		return nil, err
	}
	b.open = append(b.open, k.Maps, k)
	if err := copyMaps(r.S, k.Maps); err != nil {
		return nil, err
	}
	var best []byte
	var path *trace.Trace
	for _, p := range s.packets {
		t, err := settle(r, p)
		if err != nil {
			return nil, err
		}
		if t != nil && (path == nil || t.Raw > path.Raw) {
			best, path = p, t
		}
	}
	if path == nil {
		return nil, nil
	}
	m := b.meter
	m.rounds = min(m.rounds, slowRounds)
	times, err := m.series(job{prog: k, packet: best})
	if err != nil {
		return nil, err
	}
	f := difference(times[0], nil, 1)
	f.Value, f.Median, f.Q1, f.Q3 = f.Value+0.5, f.Median+0.5, f.Q1+0.5, f.Q3+0.5 // whole ns, cut off
	f.Group, f.Name, f.Bytes, f.Note = "program", s.name, len(best), "whole sample program, harness included"
	return &wholeRun{f, path}, nil
}

// settle runs a program on a packet and then on what became of it, again and
// again, as BPF_PROG_TEST_RUN does, and returns the trace of the path that it
// stays on, nil where it
// doesn't. Time to live, for one, has
// run out after 255 hops.
func settle(r *host.Runtime, packet []byte) (*trace.Trace, error) {
	const runs, steady = 600, 64
	in := vm.Input{Data: slices.Clone(packet), IfIndex: 1}
	var out vm.Output
	var path nic.Path = nic.NoPath
	same := 0
	for i := range runs {
		in.TimeNS = uint64(i) * 100
		if _, err := r.Process(&in, &out); err != nil {
			return nil, err
		}
		if out.Err != nil {
			return nil, nil
		}
		if r.NIC.LastPath == path {
			same++
		} else {
			path, same = r.NIC.LastPath, 0
		}
		in.Data = append(in.Data[:0], out.Data...)
	}
	if same < steady || path < 0 || int(path) >= len(r.Paths()) {
		return nil, nil
	}
	return r.Paths()[path].Path.Trace, nil
}

// copyMaps puts what a state's maps hold into the kernel's.
func copyMaps(s *vm.State, ms *kernel.Maps) error {
	for i := range ms.Len() {
		spec := ms.Map(i).Spec
		if spec.ReadOnly || !kernel.Comparable(spec) {
			continue
		}
		var err error
		s.Maps[i].Range(func(key, value []byte) bool {
			err = ms.Map(i).Update(key, value, 0)
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// calls adds up what a trace's helper calls cost by themselves.
func (b *bench) calls(s *sample, t *trace.Trace) float64 {
	sum := 0.0
	m := -1 // map that r1 holds
	for pc := 0; pc < len(t.Code); pc++ {
		in := t.Code[pc]
		switch {
		case in.IsWide():
			if in.Src == ebpf.PseudoMapFD && in.Dst == 1 {
				m = int(in.Imm)
			}
			pc++
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper:
			var spec *maps.Spec
			if m >= 0 && m < len(s.obj.Maps) {
				spec = s.obj.Maps[m]
			}
			sum += b.study.cost(in.Imm, spec)
		}
	}
	return sum
}

// cost is the figure of a helper call, on a map where it takes one.
func (s *Study) cost(id int32, spec *maps.Spec) float64 {
	value := func(f *Figure) float64 {
		if f == nil {
			return 0
		}
		return f.Value
	}
	if spec != nil {
		name := kindName(spec.Type)
		switch id {
		case helperLookup:
			return value(s.FindMap("type", "access", name))
		case helperUpdate:
			return value(s.FindMap("type", "update", name))
		case helperDelete:
			return value(s.FindMap("map", "insert_delete", name)) / 2
		case helperRingOut:
			return value(s.FindMap("map", "output", "ringbuf"))
		case helperPush, helperPop:
			return value(s.FindMap("map", "push_pop", "queue")) / 2
		}
	}
	if f := s.Find("helper", ebpf.HelperName(id)); f != nil {
		return f.Value
	}
	return value(s.helper())
}

func kindName(t cilium.MapType) string {
	for _, k := range kinds {
		if k.typ == t {
			return k.name
		}
	}
	return ""
}

// helper is the middle one of the helpers that are real calls and touch no map.
func (s *Study) helper() *Figure {
	var xs []*Figure
	for _, n := range []string{"get_numa_node_id", "get_prandom_u32", "ktime_get_coarse_ns", "csum_diff", "ktime_get_ns"} {
		if f := s.Find("helper", n); f != nil {
			xs = append(xs, f)
		}
	}
	if len(xs) == 0 {
		return nil
	}
	return middle(xs)
}
