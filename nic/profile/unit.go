package profile

import (
	"fmt"
	"math/big"
	"strings"
)

// unit is one unit a parameter may be written in.
type unit struct {
	name  string
	scale *big.Rat // stored numbers in one of it
}

// multiples are the units of a dimension, the canonical one first.
var multiples = map[string][]struct {
	name     string
	num, den int64
}{
	"kHz":    {{"kHz", 1, 1}, {"MHz", 1e3, 1}, {"GHz", 1e6, 1}},
	"ns":     {{"ns", 1, 1}, {"us", 1e3, 1}, {"ms", 1e6, 1}, {"s", 1e9, 1}},
	"Mbit/s": {{"Mbit/s", 1, 1}, {"Gbit/s", 1e3, 1}},
	"B":      {{"B", 1, 1}, {"KiB", 1 << 10, 1}, {"MiB", 1 << 20, 1}, {"GiB", 1 << 30, 1}},
	"1/s":    {{"1/s", 1, 1}, {"k/s", 1e3, 1}, {"M/s", 1e6, 1}},
}

// unitsOf lists the units that a parameter of a canonical unit accepts. Units
// per something ("ns/slot", "B/packet") have the multiples of their numerator.
func unitsOf(canonical string, perNS int64) []unit {
	head, per := canonical, ""
	if _, ok := multiples[canonical]; !ok {
		if h, p, ok := strings.Cut(canonical, "/"); ok {
			head, per = h, "/"+p
		}
	}
	ms, ok := multiples[head]
	if !ok {
		return []unit{{canonical, big.NewRat(1, 1)}}
	}
	factor := int64(1)
	if head == "ns" {
		factor = perNS
	}
	var out []unit
	for _, m := range ms {
		out = append(out, unit{m.name + per, new(big.Rat).Mul(big.NewRat(m.num, m.den), big.NewRat(factor, 1))})
	}
	return out
}

// unitNamed finds a unit of a field.
func (f *field) unitNamed(name string) (unit, error) {
	for _, u := range f.units {
		if u.name == name {
			return u, nil
		}
	}
	return unit{}, fmt.Errorf("unit %q: want %s", name, f.unitList())
}

func (f *field) unitList() string {
	var b strings.Builder
	for i, u := range f.units {
		switch {
		case i == 0:
		case i == len(f.units)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(u.name)
	}
	return b.String()
}

// parseNumber reads a decimal number of a unit as a stored one. Underscores
// may group digits.
func (f *field) parseNumber(text string, u unit) (uint64, error) {
	if text == "unlimited" {
		if f.zero == "" {
			return 0, fmt.Errorf("%q: only parameters that say so may be unlimited", text)
		}
		return 0, nil
	}
	if err := plainDecimal(text); err != nil {
		return 0, err
	}
	r, ok := new(big.Rat).SetString(strings.ReplaceAll(text, "_", ""))
	if !ok {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	if f.zero != "" && r.Sign() == 0 {
		return 0, fmt.Errorf("0 %s: write %q if there is no limit", u.name, f.zero)
	}
	r.Mul(r, u.scale)
	if !r.IsInt() {
		return 0, fmt.Errorf("%s %s is finer than the model's %s", text, u.name, f.finest())
	}
	n := r.Num()
	if !n.IsUint64() || n.Uint64() < f.lo || n.Uint64() > f.hi {
		return 0, fmt.Errorf("%s %s is out of range: %s to %s %s", text, u.name, f.number(f.lo, f.units[0]), f.number(f.hi, f.units[0]), f.unit)
	}
	return n.Uint64(), nil
}

// finest is the step of stored numbers, in words.
func (f *field) finest() string {
	if f.units[0].scale.Cmp(big.NewRat(1, 1)) == 0 {
		return "1 " + f.unit
	}
	return "0.001 " + f.unit
}

// plainDecimal accepts digits, underscores between digits, one point. 32
// characters are more than any parameter needs: so no number costs time.
func plainDecimal(s string) error {
	bad := fmt.Errorf("%q is not a number", clip(s))
	if s == "" || len(s) > 32 {
		return bad
	}
	points, prev := 0, byte('.')
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
		case c == '_' || c == '.':
			if prev < '0' || prev > '9' || i == len(s)-1 {
				return bad
			}
			if c == '.' {
				points++
			}
		default:
			return bad
		}
		prev = c
	}
	if points > 1 {
		return bad
	}
	return nil
}

// number prints a stored number in a unit: exact, without trailing zeros, long
// ones grouped by underscores.
func (f *field) number(v uint64, u unit) string {
	r := new(big.Rat).Quo(new(big.Rat).SetInt(new(big.Int).SetUint64(v)), u.scale)
	s := r.FloatString(40) // exact: the scales' denominators are 2^30 at most
	s = strings.TrimRight(s, "0")
	s = strings.TrimSuffix(s, ".")
	whole, frac, ok := strings.Cut(s, ".")
	if len(whole) > 4 {
		var b strings.Builder
		for i, c := range whole {
			if i > 0 && (len(whole)-i)%3 == 0 {
				b.WriteByte('_')
			}
			b.WriteRune(c)
		}
		whole = b.String()
	}
	if ok {
		return whole + "." + frac
	}
	return whole
}

// pick chooses a unit to print a number in where nobody wrote one: the largest
// that needs no more than three decimals.
func (f *field) pick(v uint64) unit {
	best := f.units[0]
	for _, u := range f.units[1:] {
		r := new(big.Rat).Quo(new(big.Rat).SetInt(new(big.Int).SetUint64(v)), u.scale)
		if r.Cmp(big.NewRat(1, 1)) < 0 {
			break
		}
		if r.Mul(r, big.NewRat(1000, 1)).IsInt() {
			best = u
		}
	}
	return best
}

// clip shortens what a message quotes.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
