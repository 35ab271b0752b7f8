package explain

import (
	"cmp"
	"slices"

	"jitnic/host/loader"
	"jitnic/host/run/jit"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/text"
	"jitnic/pcaps/splitmix"
)

// Point is a choice point: a place of the program whose answers tell paths apart.
type Point struct {
	Place
	Tally
	Kinds []pathcond.Why // of its predicates; none where all were settled before

	index int   // of the answers
	preds []int // of Study.preds

	settled []*predicate // where there are no preds
}

// Tally is what a choice point, or several together, do.
type Tally struct {
	Ways  int // different answers that paths gave in all
	Makes int // paths made, those of the points above taken away
	Left  int // paths left without it alone
	Paths int // paths that come to it

	Packets  uint64 // that pass it
	Cold     uint64 // first packets saved without it alone
	Capacity int64  // misses for room saved without it alone, if Costed
	Costed   bool
}

// asked is a predicate without what it came out as.
type asked struct {
	term  bv.Term
	point int
}

// predicate is one predicate of some paths' conditions.
type predicate struct {
	pathcond.Pred
	point  int // index of its point
	number int
	path   int     // the first path that has it: its condition has the words for it
	wants  [2]bool // it came out false, true

	reads []string    // what it is about; nil: nobody asked
	bytes []text.Read // of the packet; nil: likewise
}

// answer is what a path answered at a point: a number that paths of the same
// answers have in common.
type answer struct {
	point int
	sum   uint64
}

// step is a predicate on a path's way.
type step struct {
	pred int
	want bool
}

// gather reads the choices of all paths.
func (s *Study) gather(paths []*jit.PathInfo) {
	points := map[string]*Point{}
	places := map[[2]int32]*Point{} // by program and slot
	var all []*Point
	at := func(prog, pc int32) *Point {
		k := [2]int32{prog, pc}
		if p := places[k]; p != nil {
			return p
		}
		place := PlaceOf(s.program(prog), int(pc))
		p := points[place.key()]
		if p == nil {
			p = &Point{Place: place, index: len(all)}
			points[place.key()] = p
			all = append(all, p)
		}
		places[k] = p
		return p
	}
	s.answers, s.route, s.total = make([][]answer, len(paths)), make([][]step, len(paths)), make([]uint64, len(paths))
	tells := open(paths)
	again := map[[2]int32]uint64{}
	said := map[bv.Term]bool{}
	for i, info := range paths {
		clear(again)
		clear(said)
		if t := info.Path.Table; t > 0 { // no segment is one of another table
			s.total[i] = splitmix.Hash(uint64(t))
		}
		for _, c := range info.Path.Choices {
			k := [2]int32{c.Prog, c.PC}
			again[k]++
			if c.Pred < 0 && said[c.Term] {
				continue // asked before, in the same words
			}
			p := at(c.Prog, c.PC)
			if c.Pred >= 0 {
				said[c.Term] = true
				pr := info.Path.Cond[c.Pred]
				s.route[i] = append(s.route[i], step{s.predicate(p, pr, i), pr.Want})
			} else {
				s.settled(p, c, i)
			}
			a := answer{point: p.index}
			if q := (inquiry{k, again[k]}); tells[q].many {
				a.sum = splitmix.Hash(q.hash() ^ answered(info.Path, c))
			}
			s.answers[i] = add(s.answers[i], a)
		}
		for _, a := range s.answers[i] {
			s.total[i] += a.sum
			all[a.point].Paths++
			all[a.point].Packets += info.Packets
		}
	}
	s.Points = all
}

// inquiry is one question of the program: the how manieth that a path meets at a
// slot.
type inquiry struct {
	at    [2]int32 // program and slot
	again uint64
}

func (q inquiry) hash() uint64 { return splitmix.Hash(uint64(q.at[0])<<32|uint64(q.at[1])) + q.again }

// heard is what paths answered to an inquiry.
type heard struct {
	first uint64
	many  bool // not all the same
}

// open lists the inquiries that were answered in more ways than one. The others
// tell no paths apart, even if not all paths come to them: what leads to them does.
func open(paths []*jit.PathInfo) map[inquiry]heard {
	out := map[inquiry]heard{}
	again := map[[2]int32]uint64{}
	for _, info := range paths {
		clear(again)
		for _, c := range info.Path.Choices {
			k := [2]int32{c.Prog, c.PC}
			again[k]++
			q := inquiry{k, again[k]}
			x := answered(info.Path, c)
			h, ok := out[q]
			if !ok {
				out[q] = heard{first: x}
			} else if h.first != x && !h.many {
				out[q] = heard{many: true}
			}
		}
	}
	return out
}

// answered is what a path answered, as a number.
func answered(p *pathcond.Path, c pathcond.Choice) uint64 {
	if c.Pred >= 0 && valued(p.Cond[c.Pred].Why) {
		return splitmix.Hash(uint64(c.Term))
	}
	return bv.Bit(c.Want)
}

// valued says whether a predicate's term, and not what it came out as, is the
// answer: it says of a value which one it was.
func valued(w pathcond.Why) bool {
	switch w {
	case pathcond.WhyOffset, pathcond.WhyKey, pathcond.WhyVersion, pathcond.WhyTailCall:
		return true
	}
	return false
}

// add adds to the answer at a point.
func add(list []answer, a answer) []answer {
	for i := range list {
		if list[i].point == a.point {
			list[i].sum += a.sum
			return list
		}
	}
	return append(list, a)
}

// settled notes a question that was settled where a point has none that was asked.
func (s *Study) settled(p *Point, c pathcond.Choice, path int) {
	if len(p.preds) > 0 || len(p.settled) == mostSettled {
		return
	}
	for _, x := range p.settled {
		if x.Term == c.Term {
			return
		}
	}
	p.settled = append(p.settled, &predicate{Pred: pathcond.Pred{Term: c.Term, Want: c.Want, Prog: c.Prog, PC: c.PC}, point: p.index, number: -1, path: path})
}

// mostSettled is how many of them are kept of a point.
const mostSettled = 4

// predicate is the number of a predicate of a path at a point.
func (s *Study) predicate(p *Point, pr pathcond.Pred, path int) int {
	k := asked{pr.Term, p.index}
	n, ok := s.numbers[k]
	if !ok {
		n = len(s.preds)
		s.numbers[k] = n
		s.preds = append(s.preds, &predicate{Pred: pr, point: p.index, number: n, path: path})
		p.preds = append(p.preds, n)
		if !slices.Contains(p.Kinds, pr.Why) {
			p.Kinds = append(p.Kinds, pr.Why)
		}
	}
	s.preds[n].wants[bv.Bit(pr.Want)] = true
	return n
}

func (s *Study) program(i int32) *loader.Program { return s.Session.Obj.Programs[i] }

// rank counts what each point makes and puts the points in order.
func (s *Study) rank() {
	n := len(s.Points)
	has := make([][]held, n) // by point: the paths that come to it
	for i, list := range s.answers {
		for _, a := range list {
			has[a.point] = append(has[a.point], held{i, a.sum})
		}
	}
	now := slices.Clone(s.total)
	count := newCounter(len(now))
	all := count.distinct(now)
	for i, p := range s.Points {
		p.Ways = ways(has[i], len(now))
		p.Left = count.without(now, has[i])
		p.Cold = uint64(all - p.Left)
	}
	// Those whose answer is the same on all paths tell none apart.
	todo := make([]int, 0, n)
	for i, p := range s.Points {
		if p.Ways > 1 {
			todo = append(todo, i)
		}
	}
	slices.SortFunc(todo, func(a, b int) int {
		p, q := s.Points[a], s.Points[b]
		return cmp.Or(p.Left-q.Left, cmp.Compare(q.Packets, p.Packets), p.compare(q.Place))
	})
	var order []*Point
	for left := all; len(todo) > 0; {
		best, least := len(todo)-1, left // where none takes anything away alone: the last
		for k, i := range todo {
			if n := count.without(now, has[i]); n < least {
				best, least = k, n
			}
			if len(todo) > mostRounds && k >= mostRounds {
				break // the first by Left; the others have little to take
			}
		}
		i := todo[best]
		for _, h := range has[i] {
			now[h.path] -= h.sum
		}
		p := s.Points[i]
		p.Makes, left = left-least, least
		order = append(order, p)
		todo = slices.Delete(todo, best, best+1)
	}
	slices.SortStableFunc(order, func(p, q *Point) int {
		return cmp.Or(q.Makes-p.Makes, p.Left-q.Left, cmp.Compare(q.Packets, p.Packets), p.compare(q.Place))
	})
	s.Points = order
}

// mostRounds is how many points are weighed against each other at a time.
const mostRounds = 48

// held is the answer of a path at a point.
type held struct {
	path int
	sum  uint64
}

// ways counts the different answers; not to come to the point is one, as it is to
// be asked there only what all are answered alike.
func ways(list []held, paths int) int {
	seen := map[uint64]bool{}
	for _, h := range list {
		seen[h.sum] = true
	}
	if len(list) < paths {
		seen[0] = true
	}
	return len(seen)
}

// counter counts different numbers, again and again.
type counter struct {
	slots []uint64
	mark  []uint32
	epoch uint32
	shift uint
}

func newCounter(n int) *counter {
	bits := uint(4)
	for 1<<bits < 3*n {
		bits++
	}
	return &counter{slots: make([]uint64, 1<<bits), mark: make([]uint32, 1<<bits), shift: 64 - bits}
}

// fresh says whether x is new, and keeps it.
func (c *counter) fresh(x uint64) bool {
	i := x * splitmix.Step >> c.shift
	for c.mark[i] == c.epoch {
		if c.slots[i] == x {
			return false
		}
		i = (i + 1) & uint64(len(c.slots)-1)
	}
	c.slots[i], c.mark[i] = x, c.epoch
	return true
}

func (c *counter) distinct(sums []uint64) int { return c.without(sums, nil) }

// without counts the different sums, the answers at one point left out; has is in
// the order of paths.
func (c *counter) without(sums []uint64, has []held) int {
	c.epoch++
	n := 0
	for i, x := range sums {
		if len(has) > 0 && has[0].path == i {
			x -= has[0].sum
			has = has[1:]
		}
		if c.fresh(x) {
			n++
		}
	}
	return n
}
