package fastpath

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/tree"
	"jitnic/trace"

	cilium "github.com/cilium/ebpf"
)

// Leaf is a path that the fast path is to take.
type Leaf struct {
	ID    int32
	Path  *pathcond.Path
	Trace *trace.Trace // what it runs: Path.Trace, or what was made of it
	// Packets of the run that took it: the order of questions goes by them.
	Packets uint64
}

// Options say what is made.
type Options struct {
	// Counters counts, in a map of one number a CPU for each leaf and, last, for
	// what no leaf took.
	Counters bool
	// Frozen takes for granted what specialised traces ask of versions, and where
	// tail calls lead: writes by other tools aren't seen.
	Frozen bool
	// Join puts the original's code behind the fast path's, in one program: no tail
	// call is spent on what no leaf takes.
	Join bool
}

// ErrTooLong says that fewer traces fit into a program.
var ErrTooLong = errors.New("too many traces for one program")

// Names of what a fast path adds to an object.
const (
	ProgramName = "jitnic_fast"
	rootName    = "jitnic_orig" // program array that holds the original
	CounterName = "jitnic_hits"
)

// Built is an object with a fast path in front of its program.
type Built struct {
	Object  *loader.Object
	Program *loader.Program // the fast path; the object's other programs are the original's
	Leaves  []Placed        // in the order of their counters
	Out     []Out
	Tree    int // slots of the tree and of what stands before it
	Depth   int // predicates on the longest way
	Assumed int // predicates that Options.Frozen took for granted
}

// Placed is a leaf's place.
type Placed struct {
	ID         int32
	Start, End int // slots
}

// Out is a path that stayed out.
type Out struct {
	ID  int32
	Why string
}

// At is the leaf that a slot of the program belongs to.
func (b *Built) At(slot int) (id int32, ok bool) {
	for _, l := range b.Leaves {
		if slot >= l.Start && slot < l.End {
			return l.ID, true
		}
	}
	return 0, false
}

// Stack slots of the fast path, offsets from r10.
const (
	slotCtx  = -8
	slotData = -16
	slotEnd  = -24
	slotLow  = -24
)

// Registers of the tree: the packet and its end, and two places in it that only
// running tells.
const (
	regA    = 6
	regData = 7
	regEnd  = 8
	regB    = 9
)

// Build makes the fast path of leaves, hottest first, in front of entry. obj and
// entry are those that c's paths were recorded of.
func Build(obj *loader.Object, entry *loader.Program, c *pathcond.Compiler, leaves []Leaf, opt Options) (*Built, error) {
	for _, p := range obj.Programs {
		if err := ebpf.Validate(p.Insns); err != nil {
			return nil, fmt.Errorf("%s: program %s: %w: no kernel loads it", p.File, p.Name, err)
		}
	}
	if err := budget(obj, entry); err != nil && !opt.Join {
		return nil, err
	}
	b := &builder{s: c.S, b: c.B, obj: obj, opt: opt, built: &Built{}, leaves: map[int32]*Leaf{}, heights: map[bv.Term]int{}, sizes: map[bv.Term]int{}, heats: map[tree.Ref]uint64{}, nexts: map[tree.Ref]tree.Ref{}}
	t := tree.New(c.B, &pathcond.Env{S: c.S, Versions: c.Versions})
	for i := range leaves {
		l := &leaves[i]
		p := *l.Path
		p.Cond = nil
		why := ""
		for _, pr := range l.Path.Cond {
			if opt.Frozen && c.Settled(pr.Term, false) {
				b.built.Assumed++
				continue
			}
			if why == "" {
				why = b.unsupported(pr.Term, map[bv.Term]bool{})
			}
			if why == "" {
				var err error
				if pr.Term, err = b.portable(pr.Term); err != nil {
					why = err.Error()
				}
			}
			p.Cond = append(p.Cond, pr)
		}
		if why == "" {
			if err := t.Insert(&p, l.ID); err != nil {
				why = "another path's condition holds with its own once versions are taken for granted"
			}
		}
		if why != "" {
			b.out(l.ID, why)
			continue
		}
		b.leaves[l.ID] = l
	}
	if err := b.program(t, entry); err != nil {
		return nil, err
	}
	return b.built, nil
}

// maxTailCalls is how many the kernel follows (MAX_TAIL_CALL_CNT of
// include/linux/bpf.h).
const maxTailCalls = 33

// budget refuses programs that may need the last tail call: the fast path takes
// one. Who makes tail calls may come to any program that stands in a program array.
func budget(obj *loader.Object, entry *loader.Program) error {
	var targets []*loader.Program
	for _, m := range obj.Maps {
		if m.Type != cilium.ProgramArray {
			continue
		}
		for _, p := range obj.Programs {
			if slices.ContainsFunc(m.Contents, func(e maps.Entry) bool { return e.Name == p.Name }) && !slices.Contains(targets, p) {
				targets = append(targets, p)
			}
		}
	}
	if !calls(entry) || len(targets) == 0 {
		return nil
	}
	// In a row come those that make tail calls themselves, and one that doesn't.
	again := 0
	for _, p := range targets {
		if calls(p) {
			again++
		}
	}
	if again > 0 {
		return fmt.Errorf("program %q: %d of the programs it comes to by tail calls make more, and may need all %d: the fast path would take one (not where original and fast path are joined)", entry.Name, again, maxTailCalls)
	}
	return nil
}

// calls says whether a program makes tail calls.
func calls(p *loader.Program) bool {
	return slices.ContainsFunc(p.Insns, func(in ebpf.Insn) bool {
		return in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && in.Imm == ebpf.FnTailCall
	})
}

// builder writes one fast path.
type builder struct {
	s      *vm.State
	b      *bv.Builder
	obj    *loader.Object
	opt    Options
	built  *Built
	leaves map[int32]*Leaf
	specs  []*maps.Spec // of the object that is made

	code    []ebpf.Insn
	labels  []int // slot, or -1
	fixes   []fix
	miss    label
	abort   label
	uses    map[bv.Term]int
	heights map[bv.Term]int
	sizes   map[bv.Term]int
	heats   map[tree.Ref]uint64
	nexts   map[tree.Ref]tree.Ref
	linear  bool // a tall term is being computed in order
	t       *tree.Tree
	root    int // the program array's map
	hits    int // the counters' map, -1 none
	work    int // operations written for the predicate at hand
}

func (b *builder) out(id int32, why string) { b.built.Out = append(b.built.Out, Out{id, why}) }

// program writes the whole.
func (b *builder) program(t *tree.Tree, entry *loader.Program) error {
	b.t = t
	b.specs = slices.Clone(b.obj.Maps)
	if !b.opt.Join {
		b.root = len(b.specs)
		b.specs = append(b.specs, &maps.Spec{Name: rootName, Type: cilium.ProgramArray, KeySize: 4, ValueSize: 4, Max: 1,
			Contents: []maps.Entry{{Key: make([]byte, 4), Name: entry.Name}}})
	}
	b.hits = -1
	if b.opt.Counters {
		b.hits = len(b.specs)
		b.specs = append(b.specs, &maps.Spec{Name: CounterName, Type: cilium.PerCPUArray, KeySize: 4, ValueSize: 8, Max: uint32(len(b.leaves) + 1)})
	}
	b.miss, b.abort = b.label(), b.label()
	b.uses = map[bv.Term]int{}
	b.count(t.Root(), map[tree.Ref]bool{})

	b.load(4, regData, 1, ebpf.XDPData)
	b.load(4, regEnd, 1, ebpf.XDPDataEnd)
	b.store(8, 10, slotCtx, 1)
	b.store(8, 10, slotData, regData)
	b.store(8, 10, slotEnd, regEnd)
	b.ref(t.Root(), &flow{next: slotLow, slots: map[bv.Term]int16{}, elems: map[element]int16{}, nonnull: map[bv.Term]bool{}}, 0)
	leaves := 0
	for _, l := range b.built.Leaves {
		leaves += l.End - l.Start
	}

	end := b.rest(entry)
	b.built.Tree = end - leaves
	for _, f := range b.fixes {
		d := b.labels[f.to] - f.slot - 1
		if d > math.MaxInt16 || d < math.MinInt16 {
			return fmt.Errorf("%w: a jump of %d slots", ErrTooLong, d)
		}
		b.code[f.slot].Off = int16(d)
	}
	return b.object(entry, end)
}

// rest writes what comes behind the leaves, and says where that ends and the
// original's code, if it is there, begins. What no jump leads to the verifier calls
// unreachable: a path without a condition leaves nothing to the original.
func (b *builder) rest(entry *loader.Program) (end int) {
	missed := b.jumped(b.miss)
	abort := func() {
		b.bind(b.abort) // where a tail call comes to that failed
		b.alu(ebpf.ALUMov, 0, vm.XDPAborted)
		b.put(ebpf.Insn{Op: ebpf.OpExit})
	}
	if b.opt.Join && b.jumped(b.abort) {
		abort()
	}
	if missed {
		b.bind(b.miss)
		if b.hits >= 0 {
			b.tally(len(b.built.Leaves), slotLow)
		}
		b.load(8, 1, 10, slotCtx)
	}
	switch {
	case b.opt.Join && missed:
		end = len(b.code)
		b.code = append(b.code, entry.Insns...) // jumps and calls are relative
		return end
	case b.opt.Join:
		return len(b.code)
	case missed:
		b.mapFD(2, b.root)
		b.alu(ebpf.ALUMov, 3, 0)
		b.call(ebpf.FnTailCall)
	}
	if missed || b.jumped(b.abort) {
		abort()
	}
	return len(b.code)
}

// object puts the program into an object with what the original has.
func (b *builder) object(entry *loader.Program, end int) error {
	if err := ebpf.Validate(b.code); err != nil {
		return fmt.Errorf("internal error: fast path: %w", err)
	}
	p := loader.Program{Name: ProgramName, Section: entry.Section, File: entry.File, License: entry.License, Type: entry.Type,
		AttachType: entry.AttachType, AttachTo: entry.AttachTo, LoadFlags: entry.LoadFlags, XDPFrags: entry.XDPFrags, Insns: b.code, Maps: b.specs}
	p.Funcs = []loader.Func{{Name: ProgramName, End: len(b.code), Proto: entry.Funcs[0].Proto}}
	if end < len(b.code) { // the original's functions come along
		p.Funcs[0].End = end + entry.Funcs[0].End
		for _, f := range entry.Funcs[1:] {
			f.Start, f.End = f.Start+end, f.End+end
			p.Funcs = append(p.Funcs, f)
		}
		p.Unsupported = map[int]string{}
		for slot, what := range entry.Unsupported {
			p.Unsupported[slot+end] = what
		}
	}
	o := *b.obj
	o.Maps = b.specs
	o.Programs = nil
	for _, q := range b.obj.Programs {
		c := *q
		c.Maps = b.specs
		o.Programs = append(o.Programs, &c)
	}
	o.Programs = append(o.Programs, &p) // last: program arrays number the others as before
	b.built.Object, b.built.Program = &o, &p
	return nil
}

// tally counts a packet for a leaf; it uses the stack from low on downward.
func (b *builder) tally(leaf int, low int16) {
	b.storeK(4, 10, low-8, int32(leaf))
	b.mov(2, 10)
	b.alu(ebpf.ALUAdd, 2, int32(low-8))
	b.mapFD(1, b.hits)
	b.call(ebpf.FnMapLookupElem)
	b.put(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ | ebpf.SrcK, Dst: 0, Off: 3})
	b.load(8, 1, 0, 0)
	b.alu(ebpf.ALUAdd, 1, 1)
	b.store(8, 0, 0, 1)
}

// tryLeaf writes a leaf, or leaves it out.
func (b *builder) tryLeaf(l *Leaf, f *flow) {
	start, fixes := len(b.code), len(b.fixes)
	err := b.ownTouches(l, f)
	if err == nil {
		if b.hits >= 0 {
			b.tally(len(b.built.Leaves), f.next)
		}
		err = b.leaf(l, f)
	}
	if err != nil {
		b.code, b.fixes = b.code[:start], b.fixes[:fixes]
		b.out(l.ID, err.Error())
		b.jump(ebpf.Insn{Op: ebpf.OpJA}, b.miss)
		return
	}
	b.built.Leaves = append(b.built.Leaves, Placed{l.ID, start, len(b.code)})
}

// ownTouches says whether what the way to a leaf has looked up in LRU maps is
// what the path itself looks up.
func (b *builder) ownTouches(l *Leaf, f *flow) error {
	if len(f.lru) == 0 {
		return nil
	}
	own := map[bv.Term]bool{}
	var walk func(t bv.Term)
	walk = func(t bv.Term) {
		if own[t] {
			return
		}
		own[t] = true
		for _, a := range b.b.Args(t) {
			walk(a)
		}
	}
	for _, p := range l.Path.Cond {
		walk(p.Term)
	}
	for i := range l.Path.Trace.Meta {
		if t := l.Path.Trace.Meta[i].Found; t != 0 {
			walk(bv.Term(t))
		}
	}
	for _, t := range f.lru {
		if !own[t] {
			return fmt.Errorf("the way to it touches an entry of an LRU map that it doesn't")
		}
	}
	return nil
}
