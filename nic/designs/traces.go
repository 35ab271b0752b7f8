package designs

import "jitnic/cache/stream"

// traces is jitnic's own design: whole paths as straight-line traces behind
// their conditions, in a trace cache.
type traces struct{}

func (traces) Name() string { return "trace" }
func (traces) Is() string {
	return "whole paths as traces in a cache; a packet runs wholly on one side"
}

func (d traces) Run(s *Setting) (*Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.cached(d, s.paths())
}

// paths is the requests for traces, by path.
func (s *Setting) paths() *requests {
	q := &requests{ids: make([]uint32, len(s.W.Packets)), path: make([]int32, len(s.W.Packets)),
		invalidations: s.W.Invalidations, entries: s.In.Traces(), cut: s.In.Segments != nil}
	for i := range q.ids {
		q.path[i] = s.path(i)
		q.ids[i] = stream.None
		if p := q.path[i]; p >= 0 {
			q.ids[i] = uint32(p)
		}
	}
	return q
}
