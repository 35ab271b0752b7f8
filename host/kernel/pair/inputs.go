package pair

import (
	"math/rand/v2"

	"jitnic/host/kernel"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

// runnable are the types that BPF_PROG_TEST_RUN takes with a packet.
var runnable = map[cilium.ProgramType]bool{
	cilium.XDP: true, cilium.SchedCLS: true, cilium.SchedACT: true, cilium.SocketFilter: true,
	cilium.CGroupSKB: true, cilium.LWTIn: true, cilium.LWTOut: true, cilium.LWTXmit: true,
}

// flat are types that the kernel doesn't run on request, but whose programs
// often load as raw tracepoint programs too, which it does run.
var flat = map[cilium.ProgramType]bool{cilium.TracePoint: true, cilium.Kprobe: true, cilium.PerfEvent: true}

// Packet draws an Ethernet frame that gets past the usual checks: IPv4 or
// IPv6, TCP, UDP or ICMP, sometimes VLAN tags, sometimes cut short.
func Packet(rng *rand.Rand) []byte {
	b := make([]byte, 14+rng.IntN(200))
	for i := range b {
		b[i] = byte(rng.Uint32())
		if rng.IntN(3) == 0 {
			b[i] = byte(rng.IntN(4))
		}
	}
	set := func(i int, vs ...byte) {
		for k, v := range vs {
			if i+k < len(b) {
				b[i+k] = v
			}
		}
	}
	at := 12
	for range rng.IntN(3) {
		tag := [2]byte{0x81, 0x00}
		if rng.IntN(2) == 0 {
			tag = [2]byte{0x88, 0xa8}
		}
		set(at, tag[:]...)
		at += 4
	}
	proto := []byte{6, 17, 1, 58, 4}[rng.IntN(5)]
	switch rng.IntN(4) {
	case 0, 1:
		set(at, 0x08, 0x00, 0x45)
		set(at+8, 0, 0, 64, proto)
	case 2:
		set(at, 0x86, 0xdd, 0x60)
		set(at+8, proto, 64)
	}
	return b
}

// tracingArgs is how many numbers a raw tracepoint's context holds
// (MAX_BPF_FUNC_ARGS, include/linux/bpf.h).
const tracingArgs = 12

// arguments draws a tracing program's context: mostly small numbers.
func arguments(rng *rand.Rand) []uint64 {
	out := make([]uint64, tracingArgs)
	half := func() uint64 {
		v := rng.Uint32()
		switch rng.IntN(4) {
		case 0:
			v &= 7
		case 1:
			v &= 63
		case 2:
			v = -v & 7
		}
		return uint64(v)
	}
	for i := range out {
		out[i] = half() | half()<<32
	}
	return out
}

// fill puts the same entries into all sets of maps. What the first doesn't take,
// read-only data for one, isn't put into the others.
func fill(rng *rand.Rand, a *kernel.Maps, others ...*kernel.Maps) {
	for i := range a.Len() {
		s := a.Map(i).Spec
		for n := range 8 {
			key, value := entry(rng, s, n, a.Map(i).ValueLen())
			if value == nil {
				break
			}
			if a.Map(i).Update(key, value, 0) != nil {
				continue
			}
			for _, b := range others {
				_ = b.Map(i).Update(key, value, 0) // the maps are compared in the end
			}
		}
	}
}

// entry draws the n-th entry for a map, nil where its type takes none of ours.
func entry(rng *rand.Rand, s *maps.Spec, n, size int) (key, value []byte) {
	key = make([]byte, s.KeySize)
	if len(key) > 0 {
		key[0] = byte(n)
	}
	value = make([]byte, size)
	switch s.Type {
	case cilium.Hash, cilium.Array, cilium.LRUHash, cilium.PerCPUArray, cilium.PerCPUHash, cilium.LRUCPUHash, cilium.Queue, cilium.Stack, cilium.BloomFilter:
	case cilium.LPMTrie: // prefixes of 0 to 7 bits
		for k := 4; k < len(key); k++ {
			key[k] = byte(rng.Uint32())
		}
	case cilium.DevMap, cilium.DevMapHash:
		value[0] = 1 // the loopback device
		return key, value
	case cilium.CPUMap:
		if n > 0 {
			return nil, nil
		}
		value[0] = 192 // frames queued
		return key, value
	default:
		return nil, nil
	}
	small := rng.IntN(2) == 0 // words that are keys of other maps
	for k := range value {
		value[k] = byte(rng.Uint32())
		if small {
			value[k] &= 7
			if k%4 != 0 {
				value[k] = 0
			}
		}
	}
	return key, value
}
