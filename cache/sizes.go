package cache

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ParseSizes reads a list of budgets:
//
//	64            one
//	1..4096       doubling from 1, up to and with 4096
//	1..4096+1     every one; +n: every nth from the first, and the last
//	1..4096*1.2   growing by a fifth
//	64KiB, 1GB    1,024s: a letter K, M, G or T, with B or iB, as libCacheSim reads them
//
// and any of these joined by commas. The result is sorted and without repeats.
func ParseSizes(text string) ([]uint64, error) {
	var out []uint64
	for part := range strings.SplitSeq(text, ",") {
		bad := func(why string) ([]uint64, error) {
			return nil, fmt.Errorf("size %q: %s", part, why)
		}
		lo, rest, isRange := strings.Cut(part, "..")
		from, err := parseSize(lo)
		if err != nil || from == 0 {
			return bad("a size is a number from 1 to 1099511627775")
		}
		if !isRange {
			out = append(out, from)
			continue
		}
		hi, by, kind := rest, "2", byte('*')
		if i := strings.IndexAny(rest, "+*"); i >= 0 {
			hi, by, kind = rest[:i], rest[i+1:], rest[i]
		}
		to, err := parseSize(hi)
		if err != nil || to < from {
			return bad("a range ends with a number not below its first")
		}
		switch kind {
		case '+':
			step, err := strconv.ParseUint(by, 10, 40)
			if err != nil || step == 0 {
				return bad("a step is a number from 1")
			}
			if (to-from)/step > maxSizes {
				return bad(fmt.Sprintf("more than %d sizes", maxSizes))
			}
			for n := from; n < to; n += step {
				out = append(out, n)
			}
		default:
			f, err := strconv.ParseFloat(by, 64)
			if err != nil || !(f > 1) || math.IsInf(f, 1) {
				return bad("a factor is a number above 1")
			}
			for x := float64(from); x < float64(to); x *= f {
				out = append(out, uint64(math.Round(x)))
				if len(out) > maxSizes {
					return bad(fmt.Sprintf("more than %d sizes", maxSizes))
				}
			}
		}
		out = append(out, to)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// parseSize reads a number below 2^40 with an optional unit.
func parseSize(text string) (uint64, error) {
	number := strings.TrimRight(text, "kKmMgGtTiIbB")
	unit := strings.ToUpper(text[len(number):])
	power, known := map[string]int{"": 0, "B": 0, "K": 1, "M": 2, "G": 3, "T": 4}[strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")]
	n, err := strconv.ParseUint(number, 10, 40)
	if err != nil || !known || unit == "I" || unit == "IB" || n >= maxSize>>(10*power) && n > 0 && power > 0 {
		return 0, fmt.Errorf("size %q", text)
	}
	return n << (10 * power), nil
}

const maxSize = 1 << 40

const maxSizes = 1 << 20
