package maps

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// kernelCPUs is the kernel's NR_CPUS.
func kernelCPUs(t testing.TB) int {
	b, err := os.ReadFile("/sys/devices/system/cpu/kernel_max")
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	n := 0
	fmt.Sscan(string(b), &n)
	return n + 1
}

// What the kernel's creation refuses, ours refuses, with the same errno.
func TestKernelCreate(t *testing.T) {
	needKernel(t)
	types := []ebpf.MapType{
		ebpf.Array, ebpf.PerCPUArray, ebpf.Hash, ebpf.PerCPUHash, ebpf.LRUHash, ebpf.LRUCPUHash, ebpf.LPMTrie,
		ebpf.ProgramArray, ebpf.DevMap, ebpf.DevMapHash, ebpf.CPUMap, ebpf.XSKMap, ebpf.PerfEventArray,
		ebpf.RingBuf, ebpf.Queue, ebpf.Stack, ebpf.BloomFilter, ebpf.ArrayOfMaps, ebpf.HashOfMaps,
	}
	sizes := []uint32{0, 1, 3, 4, 5, 8, 256, 260, 261}
	values := []uint32{0, 1, 4, 8, 32768, 32769, 1 << 22}
	maxes := []uint32{0, 1, 2, 3, 4096, 8192}
	flags := []uint32{0, 0, 0, 1, 1, 2, 8, 16, 1 << 6, 1 << 7, 1 << 8, 3 << 7, 1 << 10, 1 << 11, 1 << 12, 1 << 20}
	r := rand.New(rand.NewPCG(9, 9))
	inner := &Spec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, Max: 1}
	kinner := must.Get(ebpf.NewMap(kernelSpec(inner)))(t)
	defer kinner.Close()
	agreed, made := 0, 0
	for range 4000 {
		s := &Spec{Type: types[r.IntN(len(types))], KeySize: sizes[r.IntN(len(sizes))],
			ValueSize: values[r.IntN(len(values))], Max: maxes[r.IntN(len(maxes))], Flags: flags[r.IntN(len(flags))]}
		if r.IntN(2) == 0 {
			s.KeySize = 4
		}
		if r.IntN(2) == 0 {
			s.ValueSize = 4
		}
		if s.Type == ebpf.RingBuf || s.Type == ebpf.Queue || s.Type == ebpf.Stack || s.Type == ebpf.BloomFilter {
			s.KeySize *= uint32(r.IntN(2))
		}
		if uint64(s.ValueSize)*uint64(s.Max) > 1<<26 {
			continue // memory
		}
		fd := 0
		if s.Type == ebpf.ArrayOfMaps || s.Type == ebpf.HashOfMaps {
			s.Inner = inner
			fd = kinner.FD()
		}
		if s.Type == ebpf.CPUMap && int(s.Max) > kernelCPUs(t) {
			continue // its NR_CPUS is smaller than a distribution's
		}
		got := OK
		if err := Check(s); err != nil {
			got = err.(*CreateError).Errno
		}
		if want := bpfMapCreate(s, fd); got != want {
			t.Errorf("%v key %d value %d max %d flags %#x: %v, the kernel's %v", s.Type, s.KeySize, s.ValueSize, s.Max, s.Flags, got, want)
		}
		agreed++
		if got == OK {
			made++
		}
	}
	t.Logf("%d specs, %d of them good", agreed, made)
}

func TestKernelRing(t *testing.T) {
	cpus := needKernel(t)
	s := &Spec{Name: "ring", Type: ebpf.RingBuf, Max: 4096}
	k := newKmap(t, s)
	m := makeMap(t, s, cpus).(Ring)
	// 0 op │ 8 result │ 16 what │ 24 answer │ 32 record
	const record = 104
	ins := asm.Instructions{
		asm.LoadMem(asm.R7, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R8, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, 32+record),
		asm.JGT.Reg(asm.R2, asm.R8, "out"),
		asm.LoadMem(asm.R9, asm.R7, 0, asm.Word),
	}
	for i := int16(0); i < record; i += 8 { // the helper doesn't read packets
		ins = append(ins, asm.LoadMem(asm.R1, asm.R7, 32+i, asm.DWord), asm.StoreMem(asm.RFP, i-record, asm.R1, asm.DWord))
	}
	ins = append(ins,
		asm.LoadMapPtr(asm.R1, k.FD()),
		asm.JNE.Imm(asm.R9, 0, "reserve"),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -record),
		asm.Mov.Imm(asm.R3, record),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnRingbufOutput.Call(),
		asm.StoreMem(asm.R7, 8, asm.R0, asm.DWord),
		asm.Ja.Label("query"),
		asm.Mov.Imm(asm.R2, 300).WithSymbol("reserve"),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(),
		asm.JEq.Imm(asm.R0, 0, "full"),
		asm.Mov.Imm(asm.R5, 1),
		asm.StoreMem(asm.R7, 8, asm.R5, asm.DWord),
		asm.Mov.Imm(asm.R5, 7),
		asm.StoreMem(asm.R0, 0, asm.R5, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R0),
		asm.Mov.Imm(asm.R2, 0),
		asm.JEq.Imm(asm.R9, 1, "submit"),
		asm.FnRingbufDiscard.Call(),
		asm.Ja.Label("query"),
		asm.FnRingbufSubmit.Call().WithSymbol("submit"),
		asm.Ja.Label("query"),
		asm.Mov.Imm(asm.R5, 0).WithSymbol("full"),
		asm.StoreMem(asm.R7, 8, asm.R5, asm.DWord),
		asm.LoadMapPtr(asm.R1, k.FD()).WithSymbol("query"),
		asm.LoadMem(asm.R2, asm.R7, 16, asm.DWord),
		asm.FnRingbufQuery.Call(),
		asm.StoreMem(asm.R7, 24, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R0, 2).WithSymbol("out"),
		asm.Return(),
	)
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, Instructions: ins, License: "GPL"})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer p.Close()
	rd, err := ringbuf.NewReader(k.Map)
	must.OK(t, err)
	defer rd.Close()
	r := rand.New(rand.NewPCG(11, 11))
	var kept [][]byte
	discarded := false // the last record; the kernel's reader waits before such
	for i := range 3000 {
		in := make([]byte, 32+record)
		op := uint32(r.IntN(3))
		what := uint64(r.IntN(5))
		binary.LittleEndian.PutUint32(in, op)
		binary.LittleEndian.PutUint64(in[16:], what)
		for j := range record {
			in[32+j] = byte(i + j)
		}
		out := make([]byte, len(in))
		opts := &ebpf.RunOptions{Data: in, DataOut: out, Repeat: 1}
		for {
			if _, err = p.Run(opts); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		must.OK(t, err)
		out = opts.DataOut
		var got int64
		if op == 0 {
			got = -int64(m.Output(in[32:], 0))
		} else if addr := m.Reserve(300, 0); addr != 0 {
			b := m.(*ring).bytesAt(addr, 300)
			binary.LittleEndian.PutUint64(b, 7)
			m.Commit(addr, op == 2)
			got = 1
		}
		if got == 0 && op == 0 || got == 1 {
			discarded = op == 2
		}
		if want := int64(binary.LittleEndian.Uint64(out[8:])); got != want {
			t.Fatalf("operation %d: op %d: %d, the kernel's %d", i, op, got, want)
		}
		if got, want := m.Query(what), binary.LittleEndian.Uint64(out[24:]); got != want {
			t.Fatalf("operation %d: query %d: %d, the kernel's %d", i, what, got, want)
		}
		if !discarded && r.IntN(12) == 0 {
			kept = kept[:0]
			m.Read(func(b []byte) { kept = append(kept, bytes.Clone(b)) })
			for j, b := range kept {
				rec := must.Get(rd.Read())(t)
				n := len(b)
				if n == 300 {
					n = 8 // the rest is what was there before
				}
				if len(rec.RawSample) != len(b) || !bytes.Equal(rec.RawSample[:n], b[:n]) {
					t.Fatalf("operation %d: record %d: %x, the kernel's %x", i, j, b, rec.RawSample)
				}
			}
		}
	}
	if st := m.Stats(); st.Records == 0 || st.Drops == 0 {
		t.Fatalf("nothing was tried: %+v", st)
	}
}

// A pointer to a value goes on showing the value it was taken from when the
// key is updated, until the element is used again.
func TestKernelOldValue(t *testing.T) {
	for _, s := range []*Spec{
		{Type: ebpf.Hash, KeySize: 4, ValueSize: 8, Max: 4},
		{Type: ebpf.Hash, KeySize: 4, ValueSize: 8, Max: 4, Flags: FlagNoPrealloc},
		{Type: ebpf.LRUHash, KeySize: 4, ValueSize: 8, Max: 400},
		{Type: ebpf.PerCPUHash, KeySize: 4, ValueSize: 8, Max: 4},
		{Type: ebpf.Array, KeySize: 4, ValueSize: 8, Max: 4},
		{Type: ebpf.LPMTrie, KeySize: 8, ValueSize: 8, Max: 4, Flags: FlagNoPrealloc},
	} {
		t.Run(fmt.Sprintf("%v/%#x", s.Type, s.Flags), func(t *testing.T) {
			cpus := needKernel(t)
			k := newKmap(t, s)
			m := makeMap(t, s, cpus)
			// p = lookup(k); update(k, 2); a = *p; update(k, 3); b = *p;
			// update(k, 4); c = *p; delete(k); d = *p
			ins := asm.Instructions{
				asm.LoadMem(asm.R7, asm.R1, 0, asm.Word),
				asm.LoadMem(asm.R8, asm.R1, 4, asm.Word),
				asm.Mov.Reg(asm.R2, asm.R7),
				asm.Add.Imm(asm.R2, 64),
				asm.JGT.Reg(asm.R2, asm.R8, "out"),
				asm.Mov.Imm(asm.R5, 0),
				asm.StoreMem(asm.RFP, -8, asm.R5, asm.DWord),
				asm.LoadMapPtr(asm.R1, k.FD()),
				asm.Mov.Reg(asm.R2, asm.RFP),
				asm.Add.Imm(asm.R2, -8),
				asm.FnMapLookupElem.Call(),
				asm.JEq.Imm(asm.R0, 0, "out"),
				asm.Mov.Reg(asm.R9, asm.R0),
			}
			call := func(fn asm.BuiltinFunc, v int32, at int16) {
				ins = append(ins,
					asm.Mov.Imm(asm.R5, v),
					asm.StoreMem(asm.RFP, -16, asm.R5, asm.DWord),
					asm.LoadMapPtr(asm.R1, k.FD()),
					asm.Mov.Reg(asm.R2, asm.RFP),
					asm.Add.Imm(asm.R2, -8),
					asm.Mov.Reg(asm.R3, asm.RFP),
					asm.Add.Imm(asm.R3, -16),
					asm.Mov.Imm(asm.R4, 0),
					fn.Call(),
					asm.LoadMem(asm.R1, asm.R9, 0, asm.DWord),
					asm.StoreMem(asm.R7, at, asm.R1, asm.DWord),
				)
			}
			call(asm.FnMapUpdateElem, 2, 0)
			call(asm.FnMapUpdateElem, 3, 8)
			call(asm.FnMapUpdateElem, 4, 16)
			call(asm.FnMapDeleteElem, 0, 24)
			call(asm.FnMapUpdateElem, 5, 32)
			ins = append(ins, asm.Mov.Imm(asm.R0, 2).WithSymbol("out"), asm.Return())
			p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, Instructions: ins, License: "GPL"})
			if err != nil {
				t.Fatalf("%+v", err)
			}
			defer p.Close()
			key, one := make([]byte, s.KeySize), binary.LittleEndian.AppendUint64(nil, 1)
			if IsPerCPU(s) {
				vals := make([][]byte, cpus)
				for c := range vals {
					vals[c] = one
				}
				err = k.Put(key, vals)
			} else {
				err = k.Put(key, one)
			}
			must.OK(t, err)
			m.Update(key, one, Any, 0)
			opts := &ebpf.RunOptions{Data: make([]byte, 64), DataOut: make([]byte, 64), Repeat: 1}
			for {
				if _, err = p.Run(opts); !errors.Is(err, unix.EINTR) {
					break
				}
			}
			must.OK(t, err)
			addr := m.Lookup(key, 0)
			var got [5]uint64
			for i := range got {
				if i == 3 {
					m.Delete(key)
				} else {
					m.Update(key, binary.LittleEndian.AppendUint64(nil, uint64([]int{2, 3, 4, 0, 5}[i])), Any, 0)
				}
				got[i] = binary.LittleEndian.Uint64(m.(interface{ bytesAt(uint64, int) []byte }).bytesAt(addr, 8))
			}
			var want [5]uint64
			for i := range want {
				want[i] = binary.LittleEndian.Uint64(opts.DataOut[8*i:])
			}
			if got != want {
				t.Fatalf("the old pointer shows %v, the kernel's %v", got, want)
			}
			t.Logf("the old pointer shows %v", got)
		})
	}
}
