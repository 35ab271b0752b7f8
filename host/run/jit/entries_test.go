package jit

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// locked is a value of 8 bytes behind a lock.
var locked = &btf.Struct{Name: "locked", Size: 16, Members: []btf.Member{
	{Name: "lock", Type: &btf.Struct{Name: "bpf_spin_lock", Size: 4, Members: []btf.Member{{Name: "val", Type: &btf.Int{Size: 4}}}}},
	{Name: "word", Type: &btf.Int{Size: 8}, Offset: 64},
}}

// juggler is a program that looks up, reads, writes, updates and deletes a few entries
// of one map, holding pointers over all of that: the pointers stand at -32 and -40 of the
// stack, the key at -4, the value from -24 on; r9 is what it has read.
func juggler(t *testing.T, r *rand.Rand) (*loader.Object, string) {
	kinds := []maps.Spec{
		{Type: cebpf.Hash}, {Type: cebpf.Hash, Flags: maps.FlagNoPrealloc}, {Type: cebpf.Hash, ValueSize: 16, Value: locked},
		{Type: cebpf.PerCPUHash}, {Type: cebpf.LRUHash}, {Type: cebpf.LRUCPUHash}, {Type: cebpf.Array, ValueSize: 16, Value: locked},
	}
	spec := kinds[r.IntN(len(kinds))]
	spec.Name, spec.KeySize, spec.Max = "m", 4, uint32([]int{2, 6, 40}[r.IntN(3)])
	word := 0
	if spec.ValueSize == 16 {
		word = 8
	}
	spec.ValueSize = max(spec.ValueSize, 8)
	value := make([]byte, spec.ValueSize)
	value[word] = 1
	for i := range byte(r.IntN(2)) + 1 {
		spec.Contents = append(spec.Contents, maps.Entry{Key: []byte{i, 0, 0, 0}, Value: value})
	}
	var w strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&w, format+"\n", args...) }
	line("r6 = r1\nr2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 34\nif r4 > r3 goto pass")
	line("r9 = *(u32 *)(r2 +26)\nr8 = r9\nr8 &= 1\nr9 &= 3\nr1 = 0\n*(u64 *)(r10 -32) = r1\n*(u64 *)(r10 -40) = r1\n*(u64 *)(r10 -24) = r1\n*(u64 *)(r10 -16) = r1")
	key := func() {
		if r.IntN(3) == 0 {
			line("*(u32 *)(r10 -4) = r8") // 0 or 1
		} else {
			line("*(u32 *)(r10 -4) = %d", r.IntN(3))
		}
		line("r1 = map[#0]\nr2 = r10\nr2 += -4")
	}
	for n := range 4 + r.IntN(6) {
		slot := []int{-32, -40}[r.IntN(2)]
		switch r.IntN(6) {
		case 0, 1:
			key()
			line("call map_lookup_elem\n*(u64 *)(r10 %d) = r0", slot)
		case 2, 3:
			line("r1 = *(u64 *)(r10 %d)\nif r1 == 0 goto skip%d\nr2 = *(u64 *)(r1 +%d)\nr9 += r2", slot, n, word)
			if r.IntN(2) == 0 {
				line("if r2 s> %d goto skip%d\nr9 += 1", r.IntN(4), n)
			}
			if r.IntN(2) == 0 {
				line("*(u64 *)(r1 +%d) = r9", word)
			}
			line("skip%d:", n)
		case 4:
			flags := []int{0, 0, 0, 1, 2}[r.IntN(5)]
			if r.IntN(2) == 0 {
				flags |= 4
			}
			line("r9 &= 7\n*(u64 *)(r10 %d) = r9", word-24)
			key()
			line("r3 = r10\nr3 += -24\nr4 = %d\ncall map_update_elem", flags)
			if r.IntN(3) == 0 {
				line("if r0 != 0 goto skip%d\nr9 += 1\nskip%d:", n, n)
			}
		default:
			key()
			line("call map_delete_elem")
		}
	}
	line("r9 &= 1\nif r9 != 0 goto pass\nr0 = 1\nexit\npass:\nr0 = 2\nexit")
	code, text := assemble(t, w.String())
	return must.Get(loader.FromCode("juggler", code, []*maps.Spec{&spec}))(t), text
}

// TestOwnEntries: what a path reads of entries that it has itself put in, changed in
// place or taken out, through whichever pointer, is what the oracle reads.
func TestOwnEntries(t *testing.T) {
	const programs, packets = 300, 30
	hits := uint64(0)
	used := map[trace.Reason]uint64{}
	first, end := programsFrom(programs)
	for seed := first; seed < end; seed++ {
		rng := rand.New(rand.NewPCG(seed, 11))
		obj, text := juggler(t, rng)
		r := must.Get(New(obj, obj.Programs[0], Options{Check: true, Cache: cache.Config{Policy: "lru", Entries: 64}, VM: vm.Options{CPUs: 2}}))(t)
		for i := range uint64(packets) {
			pkt := make([]byte, 60)
			pkt[26] = byte(rng.IntN(4))
			in := vm.Input{Data: pkt, Packet: i, TimeNS: i * 1000, IfIndex: 1, CPU: rng.IntN(2)}
			var out vm.Output
			if _, err := r.Process(&in, &out); err != nil {
				t.Fatalf("seed %d: packet %d: %v\n%v\n%s", seed, i, err, obj.Maps[0], text)
			}
		}
		if err := r.CheckAll(t.Context()); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		for _, d := range r.Dead() {
			used[d.Abort.Reason]++
			if d.Abort.Detail == "" {
				t.Errorf("seed %d: %v says nothing of what it was", seed, d.Abort)
			}
		}
		if n := r.Aborts[trace.ReasonInternal]; n > 0 || r.Collision > 0 {
			t.Errorf("seed %d: %d aborts by an internal error, %d conditions overlap: %v\n%v\n%s", seed, n, r.Collision, used, obj.Maps[0], text)
		}
		hits += r.NIC.Cache.Stats().Outcome[cache.Hit]
		r.Close()
	}
	t.Logf("%d of %d packets hit; dead paths %v", hits, (end-first)*packets, used)
	if end > first+1 && hits < (end-first)*packets/2 {
		t.Errorf("%d of %d packets hit", hits, (end-first)*packets)
	}
}

// TestEvictedEntry: a value pointer that an LRU map's insert may have taken the entry of
// sees what was inserted.
func TestEvictedEntry(t *testing.T) {
	for n, typ := range []cebpf.MapType{cebpf.LRUHash, cebpf.LRUHash, cebpf.LRUCPUHash} {
		spec := &maps.Spec{Name: "m", Type: typ, KeySize: 4, ValueSize: 8, Max: uint32(1 + n)}
		code, _ := assemble(t, `
			r6 = *(u32 *)(r1 +0)
			r3 = *(u32 *)(r1 +4)
			r4 = r6
			r4 += 34
			if r4 > r3 goto pass
			r6 = *(u8 *)(r6 +26)
			*(u32 *)(r10 -4) = r6
			r1 = map[#0]
			r2 = r10
			r2 += -4
			call map_lookup_elem
			r7 = r0
			r6 += 1
			r6 &= 3
			*(u32 *)(r10 -4) = r6
			r1 = 1000
			r1 -= r6
			*(u64 *)(r10 -16) = r1
			r1 = map[#0]
			r2 = r10
			r2 += -4
			r3 = r10
			r3 += -16
			r4 = 0
			call map_update_elem
			if r7 == 0 goto pass
			r1 = *(u64 *)(r7 +0)
			r1 += 1
			*(u64 *)(r7 +0) = r1
			r0 = 1
			if r1 s> 999 goto out
			pass:
			r0 = 2
			out:
			exit`)
		obj := must.Get(loader.FromCode("evicts", code, []*maps.Spec{spec}))(t)
		r := must.Get(New(obj, obj.Programs[0], Options{Check: true, Cache: cache.Config{Policy: "lru", Entries: 64}}))(t)
		rng := rand.New(rand.NewPCG(1, 12))
		for i := range uint64(4000) {
			pkt := make([]byte, 60)
			pkt[26] = byte(rng.IntN(4))
			var out vm.Output
			if _, err := r.Process(&vm.Input{Data: pkt, Packet: i, TimeNS: i * 1000, IfIndex: 1}, &out); err != nil {
				t.Fatalf("%v: packet %d: %v", typ, i, err)
			}
		}
		r.Close()
	}
}

// TestEvictedElsewhere: where each CPU may keep an element of its own free, a map with
// few elements evicts though most of it is free.
func TestEvictedElsewhere(t *testing.T) {
	const cpus = 4
	for _, most := range []uint32{3, 4, 6, 7, 8, 16} {
		code, _ := assemble(t, `
			r9 = *(u32 *)(r1 +0)
			r3 = *(u32 *)(r1 +4)
			r4 = r9
			r4 += 34
			if r4 > r3 goto pass
			r6 = *(u8 *)(r9 +26)
			*(u32 *)(r10 -4) = r6
			r1 = map[#0]
			r2 = r10
			r2 += -4
			r7 = *(u8 *)(r9 +27)
			if r7 == 0 goto drop
			call map_lookup_elem
			r7 = r0
			r6 = *(u8 *)(r9 +28)
			*(u32 *)(r10 -4) = r6
			*(u64 *)(r10 -16) = 1000
			r1 = map[#0]
			r2 = r10
			r2 += -4
			r3 = r10
			r3 += -16
			r4 = 0
			call map_update_elem
			if r7 == 0 goto pass
			r1 = *(u64 *)(r7 +0)
			r1 += 1
			*(u64 *)(r7 +0) = r1
			r0 = 1
			if r1 s> 1001 goto out
			goto pass
			drop:
			call map_delete_elem
			pass:
			r0 = 2
			out:
			exit`)
		spec := &maps.Spec{Name: "m", Type: cebpf.LRUHash, KeySize: 4, ValueSize: 8, Max: most}
		obj := must.Get(loader.FromCode("evicts", code, []*maps.Spec{spec}))(t)
		r := must.Get(New(obj, obj.Programs[0], Options{Check: true, VM: vm.Options{CPUs: cpus}, Cache: cache.Config{Policy: "lru", Entries: 64}}))(t)
		rng := rand.New(rand.NewPCG(1, 12))
		for i := range uint64(20_000) {
			pkt := make([]byte, 60)
			pkt[26], pkt[27], pkt[28] = byte(rng.IntN(5)), byte(rng.IntN(2)), byte(rng.IntN(5))
			var out vm.Output
			if _, err := r.Process(&vm.Input{Data: pkt, Packet: i, TimeNS: i * 1000, IfIndex: 1, CPU: rng.IntN(cpus)}, &out); err != nil {
				t.Errorf("%d elements: packet %d: %v", most, i, err)
				break
			}
		}
		t.Logf("%d elements: %d of %d packets hit", most, r.NIC.Outcomes()[cache.Hit], r.Packets)
		r.Close()
	}
}
