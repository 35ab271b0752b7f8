package pathcond

import (
	"jitnic/host/maps"
	"jitnic/pathcond/bv"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// unsettled is an operation on a queue or ring buffer of which the condition doesn't
// yet say how it went: it does so when the path comes to the map again.
type unsettled struct {
	p     bv.Term
	inRun bool            // in the recorded run
	then  func(went bool) // what it has done to the map
}

// settle has the condition say how the last operation on a map went.
func (x *exec) settle(i int) {
	ms := x.mapState(i)
	if u := ms.unsettled; u != nil {
		ms.unsettled = nil
		x.decide(u.p, u.inRun, WhyHelper)
		u.then(u.inRun)
	}
}

// queueState is what the path has done to a queue or stack: of the elements before
// the run, oldest first, some have gone from either end, and then come its own. Of a
// bloom filter there are only its own.
type queueState struct {
	oldest, newest uint64      // how many went from either end
	pushed         [][]bv.Term // values in chunks of 8 bytes
}

// before is how many of the elements that were there before the run are left in the
// recorded one.
func (x *exec) before(i int) uint64 {
	q := &x.mapState(i).queue
	return uint64(x.c.preLen[i]) - q.oldest - q.newest
}

// noneLeft is the predicate that none of those elements is left.
func (x *exec) noneLeft(i int) bv.Term {
	q := &x.mapState(i).queue
	return x.b.Bin(bv.OpEq, x.count(i), x.u64(q.oldest+q.newest))
}

// isFull is the predicate that the queue is full.
func (x *exec) isFull(i int) bv.Term {
	q, most := &x.mapState(i).queue, uint64(x.s.Maps[i].Spec().Max)
	if own := uint64(len(q.pushed)); own <= q.oldest+q.newest+most {
		return x.b.Bin(bv.OpEq, x.count(i), x.u64(q.oldest+q.newest+most-own))
	}
	return x.b.Bool(false)
}

// symPush is bpf_map_push_elem(map, value, flags).
func symPush(x *exec, c *call) bv.Term {
	c.meta.Args = 3
	i := x.mapArg(c, 1)
	spec := x.s.Maps[i].Spec()
	n := int(spec.ValueSize)
	x.reads(c, 2, n)
	flags := x.constArg(c, 3)
	x.settle(i)
	ms := x.mapState(i)
	value := x.chunks(x.r[2], c.rec.Args[1], n)
	if spec.Type == cebpf.BloomFilter {
		if flags != maps.Any {
			return x.errno(int64(maps.EINVAL))
		}
		ms.queue.pushed = append(ms.queue.pushed, value)
		return x.u64(0)
	}
	if flags&maps.NoExist != 0 || flags > maps.Exist {
		return x.errno(int64(maps.EINVAL))
	}
	full := x.isFull(i)
	ms.unsettled = &unsettled{full, x.before(i)+uint64(len(ms.queue.pushed)) == uint64(spec.Max), func(full bool) {
		switch {
		case full && flags != maps.Exist:
			return
		case full: // the oldest makes room
			x.drop(i)
		}
		ms.queue.pushed = append(ms.queue.pushed, value)
	}}
	if flags == maps.Exist {
		return x.u64(0)
	}
	return x.b.Ite(full, x.errno(int64(maps.E2BIG)), x.u64(0))
}

// drop takes the oldest element out.
func (x *exec) drop(i int) {
	q := &x.mapState(i).queue
	if x.oldLeft(i) {
		q.oldest++
	} else {
		q.pushed = q.pushed[1:]
	}
}

// oldLeft decides whether an element that was there before the run is left.
func (x *exec) oldLeft(i int) bool {
	n := x.before(i)
	x.decide(x.noneLeft(i), n == 0, WhyHelper)
	return n > 0
}

func symPop(x *exec, c *call) bv.Term  { return x.element(c, true) }
func symPeek(x *exec, c *call) bv.Term { return x.element(c, false) }

// element is bpf_map_pop_elem(map, value), or bpf_map_peek_elem.
func (x *exec) element(c *call, pop bool) bv.Term {
	c.meta.Args = 2
	i := x.mapArg(c, 1)
	spec := x.s.Maps[i].Spec()
	n := int(spec.ValueSize)
	x.settle(i)
	ms := x.mapState(i)
	q := &ms.queue
	if spec.Type == cebpf.BloomFilter {
		x.reads(c, 2, n)
		return x.bloomPeek(c, i, n, pop)
	}
	put := func(word func(k int) bv.Term) {
		for k := 0; k < n; k += 8 {
			x.writeMem(x.offset64(2, k), c.rec.Args[1]+uint64(k), min(8, n-k), word(k/8))
		}
		x.out.writes(x, c, c.rec.Args[1], n)
	}
	end := len(q.pushed) - 1
	switch stack := spec.Type == cebpf.Stack; {
	case end >= 0 && (stack || !x.oldLeft(i)):
		at := 0
		if stack {
			at = end
		}
		v := q.pushed[at]
		put(func(k int) bv.Term { return v[k] })
		if pop {
			q.pushed = append(append([][]bv.Term{}, q.pushed[:at]...), q.pushed[at+1:]...)
		}
		return x.u64(0)
	default:
		b := x.b
		gone, at := &q.oldest, x.u64(q.oldest)
		if stack {
			gone, at = &q.newest, b.Bin(bv.OpSub, x.count(i), x.u64(q.newest+1))
		}
		empty := x.noneLeft(i)
		put(func(k int) bv.Term {
			v := b.Extract(b.Fun(Fun(FunElem, i), 64, bv.Fact{}, at, x.u64(uint64(k))), 0, 8*min(8, n-8*k))
			if q.oldest > 0 && q.newest > 0 { // an empty one is none that has gone
				v = b.Ite(empty, b.Const(0, b.Width(v)), v)
			}
			return v
		})
		if pop {
			ms.unsettled = &unsettled{empty, x.before(i) == 0, func(empty bool) {
				if !empty {
					*gone++
				}
			}}
		}
		return b.Ite(empty, x.errno(int64(maps.ENOENT)), x.u64(0))
	}
}

// MaxAsked is how many bytes a question of a condition to a bloom filter has: what is
// asked, and what the path itself has put in.
const MaxAsked = 4096

// bloomPeek asks a bloom filter for a value: as it was before the run, and as the
// path's own values have changed it.
func (x *exec) bloomPeek(c *call, i, n int, pop bool) bv.Term {
	b := x.b
	if pop {
		return x.errno(int64(maps.EOPNOTSUPP))
	}
	pushed := x.mapState(i).queue.pushed
	if n*(1+len(pushed)) > MaxAsked {
		x.abort(trace.ReasonTooLong, "values asked of a bloom filter")
	}
	args := x.chunks(x.r[2], c.rec.Args[1], n)
	for _, v := range pushed {
		args = append(args, v...)
	}
	there := b.Fun(Fun(FunPresent, i), 1, bv.Fact{}, args...)
	return b.Ite(there, x.u64(0), x.errno(int64(maps.ENOENT)))
}

// changed says whether the path has changed the queue.
func (q *queueState) changed() bool { return q.oldest+q.newest > 0 || len(q.pushed) > 0 }
