package explain

import (
	"fmt"
	"slices"

	"jitnic/cache"
	"jitnic/host/ebpf"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/trace"
)

// Remedy is a way to be rid of a choice point.
type Remedy struct {
	Name  string `json:"name"`   // merge, predicate, segments or specialise
	Saves int    `json:"saves"`  // entries fewer than there are paths
	Price string `json:"price"`  // what that costs, in words
	Known bool   `json:"proved"` // it was done, by proof, beside the run; else worked out from the recorded traces, which prove nothing
	// Measured says that it was tried on the ways that all packets took, or by a run of
	// its own.
	Measured bool `json:"measured"`
}

// An Advisor says what would take a choice point away; nil where it has nothing to say.
type Advisor func(s *Study, f *Fold) *Remedy

// advisors are asked in this order. Merging and predication were done beside the run,
// if it had neither itself; a cut is tried on the ways of packets, and specialising
// where Study.Specialise was called.
var advisors = []Advisor{merge, predication, segment, specialise}

// Remedies are what would take a choice point away, the one that saves most first.
func (s *Study) Remedies(f *Fold) []Remedy {
	var out []Remedy
	for _, ask := range advisors {
		if r := ask(s, f); r != nil {
			out = append(out, *r)
		}
	}
	slices.SortStableFunc(out, func(a, b Remedy) int { return b.Saves - a.Saves })
	return out
}

// alike groups the paths that the points alone tell apart; groups of one are left
// out.
func (s *Study) alike(f *Fold) [][]int {
	class := s.classes(f.Points)
	groups := make([][]int, len(class))
	for i, c := range class {
		groups[c] = append(groups[c], i)
	}
	return slices.DeleteFunc(groups, func(g []int) bool { return len(g) < 2 })
}

// packed is a path's trace as numbers, an instruction each, sorted.
func (s *Study) packed(path int) []uint64 {
	c, ok := s.code[path]
	if !ok {
		for _, in := range s.runtime.Paths()[path].Path.Trace.Code {
			c = append(c, pack(in))
		}
		slices.Sort(c)
		s.code[path] = c
	}
	return c
}

func pack(in ebpf.Insn) uint64 {
	return uint64(in.Op)<<56 | uint64(in.Dst)<<52 | uint64(in.Src)<<48 | uint64(uint16(in.Off))<<32 | uint64(uint32(in.Imm))
}

// merge: traces that are the same code are the same, whatever is asked.
func merge(s *Study, f *Fold) *Remedy {
	if of, _ := s.runtime.Beside(); of != nil {
		if n, _ := s.joined(f, false); n > 0 {
			return &Remedy{Name: "merge", Saves: n, Price: "none: the ways come together in the same state", Known: true}
		}
		return nil
	}
	saves := 0
	for _, g := range s.alike(f) {
		var codes [][]ebpf.Insn
		for _, i := range g {
			code := s.runtime.Paths()[i].Path.Trace.Code
			if !slices.ContainsFunc(codes, func(c []ebpf.Insn) bool { return slices.Equal(c, code) }) {
				codes = append(codes, code)
			}
		}
		saves += len(g) - len(codes)
	}
	if saves == 0 {
		return nil
	}
	return &Remedy{Name: "merge", Saves: saves, Price: "none: the traces are the same code"}
}

// joined counts the paths that the points alone tell apart and that were one where
// they were made merged and predicated: by selects or without any. more is how many
// instructions longer their traces are then, at the median.
func (s *Study) joined(f *Fold, selects bool) (n, more int) {
	of, paths := s.runtime.Beside()
	var longer []int
	for _, g := range s.alike(f) {
		first := map[int32]bool{}
		for _, i := range g {
			if i < len(of) && of[i] >= 0 && (paths[of[i]].Predicated > 0) == selects {
				if first[of[i]] {
					n++
				}
				first[of[i]] = true
				longer = append(longer, paths[of[i]].Trace.Len()-s.runtime.Paths()[i].Path.Trace.Len())
			}
		}
	}
	if n == 0 {
		return 0, 0
	}
	slices.Sort(longer)
	return n, longer[len(longer)/2]
}

// mostApart is how many instructions the sides of a branch may differ in.
const mostApart = 16

// predication is about the remedy of that name: sides that differ in few
// instructions, none of them a call or a store outside of the stack.
func predication(s *Study, f *Fold) *Remedy {
	if of, _ := s.runtime.Beside(); of != nil {
		n, more := s.joined(f, true)
		switch {
		case n == 0:
			return nil
		case more <= 0:
			return &Remedy{Name: "predicate", Saves: n, Price: "none: traces are no longer", Known: true}
		}
		return &Remedy{Name: "predicate", Saves: n, Price: plural(more, "instruction") + " more a trace, with --merge", Known: true}
	}
	saves := 0
	var more []int
	for _, g := range s.alike(f) {
		base := g[0]
		for _, i := range g[1:] {
			n, effect := apart(s.packed(base), s.packed(i))
			if n == 0 || n > mostApart || effect {
				continue
			}
			saves++
			more = append(more, n)
		}
	}
	if saves == 0 {
		return nil
	}
	slices.Sort(more)
	return &Remedy{Name: "predicate", Saves: saves, Price: "about " + plural(more[len(more)/2], "instruction") + " more a trace"}
}

// apart counts the instructions of the second trace that the first has not, and
// says whether one that either has alone does something: a call, a store outside
// of the stack.
func apart(a, b []uint64) (n int, effect bool) {
	var onlyA, onlyB int
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			onlyA++
			effect = effect || acts(a[0])
			a = a[1:]
		case len(a) == 0 || b[0] < a[0]:
			onlyB++
			effect = effect || acts(b[0])
			b = b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return max(onlyA, onlyB), effect
}

// acts says whether a packed instruction is a call or a store outside of the stack.
func acts(x uint64) bool {
	in := ebpf.Insn{Op: uint8(x >> 56), Dst: uint8(x >> 52 & 15)}
	return in.Op == ebpf.OpCall || in.IsStore() && in.Dst != 10
}

// specialise: what is read of entries at constant keys that no path writes could be
// folded.
func specialise(s *Study, f *Fold) *Remedy {
	if s.Cache.Specialise || f.Predicates() == 0 {
		return nil
	}
	for _, pr := range s.askedBy(f) {
		any := false
		for _, r := range s.voice(pr).Reads(pr.Term) {
			if r.Map < 0 || s.written(r.Map) {
				return nil
			}
			any = true
		}
		if !any || pr.Why != pathcond.WhyBranch && pr.Why != pathcond.WhyHelper {
			return nil
		}
	}
	r := &Remedy{Name: "specialise", Saves: int(f.Cold), Price: "the entries must not change: each change ends the traces that fold it"}
	if x := s.special; x != nil {
		n := float64(max(s.Packets(), 1))
		r.Saves, r.Measured = x.saved(s, f), true
		r.Price += fmt.Sprintf("; %.2f %% hit in place of %.2f %%, all such look-ups specialised", 100*float64(x.hits)/n, 100*float64(s.counts[cache.Hit])/n)
	}
	if r.Saves <= 0 { // told apart otherwise as well
		return nil
	}
	return r
}

// askedBy are the predicates of a fold.
func (s *Study) askedBy(f *Fold) []*predicate {
	var out []*predicate
	for _, p := range f.Points {
		out = append(out, s.asked(p)...)
	}
	return out
}

// written says whether some path writes a map.
func (s *Study) written(m int) bool {
	if s.writes == nil {
		s.writes = map[int]bool{}
		for _, p := range s.runtime.Paths() {
			for i, in := range p.Path.Trace.Code {
				at := p.Path.Trace.Meta[i]
				if at.Map >= 0 && writes(in, at) {
					s.writes[int(at.Map)] = true
				}
			}
		}
	}
	return s.writes[m]
}

func writes(in ebpf.Insn, at trace.Meta) bool {
	if h := in.Called(); h != nil {
		return h.Writes&(ebpf.MapKeys|ebpf.MapValues|ebpf.MapOrder) != 0
	}
	return in.IsStore() && at.Mem == trace.MemMap
}

// maps are those that a path's trace touches, by index.
func (s *Study) maps(path nic.Path) []int {
	var out []int
	t := s.runtime.Paths()[path].Path.Trace
	for i := range t.Meta {
		at := &t.Meta[i]
		if in := t.Code[i]; at.Map >= 0 && (at.Mem == trace.MemMap || in.Op == ebpf.OpCall) && !slices.Contains(out, int(at.Map)) {
			out = append(out, int(at.Map))
		}
	}
	slices.Sort(out)
	return out
}
