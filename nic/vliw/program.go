package vliw

import (
	"fmt"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/vm"
)

// ProgramSchedule is whole programs laid out for a Machine that runs branches:
// the design that interprets everything on the NIC. A program is cut into
// pieces, each scheduled for itself: basic blocks, or, where the machine takes
// several branches a cycle or speculates, chains of blocks that are entered only
// at their head.
type ProgramSchedule struct {
	Machine *Machine
	Name    string // of the entry program

	// Static figures of the entry program, functions it calls included.
	Source  int // instructions of eBPF that can be reached
	Insns   int // instructions of the core
	Bundles int // cycles of all pieces, empty ones included
	Pieces  int
	Bounds  int // branches removed: the hardware checks bounds
	Zeroing int // stores removed: the stack is zero
	Dead    int // instructions only those needed
	Fused   int // instructions that became part of another
	Renamed int // values that got another register
	Copied  int // instructions that stand in more than one piece: their copies

	entry int
	progs []*layout
}

// layout is one program of the object.
type layout struct {
	insns  []ebpf.Insn
	pieces []piece
	head   []int32              // by slot: the piece that begins there, -1: none
	gone   []removed            // by slot
	enter  map[int32]*[11]uint8 // by block that a piece begins with: see graph.enter
	stats  ProgramSchedule
}

// piece is a chain of blocks, scheduled as a whole and entered at its start.
type piece struct {
	spans   []span
	ops     []Op
	lat     []int32
	stop    []int32 // by op: cycles that all lanes stand still after it
	lane    []uint8
	bundles [][]int32
	end     int // slot that control falls through to after the last bundle
}

// span is a block of a piece, or its copy.
type span struct {
	start, end int     // slots
	leave      []int32 // by slot of the block: cycles of the piece when control leaves after it by a jump
	stop       []int32 // by slot of the block: cycles that all lanes stand still after it; nil: none
	fall       int32   // cycles of the piece when control falls out of it here

	insns, last    int32  // how many instructions the block has, and the slot of the last
	calls, stopped uint32 // that stop all lanes, and for how many cycles
}

// IPC is the static number of instructions per cycle as the hXDP paper counts it
// (table 3): instructions of eBPF, those that were removed or fused counted in,
// over bundles, empty ones included.
func (p *ProgramSchedule) IPC() float64 {
	if p.Bundles == 0 {
		return 0
	}
	return float64(p.Source) / float64(p.Bundles)
}

// Packed is the number of instructions of the core a bundle has.
func (p *ProgramSchedule) Packed() float64 {
	if p.Bundles == 0 {
		return 0
	}
	return float64(p.Insns) / float64(p.Bundles)
}

// Header is the program's figures in a line.
func (p *ProgramSchedule) Header() string {
	h := fmt.Sprintf("# %s: %d insns, %d bundles in %d pieces, IPC %.2f", p.Name, p.Insns, p.Bundles, p.Pieces, p.IPC())
	if p.Source != p.Insns {
		h += fmt.Sprintf(", from %d (bounds -%d, zeroing -%d, dead -%d, fused -%d)", p.Source, p.Bounds, p.Zeroing, p.Dead, p.Fused)
	}
	return h
}

// Format prints the entry program piece by piece.
func (p *ProgramSchedule) Format(mapName func(i int) string) string {
	out := p.Header() + "\n"
	pieces := slices.Clone(p.progs[p.entry].pieces)
	slices.SortFunc(pieces, func(a, b piece) int { return a.spans[0].start - b.spans[0].start })
	for _, c := range pieces {
		out += fmt.Sprintf("%d:\n", c.spans[0].start) + table(c.ops, c.bundles, c.lane, max(p.Machine.Lanes, 1), ebpf.Printer{MapName: mapName})
	}
	return out
}

// Program schedules every program of an object for m; entry is the one whose
// figures are given.
func Program(obj *loader.Object, entry *loader.Program, m *Machine) (*ProgramSchedule, error) {
	out := &ProgramSchedule{Machine: m.For(obj.Maps), entry: -1}
	s := NewScheduler(out.Machine)
	for i, p := range obj.Programs {
		l, err := newLayout(p, s)
		if err != nil {
			return nil, fmt.Errorf("program %q: %w", p.Name, err)
		}
		out.progs = append(out.progs, l)
		if p == entry {
			out.entry = i
			t := l.stats
			out.Name, out.Source, out.Insns, out.Bundles, out.Pieces = p.Name, t.Source, t.Insns, t.Bundles, t.Pieces
			out.Bounds, out.Zeroing, out.Dead, out.Fused, out.Renamed, out.Copied = t.Bounds, t.Zeroing, t.Dead, t.Fused, t.Renamed, t.Copied
		}
	}
	if out.entry < 0 {
		return nil, fmt.Errorf("program %q: not in object %s", entry.Name, obj.File)
	}
	return out, nil
}

// Ran is what a recorded run takes.
type Ran struct {
	Rows    uint32 // bundles it went through
	Calls   uint32 // that stopped all lanes
	Stopped uint32 // cycles they did so
	Drain   uint32 // cycles until its exit was seen
}

// Cycles is the sum.
func (r Ran) Cycles() uint32 { return r.Rows + r.Stopped + r.Drain }

// Cycles is how long a recorded run takes: see [ProgramSchedule.Run].
func (p *ProgramSchedule) Cycles(steps []vm.Step) uint32 { return p.Run(steps).Cycles() }

// Run follows a recorded run through the pieces it went through, each up to the
// branch by which the run left it. A packet that fails a bounds check that was
// removed ends there. It allocates nothing.
func (p *ProgramSchedule) Run(steps []vm.Step) (r Ran) {
	for i := 0; i < len(steps); {
		l := p.progs[steps[i].Prog]
		c := &l.pieces[l.head[steps[i].PC]]
		for at := range c.spans {
			s := &c.spans[at]
			i += s.through(steps[i:], &r)
			last := &steps[i-1]
			if l.gone[last.PC].failed(last) {
				r.Rows += uint32(s.leave[int(last.PC)-s.start])
				return r
			}
			if i < len(steps) && at+1 < len(c.spans) && c.spans[at+1].start == int(steps[i].PC) && steps[i].Prog == last.Prog {
				continue
			}
			r.Rows += uint32(l.cost(s, last))
			if i == len(steps) {
				r.Drain = uint32(p.drain(c))
			}
			break
		}
	}
	return r
}

// through is how many steps a run takes through the block it has come to, and notes
// in r the calls there. Control leaves a block at its end, or with a fault.
func (s *span) through(steps []vm.Step, r *Ran) int {
	if n := int(s.insns); n <= len(steps) && int(steps[n-1].PC) == int(s.last) {
		r.Calls += s.calls
		r.Stopped += s.stopped
		return n
	}
	for i := range steps {
		pc := int(steps[i].PC)
		if i > 0 && (steps[i].Prog != steps[0].Prog || pc <= int(steps[i-1].PC) || pc >= s.end) {
			return i
		}
		if s.stop != nil && s.stop[pc-s.start] > 0 {
			r.Calls++
			r.Stopped += uint32(s.stop[pc-s.start])
		}
	}
	return len(steps)
}

// drain is what the exit at the end of a piece takes beyond its bundle.
func (p *ProgramSchedule) drain(c *piece) int {
	if n := len(c.ops); n > 0 && c.ops[n-1].isExit() && c.ops[n-1].Form != ExitImm {
		return p.Machine.Drain
	}
	return 0
}

// cost is what leaving a piece after a step costs: by a jump up to its bundle,
// else all of it, when everything has landed.
func (l *layout) cost(s *span, st *vm.Step) int32 {
	leave := s.leave[int(st.PC)-s.start]
	if l.insns[st.PC].IsCondJump() && st.Addr == 1 {
		return leave
	}
	return max(leave, s.fall)
}

// newLayout cuts, cleans and schedules one program.
func newLayout(p *loader.Program, s *Scheduler) (*layout, error) {
	if err := ebpf.Validate(p.Insns); err != nil {
		return nil, err
	}
	f, err := newFlowGraph(p.Insns, s.m)
	if err != nil {
		return nil, err
	}
	f.clean()
	l := &layout{insns: p.Insns, head: make([]int32, len(p.Insns)), gone: f.gone, enter: map[int32]*[11]uint8{}}
	for i := range l.head {
		l.head[i] = -1
	}
	t := &l.stats
	t.Bounds, t.Zeroing, t.Dead = f.bounds, f.zeroing, f.dead
	for i := range f.blocks {
		t.Source += f.blocks[i].source
	}
	for _, c := range f.chains() {
		l.piece(f, c, s)
	}
	for i := range l.pieces {
		t.Insns += len(l.pieces[i].ops)
		t.Bundles += len(l.pieces[i].bundles)
	}
	t.Pieces = len(l.pieces)
	t.Fused = t.Source - t.Bounds - t.Zeroing - t.Dead - f.unreached + t.Copied - t.Insns
	t.Dead += f.unreached
	return l, nil
}

// piece schedules a chain of blocks.
func (l *layout) piece(f *flowGraph, c chain, s *Scheduler) {
	s.ops = s.ops[:0]
	for k, link := range c {
		for _, o := range f.linked(link) {
			o.span = int32(k)
			s.ops = append(s.ops, o)
			if link.copied {
				l.stats.Copied++
			}
		}
	}
	last := int(c[len(c)-1].block)
	live := f.blocks[last].out
	s.ops = s.fu.run(s.m, s.ops, live)
	blk := &block{f.liveAt}
	if s.g.enter = [11]uint8{}; l.enter[c[0].block] != nil {
		s.g.enter = *l.enter[c[0].block]
	} else {
		l.enter[c[0].block] = new([11]uint8) // whoever comes later finds it laid out
	}
	if s.m.Rename {
		s.ren.run(s.ops, blk, live)
		l.stats.Renamed += s.ren.renamed
	}
	cycles := s.lay(f, c, blk, live, s.m.CrossLane == 1)
	if s.m.CrossLane == 1 && !l.pass(f, s, last, cycles) {
		cycles = s.lay(f, c, blk, live, false)
	}
	var latency, stop []int32
	stops := false
	for k := range s.g.nodes {
		latency, stop = append(latency, s.g.nodes[k].lat), append(stop, s.g.nodes[k].stop)
		stops = stops || s.g.nodes[k].stop > 0
	}
	l.head[f.blocks[c[0].block].start] = int32(len(l.pieces))
	p := piece{ops: append([]Op(nil), s.ops...), lat: latency, stop: stop, bundles: bundles(&s.g, cycles), lane: lanesOf(&s.g), end: f.blocks[last].end}
	// What leaving after a slot costs: by a branch up to its bundle, at the end
	// all; by a branch that was removed as far as what stands before it got.
	done := int32(0)
	for k, link := range c {
		b := &f.blocks[link.block]
		sp := span{start: b.start, end: b.end, leave: make([]int32, b.end-b.start)}
		if stops {
			sp.stop = make([]int32, b.end-b.start)
		}
		for i := range p.ops {
			if at := int(p.ops[i].Slot) - b.start; int(p.ops[i].span) == k {
				sp.leave[at] = max(sp.leave[at], s.g.nodes[i].issue+1)
				if stops {
					sp.stop[at] = stop[i]
				}
			}
		}
		for at := range sp.leave {
			own := sp.leave[at]
			done = max(done, own)
			if sp.leave[at] = done; own > 0 && f.branches(b.start+at) {
				sp.leave[at] = own
			}
		}
		for pc := b.start; pc < b.end; pc++ {
			if !f.second[pc] {
				sp.insns, sp.last = sp.insns+1, int32(pc)
			}
		}
		for _, n := range sp.stop {
			if n > 0 {
				sp.calls, sp.stopped = sp.calls+1, sp.stopped+uint32(n)
			}
		}
		p.spans = append(p.spans, sp)
	}
	if n := len(p.ops); n == 0 || !p.ops[n-1].isBranch() || p.ops[n-1].In.IsCondJump() {
		p.spans[len(p.spans)-1].fall = cycles
	}
	l.pieces = append(l.pieces, p)
}

// lay schedules s.ops as the piece c and returns its cycles when control falls
// out at its end: all has landed then, but for what hurries on in its own lane.
func (s *Scheduler) lay(f *flowGraph, c chain, blk *block, live ebpf.Regs, hurry bool) int32 {
	s.g.flow.Enter(s.m.maps)
	f.blocks[c[0].block].in.Into(&s.g.flow)
	s.g.hurry = hurry
	s.g.build(s.m, s.ops, nil, blk)
	s.g.heights()
	cycles := s.list.run(&s.g)
	for k := range s.g.nodes {
		n := &s.g.nodes[k]
		done := n.issue + n.lat
		if n.def&live != 0 && !n.wide && !hurry {
			done += int32(s.m.CrossLane)
		}
		cycles = max(cycles, done)
	}
	return cycles
}

// pass hands on to the pieces that control goes to in which lane each register
// can be read there at first, and says whether that can be had: not where they
// have been laid out for another.
func (l *layout) pass(f *flowGraph, s *Scheduler, last int, cycles int32) bool {
	type leaving struct {
		to, after, at int32 // block; op that control leaves by, last cycle
	}
	var ways []leaving
	for i := range s.ops {
		if o := &s.ops[i]; o.To >= 0 && o.isBranch() && !o.isExit() && !leaves(o.In) {
			ways = append(ways, leaving{f.at[o.To], int32(i), s.g.nodes[i].issue})
		}
	}
	if n := len(s.ops); f.blocks[last].end < len(f.insns) && (n == 0 || !s.ops[n-1].isBranch() || s.ops[n-1].In.IsCondJump()) {
		ways = append(ways, leaving{f.at[f.blocks[last].end], int32(n), cycles - 1})
	}
	var found []*[11]uint8
	for _, w := range ways {
		e := new([11]uint8)
		for i := range s.ops[:w.after] {
			n := &s.g.nodes[i]
			def := n.def & f.blocks[w.to].live
			for r := range e {
				if !def.Has(uint8(r)) {
					continue
				}
				if e[r] = 0; n.issue+n.lat == w.at+1 && !n.wide {
					e[r] = n.lane + 1
				}
			}
		}
		if had := l.enter[w.to]; had != nil && *had != *e {
			return false
		}
		for k := range found {
			if ways[k].to == w.to && *found[k] != *e {
				return false
			}
		}
		found = append(found, e)
	}
	for k, w := range ways {
		l.enter[w.to] = found[k]
	}
	return true
}

// block is what the dependence graph must know of a piece of a program: which
// registers are read where its branches go when taken.
type block struct {
	live func(o *Op) ebpf.Regs
}
