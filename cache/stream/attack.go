package stream

import (
	"fmt"

	"jitnic/pcaps/splitmix"
)

// Uniform is a stream of n requests, each of any of that many ids with the same
// probability. Ids are not dense: all below universe may occur.
func Uniform(universe, n int, seed uint64) *Stream {
	r := splitmix.State(seed)
	s := &Stream{Name: "uniform", IDs: make([]uint32, n), ids: universe}
	for i := range s.IDs {
		s.IDs[i] = uint32(r.Next() % uint64(universe))
	}
	return s
}

// Attacks lists the kinds Attack makes.
func Attacks() []string { return []string{"unique", "burst", "cycle"} }

// Attack is a stream of n requests made against a cache of that many entries:
//
//	unique  every request is of a new id
//	burst   every new id is requested 2 to 4 times in a row, then never again
//	cycle   one id more than entries in turn, for ever
func Attack(kind string, entries, n int, seed uint64) (*Stream, error) {
	s := &Stream{Name: kind, IDs: make([]uint32, n)}
	switch kind {
	case "unique":
		for i := range s.IDs {
			s.IDs[i] = uint32(i)
		}
	case "burst":
		r := splitmix.State(seed)
		id := uint32(0)
		for i := 0; i < n; id++ {
			for k := 2 + r.Next()%3; k > 0 && i < n; k-- {
				s.IDs[i] = id
				i++
			}
		}
	case "cycle":
		for i := range s.IDs {
			s.IDs[i] = uint32(i % (entries + 1))
		}
	default:
		return nil, fmt.Errorf("attack %q: not known; there are %v", kind, Attacks())
	}
	return s, nil
}

// Labels of Mix.
const (
	Legitimate = 0
	Hostile    = 1
)

// Mix threads an attack through a stream: share of the requests of the result
// (0..1) are the attack's, evenly spread, until the legitimate stream ends; the
// attack begins again where it is too short, with the same ids. Requests are
// labelled, so the two can be told apart in results.
func Mix(legit, attack *Stream, share float64) *Stream {
	base := uint32(legit.NumIDs())
	s := &Stream{Name: legit.Name + "+" + attack.Name, LabelNames: []string{"legitimate", "attack"}}
	total := attack.NumIDs() + int(base)
	if legit.Sizes != nil {
		s.Sizes = make([]uint32, total)
		var sum uint64
		for id, v := range legit.Sizes[:base] {
			s.Sizes[id] = v
			sum += uint64(v)
		}
		mean := uint32(max(1, sum/uint64(max(base, 1))))
		for id := int(base); id < total; id++ {
			s.Sizes[id] = mean // attacking traces are as large as the legitimate ones on average
			if attack.Sizes != nil {
				s.Sizes[id] = attack.Sizes[id-int(base)]
			}
		}
	}
	s.ids = total
	debt, k, v := 0.0, 0, 0
	for i, id := range legit.IDs {
		for ; debt >= 1 && len(attack.IDs) > 0; debt-- {
			a := attack.IDs[k%len(attack.IDs)]
			if a != None {
				a += base
			}
			s.IDs = append(s.IDs, a)
			s.Labels = append(s.Labels, Hostile)
			k++
		}
		for ; v < len(legit.Invalidations) && legit.Invalidations[v].At <= uint64(i); v++ {
			s.Invalidations = append(s.Invalidations, Invalidation{uint64(len(s.IDs)), legit.Invalidations[v].ID})
		}
		s.IDs = append(s.IDs, id)
		s.Labels = append(s.Labels, Legitimate)
		if share > 0 && share < 1 {
			debt += share / (1 - share)
		}
	}
	return s
}
