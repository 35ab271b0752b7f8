package points

import (
	"fmt"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// follow runs the analysis over straight-line code.
func follow(t *testing.T, text string) *Flow {
	t.Helper()
	code := must.Get(ebpf.Parser{}.Code(text))(t)
	f := &Flow{}
	f.Enter([]*maps.Spec{
		{Name: "hash", Type: cebpf.Hash, KeySize: 4, ValueSize: 16},
		{Name: "lru", Type: cebpf.LRUHash, KeySize: 4, ValueSize: 16},
		{Name: "outer", Type: cebpf.HashOfMaps, KeySize: 4, ValueSize: 4},
	})
	for i := 0; i < len(code); i++ {
		in := InsnAt(code, i)
		if in.IsWide() {
			i++
		}
		f.Step(&in, Hint{})
	}
	return f
}

// TestKinds: what r0 to r5 and r6 hold at the end of short programs.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		what, text string
		reg        uint8
		kind       Kind
		m          int32
		off        int64
	}{
		{"context moved", "r6 = r1", 6, Ctx, 0, 0},
		{"packet and a constant", "r6 = *(u32 *)(r1 +0)\nr6 += 14", 6, Packet, 0, 14},
		{"end of the packet", "r6 = *(u32 *)(r1 +4)", 6, PacketEnd, 0, 0},
		{"another field", "r6 = *(u32 *)(r1 +12)", 6, Scalar, -1, 0},
		{"stack", "r6 = r10\nr6 += -8", 6, Stack, 0, -8},
		{"spilled", "*(u64 *)(r10 -8) = r1\nr6 = *(u64 *)(r10 -8)", 6, Ctx, 0, 0},
		{"spilled and half of it written", "*(u64 *)(r10 -8) = r1\n*(u32 *)(r10 -4) = 0\nr6 = *(u64 *)(r10 -8)", 6, Scalar, -1, 0},
		{"spilled across a call nobody knows", "*(u64 *)(r10 -8) = r1\ncall helper#9999\nr6 = *(u64 *)(r10 -8)", 6, Ctx, 0, 0},
		{"a number, the same", "r6 = 7\n*(u64 *)(r10 -8) = r6\ncall helper#9999\nr6 = *(u64 *)(r10 -8)", 6, Scalar, -1, 0},
		{"a look-up", "r1 = map[#0]\nr2 = r10\nr2 += -4\ncall map_lookup_elem", 0, MapValue, 0, 0},
		{"a look-up in a map of maps", "r1 = map[#2]\nr2 = r10\nr2 += -4\ncall map_lookup_elem", 0, Map, -1, 0},
		{"value of an array", "r6 = map[#0] +8", 6, MapValue, 0, 8},
		{"and a number nobody knows", "r6 = map[#0] +8\nr7 = *(u64 *)(r6 +0)\nr6 += r7", 6, MapValue, 0, 0},
		{"an update's result", "r1 = map[#0]\nr2 = r10\nr3 = r10\nr4 = 0\ncall map_update_elem", 0, Scalar, -1, 0},
		{"a call clobbers", "r2 = r10\ncall ktime_get_ns", 2, Unreadable, -1, 0},
		{"fetched from memory", "r6 = r10\nr6 = atomic64_fetch_add(*(u64 *)(r10 -8), r6)", 6, Scalar, -1, 0},
	} {
		v := follow(t, c.text).R[c.reg]
		if v.Kind != c.kind || c.kind != Anything && c.kind != Scalar && v.Off != c.off || (c.kind == MapValue || c.kind == Map) && v.Map != c.m {
			t.Errorf("%s: %+v", c.what, v)
		}
	}
}

// TestSizedMemory: what the verifier would say of the memory that bpf_csum_diff is
// given in r1, with its size in r2 (check_helper_mem_access, kernel/bpf/verifier.c).
func TestSizedMemory(t *testing.T) {
	const packet = "r6 = r1\nr1 = *(u32 *)(r6 +0)\n"
	for _, c := range []struct{ text, want string }{
		{"r1 = r10\nr1 += -8\nr2 = 0", ""},
		{"r1 = r10\nr2 = 0", "csum_diff is given no byte of the stack, at +0"},
		{"r2 = *(u32 *)(r1 +12)\nr1 = r10\nr1 += r2\nr2 = 0", "csum_diff is given no byte of memory, through a stack pointer that nobody checked"},
		{packet + "r2 = 0", ""},
		{packet + "r1 += 14\nr2 = 0", "csum_diff wants 0 bytes of the packet at 14, further than was checked"},
		{packet + "r1 += -14\nr2 = 0", "csum_diff wants 0 bytes of the packet at -14, further than was checked"},
		{packet + "r2 = *(u32 *)(r6 +12)\nr1 += r2\nr2 = 0", "csum_diff is given no byte of memory, through a packet pointer that nobody checked"},
		{packet + "r2 = *(u32 *)(r6 +12)", "csum_diff wants bytes of the packet, nobody knows how many, of 0 that were checked"},
		{"r1 = map[#0] +8\nr2 = 0", ""},
		{"r1 = map[#0] +8\nr1 += -12\nr2 = 0", "csum_diff wants 0 bytes of a value of 16, at -4"},
		{"r2 = *(u32 *)(r1 +12)\nr1 = map[#0] +8\nr1 += r2\nr2 = 0", "csum_diff is given no byte of memory, through a map value pointer that nobody checked"},
		{"r1 = 0\nr2 = 0", ""},
		{"r1 = 0\nr2 = 4", "r1 is 0 where csum_diff wants memory, unless it is of 0 bytes"},
		{"r2 = 0", "r1 is the context where csum_diff wants memory"},
	} {
		code := must.Get(ebpf.Parser{}.Code(c.text + "\nr3 = 0\nr4 = 0\nr5 = 0\ncall csum_diff"))(t)
		p := Program{Context: ebpf.ContextXDP, Maps: []*maps.Spec{{Name: "array", Type: cebpf.Array, KeySize: 4, ValueSize: 16}}}
		f := Facts{Reached: true}
		f.R[1], f.R[10] = Value{Kind: Ctx}, Value{Kind: Stack}
		var said []string
		for i := 0; i < len(code); i++ {
			in := InsnAt(code, i)
			if in.Op == ebpf.OpCall {
				in.Row = ebpf.HelperByID(in.Imm)
			}
			if in.IsWide() {
				i++
			}
			p.Step(&in, &f, func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) })
		}
		if got := strings.Join(said, "; "); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

// TestAccesses: what instructions and calls touch.
func TestAccesses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"*(u32 *)(r10 -8) = 5", "1w[-8,-4)@2"},
		{"r6 = *(u16 *)(r10 -8)", "1r[-8,-6)@2"},
		{"r1 = map[#0]\nr2 = r10\nr2 += -4\ncall map_lookup_elem", "1r[-4,0)@2 keys0r"},
		{"r1 = map[#1]\nr2 = r10\nr2 += -4\ncall map_lookup_elem", "1r[-4,0)@2 keys1r use1w"},
	} {
		var got []string
		for _, a := range follow(t, c.text).Acc {
			rw := map[bool]string{false: "r", true: "w"}[a.Write]
			switch a.Region {
			case InStack:
				got = append(got, fmt.Sprintf("1%s[%d,%d)@%d", rw, a.Lo, a.Hi, a.Base+1))
			case InKeys:
				got = append(got, fmt.Sprintf("keys%d%s", a.Map, rw))
			case InUse:
				got = append(got, fmt.Sprintf("use%d%s", a.Map, rw))
			default:
				got = append(got, fmt.Sprint(a.Region))
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.text, s, c.want)
		}
	}
}

// TestNames: what a name stands for where an instruction gives it again, and what is
// known of two pointers that met when a number is added to them.
func TestNames(t *testing.T) {
	f := follow(t, "r7 = *(u32 *)(r1 +0)\nr6 = *(u32 *)(r1 +12)\nr7 += r6\nr8 = *(u32 *)(r1 +4)")
	code := must.Get(ebpf.Parser{}.Code("r7 = *(u32 *)(r1 +0)\nr6 = *(u32 *)(r1 +12)\nr7 += r6"))(t)
	f.R[9] = f.R[7] // of the round before
	f.R[9].Off = 2
	for i := range code {
		in := InsnAt(code, i)
		f.Step(&in, Hint{})
	}
	if f.R[9].Base == f.R[7].Base || f.R[9].Kind != Packet {
		t.Errorf("the pointer of the round before is %+v, this round's %+v", f.R[9], f.R[7])
	}
	a, b := Value{Kind: Packet, Off: 14, Range: 22}, Value{Kind: Packet, Off: 18, Range: 22}
	both := Join(a, b)
	for _, c := range []struct{ add, left int64 }{{0, 4}, {2, 2}, {5, 0}, {-2, 0}} {
		if v := both.added(exactly(uint64(c.add)), 7); v.Range-v.Off != c.left {
			t.Errorf("%+v of %+v: %d more bytes may be read, want %d", c.add, both, v.Range-v.Off, c.left)
		}
	}
}

// Schedulers, optimiser and machine code take a step for every instruction of every
// trace.
func TestStepsAllocateNothing(t *testing.T) {
	code := must.Get(ebpf.Parser{}.Code(`
		r2 = *(u32 *)(r1 +0)
		r3 = *(u8 *)(r2 +14)
		r2 += r3
		r4 = *(u16 *)(r2 +2)
		*(u64 *)(r10 -8) = r4
		*(u64 *)(r10 +16) = r2
		r4 = *(u64 *)(r10 +16)
		r2 = r10
		r2 += -8
		r0 = r4
		exit`))(t)
	var f Flow
	if n := testing.AllocsPerRun(100, func() {
		f.Enter(nil)
		for i := range code {
			in := InsnAt(code, i)
			f.Step(&in, Hint{})
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
