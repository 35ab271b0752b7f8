package native

import (
	"fmt"
	"math"
	"unsafe"

	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/native/asm"
)

// Going from packet to packet: the tree finds a packet's path and leads to the
// path's trace, and the trace's end to the next packet. A packet stays where it
// was read to, unless code writes to it or has to find it in the buffer: then its
// trace copies it first. So does the head with one that is too short for every
// place the tree looks at. Paths and verdicts are noted for Go, which accounts for them once the
// batch is over: before a packet whose trace isn't in trace memory, or that has
// to be looked at first, and after one in which something was left to Go.

const (
	// maxBatch is how many packets code goes through before Go has control.
	maxBatch = 256
	// batchWork bounds how long that takes: bytes of code run, at about four an
	// instruction and one instruction a cycle at worst (assumed), 50 µs at 2 GHz.
	batchWork = 400_000
	// headWork is what a packet has beside its way through the tree and its trace:
	// the head and what stands out of the way.
	headWork = 1000

	// copied is how many bytes of a packet are copied at most where code touches
	// no others.
	copied = 128
)

// What code leaves in context.pc beside paths, slots of a trace and calls.
const (
	batchOver  = -2 // all packets ran
	batchMiss  = -3 // this one has to be looked at
	batchOdd   = -5 // this one ran, and its verdict, in context.r, is none that is counted
	matchedOne = -4 // there is one packet, and its path is in context.matched
)

// host is the whole program, for packets of a batch whose path is known and has no code
// in trace memory.
type host struct {
	it    *vm.Interp
	e     *Engine
	u     *unit
	fault error // that the batch at hand has ended in
}

// Host has batches go on with packets whose path is known and has no code in trace
// memory: they run as whole programs, by it's engine. That one and the machine share
// their context from then on. It is false where there is no code of the program.
func (m *Machine) Host(it *vm.Interp) bool {
	e, _ := it.Engine.(*Engine)
	if e == nil || e.flat || e.units[it.Entry()] == nil {
		return false
	}
	m.host = host{it: it, e: e, u: e.units[it.Entry()]}
	e.ctx = m.ctx
	return true
}

// begins readies the context for packets that run there.
func (h *host) begins(x *context) {
	if h.u == nil {
		return
	}
	steps := h.it.Limit
	if h.u.loops {
		steps = stretchSteps / maxBatch
	}
	x.steps = h.e.gives(h.it.Limit, steps)
}

// may is how many packets of a batch may run there: what they take comes out of a part
// of batchWork that is left to them.
func (h *host) may() int64 {
	if h.u == nil {
		return 0
	}
	return int64(max(batchWork/4/h.u.work, 1))
}

// ends runs the packet at hand to its end, which code has left.
func (h *host) ends(in *vm.Input) (verdict uint32, err error) {
	return h.it.Ends(func(c *vm.Control) vm.Stop { return h.e.begun(h.u, c, in) })
}

// places are where the code of paths begins.
type places struct {
	table   []uintptr // by path: its trace's, or miss
	stay    []uintptr // by path: where one packet's match ends
	bound   []*Trace  // by path: what is in trace memory
	miss    uintptr
	found   uintptr
	longest int              // code of the longest trace that ever was in trace memory, in bytes
	low     int32            // the lowest byte that one of them moved the packet's head to
	ran     [maxBatch]uint32 // paths of the batch's packets
	ins     []vm.Input       // of the batch at hand, held here while code reads them
	hits    []uint64         // likewise
	host    host
	warms   int                 // packets of the batch before, if some ran as whole programs
	goes    []bool              // by path: the whole program leaves something of it to Go
	cold    map[nic.Path]*later // in trace memory, and not compiled yet
}

// grow makes room for n paths.
func (p *places) grow(n int) {
	for len(p.table) < n {
		p.goes = append(p.goes, false)
		p.table = append(p.table, p.out(nic.Path(len(p.table))))
		p.stay = append(p.stay, p.found)
		p.bound = append(p.bound, nil)
	}
}

// out is where code comes to with a path that has no code in trace memory.
func (p *places) out(path nic.Path) uintptr {
	if p.host.u != nil && !p.goes[path] {
		return p.host.u.batch
	}
	return p.miss
}

// leaves notes that the whole program leaves something of a path's packets to Go, which
// isn't worth beginning them in a batch.
func (p *places) leaves(path nic.Path) {
	p.goes[path] = true
	p.table[path] = p.miss
}

// put notes a trace that comes into trace memory.
func (p *places) put(path nic.Path, t *Trace) {
	p.grow(int(path) + 1)
	p.bound[path], p.table[path] = t, t.batch
	p.longest = max(p.longest, t.block.Len+t.extra)
	for _, m := range t.moves {
		p.low = min(p.low, m.low)
	}
}

// take notes a trace that goes.
func (p *places) take(t *Trace) {
	if int(t.path) < len(p.bound) && p.bound[t.path] == t {
		p.bound[t.path], p.table[t.path] = nil, p.out(t.path)
	}
}

// moved is told of a path that was taken out of the tree, which may come back in
// another place while its trace stays: the look-ups on its way are others then, so
// the trace has to make its own, and does where it runs by itself.
func (p *places) moved(path nic.Path) {
	if int(path) < len(p.bound) && p.bound[path] != nil && p.bound[path].taken > 0 {
		p.bound[path].alone = true
		p.table[path] = p.miss
	}
}

// lead takes over the places of a tree's code.
func (p *places) lead(miss, found uintptr, paths int) {
	p.miss, p.found = miss, found
	p.grow(paths)
	for i, t := range p.bound {
		p.stay[i] = found
		switch {
		case t == nil:
			p.table[i] = p.out(nic.Path(i))
		case t.alone:
			p.table[i] = miss
		}
	}
}

// stays is the table for one packet.
func (p *places) stays() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p.stay))) }

// fieldOf is where a field of the vm.Input at hand is.
func fieldOf(r asm.Reg, off uintptr) asm.Mem { return asm.At(r, int32(off)) }

var input vm.Input

var (
	inData  = unsafe.Offsetof(input.Data)
	inLen   = inData + unsafe.Sizeof(uintptr(0))
	inTime  = unsafe.Offsetof(input.TimeNS)
	inCPU   = unsafe.Offsetof(input.CPU)
	inIf    = unsafe.Offsetof(input.IfIndex)
	inQueue = unsafe.Offsetof(input.RxQueue)
	inPkt   = unsafe.Offsetof(input.Packet)
)

// batch writes what leads from packet to packet, in front of the tree's root, so
// that a packet's way has few jumps: a trace's end leads here, and from here
// control falls to the root.
func (c *treeCompiler) batch(x *treeCode, root asm.Label) {
	step, body := c.NewLabel(), c.NewLabel()
	miss := c.NewLabel()
	x.next = uintptr(c.Len())
	c.Zext(4, asm.R0, asm.R0)
	odd := c.NewLabel()
	c.BrK(asm.GE, true, asm.R0, int32(len(nic.Verdicts{})), odd)
	c.OpK(asm.Lsh, true, asm.R0, 3)
	c.AddMem(asm.Mem{Base: asm.Ctx, Index: asm.R0, Disp: offVerdicts}, 1)
	c.Bind(step)
	x.counted = uintptr(c.Len())
	over := c.NewLabel()
	advance(c.Backend, over)
	c.Bind(body)
	c.head(miss)
	c.Bind(root)
	c.later = append(c.later, func() {
		x.head, x.miss = wayInOut(c.Backend, body, over, miss)
		c.Bind(odd)
		c.Store(8, asm.R0, asm.At(asm.Ctx, offR))
		c.StoreK(8, batchOdd, asm.At(asm.Ctx, offPC))
		c.Ret()
	})
}

// advance makes the batch's next vm.Input the one at hand.
func advance(b asm.Backend, over asm.Label) {
	b.Load(8, atHand, asm.At(asm.Ctx, offIn))
	b.OpK(asm.Add, true, atHand, int32(unsafe.Sizeof(input)))
	b.Store(8, atHand, asm.At(asm.Ctx, offIn))
	b.BrMem(asm.GE, atHand, asm.At(asm.Ctx, offStop), over)
}

// wayInOut writes a batch's way in, to body, and its ways out: there are no more
// packets, or one has to be looked at.
func wayInOut(b asm.Backend, body, over, miss asm.Label) (head, missed uintptr) {
	head = uintptr(b.Len())
	b.Load(8, atHand, asm.At(asm.Ctx, offIn))
	b.Jmp(body)
	b.Bind(over)
	b.StoreK(8, batchOver, asm.At(asm.Ctx, offPC))
	b.Ret()
	b.Bind(miss)
	missed = uintptr(b.Len())
	b.StoreK(8, batchMiss, asm.At(asm.Ctx, offPC))
	b.Ret()
	return head, missed
}

// admit notes the length of the packet at hand, in register 1 too. What State.Begin
// refuses, and what has frags, is Go's. It uses register 2.
func admit(b asm.Backend, s *vm.State, miss asm.Label) {
	const n = asm.R1
	b.Load(8, n, fieldOf(atHand, inLen))
	b.Lea(asm.R2, asm.At(n, -vm.MinPacket))
	b.BrK(asm.GT, true, asm.R2, vm.MaxLinear-vm.MinPacket, miss)
	b.Load(8, asm.R2, fieldOf(atHand, inCPU))
	b.BrK(asm.GE, true, asm.R2, int32(s.Opt.CPUs), miss)
	b.Store(8, n, asm.At(asm.Ctx, offLength))
}

// atHand holds the vm.Input of the packet at hand from a trace's end to the root.
const atHand = asm.R3

// head makes ready for the tree's root what it looks at. How far that is, and
// which fields of the context it reads, is known once the tree is written.
func (c *treeCompiler) head(miss asm.Label) {
	const n = asm.R1
	back := c.NewLabel()
	c.Load(8, pkt, fieldOf(atHand, inData))
	admit(c.Backend, c.s, miss)
	packetFields(c.Backend, c.s, c.uses)
	if c.reach > vm.MinPacket {
		short := c.NewLabel()
		c.BrK(asm.LT, true, n, int32(c.reach), short)
		c.later = append(c.later, func() {
			c.Bind(short)
			copyIn(c.Backend, c.s, c.reach, c.reach-1)
			c.Lea(pkt, inBuffer(c.s))
			c.Jmp(back)
		})
	}
	c.Bind(back)
}

// inBuffer is the packet's place in the buffer.
func inBuffer(s *vm.State) asm.Mem { return asm.At(asm.Base, int32(s.Buf)+vm.Headroom) }

// buffer is byte off of the packet in the buffer.
func buffer(s *vm.State, index asm.Reg, off int) asm.Mem {
	return asm.Mem{Base: asm.Base, Index: index, Disp: int32(s.Buf) + vm.Headroom + int32(off)}
}

// packetFields sets the fields of the context that code reads, from the
// vm.Input and the length. It uses registers 2 to 5.
func packetFields(b asm.Backend, s *vm.State, uses fields) {
	const n, in = asm.R4, asm.R5
	if uses&(useTime|useCPU|useIf|useQueue|usePacket) != 0 {
		b.Load(8, in, asm.At(asm.Ctx, offIn))
	}
	for _, f := range []struct {
		use  fields
		size int
		from uintptr
		to   int32
	}{
		{useTime, 8, inTime, offTime},
		{usePacket, 8, inPkt, offPacket},
		{useCPU, 8, inCPU, offCPU},
		{useIf, 4, inIf, ctxField[vm.CtxIfIndex]},
		{useQueue, 4, inQueue, ctxField[vm.CtxQueue]},
	} {
		if uses&f.use != 0 {
			b.Load(f.size, asm.R2, fieldOf(in, f.from))
			b.Store(8, asm.R2, asm.At(asm.Ctx, f.to))
		}
	}
	if uses&(useEnd|useLimits) != 0 {
		b.Load(8, n, asm.At(asm.Ctx, offLength))
	}
	if uses&useEnd != 0 {
		b.Mov(true, asm.R2, n)
		b.OpK(asm.Add, true, asm.R2, int32(s.Buf)+vm.Headroom)
		b.Store(8, asm.R2, asm.At(asm.Ctx, offEnd))
	}
	if uses&useLimits != 0 {
		// A packet has MinPacket bytes at least: no limit is below 0.
		b.Store(8, n, asm.At(asm.Ctx, offLimit4))
		for i, k := range []int32{1, 2, 4} {
			b.OpK(asm.Sub, true, n, k)
			b.Store(8, n, asm.At(asm.Ctx, offLimit4+8*int32(i+1)))
		}
	}
}

// copyIn copies a packet to the buffer: all of it, or its first bytes, at least
// as many as are asked for (copied at most, or wholePacket). It has most bytes at most.
// It changes registers 0 to 3.
func copyIn(b asm.Backend, s *vm.State, want, most int) {
	if want == 0 {
		return
	}
	copyFirst(b, s, want, most)
	if want > copied && most > copied {
		copyRest(b, s)
	}
}

// copyFirst copies the first bytes of a packet, copied at most. By size classes:
// the pieces from the front and from the back overlap, so no byte outside is read.
// Those from the back aren't wanted where the front has all that is.
func copyFirst(b asm.Backend, s *vm.State, want, most int) {
	const src, n, at = asm.R0, asm.R1, asm.R3
	end := b.NewLabel()
	b.Load(8, at, asm.At(asm.Ctx, offIn))
	b.Load(8, src, fieldOf(at, inData))
	b.Load(8, n, asm.At(asm.Ctx, offLength))
	front := func(off int) {
		b.Move16(asm.At(asm.Base, int32(s.Buf)+vm.Headroom+int32(off)), asm.At(src, int32(off)))
	}
	back := func(off int) {
		b.Move16(buffer(s, at, off), asm.Mem{Base: src, Index: at, Disp: int32(off)})
	}
	b.Mov(true, at, n)
	for _, k := range []int{64, 32, 16} {
		if most < k {
			continue
		}
		next := b.NewLabel()
		b.BrK(asm.LT, true, n, int32(k), next)
		if k == 64 && most > copied && want > k {
			// at = min(n, copied), without a jump.
			b.OpK(asm.Sub, true, at, copied)
			b.Mov(true, asm.R2, at)
			b.OpK(asm.Arsh, true, asm.R2, 63)
			b.Op(asm.And, true, at, asm.R2)
			b.OpK(asm.Add, true, at, copied)
		}
		for off := 0; off < k; off += 16 {
			front(off)
		}
		for off := -k; off < 0 && want > k; off += 16 {
			back(off)
		}
		b.Jmp(end)
		b.Bind(next)
	}
	for _, m := range []struct{ to, from asm.Mem }{
		{asm.At(asm.Base, int32(s.Buf)+vm.Headroom), asm.At(src, 0)},
		{buffer(s, at, -8), asm.Mem{Base: src, Index: at, Disp: -8}},
	} {
		b.Load(8, asm.R2, m.from)
		b.Store(8, asm.R2, m.to)
	}
	b.Bind(end)
}

// copyRest copies what lies behind that.
func copyRest(b asm.Backend, s *vm.State) {
	const src, n, at, in = asm.R0, asm.R1, asm.R2, asm.R3
	top, last, end := b.NewLabel(), b.NewLabel(), b.NewLabel()
	b.Load(8, n, asm.At(asm.Ctx, offLength))
	b.BrK(asm.LE, true, n, copied, end)
	b.Load(8, in, asm.At(asm.Ctx, offIn))
	b.Load(8, src, fieldOf(in, inData))
	b.OpK(asm.Sub, true, n, 16)
	b.Imm(at, copied)
	b.Bind(top)
	b.Br(asm.GE, true, at, n, last)
	b.Move16(buffer(s, at, 0), asm.Mem{Base: src, Index: at})
	b.OpK(asm.Add, true, at, 16)
	b.Jmp(top)
	b.Bind(last)
	b.Move16(buffer(s, n, 0), asm.Mem{Base: src, Index: n})
	b.Bind(end)
}

// Batch is nic.Batcher's.
func (x *Matcher) Batch(in []vm.Input, hits []uint64, after nic.After) (b nic.Batch, err error) {
	given := len(in)
	if err := x.m.warm(); err != nil {
		return b, err
	}
	n := x.mayRun(given)
	if n == 0 || len(hits) == 0 {
		return b, nil
	}
	m := x.m
	c := m.ctx
	in = in[:n]
	m.ins, m.hits = in, hits
	c.table, c.one, c.hits, c.verdicts = uintptr(unsafe.Pointer(unsafe.SliceData(m.table))), 0, uintptr(unsafe.Pointer(&hits[0])), nic.Verdicts{}
	k, left := 0, true
	hosted := false // the last packet ran as a whole program, to an end in Go that may have taken long
	may := m.host.may()
	c.hosted, m.host.fault = may, nil
	for left && k < n && !b.Stopped && !hosted && err == nil {
		var verdict uint64
		k, left, verdict, err = x.stretch(in, k)
		b.Stopped = left && !after(uint32(verdict)) || m.host.fault != nil
		hosted = left && err == nil && m.bound[m.ran[k-1]] == nil
	}
	m.ins, m.hits = nil, nil
	b.Paths, b.Verdicts, b.More = m.ran[:k], c.verdicts, (k == n && n < given || hosted || c.hosted < 0 && k > 0) && !b.Stopped
	if b.Hosted, b.Fault = c.hosted < may, m.host.fault; b.Hosted {
		m.warms = k
	}
	return b, err
}

// Runs is nic.Batcher's.
func (x *Matcher) Runs(p nic.Path) bool {
	b := x.m.bound
	return int(p) < len(b) && b[p] != nil && !b[p].alone
}

// warm counts what were runs of traces that aren't compiled yet in the batch before, and
// compiles those that have become hot: what Runs says of that batch is over.
func (m *Machine) warm() error {
	paths := m.ran[:m.warms]
	m.warms = 0
	for _, p := range paths {
		if l := m.cold[nic.Path(p)]; l != nil {
			if err := l.ran(); err != nil {
				return err
			}
		}
	}
	return nil
}

// stretch runs packets of in from the k'th on, up to one in which something was
// left to Go, and says how many of all have run. left is false where code came to
// the end, or to a packet that has to be looked at; else that one ended with the
// verdict, and the State is as it left it.
func (x *Matcher) stretch(in []vm.Input, k int) (done int, left bool, verdict uint64, err error) {
	m := x.m
	c := m.ctx
	m.S.Rest()
	c.fix(m.S)
	m.host.begins(c)
	c.in, c.out = uintptr(unsafe.Pointer(&in[k])), uintptr(unsafe.Pointer(&m.ran[k]))
	c.stop = c.in + uintptr(len(in)-k)*unsafe.Sizeof(input)
	c.next, c.counted = x.next, x.counted
	x.into(x.head)
	for c.pc >= callBase {
		m.S.Began(&in[m.done()], 0)
		x.goOn()
	}
	k = m.done()
	if m.low < 0 {
		m.S.Exposed(uint64(int64(m.S.Buf) + vm.Headroom + int64(m.low)))
	}
	switch {
	case c.pc == batchOdd:
		m.S.Began(&in[k], 0)
		if t := m.bound[m.ran[k]]; t != nil {
			t.begins(0, math.MaxInt32)
		}
		return k + 1, true, c.r[0], nil
	case c.pc >= 0 && c.pc < int64(nic.Untraceable):
		// The trace has left an instruction to Go.
		t := m.bound[m.ran[k]]
		if t == nil {
			v, fault := m.host.ends(&in[k])
			m.host.fault = fault
			m.leaves(nic.Path(m.ran[k]))
			return k + 1, true, uint64(v), nil
		}
		m.S.Began(&in[k], min(len(in[k].Data), t.copies))
		m.S.Depth = vm.MaxFrames - 1
		c.next, c.counted = t.ret, t.ret
		verdicts := c.verdicts
		if verdict, err = t.finish(nil); err != nil {
			return k, false, 0, fmt.Errorf("packet %d: %w", in[k].Packet, err)
		}
		c.verdicts = verdicts // after counts this one's
		return k + 1, true, verdict, nil
	}
	return k, false, 0, nil
}

// mayRun is how many of n packets code may go through before it comes back.
func (x *Matcher) mayRun(n int) int {
	switch {
	case x.block == nil:
		return 0
	case len(x.gone) > 0:
		// Leaves of paths that were taken out stand in the code still.
		if x.after--; x.after <= 0 && x.off == nil {
			x.make()
		}
		return 0
	}
	work := batchWork
	if x.m.host.u != nil {
		work -= work / 4
	}
	return min(n, maxBatch, work/x.work())
}

// work bounds the code that one packet runs through, in bytes.
func (x *Matcher) work() int { return x.m.longest + x.longest + headWork }

// done is how many packets of the batch have run.
func (m *Machine) done() int {
	return int((m.ctx.in - uintptr(unsafe.Pointer(unsafe.SliceData(m.ins)))) / unsafe.Sizeof(input))
}

var _ nic.Batcher = (*Matcher)(nil)
