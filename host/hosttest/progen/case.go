package progen

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"jitnic/host/loader"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// Options bound what is made. The zero value makes programs of some 80 slots
// with everything but what one run of the kernel can't repeat.
type Options struct {
	Statements int  // in the entry function, 24 if 0
	NoMaps     bool // no maps at all
	NoAdjust   bool // no adjust_head, adjust_tail, adjust_meta
	NoCalls    bool // no subprograms, no tail calls
	NoLoops    bool
	Latched    bool // time and random numbers: a kernel's run can't be repeated
	V4         bool // instructions of ISA version 4: movsx, ldsx, sdiv, bswap
	Answers    bool // reading by address, printing, records of a ring buffer; the license is GPL
	OwnOrder   bool // what the kernel answers otherwise: visits of hashes, values of other CPUs, timers

	// Trace is told the name of each production used.
	Trace func(statement string)
}

// Case is a program with its maps and what is known of its packets.
type Case struct {
	Seed   uint64
	Object *loader.Object  // one program, or two with a tail call between them
	Entry  *loader.Program // Object.Programs[0]

	// Where paths part: constants compared with packet bytes, and lengths.
	Fields  []Compared
	Lengths []int

	keys []keyField
	pool [][][]byte // by map: keys its lookups are likely to ask for
}

// Generate makes the case of that seed. The same seed and options give the
// same case, byte for byte.
func Generate(seed uint64, opt Options) *Case {
	if opt.Statements == 0 {
		opt.Statements = 24
	}
	sh := &shared{rnd: rand.New(rand.NewPCG(seed, 0x6a69746e6963)), opt: opt}
	if !opt.NoMaps {
		sh.newMaps()
	}
	c := &Case{Seed: seed, Object: &loader.Object{File: fmt.Sprintf("progen:%d", seed), Maps: sh.maps}}
	c.Entry = sh.program("main", opt.Statements, true, c.Object.File)
	c.Object.Programs = append(c.Object.Programs, c.Entry)
	if !opt.NoMaps && !opt.NoCalls {
		c.Object.Programs = append(c.Object.Programs, sh.program("second", opt.Statements/2+1, false, c.Object.File))
	}
	c.Fields, c.Lengths, c.keys = sh.fields, sh.lengths, sh.keys
	sh.contents(c)
	return c
}

// program makes an entry function and the subprograms it calls, linked.
func (sh *shared) program(name string, statements int, entry bool, file string) *loader.Program {
	sh.subs = nil
	g := &gen{shared: sh, st: &state{room: map[int]int{}}, stack: stackBytes, fn: -1, left: statements, entry: entry}
	g.st.r[r1] = reg{k: ctx}
	g.mov(r6, r1)
	g.body()

	p := &loader.Program{Name: name, Section: "xdp", File: file, License: "GPL", Maps: sh.maps}
	starts := make([]int, len(sh.subs))
	p.Insns = g.code
	p.Funcs = []loader.Func{{Name: name, Start: 0, End: len(g.code)}}
	for i, s := range sh.subs {
		if s.code == nil {
			continue
		}
		starts[i] = len(p.Insns)
		p.Insns = append(p.Insns, s.code...)
		p.Funcs = append(p.Funcs, loader.Func{Name: fmt.Sprintf("%s_sub%d", name, i), Start: starts[i], End: len(p.Insns)})
	}
	link := func(start int, calls []callSite) {
		for _, c := range calls {
			at := start + c.pc
			p.Insns[at].Imm = int32(starts[c.sub] - at - 1)
		}
	}
	link(0, g.calls)
	for i, s := range sh.subs {
		link(starts[i], s.calls)
	}
	return p
}

func (sh *shared) newMaps() {
	n := func(n int) int { return sh.rnd.IntN(n) }
	for i := range 1 + n(3) {
		m := &maps.Spec{Name: fmt.Sprintf("m%d", i), Type: keyed[n(len(keyed))], KeySize: 4, ValueSize: uint32(8 * (1 + n(3)))}
		switch m.Type {
		case cebpf.Array, cebpf.PerCPUArray:
			m.Max = []uint32{1, 1, 3, 8}[n(4)]
		case cebpf.LRUHash:
			m.KeySize = uint32([]int{1, 2, 4, 6, 8, 12, 16}[n(7)])
			m.Max = 256 // far from eviction, which depends on the number of CPUs
		case cebpf.LPMTrie:
			m.KeySize, m.Max, m.Flags = 8, uint32(2+n(15)), 1 // BPF_F_NO_PREALLOC
		default:
			m.KeySize = uint32([]int{1, 2, 4, 6, 8, 12, 16}[n(7)])
			m.Max = uint32([]int{1, 2, 4, 16}[n(4)])
			m.Flags = uint32(n(2))
		}
		sh.maps = append(sh.maps, m)
	}
	add := func(in int, m *maps.Spec) {
		if n(in) == 0 {
			sh.maps = append(sh.maps, m)
		}
	}
	add(3, &maps.Spec{Name: "queue", Type: []cebpf.MapType{cebpf.Queue, cebpf.Stack}[n(2)], ValueSize: 8, Max: uint32(1 + n(3))})
	add(4, &maps.Spec{Name: "ring", Type: cebpf.RingBuf, Max: 4096})
	add(3, &maps.Spec{Name: "ports", Type: []cebpf.MapType{cebpf.DevMap, cebpf.DevMapHash}[n(2)], KeySize: 4, ValueSize: 4, Max: 4})
	if n(3) == 0 {
		in := &maps.Spec{Name: "inner0", Type: []cebpf.MapType{cebpf.Array, cebpf.Hash}[n(2)], KeySize: 4, ValueSize: 16, Max: 4}
		twin := *in
		twin.Name = "inner1"
		sh.maps = append(sh.maps, in, &twin,
			&maps.Spec{Name: "outer", Type: []cebpf.MapType{cebpf.ArrayOfMaps, cebpf.HashOfMaps}[n(2)], KeySize: 4, ValueSize: 4, Max: 4, Inner: in})
	}
	sh.answerMaps()
	if !sh.opt.NoCalls {
		add(2, &maps.Spec{Name: "jumps", Type: cebpf.ProgramArray, KeySize: 4, ValueSize: 4, Max: 3})
	}
}

// contents fills half of the keys that lookups are likely to ask for.
func (sh *shared) contents(c *Case) {
	n := func(n int) int { return sh.rnd.IntN(n) }
	for _, m := range sh.maps {
		var pool [][]byte
		switch m.Type {
		case cebpf.ProgramArray:
			if n(4) > 0 {
				m.Contents = []maps.Entry{{Key: le32(uint32(n(3))), Name: "second"}}
			}
		case cebpf.ArrayOfMaps, cebpf.HashOfMaps:
			for i := range m.Max {
				pool = append(pool, le32(i))
			}
			m.Contents = []maps.Entry{{Key: le32(uint32(n(2))), Name: "inner0"}, {Key: le32(uint32(2 + n(2))), Name: "inner1"}}
			c.pool = append(c.pool, pool)
			continue
		case cebpf.DevMap, cebpf.DevMapHash:
			m.Contents = []maps.Entry{{Key: le32(uint32(n(3))), Value: le32(1)}} // the loopback device
		case cebpf.Array, cebpf.PerCPUArray:
			if m.ReadOnly {
				break
			}
			for i := range m.Max {
				pool = append(pool, le32(i))
			}
		case cebpf.LPMTrie:
			for range 6 {
				k := append(le32(uint32(8*n(5))), bytesOf(sh.rnd, 4)...)
				for i := int(k[0]) / 8; i < 4 && n(2) == 0; i++ {
					k[4+i] = 0
				}
				pool = append(pool, k)
			}
			pool = append(pool, append(le32(29), 0, 0, 0, 0), append(le32(32), byte(n(8)), 0, 0, 0))
		case cebpf.Queue, cebpf.Stack, cebpf.RingBuf:
		default:
			for i := range 8 {
				k := make([]byte, m.KeySize)
				k[0] = byte(i)
				pool = append(pool, k)
			}
			for range 4 {
				pool = append(pool, bytesOf(sh.rnd, int(m.KeySize)))
			}
		}
		c.pool = append(c.pool, pool)
		for _, i := range sh.rnd.Perm(len(pool)) {
			if uint32(len(m.Contents)) < m.Max && n(2) == 0 && !holds(m.Contents, pool[i]) {
				m.Contents = append(m.Contents, maps.Entry{Key: pool[i], Value: sh.valueOf(m)})
			}
		}
	}
}

// holds: with an LPM trie, prefixes that differ behind their length are one.
func holds(es []maps.Entry, key []byte) bool {
	for _, e := range es {
		if string(e.Key) == string(key) {
			return true
		}
	}
	return false
}

func (sh *shared) valueOf(m *maps.Spec) []byte {
	v := make([]byte, m.ValueSize)
	for i := 0; i < len(v); i += 8 {
		x := sh.rnd.Uint64()
		if sh.rnd.IntN(2) == 0 {
			x %= 16
		}
		binary.LittleEndian.PutUint64(v[i:], x)
	}
	return v
}

func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

func bytesOf(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Size is the number of slots of all programs.
func (c *Case) Size() (n int) {
	for _, p := range c.Object.Programs {
		n += len(p.Insns)
	}
	return n
}
