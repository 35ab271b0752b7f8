package match

import (
	"slices"
	"sort"

	"jitnic/host/vm"
	"jitnic/nic/workload"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/text"
)

// Options say what a matcher's key holds.
type Options struct {
	// Queue puts receive queue and CPU number into the key; without it they
	// are latched inputs.
	Queue bool
	// Parser puts a parser before the matcher, as programmable switches have
	// it: it finds fields behind headers of variable length and compares
	// lengths, each comparison a bit of the key.
	Parser bool

	table int // in which the conditions stand: what is handed over differs from cut to cut
}

// Condition is a path's condition with the packets it stands for.
type Condition struct {
	Path    int32
	Packets uint64
	Cond    []pathcond.Pred // in program order; the terms are the compiler's
}

// Conditions are those of a workload.
func Conditions(w *workload.Workload) []Condition {
	out := make([]Condition, len(w.Paths))
	for i := range w.Paths {
		out[i] = Condition{int32(i), w.Paths[i].Packets, w.Paths[i].Cond}
	}
	return out
}

// Analyser judges the conditions of one program.
type Analyser struct {
	c      *pathcond.Compiler
	b      *bv.Builder
	data   uint64 // address of the packet's first byte
	opt    Options
	flags  map[bv.Term]flags
	sizes  map[bv.Term]int
	wired  map[bv.Term][]wire
	forms  map[pathcond.Pred][]form
	tables map[pathcond.Pred][]cube
	covers map[string]coverage
	env    *keyEnv
	ev     *bv.Evaluator
	parser
}

// NewAnalyser prepares for conditions of c's terms.
func NewAnalyser(c *pathcond.Compiler, opt Options) *Analyser {
	a := &Analyser{c: c, b: c.B, data: c.S.Buf + vm.Headroom, opt: opt,
		flags: map[bv.Term]flags{}, sizes: map[bv.Term]int{}, wired: map[bv.Term][]wire{}, tables: map[pathcond.Pred][]cube{}, covers: map[string]coverage{}, forms: map[pathcond.Pred][]form{}, parser: newParser()}
	a.env = &keyEnv{a: a}
	a.ev = bv.NewEvaluator(a.b, a.env)
	return a
}

// keyEnv is the environment of a.ev, all bits 0.
func (a *Analyser) keyEnv() *keyEnv {
	*a.env = keyEnv{a: a}
	return a.env
}

// Judged is a condition as matchers see it.
type Judged struct {
	Condition
	Preds   []pathcond.Pred // the minimal condition
	Classes []Class         // of each of Preds
	a       *Analyser
	// Residual are those of Preds that no ternary entry expresses; what stays
	// in the entries is weaker than the condition, if there are any.
	Residual []pathcond.Pred
	// Unmasked counts those of Preds that are no masked equality: what
	// tuple-space search checks after a probe.
	Unmasked int
	// Lookups counts the calls of map functions that the condition needs.
	Lookups int
	// Never is set where the condition contradicts itself: nothing holds it.
	Never bool
	// TooMany is set where one field's entries were too many to make.
	TooMany bool
	// Expanded, Priority and Ranged count the ternary entries of the condition
	// without Residual, at most 1<<50: ranges and inequalities as prefixes;
	// inequalities as entries that deny before those that permit, where that is
	// less; ranges not expanded.
	Expanded, Priority, Ranged uint64

	equal   cube // the masked-equality part
	parts   []*part
	bits    uint64 // of memory of Preds as they stand
	allBits uint64 // of all of Cond, as a tree has them
}

// Whole says whether entries alone express the condition.
func (j *Judged) Whole() bool { return len(j.Residual) == 0 && !j.TooMany }

// Stateless says whether entries express it but for what it asks of maps.
func (j *Judged) Stateless() bool {
	for _, c := range j.Classes {
		if !c.Ternary() && c != State {
			return false
		}
	}
	return !j.TooMany
}

// Worst is the worst class among the predicates.
func (j *Judged) Worst() (c Class) {
	for _, x := range j.Classes {
		c = max(c, x)
	}
	return c
}

// part is what a condition says of bits that its predicates tie together: of
// one field, mostly. A condition's entries are the product of its parts'.
type part struct {
	bits []int32
	coverage
}

// coverage is a part's entries in each of the three ways.
type coverage struct {
	expanded []cube
	permit   []cube // with entries that deny before them: these
	holes    []cube // and what they deny
	deny     []cube // the same, cut to what permit allows
	ranges   int
	ok       bool
}

// byPriority says whether entries that deny save any.
func (c *coverage) byPriority() bool { return len(c.permit)+len(c.holes) < len(c.expanded) }

// at gives a part's entries that permit.
func (c *coverage) at(l level) []cube {
	if l != expanded && c.byPriority() {
		return c.permit
	}
	return c.expanded
}

// level says how inequalities are put into entries.
type level uint8

const (
	// wide: an entry that denies, of the equalities alone. Conditions that hold
	// there for other reasons stand above it.
	wide level = iota
	// narrow: entries that deny inside the condition's ranges only.
	narrow
	// expanded: no entry denies.
	expanded
)

// Judge classifies a condition's predicates and counts its entries.
func (a *Analyser) Judge(c Condition) *Judged {
	j := &Judged{Condition: c, Preds: text.Minimal(a.c.B, c.Cond), a: a}
	a.learnLengths(c.Cond)
	r := a.newReader()
	all := r.read(c.Cond)
	minimal := make(map[bv.Term]bool, len(j.Preds))
	for _, p := range j.Preds {
		minimal[p.Term] = true
	}
	var forms []form
	for i, p := range c.Cond {
		worst, masked := Equal, true
		for _, f := range all[i] {
			worst = max(worst, f.class)
			masked = masked && f.masked()
			if f.class.Ternary() {
				forms = append(forms, f)
			}
		}
		n := a.predicateBits(p.Term, all[i])
		j.allBits += n
		if minimal[p.Term] {
			minimal[p.Term] = false // once
			j.Classes = append(j.Classes, worst)
			j.bits += n
			if !masked {
				j.Unmasked++
			}
			if !worst.Ternary() {
				j.Residual = append(j.Residual, p)
			}
		}
	}
	j.Lookups = a.lookups(j.Preds)
	var lits []lit
	for _, f := range forms {
		if f.masked() {
			lits = append(lits, f.cubes[0]...)
		}
	}
	var possible bool
	if j.equal, possible = newCube(lits); !possible {
		j.Never = true
	}
	a.count(j, forms)
	return j
}

// read sees every predicate as forms. What equalities fix may make an offset
// constant in the next round.
func (r *reader) read(cond []pathcond.Pred) [][]form {
	for {
		out := make([][]form, len(cond))
		known := len(r.known)
		for i, p := range cond {
			out[i] = r.forms(p.Term, p.Want)
			for _, f := range out[i] {
				if f.masked() {
					for _, l := range f.cubes[0] {
						r.known[l.key()] = l&1 == 1
					}
				}
			}
		}
		if len(r.known) == known {
			return out
		}
		clear(r.raw)
		clear(r.fixed)
	}
}

// count groups the forms by the bits they share and counts entries.
func (a *Analyser) count(j *Judged, forms []form) {
	group := map[int32]int{} // bit to the forms' leader
	lead := make([]int, len(forms))
	find := func(i int) int {
		for lead[i] != i {
			i = lead[i]
		}
		return i
	}
	for i, f := range forms {
		lead[i] = i
		for _, c := range f.cubes {
			for _, l := range c {
				if o, ok := group[l.key()]; ok {
					x, y := find(o), find(i)
					lead[max(x, y)] = min(x, y)
				}
				group[l.key()] = i
			}
		}
	}
	members := map[int][]form{}
	var order []int
	for i, f := range forms {
		g := find(i)
		if members[g] == nil {
			order = append(order, g)
		}
		members[g] = append(members[g], f)
	}
	j.Expanded, j.Ranged = 1, 1
	permits := uint64(1)
	for _, g := range order {
		p := a.newPart(members[g])
		if !p.ok {
			j.TooMany = true
		}
		if len(p.bits) == 0 && p.ok && len(p.expanded) == 1 {
			continue // always
		}
		j.parts = append(j.parts, p)
		j.Expanded = times(j.Expanded, uint64(len(p.expanded)))
		j.Ranged = times(j.Ranged, uint64(p.ranges))
		permits = times(permits, uint64(len(p.at(wide))))
	}
	j.Priority = permits
	for _, p := range j.parts {
		if p.byPriority() {
			j.Priority += uint64(len(p.holes))
		}
	}
}

// maxEntries is where counting a condition's entries ends.
const maxEntries = 1 << 50

// times multiplies, up to maxEntries.
func times(x, y uint64) uint64 {
	if y != 0 && x > maxEntries/y {
		return maxEntries
	}
	return x * y
}

// newPart covers what forms of shared bits say together. The same forms stand
// in many conditions.
func (a *Analyser) newPart(forms []form) *part {
	set := map[int32]bool{}
	for _, f := range forms {
		for _, c := range f.cubes {
			for _, l := range c {
				set[l.key()] = true
			}
		}
	}
	p := &part{bits: make([]int32, 0, len(set))}
	for k := range set {
		p.bits = append(p.bits, k)
	}
	slices.Sort(p.bits)
	name := ""
	for _, f := range forms {
		for _, c := range f.cubes {
			name += c.name() + "|"
		}
		name += "&"
	}
	c, ok := a.covers[name]
	if !ok {
		c = newCoverage(p.bits, forms)
		a.covers[name] = c
	}
	p.coverage = c
	return p
}

func newCoverage(bits []int32, forms []form) (c coverage) {
	var all, positive [][]cube
	var holes []cube
	for _, f := range forms {
		all = append(all, f.cubes)
		if f.class == NotEqual {
			holes = append(holes, f.hole)
		} else {
			positive = append(positive, f.cubes)
		}
	}
	work := maxWork
	if len(forms) == 1 {
		c.expanded, c.ok = forms[0].cubes, true
	} else if c.expanded, c.ok = cover(all, &work); !c.ok {
		return c
	}
	c.ranges = min(spans(bits, c.expanded), len(c.expanded))
	c.permit = c.expanded
	if len(holes) == 0 {
		return c
	}
	if len(positive) == 1 {
		c.permit = positive[0]
	} else if c.permit, c.ok = cover(positive, &work); !c.ok {
		return c
	}
	sort.SliceStable(holes, func(i, k int) bool { return len(holes[i]) < len(holes[k]) })
	seen := map[string]bool{}
	for _, h := range holes {
		if slices.ContainsFunc(c.holes, func(x cube) bool { return covers(x, h) }) {
			continue
		}
		met := false
		for _, u := range c.permit {
			d, ok := meet(u, h)
			if met = met || ok; ok && !seen[d.name()] {
				seen[d.name()] = true
				c.deny = append(c.deny, d)
			}
		}
		if met {
			c.holes = append(c.holes, h)
		}
	}
	return c
}

// A predicate in a matcher's memory: what it does and where its field lies
// (assumed), then mask and value, or the two ends of a range; where it computes,
// an instruction for each operation instead, of eBPF's size.
const (
	bitsOpcode = 8
	bitsOffset = 16
	bitsInsn   = 64
)

// predicateBits is the memory of one predicate.
func (a *Analyser) predicateBits(t bv.Term, forms []form) uint64 {
	set := map[int32]bool{}
	for _, f := range forms {
		if !f.class.Ternary() || f.class == Table {
			return uint64(bitsInsn * a.size(t))
		}
		for _, c := range f.cubes {
			for _, l := range c {
				set[l.key()] = true
			}
		}
	}
	return uint64(bitsOpcode + bitsOffset + 2*len(set))
}
