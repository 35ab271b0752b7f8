package jit

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// writeForms are the ways a program can write a map entry: r6 is the context,
// r7 the map, r8 its value (8 bytes), r9 a word of the packet. The keys are on
// the stack at -4.
var writeForms = []string{
	"*(u8 *)(r8 +3) = r9",
	"*(u16 *)(r8 +0) = r9",
	"*(u32 *)(r8 +0) = r9",
	"*(u64 *)(r8 +0) = r9",
	"*(u32 *)(r8 +4) = 5",
	"*(u64 *)(r8 +0) = 7",
	"lock *(u32 *)(r8 +0) += r9",
	"lock *(u64 *)(r8 +0) |= r9",
	"lock *(u64 *)(r8 +0) &= r9",
	"lock *(u32 *)(r8 +4) ^= r9",
	"r9 = atomic64_fetch_add(*(u64 *)(r8 +0), r9)",
	"r9 = atomic32_fetch_xor(*(u32 *)(r8 +0), r9)",
	"r9 = atomic32_xchg(*(u32 *)(r8 +0), r9)",
	"r0 = r9\nr1 = 3\nr0 = atomic64_cmpxchg(*(u64 *)(r8 +0), r0, r1)",
	"r0 = 0\nr0 = atomic32_cmpxchg(*(u32 *)(r8 +0), r0, r9)",
	"store_release(*(u32 *)(r8 +0), r9)",
	"r1 = r6\nr2 = 26\nr3 = r8\nr4 = 4\ncall xdp_load_bytes",
	"*(u64 *)(r10 -16) = r9\nr1 = r7\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\ncall map_update_elem",
	"r1 = r7\nr2 = r10\nr2 += -4\ncall map_delete_elem",
}

// writer is a program that reads an entry, decides by it, and writes it in some
// of the forms. The map stands in r7 all along, where no look at the
// instructions before a call finds it.
func writer(t *testing.T, r *rand.Rand) (*loader.Object, string) {
	kind := []cebpf.MapType{cebpf.Array, cebpf.Hash}[r.IntN(2)]
	specs := []*maps.Spec{
		{Name: "last", Type: kind, KeySize: 4, ValueSize: 8, Max: 4},
		{Name: "allowed", Type: cebpf.Hash, KeySize: 4, ValueSize: 8, Max: 64, Contents: []maps.Entry{{Key: []byte{1, 0, 0, 0}, Value: make([]byte, 8)}}},
	}
	specs[0].Contents = []maps.Entry{{Key: make([]byte, 4), Value: []byte{3, 0, 0, 0, 0, 0, 0, 0}}}
	var w strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&w, format+"\n", args...) }
	line("r6 = r1\nr2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 34\nif r4 > r3 goto pass")
	line("r9 = *(u32 *)(r2 +26)\nr9 &= 3\nr7 = map[#0]")
	line("*(u32 *)(r10 -4) = r9\nr1 = map[#1]\nr2 = r10\nr2 += -4\ncall map_lookup_elem\nif r0 != 0 goto pass")
	line("*(u32 *)(r10 -4) = 0")
	for range 1 + r.IntN(2) {
		n := w.Len()
		line("r1 = r7\nr2 = r10\nr2 += -4\ncall map_lookup_elem\nif r0 == 0 goto pass\nr8 = r0")
		size := []int{8, 16, 32, 64}[r.IntN(4)]
		line("r1 = *(u%d *)(r8 +0)", size)
		if r.IntN(3) == 0 { // written only where it was something
			line("if r1 == r9 goto skip%d", n)
		}
		line("r9 += r1\nr9 &= %d", 1+r.IntN(7))
		line("%s", writeForms[r.IntN(len(writeForms))])
		line("skip%d:", n)
	}
	line("r0 = 1\nexit\npass:\nr0 = 2\nexit")
	code, text := assemble(t, w.String())
	p := &loader.Program{Name: "writer", Insns: code, Maps: specs, Type: cebpf.XDP, Funcs: []loader.Func{{Name: "writer", End: len(code)}}, Unsupported: map[int]string{}}
	return &loader.Object{File: "writer", Programs: []*loader.Program{p}, Maps: specs}, text
}

// assemble reads a program whose jumps go to labels.
func assemble(t *testing.T, text string) ([]ebpf.Insn, string) {
	t.Helper()
	at := map[string]int{}
	var lines []string
	slot := 0
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		l = strings.TrimSpace(l)
		if name, ok := strings.CutSuffix(l, ":"); ok {
			at[name] = slot
			continue
		}
		lines = append(lines, l)
		if slot++; strings.Contains(l, "map[") {
			slot++
		}
	}
	slot = 0
	for i, l := range lines {
		slot++
		if strings.Contains(l, "map[") {
			slot++
		}
		if head, name, ok := strings.Cut(l, "goto "); ok && name[0] != '+' {
			target, ok := at[name]
			if !ok {
				t.Fatalf("no label %s", name)
			}
			lines[i] = fmt.Sprintf("%sgoto %+d", head, target-slot)
		}
	}
	text = strings.Join(lines, "\n")
	code, err := ebpf.Parser{}.Code(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return code, text
}

// Two senders in turn through a program that keeps the last one, and folds a
// look-up by the sender in an empty map: one miss, and hits from then on, as without.
func TestSpecialiseCase(t *testing.T) {
	for _, c := range []struct {
		file, capture string
		misses        uint64
	}{{"last.o", "alternate.pcap", 1}, {"vA.o", "two.pcap", 1}} {
		obj := must.Get(loader.Load(hosttest.Case(t, "specialise-internal", c.file), loader.Options{}))(t)
		r := replay(t, obj, obj.Programs[0], hosttest.Case(t, "specialise-internal", c.capture),
			Options{Check: true, Remedies: Remedies{Specialise: true}, Cache: cache.Config{Policy: "lru", Entries: 64}}, 0)
		if n := r.NIC.Cache.Stats().Outcome[cache.Hit]; n != r.Packets-c.misses || len(r.Dead()) > 0 {
			t.Errorf("%s: %d hits of %d packets, %d paths without a trace", c.file, n, r.Packets, len(r.Dead()))
		}
		r.Close()
	}
}

// TestWritersOfWhatTheyRead: what a run reads and then writes is no constant of
// its trace, whichever way it writes; with the oracle beside every packet.
func TestWritersOfWhatTheyRead(t *testing.T) {
	const programs, packets = 200, 40
	hits := uint64(0)
	used := map[trace.Reason]uint64{}
	first, end := programsFrom(programs)
	for seed := first; seed < end; seed++ {
		rng := rand.New(rand.NewPCG(seed, 10))
		obj, text := writer(t, rng)
		r := must.Get(New(obj, obj.Programs[0], Options{Check: true, Remedies: Remedies{Specialise: true}, Cache: cache.Config{Policy: "lru", Entries: 64}}))(t)
		for i := range uint64(packets) {
			pkt := make([]byte, 60)
			pkt[26] = byte(rng.IntN(4))
			in := vm.Input{Data: pkt, Packet: i, TimeNS: i * 1000, IfIndex: 1}
			var out vm.Output
			if _, err := r.Process(&in, &out); err != nil {
				t.Fatalf("seed %d: packet %d: %v\n%s", seed, i, err, text)
			}
		}
		if err := r.CheckAll(t.Context()); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		for why, n := range r.Aborts {
			used[why] += n
		}
		if n := r.Aborts[trace.ReasonInternal]; n > 0 || r.Collision > 0 {
			t.Errorf("seed %d: %d aborts by an internal error, %d conditions overlap: %v\n%s", seed, n, r.Collision, r.Dead()[0].Abort, text)
		}
		hits += r.NIC.Cache.Stats().Outcome[cache.Hit]
		r.Close()
	}
	t.Logf("%d of %d packets hit; aborts %v", hits, (end-first)*packets, used)
	if end > first+1 && hits < (end-first)*packets/3 {
		t.Errorf("%d of %d packets hit", hits, (end-first)*packets)
	}
}

// programsFrom are the seeds of a test that draws so many programs: JITNIC_SEED alone,
// where that is set, and twenty times as many with JITNIC_HEAVY.
func programsFrom(n uint64) (first, end uint64) {
	if os.Getenv("JITNIC_HEAVY") != "" {
		n *= 20
	}
	if s := os.Getenv("JITNIC_SEED"); s != "" {
		fmt.Sscan(s, &first)
		n = 1
	}
	return first, first + n
}
