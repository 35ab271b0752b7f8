package verify

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

// object makes an object of one program by its text.
func object(t testing.TB, text string, specs ...*maps.Spec) (*loader.Object, *loader.Program) {
	t.Helper()
	code := must.Get(ebpf.Parser{MapIndex: maps.Numbers(specs)}.Code(text))(t)
	p := &loader.Program{Name: "main", Section: "xdp", Type: cilium.XDP, Insns: code, Maps: specs, Funcs: []loader.Func{{Name: "main", End: len(code)}}}
	return &loader.Object{File: "test", Programs: []*loader.Program{p}, Maps: specs}, p
}

// count gives n packets of 60 bytes.
func count(n int) func(*vm.Input) error {
	i := 0
	return func(in *vm.Input) error {
		if i == n {
			return io.EOF
		}
		*in = vm.Input{Data: make([]byte, 60), TimeNS: uint64(1000 + i), IfIndex: 1, Packet: uint64(i)}
		i++
		return nil
	}
}

// everyType is a map of each type the kernel can be given entries of.
func everyType() []*maps.Spec {
	inner := &maps.Spec{Name: "inner", Type: cilium.Array, KeySize: 4, ValueSize: 4, Max: 2}
	return []*maps.Spec{
		{Name: "array", Type: cilium.Array, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "hash", Type: cilium.Hash, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "lru", Type: cilium.LRUHash, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "percpu", Type: cilium.PerCPUHash, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "percpuarray", Type: cilium.PerCPUArray, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "lpm", Type: cilium.LPMTrie, KeySize: 8, ValueSize: 4, Max: 4, Flags: maps.FlagNoPrealloc},
		{Name: "queue", Type: cilium.Queue, ValueSize: 4, Max: 4},
		{Name: "stack", Type: cilium.Stack, ValueSize: 4, Max: 4},
		{Name: "dev", Type: cilium.DevMap, KeySize: 4, ValueSize: 8, Max: 4},
		{Name: "cpu", Type: cilium.CPUMap, KeySize: 4, ValueSize: 4, Max: 4},
		inner,
		{Name: "outer", Type: cilium.ArrayOfMaps, KeySize: 4, ValueSize: 4, Max: 2, Inner: inner},
		{Name: "jumps", Type: cilium.ProgramArray, KeySize: 4, ValueSize: 4, Max: 2},
		{Name: "bloom", Type: cilium.BloomFilter, ValueSize: 4, Max: 4},
	}
}

func fill(s *vm.State, value byte) error {
	for _, m := range s.Maps {
		var e maps.Errno
		for i := range 2 {
			key := make([]byte, m.Spec().KeySize)
			if len(key) > 0 {
				key[0] = byte(i)
			}
			v := []byte{value + byte(i), 0, 0, 0, 0, 0, 0, 0}[:m.Spec().ValueSize]
			switch m := m.(type) {
			case maps.OfMaps:
				if i == 0 {
					e = m.SetInner(key, s.MapIndex("inner"), s.Maps[s.MapIndex("inner")].Spec(), 0)
				}
			case maps.Programs:
				if i == 0 {
					e = m.SetProgram(1, 0)
				}
			case maps.PerCPU:
				e = m.UpdateAll(key, bytesOf(value, maps.ValueStride(m.Spec())*s.Opt.CPUs), 0)
			default:
				if m.Spec().Type == cilium.DevMap {
					v[4] = 0
				}
				e = m.Update(key, v, 0, 0)
			}
			if e != 0 {
				return fmt.Errorf("map %q: %v", m.Spec().Name, e)
			}
		}
	}
	return nil
}

func bytesOf(b byte, n int) []byte {
	out := make([]byte, n)
	for i := 0; i < n; i += 8 {
		out[i] = b
	}
	return out
}

// TestTwin fills a map of each type and demands the same in the kernel; then
// changes each map behind the kernel's back and demands to be told.
func TestTwin(t *testing.T) {
	need(t)
	const pass = "r0 = 2; exit"
	obj, p := object(t, pass, everyType()...)
	rep, err := Run(t.Context(), obj, p, Options{Prepare: func(s *vm.State) error { return fill(s, 5) }}, count(3))
	if err != nil {
		t.Fatalf("%+v", err)
	}
	if rep.Mismatches != 0 || rep.Compared != 3 || rep.Maps != 9 || len(rep.Notes) != 1 {
		t.Errorf("%+v", rep)
	}
	for i, spec := range everyType() {
		switch spec.Type {
		case cilium.DevMap, cilium.CPUMap, cilium.ArrayOfMaps, cilium.ProgramArray, cilium.BloomFilter:
			continue
		}
		for _, pushed := range []bool{false, true} {
			opt := Options{
				Prepare: func(s *vm.State) error { return fill(s, 5) },
				Update: func(s *vm.State, in *vm.Input) (bool, error) {
					if in.Packet != 1 {
						return false, nil
					}
					m := s.Maps[i]
					var e maps.Errno
					switch m := m.(type) {
					case maps.Queue:
						e = m.PushElem([]byte{99, 0, 0, 0}, 0)
					case maps.PerCPU:
						e = m.UpdateAll(make([]byte, 4), bytesOf(99, maps.ValueStride(spec)*s.Opt.CPUs), 0)
					default:
						e = m.Update(make([]byte, spec.KeySize), []byte{99, 0, 0, 0}, 0, 0)
					}
					if e != 0 {
						return false, e
					}
					return pushed, nil
				},
			}
			obj, p := object(t, pass, everyType()...)
			rep, err := Run(t.Context(), obj, p, opt, count(3))
			if err != nil {
				t.Errorf("%s: %v", spec.Name, err)
				continue
			}
			if told := rep.Mismatches == 1 && strings.HasPrefix(rep.First, fmt.Sprintf("map %q: key", spec.Name)); told == pushed {
				t.Errorf("map %s, told the kernel: %v: %+v", spec.Name, pushed, rep)
			}
		}
	}
}

// TestDiffer runs programs that can't agree.
func TestDiffer(t *testing.T) {
	need(t)
	// The verdict is a map value that only the VM's map has.
	obj, p := object(t, `
		r1 = map[v] +0
		r0 = *(u32 *)(r1 +0)
		exit`, &maps.Spec{Name: "v", Type: cilium.Array, KeySize: 4, ValueSize: 4, Max: 1})
	update := func(s *vm.State, in *vm.Input) (bool, error) {
		if in.Packet == 2 {
			s.Maps[0].Update(make([]byte, 4), []byte{1, 0, 0, 0}, 0, 0)
		}
		return false, nil
	}
	rep, err := Run(t.Context(), obj, p, Options{Update: update}, count(4))
	must.OK(t, err)
	if rep.Mismatches != 3 || !strings.HasPrefix(rep.First, "packet 3: verdict") {
		t.Errorf("%+v", rep)
	}
	obj, p = object(t, "call ktime_get_ns; exit")
	rep, err = Run(t.Context(), obj, p, Options{}, count(4))
	if err != nil || rep.Mismatches != 0 || rep.Compared != 4 {
		t.Errorf("the latched clock: %+v, %v", rep, err)
	}
	obj, p = object(t, "call get_prandom_u32; exit")
	if rep, err = Run(t.Context(), obj, p, Options{Seed: 3}, count(4)); err != nil || rep.Mismatches != 0 || rep.Compared != 4 {
		t.Errorf("the latched draws: %+v, %v", rep, err)
	}
}

// TestSkips reaches each reason of Skipped but the routing table's.
func TestSkips(t *testing.T) {
	need(t)
	sizes := []int{10, 60, 3520 + 17*4096 + 1}
	i := 0
	obj, p := object(t, "r0 = 2; exit")
	rep, err := Run(t.Context(), obj, p, Options{}, func(in *vm.Input) error {
		if i == len(sizes) {
			return io.EOF
		}
		*in = vm.Input{Data: make([]byte, sizes[i]), IfIndex: 1, Packet: uint64(i)}
		i++
		return nil
	})
	if err != nil || rep.Compared != 1 || rep.Skipped[SkipShort] != 1 || rep.Skipped[SkipLong] != 1 || rep.Packets != 3 {
		t.Errorf("%+v, %v", rep, err)
	}
	// A helper that the kernel has and the VM hasn't, reached by half of the
	// packets.
	const getCurrentCgroupID = 80
	if vm.Supported(getCurrentCgroupID) {
		t.Skip("the VM has bpf_get_current_cgroup_id")
	}
	obj, p = object(t, fmt.Sprintf(`
		call ktime_get_ns
		r0 &= 1
		if r0 == 0 goto +1
		call %d
		r0 = 2
		exit`, getCurrentCgroupID))
	if rep, err = Run(t.Context(), obj, p, Options{}, count(4)); err != nil || rep.Compared != 2 || rep.Skipped[SkipUnsupported] != 2 {
		t.Errorf("%+v, %v", rep, err)
	}
}
