package load

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// rangeSteps is how many rates a range without a number of steps is.
const rangeSteps = 12

// maxRate is one packet a nanosecond and a thousand ports wide: more is a slip.
const maxRate = 1e12

// A Wire is what turns bits a second into packets a second.
type Wire struct {
	Frame    float64 // bytes that a packet takes on the wire on average, Overhead included
	Overhead uint64  // bytes a packet beside those captured: preamble, FCS, gap (link.overhead)
	Line     uint64  // packets/s that the link can bring in; 0: it has no limit
}

// fcs is how many bytes of the frames that standards count (64 at least) no
// capture has.
const fcs = 4

// Rates reads rates that need no packets: those in packets a second. See
// Wire.Rates.
func Rates(text string) ([]uint64, error) { return Wire{}.Rates(text) }

// Rates reads rates, and returns them in packets a second in rising order:
//
//	10Mpps       one; the unit pps may stand behind any, k, M and G are 10^3, 10^6 and 10^9
//	40Gbps       bits a second on the wire, preamble and gap counted, of the packets as they are
//	40Gbps@64    as many packets as there would be of frames of 64 bytes, FCS included
//	line         all that the link can bring in of the packets as they are
//	1M,2.5M,5M   these
//	1M..50M      12 from the one to the other, in equal ratios
//	1M..line/20  20 of them
func (w Wire) Rates(text string) ([]uint64, error) {
	var out []uint64
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "..")
		if !isRange {
			r, err := w.rate(part)
			if err != nil {
				return nil, fmt.Errorf("rates %q: %w", text, err)
			}
			out = append(out, r)
			continue
		}
		steps := rangeSteps
		if end, n, ok := strings.Cut(to, "/"); ok {
			k, err := strconv.Atoi(strings.TrimSpace(n))
			if err != nil || k < 2 || k > 1000 {
				return nil, fmt.Errorf("rates %q: %q is not a number of steps from 2 to 1000", text, n)
			}
			to, steps = end, k
		}
		lo, err := w.rate(from)
		if err != nil {
			return nil, fmt.Errorf("rates %q: %w", text, err)
		}
		hi, err := w.rate(to)
		if err != nil {
			return nil, fmt.Errorf("rates %q: %w", text, err)
		}
		if lo > hi {
			return nil, fmt.Errorf("rates %q: from %d down to %d", text, lo, hi)
		}
		out = append(out, lo, hi)
		for i := 1; i < steps-1; i++ {
			v := float64(lo) * math.Pow(float64(hi)/float64(lo), float64(i)/float64(steps-1))
			out = append(out, min(max(lo, round(v)), hi))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// round leaves four digits, which is enough for a step and good to read.
func round(v float64) uint64 {
	unit := uint64(1)
	for w := uint64(v); w >= 10_000; w /= 10 {
		unit *= 10
	}
	return uint64(math.Round(v/float64(unit))) * unit
}

// rate reads one.
func (w Wire) rate(text string) (uint64, error) {
	s := strings.TrimSpace(text)
	if w.Frame == 0 && (s == "line" || strings.HasSuffix(s, "bps") && !strings.Contains(s, "@")) {
		return 0, fmt.Errorf("%s: it depends on packets and link, and stands for none of them here", s)
	}
	if s == "line" {
		if w.Line == 0 {
			return 0, fmt.Errorf("line: the link has no limit (link.rate)")
		}
		return w.Line, nil
	}
	wrong := fmt.Errorf("%q is not a rate like 10Mpps, 1.5M or 250k", clip(text))
	frame := w.Frame
	if bits, of, ok := strings.Cut(s, "@"); ok {
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(of, "B")))
		if err != nil || n < 64 || n > 1<<16 || !strings.HasSuffix(strings.TrimSpace(bits), "bps") {
			return 0, fmt.Errorf("%q is not a rate like 40Gbps@64, of frames of 64 bytes or more", clip(text))
		}
		s, frame = strings.TrimSpace(bits), float64(uint64(n)-fcs+w.Overhead)
	}
	each := 1.0
	if t, ok := strings.CutSuffix(s, "bps"); ok {
		s, each = t, 8*frame
	} else {
		s = strings.TrimSuffix(s, "pps")
	}
	s = strings.TrimSpace(s)
	factor := 1.0
	for _, u := range []struct {
		name   string
		factor float64
	}{{"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}} {
		if t, ok := strings.CutSuffix(s, u.name); ok {
			s, factor = strings.TrimSpace(t), u.factor
			break
		}
	}
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, wrong
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, wrong
	}
	if v *= factor; each == 1 {
		v = math.Round(v)
	} else {
		v = math.Floor(v / each) // what the link can bring in isn't passed by rounding
	}
	if v < 1 || v > maxRate {
		return 0, fmt.Errorf("%q: a rate is from 1 to %.0f packets/s", clip(text), maxRate)
	}
	return uint64(v), nil
}

// clip keeps an error one short line.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
