package maps

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"jitnic/host/hosttest/needbpf"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// The same random operations on a map of the running kernel and on ours.
// What programs may do, a program does (opProgram, run by BPF_PROG_TEST_RUN);
// what only the control plane may do is done through bpf(2).

// kmap is a map of the kernel's.
type kmap struct {
	*ebpf.Map
	t    testing.TB
	spec *Spec
	prog *ebpf.Program
}

func needKernel(t testing.TB) int {
	t.Helper()
	needbpf.Skip(t)
	n, err := ebpf.PossibleCPU()
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	// One thread, so that what runs on which CPU is ours to say; and no
	// preemption by signal, which would interrupt test runs.
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	onCPU(t, 0)
	t.Cleanup(func() {
		var all unix.CPUSet
		for c := range n {
			all.Set(c)
		}
		unix.SchedSetaffinity(0, &all)
	})
	return n
}

func onCPU(t testing.TB, cpu int) {
	t.Helper()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		t.Skipf("skipped: can't run on cpu %d: %v", cpu, err)
	}
}

func kernelSpec(s *Spec) *ebpf.MapSpec {
	ks := &ebpf.MapSpec{Type: s.Type, KeySize: s.KeySize, ValueSize: s.ValueSize, MaxEntries: s.Max, Flags: s.Flags}
	if s.Extra != 0 {
		ks.Extra = bytes.NewReader(nil)
	}
	if s.Inner != nil {
		ks.InnerMap = kernelSpec(s.Inner)
	}
	return ks
}

func newKmap(t testing.TB, s *Spec) *kmap {
	t.Helper()
	m, err := ebpf.NewMap(kernelSpec(s))
	if err != nil {
		t.Fatalf("%v: %v", s.Type, err)
	}
	t.Cleanup(func() { m.Close() })
	return &kmap{Map: m, t: t, spec: s}
}

// What opProgram is asked, at the start of its packet:
//
//	0 op │ 4 cpu │ 8 flags │ 16 result │ 24 key │ pad to 8 │ value
const (
	opLookup = iota
	opUpdate
	opDelete
	opLookupCPU
	opHead = 24
)

// opProgram loads a program that does one operation on the map.
func (k *kmap) opProgram() {
	s := k.spec
	valueAt := int16(opHead + round8(s.KeySize))
	total := int32(valueAt) + int32(s.ValueSize)
	ins := asm.Instructions{
		asm.LoadMem(asm.R7, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R8, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, total),
		asm.JGT.Reg(asm.R2, asm.R8, "out"),
		asm.LoadMem(asm.R9, asm.R7, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, k.FD()),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, opHead),
		asm.JEq.Imm(asm.R9, opUpdate, "update"),
		asm.JEq.Imm(asm.R9, opDelete, "delete"),
	}
	if IsPerCPU(s) {
		ins = append(ins, asm.JEq.Imm(asm.R9, opLookupCPU, "percpu"))
	}
	ins = append(ins,
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "none").WithSymbol("found"),
	)
	for i := int16(0); i < int16(s.ValueSize); i++ {
		ins = append(ins, asm.LoadMem(asm.R1, asm.R0, i, asm.Byte), asm.StoreMem(asm.R7, valueAt+i, asm.R1, asm.Byte))
	}
	ins = append(ins,
		asm.Mov.Imm(asm.R5, 1),
		asm.StoreMem(asm.R7, 16, asm.R5, asm.DWord),
		asm.Ja.Label("out"),
		asm.Mov.Imm(asm.R5, 0).WithSymbol("none"),
		asm.StoreMem(asm.R7, 16, asm.R5, asm.DWord),
		asm.Ja.Label("out"),
	)
	if IsPerCPU(s) {
		ins = append(ins,
			asm.LoadMem(asm.R3, asm.R7, 4, asm.Word).WithSymbol("percpu"),
			asm.FnMapLookupPercpuElem.Call(),
			asm.Ja.Label("found"),
		)
	}
	ins = append(ins,
		asm.Mov.Reg(asm.R3, asm.R7).WithSymbol("update"),
		asm.Add.Imm(asm.R3, int32(valueAt)),
		asm.LoadMem(asm.R4, asm.R7, 8, asm.DWord),
		asm.FnMapUpdateElem.Call(),
		asm.StoreMem(asm.R7, 16, asm.R0, asm.DWord),
		asm.Ja.Label("out"),
		asm.FnMapDeleteElem.Call().WithSymbol("delete"),
		asm.StoreMem(asm.R7, 16, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R0, 2).WithSymbol("out"),
		asm.Return(),
	)
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, Instructions: ins, License: "GPL"})
	if err != nil {
		k.t.Fatalf("%v: %+v", s.Type, err)
	}
	k.t.Cleanup(func() { p.Close() })
	k.prog = p
}

// do runs one operation in a program, on the CPU this thread is on: the result
// and, of a lookup that found something, the value.
func (k *kmap) do(op, cpu uint32, key, value []byte, flags uint64) (int64, []byte) {
	k.t.Helper()
	valueAt := opHead + int(round8(k.spec.KeySize))
	in := make([]byte, max(valueAt+len(value), 64))
	binary.LittleEndian.PutUint32(in, op)
	binary.LittleEndian.PutUint32(in[4:], cpu)
	binary.LittleEndian.PutUint64(in[8:], flags)
	copy(in[opHead:], key)
	copy(in[valueAt:], value)
	out := make([]byte, len(in)+64)
	for {
		opts := &ebpf.RunOptions{Data: in, DataOut: out, Repeat: 1}
		ret, err := k.prog.Run(opts)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || ret != 2 {
			k.t.Fatalf("test run: %d, %v", ret, err)
		}
		out = opts.DataOut
		break
	}
	return int64(binary.LittleEndian.Uint64(out[16:])), out[valueAt:][:len(value)]
}

// errnoOf is the errno of a bpf(2) call.
func errnoOf(t testing.TB, err error) Errno {
	t.Helper()
	if err == nil {
		return OK
	}
	var e syscall.Errno
	if errors.As(err, &e) {
		return Errno(e)
	}
	// cilium/ebpf replaces these two.
	switch {
	case errors.Is(err, ebpf.ErrKeyNotExist):
		return ENOENT
	case errors.Is(err, ebpf.ErrKeyExist):
		return EEXIST
	case errors.Is(err, ebpf.ErrNotSupported):
		return ENOTSUPP
	}
	t.Fatalf("no errno in %v", err)
	return 0
}

// dump is the kernel's map as key → value, per-CPU values in turn.
func (k *kmap) dump() map[string]string {
	k.t.Helper()
	n := int(k.spec.ValueSize)
	if IsPerCPU(k.spec) {
		c, _ := ebpf.PossibleCPU()
		n = ValueStride(k.spec) * c
	}
	out := map[string]string{}
	it := k.Iterate()
	key := make([]byte, k.spec.KeySize)
	if IsPerCPU(k.spec) {
		var vals [][]byte
		for it.Next(&key, &vals) {
			all := make([]byte, 0, n)
			for _, v := range vals {
				all = append(all, v...)
				all = append(all, make([]byte, ValueStride(k.spec)-len(v))...)
			}
			out[string(key)] = string(all)
		}
	} else {
		value := make([]byte, n)
		for it.Next(&key, &value) {
			out[string(key)] = string(value)
		}
	}
	if err := it.Err(); err != nil {
		k.t.Fatalf("dump: %v", err)
	}
	return out
}

// compare fails when ours holds anything else than the kernel's.
func (k *kmap) compare(m Map, what string) {
	k.t.Helper()
	want := k.dump()
	m.Range(func(key, value []byte) bool {
		w, ok := want[string(key)]
		if !ok {
			k.t.Fatalf("%s: key %x: %x, absent in the kernel's", what, key, value)
		}
		if w != string(value) {
			k.t.Fatalf("%s: key %x: %x, the kernel's %x", what, key, value, w)
		}
		delete(want, string(key))
		return true
	})
	for key, v := range want {
		k.t.Fatalf("%s: key %x: absent, the kernel's %x", what, key, v)
	}
}

// programTypes are the maps programs read and write.
func programTypes() []*Spec {
	s := func(t ebpf.MapType, ks, vs, n, flags uint32) *Spec {
		return &Spec{Name: t.String(), Type: t, KeySize: ks, ValueSize: vs, Max: n, Flags: flags}
	}
	return []*Spec{
		s(ebpf.Array, 4, 12, 8, 0), s(ebpf.PerCPUArray, 4, 12, 8, 0),
		s(ebpf.Hash, 4, 12, 8, 0), s(ebpf.Hash, 7, 3, 11, FlagNoPrealloc), s(ebpf.Hash, 16, 8, 100, 0),
		s(ebpf.PerCPUHash, 8, 5, 8, 0), s(ebpf.PerCPUHash, 16, 8, 8, FlagNoPrealloc),
		s(ebpf.LRUHash, 4, 8, 8, 0), s(ebpf.LRUHash, 4, 8, 1, 0), s(ebpf.LRUHash, 17, 8, 100, 0),
		s(ebpf.LRUHash, 4, 8, 1000, 0), s(ebpf.LRUHash, 4, 8, 21, FlagNoCommonLRU),
		s(ebpf.LRUHash, 4, 8, 300, FlagNoCommonLRU), s(ebpf.LRUCPUHash, 4, 8, 8, 0),
		s(ebpf.LRUCPUHash, 4, 5, 200, 0), s(ebpf.LRUCPUHash, 4, 8, 9, FlagNoCommonLRU),
		s(ebpf.LPMTrie, 8, 4, 8, FlagNoPrealloc), s(ebpf.LPMTrie, 8, 4, 200, FlagNoPrealloc),
		s(ebpf.LPMTrie, 20, 4, 50, FlagNoPrealloc), s(ebpf.LPMTrie, 7, 8, 50, FlagNoPrealloc),
	}
}

func TestKernelProgramOps(t *testing.T) {
	for _, s := range programTypes() {
		t.Run(fmt.Sprintf("%v/%d/%d/%#x", s.Type, s.KeySize, s.Max, s.Flags), func(t *testing.T) {
			cpus := needKernel(t)
			k := newKmap(t, s)
			k.opProgram()
			m := makeMap(t, s, cpus)
			seed := uint64(s.Max)<<8 | uint64(s.Type)
			r := rand.New(rand.NewPCG(seed, 1))
			t.Logf("seed %#x", seed)
			// More keys than the map holds, some asked for more often.
			keys := s.Max + s.Max/2 + 3
			n := 4000
			cpu := 0
			for i := range n {
				if r.IntN(40) == 0 {
					cpu = r.IntN(cpus)
					onCPU(t, cpu)
				}
				id := r.Uint32N(keys)
				if r.IntN(3) == 0 {
					id /= 4
				}
				key := keyFor(s, id)
				what := fmt.Sprintf("operation %d on cpu %d: key %x", i, cpu, key)
				switch op := r.IntN(10); {
				case op < 4:
					value := make([]byte, s.ValueSize)
					binary.LittleEndian.PutUint16(value, uint16(i))
					flags := []uint64{0, 0, 0, 1, 2, 3, 4, 5, 1 << 40}[r.IntN(9)]
					said := m.UpdateResult(key, flags, cpu)
					got := m.Update(key, value, flags, cpu)
					want, _ := k.do(opUpdate, 0, key, value, flags)
					if -int64(got) != want || said != got {
						t.Fatalf("%s: update %#x: %v (foretold %v), the kernel's %v", what, flags, got, said, Errno(-want))
					}
				case op < 5:
					got := m.Delete(key)
					want, _ := k.do(opDelete, 0, key, make([]byte, s.ValueSize), 0)
					if -int64(got) != want {
						t.Fatalf("%s: delete: %v, the kernel's %v", what, got, Errno(-want))
					}
				default:
					on, kop := cpu, uint32(opLookup)
					if IsPerCPU(s) && op == 9 {
						on, kop = r.IntN(cpus+1), opLookupCPU
					}
					got := m.Lookup(key, on)
					want, v := k.do(kop, uint32(on), key, make([]byte, s.ValueSize), 0)
					if (got != 0) != (want == 1) {
						t.Fatalf("%s: lookup: %#x, the kernel found %v", what, got, want)
					}
					if got != 0 {
						if g := entryBytes(m, got); !bytes.Equal(g, v) {
							t.Fatalf("%s: value %x, the kernel's %x", what, g, v)
						}
					}
				}
				if i%500 == 499 {
					k.compare(m, what)
				}
			}
			k.compare(m, "at the end")
		})
	}
}

func entryBytes(m Map, addr uint64) []byte {
	return m.(interface {
		bytesAt(addr uint64, n int) []byte
	}).bytesAt(addr, int(m.Spec().ValueSize))
}

// What a per-CPU map is given through bpf(2): every CPU's value at once.
func TestKernelUpdateAll(t *testing.T) {
	for _, s := range programTypes() {
		if !IsPerCPU(s) {
			continue
		}
		t.Run(fmt.Sprintf("%v/%d/%#x", s.Type, s.Max, s.Flags), func(t *testing.T) {
			cpus := needKernel(t)
			k := newKmap(t, s)
			m := makeMap(t, s, cpus).(PerCPU)
			r := rand.New(rand.NewPCG(7, uint64(s.Type)))
			for i := range 300 {
				key := keyFor(s, r.Uint32N(s.Max+4))
				flags := uint64(r.IntN(3))
				all := make([]byte, 0, 64)
				var vals [][]byte
				for range cpus {
					v := make([]byte, s.ValueSize)
					v[0], v[1] = byte(r.Uint32()), byte(i)
					vals = append(vals, v)
					all = append(all, v...)
					all = append(all, make([]byte, ValueStride(s)-len(v))...)
				}
				got := m.UpdateAll(key, all, flags)
				if want := errnoOf(t, k.Update(key, vals, ebpf.MapUpdateFlags(flags))); got != want {
					t.Fatalf("update %d of %x, %#x: %v, the kernel's %v", i, key, flags, got, want)
				}
			}
			k.compare(m, "at the end")
		})
	}
}

// Maps only the control plane writes.
func TestKernelControlPlane(t *testing.T) {
	s := func(t ebpf.MapType, ks, vs, n, flags uint32) *Spec {
		return &Spec{Name: t.String(), Type: t, KeySize: ks, ValueSize: vs, Max: n, Flags: flags}
	}
	for _, s := range []*Spec{
		s(ebpf.DevMap, 4, 4, 4, 0), s(ebpf.DevMap, 4, 8, 4, 0), s(ebpf.DevMapHash, 4, 4, 3, 0),
		s(ebpf.CPUMap, 4, 4, 2, 0), s(ebpf.CPUMap, 4, 8, 2, 0),
	} {
		t.Run(fmt.Sprintf("%v/%d", s.Type, s.ValueSize), func(t *testing.T) {
			cpus := needKernel(t)
			if cpus < 2 {
				t.Skip("skipped: one cpu")
			}
			k := newKmap(t, s)
			m := makeMap(t, s, cpus)
			r := rand.New(rand.NewPCG(3, uint64(s.Type)))
			for i := range 400 {
				key := keyFor(s, r.Uint32N(6))
				what := fmt.Sprintf("operation %d, key %x", i, key)
				if r.IntN(4) == 0 {
					if got, want := m.Delete(key), errnoOf(t, k.Delete(key)); got != want {
						t.Fatalf("%s: delete: %v, the kernel's %v", what, got, want)
					}
					continue
				}
				value := make([]byte, s.ValueSize)
				first := uint32(r.IntN(2)) // no interface, or lo
				if s.Type == ebpf.CPUMap {
					first = []uint32{0, 64, 192, 16384, 16385}[r.IntN(5)]
				}
				binary.LittleEndian.PutUint32(value, first)
				flags := uint64(r.IntN(4))
				got := m.Update(key, value, flags, 0)
				if want := errnoOf(t, k.Update(key, value, ebpf.MapUpdateFlags(flags))); got != want {
					t.Fatalf("%s: update %x %#x: %v, the kernel's %v", what, value, flags, got, want)
				}
			}
			k.compare(m, "at the end")
		})
	}
}

func TestKernelQueues(t *testing.T) {
	for _, s := range []*Spec{
		{Type: ebpf.Queue, ValueSize: 6, Max: 5}, {Type: ebpf.Stack, ValueSize: 8, Max: 5},
		{Type: ebpf.Queue, ValueSize: 1, Max: 1},
		{Type: ebpf.BloomFilter, ValueSize: 4, Max: 20, Flags: FlagZeroSeed},
		{Type: ebpf.BloomFilter, ValueSize: 8, Max: 30, Flags: FlagZeroSeed},
		{Type: ebpf.BloomFilter, ValueSize: 12, Max: 30, Flags: FlagZeroSeed},
		{Type: ebpf.BloomFilter, ValueSize: 13, Max: 30, Flags: FlagZeroSeed},
		{Type: ebpf.BloomFilter, ValueSize: 27, Max: 30, Flags: FlagZeroSeed},
	} {
		t.Run(fmt.Sprintf("%v/%d", s.Type, s.ValueSize), func(t *testing.T) {
			needKernel(t)
			k := newKmap(t, s)
			m := makeMap(t, s, 2).(Queue)
			r := rand.New(rand.NewPCG(5, uint64(s.ValueSize)))
			for i := range 1500 {
				v := make([]byte, s.ValueSize)
				for j := range v {
					v[j] = byte(r.Uint32())
					if s.Type == ebpf.BloomFilter && j > 0 {
						v[j] = byte(j)
					}
				}
				w := bytes.Clone(v)
				var got, want Errno
				var what string
				push := 2
				if s.Type == ebpf.BloomFilter && i > 60 {
					push = 0 // a filter of ones tells nothing
				}
				switch op := r.IntN(5); {
				case op < push:
					flags := []uint64{0, 0, 2, 1, 3, 4}[r.IntN(6)]
					what = fmt.Sprintf("push %#x", flags)
					got = m.PushElem(v, flags)
					want = errnoOf(t, k.Update(nil, w, ebpf.MapUpdateFlags(flags)))
				case op < 4 && s.Type != ebpf.BloomFilter:
					what = "pop"
					got = m.PopElem(v)
					want = errnoOf(t, k.LookupAndDelete(nil, &w))
				default:
					what = "peek"
					got = m.PeekElem(v)
					want = errnoOf(t, k.Lookup(nil, &w))
				}
				if got != want {
					t.Fatalf("operation %d: %s: %v, the kernel's %v", i, what, got, want)
				}
				if got == OK && !bytes.Equal(v, w) {
					t.Fatalf("operation %d: %s: %x, the kernel's %x", i, what, v, w)
				}
			}
		})
	}
}
