package pathcond

import (
	"fmt"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/mem"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/pcaps/splitmix"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// Limits of a trace.
const (
	DefaultMaxTrace  = 16384 // instructions of a path, executed
	DefaultMaxGuards = 1024  // predicates of a condition
)

// Why says what made a predicate part of a condition.
type Why uint8

// The kinds of choice a path can make.
const (
	WhyBranch   Why = iota // a conditional jump
	WhyAlias               // two map operations meet the same entry, or don't
	WhyOffset              // a variable offset, concretised
	WhyHelper              // a helper's outcome
	WhyTailCall            // the target of a tail call
	WhyLoop                // the count of a bpf_loop
	WhyKey                 // a specialised trace: the key looked up
	WhyBounds              // an access that no check before it keeps in bounds
	WhyVersion             // a specialised trace: the entry unchanged since
)

var whyNames = [...]string{"branch", "alias", "offset", "helper", "tail call", "loop", "key", "bounds", "version"}

func (w Why) String() string { return whyNames[w] }

// Pred is one conjunct of a path condition: Term has value Want.
type Pred struct {
	Term     bv.Term
	Want     bool
	Why      Why
	Prog, PC int32 // where the choice was made
}

// Path is what the symbolic execution of one recorded run gives.
type Path struct {
	// Cond is the weakest condition in program order: predicates that follow
	// from those before them are left out.
	Cond  []Pred
	Trace *trace.Trace // nil where Abort is set
	Abort *trace.Abort // why the path can't be a trace
	// Concretised counts the predicates added only to fix a variable offset.
	Concretised int
	// Watched are the keys whose version a specialised trace depends on, as
	// indexes into Compiler.Versions.
	Watched []int
	// Ways tell, for each of Watched, which way led to the look-up: a hash of
	// the key's counter and of the predicates before it, versions left out.
	// Two paths that part only because the entry has changed share it.
	Ways []uint64
	// Predicated counts the branches that became selects (Compiler.Predicate), Merged
	// those whose ways came together without one (Compiler.Merge).
	Predicated, Merged int
	// Lookups are the look-ups whose keys a profile may show to be worth folding
	// (Compiler.Heavy).
	Lookups []Lookup
	// Plain are watched keys that were looked up as in a generic trace, as
	// their entries change too often.
	Plain []int
	// Table is the table a segment stands in, and Next that which goes on where it
	// ends; 0 and 0 of a whole path, and Next 0 of a segment that ends in a verdict.
	Table, Next int
	// Choices are what the run decided, in program order: each predicate of Cond,
	// and between them the choices that those before them settle.
	Choices []Choice
	// Keys are those the run came to maps with, in program order (Compiler.Keys);
	// up to where it gave up, where Abort is set.
	Keys []MapKey
	// Changed are the maps it changed, some more than once (Compiler.Keys).
	Changed []int
	// Effect is what the path does (Compiler.Effects); nil where that isn't kept.
	Effect *Effect
}

// MapKey is a key that a map was looked up, updated or deleted at, as terms over
// what there was before the run.
type MapKey struct {
	Map int       // its index in the state
	Key []bv.Term // in chunks of 8 bytes
}

// Choice is one choice of a run: a question that not every packet answers alike.
type Choice struct {
	Prog, PC int32   // where it was made
	Pred     int32   // its predicate's index in Path.Cond; -1: it was settled
	Term     bv.Term // what was asked
	Want     bool    // the answer
}

// Compiler turns recordings into paths. All paths of one program share its
// builder, so equal predicates are equal terms.
type Compiler struct {
	B         *bv.Builder
	S         *vm.State
	Obj       *loader.Object
	MaxTrace  int
	MaxGuards int
	// Specialise folds what is read from maps that no program of the object
	// writes, under version guards. The state must keep account of writes
	// (vm.Options.Track).
	Specialise bool
	Versions   *Versions
	// Predicate is how many instructions a trace may run, at a branch, on behalf of
	// ways that the packet doesn't take, so that the branch becomes selects; 0: none.
	Predicate int
	// Merge makes ways that come to a place in the same state one path.
	Merge   bool
	Regions Regions
	// Heavy, where set, has a specialised trace fold a look-up only where that
	// pays: where the key is a constant, or one of the keys that Heavy gives for
	// the place of the look-up (Lookup.Place).
	Heavy func(place uint64) []string
	// Keys has paths keep the keys they came to maps with, and which maps they
	// changed (Path.Keys, Path.Changed).
	Keys bool
	// Effects keeps what each path does (Path.Effect).
	Effects bool
	// Barred, where set, says which counters are not worth a version guard now.
	Barred func(counter int) bool

	cuts    []Cut         // where paths are cut (SetCuts); table t begins at cut t-1
	cutProg int32         // of this program
	cutAt   map[int32]int // table by slot

	room       *room
	graphs     map[int32]*graph
	weighed    map[approach]*weighed
	readMostly []bool // by map index: no program writes it
	inputLen   int    // of the recorded packet: length of its linear part
	flipped    []int  // maps that turned out to be written
	preLen     []int  // by map index: entries before the recorded run
}

// Before notes what the maps hold: call it before each run that is recorded.
func (c *Compiler) Before() {
	c.preLen = c.preLen[:0]
	for _, m := range c.S.Maps {
		n := 0
		switch t := m.Spec().Type; {
		case maps.Ordered(t), t == cebpf.Queue, t == cebpf.Stack, c.Specialise && (t == cebpf.Hash || t == cebpf.LPMTrie):
			n = m.Len()
		}
		c.preLen = append(c.preLen, n)
	}
}

// NewCompiler prepares a compiler for paths recorded on s.
func NewCompiler(s *vm.State, obj *loader.Object) *Compiler {
	b := bv.NewBuilder()
	b.Join = joinLoads(b)
	return &Compiler{B: b, S: s, Obj: obj, MaxTrace: DefaultMaxTrace, MaxGuards: DefaultMaxGuards,
		Versions: NewVersions(), room: &room{}, graphs: map[int32]*graph{}, weighed: map[approach]*weighed{}}
}

// exec is one symbolic execution.
type exec struct {
	c   *Compiler
	b   *bv.Builder
	s   *vm.State
	rec *vm.Recording
	f   *Facts

	r      [11]bv.Term
	stack  []byteRef // by address - s.Stack
	packet memLog
	maps   map[int]*mapState
	other  memLog
	frames []symFrame

	data, dataEnd, meta bv.Term // what the context says now
	draws               int
	opaque              int
	looks               int             // bpf_map_lookup_elem so far
	origins             []origin        // of unknown values, in their order
	entries             map[uint64]bool // values that a version guards, by address
	tails               int
	dynptrs             map[uint64]*symDynptr
	timers              []timerState
	lends               bool               // keys to callbacks
	keys                map[bv.Term]string // of what look-ups gave: the key in the run
	frags               uint64             // bytes of the recorded packet beyond its linear part
	takesFrags          bool               // the program may get such packets

	// Of merging and predication: the region being followed, the predicate under which the
	// instruction at hand counts (0: always), where the recording goes on
	// (nowhere: with the next step), and where addresses the path came to stand.
	chosen uint64 // hash of what was chosen so far
	quiet  *weave
	noting bool // what is stored to the stack will be taken back
	active bv.Term
	resume int
	bases  map[bv.Term]uint64
	found  map[bv.Term]uint64 // what look-ups gave, where it isn't NULL

	// Of segments: the cut it begins at (nil: the program's start), what is known of
	// pointers handed over there, whether all effects so far can be taken back, and
	// the stack bytes that are read after it.
	from  *Cut
	kinds map[bv.Term]points.Value
	held  bool
	left  []trace.Span

	path  *Path
	out   emitter
	step  *vm.Step
	index int         // of step
	code  []ebpf.Insn // of the program at hand
}

type symFrame struct {
	saved [4]bv.Term
	start int  // emitter position at the call
	loop  bool // a callback's: called again until i says no
	i     uint64
	ctx   bv.Term
	each  int      // of for_each_map_elem: the map, else -1
	visit [][]byte // the keys it takes up, in order; nil of an array
	at    int      // how many of them were taken up
}

type abortError struct{ a *trace.Abort }

// abort leaves the execution: the path can't be a trace.
func (x *exec) abort(r trace.Reason, detail string) {
	if x.quiet != nil {
		panic(quit{r.Explain()})
	}
	a := &trace.Abort{Reason: r, Detail: detail}
	if x.step != nil {
		a.Detail = x.naming(detail)
		a.Program = x.c.Obj.Programs[x.step.Prog].Name
		a.Insn = int(x.step.PC)
	}
	panic(abortError{a})
}

// Compile executes the recorded run symbolically. The recording must be of the
// last run on c.S, of a packet of length bytes; fault is the run's own error,
// if any. A Path with Abort set still has the condition up to the point where
// it gave up.
func (c *Compiler) Compile(rec *vm.Recording, length int, fault error) *Path {
	p, _ := c.compile(rec, length, fault, 0, 0, false)
	return p
}

// compile follows a recording from a step on, which is where segments of the table
// begin; where it is to cut, to the next cut that it may be cut at, and says which
// step that is.
func (c *Compiler) compile(rec *vm.Recording, length int, fault error, first, table int, cutting bool) (p *Path, to int) {
	c.inputLen = min(length, vm.MaxLinear)
	x := &exec{c: c, b: c.B, s: c.S, rec: rec, f: NewFacts(c.B), maps: map[int]*mapState{}, path: &Path{Table: table}, held: cutting, resume: nowhere, bases: map[bv.Term]uint64{}, found: map[bv.Term]uint64{}, keys: map[bv.Term]string{}}
	p = x.path
	x.frags = uint64(length - c.inputLen)
	x.takesFrags = len(rec.Steps) > 0 && c.Obj.Programs[rec.Steps[0].Prog].XDPFrags
	defer func() {
		if e := recover(); e != nil {
			a, ok := e.(abortError)
			if !ok {
				panic(e)
			}
			p.Abort, p.Trace = a.a, nil
		}
	}()
	if table > 0 {
		x.from = &c.cuts[table-1]
		x.step = &rec.Steps[first]
		x.code = c.Obj.Programs[x.step.Prog].Insns
	}
	x.begin()
	if c.Specialise {
		x.noteWrites()
	}
	if x.frags > 0 && !x.takesFrags {
		x.abort(trace.ReasonFragments, "the program is not of section xdp.frags")
	}
	to = len(rec.Steps)
	for i := first; i < len(rec.Steps); i++ {
		if i-first >= c.MaxTrace {
			x.abort(trace.ReasonTooLong, fmt.Sprintf("%d", c.MaxTrace))
		}
		x.step, x.index = &rec.Steps[i], i
		x.code = c.Obj.Programs[x.step.Prog].Insns
		if fault != nil && i == len(rec.Steps)-1 && !x.cutsHere(i > first) {
			x.fault(x.code[x.step.PC], fault)
		}
		if x.resume != nowhere {
			if int(x.step.Frame) != len(x.frames)-1 || !x.c.graphOf(x.step.Prog).stops(int(x.step.PC), x.resume) {
				continue
			}
			x.resume = nowhere
		}
		if x.cutsHere(i > first) {
			x.leave(c.cutAt[x.step.PC])
			to = i
			break
		}
		x.one(x.code[x.step.PC])
	}
	if x.resume != nowhere {
		x.abort(trace.ReasonInternal, "the run ends between a branch and where its sides join")
	}
	if fault != nil && to == len(rec.Steps) {
		x.abort(trace.ReasonFault, fault.Error())
	}
	p.Trace = x.out.finish(x)
	p.Trace.Raw = to - first
	if c.Effects {
		x.effects()
	}
	return p, to
}

// cutsHere says whether the path is cut before the step at hand.
func (x *exec) cutsHere(begun bool) bool {
	return x.held && begun && x.resume == nowhere && x.step.Frame == 0 && x.step.Prog == x.c.cutProg && x.c.cutAt[x.step.PC] > 0
}

// Otherwise executes the run just compiled once more, with other settings of Merge and
// Predicate. Paths that specialise can't be had that way.
func (c *Compiler) Otherwise(merge bool, predicate int, rec *vm.Recording, length int) *Path {
	o := *c
	o.Merge, o.Predicate, o.Regions = merge, predicate, Regions{}
	return o.Compile(rec, length, nil)
}

// lenFact bounds the length of packets that a machine takes.
var lenFact = bv.Fact{Min: vm.MinPacket, Max: vm.MaxLinear}

// fault ends a path on which the program faulted, by what it faulted at.
func (x *exec) fault(in ebpf.Insn, err error) {
	if in.Op == ebpf.OpCall && in.Src == ebpf.CallKfunc {
		x.abort(trace.ReasonUnlinked, err.Error())
	}
	if in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && !vm.Supported(in.Imm) {
		x.abort(trace.ReasonHelper, err.Error())
	}
	x.abort(trace.ReasonFault, err.Error())
}

func (x *exec) begin() {
	b := x.b
	buf := x.s.Buf + vm.Headroom
	n := x.input(InLen, 64, lenFact)
	x.data = b.Const(buf, 64)
	x.meta = x.data
	x.dataEnd = b.Bin(bv.OpAdd, x.data, n)
	x.stack = x.c.room.fresh()
	for i := range x.r {
		x.r[i] = b.Const(0, 64)
	}
	x.r[1] = b.Const(x.s.CtxPtr(), 64)
	x.r[10] = b.Const(x.s.FrameTop(0), 64)
	x.frames = []symFrame{{each: -1}}
	x.out.init(x)
	if x.from != nil {
		x.resumeAt(x.from)
	}
}

// place says what kind of memory a concrete address is in; of a map value, which map.
func (x *exec) place(addr uint64, n int) (kind trace.MemKind, owner int) {
	r := x.s.Mem.Find(addr, uint64(n))
	if r == nil {
		return trace.MemNone, -1
	}
	switch r.Kind {
	case mem.KindCtx:
		return trace.MemCtx, -1
	case mem.KindPacket:
		return trace.MemPacket, -1
	case mem.KindStack:
		return trace.MemStack, -1
	case mem.KindMap:
		return trace.MemMap, r.Owner
	}
	return trace.MemOther, -1
}

// decide makes the predicate p, which had value want in the recorded run, part
// of the condition, unless it follows from what is there.
func (x *exec) decide(p bv.Term, want bool, why Why) {
	if x.b.Op(p) == bv.OpNot {
		p, want = x.b.Args(p)[0], !want
	}
	if x.ask(p, want, why) {
		x.f.Learn(p, want)
	}
}

// ask is decide of a predicate that may be taken out of the condition again (see
// Path.Include): nothing is learnt from it, so that nothing else follows from it. It
// reports whether the condition said nothing of it before.
func (x *exec) ask(p bv.Term, want bool, why Why) bool {
	if v, ok := x.f.Known(p); ok {
		if v != want {
			if x.quiet != nil {
				panic(quit{"something else would be so on one side"})
			}
			// Symbolic and concrete semantics disagree: a bug, to be heard of.
			x.abort(trace.ReasonInternal, fmt.Sprintf("%s is %v by the condition so far, %v in the run", x.b.String(p), v, want))
		}
		if _, fixed := x.b.IsConst(p); !fixed && x.quiet == nil {
			x.chose(-1, p, want)
		}
		return false
	}
	if x.quiet != nil {
		panic(quit{"one side would ask more"})
	}
	if x.b.Opaque(p) {
		x.abort(trace.ReasonOpaqueBranch, x.whence(p))
	}
	if len(x.path.Cond) >= x.c.MaxGuards {
		x.abort(trace.ReasonTooManyGuards, fmt.Sprintf("%d", x.c.MaxGuards))
	}
	pr := Pred{Term: p, Want: want, Why: why}
	if x.step != nil {
		pr.Prog, pr.PC = x.step.Prog, x.step.PC
	}
	x.chose(int32(len(x.path.Cond)), p, want)
	x.path.Cond = append(x.path.Cond, pr)
	if why == WhyOffset {
		x.path.Concretised++
	}
	return true
}

// chose notes a choice.
func (x *exec) chose(pred int32, p bv.Term, want bool) {
	if x.b.Op(p) == bv.OpNot {
		p, want = x.b.Args(p)[0], !want
	}
	ch := Choice{Pred: pred, Term: p, Want: want}
	if x.step != nil {
		ch.Prog, ch.PC = x.step.Prog, x.step.PC
	}
	x.path.Choices = append(x.path.Choices, ch)
	x.chosen = splitmix.Mix(x.chosen ^ (uint64(p)<<1 | bv.Bit(want)))
}

// fix makes the term constant: by what is known, or by a predicate that it has
// the value of the recorded run.
func (x *exec) fix(t bv.Term, concrete uint64, why Why) bv.Term {
	t = x.f.fixed(t)
	if _, ok := x.b.IsConst(t); ok {
		return t
	}
	if x.b.Opaque(t) {
		x.abort(trace.ReasonOpaqueAddress, x.whence(t))
	}
	c := x.b.Const(concrete, x.b.Width(t))
	x.decide(x.b.Bin(bv.OpEq, t, c), true, why)
	keep(&x.f.iv, t, interval{concrete, concrete})
	return c
}

// unknown is a value that can't be known before the run.
func (x *exec) unknown(w int) bv.Term {
	x.opaque++
	var at origin
	if x.step != nil {
		at = origin{prog: x.step.Prog, pc: x.step.PC}
	}
	x.origins = append(x.origins, at)
	return x.b.Fun(Fun(FunOpaque, x.opaque), w, bv.Fact{Opaque: true})
}

// origin is the instruction that an unknown value comes from; and where that is one of
// a map, the map's number plus 1.
type origin struct{ prog, pc, m int32 }

// unknownOf is unknown of what a map holds.
func (x *exec) unknownOf(m, w int) bv.Term {
	t := x.unknown(w)
	x.origins[x.opaque-1].m = int32(m) + 1
	return t
}

// whence says which instruction the first value of a term comes from that can't be
// known before the run, by the helper or kernel function that gives it.
func (x *exec) whence(t bv.Term) string {
	first := -1
	x.b.Walk(t, map[bv.Term]bool{}, func(t bv.Term) bool {
		if x.b.Op(t) == bv.OpFun {
			if id, n := FunParts(x.b.K(t)); (id == FunOpaque || id == FunFresh) && (first < 0 || n < first) {
				first = n
			}
		}
		return x.b.Opaque(t)
	})
	if first < 1 || first > len(x.origins) {
		return ""
	}
	at := x.origins[first-1]
	what, _ := x.instruction(at.prog, at.pc)
	if at.m > 0 {
		what += " of map " + x.s.Maps[at.m-1].Spec().Name
	}
	return fmt.Sprintf("%s at insn %d", what, at.pc)
}

// instruction names what stands in a slot: the helper or kernel function that it calls,
// else its text.
func (x *exec) instruction(prog, pc int32) (what string, calls bool) {
	in := x.c.Obj.Programs[prog].Insns[pc]
	switch {
	case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper:
		return "helper " + ebpf.HelperName(in.Imm), true
	case in.Op == ebpf.OpCall && in.Src == ebpf.CallKfunc:
		return "kfunc " + x.kfuncName(prog, pc), true
	}
	return strings.TrimSpace(ebpf.Printer{}.Code([]ebpf.Insn{in})), false
}

// naming is the detail of an abort at the instruction at hand, which names the helper
// or kernel function called there, or where nothing else is said the instruction.
func (x *exec) naming(detail string) string {
	what, calls := x.instruction(x.step.Prog, x.step.PC)
	switch {
	case detail == "":
		return what
	case calls && !strings.Contains(detail, what):
		return what + ": " + detail
	}
	return detail
}

// one executes one recorded instruction.
func (x *exec) one(in ebpf.Insn) {
	st := x.step
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		v, ok := ALU(x.b, in, x.r[in.Dst], x.r[in.Src%11])
		if !ok {
			x.abort(trace.ReasonUnencodable, "unknown arithmetic")
		}
		x.r[in.Dst] = v
		x.out.alu(x, in, v)
	case ebpf.ClassLDX:
		x.load(in)
	case ebpf.ClassST, ebpf.ClassSTX:
		if in.IsAtomic() {
			x.atomic(in)
		} else {
			x.storeInsn(in)
		}
	case ebpf.ClassLD:
		if !in.IsWide() {
			x.abort(trace.ReasonHelper, "legacy packet load")
		}
		x.r[in.Dst] = x.b.Const(st.Val, 64)
		x.out.wide(x, in, x.code[st.PC+1])
	default:
		x.jump(in)
	}
}

func (x *exec) jump(in ebpf.Insn) {
	st := x.step
	switch in.Op {
	case ebpf.OpJA, ebpf.OpJA32:
		return
	case ebpf.OpMayGo:
		x.held = false
		return // counts down alike on every run of this path
	case ebpf.OpExit:
		x.exit()
		return
	case ebpf.OpCall:
		switch in.Src {
		case ebpf.CallHelper:
			x.helper(in)
		case ebpf.CallLocal:
			x.enter(false, 0, 0)
			x.r[10] = x.b.Const(x.s.FrameTop(len(x.frames)-1), 64)
		default:
			x.kfunc(in)
		}
		return
	case ebpf.OpCallX:
		x.abort(trace.ReasonUnencodable, "call through a register")
	}
	p, ok := Branch(x.b, in, x.r[in.Dst], x.r[in.Src%11])
	if !ok {
		x.abort(trace.ReasonUnencodable, "unknown jump")
	}
	if x.together(in, p) {
		return
	}
	x.decide(p, st.Addr == 1, WhyBranch)
}

// enter opens a frame: a local call or a callback.
func (x *exec) enter(loop bool, ctx bv.Term, n uint64) {
	fr := symFrame{loop: loop, ctx: ctx, each: -1}
	copy(fr.saved[:], x.r[6:10])
	x.out.enter(x, len(x.frames)-1)
	fr.start = len(x.out.code)
	x.frames = append(x.frames, fr)
	if x.lends && len(x.frames) >= trace.Frames-1 {
		x.abort(trace.ReasonUnencodable, "a call so deep that a key lent to a callback is in the way")
	}
	x.c.room.frames = max(x.c.room.frames, len(x.frames))
	x.clearFrame()
}

// clearFrame makes the stack of the frame in use fresh.
func (x *exec) clearFrame() {
	lo := (len(x.frames) - 1) * trace.FrameStride
	clear(x.stack[lo : lo+trace.FrameSize])
}

func (x *exec) exit() {
	d := len(x.frames) - 1
	if d == 0 {
		x.out.exit(x)
		return
	}
	fr := &x.frames[d]
	if fr.loop {
		x.decide(x.b.Bin(bv.OpEq, x.r[0], x.b.Const(0, 64)), x.step.Val == 0, WhyBranch)
		fr.i++
		if x.step.Addr == 1 {
			x.clearFrame()
			x.callback(fr)
			return
		}
		x.r[0] = x.b.Const(fr.i, 64)
	}
	copy(x.r[6:10], fr.saved[:])
	x.frames = x.frames[:d]
	x.r[10] = x.b.Const(x.s.FrameTop(d-1), 64)
	x.out.leave(x, fr, d-1)
}

// callback sets the arguments of the next call of a callback: of bpf_loop's, or
// of for_each_map_elem's on the array fr.each.
func (x *exec) callback(fr *symFrame) {
	if fr.each >= 0 {
		x.eachCallback(fr)
		return
	}
	x.r[1] = x.b.Const(fr.i, 64)
	x.r[2] = fr.ctx
	x.r[10] = x.b.Const(x.s.FrameTop(len(x.frames)-1), 64)
	x.out.callback(x, fr, len(x.frames)-2)
}
