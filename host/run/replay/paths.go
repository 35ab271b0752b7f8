package replay

import (
	"context"

	"jitnic/cache/stream"
	"jitnic/host/run/jit"
	"jitnic/nic"
	"jitnic/pcaps"
)

// active is the packets' clock without what lies between one capture and the next:
// rates over it are of traffic, not of the years between two recordings.
func (s *Session) active(p *pcaps.Packet) uint64 { return s.first + p.ActiveNS }

// installAfter is the packet of a path that its trace is installed at where
// nothing depends on what is: making it native costs about as much as running it
// a hundred times.
const installAfter = 4

// Labels are the packet labels of a path stream, by pcaps.Label.
var Labels = []string{"unlabelled", "legit", "attack"}

// Paths runs the program over the captures once and gives the stream of path
// numbers that every policy, size and admission then runs over: each packet's
// path, or none where it can't be a trace, with its bytes and time, each path's
// size and cost, and the invalidations between. Which traces are installed
// changes nothing in it. The session has run when it returns, and is closed by
// the caller.
func Paths(ctx context.Context, in Input, how jit.Remedies) (*stream.Stream, *Session, error) {
	rec := stream.NewRecorder(stream.Fields{Bytes: true, Time: true, Labels: true}, 0, "", Labels...)
	defer rec.Close()
	var pending []uint32
	// Whatever is installed stays, so that known paths go by as native code.
	s, err := Open(ctx, in, Cache{Policy: "infinite", Entries: 1, HotThreshold: installAfter, Remedies: how}, nil)
	if err != nil {
		return nil, nil, err
	}
	s.Runtime.OnInvalidate(func(p nic.Path, during bool) {
		if during { // it takes effect after this packet's own request
			pending = append(pending, uint32(p))
			return
		}
		rec.Invalidate(uint32(p))
	})
	err = s.Follow(ctx, func(r Several) error {
		for k, id := range r.Paths { // stream.None where there is none
			p := &r.Packets[k]
			if err := rec.Request(id, uint32(len(p.Data)), int64(s.active(p)), uint8(min(p.Label, pcaps.Attack))); err != nil {
				return err
			}
		}
		for _, q := range pending {
			rec.Invalidate(q)
		}
		pending = pending[:0]
		return nil
	})
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	for id := range s.Runtime.Paths() {
		slots, cost := s.Runtime.Price(nic.Path(id))
		rec.Define(uint32(id), uint64(id), slots, cost)
	}
	st, err := rec.Stream()
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	st.Name, st.Active = s.Entry.Name, int64(s.Source.Active())
	return st, s, nil
}
