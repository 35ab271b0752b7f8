package explain

import (
	"context"
	"slices"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/host/run/replay"
)

// What specialising would save is worked out from the recorded traces, as a run of it
// costs as much as the replay itself. Where that is worth it, it is measured.

// special is the same packets with specialised traces.
type special struct {
	ids  []uint32 // by request
	hits uint64
}

// Specialise replays the captures once more with specialised traces, if that is a
// remedy for any choice point; from then on it is told what it saves, and not about
// how much. Standard input can't be read again: then nothing is done, as where the
// run is cut short.
func (s *Study) Specialise(ctx context.Context) error {
	if s.Session.Partial || slices.Contains(s.Session.In.Captures, "-") || !slices.ContainsFunc(s.Points, func(p *Point) bool {
		return specialise(s, &Fold{Tally: p.Tally, Points: []*Point{p}}) != nil
	}) {
		return nil
	}
	in, ca := s.Session.In, s.Cache
	in.Progress, in.Limit, ca.Specialise = nil, s.Packets(), true
	run, err := replay.Open(ctx, in, ca, nil)
	if err != nil {
		return err
	}
	defer run.Close()
	var x special
	if err := run.Follow(ctx, func(p replay.Several) error {
		x.ids = append(x.ids, p.Paths...)
		return nil
	}); err != nil {
		return err
	}
	if len(x.ids) == len(s.stream.IDs) {
		x.hits = run.Runtime.NIC.Outcomes()[cache.Hit]
		s.special = &x
	}
	return nil
}

// saved is how many entries fewer the paths that points alone tell apart have where
// traces are specialised.
func (x *special) saved(s *Study, f *Fold) int {
	group := make([]int, s.Paths()) // by path: 1 and the number of its group; 0: it is in none
	saved := 0
	for n, g := range s.alike(f) {
		for _, i := range g {
			group[i] = n + 1
		}
		saved += len(g)
	}
	type entry struct {
		group int
		id    uint32
	}
	seen := map[entry]bool{}
	for i, id := range s.stream.IDs {
		if id != stream.None && group[id] > 0 {
			seen[entry{group[id], x.ids[i]}] = true
		}
	}
	return saved - len(seen)
}
