package calibrate

import (
	"errors"
	"fmt"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/kernel"
	"jitnic/host/maps"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

// wholePrograms times the sample programs whole, each on a packet of its own,
// and puts beside that the sum of the parts: floor, instructions, look-ups,
// helpers, calls and atomics as measured by themselves. It is how far a model
// that adds up such figures, as nic/device does, can be trusted on this machine.
func wholePrograms(b *bench) error {
	all, err := samples(b.ctx, 16, b.opt.Seed)
	if err != nil {
		return err
	}
	floor := b.study.Find("floor", "xdp_drop")
	mix := b.study.Find("insn", "mix")
	for _, s := range all {
		b.progress("sample programs: " + s.name)
		f, rec, err := b.whole(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		b.close()
		if rec == nil {
			continue // it settles on no path
		}
		lookups := 0
		for _, c := range rec.Calls {
			if c.Helper == ebpf.FnMapLookupElem {
				lookups++
			}
		}
		f.Note = fmt.Sprintf("%d instructions, %d look-ups, %d other helpers", len(rec.Steps), lookups, len(rec.Calls)-lookups)
		if floor != nil && mix != nil {
			f.Parts = round3(floor.Value + b.study.parts(s, rec) + mix.Value*float64(len(rec.Steps)))
			if walks(s, rec) {
				f.Note += "; its LPM trie is smaller than those measured"
			}
		}
		b.note(f)
	}
	return nil
}

// whole times one sample in the kernel, its maps filled as in the VM, on the
// packet whose path has the most instructions in the state it settles in. The
// recording is of that path; nil where there is none.
func (b *bench) whole(s *sample) (Figure, *vm.Recording, error) {
	k, err := kernel.Load(s.obj, s.entry, kernel.Options{Plain: true})
	if err != nil {
		return Figure{}, nil, err
	}
	b.open = append(b.open, k.Maps, k)
	var best []byte
	var rec *vm.Recording
	for i, p := range s.packets {
		st, err := vm.NewState(s.obj, vm.Options{})
		if err != nil {
			return Figure{}, nil, err
		}
		err = s.prepare(st)
		if err == nil && i == 0 {
			err = copyMaps(st, k.Maps)
		}
		var r *vm.Recording
		if err == nil {
			r, err = settle(st, s, p)
		}
		st.Close()
		if err != nil {
			return Figure{}, nil, err
		}
		if r != nil && (rec == nil || len(r.Steps) > len(rec.Steps)) {
			best, rec = p, r
		}
	}
	if rec == nil {
		return Figure{}, nil, nil
	}
	with, err := b.restored("restored", k, s.entry.LoadFlags, best)
	if err != nil {
		return Figure{}, nil, err
	}
	nothing, err := kernel.LoadRaw(kernel.Raw{Name: "empty", Insns: code{mov(0, xdpDrop), exit()}, Type: cilium.XDP, Flags: s.entry.LoadFlags}, &kernel.Maps{}, kernel.Options{})
	if err != nil {
		return Figure{}, nil, err
	}
	b.open = append(b.open, nothing)
	without, err := b.restored("restored_empty", nothing, s.entry.LoadFlags, best)
	if err != nil {
		return Figure{}, nil, err
	}
	times, err := b.series(job{prog: with.prog, packet: best, before: with.reset}, job{prog: without.prog, packet: best, before: without.reset},
		job{prog: nothing, packet: best})
	if err != nil {
		return Figure{}, nil, err
	}
	// The restorer is taken off, and what an empty program takes by itself,
	// which was taken off with it, put back.
	whole := make([]float64, len(times[0]))
	for i := range whole {
		whole[i] = times[0][i] + times[2][i]
	}
	f := difference(whole, times[1], 1).half()
	f.Group, f.Name, f.Bytes = "program", s.name, len(best)
	return f, rec, nil
}

// settle runs a program on a packet, again and again, as a [restorer] has it,
// and returns the recording of the path that it stays on, nil where it doesn't:
// a rate limiter's, for one, depends on the time.
func settle(st *vm.State, s *sample, packet []byte) (*vm.Recording, error) {
	const runs, steady = 600, 64
	it, err := vm.NewInterp(st, s.obj, s.entry)
	if err != nil {
		return nil, err
	}
	in := vm.Input{Data: packet, IfIndex: 1}
	var out vm.Output
	var now, before vm.Recording
	same := 0
	for i := range runs {
		in.TimeNS = uint64(i) * 100
		it.RunRecorded(&in, &out, &now)
		if out.Err != nil {
			if errors.Is(out.Err, vm.ErrShort) || errors.Is(out.Err, vm.ErrLong) {
				return nil, nil
			}
			return nil, out.Err
		}
		if slices.EqualFunc(now.Steps, before.Steps, func(a, b vm.Step) bool { return a.Prog == b.Prog && a.PC == b.PC }) {
			same++
		} else {
			same = 0
		}
		now, before = before, now
	}
	if same < steady {
		return nil, nil
	}
	return &before, nil
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

// parts adds up what the calls and atomics of a run cost by themselves.
func (s *Study) parts(of *sample, rec *vm.Recording) float64 {
	sum := 0.0
	for _, c := range rec.Calls {
		var spec *maps.Spec
		if c.Map >= 0 && int(c.Map) < len(of.obj.Maps) {
			spec = of.obj.Maps[c.Map]
		}
		if miss := s.FindMap("change", "miss", kindOf(spec)); c.Helper == ebpf.FnMapLookupElem && c.Ret == 0 && miss != nil {
			sum += miss.Value
			continue
		}
		sum += s.call(c.Helper, spec)
	}
	for _, st := range rec.Steps {
		in := of.obj.Programs[st.Prog].Insns[st.PC]
		switch {
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal:
			sum += s.value("call", "local")
		case in.IsAtomic():
			sum += s.value("atomic", "add")
		}
	}
	return sum
}

// call is the figure of a helper call, on a map where it takes one.
func (s *Study) call(id int32, spec *maps.Spec) float64 {
	of := func(f *Figure) float64 {
		if f == nil {
			return 0
		}
		return f.Value
	}
	if spec != nil {
		name := kindOf(spec)
		switch id {
		case ebpf.FnMapLookupElem:
			return of(s.lookup(name))
		case ebpf.FnMapUpdateElem:
			return of(s.FindMap("type", "update", name))
		case ebpf.FnMapDeleteElem:
			return of(s.FindMap("change", "insert_delete", name)) / 2
		case ebpf.FnRingbufOutput:
			return of(s.FindMap("output", "output", "ringbuf"))
		case ebpf.FnMapPushElem, ebpf.FnMapPopElem:
			return of(s.FindMap("output", "push_pop", "queue")) / 2
		}
	}
	if id == ebpf.FnTailCall {
		return s.value("call", "tail")
	}
	if f := s.Find("helper", ebpf.HelperName(id)); f != nil {
		return f.Value
	}
	return of(s.helper())
}

// value is a figure's, 0 where it wasn't measured.
func (s *Study) value(group, name string) float64 {
	if f := s.Find(group, name); f != nil {
		return f.Value
	}
	return 0
}

// lookup is that of the smallest map measured: those of the samples are small.
func (s *Study) lookup(kind string) *Figure {
	if f := s.FindMap("map", "access", kind); f != nil {
		return f
	}
	return s.FindMap("type", "access", kind)
}

// kindOf names a map's type as figures do, "" where it isn't measured.
func kindOf(s *maps.Spec) string {
	if s != nil {
		for _, k := range kinds {
			if k.typ == s.Type {
				return k.name
			}
		}
	}
	return ""
}

// walks says whether a run walks an LPM trie, which takes as long as the
// prefixes that it holds make it.
func walks(of *sample, rec *vm.Recording) bool {
	for _, c := range rec.Calls {
		if c.Helper == ebpf.FnMapLookupElem && c.Map >= 0 && int(c.Map) < len(of.obj.Maps) && isTrie(of.obj.Maps[c.Map]) {
			return true
		}
	}
	return false
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
