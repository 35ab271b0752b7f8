package device

import "math/bits"

// never is a time that does not come.
const never = int64(1<<63 - 1)

// ring is a first-in first-out queue that grows.
type ring[T any] struct {
	buf     []T // length a power of two
	head, n int
}

func (r *ring[T]) first() *T { return &r.buf[r.head] }

func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

func (r *ring[T]) pop() T {
	v := r.buf[r.head]
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	return v
}

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		buf := make([]T, max(16, 2*len(r.buf)))
		for i := range r.n {
			buf[i] = *r.at(i)
		}
		r.buf, r.head = buf, 0
	}
	*r.at(r.n) = v
	r.n++
}

// timer is something that ends at t. seq, unique in a heap, orders equal times.
type timer struct {
	t   int64
	seq uint32
	id  uint32
}

func (a timer) before(b timer) bool { return a.t < b.t || a.t == b.t && a.seq < b.seq }

// timers is a binary heap; the earliest is at 0.
type timers []timer

func (h timers) next() int64 {
	if len(h) == 0 {
		return never
	}
	return h[0].t
}

func (h *timers) push(v timer) {
	a := append(*h, v)
	i := len(a) - 1
	for i > 0 {
		p := (i - 1) / 2
		if !v.before(a[p]) {
			break
		}
		a[i] = a[p]
		i = p
	}
	a[i] = v
	*h = a
}

func (h *timers) pop() timer {
	a := *h
	top := a[0]
	n := len(a) - 1
	v := a[n]
	a = a[:n]
	*h = a
	if n == 0 {
		return top
	}
	i := 0
	for {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && a[c+1].before(a[c]) {
			c++
		}
		if !a[c].before(v) {
			break
		}
		a[i] = a[c]
		i = c
	}
	a[i] = v
	return top
}

// gauge is a number that changes with time, and its exact integral over time
// in ps: the mean length of a queue is the integral over the time.
type gauge struct {
	n, max int64
	last   int64  // time of the last change
	hi, lo uint64 // integral, 128 bits
}

func (g *gauge) sync(t int64) {
	if g.n != 0 {
		hi, lo := bits.Mul64(uint64(g.n), uint64(t-g.last))
		var c uint64
		g.lo, c = bits.Add64(g.lo, lo, 0)
		g.hi, _ = bits.Add64(g.hi, hi, c)
	}
	g.last = t
}

func (g *gauge) inc(t int64) {
	g.sync(t)
	g.n++
	g.max = max(g.max, g.n)
}

func (g *gauge) dec(t int64) {
	g.sync(t)
	g.n--
}

// set makes it n.
func (g *gauge) set(t, n int64) {
	g.sync(t)
	g.n = n
	g.max = max(g.max, n)
}

// since is the integral since an earlier state of the gauge.
func (g *gauge) since(old *gauge) float64 {
	lo, b := bits.Sub64(g.lo, old.lo, 0)
	hi, _ := bits.Sub64(g.hi, old.hi, b)
	return float64(hi)*(1<<64) + float64(lo)
}

// sum is a sum of times that may pass 64 bits.
type sum struct{ hi, lo uint64 }

func (s *sum) add(v int64) {
	var c uint64
	s.lo, c = bits.Add64(s.lo, uint64(v), 0)
	s.hi += c
}

func (s sum) float() float64 { return float64(s.hi)*(1<<64) + float64(s.lo) }

// start is when a packet waiting for a line will begin, and its length.
type start struct {
	t     int64
	bytes uint32
}

// line is a serial link, a server whose service is known on entry: one thing
// at a time in the order they came.
type line struct {
	free    int64 // when what was put in is through
	busy    int64 // ps, of all that was put in
	waiting ring[start]
	q       gauge // packets waiting
}

// drain lets begin what has begun by t.
func (l *line) drain(t int64) {
	for l.waiting.n > 0 && l.waiting.first().t <= t {
		l.q.dec(l.waiting.pop().t)
	}
}

// put sends a packet that takes ser at t, and returns when it begins and ends.
func (l *line) put(t, ser int64, bytes uint32) (begin, end int64) {
	l.drain(t)
	begin = t
	if l.free > t {
		begin = l.free
		l.q.inc(t)
		l.waiting.push(start{begin, bytes})
	}
	l.free = begin + ser
	l.busy += ser
	return begin, l.free
}

// book sends something else than a packet: it takes time and nobody waits for
// it in the queue. It returns how long it waited, and when it is through.
func (l *line) book(t, ser int64) (wait, end int64) {
	begin := max(t, l.free)
	l.free = begin + ser
	l.busy += ser
	return begin - t, l.free
}

// busyBy is how much of busy was before t: from t to free there is no gap.
func (l *line) busyBy(t int64) int64 { return l.busy - max(0, l.free-t) }
