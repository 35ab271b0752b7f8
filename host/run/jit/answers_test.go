package jit

import (
	"fmt"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond/text"

	cebpf "github.com/cilium/ebpf"
)

// firstByte has r7 be the first byte of the packet, r6 the context and r8 the packet.
const firstByte = `
		r6 = r1
		r0 = 2
		r8 = *(u32 *)(r1 +0)
		r3 = *(u32 *)(r1 +4)
		r4 = r8
		r4 += 14
		if r4 > r3 goto out
		r7 = *(u8 *)(r8 +0)
`

// withCallback assembles a program that names its maps, and in "r2 = func" the function
// behind its last exit but one.
func withCallback(t *testing.T, code string, specs ...*maps.Spec) *loader.Object {
	for i, m := range specs {
		code = strings.ReplaceAll(code, "map["+m.Name+"]", fmt.Sprintf("map[#%d]", i))
	}
	code = strings.ReplaceAll(code, "\n\n", "\n")
	obj := kernelProgram(t, strings.ReplaceAll(code, "r2 = func", "r2 = map[#9]"), specs...)
	insns := obj.Programs[0].Insns
	back, last := 0, 0
	for i, in := range insns {
		if in.Op == ebpf.OpExit {
			back, last = last, i+1
		}
	}
	for i, in := range insns {
		if in.IsWide() && in.Src == ebpf.PseudoMapFD && in.Imm == 9 {
			insns[i].Src, insns[i].Imm = ebpf.PseudoFunc, int32(back-i-1)
		}
	}
	return obj
}

// What a helper answers that looks at more than one entry, at memory by its address, or
// at what the run itself has done before decides the path; and the second packet of a
// kind hits.
func TestAnswersTrace(t *testing.T) {
	fifo := &maps.Spec{Name: "fifo", Type: cebpf.Queue, ValueSize: 8, Max: 3}
	lifo := &maps.Spec{Name: "lifo", Type: cebpf.Stack, ValueSize: 8, Max: 3}
	seen := &maps.Spec{Name: "seen", Type: cebpf.BloomFilter, ValueSize: 4, Max: 10}
	ring := &maps.Spec{Name: "ring", Type: cebpf.RingBuf, Max: 4096}
	sums := &maps.Spec{Name: "sums", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 4}
	table := &maps.Spec{Name: "table", Type: cebpf.Hash, KeySize: 4, ValueSize: 8, Max: 8, Contents: []maps.Entry{
		{Key: []byte{1, 0, 0, 0}, Value: make([]byte, 8)}, {Key: []byte{3, 2, 1, 9}, Value: make([]byte, 8)}, {Key: []byte{7, 0, 0, 0}, Value: make([]byte, 8)}}}
	each := &maps.Spec{Name: "each", Type: cebpf.PerCPUArray, KeySize: 4, ValueSize: 8, Max: 2}
	hashes := &maps.Spec{Name: "hashes", Type: cebpf.PerCPUHash, KeySize: 4, ValueSize: 8, Max: 4, Contents: []maps.Entry{{Key: []byte{1, 0, 0, 0}, Value: make([]byte, 8)}}}
	timed := &maps.Spec{Name: "timed", Type: cebpf.Hash, KeySize: 4, ValueSize: 32, Max: 4}
	// Pushes the first byte, and pops once it is over 9, twice when it is over 19.
	queue := func(name string) string {
		return firstByte + strings.ReplaceAll(`		*(u64 *)(r10 -8) = r7
		r1 = map[#0]
		r2 = r10
		r2 += -8
		r3 = 0
		call map_push_elem
		r9 = r0
		if r7 <= 9 goto end
		r1 = map[#0]
		r2 = r10
		r2 += -8
		call map_pop_elem
		if r0 != 0 goto end
		if r7 <= 19 goto end
		r1 = map[#0]
		r2 = r10
		r2 += -8
		call map_pop_elem
		if r0 == 0 goto two
		r0 = 1
		exit
	two:
		r1 = *(u64 *)(r10 -8)
		if r1 > 20 goto end
		r0 = 3
		exit
	end:
		r0 = 2
		if r9 == 0 goto out
		r0 = 1
	out:
		exit`, "map[#0]", "map["+name+"]")
	}
	for _, c := range []struct {
		name  string
		code  string
		specs []*maps.Spec
		cpus  int
		hits  uint64 // of 120 packets at least so many
		says  string // in the text of some condition
	}{
		{"queue", queue("fifo"), []*maps.Spec{fifo}, 1, 100, "map fifo elem("},
		{"stack", queue("lifo"), []*maps.Spec{lifo}, 1, 100, "map lifo count"},
		{"bloom filter", firstByte + `
		*(u32 *)(r10 -4) = r7
		r1 = map[seen]
		r2 = r10
		r2 += -4
		r3 = 0
		call map_push_elem
		*(u32 *)(r10 -4) = 6
		r1 = map[seen]
		r2 = r10
		r2 += -4
		call map_peek_elem
		if r0 == 0 goto out
		r0 = 3
	out:
		exit`, []*maps.Spec{seen}, 1, 110, "map seen[hex(06000000)][eth.dst[0:1], hex(000000)] vacant"},
		{"records", firstByte + `
		r1 = map[ring]
		r2 = 1000
		r3 = 0
		call ringbuf_reserve
		if r0 == 0 goto none
		r9 = r0
		*(u64 *)(r9 +0) = r7
		r7 <<= 4
		if r7 > 1600 goto one
		r1 = map[ring]
		r2 = 1500
		r3 = 0
		call ringbuf_reserve
		if r0 == 0 goto one
		*(u64 *)(r0 +8) = r7
		r1 = r0
		r2 = 0
		call ringbuf_discard
	one:
		r7 = *(u64 *)(r9 +0)
		r1 = r9
		r2 = 0
		call ringbuf_submit
		*(u64 *)(r10 -8) = r7
		r1 = map[ring]
		r2 = r10
		r2 += -8
		r3 = 8
		r4 = 0
		call ringbuf_output
		if r0 != 0 goto none
		r1 = map[ring]
		r2 = 0
		call ringbuf_query
		r0 &= 1
		exit
	none:
		r0 = 3
	out:
		exit`, []*maps.Spec{ring}, 1, 110, "room(1500, 2000)"},
		{"visit of a hash", firstByte + `
		*(u64 *)(r10 -8) = r7
		r1 = map[table]
		r2 = func
		r3 = r10
		r3 += -8
		r4 = 0
		call for_each_map_elem
		r9 = r0
		if r7 != 50 goto end
		*(u32 *)(r10 -4) = 5
		*(u64 *)(r10 -16) = 5
		r1 = map[table]
		r2 = r10
		r2 += -4
		r3 = r10
		r3 += -16
		r4 = 0
		call map_update_elem
	end:
		r0 = r9
	out:
		exit
		r6 = *(u64 *)(r4 +0)
		r5 = *(u32 *)(r2 +0)
		r7 = *(u64 *)(r3 +0)
		r7 += r5
		*(u64 *)(r3 +0) = r7
		r0 = 0
		if r6 != r5 goto more
		call map_delete_elem
		r0 = 1
	more:
		exit`, []*maps.Spec{table}, 1, 90, "map table key(1, 0)"},
		{"other CPU's values", firstByte + `
		*(u32 *)(r10 -4) = 1
		r1 = map[each]
		r2 = r10
		r2 += -4
		call map_lookup_elem
		if r0 == 0 goto out
		lock *(u64 *)(r0 +0) += r7
		r1 = map[each]
		r2 = r10
		r2 += -4
		r3 = r7
		call map_lookup_percpu_elem
		if r0 == 0 goto beyond
		r9 = *(u64 *)(r0 +0)
		*(u64 *)(r0 +0) = r7
		r1 = map[hashes]
		r2 = r10
		r2 += -4
		r3 = 1
		call map_lookup_percpu_elem
		if r0 == 0 goto out
		r1 = *(u64 *)(r0 +0)
		r1 += 1
		*(u64 *)(r0 +0) = r1
		r0 = 2
		if r9 > 100 goto out
		r0 = 1
		exit
	beyond:
		r0 = 3
	out:
		exit`, []*maps.Spec{each, hashes}, 2, 100, "map each[1] on("},
		{"printed string", firstByte + `
		r3 = *(u32 *)(r8 +1)
		*(u32 *)(r10 -8) = r3
		*(u32 *)(r10 -4) = 0
		r1 = r10
		r1 += -8
		*(u64 *)(r10 -40) = r7
		*(u64 *)(r10 -32) = r1
		r8 += 6
		*(u64 *)(r10 -24) = r8
		*(u64 *)(r10 -16) = r1
		*(u64 *)(r10 -56) = 0
		*(u64 *)(r10 -48) = 0
		r1 = r10
		r1 += -56
		r2 = 16
		r3 = map[.rodata] +0
		r4 = r10
		r4 += -40
		r5 = 32
		call snprintf
		r9 = r0
		r1 = map[.rodata] +0
		r2 = 19
		r3 = r7
		r4 = r10
		r4 += -8
		r5 = r8
		call trace_printk
		r9 += r0
		r1 = map[sums] +0
		r2 = *(u64 *)(r10 -56)
		lock *(u64 *)(r1 +0) += r2
		lock *(u64 *)(r1 +0) += r9
		r0 = 2
		if r9 > 70 goto out
		r0 = 3
	out:
		exit`, []*maps.Spec{sums, textMap("%d is %4s, %pI4 %p")}, 1, 100, "snprintf["},
		{"printed behind a call that leaves registers unknown", firstByte + `
		call ktime_get_ns
		r1 = map[.rodata] +0
		r2 = 3
		r3 = r7
		call trace_printk
		if r0 > 1 goto out
		r0 = 3
	out:
		exit`, []*maps.Spec{textMap("%d")}, 1, 110, "trace_printk["},
		{"read by address", firstByte + `
		r1 = r10
		r1 += -8
		r2 = 4
		r3 = r8
		r3 += r7
		call probe_read_kernel
		if r0 s< 0 goto bad
		r1 = *(u8 *)(r10 -8)
		if r1 > 5 goto more
		r0 = 1
		exit
	more:
		r1 = r10
		r1 += -8
		r2 = 8
		r3 = r8
		r3 += 1
		call probe_read_kernel_str
		r0 &= 3
		exit
	bad:
		r1 = r10
		r1 += -8
		r2 = 4
		r3 = 0
		call probe_read_user
		if r0 == 0 goto out
		r0 = *(u8 *)(r10 -8)
	out:
		exit`, nil, 1, 90, ""},
		{"timer", firstByte + `
		r1 = r7
		r1 &= 3
		*(u32 *)(r10 -4) = r1
		r1 = map[timed]
		r2 = r10
		r2 += -4
		call map_lookup_elem
		if r0 != 0 goto found
		*(u64 *)(r10 -40) = 0
		*(u64 *)(r10 -32) = 0
		*(u64 *)(r10 -24) = 0
		*(u64 *)(r10 -16) = 0
		r1 = map[timed]
		r2 = r10
		r2 += -4
		r3 = r10
		r3 += -40
		r4 = 0
		call map_update_elem
		r1 = map[timed]
		r2 = r10
		r2 += -4
		call map_lookup_elem
		if r0 == 0 goto out
	found:
		r9 = r0
		r9 += 16
		r1 = r9
		r2 = map[timed]
		r3 = 1
		call timer_init
		if r0 != 0 goto there
		r1 = r9
		r2 = func
		call timer_set_callback
		if r0 != 0 goto out
	there:
		if r7 > 40 goto stop
		r1 = r9
		r2 = 3000
		r3 = 0
		call timer_start
		r0 &= 3
		exit
	stop:
		r1 = r9
		call timer_cancel
	out:
		exit
		r1 = *(u64 *)(r3 +0)
		r1 += 1
		*(u64 *)(r3 +0) = r1
		r0 = 0
		exit`, []*maps.Spec{timed}, 1, 90, "timer(timed_1 + 0x10)"},
	} {
		for _, engine := range []string{"go", ""} {
			t.Run(c.name+" "+engine, func(t *testing.T) {
				obj := withCallback(t, c.code, c.specs...)
				r, err := New(obj, obj.Programs[0], Options{Engine: engine, Check: true, Cache: cache.Config{Policy: "lru", Entries: 64}, VM: vm.Options{Seed: 3, CPUs: c.cpus}})
				must.OK(t, err)
				defer r.Close()
				twin, err := New(obj, obj.Programs[0], Options{Engine: engine, Cache: cache.Config{Policy: "lru", Entries: 64}, VM: vm.Options{Seed: 3, CPUs: c.cpus}})
				must.OK(t, err)
				defer twin.Close()
				kinds := []byte{0, 1, 3, 5, 10, 20, 7, 50, 12, 30, 101, 0xff}
				for i := range 120 {
					k := kinds[i*7%len(kinds)]
					p := packet(k, 'a', k, 'b'*(k&1), 'c', 9, 10, k, 0, 1)
					in := vm.Input{Data: p, Packet: uint64(i), TimeNS: uint64(i) * 1000, IfIndex: 1, CPU: i % c.cpus}
					var out vm.Output
					if _, err := r.Process(&in, &out); err != nil {
						t.Fatalf("packet %d: %v", i, err)
					}
					if i%2 == 0 {
						_, err = twin.Process(&in, &out)
					} else {
						err = checkPath(twin, &in, &out)
					}
					must.OKf(t, err, "packet %d", i)
				}
				must.OK(t, r.CheckAll(t.Context()))
				said := c.says == ""
				for _, p := range r.Paths() {
					cond := text.Format(r.Comp, p.Path.Cond)
					said = said || strings.Contains(cond, c.says)
					back, err := text.Parse(r.Comp, cond)
					if err != nil {
						t.Fatalf("%v in\n%s", err, cond)
					}
					if !same(back, p.Path.Cond) {
						t.Errorf("read back it is another condition:\n%s", cond)
					}
				}
				if hits := r.NIC.Cache.Stats().Outcome[cache.Hit]; hits < c.hits || !said || r.Faults > 0 || r.Collision > 0 {
					t.Errorf("%d hits on %d paths, %d without a trace, %d faults, %q said: %v: %v", hits, len(r.Paths()), len(r.Dead()), r.Faults, c.says, said, r.Aborts)
					for _, p := range r.Paths() {
						t.Log(text.Format(r.Comp, p.Path.Cond))
					}
				}
				for _, d := range r.Dead() {
					t.Error(d.Abort)
				}
			})
		}
	}
}
