package vliw

import (
	"fmt"

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

	entry int
	progs []*layout
}

// layout is one program of the object.
type layout struct {
	insns  []ebpf.Insn
	pieces []piece
	head   []int32 // by slot: the piece that begins there, -1: none
	leave  []int32 // by slot: cycles of its piece when control leaves after it
	fall   []int32 // by slot: at the end of a piece, where control falls through; else 0
	joined []bool  // by slot: a jump to an exit that became the exit itself
	gone   []bool  // by slot: a bounds check that was removed
	stats  ProgramSchedule
}

// piece is scheduled as a whole.
type piece struct {
	start, end int // slots; end is where control falls through to
	ops        []Op
	lat        []int32
	lane       []uint8
	bundles    [][]int32
}

// Effective is the number of eBPF instructions per bundle, those that were
// removed or fused counted in.
func (p *ProgramSchedule) Effective() float64 {
	if p.Bundles == 0 {
		return 0
	}
	return float64(p.Source) / float64(p.Bundles)
}

// IPC is the static number of instructions per cycle: instructions of the core
// over bundles, empty ones included.
func (p *ProgramSchedule) IPC() float64 {
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
	for _, c := range p.progs[p.entry].pieces {
		out += fmt.Sprintf("%d:\n", c.start) + table(c.ops, c.bundles, c.lane, max(p.Machine.Lanes, 1), ebpf.Printer{MapName: mapName})
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
			out.Bounds, out.Zeroing, out.Dead, out.Fused, out.Renamed = t.Bounds, t.Zeroing, t.Dead, t.Fused, t.Renamed
		}
	}
	if out.entry < 0 {
		return nil, fmt.Errorf("program %q: not in object %s", entry.Name, obj.File)
	}
	return out, nil
}

// Cycles is how long a recorded run takes: the sum over the pieces it went
// through, each up to the branch by which the run left it. A packet that fails
// a bounds check that was removed ends there. It allocates nothing.
func (p *ProgramSchedule) Cycles(steps []vm.Step) uint32 {
	var sum uint32
	for i := 0; i < len(steps); i++ {
		st := &steps[i]
		l := p.progs[st.Prog]
		if l.joined[st.PC] {
			sum += uint32(l.leave[st.PC])
			i++ // the exit it went to
			continue
		}
		if l.gone[st.PC] && st.Addr == 1 {
			return sum + uint32(l.leave[st.PC])
		}
		if i+1 < len(steps) {
			next := &steps[i+1]
			if p.progs[next.Prog].head[next.PC] < 0 {
				continue
			}
		}
		sum += uint32(l.cost(st))
	}
	return sum
}

// cost is what leaving after a step costs: less where the branch at a piece's
// end is taken than where control falls through, when all must have landed.
func (l *layout) cost(st *vm.Step) int32 {
	if taken := l.insns[st.PC].IsCondJump() && st.Addr == 1; taken {
		return l.leave[st.PC]
	}
	return max(l.leave[st.PC], l.fall[st.PC])
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
	n := len(p.Insns)
	l := &layout{insns: p.Insns, head: make([]int32, n), leave: make([]int32, n), fall: make([]int32, n), joined: make([]bool, n), gone: f.gone}
	for i := range l.head {
		l.head[i] = -1
	}
	t := &l.stats
	t.Bounds, t.Zeroing, t.Dead = f.bounds, f.zeroing, f.dead
	for i := range f.blocks {
		b := &f.blocks[i]
		t.Source += b.source
		if b.reached && b.head {
			l.piece(f, i, s)
		}
	}
	for i := range l.pieces {
		t.Insns += len(l.pieces[i].ops)
		t.Bundles += len(l.pieces[i].bundles)
	}
	t.Pieces = len(l.pieces)
	t.Fused = t.Source - t.Bounds - t.Zeroing - t.Dead - f.unreached - t.Insns
	t.Dead += f.unreached
	return l, nil
}

// piece schedules the chain of blocks that begins with block i.
func (l *layout) piece(f *flowGraph, i int, s *Scheduler) {
	s.ops = s.ops[:0]
	last := i
	for b := i; ; b++ {
		s.ops = append(s.ops, f.blocks[b].ops...)
		last = b
		if b+1 >= len(f.blocks) || !f.chains(b) {
			break
		}
	}
	live := f.blocks[last].out
	s.ops = s.fu.run(s.m, s.ops, live)
	blk := &block{f.liveAt}
	if s.m.Rename {
		s.ren.run(s.ops, blk, live)
		l.stats.Renamed += s.ren.renamed
	}
	s.g.flow.Specs = s.m.maps
	f.blocks[i].in.Into(&s.g.flow)
	s.g.build(s.m, s.ops, nil, blk)
	s.g.heights()
	cycles := s.list.run(&s.g)
	var latency []int32
	for k := range s.g.nodes {
		n := &s.g.nodes[k]
		done := n.issue + n.lat // nothing is under way in the next piece
		if n.def&live != 0 {
			done += int32(s.m.CrossLane)
		}
		cycles = max(cycles, done)
		latency = append(latency, n.lat)
	}
	l.head[f.blocks[i].start] = int32(len(l.pieces))
	laid := bundles(&s.g, cycles)
	c := piece{start: f.blocks[i].start, end: f.blocks[last].end, ops: append([]Op(nil), s.ops...), lat: latency, bundles: laid, lane: lanesOf(&s.g)}
	l.pieces = append(l.pieces, c)
	// What leaving after a slot costs: by a branch up to its bundle, at the end
	// all; by a branch that was removed as far as what stands before it got.
	done, k := int32(0), 0
	for b := i; b <= last; b++ {
		for pc := f.blocks[b].start; pc < f.blocks[b].end; pc++ {
			for k < len(c.ops) && int(c.ops[k].Slot) <= pc {
				done = max(done, s.g.nodes[k].issue+1)
				if int(c.ops[k].Slot) == pc && c.ops[k].isBranch() {
					done = s.g.nodes[k].issue + 1
					l.joined[pc] = c.ops[k].isExit() && f.insns[pc].Op != ebpf.OpExit
				}
				k++
			}
			l.leave[pc] = done
		}
	}
	if n := len(c.ops); n == 0 || !c.ops[n-1].isBranch() || c.ops[n-1].In.IsCondJump() {
		l.fall[lastSlot(f, last)] = cycles
	}
}

// lastSlot is that of the last instruction of a block.
func lastSlot(f *flowGraph, b int) int {
	end := f.blocks[b].end - 1
	if end > f.blocks[b].start && f.insns[end-1].IsWide() && f.second[end] {
		end--
	}
	return end
}

// block is what the dependence graph must know of a piece of a program: which
// registers are read where its branches go.
type block struct {
	live func(slot int32) ebpf.Regs
}

// liveAt are the registers read where the branch at slot goes when taken.
func (b *block) liveAt(slot int32) ebpf.Regs { return b.live(slot) }
