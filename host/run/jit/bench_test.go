package jit

import (
	"encoding/binary"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/programs"
	"jitnic/host/vm"

	cebpf "github.com/cilium/ebpf"
)

// held is a capture in memory, so that a benchmark of the device doesn't time
// the reader.
func held(b testing.TB, file string, limit int) (pkts [][]byte, times []uint64) {
	b.Helper()
	for in := range hosttest.Packets(b, file, uint64(limit)) {
		pkts = append(pkts, append([]byte(nil), in.Data...))
		times = append(times, in.TimeNS)
	}
	return pkts, times
}

// BenchmarkPacket is the cost of one packet of echo-connections, from the
// packet in memory to the verdict: by the interpreter, and by the device when
// every path is installed.
func BenchmarkPacket(b *testing.B) {
	pkts, times := held(b, hosttest.Capture(b, "echo-connections.pcap.gz"), 0)
	for _, s := range programs.All() {
		p := hosttest.Sample(b, s.Name)
		obj, e := p.Obj, p.Entry
		b.Run(s.Name+"/interpreter", func(b *testing.B) {
			st, err := vm.NewState(obj, vm.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer st.Close()
			it, err := vm.NewInterp(st, obj, e)
			if err != nil {
				b.Fatal(err)
			}
			var out vm.Output
			in := new(vm.Input)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				k := i % len(pkts)
				*in = vm.Input{Data: pkts[k], TimeNS: times[k], IfIndex: 1, Packet: uint64(i)}
				it.Run(in, &out)
			}
			report(b)
		})
		b.Run(s.Name+"/nic", func(b *testing.B) {
			r, err := New(obj, e, Options{Cache: cache.Config{Policy: "lru", Entries: 4096}})
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			var out vm.Output
			in := new(vm.Input)
			step := func(i int) {
				k := i % len(pkts)
				*in = vm.Input{Data: pkts[k], TimeNS: times[k], IfIndex: 1, Packet: uint64(i)}
				if _, err := r.Process(in, &out); err != nil {
					b.Fatal(err)
				}
			}
			for i := range pkts {
				step(i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				step(i)
			}
			report(b)
		})
	}
}

func report(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
}

// oneLookup is a program of 60 executed instructions, nearly all of which a
// trace keeps: it hashes the TCP ports and addresses into a key, looks the flow
// up, and mixes fields into a counter it stores.
const oneLookup = `
	r6 = *(u32 *)(r1 +0)
	r7 = *(u32 *)(r1 +4)
	r2 = r6
	r2 += 54
	r0 = 2
	if r2 > r7 goto +60
	r3 = *(u16 *)(r6 +12)
	if r3 != 8 goto +58
	r3 = *(u8 *)(r6 +23)
	if r3 != 6 goto +56
	r4 = *(u32 *)(r6 +26)
	r5 = *(u32 *)(r6 +30)
	r8 = *(u16 *)(r6 +34)
	r9 = *(u16 *)(r6 +36)
	r8 <<= 16
	r8 |= r9
	r9 = r4
	r9 ^= r5
	r9 *= 73244475
	r2 = r9
	r2 >>= 16
	r9 ^= r2
	w9 &= 65535
	*(u32 *)(r10 -16) = r4
	*(u32 *)(r10 -12) = r5
	*(u32 *)(r10 -8) = r8
	*(u32 *)(r10 -4) = r9
	r2 = r10
	r2 += -16
	r1 = map[#0]
	call map_lookup_elem#1
	if r0 == 0 goto +32
	r1 = *(u64 *)(r0 +0)
	r1 += 1
	*(u64 *)(r0 +0) = r1
	r2 = *(u16 *)(r6 +16)
	r2 = be16 r2
	r3 = *(u64 *)(r0 +8)
	r3 += r2
	*(u64 *)(r0 +8) = r3
	r4 = *(u8 *)(r6 +22)
	r4 <<= 8
	r5 = *(u8 *)(r6 +47)
	r4 |= r5
	r4 ^= r3
	r4 += r9
	r5 = r4
	r5 >>= 7
	r4 ^= r5
	r4 += r1
	r5 = r4
	r5 <<= 3
	r4 ^= r5
	w4 += w8
	r5 = r4
	r5 >>= 11
	r4 ^= r5
	r4 &= 1048575
	*(u64 *)(r0 +16) = r4
	r0 = 1
	exit
	r0 = 2
	exit
	r0 = 2
	exit`

// BenchmarkOneLookup is the measure: packets a second of a program of
// 60 instructions with one look-up, on echo-connections, every packet a hit.
func BenchmarkOneLookup(b *testing.B) {
	pkts, times := held(b, hosttest.Capture(b, "echo-connections.pcap.gz"), 0)
	insns, err := ebpf.Parser{}.Code(strings.ReplaceAll(oneLookup, "\n\t", "\n"))
	if err != nil {
		b.Fatal(err)
	}
	flows := &maps.Spec{Name: "flows", Type: cebpf.Hash, KeySize: 16, ValueSize: 24, Max: 4096}
	e := &loader.Program{Name: "one", Insns: insns, Maps: []*maps.Spec{flows}}
	obj := &loader.Object{File: "one", Programs: []*loader.Program{e}, Maps: []*maps.Spec{flows}}
	fill := func(s *vm.State) error {
		for _, p := range pkts { // every flow is known, so every packet takes the long path
			if len(p) < 54 {
				continue
			}
			le := binary.LittleEndian
			src, dst := le.Uint32(p[26:]), le.Uint32(p[30:])
			h := uint64(src^dst) * 73244475
			h = (h ^ h>>16) & 65535
			var key [16]byte
			le.PutUint32(key[0:], src)
			le.PutUint32(key[4:], dst)
			le.PutUint32(key[8:], uint32(le.Uint16(p[34:]))<<16|uint32(le.Uint16(p[36:])))
			le.PutUint32(key[12:], uint32(h))
			s.Maps[0].Update(key[:], make([]byte, 24), 0, 0)
		}
		return nil
	}
	r, err := New(obj, e, Options{Prepare: fill})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var out vm.Output
	in := new(vm.Input)
	step := func(i int) {
		k := i % len(pkts)
		*in = vm.Input{Data: pkts[k], TimeNS: times[k], IfIndex: 1, Packet: uint64(i)}
		if _, err := r.Process(in, &out); err != nil {
			b.Fatal(err)
		}
	}
	for i := range pkts {
		step(i)
	}
	long := r.Paths()[0]
	for _, p := range r.Paths() {
		if p.Packets > long.Packets {
			long = p
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		step(i)
	}
	report(b)
	b.ReportMetric(float64(long.Path.Trace.Raw), "insns/path")
	b.ReportMetric(float64(long.Trace.Len()), "insns/trace")
}
