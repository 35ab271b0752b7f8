package jit

import (
	"encoding/binary"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
	"jitnic/host/maps"
	"jitnic/host/vm"

	cebpf "github.com/cilium/ebpf"
)

// ipBytes has r2 point to 54 bytes of the packet from its IP header on, and r6 be the context.
const ipBytes = `
		r6 = r1
		r0 = 1
		r2 = *(u32 *)(r1 +0)
		r3 = *(u32 *)(r1 +4)
		r4 = r2
		r4 += 54
		if r4 > r3 goto out
		r2 += 14
`

// textMap is a map whose only value is a format, which no program writes.
func textMap(s string) *maps.Spec {
	v := append([]byte(s), 0)
	return &maps.Spec{Name: ".rodata", Type: cebpf.Array, KeySize: 4, ValueSize: uint32(len(v)), Max: 1, ReadOnly: true,
		Contents: []maps.Entry{{Key: make([]byte, 4), Value: v}}}
}

// What a helper answers decides the path, and the second packet of a kind hits.
func TestModelledHelperTraces(t *testing.T) {
	counts := &maps.Spec{Name: "counts", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 4}
	ring := &maps.Spec{Name: "ring", Type: cebpf.RingBuf, Max: 4096}
	for _, c := range []struct {
		name  string
		code  string
		specs []*maps.Spec
		paths int // at least so many hit; all but one packet of each path
		tag   vm.Tag
	}{
		{name: "syn cookie made and checked", code: ipBytes + `
			r1 = r2
			r2 += 20
			r3 = 20
			call tcp_raw_gen_syncookie_ipv4
			if r0 s< 0 goto out
			r7 = r0
			r8 = *(u32 *)(r6 +0)
			r7 = be32 r7
			*(u32 *)(r8 +42) = r7
			r1 = r8
			r1 += 14
			r2 = r8
			r2 += 34
			call tcp_raw_check_syncookie_ipv4
			if r0 == 0 goto out
			r0 = 2
		out:
			exit`, paths: 1},
		{name: "syn cookie of ipv6", code: ipBytes + `
			*(u64 *)(r10 -24) = 0
			*(u64 *)(r10 -16) = 0
			*(u64 *)(r10 -8) = 0
			r3 = *(u64 *)(r2 +0)
			*(u64 *)(r10 -24) = r3
			*(u8 *)(r10 -12) = 0x50
			r1 = r2
			r2 = r10
			r2 += -24
			r3 = 20
			call tcp_raw_gen_syncookie_ipv6
			r0 &= 1
		out:
			exit`, paths: 1},
		{name: "record by dynptr", specs: []*maps.Spec{ring}, code: ipBytes + `
			r7 = r2
			r1 = map[#0]
			r2 = 0
			call ringbuf_query
			if r0 > 3000 goto out
			r1 = map[#0]
			r2 = 16
			r3 = 0
			r4 = r10
			r4 += -16
			call ringbuf_reserve_dynptr
			r8 = r0
			r1 = r10
			r1 += -16
			r2 = 4
			r3 = r7
			r4 = 8
			r5 = 0
			call dynptr_write
			r9 = r0
			r1 = r10
			r1 += -16
			r2 = 8
			r3 = 8
			call dynptr_data
			if r0 == 0 goto drop
			*(u64 *)(r0 +0) = r9
			r1 = r10
			r1 += -16
			r2 = 0
			call ringbuf_submit_dynptr
			r0 = 2
			exit
		drop:
			r1 = r10
			r1 += -16
			r2 = 0
			call ringbuf_discard_dynptr
			r0 = 3
		out:
			exit`, paths: 1},
		{name: "printed numbers", specs: []*maps.Spec{counts, textMap("%d of %5llu|%x%c%%")}, code: ipBytes + `
			r3 = *(u8 *)(r2 +12)
			*(u64 *)(r10 -32) = r3
			r4 = *(u32 *)(r2 +24)
			*(u64 *)(r10 -24) = r4
			*(u64 *)(r10 -16) = r3
			*(u64 *)(r10 -8) = 65
			*(u64 *)(r10 -40) = 7
			*(u64 *)(r10 -48) = 7
			*(u32 *)(r10 -52) = 7
			r1 = r10
			r1 += -52
			r2 = 20
			r3 = map[#1] +0
			r4 = r10
			r4 += -32
			r5 = 32
			call snprintf
			r7 = r0
			r1 = map[#0] +0
			lock *(u64 *)(r1 +0) += r7
			r2 = *(u64 *)(r10 -48)
			lock *(u64 *)(r1 +0) += r2
			if r7 > 18 goto out
			r1 = map[#1] +0
			r2 = 19
			r3 = *(u64 *)(r10 -32)
			r4 = r3
			r5 = r3
			call trace_printk
			if r0 s< 0 goto out
			r0 = 3
		out:
			exit`, paths: 2},
		{name: "socket look-up", code: ipBytes + `
			r3 = *(u64 *)(r2 +12)
			*(u64 *)(r10 -16) = r3
			r3 = *(u32 *)(r2 +20)
			*(u32 *)(r10 -8) = r3
			r1 = r6
			r2 = r10
			r2 += -16
			r3 = 12
			r4 = -1
			r5 = 0
			call skc_lookup_tcp
			if r0 == 0 goto out
			r0 = 2
		out:
			exit`, paths: 1},
		{name: "vlan tag", code: ipBytes + `
			*(u32 *)(r10 -4) = 0
			r1 = r6
			r2 = r10
			r2 += -4
			r3 = r10
			r3 += -2
			kfunc bpf_xdp_metadata_rx_vlan_tag
			if r0 != 0 goto out
			r0 = *(u16 *)(r10 -4)
			r1 = *(u16 *)(r10 -2)
			r0 += r1
		out:
			exit`, paths: 1, tag: vm.Tag{Offload: true, Proto: 0x8100, TCI: 77}},
		{name: "no vlan tag", code: ipBytes + `
			r1 = r6
			r2 = r10
			r2 += -4
			r3 = r10
			r3 += -2
			kfunc bpf_xdp_metadata_rx_vlan_tag
			if r0 != 0 goto out
			r0 = 2
		out:
			exit`, paths: 1, tag: vm.Tag{Offload: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			obj := kernelProgram(t, c.code, c.specs...)
			r := must.Get(New(obj, obj.Programs[0], Options{Check: true, Cache: cache.Config{Policy: "lru", Entries: 64}, VM: vm.Options{Seed: 3}}))(t)
			defer r.Close()
			for i := range 40 {
				p := connPacket(byte(i*i), byte(i), byte(i*7), 9)
				binary.BigEndian.PutUint32(p[38:], uint32(i)*0x01010101)
				p[46] = 0x50
				in := vm.Input{Data: p, Packet: uint64(i), TimeNS: uint64(i) * 40e9, IfIndex: 1, Tag: c.tag}
				var out vm.Output
				if _, err := r.Process(&in, &out); err != nil {
					t.Fatalf("packet %d: %v", i, err)
				}
			}
			must.OK(t, r.CheckAll(t.Context()))
			hits, n := r.NIC.Cache.Stats().Outcome[cache.Hit], len(r.Paths())
			if len(r.Dead()) > 0 || n < c.paths || hits != uint64(40-n) || r.Faults > 0 {
				t.Errorf("%d hits on %d paths, %d without a trace, %d faults: %v", hits, n, len(r.Dead()), r.Faults, r.Aborts)
				for _, d := range r.Dead() {
					t.Error(d.Abort)
				}
			}
		})
	}
}
