package maps

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/perf"
	"golang.org/x/sys/unix"
)

// Maps whose values are file descriptors to the kernel: 0 stands for a bad
// one on both sides, anything else for the program or map at hand.
func TestKernelDescriptors(t *testing.T) {
	inner := &Spec{Name: "inner", Type: ebpf.Array, KeySize: 4, ValueSize: 4, Max: 2}
	other := &Spec{Name: "other", Type: ebpf.Array, KeySize: 4, ValueSize: 4, Max: 3}
	for _, s := range []*Spec{
		{Name: "progs", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, Max: 3},
		{Name: "array", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, Max: 3, Inner: inner},
		{Name: "hash", Type: ebpf.HashOfMaps, KeySize: 5, ValueSize: 4, Max: 3, Inner: inner},
		{Name: "lazy", Type: ebpf.HashOfMaps, KeySize: 4, ValueSize: 4, Max: 3, Inner: inner, Flags: FlagNoPrealloc},
	} {
		t.Run(s.Name, func(t *testing.T) {
			needKernel(t)
			k := newKmap(t, s)
			m := makeMap(t, s, 2)
			p := must.Get(ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL",
				Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}}))(t)
			defer p.Close()
			fits := must.Get(ebpf.NewMap(kernelSpec(inner)))(t)
			defer fits.Close()
			wrong := must.Get(ebpf.NewMap(kernelSpec(other)))(t)
			defer wrong.Close()
			r := rand.New(rand.NewPCG(8, uint64(s.Type)))
			for i := range 400 {
				key := keyFor(s, r.Uint32N(6))
				flags := uint64(r.IntN(4))
				what := fmt.Sprintf("operation %d, key %x", i, key)
				if r.IntN(4) == 0 {
					if got, want := m.Delete(key), errnoOf(t, k.Delete(key)); got != want {
						t.Fatalf("%s: delete: %v, the kernel's %v", what, got, want)
					}
					continue
				}
				if r.IntN(6) == 0 {
					got := m.Update(key, make([]byte, 4), flags, 0)
					if want := errnoOf(t, bpfUpdate(k.FD(), key, 1<<30, flags)); got != want {
						t.Fatalf("%s: a bad descriptor, flags %#x: %v, the kernel's %v", what, flags, got, want)
					}
					continue
				}
				fd, spec := fits.FD(), inner
				if r.IntN(5) == 0 {
					fd, spec = wrong.FD(), other
				}
				var got Errno
				switch m := m.(type) {
				case Programs:
					fd = p.FD()
					if got = m.UpdateResult(key, flags, 0); got == OK {
						got = m.SetProgram(binary.LittleEndian.Uint32(key), 7)
					}
				case OfMaps:
					got = m.SetInner(key, 9, spec, flags)
				}
				if want := errnoOf(t, bpfUpdate(k.FD(), key, uint32(fd), flags)); got != want {
					t.Fatalf("%s: update %q, flags %#x: %v, the kernel's %v", what, spec.Name, flags, got, want)
				}
			}
			// The same keys are there.
			n := 0
			key := make([]byte, s.KeySize)
			var id uint32
			for it := k.Iterate(); it.Next(&key, &id); n++ {
				there := false
				switch m := m.(type) {
				case Programs:
					there = m.Program(binary.LittleEndian.Uint32(key)) == 7
				case OfMaps:
					there = m.Inner(key) == 9
				}
				if !there {
					t.Errorf("key %x: absent, there in the kernel's", key)
				}
			}
			if n != m.Len() {
				t.Errorf("%d entries, the kernel has %d", m.Len(), n)
			}
		})
	}
}

func TestKernelPerfEvents(t *testing.T) {
	cpus := needKernel(t)
	if cpus < 2 {
		t.Skip("skipped: one cpu")
	}
	s := &Spec{Name: "events", Type: ebpf.PerfEventArray, KeySize: 4, ValueSize: 4, Max: uint32(cpus)}
	k := newKmap(t, s)
	m := makeMap(t, s, cpus).(Events)
	// 0 flags │ 8 result │ 16 data
	ins := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R7, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R8, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, 64),
		asm.JGT.Reg(asm.R2, asm.R8, "out"),
		asm.LoadMem(asm.R1, asm.R7, 16, asm.DWord),
		asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.LoadMapPtr(asm.R2, k.FD()),
		asm.LoadMem(asm.R3, asm.R7, 0, asm.DWord),
		asm.Mov.Reg(asm.R4, asm.RFP),
		asm.Add.Imm(asm.R4, -8),
		asm.Mov.Imm(asm.R5, 8),
		asm.FnPerfEventOutput.Call(),
		asm.StoreMem(asm.R7, 8, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R0, 2).WithSymbol("out"),
		asm.Return(),
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, Instructions: ins, License: "GPL"})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer p.Close()
	got := map[string]int{}
	m.OnRecord(func(cpu int, own, packet []byte) { got[fmt.Sprintf("%d %x %d", cpu, own, len(packet))]++ })
	sent := 0
	round := func(what string) {
		for i := range 60 {
			cpu := i % cpus
			onCPU(t, cpu)
			in := make([]byte, 64)
			index := []uint64{0xffffffff, 0, 1, uint64(cpus), 99}[i%5]
			binary.LittleEndian.PutUint64(in, index|uint64(i%3*20)<<32)
			in[16] = byte(i)
			opts := &ebpf.RunOptions{Data: in, DataOut: make([]byte, 128), Repeat: 1}
			for {
				if _, err = p.Run(opts); !errors.Is(err, unix.EINTR) {
					break
				}
			}
			must.OK(t, err)
			errno := m.Output(index, cpu, in[16:24], in[:i%3*20])
			if errno == OK {
				sent++
			}
			if want := int64(binary.LittleEndian.Uint64(opts.DataOut[8:])); -int64(errno) != want {
				t.Fatalf("%s: output %d on cpu %d to %#x: %v, the kernel's %v", what, i, cpu, index, errno, Errno(-want))
			}
		}
	}
	round("nobody listens")
	rd, err := perf.NewReader(k.Map, 4096)
	if err != nil {
		t.Skipf("skipped: no perf events: %v", err)
	}
	defer rd.Close()
	for c := range uint32(cpus) {
		m.Update(key32(c), []byte{1, 0, 0, 0}, Any, 0)
	}
	round("all listen")
	for range sent {
		rec := must.Get(rd.Read())(t)
		// The kernel pads a record to 8 bytes less its u32 length; what it
		// holds begins as ours does.
		hit := false
		for _, n := range []int{0, 20, 40} {
			key := fmt.Sprintf("%d %x %d", rec.CPU, rec.RawSample[:8], n)
			if got[key] > 0 && len(rec.RawSample) >= 8+n && len(rec.RawSample) < 8+n+8 {
				got[key]--
				hit = true
				break
			}
		}
		if !hit {
			t.Fatalf("the kernel's record %x of cpu %d is not among ours", rec.RawSample, rec.CPU)
		}
	}
	if st := m.Stats(); st.Records != uint64(sent) || st.Drops == 0 {
		t.Errorf("%+v, %d were sent", st, sent)
	}
}

func key32(i uint32) []byte { return binary.LittleEndian.AppendUint32(nil, i) }

// A cache-like run: how LRU maps of real sizes evict. Exact, so that hit
// ratios of programs with LRU maps are the kernel's.
func TestKernelLRUZipf(t *testing.T) {
	for _, c := range []struct{ max, keys, ops, flags uint32 }{
		{5000, 20000, 40000, 0}, {5000, 20000, 40000, FlagNoCommonLRU}, {64, 1000, 20000, 0},
	} {
		t.Run(fmt.Sprintf("%d/%#x", c.max, c.flags), func(t *testing.T) {
			cpus := needKernel(t)
			s := &Spec{Name: "flows", Type: ebpf.LRUHash, KeySize: 4, ValueSize: 8, Max: c.max, Flags: c.flags}
			k := newKmap(t, s)
			k.opProgram()
			m := makeMap(t, s, cpus)
			r := rand.New(rand.NewPCG(1, uint64(c.max)))
			z := rand.NewZipf(r, 1.1, 8, uint64(c.keys))
			hits := 0
			for i := range c.ops {
				key := key32(uint32(z.Uint64()))
				got := m.Lookup(key, 0)
				want, _ := k.do(opLookup, 0, key, make([]byte, 8), 0)
				if (got != 0) != (want == 1) {
					t.Fatalf("operation %d: key %x: %#x, the kernel found %d", i, key, got, want)
				}
				if got != 0 {
					hits++
					continue
				}
				if e := m.Update(key, make([]byte, 8), Any, 0); e != OK {
					t.Fatal(e)
				}
				if e, _ := k.do(opUpdate, 0, key, make([]byte, 8), 0); e != 0 {
					t.Fatal(Errno(-e))
				}
			}
			k.compare(m, "at the end")
			t.Logf("%d operations, %d hits, %d entries, the same ones in the kernel", c.ops, hits, m.Len())
		})
	}
}
