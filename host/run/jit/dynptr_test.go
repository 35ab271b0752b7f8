package jit

import (
	"testing"

	"jitnic/host/maps"
	"jitnic/host/vm"

	cebpf "github.com/cilium/ebpf"
)

// A packet's dynptr: its size, slices of it at an offset from the packet, an
// adjusted and a cloned one, reads and writes, and what fails.
func TestPacketDynptrTraces(t *testing.T) {
	obj := kernelProgram(t, `
		r6 = r1
		r7 = *(u32 *)(r1 +0)
		r3 = *(u32 *)(r1 +4)
		r4 = r7
		r4 += 14
		r0 = 0
		if r4 > r3 goto out
		r7 = *(u8 *)(r7 +0)
		r2 = 0
		r3 = r10
		r3 += -16
		kfunc bpf_dynptr_from_xdp
		r1 = r10
		r1 += -16
		kfunc bpf_dynptr_size
		r8 = r0
		r1 = r10
		r1 += -16
		r2 = 2
		r3 = 40
		kfunc bpf_dynptr_adjust
		r9 = r0
		r1 = r10
		r1 += -16
		r2 = r10
		r2 += -32
		kfunc bpf_dynptr_clone
		r1 = r10
		r1 += -32
		r2 = r7
		r3 = 0
		r4 = 4
		kfunc bpf_dynptr_slice_rdwr
		if r0 == 0 goto none
		r1 = *(u16 *)(r0 +0)
		r1 += r8
		*(u8 *)(r0 +2) = r1
		*(u64 *)(r10 -40) = 0
		r1 = r10
		r1 += -40
		r2 = 8
		r3 = r10
		r3 += -16
		r4 = r7
		r5 = 0
		call dynptr_read#201
		*(u64 *)(r10 -48) = r0
		r1 = r10
		r1 += -16
		r2 = 30
		r3 = r10
		r3 += -40
		r4 = 8
		r5 = 0
		call dynptr_write#202
		r1 = *(u64 *)(r10 -40)
		r0 = 1
		if r1 == 0 goto out
		r0 = 2
		if r9 == 0 goto out
	none:
		r0 = 3
	out:
		exit`)
	long := packet(3)
	for i := range long[1:] {
		long[1+i] = byte(i)
	}
	hits, r := drive(t, obj, Options{}, packet(0), packet(5), long, packet(36), packet(38), packet(37), packet(200), make([]byte, 15), make([]byte, 50))
	if hits < 9 || len(r.Dead()) > 0 {
		t.Errorf("%d hits, %d paths: %v", hits, len(r.Paths()), r.Aborts)
		for _, d := range r.Dead() {
			t.Log(d.Abort)
		}
	}
}

// The same on a value of a map, and a specialised run that writes it so.
func TestMapDynptrTraces(t *testing.T) {
	values := &maps.Spec{Name: "values", Type: cebpf.Array, KeySize: 4, ValueSize: 32, Max: 2}
	obj := kernelProgram(t, ethernet+`
		r6 = *(u8 *)(r6 +0)
		*(u32 *)(r10 -4) = 1
		r1 = map[#0]
		r2 = r10
		r2 += -4
		call map_lookup_elem
		if r0 == 0 goto out
		r7 = r0
		r8 = *(u8 *)(r0 +3)
		r1 = r7
		r2 = 32
		r3 = 0
		r4 = r10
		r4 += -24
		call dynptr_from_mem#197
		*(u64 *)(r10 -32) = r6
		r1 = r10
		r1 += -24
		r2 = r6
		r3 = r10
		r3 += -32
		r4 = 8
		r5 = 0
		call dynptr_write#202
		r9 = r0
		r1 = r10
		r1 += -24
		r2 = r6
		r3 = 4
		call dynptr_data#203
		if r0 == 0 goto none
		r1 = *(u8 *)(r0 +0)
		r1 += 1
		*(u8 *)(r0 +0) = r1
		r1 = r10
		r1 += -24
		kfunc bpf_dynptr_is_null
		if r0 != 0 goto none
		r1 = r10
		r1 += -24
		r2 = 0
		r3 = 0
		r4 = 1
		kfunc bpf_dynptr_slice
		if r0 == 0 goto none
		r0 = *(u8 *)(r0 +0)
		r0 = 1
		if r8 == 4 goto out
		r0 = 2
		if r9 == 0 goto out
	none:
		r0 = 3
	out:
		exit`, values)
	for _, specialise := range []bool{false, true} {
		hits, r := drive(t, obj, Options{Remedies: Remedies{Specialise: specialise}, VM: vm.Options{}}, packet(0), packet(3), packet(3), packet(24), packet(25), packet(28), packet(29), packet(250))
		if hits < 8 || len(r.Dead()) > 0 {
			t.Errorf("specialise %v: %d hits, %d paths: %v", specialise, hits, len(r.Paths()), r.Aborts)
			for _, d := range r.Dead() {
				t.Log(d.Abort)
			}
		}
	}
}

// bpf_dynptr_memset of as many bytes as the packet says, at an offset it says, in the
// packet and in a value of a map; what the trace sets is read back by it.
func TestDynptrMemsetTraces(t *testing.T) {
	values := &maps.Spec{Name: "values", Type: cebpf.Array, KeySize: 4, ValueSize: 32, Max: 2}
	memset := `
		r1 = r10
		r1 += -24
		r2 = r7
		r3 = r8
		r4 = 171
		kfunc bpf_dynptr_memset
		r6 = r0`
	read := `
		r0 = 1
		if r6 == 0 goto out
		r0 = 2
	out:
		exit`
	ofPacket := `
		r2 = 0
		r3 = r10
		r3 += -24
		kfunc bpf_dynptr_from_xdp` + memset + read
	ofValue := `
		*(u32 *)(r10 -4) = 1
		r1 = map[#0]
		r2 = r10
		r2 += -4
		call map_lookup_elem
		if r0 == 0 goto out
		r9 = r0
		r1 = r9
		r2 = 32
		r3 = 0
		r4 = r10
		r4 += -24
		call dynptr_from_mem#197` + memset + `
		r1 = *(u64 *)(r9 +8)
		r0 = 3
		if r1 == 0 goto out` + read
	for _, rest := range []string{ofPacket, ofValue} {
		obj := kernelProgram(t, `
		r9 = *(u32 *)(r1 +0)
		r3 = *(u32 *)(r1 +4)
		r4 = r9
		r4 += 16
		r0 = 0
		if r4 > r3 goto out
		r7 = *(u8 *)(r9 +14)
		r8 = *(u8 *)(r9 +15)`+rest, values)
		p := func(off, n byte) []byte {
			return append(make([]byte, 14), append([]byte{off, n}, make([]byte, 40)...)...)
		}
		hits, r := drive(t, obj, Options{}, p(0, 0), p(0, 4), p(8, 7), p(9, 7), p(8, 15), p(30, 2), p(30, 3), p(200, 1), p(56, 0), p(57, 0))
		if hits < 9 || len(r.Dead()) > 0 {
			t.Errorf("%d hits, %d paths: %v", hits, len(r.Paths()), r.Aborts)
			for _, d := range r.Dead() {
				t.Log(d.Abort)
			}
		}
	}
}

// bpf_strncmp against a constant string.
func TestStrncmpTraces(t *testing.T) {
	text := &maps.Spec{Name: ".rodata", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 1, ReadOnly: true,
		Contents: []maps.Entry{{Key: make([]byte, 4), Value: []byte("GET\x00\x00\x00\x00\x00")}}}
	obj := kernelProgram(t, ethernet+`
		r1 = r6
		r2 = 4
		r3 = map[#0] +0
		call strncmp#182
		r1 = r0
		r0 = 1
		if r1 == 0 goto out
		r0 = 2
		if r1 s< 0 goto out
		r0 = 3
	out:
		exit`, text)
	p := func(s string) []byte { return packet([]byte(s)...) }
	if hits, r := drive(t, obj, Options{}, p("GET"), p("GEU"), p("GES"), p("GETX"), p(""), p("GE"), p("HET")); hits < 9 || len(r.Paths()) > 6 {
		t.Errorf("%d hits, %d paths: %v", hits, len(r.Paths()), r.Aborts)
	}
}

// A number read from the packet's text, and a line whose format alone says how
// long it is.
func TestTextTraces(t *testing.T) {
	format := &maps.Spec{Name: ".rodata", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 1, ReadOnly: true,
		Contents: []maps.Entry{{Key: make([]byte, 4), Value: []byte("seen\n\x00\x00\x00")}}}
	for _, call := range []string{"strtol#105", "strtoul#106"} {
		obj := kernelProgram(t, ethernet+`
			r1 = *(u64 *)(r6 +0)
			*(u64 *)(r10 -8) = r1
			r1 = map[#0] +0
			r2 = 6
			call trace_printk#6
			r7 = r0
			r1 = r10
			r1 += -8
			r2 = 8
			r3 = 10
			r4 = r10
			r4 += -16
			call `+call+`
			r1 = r0
			r0 = 0
			if r7 != 5 goto out
			r0 = 3
			if r1 s< 0 goto out
			r2 = *(u64 *)(r10 -16)
			r0 = 1
			if r2 s> 41 goto out
			r0 = 2
		out:
			exit`, format)
		p := func(s string) []byte { return packet([]byte(s)...) }
		hits, r := drive(t, obj, Options{}, p("42 "), p("7x"), p("x"), p("  99"), p("-5"), p("99999999999999999999"), p("1000"))
		if hits < 7+3 || len(r.Dead()) > 0 {
			t.Errorf("%s: %d hits, %d paths: %v", call, hits, len(r.Paths()), r.Aborts)
		}
	}
}
