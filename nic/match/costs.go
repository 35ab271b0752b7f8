package match

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"jitnic/nic/profile"
	"jitnic/nic/workload"
	"jitnic/pathcond/tree"
)

// Analysis is a workload's conditions, judged. It is made once and priced for
// many devices. Of paths that are cut it is that of the first table, with those of
// the others.
type Analysis struct {
	W     *workload.Workload
	Conds []*Judged // by path

	a      *Analyser
	tss    *TSS
	parsed *Analysis   // behind a parser; made when a report first asks for it
	behind []*Analysis // of the tables behind the first
	traces int         // of all tables
}

// Analyse judges the conditions of all paths, or of all segments, each in its table.
func Analyse(w *workload.Workload, opt Options) (*Analysis, error) {
	if w.Compiler == nil {
		return nil, fmt.Errorf("match: workload of %s: no compiler: its conditions can't be read", w.Program)
	}
	if w.Segments == nil {
		return analyse(w, Conditions(w), opt)
	}
	var first *Analysis
	for t := range w.Tables() {
		x, err := analyse(inTable(w, t, opt))
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = x
			first.traces = len(w.Segments)
		} else {
			first.behind = append(first.behind, x)
		}
	}
	return first, nil
}

// inTable is what a table of segments has to do with a workload: its segments with
// their conditions, and, of the first, the packets.
func inTable(w *workload.Workload, table int, opt Options) (*workload.Workload, []Condition, Options) {
	of := &workload.Workload{Program: w.Program, Capture: w.Capture, Compiler: w.Compiler}
	if table == 0 {
		of.Packets = w.Packets
	}
	var conds []Condition
	for i := range w.Segments {
		if s := &w.Segments[i]; s.Table == table {
			of.Paths = append(of.Paths, *s)
			conds = append(conds, Condition{int32(i), s.Packets, s.Cond})
		}
	}
	opt.table = table
	return of, conds, opt
}

func analyse(w *workload.Workload, conds []Condition, opt Options) (*Analysis, error) {
	x := &Analysis{W: w, a: NewAnalyser(w.Compiler, opt), traces: len(conds)}
	for _, c := range conds {
		x.a.learnLengths(c.Cond)
	}
	for _, c := range conds {
		x.Conds = append(x.Conds, x.a.Judge(c))
	}
	x.tss = NewTSS(x.Conds)
	return x, nil
}

// PathCost is what a path costs in a matcher.
type PathCost struct {
	Match   uint32 // cycles where its condition is installed and holds
	Miss    uint32 // cycles for a packet of it where it is not installed
	Steps   int    // that Match counts
	Lookups int    // that both count
	Entries uint64 // of the matcher: see profile.NIC.MatcherCapacity
	Bits    uint64 // of the matcher's memory
	Refused string // why the matcher can't hold it; empty if it can
}

// Costs are the prices of a program's paths in a device's matcher; of paths that are
// cut those of their segments, each in its table.
type Costs struct {
	Kind  profile.MatcherKind
	Paths []PathCost // by path, or by segment
	// Miss is the mean for packets of no path: that of the paths' misses,
	// weighted with their packets.
	Miss uint32
	// Installed is the number of conditions held at once that rounds are
	// counted for: all that are not refused, or what the device holds.
	Installed int
	Entries   uint64 // of all paths not refused; a device with less has to choose
	Bits      uint64 // memory of these
	Width     int    // of the key in bits; 0 where there is none
}

// Trees are the guard trees of a workload's conditions by the same numbers, one for
// each table; without them walks are as long as the workload says.
type Trees []*tree.Tree

func (t Trees) of(table int) *tree.Tree {
	if table < len(t) {
		return t[table]
	}
	return nil
}

// Nodes are those of all trees.
func (t Trees) Nodes() (n int) {
	for _, x := range t {
		if x != nil {
			n += x.Nodes()
		}
	}
	return n
}

// Costs prices the paths for a device's matcher:
//
//	base + steps × step + look-ups × look-up cycles
//
// A step of the linear matcher is a round of lanes over the installed conditions
// in the order of their discovery: a hit ends at its own round, a miss after the
// last. When more are discovered than fit, a path's place is its number modulo
// what fits. A step of the tree is a node, and a miss walks as far as its own
// path would have. A step of tuple-space search is a round of lanes over masks,
// and another for each round of lanes over the candidates of the key found where
// anything is left to check; candidates of keys found before, which fail, are not
// counted ([Place] bounds them). A miss tries all masks. A TCAM takes one step, hit or miss, and
// no look-ups.
//
// Tables of segments are priced each by itself, those behind the first with
// matcher.next in place of matcher.base; they share the matcher's capacity.
//
// Several devices may be priced at once.
func (x *Analysis) Costs(t Trees, n *profile.NIC) (*Costs, error) {
	c, err := x.costs(t.of(0), n)
	if err != nil || len(x.behind) == 0 {
		return c, err
	}
	all := *c
	all.Paths = make([]PathCost, x.traces)
	x.put(&all, c)
	next := *n
	next.MatcherBase = n.MatcherNext
	for i, b := range x.behind {
		if c, err = b.costs(t.of(i+1), &next); err != nil {
			return nil, err
		}
		b.put(&all, c)
		all.Installed += c.Installed
		all.Entries += c.Entries
		all.Bits += c.Bits
		all.Width = max(all.Width, c.Width)
	}
	return &all, nil
}

// put gives a table's prices their places among those of all.
func (x *Analysis) put(all, c *Costs) {
	for i, j := range x.Conds {
		all.Paths[j.Path] = c.Paths[i]
	}
}

func (x *Analysis) costs(t *tree.Tree, n *profile.NIC) (*Costs, error) {
	c := &Costs{Kind: n.Matcher, Paths: make([]PathCost, len(x.Conds))}
	switch n.Matcher {
	case profile.MatchLinear:
		x.linear(c, n)
	case profile.MatchTree:
		x.tree(c, t, n)
	case profile.MatchTSS:
		x.tuples(c, n)
	case profile.MatchTCAM:
		x.ternary(c, n)
	default:
		return nil, fmt.Errorf("match: nic %s: matcher %q: not linear, tree, tss or tcam", n.Name, n.Matcher)
	}
	var sum, packets uint64
	for i, p := range c.Paths {
		k := x.Conds[i].Packets
		packets += k
		sum += uint64(p.Miss) * k
		if p.Refused == "" {
			c.Entries += p.Entries
			c.Bits += p.Bits
		}
	}
	c.Miss = cycles(n, 0, 0)
	if packets > 0 {
		c.Miss = uint32((sum + packets/2) / packets)
	}
	return c, nil
}

// cycles is the time of a match.
func cycles(n *profile.NIC, steps, lookups int) uint32 {
	sum := n.MatcherBase
	for _, f := range [...][2]uint64{{uint64(steps), n.MatcherStep}, {uint64(lookups), n.MatcherLookup}} {
		hi, lo := bits.Mul64(f[0], f[1])
		var carry uint64
		if sum, carry = bits.Add64(sum, lo, 0); hi+carry > 0 {
			return math.MaxUint32
		}
	}
	return uint32(min(sum, math.MaxUint32))
}

func lanes(n *profile.NIC) int { return int(min(max(n.MatcherLanes, 1), 1<<30)) }

// rounds is the number of times lanes go over so many.
func rounds(n *profile.NIC, of int) int { return (of + lanes(n) - 1) / lanes(n) }

// fits is the lesser of want and what a limit allows; 0 is no limit.
func fits(want int, limits ...uint64) int {
	for _, l := range limits {
		if l > 0 && l < uint64(want) {
			want = int(l)
		}
	}
	return want
}

// price fills in the times.
func (p *PathCost) price(n *profile.NIC, steps, missSteps, lookups int) {
	p.Steps, p.Lookups = steps, lookups
	p.Match = cycles(n, steps, lookups)
	p.Miss = cycles(n, missSteps, lookups)
}

func (x *Analysis) linear(c *Costs, n *profile.NIC) {
	c.Installed = fits(len(x.Conds), n.MatcherCapacity, n.Entries)
	rank := make([]int, len(x.Conds))
	for i := range rank {
		rank[i] = i
	}
	slices.SortStableFunc(rank, func(i, k int) int { return cmp.Compare(x.W.Paths[i].First, x.W.Paths[k].First) })
	all := rounds(n, c.Installed)
	for k, i := range rank {
		p := &c.Paths[i]
		p.price(n, k%c.Installed/lanes(n)+1, all, x.Conds[i].Lookups)
		p.Entries, p.Bits = 1, x.Conds[i].bits
	}
}

func (x *Analysis) tree(c *Costs, t *tree.Tree, n *profile.NIC) {
	c.Installed = fits(len(x.Conds), n.Entries)
	walks := map[int32]tree.Walk{}
	nodes := 0
	if t != nil {
		walks = t.Walks()
		nodes = t.Nodes()
	}
	link := uint64(2 * bits.Len(uint(nodes+len(x.Conds))))
	for i, j := range x.Conds {
		w, ok := walks[j.Path]
		if !ok { // no tree, or the path has left it
			w = tree.Walk{Nodes: x.W.Paths[i].Depth, Lookups: j.Lookups}
			if w.Nodes == 0 {
				w.Nodes = len(j.Cond)
			}
		}
		p := &c.Paths[i]
		p.price(n, w.Nodes, w.Nodes, w.Lookups)
		p.Entries = uint64(w.Nodes)
		p.Bits = j.allBits + uint64(len(j.Cond))*link
		if n.MatcherCapacity > 0 && p.Entries > n.MatcherCapacity {
			p.Refused = fmt.Sprintf("%d nodes in a tree of %d", p.Entries, n.MatcherCapacity)
		}
	}
}

func (x *Analysis) tuples(c *Costs, n *profile.NIC) {
	s := x.tss
	c.Installed, c.Width = len(x.Conds), s.Key.Width()
	all := rounds(n, len(s.Tuples))
	for i, j := range x.Conds {
		p := &c.Paths[i]
		at := s.Place(j.Path)
		check := 0
		if j.Unmasked > 0 || at.Candidates > 1 {
			check = rounds(n, at.Candidates)
		}
		p.price(n, rounds(n, at.Probes)+check, all+check, j.Lookups)
		p.Entries = 1
		p.Bits = uint64(len(j.equal)+bitsAction) + j.bits
		if n.MatcherWidth > 0 && uint64(len(j.equal)) > n.MatcherWidth {
			p.Refused = fmt.Sprintf("a key of %d bits in tables of %d", len(j.equal), n.MatcherWidth)
		}
	}
}

// bitsAction is what a table or a TCAM's result memory keeps beside an entry:
// the number of a trace.
const bitsAction = 32

// entriesOn is the number of TCAM entries of a condition on a device: with
// entries that deny where they save any, or with ranges encoded.
func (j *Judged) entriesOn(n *profile.NIC) uint64 {
	e := min(j.Expanded, j.Priority)
	if n.MatcherRange != 0 {
		e = min(e, j.Ranged)
	}
	return e
}

// byPackets are the indexes of the conditions, those with most packets first.
func (x *Analysis) byPackets() []int {
	rank := make([]int, len(x.Conds))
	for i := range rank {
		rank[i] = i
	}
	slices.SortStableFunc(rank, func(i, k int) int { return cmp.Compare(x.Conds[k].Packets, x.Conds[i].Packets) })
	return rank
}

func (x *Analysis) ternary(c *Costs, n *profile.NIC) {
	set := map[int32]bool{}
	for _, i := range x.byPackets() {
		j, p := x.Conds[i], &c.Paths[i]
		p.price(n, 1, 1, 0)
		p.Entries = j.entriesOn(n)
		p.Refused = x.refuseTCAM(j, n, set)
		if p.Refused == "" {
			c.Installed++
		}
	}
	c.Width = x.a.newKey(set).Width()
	for i := range c.Paths {
		c.Paths[i].Bits = c.Paths[i].Entries * uint64(2*c.Width+bitsAction)
	}
}

// refuseTCAM says why a TCAM can't hold a condition, or adds its bits to the
// key.
func (x *Analysis) refuseTCAM(j *Judged, n *profile.NIC, set map[int32]bool) string {
	if worst := j.Worst(); !worst.Ternary() {
		switch worst {
		case State:
			return "map state in a TCAM"
		case Latched:
			return "a latched input in a TCAM"
		}
		return "a relation of fields in a TCAM"
	}
	if j.TooMany {
		return "too many entries for any TCAM"
	}
	if e := j.entriesOn(n); n.MatcherCapacity > 0 && e > n.MatcherCapacity {
		return fmt.Sprintf("%d entries in a TCAM of %d", e, n.MatcherCapacity)
	}
	with := make(map[int32]bool, len(set))
	for b := range set {
		with[b] = true
	}
	j.addBits(with)
	if w := x.a.newKey(with).Width(); n.MatcherWidth > 0 && uint64(w) > n.MatcherWidth {
		return fmt.Sprintf("a key of %d bits in a TCAM of %d", w, n.MatcherWidth)
	}
	j.addBits(set)
	return ""
}
