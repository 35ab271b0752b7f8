package proof

import (
	"cmp"
	"fmt"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
)

// calling is a call of a helper while it is modelled.
type calling struct {
	h     *ebpf.Helper
	args  []bv.Term
	mapID int  // -1: of no map
	stack bool // it may look at the stack through an address given as a number
	outs  []outBuffer
	keeps bool // some stay as they are where the call fails
}

// outBuffer is memory that a call writes.
type outBuffer struct {
	rg  int
	off bv.Term
	n   int
	old []bv.Term // what stays where the call fails
}

// call models a helper: its result, and the world after it, are functions of
// the world before and of all it can see. Equal calls in equal order give
// equal worlds, and nothing else does.
func (m *Machine) call(p *ir.Prog, in *ir.Inst, s *State) error {
	h := ir.HelperOf(in)
	if h == nil {
		return fmt.Errorf("helper %d not modelled", in.Imm)
	}
	c := &calling{h: h, mapID: -1}
	for k, arg := range h.Args {
		if arg.Kind != ebpf.NoArg {
			if err := m.argument(p, c, k, s); err != nil {
				return err
			}
		}
	}
	if h.LooksUp() && c.mapID >= 0 && maps.Orderless(p.Maps[c.mapID].Type) {
		// A lookup of such a map changes nothing; its result depends on key and
		// on the map's updates so far.
		all := append([]bv.Term{s.mem[rgMap+c.mapID].ver}, c.args...)
		s.R[0] = m.B.Fun(m.lookupFun(h, c.mapID), 64, bv.Fact{}, all...)
	} else if err := m.outcome(p, c, uint64(uint32(in.Imm)), s); err != nil {
		return err
	}
	if h.Flow == ebpf.TailCalls {
		return fmt.Errorf("tail call not modelled") // the caller cuts the window here
	}
	for r := 1; r <= 5; r++ {
		s.R[r] = 0
	}
	return nil
}

// argument takes argument k of a call.
func (m *Machine) argument(p *ir.Prog, c *calling, k int, s *State) error {
	b, h, arg := m.B, c.h, c.h.Args[k]
	t, err := m.reg(s, uint8(k+1))
	if err != nil {
		return err
	}
	switch {
	case arg.IsNumber():
		c.args = append(c.args, t)
		if h.Reads&ebpf.AnyMemory != 0 {
			rg, _, err := m.Locate(t)
			c.stack = c.stack || err == nil && rg == StackRegion
		}
		return nil
	case arg.Kind == ebpf.Context:
		if t != m.base(ContextRegion) {
			return fmt.Errorf("helper %s: r%d is not the context", h.Name, k+1)
		}
		return nil
	case arg.Kind == ebpf.ConstMap:
		if b.Op(t) != bv.OpInput || b.K(t) < inMapPtr || b.K(t) >= inGlobal {
			return &refusedError{fmt.Sprintf("r%d is not one known map where %s wants a map", k+1, h.Name)}
		}
		c.mapID = int(b.K(t) - inMapPtr)
		if c.mapID >= len(p.Maps) {
			return fmt.Errorf("helper %s: map %d of %d", h.Name, c.mapID, len(p.Maps))
		}
		c.args = append(c.args, t)
		return nil
	}
	n, err := m.argBytes(p, h, k, c.mapID, s)
	if err != nil || n == 0 { // nothing is looked at: the pointer is the verifier's business
		return err
	}
	rg, off, err := m.Locate(t)
	if err != nil {
		return fmt.Errorf("helper %s: r%d: %w", h.Name, k+1, err)
	}
	if rg != ContextRegion {
		off = m.hide(off)
	}
	at := func(i int) bv.Term { return b.Bin(bv.OpAdd, off, b.Const(uint64(i), 64)) }
	kept := h.KeepsOnFailure(arg)
	c.keeps = c.keeps || kept
	if arg.Needs() && !kept {
		step := 8
		if m.line { // bytes are the same however they were written
			step = 1
		}
		for i := 0; i < n; i += step {
			c.args = append(c.args, m.get(s, rg, at(i), min(step, n-i)))
		}
	}
	if arg.Writes {
		o := outBuffer{rg: rg, off: off, n: n}
		for i := 0; kept && i < n; i++ {
			o.old = append(o.old, m.getByte(s, rg, at(i)))
		}
		c.outs = append(c.outs, o)
	}
	return nil
}

// outcome is the world after a call, its result and what it wrote; id tells
// helpers apart.
func (m *Machine) outcome(p *ir.Prog, c *calling, id uint64, s *State) error {
	b, h := m.B, c.h
	all := append([]bv.Term{s.world}, c.args...)
	for rg := range s.mem {
		if !sees(h, rg, c.mapID, c.stack) {
			continue
		}
		d, err := m.digest(s, rg)
		if err != nil {
			return fmt.Errorf("helper %s: %w", h.Name, err)
		}
		all = append(all, d)
	}
	w := b.Fun(fnWorld+id, 64, bv.Fact{}, all...)
	failed := m.zero
	switch {
	case h.LooksUp() && c.mapID >= 0 && !maps.HoldsOther(p.Maps[c.mapID].Type):
		s.R[0] = b.Fun(m.lookupFun(h, c.mapID), 64, bv.Fact{}, all...)
	case c.keeps: // an int, negative where it failed
		r := b.Fun(fnRet+id, 32, bv.Fact{}, all...)
		s.R[0], failed = b.SExt(r, 64), b.Extract(r, 31, 1)
	default:
		s.R[0] = b.Fun(fnRet+id, 64, bv.Fact{}, all...)
	}
	s.world = w
	if h.ChangesMap() && c.mapID >= 0 {
		s.mem[rgMap+c.mapID] = region{ver: b.Fun(fnVersion+uint64(c.mapID), 64, bv.Fact{}, w)}
	}
	for i, o := range c.outs {
		for k := 0; k < o.n; k++ {
			v := b.Fun(fnOut+uint64(i<<16|k), 8, bv.Fact{}, w)
			if o.old != nil {
				v = b.Ite(failed, o.old[k], v)
			}
			m.put(s, o.rg, b.Bin(bv.OpAdd, o.off, b.Const(uint64(k), 64)), v, 1)
		}
	}
	return nil
}

// sees says whether what a helper does depends on the bytes of a region: of
// packet, context and maps, where it reads the packet or any memory; of the
// stack, where an address it is given leads there; of the map of its arguments,
// where it reads or changes its values.
func sees(h *ebpf.Helper, rg, mapID int, stack bool) bool {
	switch {
	case rg == StackRegion:
		return stack
	case h.Reads&(ebpf.Packet|ebpf.AnyMemory) != 0:
		return true
	}
	return rg == rgMap+mapID && !h.LooksUp() && (h.ChangesMap() || h.Reads&ebpf.MapValues != 0)
}

// lookupFun is the function a look-up is of its map's version, key and other
// arguments.
func (m *Machine) lookupFun(h *ebpf.Helper, mapID int) uint64 {
	id := fnLookup + uint64(mapID)
	if h.ID != ebpf.FnMapLookupElem {
		id = fnRet + uint64(h.ID)
	}
	return id
}

// argBytes is how many bytes the k-th argument of a call points to.
func (m *Machine) argBytes(p *ir.Prog, h *ebpf.Helper, k, mapID int, s *State) (int, error) {
	arg := h.Args[k]
	switch {
	case arg.OfMap() && mapID < 0:
		return 0, fmt.Errorf("helper %s: no map before r%d", h.Name, k+1)
	case arg.OfMap():
		return arg.Bytes(p.Maps[mapID].KeySize, p.Maps[mapID].ValueSize), nil
	case arg.Size != 0:
		return int(arg.Size), nil
	case k == 4 || s.R[k+2] == 0:
		return 0, fmt.Errorf("helper %s: size not readable", h.Name)
	}
	size, ok := m.B.IsConst(s.R[k+2])
	if !ok || size > 512 {
		return 0, fmt.Errorf("helper %s: size in r%d not constant", h.Name, k+2)
	}
	return int(size), nil
}

// digest is a term that stands for all a helper sees of a region. The stores
// to it make a term of their own shape: last values by place, where all are at
// constant distances, else the stores as they come. Two shapes may leave the
// same bytes, so a digest is said to be an earlier one's wherever the bytes are
// equal: it depends on memory alone, not on how it was written.
func (m *Machine) digest(s *State, rg int) (bv.Term, error) {
	b := m.B
	mem := &s.mem[rg]
	d := digest{rg: rg, ver: mem.ver, writes: mem.writes[:len(mem.writes):len(mem.writes)]}
	args := []bv.Term{mem.ver}
	if last := m.lastPlain(mem); last != nil {
		for _, w := range last {
			// what was there before says nothing
			if w.val == m.Initial(rg, w.off, mem.ver) {
				continue
			}
			d.places = append(d.places, w.off)
			args = append(args, w.off, w.val)
		}
		d.plain = true
	} else {
		for _, w := range mem.writes {
			// Where the write isn't made, place and value say nothing.
			args = append(args, b.ZExt(w.guard, 8), b.Ite(w.guard, w.off, b.Const(0, 64)), b.Ite(w.guard, w.val, b.Const(0, 8)))
		}
	}
	if len(args) > 60000 {
		return 0, fmt.Errorf("%d writes before it", len(args))
	}
	d.t = b.Fun(fnDigest+uint64(rg), 64, bv.Fact{}, args...)
	for i := range m.digests {
		if m.digests[i].raw == d.t {
			return m.digests[i].t, nil
		}
	}
	raw := d.t
	for i := len(m.digests) - 1; i >= 0; i-- {
		o := &m.digests[i]
		if o.rg != rg || d.plain && o.plain && slices.Equal(d.places, o.places) { // equal arguments are equal bytes
			continue
		}
		work := len(d.writes) + len(o.writes)
		if m.compared += work*work + 1; m.compared > maxCompared {
			m.vague = true
			break
		}
		if same := m.sameBytes(s, o); same != m.zero {
			d.t = b.Ite(same, o.t, d.t)
		}
	}
	d.raw = raw
	m.digests = append(m.digests, d)
	return d.t, nil
}

// digest is what a helper saw of a region, as it stood.
type digest struct {
	raw, t bv.Term // of its own shape; and what it is
	rg     int
	ver    bv.Term
	writes []memWrite
	plain  bool
	places []bv.Term // where plain: what the term is made of
}

// maxCompared is how many pairs of stores are looked at to tell digests of
// different shapes apart.
const maxCompared = 1 << 19

// lastPlain gives the last write to each place, in the places' order, where
// all are made on every path and at constant distances; nil otherwise.
func (m *Machine) lastPlain(mem *region) []memWrite {
	b := m.B
	last := map[uint64]memWrite{}
	var base0 bv.Term
	for i, w := range mem.writes {
		base, c := b.SplitAdd(w.off)
		if i == 0 {
			base0 = base
		}
		if base != base0 || w.guard != m.One {
			return nil
		}
		last[c] = w
	}
	out := make([]memWrite, 0, len(last))
	for c, w := range last {
		w.off = m.offTerm(base0, c)
		out = append(out, w)
	}
	key := func(w *memWrite) int64 {
		_, c := b.SplitAdd(w.off)
		return int64(c)
	}
	slices.SortFunc(out, func(x, y memWrite) int { return cmp.Compare(key(&x), key(&y)) })
	return out
}

// sameBytes is the predicate that a region holds now what it held when o was
// made: one version below, and equal bytes wherever either wrote.
func (m *Machine) sameBytes(s *State, o *digest) bv.Term {
	b := m.B
	was := &State{mem: make([]region, len(s.mem))}
	was.mem[o.rg] = region{o.ver, o.writes}
	now := &s.mem[o.rg]
	same := b.Bin(bv.OpEq, now.ver, o.ver)
	seen := map[bv.Term]bool{}
	for _, side := range [2][]memWrite{now.writes, o.writes} {
		for _, w := range side {
			if same == m.zero {
				return same
			}
			if seen[w.off] {
				continue
			}
			seen[w.off] = true
			p, q := m.getByte(s, o.rg, w.off), m.getByte(was, o.rg, w.off)
			if p != q {
				same = b.AndB(same, b.Bin(bv.OpEq, p, q))
			}
		}
	}
	return same
}
