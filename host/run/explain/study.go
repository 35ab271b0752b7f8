package explain

import (
	"context"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
)

// Study is a replay with what each packet did.
type Study struct {
	Session *replay.Session
	Cache   replay.Cache
	Points  []*Point // most paths made first

	runtime *jit.Runtime
	stream  stream.Stream
	outcome []cache.Outcome // by request: a packet, or a segment of one
	seen    []*seen         // by path
	pending []uint32        // paths that the packet at hand has ended
	counts  cache.Counts

	preds   []*predicate
	numbers map[asked]int    // of preds
	answers [][]answer       // by path: what it answered at each point
	total   []uint64         // by path: all it answered
	route   [][]step         // by path: its predicates in program order
	code    map[int][]uint64 // by path: its trace's instructions, sorted
	voices  map[int]*voice   // by path: its words
	cutter  *replay.Cutter   // of whole paths; nil: none was recorded
	ways    []int            // by path: of the cutter
	cut     map[int]uint64   // by slot: packets that hit where paths are cut there
	writes  map[int]bool     // maps that some path writes; nil: nobody asked
	special *special         // the run with specialised traces; nil: there was none
}

// seen is what the packets of one path did.
type seen struct {
	outcome cache.Counts
	data    []byte // of the first packet, MostBytes at most
	length  int    // of it
}

// besides is how many instructions predication may add where remedies are proved.
const besides = 32

// MostBytes is how many bytes of a path's first packet are kept.
const MostBytes = 256

// Run replays the captures and studies the paths that packets took. change may
// adjust the runtime's options. The session has run when it returns, to its end or
// to an interrupt (Session.Partial), and is closed by the caller. Of a damaged
// capture what was read before is studied, and the error returned beside it.
func Run(ctx context.Context, in replay.Input, ca replay.Cache, change func(o *jit.Options)) (*Study, error) {
	var s *Study
	session, err := replay.Open(ctx, in, ca, func(o *jit.Options) {
		if ca.Segments == 0 {
			o.Learnt = func(path nic.Path, rec *vm.Recording) { s.learnt(path, rec) }
		}
		if !ca.Merge && ca.Predicate == 0 && ca.Segments == 0 {
			o.Beside = &jit.Remedies{Merge: true, Predicate: besides}
		}
		if change != nil {
			change(o)
		}
	})
	if err != nil {
		return nil, err
	}
	s = newStudy(session)
	s.Cache = ca
	s.runtime.OnInvalidate(func(p nic.Path, during bool) {
		if during { // it takes effect after this packet's own request
			s.pending = append(s.pending, uint32(p))
			return
		}
		s.invalidated(uint32(p))
	})
	if len(s.runtime.Tables()) > 1 {
		err = s.Session.Run(ctx, s.noteSegments)
	} else {
		err = s.Session.Follow(ctx, s.note)
	}
	if err != nil && s.runtime.Packets == 0 {
		s.Session.Close()
		return nil, err
	}
	s.study()
	return s, err
}

func newStudy(s *replay.Session) *Study {
	return &Study{Session: s, runtime: s.Runtime, numbers: map[asked]int{}, code: map[int][]uint64{}, voices: map[int]*voice{}}
}

// note keeps what packets did.
func (s *Study) note(r replay.Several) error {
	s.counts[r.Outcome] += uint64(len(r.Paths))
	s.stream.IDs = append(s.stream.IDs, r.Paths...) // stream.None where there is none
	for k, path := range r.Paths {
		s.outcome = append(s.outcome, r.Outcome)
		if path != stream.None {
			s.seenOf(path, r.Packets[k].Data).outcome[r.Outcome]++
		}
	}
	for _, p := range s.pending {
		s.invalidated(p)
	}
	s.pending = s.pending[:0]
	return nil
}

// seenOf is what is kept of a path; data is a packet of it.
func (s *Study) seenOf(path uint32, data []byte) *seen {
	for int(path) >= len(s.seen) {
		s.seen = append(s.seen, nil)
	}
	if s.seen[path] == nil {
		x := &seen{length: len(data)}
		x.data = append(x.data, data[:min(len(data), MostBytes)]...)
		s.seen[path] = x
	}
	return s.seen[path]
}

// invalidated notes that a path's trace went before the next packet.
func (s *Study) invalidated(path uint32) {
	s.stream.Invalidations = append(s.stream.Invalidations, stream.Invalidation{At: uint64(len(s.stream.IDs)), ID: path})
}

// study makes points of the paths' choices.
func (s *Study) study() {
	paths := s.runtime.Paths()
	for len(s.seen) < len(paths) { // discovered and never taken to its end
		s.seen = append(s.seen, &seen{})
	}
	s.stream.Sizes, s.stream.Costs = make([]uint32, len(paths)), make([]uint32, len(paths))
	for i := range paths {
		s.stream.Sizes[i], s.stream.Costs[i] = s.runtime.Price(nic.Path(i))
	}
	s.gather(paths)
	s.rank()
}

// Packets is how many packets were replayed.
func (s *Study) Packets() uint64 { return s.runtime.Packets }

// Paths is how many paths have traces.
func (s *Study) Paths() int { return len(s.answers) }

// Outcomes counts the packets by outcome.
func (s *Study) Outcomes() cache.Counts { return s.runtime.NIC.Outcomes() }

// Dead are the paths that can't be traces.
func (s *Study) Dead() []Dead { return DeadOf(s.runtime) }

// config is the cache that the packets met.
func (s *Study) config() cache.Config { return jit.UsualCache(s.Cache.Config(s.Session.In.Seed)) }

// conditionOf is the condition of a path.
func (s *Study) conditionOf(path int) []pathcond.Pred { return s.runtime.Paths()[path].Path.Cond }

// data is where packets begin in flat memory.
func (s *Study) data() uint64 { return s.runtime.S.Buf + vm.Headroom }
