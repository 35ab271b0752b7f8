package device

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
)

// Arrivals is how packets are spread over time.
type Arrivals string

// The patterns of arrivals.
const (
	Constant Arrivals = "constant" // all gaps alike, as RFC 2544 wants
	Poisson  Arrivals = "poisson"  // independent of each other
	Capture  Arrivals = "capture"  // as the capture's own times, scaled
	Burst    Arrivals = "burst"    // so many back to back at the link's rate, then a pause
)

// ArrivalNames lists them.
func ArrivalNames() []string {
	return []string{string(Constant), string(Poisson), string(Capture), string(Burst)}
}

// Load is when the packets of an Input arrive. A time of arrival is when a
// packet is fully received.
type Load struct {
	Arrivals Arrivals // "" is constant
	Rate     uint64   // packets a second, mean; with Capture 0 is the capture's own
	Packets  int      // how many; the Input's are repeated from the first on. 0: each once
	First    int      // of the Input, the packet that comes first; the others follow in a circle
	Times    []int64  // ns by packet of the Input, not falling; for Capture
	Burst    int      // packets in a burst
	Seed     uint64   // for Poisson
}

// second is in ps.
const second = 1_000_000_000_000

// maxRate is one packet a ps.
const maxRate = second

// source makes the times of arrival one after the other.
type source struct {
	kind Arrivals
	t    int64

	gap, rest, rate uint64 // constant: ps, and what is left over, in 1/rate ps
	acc             uint64

	mean float64 // poisson
	rng  *rand.Rand

	offset []int64 // capture: ps from the start of a round
	period int64

	burst, k int   // packets of a burst, and how many of this one have come
	from     int64 // when this one began
}

// newSource checks a load for an input of n packets.
func newSource(l Load, n int) (*source, error) {
	s := &source{kind: l.Arrivals, rate: l.Rate}
	if s.kind == "" {
		s.kind = Constant
	}
	switch s.kind {
	case Constant, Poisson, Burst, Capture:
	default:
		return nil, fmt.Errorf("load: arrivals %q: not known; there are %v", l.Arrivals, ArrivalNames())
	}
	if l.Rate == 0 && s.kind != Capture {
		return nil, fmt.Errorf("load: %s arrivals need a rate", s.kind)
	}
	if l.Rate > maxRate {
		return nil, fmt.Errorf("load: rate of %d packets/s: more than one a picosecond", l.Rate)
	}
	if l.First < 0 || l.First > 0 && l.First >= n {
		return nil, fmt.Errorf("load: packet %d first of %d", l.First, n)
	}
	if l.Packets < 0 || uint64(l.Packets) >= 1<<32-1 {
		return nil, fmt.Errorf("load: %d packets: from 0 to %d are possible", l.Packets, uint32(1<<32-2))
	}
	if l.Rate > 0 {
		s.gap, s.rest = second/l.Rate, second%l.Rate
		count := uint64(max(l.Packets, n))
		if hi, lo := bits.Mul64(s.gap+1, count); hi > 0 || lo > 1<<60 {
			return nil, fmt.Errorf("load: %d packets at %d packets/s last longer than the clock runs", count, l.Rate)
		}
	}
	switch s.kind {
	case Poisson:
		s.mean = second / float64(l.Rate)
		s.rng = rand.New(rand.NewPCG(l.Seed, 0x6a69746e6963))
	case Burst:
		if l.Burst < 1 {
			return nil, fmt.Errorf("load: bursts of %d packets", l.Burst)
		}
		s.burst = l.Burst
	case Capture:
		if err := s.capture(l, n); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// capture scales the capture's times so that a round of it and a gap between
// rounds, which is the mean gap, keep the rate.
func (s *source) capture(l Load, n int) error {
	if len(l.Times) != n {
		return fmt.Errorf("load: %d times for %d packets", len(l.Times), n)
	}
	span := uint64(0)
	for i, t := range l.Times {
		if i > 0 && t < l.Times[i-1] {
			return fmt.Errorf("load: packet %d: time %d ns before that of the packet in front of it", i+1, t)
		}
		span = uint64(t) - uint64(l.Times[0])
	}
	if span > 1<<60/1000 {
		return fmt.Errorf("load: a capture of %d ns: longer than the clock runs", span)
	}
	// A round of the capture, without the gap behind its last packet.
	round := span * 1000
	if l.Rate > 0 {
		hi, lo := bits.Mul64(uint64(n-1), second)
		if hi >= l.Rate {
			return fmt.Errorf("load: %d packets at %d packets/s last longer than the clock runs", n, l.Rate)
		}
		round, _ = bits.Div64(hi, lo, l.Rate)
	}
	switch {
	case n > 1:
		s.period = int64(round + round/uint64(n-1))
	case l.Rate > 0:
		s.period = int64(second / l.Rate)
	}
	rounds := uint64(1)
	if n > 0 {
		rounds = uint64((l.First + max(l.Packets, n) + n - 1) / n)
	}
	if hi, lo := bits.Mul64(uint64(s.period)+1, rounds); hi > 0 || lo > 1<<60 {
		return fmt.Errorf("load: %d rounds of the capture last longer than the clock runs", rounds)
	}
	s.offset = make([]int64, n)
	for i, t := range l.Times {
		switch {
		case span > 0:
			hi, lo := bits.Mul64(uint64(t)-uint64(l.Times[0]), round)
			q, _ := bits.Div64(hi, lo, span)
			s.offset[i] = int64(q)
		case l.Rate > 0:
			s.offset[i] = int64(uint64(i) * (round / uint64(max(1, n-1)))) // all at once: evenly then
		}
	}
	return nil
}

// next is the time of arrival of packet pkt of round k, which is the packet
// after the last one asked for; first is set for the very first. wire is how
// long the link needs for it.
func (s *source) next(first bool, pkt int, k, wire int64) int64 {
	switch s.kind {
	case Constant:
		if !first {
			s.step()
		}
	case Poisson:
		if !first {
			s.t += int64(s.mean*s.rng.ExpFloat64() + 0.5)
		}
	case Capture:
		s.t = k*s.period + s.offset[pkt]
	case Burst:
		if first {
			s.k = 1
			return s.t
		}
		if s.k < s.burst {
			s.k++
			s.t += wire
			break
		}
		s.k = 1
		// A burst begins so many mean gaps after the one before, or at once
		// where that took longer.
		last := s.t
		s.t = s.from
		for range s.burst {
			s.step()
		}
		s.from = s.t
		s.t = max(s.t, last+wire)
	}
	return s.t
}

// step goes one mean gap on, exactly in the long run.
func (s *source) step() {
	s.t += int64(s.gap)
	if s.acc += s.rest; s.acc >= s.rate {
		s.acc -= s.rate
		s.t++
	}
}
