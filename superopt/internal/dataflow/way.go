package dataflow

import (
	"container/heap"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
)

// way is an order of a program's instructions in which each comes behind all
// that lead to it, but for loops, whose instructions stand together. Compilers
// lay blocks out so that most jumps go forward, and then it is the program's
// own order; but not all do that lead back are loops.
type way struct {
	n     int
	order []int32 // instructions; nil, like the others: the program's own order, without loops
	pos   []int32 // of each instruction, where it stands in order
	loop  []bool  // of each instruction: whether it is in a loop
	ends  []int32 // where in order a part ends: an instruction alone, or a loop
}

// at is where instruction i stands on the way.
func (w *way) at(i int) int32 {
	if w.order == nil || i >= len(w.pos) {
		return int32(i)
	}
	return w.pos[i]
}

// inLoop says whether instruction i is in a loop.
func (w *way) inLoop(i int) bool { return w.order != nil && i < len(w.loop) && w.loop[i] }

// part gives the part that instruction i is in.
func (w *way) part(i int) []int32 {
	at := w.at(i)
	k, _ := slices.BinarySearch(w.ends, at+1)
	from := int32(0)
	if k > 0 {
		from = w.ends[k-1]
	}
	return w.order[from:w.ends[k]]
}

// wayOf finds the way through p: strongly connected components by Tarjan's
// algorithm (SIAM J. Comput. 1, 1972), then by Kahn's (CACM 5, 1962) the first
// in the program that nothing left leads to.
func wayOf(p *ir.Prog) *way {
	n := len(p.Insts)
	w := &way{n: n}
	for i := range p.Insts {
		if to := leads(p, i); to >= 0 && int(to) <= i {
			w.order, w.pos, w.loop = make([]int32, 0, n), make([]int32, n), make([]bool, n)
			w.sort(p)
			break
		}
	}
	for k, i := range w.order {
		w.pos[i] = int32(k)
	}
	return w
}

// leads is where instruction i leads besides to the next; -1 nowhere.
func leads(p *ir.Prog, i int) int32 {
	if in := &p.Insts[i]; in.Jumps() || in.Op == ebpf.OpCall {
		return in.To
	}
	return -1
}

// next calls f with each place that instruction i leads to.
func next(p *ir.Prog, i int, f func(int32)) {
	if to := leads(p, i); to >= 0 && int(to) < len(p.Insts) {
		f(to)
	}
	if !p.Insts[i].Ends() && i+1 < len(p.Insts) {
		f(int32(i + 1))
	}
}

// parts gives the order in parts: one of all where there are no loops.
func (w *way) parts() [][]int32 {
	if w.order == nil {
		all := make([]int32, w.n)
		for i := range all {
			all[i] = int32(i)
		}
		return [][]int32{all}
	}
	var out [][]int32
	from := int32(0)
	for _, e := range w.ends {
		out = append(out, w.order[from:e])
		from = e
	}
	return out
}

// carried is the way when instructions have gone; index gives the new places, of
// one that is gone that of the next.
func (w *way) carried(index []int32) *way {
	n := int(index[len(index)-1])
	c := &way{n: n}
	if w.order == nil {
		return c
	}
	c.order, c.pos, c.loop = make([]int32, 0, n), make([]int32, n), make([]bool, n)
	part := 0
	for k, i := range w.order {
		if to := index[i]; to < index[i+1] {
			c.pos[to] = int32(len(c.order))
			c.loop[to] = w.loop[i]
			c.order = append(c.order, to)
		}
		for part < len(w.ends) && int(w.ends[part]) == k+1 {
			if e := int32(len(c.order)); len(c.ends) == 0 && e > 0 || len(c.ends) > 0 && c.ends[len(c.ends)-1] < e {
				c.ends = append(c.ends, e)
			}
			part++
		}
	}
	return c
}

// jumps is who jumps to, or calls, each place.
type jumps struct {
	from, first []int32 // of place i: from[first[i]:first[i+1]]
}

// jumpsOf finds those of p.
func jumpsOf(p *ir.Prog) *jumps {
	n := len(p.Insts)
	j := &jumps{first: make([]int32, n+2)}
	for i := range p.Insts {
		if to := leads(p, i); to >= 0 {
			j.first[to+1]++
		}
	}
	for i := range n + 1 {
		j.first[i+1] += j.first[i]
	}
	j.from = make([]int32, j.first[n+1])
	fill := slices.Clone(j.first)
	for i := range p.Insts {
		if to := leads(p, i); to >= 0 {
			j.from[fill[to]] = int32(i)
			fill[to]++
		}
	}
	return j
}

// to gives who leads to i.
func (j *jumps) to(i int) []int32 { return j.from[j.first[i]:j.first[i+1]] }

// carried is the jumps when instructions have gone that are none.
func (j *jumps) carried(index []int32) *jumps {
	for k, i := range j.from {
		j.from[k] = index[i]
	}
	n := int(index[len(index)-1])
	for i, to := range index[:len(index)-1] {
		if i == 0 || index[i-1] < to { // the first of those that stand at to now
			j.first[to] = j.first[i]
		}
	}
	j.first[n], j.first[n+1] = int32(len(j.from)), int32(len(j.from))
	j.first = j.first[:n+2]
	return j
}

// sort fills in order, loop and ends.
func (w *way) sort(p *ir.Prog) {
	comp, members := components(p)
	into := make([]int32, len(members)) // edges from other components
	for i := range p.Insts {
		next(p, i, func(to int32) {
			if comp[to] != comp[i] {
				into[comp[to]]++
			}
		})
	}
	ready := &firsts{members: members}
	for c := range members {
		if into[c] == 0 {
			ready.list = append(ready.list, int32(c))
		}
	}
	heap.Init(ready)
	for ready.Len() > 0 {
		c := heap.Pop(ready).(int32)
		for _, i := range members[c] {
			w.loop[i] = len(members[c]) > 1 || leads(p, int(i)) == i
			w.order = append(w.order, i)
			next(p, int(i), func(to int32) {
				if d := comp[to]; d != c {
					if into[d]--; into[d] == 0 {
						heap.Push(ready, d)
					}
				}
			})
		}
		w.ends = append(w.ends, int32(len(w.order)))
	}
}

// firsts are components by their first instruction.
type firsts struct {
	members [][]int32
	list    []int32
}

func (f *firsts) Len() int           { return len(f.list) }
func (f *firsts) Less(i, j int) bool { return f.members[f.list[i]][0] < f.members[f.list[j]][0] }
func (f *firsts) Swap(i, j int)      { f.list[i], f.list[j] = f.list[j], f.list[i] }
func (f *firsts) Push(x any)         { f.list = append(f.list, x.(int32)) }
func (f *firsts) Pop() any {
	x := f.list[len(f.list)-1]
	f.list = f.list[:len(f.list)-1]
	return x
}

// components are the strongly connected ones: of each instruction, which it is
// in, and of each its instructions, ascending.
func components(p *ir.Prog) (comp []int32, members [][]int32) {
	n := len(p.Insts)
	comp = make([]int32, n)
	num, low := make([]int32, n), make([]int32, n) // 0: not seen
	var stack []int32
	on := make([]bool, n)
	type frame struct {
		i   int32
		out [2]int32
		k   int
	}
	var calls []frame
	count := int32(0)
	enter := func(i int32) {
		count++
		num[i], low[i] = count, count
		stack = append(stack, i)
		on[i] = true
		f := frame{i: i, out: [2]int32{-1, -1}}
		k := 0
		next(p, int(i), func(to int32) { f.out[k] = to; k++ })
		calls = append(calls, f)
	}
	for root := range int32(n) {
		if num[root] != 0 {
			continue
		}
		enter(root)
		for len(calls) > 0 {
			f := &calls[len(calls)-1]
			if f.k < 2 {
				to := f.out[f.k]
				f.k++
				switch {
				case to < 0:
				case num[to] == 0:
					enter(to)
				case on[to]:
					low[f.i] = min(low[f.i], num[to])
				}
				continue
			}
			i := f.i
			calls = calls[:len(calls)-1]
			if len(calls) > 0 {
				up := calls[len(calls)-1].i
				low[up] = min(low[up], low[i])
			}
			if low[i] == num[i] {
				for {
					x := stack[len(stack)-1]
					stack = stack[:len(stack)-1]
					on[x] = false
					comp[x] = int32(len(members))
					if x == i {
						break
					}
				}
				members = append(members, nil)
			}
		}
	}
	for i := range int32(n) {
		members[comp[i]] = append(members[comp[i]], i)
	}
	return comp, members
}
