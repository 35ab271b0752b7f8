package consult

import (
	"encoding/binary"

	"jitnic/host/vm"
	"jitnic/nic/workload"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// Masker tells megaflow entries apart while a program runs: Add each path when
// it is found, Hash each packet by its path. Two packets have the same hash when
// the same bytes of them were consulted and have the same values, whatever
// their paths: what the path depends on beside them is state.
type Masker struct {
	c     *pathcond.Compiler
	paths []consulted
	seed  []uint64 // by path: hash of the mask itself
	env   packetEnv
	eval  *bv.Evaluator
}

// NewMasker makes one for the paths of a compiler.
func NewMasker(c *pathcond.Compiler) *Masker {
	m := &Masker{c: c}
	m.env.base = c.S.Buf + vm.Headroom
	m.eval = bv.NewEvaluator(c.B, &m.env)
	return m
}

// Add notes a path, or what now goes by its number, and returns its mask: see
// Bytes.
func (m *Masker) Add(path int32, cond []pathcond.Pred, t *trace.Trace) []uint16 {
	for int(path) >= len(m.paths) {
		m.paths = append(m.paths, consulted{})
		m.seed = append(m.seed, 0)
	}
	c := consult(cond, t, m.c)
	h := workload.MixSeed
	for _, off := range c.at {
		h = workload.Mix(h, uint64(off))
	}
	for _, s := range c.far {
		h = workload.Mix(h, uint64(s.addr)<<16|uint64(s.n)|1<<63)
	}
	m.paths[path], m.seed[path] = c, h
	return c.at
}

// Hash is the entry that a packet of a path asks for: a hash of the mask and of
// the packet's bytes under it. data is the packet as it arrived. It is 0 for a
// path that was not added (-1: none).
func (m *Masker) Hash(path int32, data []byte) uint64 {
	if path < 0 || int(path) >= len(m.paths) {
		return 0
	}
	c := &m.paths[path]
	h := m.seed[path]
	var word uint64
	for i, off := range c.at {
		word <<= 8
		if int(off) < len(data) {
			word |= uint64(data[off])
		}
		if i%8 == 7 {
			h, word = workload.Mix(h, word), 0
		}
	}
	h = workload.Mix(h, word)
	if len(c.far) > 0 {
		m.env.data = data
		m.eval.Reset()
		for _, s := range c.far {
			off := m.eval.Eval(s.addr) - m.env.base
			h = workload.Mix(h, off)
			for ; len(data) > 0 && s.n > 0; s.n-- {
				if off < uint64(len(data)) {
					h = workload.Mix(h, uint64(data[off]))
				}
				off++
			}
		}
	}
	return h
}

// packetEnv answers for loads of a packet, as terms of addresses ask for them;
// state is 0.
type packetEnv struct {
	base uint64
	data []byte
}

func (e *packetEnv) Input(id uint64) uint64 {
	if id == pathcond.InLen {
		return uint64(len(e.data))
	}
	return 0
}

func (e *packetEnv) Apply(id uint64, args []uint64) uint64 {
	if id != pathcond.FunLoad {
		return 0
	}
	off := args[0] - e.base
	if off >= uint64(len(e.data)) {
		return 0
	}
	var word [8]byte
	copy(word[:], e.data[off:])
	return binary.LittleEndian.Uint64(word[:])
}
