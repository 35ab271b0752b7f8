package designs

// flow is an exact-match flow cache: an entry is the 5-tuple of a flow and what
// was done with its first packet, as in a NIC's flow table (rte_flow, tc
// flower) or Open vSwitch's exact match cache. State that the program keeps,
// and fields beside the 5-tuple, make it wrong; the sound variant knows, as if
// an oracle told it, when the flow's path is another.
type flow struct{ sound bool }

func (d flow) Name() string {
	if d.sound {
		return "flow-sound"
	}
	return "flow"
}

func (d flow) Is() string {
	if d.sound {
		return "exact-match flow cache whose entry is dropped when its flow takes another path"
	}
	return "exact-match flow cache: every packet is treated as the first of its flow"
}

// flowSlots is the size of an entry in slots of 8 bytes: a 5-tuple of IPv6 is
// 37 bytes, and a slot names the action.
const flowSlots = 6

func (d flow) Run(s *Setting) (*Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := s.whole(d, "its entries run whole paths' traces"); err != nil {
		return nil, err
	}
	keys := make([]uint32, len(s.W.Packets))
	n := 0
	for i := range keys {
		keys[i] = s.W.Packets[i].Flow
		n = max(n, int(keys[i])+1)
	}
	q := s.keyed(keys, n, func(int) bool { return true })
	if !d.sound {
		q.invalidations = nil // it doesn't know
		q.naive = keys
	}
	match := uint32(s.NIC.MatcherBase + s.NIC.LatHash) // one hash look-up
	s.price(q, n, func(uint32, int32) uint32 { return match }, func(int32) uint32 { return flowSlots })
	q.miss = &match
	return s.cached(d, q)
}
