package validate

import (
	"math"

	"jitnic/nic/profile"
	"jitnic/nic/vliw"
)

// rate is what a measured rate rests on: rows and calls of the program's run.
type rate struct {
	row     int // of the table
	ran     vliw.Ran
	forward bool
}

// derived are the parameters of hxdp that come from rates of the table, in
// cycles: exec.dispatch, exec.drain, egress.interval, and what a call stops.
type derived struct{ dispatch, drain, interval, call int }

// cycles of a packet with them.
func (d derived) cycles(r *rate) int {
	c := int(r.ran.Rows) + d.dispatch + d.call*int(r.ran.Calls)
	if r.ran.Drain > 0 {
		c += d.drain
	}
	if r.forward {
		c = max(c, d.interval)
	}
	return max(c, 1)
}

// miss is the sum of squared relative errors of all rates but one.
func (d derived) miss(rows []Row, rates []rate, mhz float64, without int) float64 {
	sum := 0.0
	for i := range rates {
		if i != without {
			e := mhz/float64(d.cycles(&rates[i]))/rows[rates[i].row].Value - 1
			sum += e * e
		}
	}
	return sum
}

// apart is how far two sets are apart: of sets that fit equally well the one
// nearest the profile's is taken, so that a rate that alone tells of a parameter
// leaves it at what nothing contradicts.
func (d derived) apart(o derived) int {
	return abs(d.dispatch-o.dispatch) + abs(d.drain-o.drain) + abs(d.interval-o.interval) + abs(d.call-o.call)
}

func abs(n int) int { return max(n, -n) }

// none is where a parameter starts that no rate tells of: no such effect.
var none = derived{dispatch: 1}

// leaveOut puts beside each rate what the model gives with the parameters
// fitted to all others.
func leaveOut(rows []Row, rates []rate, n *profile.NIC) {
	mhz := float64(n.Clock) / 1000
	for i := range rates {
		best, least := none, math.Inf(1)
		for dispatch := range 7 {
			for drain := range 9 {
				for interval := range 13 {
					for call := range 4 {
						d := derived{dispatch, drain, interval, call}
						m := d.miss(rows, rates, mhz, i)
						if m < least-1e-12 || m < least+1e-12 && d.apart(none) < best.apart(none) {
							best, least = d, min(m, least)
						}
					}
				}
			}
		}
		r := &rows[rates[i].row]
		e := mhz/float64(best.cycles(&rates[i]))/r.Value - 1
		r.LeftOut = &e
	}
}
