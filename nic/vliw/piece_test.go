package vliw

import (
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic/profile"

	cebpf "github.com/cilium/ebpf"
)

func schedule(t *testing.T, text string, m *Machine) *ProgramSchedule {
	t.Helper()
	code := must.Get(ebpf.Parser{}.Code(text))(t)
	p := &loader.Program{Name: "p", Insns: code, Maps: []*maps.Spec{}}
	s := must.Get(Program(&loader.Object{File: "t", Programs: []*loader.Program{p}}, p, m))(t)
	return s
}

// Two tests of one word: the shape of every parser.
const parser = `
	r2 = *(u32 *)(r1 +12)
	r3 = r2
	r3 &= 1
	if r3 == 0 goto +4
	r4 = r2
	r4 &= 6
	if r4 == 0 goto +1
	r0 = 1
	exit`

// Pieces by hand: basic blocks one after the other; chained blocks with their
// branches side by side, the first in program order counting first. r0 = 1
// stays below them: r0 is read where they go.
func TestPieces(t *testing.T) {
	for _, tc := range []struct {
		name string
		m    Machine
		want string
	}{
		{"basic blocks", Machine{Lanes: 4}, `
# p: 9 insns, 9 bundles in 4 pieces, IPC 1.00
0:
   0  r2 = *(u32 *)(r1 +12)
   1  r3 = r2
   2  r3 &= 1
   3  if r3 == 0 goto +4
4:
   0  r4 = r2
   1  r4 &= 6
   2  if r4 == 0 goto +1
7:
   0  r0 = 1
8:
   0  exit
`},
		{"branches side by side", Machine{Lanes: 4, Branches: 2, Speculate: true}, `
# p: 9 insns, 6 bundles in 2 pieces, IPC 1.50
0:
   0  r2 = *(u32 *)(r1 +12)
   1  r3 = r2               |  r4 = r2
   2  r3 &= 1               |  r4 &= 6
   3  if r3 == 0 goto +4    |  if r4 == 0 goto +1
   4  r0 = 1
8:
   0  exit
`},
		{"one branch a cycle", Machine{Lanes: 4, Branches: 1, Speculate: true}, `
# p: 9 insns, 7 bundles in 2 pieces, IPC 1.29
0:
   0  r2 = *(u32 *)(r1 +12)
   1  r3 = r2               |  r4 = r2
   2  r3 &= 1               |  r4 &= 6
   3  if r3 == 0 goto +4
   4  if r4 == 0 goto +1
   5  r0 = 1
8:
   0  exit
`},
	} {
		if s := schedule(t, parser, &tc.m); "\n"+s.Format(nil) != tc.want {
			t.Errorf("%s:\n%s", tc.name, s.Format(nil))
		}
	}
}

// Cycles of a run, by hand: pieces are left at the branch that is taken.
func TestCyclesByHand(t *testing.T) {
	s := schedule(t, parser, &Machine{Lanes: 4})
	step := func(pc int32, taken uint64) vm.Step { return vm.Step{PC: pc, Addr: taken} }
	for i, tc := range []struct {
		steps []vm.Step
		want  uint32
	}{
		{[]vm.Step{step(0, 0), step(1, 0), step(2, 0), step(3, 1), step(8, 0)}, 4 + 1},
		{[]vm.Step{step(0, 0), step(1, 0), step(2, 0), step(3, 0), step(4, 0), step(5, 0), step(6, 1), step(8, 0)}, 4 + 3 + 1},
		{[]vm.Step{step(0, 0), step(1, 0), step(2, 0), step(3, 0), step(4, 0), step(5, 0), step(6, 0), step(7, 0), step(8, 0)}, 4 + 3 + 1 + 1},
		{nil, 0},
	} {
		if got := s.Cycles(tc.steps); got != tc.want {
			t.Errorf("%d: %d cycles, want %d", i, got, tc.want)
		}
		if n := testing.AllocsPerRun(5, func() { s.Cycles(tc.steps) }); n != 0 {
			t.Errorf("%d: %v allocations", i, n)
		}
	}
}

// In-order execution without a scheduler, by hand.
func TestScalar(t *testing.T) {
	slow := Machine{Lanes: 4, Load: 3, Mul: 4, Store: 2}
	for _, tc := range []struct {
		code string
		want uint32
	}{
		{"r0 = 1\nexit", 2},
		{"r2 = 1\nr3 = 2\nr0 = 3\nexit", 4},
		{"r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +0)\nexit", 1 + 2 + 1 + 2 + 1},
		{"r2 = *(u32 *)(r1 +0)\nr3 = 1\nr4 = 2\nr0 = *(u8 *)(r2 +0)\nexit", 4 + 2 + 1},
		{"*(u64 *)(r10 -8) = 1\nr0 = *(u64 *)(r10 -8)\nexit", 1 + 1 + 1 + 2 + 1},
	} {
		if got := ScalarCycles(parse(t, tc.code), &slow); got != tc.want {
			t.Errorf("%q: %d cycles, want %d", tc.code, got, tc.want)
		}
	}
	if ScalarCycles(parse(t, "r0 = 1"), &slow) != 0 {
		t.Error("not a trace has cycles")
	}
}

// The price of pieces of code, by hand.
func TestCostByHand(t *testing.T) {
	m := Machine{Lanes: 2, Load: 3, Mul: 4}
	cost := Cost(&m)
	for code, want := range map[string]int{
		"exit":                   1,
		"r0 = 1\nexit":           2,
		"r0 = 1":                 1,
		"r0 *= 3":                4,
		"r2 = 1\nr3 = 2\nr4 = 3": 2,
		"r2 = *(u32 *)(r1 +0)":   3,
		"r2 = 1\nif r2 == 0 goto +1\nr0 = 1\nr3 = 1\nexit": 4,
	} {
		tr := parse(t, code)
		if got := cost(tr.Code); got != want {
			t.Errorf("%q: %d, want %d", code, got, want)
		}
	}
	if got := cost(nil); got != 0 {
		t.Errorf("nothing: %d", got)
	}
}

// Every built-in profile gives a machine, and each latency it has arrives.
func TestMachineOf(t *testing.T) {
	n := &profile.NIC{Name: "x", Lanes: 3, Helpers: 1, MemPorts: 2, MapPorts: 4, LatALU: 5, LatMul: 6, LatDiv: 7, LatPacket: 8, LatStore: 9,
		LatMapMem: 10, LatAtomic: 11, LatHelper: 12, LatArray: 13, LatHash: 14, LatLRU: 15, LatLPM: 16, LatUpdate: 17}
	m := MachineOf(n).For([]*maps.Spec{{Type: cebpf.Hash}, {Type: cebpf.Array}, {Type: cebpf.LRUHash}, {Type: cebpf.LPMTrie}, {Type: cebpf.PerCPUArray}})
	if m.Lanes != 3 || m.Helpers != 1 || m.MemPorts != 2 || m.MapPorts != 4 {
		t.Errorf("%+v", m)
	}
	for code, want := range map[string]int32{
		"r0 = 1": 5, "r0 *= 1": 6, "r0 /= 3": 7, "r0 %= 3": 7, "r0 = *(u64 *)(r10 -8)": 8, "r0 = *(u32 *)(r1 +0)": 8,
		"*(u64 *)(r10 -8) = 1": 9, "lock *(u64 *)(r10 -8) += r1": 11, "call ktime_get_ns#5": 12,
		"r1 = map[#1] +0\nr0 = *(u64 *)(r1 +0)":                                              10,
		"r1 = map[#0]\ncall map_lookup_elem#1":                                               14,
		"r1 = map[#1]\ncall map_lookup_elem#1":                                               13,
		"r1 = map[#2]\ncall map_lookup_elem#1":                                               15,
		"r1 = map[#3]\ncall map_lookup_elem#1":                                               16,
		"r1 = map[#4]\ncall map_lookup_elem#1":                                               13,
		"r1 = map[#0]\ncall map_update_elem#2":                                               31,
		"r1 = map[#1]\ncall map_delete_elem#3":                                               30,
		"r1 = map[#0]\nr2 = r1\nr1 = 5\ncall map_lookup_elem#1":                              14,
		"r1 = map[#3]\nr6 = r1\nr1 = 5\nr1 = r6\ncall map_lookup_elem#1":                     16,
		"r1 = map[#3]\n*(u64 *)(r10 -8) = r1\nr1 = *(u64 *)(r10 -8)\ncall map_lookup_elem#1": 16,
	} {
		s := must.Get(New(parse(t, code+"\nexit"), m))(t)
		if got := s.Latency[len(s.Latency)-2]; got != want {
			t.Errorf("%q: latency %d, want %d", code, got, want)
		}
	}
	for _, name := range profile.Names() {
		n, err := profile.Load(name)
		must.OK(t, err)
		m := MachineOf(n)
		s, err := New(parse(t, "r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +12)\nr0 += 1\nexit"), m)
		if err != nil || s.Cycles < 3 {
			t.Errorf("profile %q: %v, %v", name, s, err)
		}
	}
}

// A bounds check that jumps where the packet is long enough, and one that jumps
// where it is not: where the hardware checks, a short packet ends at either.
func TestShortPacketEndsAtRemovedCheck(t *testing.T) {
	const head = `
	r2 = *(u32 *)(r1 +4)
	r1 = *(u32 *)(r1 +0)
	r3 = r1
	r3 += 100
	`
	step := func(pc int32, taken uint64) vm.Step { return vm.Step{PC: pc, Addr: taken} }
	upTo := []vm.Step{step(0, 0), step(1, 0), step(2, 0), step(3, 0)}
	m := &Machine{Lanes: 4, NoBounds: true}
	for _, tc := range []struct {
		check string
		short uint64 // what the check's jump does with a short packet
		ends  int32
		rows  uint32 // all that stands before the check was for it alone
	}{
		{"if r3 <= r2 goto +2", 0, 5, 1},
		{"if r3 > r2 goto +2", 1, 7, 0},
	} {
		s := schedule(t, head+tc.check+"\nr0 = 1\nexit\nr0 = 2\nexit", m)
		got := s.Run(append(upTo[:4:4], step(4, tc.short), step(tc.ends, 0), step(tc.ends+1, 0)))
		if got.Rows != tc.rows || got.Drain != 0 {
			t.Errorf("%s: a short packet takes %+v, want %d rows", tc.check, got, tc.rows)
		}
	}
}
