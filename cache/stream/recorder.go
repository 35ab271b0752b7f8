package stream

// A Recorder collects a stream in memory while a program runs.
type Recorder struct {
	s    narrow
	gone []Invalidation
	name []string // labels
	defs map[uint32]def
	one  struct {
		id, bytes [1]uint32
		time      [1]int64
		label     [1]uint8
	}
}

type def struct {
	key        uint64
	size, cost uint32
}

// NewRecorder makes one of these fields. Labels without names have one of "".
func NewRecorder(f Fields, labels ...string) *Recorder {
	return &Recorder{s: narrow{fields: f}, name: labels, defs: map[uint32]def{}}
}

// Keeps says which fields are kept.
func (r *Recorder) Keeps() Fields { return r.s.fields }

// Requests are requests that came one after the other. What a Recorder doesn't keep
// isn't looked at; Labels nil: all 0.
type Requests struct {
	IDs, Bytes []uint32
	Time       []int64
	Labels     []uint8
}

// Several notes requests.
func (r *Recorder) Several(q Requests) { r.s.add(q) }

// Request notes a request of id, or of an uncacheable packet (None). It never fails.
func (r *Recorder) Request(id, bytes uint32, ns int64, label uint8) error {
	o := &r.one
	o.id[0], o.bytes[0], o.time[0], o.label[0] = id, bytes, ns, label
	r.s.add(Requests{o.id[:], o.bytes[:], o.time[:], o.label[:]})
	return nil
}

// Invalidate notes that id is invalidated before the next request.
func (r *Recorder) Invalidate(id uint32) {
	r.gone = append(r.gone, Invalidation{uint64(r.s.n), id})
}

// Define notes what id is; the last word holds.
func (r *Recorder) Define(id uint32, key uint64, size, cost uint32) {
	r.defs[id] = def{key, max(size, 1), cost}
}

// Stream ends the recording and returns what was recorded.
func (r *Recorder) Stream() *Stream {
	s := r.Narrow()
	s.Widen()
	return s
}

// Narrow is Stream as it was kept: see Stream.Narrow.
func (r *Recorder) Narrow() *Stream {
	s := &Stream{LabelNames: r.name, Foreign: r.s.fields.Foreign, Invalidations: r.gone, narrow: &r.s, ids: int(r.s.top)}
	for _, v := range r.gone {
		s.ids = max(s.ids, int(v.ID)+1)
	}
	if n := s.ids; len(r.defs) > 0 {
		s.Keys, s.Sizes, s.Costs = make([]uint64, n), make([]uint32, n), make([]uint32, n)
		for id := range s.Sizes {
			s.Sizes[id], s.Costs[id] = 1, 1
		}
		for id, d := range r.defs {
			if int(id) < n {
				s.Keys[id], s.Sizes[id], s.Costs[id] = d.key, d.size, d.cost
			}
		}
	}
	return s
}
