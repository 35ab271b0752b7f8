package designs

import (
	"fmt"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/text"

	cebpf "github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
)

// lab records runs of a program given as text, which may use the hash map
// flows, with 4-byte keys, and the array counts.
type lab struct {
	t  *testing.T
	s  *vm.State
	it *vm.Interp
	c  *pathcond.Compiler
}

func newLab(t *testing.T, text string) *lab {
	t.Helper()
	specs := []*maps.Spec{{Name: "flows", Type: cebpf.Hash, KeySize: 4, ValueSize: 8, Max: 16},
		{Name: "counts", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 1}}
	code, err := ebpf.Parser{MapIndex: func(name string) (int, bool) {
		for i, s := range specs {
			if s.Name == name {
				return i, true
			}
		}
		return 0, false
	}}.Code(text)
	if err != nil {
		t.Fatal(err)
	}
	p := &loader.Program{Name: "lab", Insns: code, Maps: specs}
	obj := &loader.Object{File: "lab", Programs: []*loader.Program{p}, Maps: specs}
	s, err := vm.NewState(obj, vm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	it, err := vm.NewInterp(s, obj, p)
	if err != nil {
		t.Fatal(err)
	}
	return &lab{t, s, it, pathcond.NewCompiler(s, obj)}
}

func (l *lab) run(packet []byte) *pathcond.Path {
	l.t.Helper()
	var rec vm.Recording
	var out vm.Output
	l.c.Before()
	l.it.RunRecorded(&vm.Input{Data: packet}, &out, &rec)
	p := l.c.Compile(&rec, len(packet), out.Err)
	if p.Abort != nil {
		l.t.Fatal(p.Abort)
	}
	return p
}

// between lists [from, to).
func between(from, to int) (out []uint16) {
	for ; from < to; from++ {
		out = append(out, uint16(from))
	}
	return out
}

func ipv4(options int) []byte {
	p := make([]byte, 64)
	p[12], p[14], p[22], p[23] = 8, byte(0x45+options), 64, 6
	for i := range 8 {
		p[26+i] = byte(10 + i)
	}
	return p
}

const (
	load = `
		r6 = *(u32 *)(r1 +0)
		r7 = *(u32 *)(r1 +4)
		r0 = 2
		r4 = r6
		r4 += 64
		if r4 > r7 goto `
	exit = "\n r0 = 1\n exit"
)

func TestConsulted(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		packet     []byte
		want       []uint16
	}{
		{"what branches read", load + `+4
			r5 = *(u16 *)(r6 +12)
			if r5 != 8 goto +2
			r5 = *(u8 *)(r6 +23)
			if r5 != 6 goto +0` + exit, ipv4(0), []uint16{12, 13, 23}},
		{"a byte that is read and never used is not", load + `+1
			r5 = *(u8 *)(r6 +30)` + exit, ipv4(0), nil},
		{"the key of a look-up", load + `+9
			r5 = *(u32 *)(r6 +26)
			*(u32 *)(r10 -4) = r5
			r1 = map[flows]
			r2 = r10
			r2 += -4
			call map_lookup_elem#1
			if r0 != 0 goto +0` + exit, ipv4(0), between(26, 30)},
		{"the key of a delete, by a pointer into the packet", load + `+5
			r1 = map[flows]
			r2 = r6
			r2 += 26
			call map_delete_elem#3` + exit, ipv4(0), between(26, 30)},
		{"what is copied elsewhere", load + `+2
			r5 = *(u32 *)(r6 +26)
			*(u32 *)(r6 +30) = r5` + exit, ipv4(0), between(26, 30)},
		{"not what is changed in place", load + `+3
			r5 = *(u16 *)(r6 +24)
			r5 += 1
			*(u16 *)(r6 +24) = r5` + exit, ipv4(0), nil},
		{"what is tested and changed", load + `+4
			r5 = *(u8 *)(r6 +22)
			if r5 == 0 goto +2
			r5 += -1
			*(u8 *)(r6 +22) = r5` + exit, ipv4(0), []uint16{22}},
		{"not what the trace itself wrote", load + `+3
			*(u32 *)(r6 +30) = 7
			r5 = *(u32 *)(r6 +30)
			*(u32 *)(r6 +40) = r5` + exit, ipv4(0), nil},
		{"only the bytes a mask leaves", load + `+4
			r5 = *(u32 *)(r6 +14)
			r5 &= 0xf0
			if r5 == 0x60 goto +1` + exit, ipv4(0), []uint16{14}},
		{"only the bytes a shift leaves", load + `+4
			r5 = *(u32 *)(r6 +14)
			r5 >>= 20
			if r5 == 7 goto +1` + exit, ipv4(0), []uint16{16, 17}},
		{"a sum reads the bytes below", load + `+5
			r5 = *(u32 *)(r6 +14)
			r5 += 70000
			r5 &= 0xff00
			if r5 == 0 goto +1` + exit, ipv4(0), []uint16{14, 15}},
		{"not a length that is checked", load + `+8
			r5 = *(u8 *)(r6 +17)
			if r5 < 20 goto +6
			r4 = r6
			r4 += r5
			r4 += 14
			if r4 > r7 goto +2
			r5 = *(u8 *)(r6 +23)
			if r5 != 6 goto +0` + exit, func() []byte { p := ipv4(0); p[17] = 40; return p }(), []uint16{23}},
		{"behind a spilled pointer", load + `+6
			r4 = r6
			r4 += 20
			*(u64 *)(r10 -16) = r4
			r5 = *(u64 *)(r10 -16)
			r5 = *(u8 *)(r5 +1)
			*(u8 *)(r6 +50) = r5` + exit, ipv4(0), []uint16{21}},
		{"after the head moved", `
			r6 = r1
			r2 = 14
			call xdp_adjust_head#44
			if r0 != 0 goto +5
			r2 = *(u32 *)(r6 +0)
			r3 = *(u32 *)(r6 +4)
			r4 = r2
			r4 += 4
			if r4 > r3 goto +2
			r5 = *(u8 *)(r2 +3)
			*(u8 *)(r2 +0) = r5` + exit, ipv4(0), []uint16{17}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, tt.text)
			p := l.run(tt.packet)
			if d := cmp.Diff(tt.want, Consulted(p.Cond, p.Trace, l.c)); d != "" {
				t.Errorf("mask (-want +got):\n%s\n%s", d, text.Format(l.c, p.Cond))
			}
		})
	}
}

// options reads a byte 2 bytes behind the IPv4 header, and drops what has 9 there.
const options = load + `+9
	r5 = *(u8 *)(r6 +14)
	r5 &= 15
	r5 <<= 2
	r6 += r5
	r4 = r6
	r4 += 17
	if r4 > r7 goto +2
	r5 = *(u8 *)(r6 +16)
	if r5 == 9 goto +1` + exit

func TestMaskerVariableOffset(t *testing.T) {
	l := newLab(t, options)
	p := l.run(ipv4(0))
	m := NewMasker(l.c)
	if d := cmp.Diff([]uint16{14}, m.Add(0, p.Cond, p.Trace)); d != "" {
		t.Errorf("mask (-want +got):\n%s", d)
	}
	same := func(name string, want bool, change func(p []byte)) {
		t.Helper()
		a, b := ipv4(1), ipv4(1)
		change(b)
		if got := m.Hash(0, a) == m.Hash(0, b); got != want {
			t.Errorf("%s: same entry %v, want %v", name, got, want)
		}
	}
	same("the same packet", true, func(p []byte) {})
	same("another address", true, func(p []byte) { p[26]++ })
	same("the byte behind options", false, func(p []byte) { p[14+24+2]++ })
	same("the byte where there are no options", true, func(p []byte) { p[14+20+2]++ })
	same("other options", false, func(p []byte) { p[14]++ })

	if m.Hash(-1, ipv4(0)) != 0 || m.Hash(1, ipv4(0)) != 0 {
		t.Error("a path that was not added has a hash")
	}
	if n := testing.AllocsPerRun(100, func() { m.Hash(0, p64) }); n != 0 {
		t.Errorf("Hash allocates %v times", n)
	}
	// A path of the same mask asks for the same entries; of another it doesn't.
	q := l.run(func() []byte { p := ipv4(0); p[36] = 9; return p }())
	m.Add(1, q.Cond, q.Trace)
	if m.Hash(0, p64) != m.Hash(1, p64) {
		t.Error("two paths that consult the same bytes have different hashes")
	}
	m.Add(1, nil, nil)
	if m.Hash(0, p64) == m.Hash(1, p64) {
		t.Error("two masks have one hash")
	}
}

var p64 = ipv4(0)

func TestConsultedWithoutMeta(t *testing.T) {
	l := newLab(t, load+`+4
		r5 = *(u16 *)(r6 +12)
		if r5 != 8 goto +2
		r5 = *(u32 *)(r6 +26)
		*(u32 *)(r6 +30) = r5`+exit)
	p := l.run(ipv4(0))
	got := fmt.Sprint(Consulted(p.Cond, nil, l.c), Consulted(p.Cond, p.Trace, l.c), Consulted(nil, nil, l.c))
	p.Trace.Meta = nil
	got += fmt.Sprint(Consulted(p.Cond, p.Trace, l.c))
	if want := "[12 13] [12 13 26 27 28 29] [][12 13]"; got != want {
		t.Errorf("masks %s, want %s", got, want)
	}
}
