package vliw

import (
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/points"
)

// What is fused and what isn't: the ops left, one a line.
func TestFusions(t *testing.T) {
	all := Machine{Lanes: 4, ThreeOperand: true, SixBytes: true, ExitImm: true}
	for _, tc := range []struct{ name, code, want string }{
		{"a move and its use", "r3 = r10\nr3 += -8\nr0 = *(u8 *)(r3 +0)\nexit", "r3 = r10 + -8\nr0 = *(u8 *)(r3 +0)\nexit"},
		{"bad: with a register", "r3 = r1\nr3 -= r2\nr0 = r3\nexit", "r3 = r1\nr3 -= r2\nr0 = r3\nexit"},
		{"a verdict kept in another register", "r6 = 2\n*(u64 *)(r10 -8) = 1\nr0 = r6\nexit", "r6 = 2\n*(u64 *)(r10 -8) = 1\nexit 2"},
		{"bad: it changes", "r6 = 2\nr6 += 1\nr0 = r6\nexit", "r6 = 2\nr6 += 1\nr0 = r6\nexit"},
		{"what a call returned, put away and fetched", "call ktime_get_ns#5\nr6 = r0\nr0 = r6\nexit", "call ktime_get_ns#5\nr6 = r0\nexit"},
		{"bad: r0 has changed meanwhile", "call ktime_get_ns#5\nr6 = r0\nr0 = 1\n*(u64 *)(r10 -8) = r0\nr0 = r6\nexit", "call ktime_get_ns#5\nr6 = r0\nr0 = 1\n*(u64 *)(r10 -8) = r0\nr0 = r6\nexit"},
		{"halves", "w3 = w1\nw3 <<= 2\nr0 = r3\nexit", "w3 = w1 << 2\nr0 = r3\nexit"},
		{"a whole move, half an operation", "r3 = r1\nw3 <<= 2\nr0 = r3\nexit", "w3 = w1 << 2\nr0 = r3\nexit"},
		{"bad: half a move, a whole operation", "w3 = w1\nr3 <<= 2\nr0 = r3\nexit", "w3 = w1\nr3 <<= 2\nr0 = r3\nexit"},
		{"bad: a swap", "r3 = r1\nr3 = be16 r3\nr0 = r3\nexit", "r3 = r1\nr3 = be16 r3\nr0 = r3\nexit"},
		{"bad: what is moved changes first", "r3 = r1\nr1 = 5\nr3 += 1\nr0 = r3\nexit", "r3 = r1\nr1 = 5\nr3 += 1\nr0 = r3\nexit"},
		{"bad: the copy is read first", "r3 = r1\n*(u64 *)(r10 -8) = r3\nr3 += 1\nr0 = r3\nexit", "r3 = r1\n*(u64 *)(r10 -8) = r3\nr3 += 1\nr0 = r3\nexit"},
		{"bad: the copy is both operands", "r3 = r1\nr3 += r3\nr0 = r3\nexit", "r3 = r1\nr3 += r3\nr0 = r3\nexit"},
		{"bad: another move", "r3 = r1\nr3 = r2\nr0 = r3\nexit", "r3 = r1\nr3 = r2\nr0 = r3\nexit"},
		{"verdict and exit", "r0 = 2\n*(u64 *)(r10 -8) = 1\nexit", "*(u64 *)(r10 -8) = 1\nexit 2"},
		{"bad: the verdict is used", "r0 = 2\n*(u64 *)(r10 -8) = r0\nexit", "r0 = 2\n*(u64 *)(r10 -8) = r0\nexit"},
		{"bad: the verdict isn't a constant", "r0 = 2\nr0 += 1\nexit", "r0 = 2\nr0 += 1\nexit"},
		{"a MAC address", "r2 = *(u32 *)(r6 +0)\nr3 = *(u16 *)(r6 +4)\n*(u32 *)(r6 +6) = r2\n*(u16 *)(r6 +10) = r3\nr0 = r6\nexit",
			"r2 = *(u48 *)(r6 +0)\n*(u48 *)(r6 +6) = r2\nr0 = r6\nexit"},
		{"in another order", "r3 = *(u16 *)(r6 +4)\nr7 = 1\nr2 = *(u32 *)(r6 +0)\n*(u16 *)(r8 +10) = r3\n*(u32 *)(r8 +6) = r2\nr0 = r7\nexit",
			"r2 = *(u48 *)(r6 +0)\nr7 = 1\n*(u48 *)(r8 +6) = r2\nexit 1"},
		{"bad: a part is used later", "r2 = *(u32 *)(r6 +0)\nr3 = *(u16 *)(r6 +4)\n*(u32 *)(r6 +6) = r2\n*(u16 *)(r6 +10) = r3\nr0 = r3\nexit",
			"r2 = *(u32 *)(r6 +0)\nr3 = *(u16 *)(r6 +4)\n*(u32 *)(r6 +6) = r2\n*(u16 *)(r6 +10) = r3\nr0 = r3\nexit"},
		{"bad: a part changes", "r2 = *(u32 *)(r6 +0)\nr3 = *(u16 *)(r6 +4)\nr3 += 1\n*(u32 *)(r6 +6) = r2\n*(u16 *)(r6 +10) = r3\nr0 = r6\nexit",
			"r2 = *(u32 *)(r6 +0)\nr3 = *(u16 *)(r6 +4)\nr3 += 1\n*(u32 *)(r6 +6) = r2\n*(u16 *)(r6 +10) = r3\nr0 = r6\nexit"},
		{"bad: not side by side", "r2 = *(u32 *)(r6 +0)\nr3 = *(u16 *)(r6 +6)\n*(u32 *)(r6 +8) = r2\n*(u16 *)(r6 +12) = r3\nr0 = r6\nexit",
			"r2 = *(u32 *)(r6 +0)\nr3 = *(u16 *)(r6 +6)\n*(u32 *)(r6 +8) = r2\n*(u16 *)(r6 +12) = r3\nr0 = r6\nexit"},
		{"bad: another store between", "r2 = *(u32 *)(r6 +0)\n*(u8 *)(r6 +4) = 1\nr3 = *(u16 *)(r6 +4)\n*(u32 *)(r6 +6) = r2\n*(u16 *)(r6 +10) = r3\nr0 = r6\nexit",
			"r2 = *(u32 *)(r6 +0)\n*(u8 *)(r6 +4) = 1\nr3 = *(u16 *)(r6 +4)\n*(u32 *)(r6 +6) = r2\n*(u16 *)(r6 +10) = r3\nr0 = r6\nexit"},
		{"bad: the address changes", "r2 = *(u32 *)(r6 +0)\nr3 = *(u16 *)(r6 +4)\n*(u32 *)(r6 +6) = r2\nr6 += 1\n*(u16 *)(r6 +10) = r3\nr0 = r6\nexit",
			"r2 = *(u32 *)(r6 +0)\nr3 = *(u16 *)(r6 +4)\n*(u32 *)(r6 +6) = r2\nr6 += 1\n*(u16 *)(r6 +10) = r3\nr0 = r6\nexit"},
	} {
		tr := parse(t, tc.code)
		s, err := New(tr, &all)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		var got []string
		for i := range s.Ops {
			got = append(got, s.Ops[i].Text(ebpf.Printer{}))
		}
		if g := strings.Join(got, "\n"); g != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", tc.name, g, tc.want)
		}
		off, err := New(tr, all.Plain())
		if err != nil || off.Insns != off.Source {
			t.Errorf("%s: without extensions %d of %d: %v", tc.name, off.Insns, off.Source, err)
		}
	}
}

// What a program loses to the hardware.
func TestClean(t *testing.T) {
	for _, tc := range []struct {
		name, code                    string
		bounds, zeroing, dead, source int
	}{
		{"a bounds check and what it is made with", `
			r2 = *(u32 *)(r1 +0)
			r3 = *(u32 *)(r1 +4)
			r4 = r2
			r4 += 14
			r0 = 1
			if r4 > r3 goto +1
			r0 = *(u8 *)(r2 +0)
			exit`, 1, 0, 4, 8}, // r3, r4 twice, and r0 = 1
		{"the other way round", `
			r2 = *(u32 *)(r1 +0)
			r3 = *(u32 *)(r1 +4)
			r4 = r2
			r4 += 14
			r0 = 1
			if r3 < r4 goto +1
			r0 = *(u8 *)(r2 +0)
			exit`, 1, 0, 4, 8},
		{"one that jumps when within loses its other side", `
			r2 = *(u32 *)(r1 +0)
			r3 = *(u32 *)(r1 +4)
			r4 = r2
			r4 += 14
			if r4 <= r3 goto +2
			r0 = 1
			exit
			r0 = *(u8 *)(r2 +0)
			exit`, 0, 0, 5, 9},
		{"two packet addresses are no bounds check", `
			r2 = *(u32 *)(r1 +0)
			r3 = *(u32 *)(r1 +8)
			r0 = 1
			if r2 > r3 goto +1
			r0 = 2
			exit`, 0, 0, 0, 6},
		{"zero on the stack", `
			r2 = 0
			*(u64 *)(r10 -8) = r2
			*(u32 *)(r10 -16) = 0
			*(u32 *)(r10 -12) = 1
			r0 = *(u64 *)(r10 -16)
			exit`, 0, 2, 1, 6},
		{"zero over something else", `
			*(u32 *)(r10 -8) = 1
			*(u64 *)(r10 -8) = 0
			r0 = *(u64 *)(r10 -8)
			exit`, 0, 0, 0, 4},
		{"zero over something on one of two ways", `
			r2 = *(u32 *)(r1 +12)
			if r2 == 0 goto +1
			*(u64 *)(r10 -8) = r2
			*(u64 *)(r10 -8) = 0
			*(u64 *)(r10 -16) = 0
			r0 = *(u64 *)(r10 -8)
			exit`, 0, 1, 0, 7},
		{"zero in a loop that writes", `
			r2 = 4
			*(u64 *)(r10 -8) = 0
			*(u64 *)(r10 -8) = r2
			r2 += -1
			if r2 != 0 goto -4
			r0 = *(u64 *)(r10 -8)
			exit`, 0, 0, 0, 7},
		{"an address that may be the stack's", `
			r2 = r10
			r3 = *(u32 *)(r1 +12)
			r3 &= 7
			r2 -= r3
			*(u8 *)(r2 -1) = 5
			*(u64 *)(r10 -8) = 0
			r0 = *(u64 *)(r10 -8)
			exit`, 0, 0, 0, 8},
	} {
		code, err := ebpf.Parser{}.Code(tc.code)
		must.OK(t, err)
		p := &loader.Program{Name: "p", Insns: code, Maps: []*maps.Spec{}}
		obj := &loader.Object{File: "t", Programs: []*loader.Program{p}}
		m := Machine{Lanes: 4, NoBounds: true, NoZeroing: true}
		s, err := Program(obj, p, &m)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if s.Bounds != tc.bounds || s.Zeroing != tc.zeroing || s.Dead != tc.dead || s.Source != tc.source || s.Fused != 0 {
			t.Errorf("%s: bounds %d, zeroing %d, dead %d, of %d, fused %d\n%s", tc.name, s.Bounds, s.Zeroing, s.Dead, s.Source, s.Fused, s.Format(nil))
		}
	}
}

// conflict, pair by pair: whether two accesses must keep their order.
func TestConflict(t *testing.T) {
	at := func(r points.Region, m, base int32, lo, hi int64, write bool) points.Access {
		return points.Access{Region: r, Map: m, Base: base, Lo: lo, Hi: hi, Write: write}
	}
	for i, tc := range []struct {
		a, b points.Access
		want bool
	}{
		{at(points.InStack, -1, 1, -8, 0, true), at(points.InStack, -1, 1, -16, -8, true), false},
		{at(points.InStack, -1, 1, -8, 0, true), at(points.InStack, -1, 1, -9, -7, false), true},
		{at(points.InStack, -1, 1, -8, 0, false), at(points.InStack, -1, 1, -8, 0, false), false},
		{at(points.InStack, -1, 1, -8, 0, true), at(points.InStack, -1, 9, -16, -8, false), true},
		{at(points.InStack, -1, 1, -8, 0, true), at(points.InPacket, -1, 2, -8, 0, true), false},
		{at(points.InValue, 0, 9, 0, 8, true), at(points.InValue, 1, 9, 0, 8, true), false},
		{at(points.InValue, 0, 9, 0, 8, true), at(points.InValue, 0, 10, 8, 16, true), true},
		{at(points.InValue, 0, 9, 0, 8, true), at(points.InValue, -1, 10, 8, 16, false), true},
		{at(points.InAny, -1, 9, 0, 8, true), at(points.InValue, 1, 10, 8, 16, false), true},
		{at(points.InAny, -1, 9, 0, 8, false), at(points.InStack, -1, 1, -8, 0, true), true},
		{at(points.InPacket, -1, 2, 0, 8, true), at(points.InAny, -1, 9, 0, 8, false), true},
		{at(points.InAny, -1, 9, 0, 8, true), at(points.InAny, -1, 9, 8, 16, true), true},
		{at(points.InAny, -1, 9, 0, 8, true), at(points.InKeys, 1, 0, 0, 0, true), false},
		{at(points.InKeys, 1, 0, 0, 0, true), at(points.InValue, 1, 5, 0, 8, true), false},
		{at(points.InKeys, 1, 0, 0, 0, true), at(points.InKeys, 1, 0, 0, 0, false), true},
		{at(points.InSet, -1, 0, int64(points.OnDraws), 0, true), at(points.InSet, -1, 0, int64(points.OnRedirect), 0, true), false},
		{at(points.InSet, -1, 0, int64(points.OnDraws), 0, true), at(points.InSet, -1, 0, int64(points.OnDraws|points.OnOutput), 0, true), true},
	} {
		if got := points.Conflict(&tc.a, &tc.b); got != tc.want {
			t.Errorf("%d: %v, want %v", i, got, tc.want)
		}
		if got := points.Conflict(&tc.b, &tc.a); got != tc.want {
			t.Errorf("%d turned round: %v, want %v", i, got, tc.want)
		}
	}
}
