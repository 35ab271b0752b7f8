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

type label int

type fix struct {
	slot int
	to   label
}

func (b *builder) out(id int32, why string) { b.built.Out = append(b.built.Out, Out{id, why}) }

func (b *builder) label() label {
	b.labels = append(b.labels, -1)
	return label(len(b.labels) - 1)
}

func (b *builder) bind(l label) { b.labels[l] = len(b.code) }

// jumped says whether a jump leads to a label.
func (b *builder) jumped(l label) bool {
	return slices.ContainsFunc(b.fixes, func(f fix) bool { return f.to == l })
}

func (b *builder) put(in ebpf.Insn) { b.code = append(b.code, in) }

func (b *builder) jump(in ebpf.Insn, to label) {
	b.fixes = append(b.fixes, fix{len(b.code), to})
	b.put(in)
}

func (b *builder) mov(dst, src uint8) {
	b.put(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: dst, Src: src})
}

func (b *builder) alu(op, dst uint8, k int32) {
	b.put(ebpf.Insn{Op: ebpf.ClassALU64 | op | ebpf.SrcK, Dst: dst, Imm: k})
}

func (b *builder) alux(op, dst, src uint8) {
	b.put(ebpf.Insn{Op: ebpf.ClassALU64 | op | ebpf.SrcX, Dst: dst, Src: src})
}

// imm loads a constant.
func (b *builder) imm(dst uint8, v uint64) {
	switch {
	case int64(v) == int64(int32(v)):
		b.alu(ebpf.ALUMov, dst, int32(v))
	case v>>32 == 0:
		b.put(ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcK, Dst: dst, Imm: int32(v)})
	default:
		b.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: dst, Imm: int32(v)})
		b.put(ebpf.Insn{Imm: int32(v >> 32)})
	}
}

var sizeOf = map[int]uint8{1: ebpf.SizeB, 2: ebpf.SizeH, 4: ebpf.SizeW, 8: ebpf.SizeDW}

func (b *builder) load(n int, dst, src uint8, off int16) {
	if n == 8 && src == 10 && b.settled(dst, off) {
		return
	}
	b.put(ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | sizeOf[n], Dst: dst, Src: src, Off: off})
}

func (b *builder) store(n int, dst uint8, off int16, src uint8) {
	b.put(ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | sizeOf[n], Dst: dst, Src: src, Off: off})
}

func (b *builder) storeK(n int, dst uint8, off int16, k int32) {
	b.put(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | sizeOf[n], Dst: dst, Off: off, Imm: k})
}

func (b *builder) mapFD(dst uint8, m int) {
	b.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: dst, Src: ebpf.PseudoMapFD, Imm: int32(m)})
	b.put(ebpf.Insn{})
}

func (b *builder) call(helper int32) { b.put(ebpf.Insn{Op: ebpf.OpCall, Imm: helper}) }

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

// flow is what holds at a place of the tree, on the way from its root.
type flow struct {
	length int // bytes behind data that the verifier has seen compared
	at     [2]spot
	slots  map[bv.Term]int16 // values kept on the stack
	elems  map[element]int16 // addresses of array elements kept there
	// nonnull are look-ups whose result the verifier knows isn't NULL.
	nonnull map[bv.Term]bool
	next    int16 // stack in use, from here on upward
	lru     []bv.Term
	turn    int // which spot goes next
	arm     int // depth of branches inside an expression: nothing is kept there
}

// spot is a register that holds data + x.
type spot struct {
	x bv.Term // 0: nothing
	n int     // bytes behind it that the verifier has seen compared
}

func (f *flow) clone() *flow {
	g := *f
	g.slots = map[bv.Term]int16{}
	for k, v := range f.slots {
		g.slots[k] = v
	}
	g.elems = map[element]int16{}
	for k, v := range f.elems {
		g.elems[k] = v
	}
	g.nonnull = map[bv.Term]bool{}
	for k := range f.nonnull {
		g.nonnull[k] = true
	}
	g.lru = slices.Clone(f.lru)
	return &g
}

// slot takes 8 bytes of stack.
func (f *flow) slot() (int16, error) {
	if f.next-8 < -stackForTree {
		return 0, fmt.Errorf("its conditions keep more than the %d bytes of stack there are for them", stackForTree)
	}
	f.next -= 8
	return f.next, nil
}

// stackForTree is how much of the stack of 512 bytes conditions may use for what
// they keep; the rest is for keys and traces.
const stackForTree = 256

// count counts how often terms are used.
func (b *builder) count(r tree.Ref, seen map[tree.Ref]bool) {
	r = b.next(r)
	if r < 0 || seen[r] {
		return
	}
	seen[r] = true
	n := b.t.Node(r)
	var walk func(t bv.Term)
	walk = func(t bv.Term) {
		if b.uses[t]++; b.uses[t] > 1 {
			return
		}
		for _, a := range b.b.Args(t) {
			walk(a)
		}
	}
	walk(n.Term)
	for _, c := range n.Cases {
		b.count(c.To, seen)
	}
	if len(n.Cases) == 0 {
		b.count(n.Yes, seen)
	}
	b.count(n.No, seen)
}

// ref writes what a child leads to.
func (b *builder) ref(r tree.Ref, f *flow, depth int) {
	b.built.Depth = max(b.built.Depth, depth)
	r = b.next(r)
	if id, ok := tree.Leaf(r); ok {
		b.tryLeaf(b.leaves[id], f)
		return
	}
	if r == tree.Nothing {
		b.jump(ebpf.Insn{Op: ebpf.OpJA}, b.miss)
		return
	}
	n := b.t.Node(r)
	start, fixes := len(b.code), len(b.fixes)
	err := b.prepare(n.Term, f)
	if err == nil && len(n.Cases) > 0 {
		if err = b.cases(&n, f, depth); err == nil {
			return
		}
	}
	if err == nil {
		var g *flow
		away := b.label()
		switch {
		case n.Yes == tree.Nothing:
			if _, err = b.branch(n.Term, true, b.miss, f); err == nil {
				b.ref(n.No, f, depth+1)
				return
			}
		case n.No == tree.Nothing:
			if _, err = b.branch(n.Term, false, b.miss, f); err == nil {
				b.ref(n.Yes, f, depth+1)
				return
			}
		case b.heat(n.Yes) > b.heat(n.No):
			if g, err = b.branch(n.Term, false, away, f); err == nil {
				b.ref(n.Yes, f, depth+1)
				b.bind(away)
				b.ref(n.No, g, depth+1)
				return
			}
		default:
			if g, err = b.branch(n.Term, true, away, f); err == nil {
				b.ref(n.No, f, depth+1)
				b.bind(away)
				b.ref(n.Yes, g, depth+1)
				return
			}
		}
	}
	// What can't be asked leaves all below it out.
	b.code, b.fixes = b.code[:start], b.fixes[:fixes]
	b.lose(r, err.Error())
	b.jump(ebpf.Insn{Op: ebpf.OpJA}, b.miss)
}

// lose leaves out what hangs below.
func (b *builder) lose(r tree.Ref, why string) {
	for id := range b.t.Below(r) {
		b.out(id, why)
	}
}

// cases decides a chain of equalities of one term.
func (b *builder) cases(n *tree.Node, f *flow, depth int) error {
	x := b.b.Args(n.Term)[0]
	const reg = 5
	if err := b.eval(x, f, reg, 0); err != nil {
		return err
	}
	first, cs := b.choose(n)
	for _, c := range first {
		next := b.label()
		b.compare(ebpf.JmpNE, reg, b.b.Width(x), c.K, next, 4)
		b.ref(c.To, f.clone(), depth+1)
		b.bind(next)
	}
	if len(cs) == 0 {
		b.ref(n.No, f, depth+1)
		return nil
	}
	other := b.miss
	if n.No != tree.Nothing {
		other = b.label()
	}
	to := make([]label, len(cs))
	for i := range cs {
		if to[i] = b.miss; cs[i].To != tree.Nothing {
			to[i] = b.label()
		}
	}
	b.halve(reg, b.b.Width(x), cs, to, other)
	for i := range cs {
		if to[i] == b.miss {
			continue
		}
		b.bind(to[i])
		b.ref(cs[i].To, f.clone(), depth+1)
	}
	if other != b.miss {
		b.bind(other)
		b.ref(n.No, f, depth+1)
	}
	return nil
}

func (b *builder) halve(reg uint8, width int, cs []tree.Case, to []label, other label) {
	if len(cs) <= 3 {
		for i := range cs {
			b.compare(ebpf.JmpEQ, reg, width, cs[i].K, to[i], 4)
		}
		b.jump(ebpf.Insn{Op: ebpf.OpJA}, other)
		return
	}
	mid := len(cs) / 2
	low := b.label()
	b.compare(ebpf.JmpLT, reg, width, cs[mid].K, low, 4)
	b.halve(reg, width, cs[mid:], to[mid:], other)
	b.bind(low)
	b.halve(reg, width, cs[:mid], to[:mid], other)
}

// compare jumps where reg op k, unsigned or equality; tmp may be used.
func (b *builder) compare(op, reg uint8, width int, k uint64, to label, tmp uint8) {
	switch {
	case width <= 32:
		b.jump(ebpf.Insn{Op: ebpf.ClassJMP32 | op | ebpf.SrcK, Dst: reg, Imm: int32(k)}, to)
	case int64(k) == int64(int32(k)):
		b.jump(ebpf.Insn{Op: ebpf.ClassJMP | op | ebpf.SrcK, Dst: reg, Imm: int32(k)}, to)
	default:
		b.imm(tmp, k)
		b.jump(ebpf.Insn{Op: ebpf.ClassJMP | op | ebpf.SrcX, Dst: reg, Src: tmp}, to)
	}
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
