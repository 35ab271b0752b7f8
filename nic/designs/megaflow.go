package designs

import (
	"fmt"
	"slices"

	"jitnic/nic/profile"
)

// megaflow is a cache of wildcarded flows after Open vSwitch's (Pfaff and
// others, "The Design and Implementation of Open vSwitch", NSDI 2015): an entry
// is a mask of the packet bytes that deciding one packet consulted, and their
// values; a look-up is a tuple-space search, a hash table for each mask
// (Srinivasan, Suri, Varghese, SIGCOMM 1999). State is folded into the entry:
// where the same bytes lead to another path, a map has changed, and the entry
// is stale (what Open vSwitch's revalidators find). It is given jitnic's own
// traces for actions; a megaflow's are constants.
type megaflow struct{}

func (megaflow) Name() string { return "megaflow" }
func (megaflow) Is() string {
	return "cache of wildcarded flows: entries match every packet byte that was consulted"
}

func (d megaflow) Run(s *Setting) (*Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := s.whole(d, "an entry is the bytes that a whole path consults"); err != nil {
		return nil, err
	}
	w := s.W
	if len(w.Mega) != len(w.Packets) {
		return nil, fmt.Errorf("design %q: the workload has %d megaflow keys for %d packets", d.Name(), len(w.Mega), len(w.Packets))
	}
	dense := map[uint64]uint32{}
	keys := make([]uint32, len(w.Packets))
	for i := range keys {
		if w.Packets[i].Path < 0 {
			continue // without a path it isn't known what was consulted
		}
		k, ok := dense[w.Mega[i]]
		if !ok {
			k = uint32(len(dense))
			dense[w.Mega[i]] = k
		}
		keys[i] = k
	}
	q := s.keyed(keys, len(dense), func(i int) bool { return w.Packets[i].Path >= 0 })

	// Masks in the order of the packets that bring them.
	var masks [][]uint16
	number := make([]int, len(w.Paths))
	for p := range number {
		number[p] = -1
	}
	for _, p := range q.path {
		if p < 0 || number[p] >= 0 {
			continue
		}
		m := w.Paths[p].Mask
		number[p] = slices.IndexFunc(masks, func(o []uint16) bool { return slices.Equal(o, m) })
		if number[p] < 0 {
			number[p] = len(masks)
			masks = append(masks, m)
		}
	}
	lanes := max(int(s.NIC.MatcherLanes), 1)
	step := s.NIC.LatHash
	if s.NIC.Matcher == profile.MatchTSS {
		step = s.NIC.MatcherStep
	}
	search := func(mask int) uint32 { return uint32(s.NIC.MatcherBase + uint64(mask/lanes+1)*step) }
	miss := search(max(len(masks), 1) - 1)
	q.miss = &miss
	s.price(q, len(dense), func(_ uint32, path int32) uint32 { return search(number[path]) },
		func(path int32) uint32 { return uint32(len(w.Paths[path].Mask)+7)/8 + 1 })
	r, err := s.cached(d, q)
	if err != nil {
		return nil, err
	}
	r.Masks = len(masks)
	return r, nil
}
