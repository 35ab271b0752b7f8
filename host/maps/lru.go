package maps

// lru decides which elements of an LRU hash make room for new ones, exactly
// as kernel/bpf/bpf_lru_list.c of Linux 6.16 and later does for the same
// operations on the same CPUs, lookups (which set a node's reference bit)
// included. Which victims fall is a property of these lists alone and not of
// hash values, so for as many CPUs as the kernel has possible ones the keys
// that remain are the same; before 6.16 a common LRU refills a CPU's free list
// by 128 nodes whatever the map's size.
//
// A node is an element's number. A common LRU has one list of all CPUs' nodes
// and for each CPU its free nodes and those not yet on the common list:
//
//	pop ← local free ← (refill) free ← shrink ← inactive ⇄ active
//	 └──→ local pending ───(at the next refill)──────↑────────↑
//
// With BPF_F_NO_COMMON_LRU each CPU has an active, inactive and free list of
// its own and there are no local lists.
//
// Where it is not the kernel: a kernel CPU that loses a lock race gives up and
// reports ENOMEM; here nothing runs at the same time.
type lru struct {
	// prev and next link nodes and, from n on, list heads into rings.
	prev, next []uint32
	kind       []uint8 // of each node: the list it is on
	ref        []bool  // of each node: used since it was last looked at
	cpu        []uint16
	n          uint32

	percpu bool
	scans  int // nodes looked at in one pass (nr_scans)
	target int // nodes a refill asks for (target_free)
	lists  []lruList
	local  []lruLocal

	// evict takes a node out of the hash.
	evict func(node uint32)

	undo    []lruUndo // while trying: what to put back
	trying  bool
	tryNode uint32 // the node whose eviction is asked about
	tryHit  bool
}

// The lists a node can be on (enum bpf_lru_list_type).
const (
	lruActive uint8 = iota
	lruInactive
	lruFree
	lruLocalFree
	lruLocalPending
)

// lruList is a bpf_lru_list: three rings, the lengths of the first two, and
// where the next look over the inactive ring begins.
type lruList struct {
	head     [3]uint32
	count    [2]uint32
	rotation uint32 // next_inactive_rotation
}

// lruLocal is a bpf_lru_locallist.
type lruLocal struct {
	free, pending uint32 // heads
	nextSteal     uint32
}

const (
	lruLocalTarget = 128 // LOCAL_FREE_TARGET, LOCAL_NR_SCANS
	lruCPUTarget   = 4   // PERCPU_FREE_TARGET, PERCPU_NR_SCANS
)

// newLRU makes the lists of n nodes, all free. common is false for
// BPF_F_NO_COMMON_LRU; n is then a multiple of cpus.
func newLRU(n uint32, cpus int, common bool, evict func(uint32)) *lru {
	lists, locals := cpus, 0
	if common {
		lists, locals = 1, cpus
	}
	all := int(n) + 3*lists + 2*locals
	l := &lru{
		prev: make([]uint32, all), next: make([]uint32, all),
		kind: make([]uint8, n), ref: make([]bool, n), cpu: make([]uint16, n),
		n: n, percpu: !common,
		lists: make([]lruList, lists), local: make([]lruLocal, locals),
		evict: evict,
	}
	h := n
	head := func() uint32 {
		l.prev[h], l.next[h] = h, h
		h++
		return h - 1
	}
	for i := range l.lists {
		li := &l.lists[i]
		for k := range li.head {
			li.head[k] = head()
		}
		li.rotation = li.head[lruInactive]
	}
	for i := range l.local {
		l.local[i] = lruLocal{free: head(), pending: head(), nextSteal: uint32(i)}
	}
	if common {
		l.scans = lruLocalTarget
		l.target = min(max(int(n)/cpus/2, 1), lruLocalTarget)
		for i := range n {
			l.kind[i] = lruFree
			l.add(i, l.lists[0].head[lruFree])
		}
		return l
	}
	l.scans, l.target = lruCPUTarget, lruCPUTarget
	for i := range n {
		c := i / (n / uint32(cpus))
		l.kind[i] = lruFree
		l.cpu[i] = uint16(c)
		l.add(i, l.lists[c].head[lruFree])
	}
	return l
}

// Every write to a field that decides something goes through one of these, so
// that evicts can try a pop and take it back.

type lruUndo struct {
	what uint8
	i    uint32
	old  uint32
}

const (
	undoPrev uint8 = iota
	undoNext
	undoKind
	undoRef
	undoCPU
	undoActive
	undoInactive
	undoRotation
	undoSteal
)

func (l *lru) setPrev(i, v uint32) {
	if l.trying {
		l.undo = append(l.undo, lruUndo{undoPrev, i, l.prev[i]})
	}
	l.prev[i] = v
}

func (l *lru) setNext(i, v uint32) {
	if l.trying {
		l.undo = append(l.undo, lruUndo{undoNext, i, l.next[i]})
	}
	l.next[i] = v
}

func (l *lru) setKind(i uint32, v uint8) {
	if l.trying {
		l.undo = append(l.undo, lruUndo{undoKind, i, uint32(l.kind[i])})
	}
	l.kind[i] = v
}

func (l *lru) setRef(i uint32, v bool) {
	if l.ref[i] == v {
		return
	}
	if l.trying {
		l.undo = append(l.undo, lruUndo{undoRef, i, 0})
	}
	l.ref[i] = v
}

func (l *lru) setCPU(i uint32, v uint16) {
	if l.trying {
		l.undo = append(l.undo, lruUndo{undoCPU, i, uint32(l.cpu[i])})
	}
	l.cpu[i] = v
}

func (l *lru) addCount(li uint32, kind uint8, by uint32) {
	if kind > lruInactive {
		return
	}
	if l.trying {
		l.undo = append(l.undo, lruUndo{undoActive + kind, li, l.lists[li].count[kind]})
	}
	l.lists[li].count[kind] += by
}

func (l *lru) setRotation(li, v uint32) {
	if l.trying {
		l.undo = append(l.undo, lruUndo{undoRotation, li, l.lists[li].rotation})
	}
	l.lists[li].rotation = v
}

func (l *lru) setSteal(cpu, v uint32) {
	if l.trying {
		l.undo = append(l.undo, lruUndo{undoSteal, cpu, l.local[cpu].nextSteal})
	}
	l.local[cpu].nextSteal = v
}

// evicts says whether making room on CPU cpu would evict node; it leaves
// everything as it was.
func (l *lru) evicts(node uint32, cpu int) bool {
	l.trying, l.tryNode, l.tryHit = true, node, false
	l.pop(cpu)
	l.trying = false
	for i := len(l.undo) - 1; i >= 0; i-- {
		u := l.undo[i]
		switch u.what {
		case undoPrev:
			l.prev[u.i] = u.old
		case undoNext:
			l.next[u.i] = u.old
		case undoKind:
			l.kind[u.i] = uint8(u.old)
		case undoRef:
			l.ref[u.i] = !l.ref[u.i]
		case undoCPU:
			l.cpu[u.i] = uint16(u.old)
		case undoActive, undoInactive:
			l.lists[u.i].count[u.what-undoActive] = u.old
		case undoRotation:
			l.lists[u.i].rotation = u.old
		case undoSteal:
			l.local[u.i].nextSteal = u.old
		}
	}
	l.undo = l.undo[:0]
	return l.tryHit
}

func (l *lru) drop(node uint32) {
	if l.trying {
		l.tryHit = l.tryHit || node == l.tryNode
		return
	}
	l.evict(node)
}

// add links node in after at: at the front, when at is a head.
func (l *lru) add(node, at uint32) {
	after := l.next[at]
	l.setPrev(after, node)
	l.setNext(node, after)
	l.setPrev(node, at)
	l.setNext(at, node)
}

func (l *lru) del(node uint32) {
	p, n := l.prev[node], l.next[node]
	l.setNext(p, n)
	l.setPrev(n, p)
}

func (l *lru) empty(head uint32) bool { return l.next[head] == head }

// moveToFree is __bpf_lru_node_move_to_free.
func (l *lru) moveToFree(li, node, free uint32, kind uint8) {
	if node == l.lists[li].rotation {
		l.setRotation(li, l.prev[node])
	}
	l.addCount(li, l.kind[node], ^uint32(0))
	l.setKind(node, kind)
	l.del(node)
	l.add(node, free)
}

// moveIn is __bpf_lru_node_move_in: from a local list to the common one.
func (l *lru) moveIn(li, node uint32, kind uint8) {
	l.addCount(li, kind, 1)
	l.setKind(node, kind)
	l.setRef(node, false)
	l.del(node)
	l.add(node, l.lists[li].head[kind])
}

// move is __bpf_lru_node_move.
func (l *lru) move(li, node uint32, kind uint8) {
	if l.kind[node] != kind {
		l.addCount(li, l.kind[node], ^uint32(0))
		l.addCount(li, kind, 1)
		l.setKind(node, kind)
	}
	l.setRef(node, false)
	if node == l.lists[li].rotation {
		l.setRotation(li, l.prev[node])
	}
	l.del(node)
	l.add(node, l.lists[li].head[kind])
}

// rotate gives used nodes another round: from the tail of the active list
// when the inactive one is the shorter, and over the inactive list always.
func (l *lru) rotate(li uint32) {
	if c := &l.lists[li].count; c[lruInactive] < c[lruActive] {
		l.rotateActive(li)
	}
	l.rotateInactive(li)
}

func (l *lru) rotateActive(li uint32) {
	head := l.lists[li].head[lruActive]
	first := l.next[head]
	for node, i := l.prev[head], 0; node != head; {
		before := l.prev[node]
		if l.ref[node] {
			l.move(li, node, lruActive)
		} else {
			l.move(li, node, lruInactive)
		}
		if i++; i == l.scans || node == first {
			return
		}
		node = before
	}
}

func (l *lru) rotateInactive(li uint32) {
	head := l.lists[li].head[lruInactive]
	if l.empty(head) {
		return
	}
	last := l.next[l.lists[li].rotation]
	if last == head {
		last = l.next[last]
	}
	next := head
	for cur, i := l.lists[li].rotation, 0; i < l.scans; {
		if cur == head {
			cur = l.prev[cur]
			continue
		}
		next = l.prev[cur]
		if l.ref[cur] {
			l.move(li, cur, lruActive)
		}
		if cur == last {
			break
		}
		cur = next
		i++
	}
	l.setRotation(li, next)
}

// shrink evicts up to want unused nodes from the inactive list's tail to the
// free list, or if there are none one node, used or not.
func (l *lru) shrink(li uint32, want int, free uint32, kind uint8) {
	head := l.lists[li].head[lruInactive]
	got, i := 0, 0
	for node := l.prev[head]; node != head; {
		before := l.prev[node]
		if l.ref[node] {
			l.move(li, node, lruActive)
		} else {
			l.drop(node)
			l.moveToFree(li, node, free, kind)
			if got++; got == want {
				break
			}
		}
		if i++; i == l.scans {
			break
		}
		node = before
	}
	if got > 0 {
		return
	}
	if l.empty(head) {
		head = l.lists[li].head[lruActive]
	}
	if node := l.prev[head]; node != head {
		l.drop(node)
		l.moveToFree(li, node, free, kind)
	}
}

// refill is bpf_lru_list_pop_free_to_local.
func (l *lru) refill(loc *lruLocal) {
	for node := l.prev[loc.pending]; node != loc.pending; {
		before := l.prev[node]
		if l.ref[node] {
			l.moveIn(0, node, lruActive)
		} else {
			l.moveIn(0, node, lruInactive)
		}
		node = before
	}
	l.rotate(0)
	n := 0
	head := l.lists[0].head[lruFree]
	for node := l.next[head]; node != head && n < l.target; n++ {
		after := l.next[node]
		l.moveToFree(0, node, loc.free, lruLocalFree)
		node = after
	}
	if n < l.target {
		l.shrink(0, l.target-n, loc.free, lruLocalFree)
	}
}

// pop returns a node for a new element made on CPU cpu, evicting others as
// needed; -1 if there is none.
func (l *lru) pop(cpu int) int {
	if l.percpu {
		return l.popPerCPU(uint32(cpu))
	}
	loc := &l.local[cpu]
	if l.empty(loc.free) {
		l.refill(loc)
	}
	if node := l.next[loc.free]; node != loc.free {
		l.del(node)
		l.addPending(loc, cpu, node)
		return int(node)
	}
	// Nothing here nor on the common list: another CPU's.
	node := -1
	first := loc.nextSteal
	steal := first
	for {
		from := &l.local[steal]
		if n := l.next[from.free]; n != from.free {
			l.del(n)
			node = int(n)
		} else {
			node = l.stealPending(from)
		}
		steal = (steal + 1) % uint32(len(l.local))
		if node >= 0 || steal == first {
			break
		}
	}
	l.setSteal(uint32(cpu), steal)
	if node >= 0 {
		l.addPending(loc, cpu, uint32(node))
	}
	return node
}

func (l *lru) addPending(loc *lruLocal, cpu int, node uint32) {
	l.setCPU(node, uint16(cpu))
	l.setKind(node, lruLocalPending)
	l.setRef(node, false)
	l.add(node, loc.pending)
}

// stealPending is __local_list_pop_pending: the oldest unused one, or else
// the oldest.
func (l *lru) stealPending(from *lruLocal) int {
	for _, force := range [2]bool{false, true} {
		for node := l.prev[from.pending]; node != from.pending; node = l.prev[node] {
			if force || !l.ref[node] {
				l.drop(node)
				l.del(node)
				return int(node)
			}
		}
	}
	return -1
}

func (l *lru) popPerCPU(cpu uint32) int {
	l.rotate(cpu)
	free := l.lists[cpu].head[lruFree]
	if l.empty(free) {
		l.shrink(cpu, lruCPUTarget, free, lruFree)
	}
	node := l.next[free]
	if node == free {
		return -1
	}
	l.setRef(node, false)
	l.move(cpu, node, lruInactive)
	return int(node)
}

// push takes back the node of an element that is gone (bpf_lru_push_free).
func (l *lru) push(node uint32) {
	switch {
	case l.percpu:
		l.move(uint32(l.cpu[node]), node, lruFree)
	case l.kind[node] == lruLocalPending:
		l.setKind(node, lruLocalFree)
		l.setRef(node, false)
		l.del(node)
		l.add(node, l.local[l.cpu[node]].free)
	default:
		l.move(0, node, lruFree)
	}
}

func (l *lru) copyFrom(o *lru) {
	copy(l.prev, o.prev)
	copy(l.next, o.next)
	copy(l.kind, o.kind)
	copy(l.ref, o.ref)
	copy(l.cpu, o.cpu)
	copy(l.lists, o.lists)
	copy(l.local, o.local)
}
