package ebpf

// Fixed finds a fixed point: what holds at each place of a program, whatever way
// control takes there. Places are numbers, of blocks or of instructions; S is what can
// hold at one.
type Fixed[S any] struct {
	At    []Place[S]
	Meet  Meet[S]
	Most  int    // changes of a place before what keeps changing there is given up
	waits []bool // places whose state wasn't followed on
}

// Meet adds to what holds at a place what came there on another way, and says whether
// that changed it. weak: what is other than before is to be given up, so that the
// following ends.
type Meet[S any] func(at, came *S, weak bool) bool

// NewFixed is one of n places, where nothing has come yet.
func NewFixed[S any](n, most int, meet Meet[S]) *Fixed[S] {
	return &Fixed[S]{At: make([]Place[S], n), Meet: meet, Most: most, waits: make([]bool, n)}
}

// Come adds what holds on one way to a place.
func (x *Fixed[S]) Come(to int, s *S) {
	if x.At[to].Come(s, x.Meet, x.Most) {
		x.waits[to] = true
	}
}

// Settle follows the places of part, in this order and again, until none of them
// waits. on is told what holds at a place and tells Come what holds behind it.
func (x *Fixed[S]) Settle(part []int32, on func(i int, s *S)) {
	for again := true; again; {
		again = false
		for _, i := range part {
			if x.waits[i] {
				x.waits[i], again = false, true
				on(int(i), x.At[i].State)
			}
		}
	}
}

// InOrder is the part of n places, from the first to the last.
func InOrder(n int) []int32 {
	part := make([]int32, n)
	for i := range part {
		part[i] = int32(i)
	}
	return part
}

// Place is what holds at one place while the ways there are followed.
type Place[S any] struct {
	State   *S // nil: nothing has come
	Room    *S // memory for State; nil: new
	changes int
}

// Come adds what holds on one way; it says whether the place has a new state.
func (p *Place[S]) Come(s *S, meet Meet[S], most int) bool {
	switch {
	case p.State != nil:
		if !meet(p.State, s, p.changes >= most) {
			return false
		}
	default: // most places are come to once
		if p.State = p.Room; p.State == nil {
			p.State = new(S)
		}
		*p.State = *s
	}
	p.changes++
	return true
}
