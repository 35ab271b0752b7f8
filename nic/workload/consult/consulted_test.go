package consult

import (
	"fmt"
	"testing"

	"jitnic/host/hosttest/lab"
	"jitnic/pathcond/text"

	"github.com/google/go-cmp/cmp"
)

// between lists [from, to).
func between(from, to int) (out []uint16) {
	for ; from < to; from++ {
		out = append(out, uint16(from))
	}
	return out
}

func TestConsulted(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		packet     []byte
		want       []uint16
	}{
		{"what branches read", lab.Load + `+4
			r5 = *(u16 *)(r6 +12)
			if r5 != 8 goto +2
			r5 = *(u8 *)(r6 +23)
			if r5 != 6 goto +0` + lab.Exit, lab.IPv4(0), []uint16{12, 13, 23}},
		{"a byte that is read and never used is not", lab.Load + `+1
			r5 = *(u8 *)(r6 +30)` + lab.Exit, lab.IPv4(0), nil},
		{"the key of a look-up", lab.Load + `+9
			r5 = *(u32 *)(r6 +26)
			*(u32 *)(r10 -4) = r5
			r1 = map[flows]
			r2 = r10
			r2 += -4
			call map_lookup_elem#1
			if r0 != 0 goto +0` + lab.Exit, lab.IPv4(0), between(26, 30)},
		{"the key of a delete, by a pointer into the packet", lab.Load + `+5
			r1 = map[flows]
			r2 = r6
			r2 += 26
			call map_delete_elem#3` + lab.Exit, lab.IPv4(0), between(26, 30)},
		{"what is copied elsewhere", lab.Load + `+2
			r5 = *(u32 *)(r6 +26)
			*(u32 *)(r6 +30) = r5` + lab.Exit, lab.IPv4(0), between(26, 30)},
		{"not what is changed in place", lab.Load + `+3
			r5 = *(u16 *)(r6 +24)
			r5 += 1
			*(u16 *)(r6 +24) = r5` + lab.Exit, lab.IPv4(0), nil},
		{"what is tested and changed", lab.Load + `+4
			r5 = *(u8 *)(r6 +22)
			if r5 == 0 goto +2
			r5 += -1
			*(u8 *)(r6 +22) = r5` + lab.Exit, lab.IPv4(0), []uint16{22}},
		{"not what the trace itself wrote", lab.Load + `+3
			*(u32 *)(r6 +30) = 7
			r5 = *(u32 *)(r6 +30)
			*(u32 *)(r6 +40) = r5` + lab.Exit, lab.IPv4(0), nil},
		{"only the bytes a mask leaves", lab.Load + `+4
			r5 = *(u32 *)(r6 +14)
			r5 &= 0xf0
			if r5 == 0x60 goto +1` + lab.Exit, lab.IPv4(0), []uint16{14}},
		{"only the bytes a shift leaves", lab.Load + `+4
			r5 = *(u32 *)(r6 +14)
			r5 >>= 20
			if r5 == 7 goto +1` + lab.Exit, lab.IPv4(0), []uint16{16, 17}},
		{"a sum reads the bytes below", lab.Load + `+5
			r5 = *(u32 *)(r6 +14)
			r5 += 70000
			r5 &= 0xff00
			if r5 == 0 goto +1` + lab.Exit, lab.IPv4(0), []uint16{14, 15}},
		{"not a length that is checked", lab.Load + `+8
			r5 = *(u8 *)(r6 +17)
			if r5 < 20 goto +6
			r4 = r6
			r4 += r5
			r4 += 14
			if r4 > r7 goto +2
			r5 = *(u8 *)(r6 +23)
			if r5 != 6 goto +0` + lab.Exit, func() []byte { p := lab.IPv4(0); p[17] = 40; return p }(), []uint16{23}},
		{"behind a spilled pointer", lab.Load + `+6
			r4 = r6
			r4 += 20
			*(u64 *)(r10 -16) = r4
			r5 = *(u64 *)(r10 -16)
			r5 = *(u8 *)(r5 +1)
			*(u8 *)(r6 +50) = r5` + lab.Exit, lab.IPv4(0), []uint16{21}},
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
			*(u8 *)(r2 +0) = r5` + lab.Exit, lab.IPv4(0), []uint16{17}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := lab.New(t, tt.text)
			p := l.Run(tt.packet)
			if d := cmp.Diff(tt.want, Bytes(p.Cond, p.Trace, l.Compiler)); d != "" {
				t.Errorf("mask (-want +got):\n%s\n%s", d, text.Format(l.Compiler, p.Cond))
			}
		})
	}
}

// options reads a byte 2 bytes behind the IPv4 header, and drops what has 9 there.
const options = lab.Load + `+9
	r5 = *(u8 *)(r6 +14)
	r5 &= 15
	r5 <<= 2
	r6 += r5
	r4 = r6
	r4 += 17
	if r4 > r7 goto +2
	r5 = *(u8 *)(r6 +16)
	if r5 == 9 goto +1` + lab.Exit

func TestMaskerVariableOffset(t *testing.T) {
	l := lab.New(t, options)
	p := l.Run(lab.IPv4(0))
	m := NewMasker(l.Compiler)
	if d := cmp.Diff([]uint16{14}, m.Add(0, p.Cond, p.Trace)); d != "" {
		t.Errorf("mask (-want +got):\n%s", d)
	}
	same := func(name string, want bool, change func(p []byte)) {
		t.Helper()
		a, b := lab.IPv4(1), lab.IPv4(1)
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

	if m.Hash(-1, lab.IPv4(0)) != 0 || m.Hash(1, lab.IPv4(0)) != 0 {
		t.Error("a path that was not added has a hash")
	}
	if n := testing.AllocsPerRun(100, func() { m.Hash(0, p64) }); n != 0 {
		t.Errorf("Hash allocates %v times", n)
	}
	// A path of the same mask asks for the same entries; of another it doesn't.
	q := l.Run(func() []byte { p := lab.IPv4(0); p[36] = 9; return p }())
	m.Add(1, q.Cond, q.Trace)
	if m.Hash(0, p64) != m.Hash(1, p64) {
		t.Error("two paths that consult the same bytes have different hashes")
	}
	m.Add(1, nil, nil)
	if m.Hash(0, p64) == m.Hash(1, p64) {
		t.Error("two masks have one hash")
	}
}

var p64 = lab.IPv4(0)

func TestConsultedWithoutMeta(t *testing.T) {
	l := lab.New(t, lab.Load+`+4
		r5 = *(u16 *)(r6 +12)
		if r5 != 8 goto +2
		r5 = *(u32 *)(r6 +26)
		*(u32 *)(r6 +30) = r5`+lab.Exit)
	p := l.Run(lab.IPv4(0))
	got := fmt.Sprint(Bytes(p.Cond, nil, l.Compiler), Bytes(p.Cond, p.Trace, l.Compiler), Bytes(nil, nil, l.Compiler))
	p.Trace.Meta = nil
	got += fmt.Sprint(Bytes(p.Cond, p.Trace, l.Compiler))
	if want := "[12 13] [12 13 26 27 28 29] [][12 13]"; got != want {
		t.Errorf("masks %s, want %s", got, want)
	}
}
