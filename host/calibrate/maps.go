package calibrate

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/kernel"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

// valueSize of every map that is measured: a counter.
const valueSize = 8

// A kind is a type of map that is measured.
type kind struct {
	name  string
	typ   cilium.MapType
	flags uint32
}

var kinds = []kind{
	{"array", cilium.Array, 0},
	{"percpu_array", cilium.PerCPUArray, 0},
	{"hash", cilium.Hash, 0},
	{"percpu_hash", cilium.PerCPUHash, 0},
	{"lru_hash", cilium.LRUHash, 0},
	{"lru_percpu_hash", cilium.LRUCPUHash, 0},
	{"lpm_trie", cilium.LPMTrie, maps.FlagNoPrealloc},
}

// Kinds are the names of the types that are measured by size, as in figures.
func Kinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

func (k kind) isArray() bool { return k.typ == cilium.Array || k.typ == cilium.PerCPUArray }
func (k kind) isLRU() bool   { return maps.Ordered(k.typ) }

func isTrie(s *maps.Spec) bool { return s.Type == cilium.LPMTrie }

// spec is a map that holds entries, with room for more.
func (k kind) spec(entries, room int) *maps.Spec {
	s := &maps.Spec{Name: k.name, Type: k.typ, KeySize: 4, ValueSize: valueSize, Max: uint32(entries + room), Flags: k.flags}
	if isTrie(s) {
		s.KeySize = 8
	}
	return s
}

// room is what a hash has beyond the entries it holds. An LRU map gives its
// free elements out to CPUs in lots of up to 128 and evicts before it is full
// (kernel/bpf/bpf_lru_list.c); all hashes have the same, so that their chains
// are equally long.
func (k kind) room() int {
	if k.isArray() || k.typ == cilium.LPMTrie {
		return 0
	}
	return 256
}

func toMap() code {
	c := code(mapFD(1, 0))
	c.add(movx(2, 10), alu(ebpf.ALUAdd, 2, -8))
	return c
}

// pointKey turns the pointer to an LPM key into that of the 4 bytes behind the
// prefix length.
func (k kind) pointKey(c code) code {
	if k.typ != cilium.LPMTrie {
		c[len(c)-1].Imm = -4
	}
	return c
}

// failUnless counts a failure where r0 is 0 or, for the others, isn't.
func failUnless(found bool) code {
	op := ebpf.JmpEQ
	if found {
		op = ebpf.JmpNE
	}
	return code{jump(op, 0, 0, 1), alu(ebpf.ALUAdd, 9, 1)}
}

// lookup finds a value and reads it into r7.
func lookup(k kind) code {
	c := k.pointKey(toMap())
	c.add(helper(ebpf.FnMapLookupElem), jump(ebpf.JmpNE, 0, 0, 2), alu(ebpf.ALUAdd, 9, 1), ja(1), load(ebpf.SizeDW, 7, 0, 0))
	return c
}

// count finds a value and adds to it, atomically. It adds 0, which takes as
// long as any number, so that all values stay what lookup expects.
func count(k kind) code {
	c := k.pointKey(toMap())
	c.add(helper(ebpf.FnMapLookupElem), jump(ebpf.JmpNE, 0, 0, 2), alu(ebpf.ALUAdd, 9, 1), ja(2), mov(1, 0), atomic(ebpf.AtomicAdd, 0, 0, 1))
	return c
}

// put writes the 8 zero bytes at r10-16.
func put(k kind, flags int32) code {
	c := k.pointKey(toMap())
	c.add(movx(3, 10), alu(ebpf.ALUAdd, 3, -16), mov(4, flags), helper(ebpf.FnMapUpdateElem))
	c.add(failUnless(false)...)
	return c
}

func remove(k kind) code {
	c := k.pointKey(toMap())
	c.add(helper(ebpf.FnMapDeleteElem))
	c.add(failUnless(false)...)
	return c
}

// A pass is what is done to each of a run's keys before the next pass begins.
// wait makes a key depend on what the last operation has read; op nil does
// nothing but put the key on the stack.
type pass struct {
	op     func(k kind) code
	wait   bool
	lookup bool // op only reads
}

// body is a whole program: perRun keys of the table with index table, each put
// on the stack and given to a pass's operation, once for each pass. r9 counts
// failures, r7 is what was read last. It returns 1.
func (k kind) body(table int32, keys int, passes ...pass) code {
	var c code
	if k.typ == cilium.LPMTrie {
		c.add(storeImm(ebpf.SizeW, 10, -8, k.prefix(passes)))
	}
	c.add(storeImm(ebpf.SizeDW, 10, -16, 0), mov(7, 0), mov(9, 0))
	c.add(mapValue(6, table)...)
	c.add(
		load(ebpf.SizeDW, 1, 6, tableNext),
		movx(2, 1), alu(ebpf.ALUAdd, 2, perRun), store(ebpf.SizeDW, 6, tableNext, 2),
		alu(ebpf.ALUAnd, 1, int32(keys-1)), alu(ebpf.ALULsh, 1, 2),
		movx(8, 6), alux(ebpf.ALUAdd, 8, 1),
	)
	for _, p := range passes {
		for i := range perRun {
			c.add(load(ebpf.SizeW, 1, 8, int16(tableKeys+4*i)))
			if p.wait {
				c.add(alux(ebpf.ALUAdd, 1, 7))
			}
			c.add(store(ebpf.SizeW, 10, -4, 1))
			if p.op != nil {
				c.add(p.op(k)...)
			}
		}
	}
	c.add(load(ebpf.SizeDW, 1, 6, tableFail), alux(ebpf.ALUAdd, 1, 9), store(ebpf.SizeDW, 6, tableFail, 1), mov(0, xdpDrop), exit())
	return c
}

// prefix is the length that an LPM trie's keys carry: a look-up asks for whole
// addresses, the others name the prefix.
func (k kind) prefix(passes []pass) int32 {
	for _, p := range passes {
		if p.op != nil && !p.lookup {
			return prefixLen
		}
	}
	return 32
}

// keysDrawn is how many keys a table holds: more than the largest map has
// entries, so that all are asked for.
const keysDrawn = 1 << 17

// tableEntries is the size of the maps that are compared by type: small enough
// that where they lie doesn't matter.
const tableEntries = 1000

// mapTypes compares the types with each other, all in the same rounds.
func mapTypes(b *bench) error {
	var jobs []job
	type what struct {
		kind string
		name string
		note string
		base int // index of the job without the operation
	}
	whats := []what{}
	for _, k := range kinds {
		spec := k.spec(tableEntries, k.room())
		ms, err := b.filled(spec, tableEntries)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		table, err := b.drawn(ms, spec, "uniform", tableEntries)
		if err != nil {
			return err
		}
		base := len(jobs)
		for _, o := range accesses {
			p, err := b.checked("type_"+o.name, cilium.SchedCLS, k.body(table, keysDrawn, o.pass), ms, xdpDrop)
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			jobs = append(jobs, job{prog: p, warm: true}) // the other maps have taken the caches
			whats = append(whats, what{k.name, o.name, o.note, base})
		}
	}
	times, err := b.series(jobs...)
	if err != nil {
		return err
	}
	for i, w := range whats {
		if i == w.base {
			continue
		}
		f := difference(times[i], times[w.base], perRun)
		f.Group, f.Name, f.Map, f.Entries, f.Keys, f.Note = "type", w.name, w.kind, tableEntries, "uniform", w.note
		b.note(f)
	}
	return nil
}

// accesses are what is done with keys that are there; the first is nothing.
var accesses = []struct {
	name string
	pass pass
	note string
}{
	{"", pass{}, ""},
	{"access", pass{lookup, true, true}, "look-up, test for NULL and load of the value; each waits for the one before"},
	{"lookup", pass{lookup, false, true}, "the same, none waiting: what the CPU can overlap it overlaps"},
	{"count", pass{count, false, true}, "look-up, test for NULL and atomic add to the value"},
	{"update", pass{overwrite, false, false}, "bpf_map_update_elem of a key that is there"},
}

// drawn makes a table of keys that are there.
func (b *bench) drawn(ms *kernel.Maps, spec *maps.Spec, dist string, size int) (int32, error) {
	keys := draws(dist, size, keysDrawn, b.opt.Seed)
	for i := range keys {
		keys[i] = keyOf(spec, keys[i])
	}
	return b.table(ms, keys)
}

// mapAccess times look-ups and updates of keys that are there, by type and
// size of the map and by how keys are drawn.
func mapAccess(b *bench) error {
	for _, k := range kinds {
		for _, size := range b.opt.Sizes {
			if err := b.mapSize(k, size); err != nil {
				return fmt.Errorf("%s of %d: %w", k.name, size, err)
			}
			b.close()
		}
	}
	return nil
}

func (b *bench) mapSize(k kind, size int) error {
	spec := k.spec(size, k.room())
	ms, err := b.filled(spec, size)
	if err != nil {
		return err
	}
	for _, dist := range []string{"uniform", "zipf"} {
		b.progress(fmt.Sprintf("map accesses: %s, %d entries, %s", k.name, size, dist))
		table, err := b.drawn(ms, spec, dist, size)
		if err != nil {
			return err
		}
		var jobs []job
		for _, o := range accesses {
			p, err := b.checked("map_"+o.name, cilium.SchedCLS, k.body(table, keysDrawn, o.pass), ms, xdpDrop)
			if err != nil {
				return err
			}
			jobs = append(jobs, job{prog: p})
		}
		// All keys once: what fits into a cache is there.
		if _, err := jobs[1].prog.Bench(b.packet, keysDrawn/perRun); err != nil {
			return err
		}
		times, err := b.series(jobs...)
		if err != nil {
			return err
		}
		if n, err := failed(ms.Map(int(table))); err != nil || n > 0 {
			return fmt.Errorf("%d operations on keys that are there failed, %v", n, err)
		}
		for i, o := range accesses[1:] {
			f := difference(times[i+1], times[0], perRun)
			f.Group, f.Name, f.Map, f.Entries, f.Keys, f.Note = "map", o.name, k.name, size, dist, o.note
			b.note(f)
		}
	}
	return nil
}

// mapChange times inserts of new keys and deletes of them again, look-ups of
// keys that aren't there, and inserts into a full LRU map, which evict.
func mapChange(b *bench) error {
	for _, k := range kinds {
		if k.isArray() {
			continue
		}
		for _, size := range b.opt.Sizes {
			b.progress(fmt.Sprintf("inserts and deletes: %s, %d entries", k.name, size))
			if err := b.mapNew(k, size); err != nil {
				return fmt.Errorf("%s of %d: %w", k.name, size, err)
			}
			b.close()
		}
	}
	return nil
}

// mapNew goes, in every run, through perRun keys that aren't there: it looks
// them up; or puts them in and takes them out again.
func (b *bench) mapNew(k kind, size int) error {
	const keys = 1 << 14
	spec := k.spec(size, perRun+k.room())
	ms, err := b.filled(spec, size)
	if err != nil {
		return err
	}
	numbers := make([]uint32, keys)
	for i := range numbers {
		numbers[i] = keyOf(spec, uint32(size+i))
	}
	table, err := b.table(ms, numbers)
	if err != nil {
		return err
	}
	plain := func(op func(k kind) code) pass { return pass{op: op} }
	none := plain(nil)
	type what struct {
		name   string
		passes []pass
		ops    int
		note   string
	}
	whats := []what{
		{"", []pass{none}, 0, ""},
		{"", []pass{none, none}, 0, ""},
		{"miss", []pass{{missing, false, true}}, perRun, "look-up of a key that isn't there"},
		{"insert_delete", []pass{plain(insert), plain(remove)}, perRun, "bpf_map_update_elem of a new key and bpf_map_delete_elem of it"},
	}
	var cs []classifier
	for _, w := range whats {
		cs = append(cs, classifier{"map_" + w.name, k.body(table, keys, w.passes...)})
	}
	times, err := b.classifiers(ms, cs...)
	if err != nil {
		return err
	}
	if n, err := failed(ms.Map(int(table))); err != nil || n > 0 {
		return fmt.Errorf("%d operations on new keys failed, %v", n, err)
	}
	for i, w := range whats[2:] {
		f := difference(times[i+2], times[i], w.ops)
		f.Group, f.Name, f.Map, f.Entries, f.Keys, f.Note = "change", w.name, k.name, size, "new", w.note
		b.note(f)
	}
	if k.isLRU() {
		return b.evictions(k, size)
	}
	return nil
}

// evictions puts new keys into an LRU map that is full.
func (b *bench) evictions(k kind, size int) error {
	spec := k.spec(size, 0)
	ms, err := b.filled(spec, size)
	if err != nil {
		return err
	}
	numbers := make([]uint32, keysDrawn)
	for i := range numbers {
		numbers[i] = uint32(size + i)
	}
	table, err := b.table(ms, numbers)
	if err != nil {
		return err
	}
	times, err := b.classifiers(ms, classifier{"map_none", k.body(table, len(numbers), pass{})}, classifier{"map_evict", k.body(table, len(numbers), pass{op: putAny})})
	if err != nil {
		return err
	}
	f := difference(times[1], times[0], perRun)
	f.Group, f.Name, f.Map, f.Entries, f.Keys = "change", "evict", k.name, size, "new"
	f.Note = "bpf_map_update_elem of a new key in a full map"
	b.note(f)
	return nil
}

// filled makes a map with entries 0 to size-1, of zeros.
func (b *bench) filled(spec *maps.Spec, size int) (*kernel.Maps, error) {
	ms, err := b.maps(spec)
	if err != nil {
		return nil, err
	}
	value := make([]byte, valueSize*64)
	for i := range size {
		if err := ms.Map(0).Update(bytesOf(spec, uint32(i)), value, 0); err != nil {
			return nil, err
		}
		if i%1024 == 0 && b.ctx.Err() != nil {
			return nil, b.ctx.Err()
		}
	}
	return ms, nil
}

// missing looks a key up and counts a failure where it is there.
func missing(k kind) code {
	c := k.pointKey(toMap())
	c.add(helper(ebpf.FnMapLookupElem))
	return append(c, failUnless(false)...)
}

func overwrite(k kind) code { return put(k, flagExist) }
func insert(k kind) code    { return put(k, flagNoExist) }
func putAny(k kind) code    { return put(k, 0) }
