package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"jitnic/cache"
	"jitnic/host/loader"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pcaps"
	"jitnic/pcaps/splitmix"
)

// Cuts say where a program's paths are cut into segments, and what the packets that
// it was judged by show of it.
type Cuts struct {
	Places   []string `json:"places"`          // source lines, else instructions, in the order of the code
	Packets  int      `json:"packets"`         // the first of the captures, by which the places were chosen
	Paths    int      `json:"paths"`           // distinct ways through the code that these took
	Segments int      `json:"segments"`        // distinct ways from a cut to the next
	Tried    []Tried  `json:"tried,omitempty"` // the sets of cuts among which those were chosen, where the number of tables was left open
	pcs      []int
}

// Whole refuses segments where what is asked is of whole paths.
func Whole(how Remedies, what string) error {
	if how.Segments == 0 {
		return nil
	}
	return setting("segments", jit.SegmentsName(how.Segments), errors.New(what))
}

const (
	judgedPackets = 4096 // that places are chosen by
	usualTables   = 4    // at most, where as many as pay are asked for
	// A cut pays, where nobody has said how many there are to be, if so many more of
	// a thousand packets hit: each costs every packet another look-up.
	paysOf1000 = 1
)

// cuts chooses the places where paths are cut: one after the other that which leaves
// the fewest distinct segments of the first packets, of those that come first in the
// code. Where nobody has said how many tables there are to be, the caches say: as
// many as hit most of these packets, which may be none.
func cuts(ctx context.Context, in *Input, obj *loader.Object, entry *loader.Program, o *jit.Options, caches []cache.Config) (*Cuts, error) {
	j, err := judged(ctx, in, obj, entry, o)
	if err != nil {
		return nil, err
	}
	tables := o.Segments
	if tables == jit.SegmentsAuto {
		tables = usualTables
	}
	all := j.cuttings(tables)
	best := len(all) - 1
	k := &Cuts{Places: []string{}, Packets: j.packets, Paths: len(j.taken)}
	if o.Segments == jit.SegmentsAuto {
		t, err := try(ctx, in, o, all, caches)
		if err != nil {
			return nil, err
		}
		best = t.best(0, len(caches))
		k.Tried = t.rows(all)
	}
	k.Segments, k.pcs = all[best].segments, all[best].pcs
	for _, pc := range k.pcs {
		k.Places = append(k.Places, fmt.Sprintf("%s (insn %d)", entry.Place(pc), pc))
	}
	return k, nil
}

// judged runs the first packets, and knows the ways that they took.
func judged(ctx context.Context, in *Input, obj *loader.Object, entry *loader.Program, o *jit.Options) (*judge, error) {
	if slices.Contains(in.Captures, "-") {
		return nil, setting("segments", "", errors.New("the first packets are read twice, which can't be done with standard input"))
	}
	first := in.first()
	src, err := first.Source(ctx)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	s, err := vm.NewState(obj, o.VM)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := o.Prepare(s); err != nil {
		return nil, err
	}
	it, err := vm.NewInterp(s, obj, entry)
	if err != nil {
		return nil, err
	}
	c := pathcond.NewCompiler(s, obj)
	j := newJudge(c, entry)
	var pkt [1]pcaps.Packet
	var rec vm.Recording
	var out vm.Output
	for {
		n, err := src.Batch(pkt[:])
		if err != nil {
			// What is wrong with a capture is said when it is read for good.
			if err != io.EOF && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			break
		}
		if n == 0 || first.Keep != nil && !first.Keep(&pkt[0]) {
			continue
		}
		v := first.Packet(&pkt[0], src.Files())
		it.RunRecorded(&v, &out, &rec)
		j.take(&rec)
		if j.packets == judgedPackets {
			break
		}
	}
	return j, nil
}

// first is the packets that places are chosen by.
func (in *Input) first() Input {
	f := *in
	f.Progress = nil
	if in.Keep == nil {
		if f.Limit == 0 || f.Limit > judgedPackets {
			f.Limit = judgedPackets
		}
		return f
	}
	kept := 0
	f.Keep = func(p *pcaps.Packet) bool {
		if kept >= judgedPackets || !in.Keep(p) {
			return false
		}
		kept++
		return true
	}
	return f
}

// judge counts what cuts would leave of the ways that packets took.
type judge struct {
	c       *pathcond.Compiler
	all     []int          // candidates, ascending
	index   map[int]bool   // the same
	ways    map[uint64]int // numbers of taken
	taken   [][]passing
	packets int
}

// passing is where a way comes to a candidate: the hash of the way to there.
type passing struct {
	pc   int
	hash uint64
	pow  uint64 // the base of the hash to the power of the steps so far
}

const hashBase = splitmix.Step

func newJudge(c *pathcond.Compiler, entry *loader.Program) *judge {
	j := &judge{c: c, all: c.Candidates(entry.Name), index: map[int]bool{}, ways: map[uint64]int{}}
	for _, pc := range j.all {
		j.index[pc] = true
	}
	return j
}

// take takes a recorded run and says which way it is.
func (j *judge) take(rec *vm.Recording) int {
	j.packets++
	held := j.c.Held(rec)
	h, pow := uint64(0), uint64(1)
	var at []passing
	for i := range rec.Steps {
		st := &rec.Steps[i]
		if i > 0 && i < held && st.Frame == 0 && j.index[int(st.PC)] {
			at = append(at, passing{int(st.PC), h, pow})
		}
		h = h*hashBase + uint64(st.Prog)<<32 + uint64(st.PC) + 1
		pow *= hashBase
	}
	if len(rec.Steps) == 0 {
		return -1
	}
	k, ok := j.ways[h]
	if !ok {
		k = len(j.taken)
		j.ways[h] = k
		j.taken = append(j.taken, append(at, passing{-1, h, pow})) // the end
	}
	return k
}

// segment is a way from one cut to the next.
type segment struct {
	from int
	hash uint64
}

// number tells it from others.
func (s segment) number() uint64 { return splitmix.Hash(s.hash ^ splitmix.Hash(uint64(s.from))) }

// since is the segment from a passing before it to this one.
func (p passing) since(last passing) segment {
	// What lies between two prefixes: h(b) - h(a) * base^(b-a).
	return segment{last.pc, p.hash - last.hash*(p.pow*inverse(last.pow))}
}

// left is the number of distinct segments with these cuts.
func (j *judge) left(cut map[int]bool, seen map[segment]bool) int {
	clear(seen)
	for k := range j.taken {
		j.segments(k, cut, func(s segment) { seen[s] = true })
	}
	return len(seen)
}

// segments tells each segment of a way with these cuts, in order.
func (j *judge) segments(way int, cut map[int]bool, each func(s segment)) {
	last := passing{0, 0, 1}
	for _, p := range j.taken[way] {
		if p.pc >= 0 && !cut[p.pc] {
			continue
		}
		each(p.since(last))
		last = p
	}
}

// A Cutter says of ways that were recorded what cuts would make of them.
type Cutter struct {
	j    *judge
	left []int // by place, of so many ways
	ways int
}

// NewCutter is for runs of a runtime's entry program.
func NewCutter(rt *jit.Runtime) *Cutter {
	return &Cutter{j: newJudge(rt.Comp, rt.Entry)}
}

// Take takes a recorded run and says which way it is; -1: none.
func (c *Cutter) Take(rec *vm.Recording) int { return c.j.take(rec) }

// Places are the slots at which the program may be cut, ascending.
func (c *Cutter) Places() []int { return c.j.all }

// Left is how many distinct segments the ways have with one cut, by place.
func (c *Cutter) Left() []int {
	j := c.j
	if c.ways == len(j.taken) && c.left != nil {
		return c.left
	}
	at := map[int]int{} // by slot: its place
	for i, pc := range j.all {
		at[pc] = i
	}
	parts := make([][]uint64, len(j.all)) // by place: the segments of the ways that come there
	last, come := make([]passing, len(j.all)), make([]int, len(j.all))
	c.left, c.ways = make([]int, len(j.all)), len(j.taken)
	for k, way := range j.taken {
		end := way[len(way)-1]
		for _, p := range way[:len(way)-1] {
			i := at[p.pc]
			if come[i] != k+1 {
				come[i], last[i] = k+1, passing{0, 0, 1}
			}
			parts[i] = append(parts[i], p.since(last[i]).number())
			last[i] = p
		}
		for i := range parts {
			if come[i] == k+1 {
				parts[i] = append(parts[i], end.since(last[i]).number())
			} else {
				c.left[i]++ // a segment of its own
			}
		}
	}
	for i, list := range parts {
		slices.Sort(list)
		c.left[i] += len(slices.Compact(list))
	}
	return c.left
}

// Cut numbers the segments of each way with one cut, densely.
func (c *Cutter) Cut(pc int) (byWay [][]uint32) {
	number := map[segment]uint32{}
	for k := range c.j.taken {
		var list []uint32
		c.j.segments(k, map[int]bool{pc: true}, func(s segment) {
			if _, ok := number[s]; !ok {
				number[s] = uint32(len(number))
			}
			list = append(list, number[s])
		})
		byWay = append(byWay, list)
	}
	return byWay
}

// inverse is that of an odd number modulo 2^64, by Newton's method.
func inverse(x uint64) uint64 {
	y := x
	for range 5 {
		y *= 2 - x*y
	}
	return y
}

// A cutting is a set of cuts, and how many distinct segments they leave.
type cutting struct {
	pcs      []int
	segments int
}

// cuttings are no cuts, one, two, …: so many as make that many tables, or as still
// leave fewer segments.
func (j *judge) cuttings(tables int) []cutting {
	cut := map[int]bool{}
	seen := map[segment]bool{}
	out := []cutting{{nil, len(j.taken)}}
	for len(cut) < tables-1 {
		best, at := out[len(out)-1].segments, -1
		for _, pc := range j.all {
			if cut[pc] {
				continue
			}
			cut[pc] = true
			if n := j.left(cut, seen); n < best {
				best, at = n, pc
			}
			delete(cut, pc)
		}
		if at < 0 {
			break
		}
		cut[at] = true
		out = append(out, cutting{slices.Sorted(maps.Keys(cut)), best})
	}
	return out
}
