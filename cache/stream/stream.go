package stream

import (
	"fmt"
	"slices"

	"jitnic/pcaps/splitmix"
)

// A Stream is a sequence of requests for ids, with what is known of each.
//
// Ids are dense: a number is used only when all smaller ones occur before it,
// or (from generators) anyway below len(Keys). Every slice may be nil but IDs,
// and then has the default given.
type Stream struct {
	Name string   // where it is from, for reports
	IDs  []uint32 // per request; None: an uncacheable packet

	// Per request.
	Bytes  []uint32 // of the packet; nil: 1 each
	Time   []int64  // nanoseconds, not falling; nil: not known
	Labels []uint8  // index into LabelNames; nil: 0 each

	// Per id.
	Sizes []uint32 // in slots, the least where they change; nil: 1 each
	Costs []uint32 // of a miss; nil: 1 each
	Keys  []uint64 // the id's name where the stream came from; nil: the id

	// Foreign: the stream was made for other caches, so where a policy is said
	// to hash ids as another simulator does, it hashes Keys and not ids.
	Foreign bool

	// Invalidations, in order of At.
	Invalidations []Invalidation

	LabelNames []string // nil: a single kind of packets

	// Parts are the captures the requests are from, in order, where there are
	// several. They are not written to files.
	Parts []Part

	// Active is how many nanoseconds of Time passed within captures: what lies
	// between one capture and the next is not in it. 0: from first to last.
	Active int64
	// Clocked: requests have times, of which nothing but Active is kept.
	Clocked bool

	// Resized counts the requests that ask another size of their id than the
	// request of it before; above 0, Bytes are the sizes asked for (see SizeAt).
	Resized uint64
	// Unused are the columns of a text file that nothing was read from.
	Unused []string
	last   []uint32 // per id, the size asked last, once one has changed
	ids    int      // how many ids there may be; 0: not known yet
	narrow *narrow  // in place of IDs, Bytes, Time and Labels
}

// A Part is what one capture gave: requests From up to the next part's.
type Part struct {
	Name string
	From int
}

// PartEnd is one more than the last request of part k.
func (s *Stream) PartEnd(k int) int {
	if k+1 < len(s.Parts) {
		return s.Parts[k+1].From
	}
	return s.Len()
}

// Seconds is how long the requests took; 0 where they have no times.
func (s *Stream) Seconds() float64 {
	switch k := len(s.Time); {
	case k == 0 && !s.Clocked:
		return 0
	case s.Active > 0 || k == 0:
		return float64(s.Active) / 1e9
	default:
		return float64(s.Time[k-1]-s.Time[0]) / 1e9
	}
}

// None stands in IDs for a packet that can't be cached.
const None = ^uint32(0)

// An Invalidation takes an id out just before request number At (from 0);
// At == len(IDs) is after the last.
type Invalidation struct {
	At uint64
	ID uint32
}

// Len is the number of requests.
func (s *Stream) Len() int {
	if s.narrow != nil {
		return s.narrow.n
	}
	return len(s.IDs)
}

// NumIDs is one more than the largest id.
func (s *Stream) NumIDs() int {
	if s.ids == 0 {
		for _, id := range s.IDs {
			if id != None && int(id) >= s.ids {
				s.ids = int(id) + 1
			}
		}
		for _, v := range s.Invalidations {
			s.ids = max(s.ids, int(v.ID)+1)
		}
	}
	return s.ids
}

// Key is what id is called where the stream came from.
func (s *Stream) Key(id uint32) uint64 {
	if s.Keys == nil {
		return uint64(id)
	}
	return s.Keys[id]
}

// Size is the size of id in slots.
func (s *Stream) Size(id uint32) uint32 {
	if s.Sizes == nil {
		return 1
	}
	return s.Sizes[id]
}

// SizeAt is the size in slots of request i's id if it were put in now: where
// sizes change, what the request asks for. An entry keeps the size it was put in
// with, as in libCacheSim.
func (s *Stream) SizeAt(i int) uint32 {
	if s.Resized > 0 {
		return s.Bytes[i]
	}
	return s.Size(s.IDs[i])
}

// Firsts calls f with the number of each request that is the first of its id, in order.
func (s *Stream) Firsts(f func(i int)) {
	next := uint32(0) // ids below have been requested
	var seen []bool   // of those above; nil: none
	for from := 0; from < s.Len(); from += blockRequests {
		to := min(from+blockRequests, s.Len())
		if s.narrow != nil && s.narrow.blocks[from/blockRequests].top <= next {
			continue
		}
		for c := range s.Chunks(from, to, 0) {
			for i, id := range c.IDs {
				switch {
				case id < next || id == None:
				case id > next:
					if seen == nil {
						seen = make([]bool, s.NumIDs())
					}
					if !seen[id] {
						seen[id] = true
						f(from + i)
					}
				default:
					f(from + i)
					for next++; int(next) < len(seen) && seen[next]; next++ {
					}
				}
			}
		}
	}
}

// TotalBytes is the sum of all requests' Bytes; false where they have none.
func (s *Stream) TotalBytes() (sum uint64, ok bool) {
	if s.narrow != nil {
		return s.narrow.bytes, s.narrow.fields.Bytes
	}
	for _, b := range s.Bytes {
		sum += uint64(b)
	}
	return sum, s.Bytes != nil
}

// LabelCounts is how many requests have each of LabelNames; nil where requests have no
// labels.
func (s *Stream) LabelCounts() []uint64 {
	if s.narrow != nil && !s.narrow.fields.Labels || s.narrow == nil && s.Labels == nil {
		return nil
	}
	n := make([]uint64, len(s.LabelNames))
	if s.narrow != nil && !s.narrow.labelled() {
		if len(n) > 0 {
			n[0] = uint64(s.narrow.n)
		}
		return n
	}
	for c := range s.Chunks(0, s.Len(), WithLabels) {
		for _, l := range c.Labels {
			if int(l) < len(n) {
				n[l]++
			}
		}
		if c.Labels == nil && len(n) > 0 {
			n[0] += uint64(len(c.IDs))
		}
	}
	return n
}

// Plain reports whether the stream is ids only: every packet cacheable and
// nothing invalidated.
func (s *Stream) Plain() bool {
	if s.narrow != nil {
		return len(s.Invalidations) == 0 && s.narrow.nones == 0
	}
	return len(s.Invalidations) == 0 && !slices.Contains(s.IDs, None)
}

// SetSizes gives each id its size by its key.
func (s *Stream) SetSizes(size func(key uint64) uint32) {
	s.Sizes = make([]uint32, s.NumIDs())
	for id := range s.Sizes {
		s.Sizes[id] = size(s.Key(uint32(id)))
	}
}

// FromKeys32 makes a stream of keys dense, in order of first use.
func FromKeys32(keys []uint32) *Stream {
	var top uint32
	for _, k := range keys {
		top = max(top, k)
	}
	s := &Stream{IDs: make([]uint32, len(keys)), Foreign: true}
	dense := make([]uint32, int(top)+1) // id + 1
	for i, k := range keys {
		if dense[k] == 0 {
			s.Keys = append(s.Keys, uint64(k))
			dense[k] = uint32(len(s.Keys))
		}
		s.IDs[i] = dense[k] - 1
	}
	s.ids = len(s.Keys)
	return s
}

// Sample is the stream of those ids alone whose hash is in a share of all, with
// numbers of their own; what can't be cached is kept in the same share.
func (s *Stream) Sample(share float64, seed uint64) *Stream {
	limit := uint64(min(share, 1) * (1 << 63))
	in := func(x uint64) bool { return splitmix.Mix(x+seed)>>1 < limit }
	out := &Stream{Name: s.Name, Foreign: s.Foreign, LabelNames: s.LabelNames, Resized: s.Resized}
	number := make([]uint32, s.NumIDs()) // in out, + 1
	dense := func(id uint32) uint32 {
		if number[id] == 0 {
			out.ids++
			number[id] = uint32(out.ids)
			if s.Sizes != nil {
				out.Sizes = append(out.Sizes, s.Sizes[id])
			}
			if s.Costs != nil {
				out.Costs = append(out.Costs, s.Costs[id])
			}
			out.Keys = append(out.Keys, s.Key(id))
		}
		return number[id] - 1
	}
	v := 0
	invalidate := func(i int) {
		for ; v < len(s.Invalidations) && s.Invalidations[v].At <= uint64(i); v++ {
			if id := s.Invalidations[v].ID; in(uint64(id)) {
				out.Invalidations = append(out.Invalidations, Invalidation{uint64(len(out.IDs)), dense(id)})
			}
		}
	}
	for i, id := range s.IDs {
		invalidate(i)
		switch {
		case id == None:
			if !in(^uint64(i)) {
				continue
			}
		case !in(uint64(id)):
			continue
		default:
			id = dense(id)
		}
		out.IDs = append(out.IDs, id)
		if s.Bytes != nil {
			out.Bytes = append(out.Bytes, s.Bytes[i])
		}
		if s.Time != nil {
			out.Time = append(out.Time, s.Time[i])
		}
		if s.Labels != nil {
			out.Labels = append(out.Labels, s.Labels[i])
		}
	}
	invalidate(len(s.IDs))
	return out
}

// Check says what is wrong with a stream that was put together by hand.
func (s *Stream) Check() error {
	n := s.NumIDs()
	for _, f := range []struct {
		name      string
		len, want int
	}{
		{"bytes", len(s.Bytes), len(s.IDs)}, {"times", len(s.Time), len(s.IDs)}, {"labels", len(s.Labels), len(s.IDs)},
	} {
		if f.len != 0 && f.len != f.want {
			return fmt.Errorf("stream %q: %d %s for %d requests", s.Name, f.len, f.name, f.want)
		}
	}
	for _, f := range []struct {
		name string
		len  int
	}{{"sizes", len(s.Sizes)}, {"costs", len(s.Costs)}, {"keys", len(s.Keys)}} {
		if f.len != 0 && f.len < n {
			return fmt.Errorf("stream %q: %d %s for %d ids", s.Name, f.len, f.name, n)
		}
	}
	if !slices.IsSortedFunc(s.Invalidations, func(a, b Invalidation) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		}
		return 0
	}) {
		return fmt.Errorf("stream %q: invalidations are not in order", s.Name)
	}
	return nil
}

// Cost is what a miss of id costs.
func (s *Stream) Cost(id uint32) uint32 {
	if s.Costs == nil {
		return 1
	}
	return s.Costs[id]
}

// Weight is the bytes of request i: of its packet, or else the size of its id.
func (s *Stream) Weight(i int) uint64 {
	switch {
	case s.Bytes != nil:
		return uint64(s.Bytes[i])
	case s.IDs[i] == None:
		return 1
	}
	return uint64(s.Size(s.IDs[i]))
}

// Label is the name of what request i belongs to.
func (s *Stream) Label(i int) string {
	if s.Labels == nil || int(s.Labels[i]) >= len(s.LabelNames) {
		return ""
	}
	return s.LabelNames[s.Labels[i]]
}
