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

// Rates reads rates in packets a second, and returns them in rising order:
//
//	10Mpps       one; the unit pps may stand behind any, k, M and G are 10^3, 10^6 and 10^9
//	1M,2.5M,5M   these
//	1M..50M      12 from the one to the other, in equal ratios
//	1M..50M/20   20 of them
func Rates(text string) ([]uint64, error) {
	var out []uint64
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "..")
		if !isRange {
			r, err := rate(part)
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
		lo, err := rate(from)
		if err != nil {
			return nil, fmt.Errorf("rates %q: %w", text, err)
		}
		hi, err := rate(to)
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
func rate(text string) (uint64, error) {
	s := strings.TrimSpace(text)
	s = strings.TrimSpace(strings.TrimSuffix(s, "pps"))
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
		return 0, fmt.Errorf("%q is not a rate like 10Mpps, 1.5M or 250k", clip(text))
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a rate like 10Mpps, 1.5M or 250k", clip(text))
	}
	v = math.Round(v * factor)
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
