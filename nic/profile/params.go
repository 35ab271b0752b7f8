package profile

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// A Param is one parameter of a profile as reports show it.
type Param struct {
	Key     string `json:"key"`
	Value   string `json:"value"`  // with its unit
	Number  uint64 `json:"number"` // as stored, for numbers and yes (1) and no (0)
	Unit    string `json:"unit"`   // canonical
	Doc     string `json:"doc"`
	Source  string `json:"source,omitempty"`
	Assumed bool   `json:"assumed,omitempty"`
	User    bool   `json:"user,omitempty"` // set on the command line
	// Lo and Hi are what an assumed number is swept over, with the unit, and
	// Alternatives what an assumed name or list is. Cited values may have them
	// too: the spread published.
	Lo           string   `json:"lo,omitempty"`
	Hi           string   `json:"hi,omitempty"`
	Alternatives []string `json:"alternatives,omitempty"`
	Where        string   `json:"where,omitempty"` // file and line
}

// params lists all parameters in the order of the file.
func (r record) params() []Param {
	out := make([]Param, 0, len(r.s.fields))
	for i := range r.s.fields {
		f := &r.s.fields[i]
		o := r.from[f.key]
		p := Param{Key: f.key, Value: r.value(f), Unit: f.unit, Doc: f.doc, Source: o.Source, Assumed: o.Assumed, User: o.User, Where: o.Where}
		if f.kind == kindNumber || f.kind == kindBool {
			p.Number = r.uint(f)
		}
		if lo, hi, ok := strings.Cut(o.Range, ".."); ok && f.kind == kindNumber {
			p.Lo, p.Hi = lo+" "+o.Unit, hi+" "+o.Unit
		} else if o.Range != "" {
			p.Alternatives = strings.Split(o.Range, "|")
		}
		out = append(out, p)
	}
	return out
}

// set gives a parameter a value with an origin. The value is a number with or
// without a unit (without: the canonical one), or as in a file.
func (r record) set(key, value string, o Origin) error {
	f := r.s.field(key)
	if f == nil {
		return fmt.Errorf("%s: no such parameter of a %s", clip(key), r.s.what)
	}
	value = strings.Join(strings.Fields(value), " ")
	o.Above = r.from[key].Above
	rng := o.Range
	o.Range = ""
	var err error
	if f.kind == kindNumber {
		num, u := cutUnit(value)
		bare := u == ""
		if bare {
			u = f.unit
		}
		if err = r.putNumber(f, num, u, rng, &o); bare && rng == "" {
			o.Unit = "" // printed in one that fits
		}
	} else {
		if err = r.put(f, value); err == nil {
			err = r.alternatives(f, rng, &o)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	r.from[key] = o
	return nil
}

// cutUnit splits "64cycles" and "64 cycles" into number and unit.
func cutUnit(s string) (number, unit string) {
	if n, u, ok := strings.Cut(s, " "); ok {
		return n, u
	}
	if rest, ok := strings.CutPrefix(s, "unlimited"); ok {
		return "unlimited", rest
	}
	i := strings.IndexFunc(s, func(c rune) bool { return (c < '0' || c > '9') && c != '.' && c != '_' })
	if i <= 0 {
		return s, ""
	}
	return s[:i], s[i:]
}

// sweep lists the values to try for a parameter, as texts for set: both ends
// of its range, what it has, and steps between (evenly; by equal factors where
// the range spans more than a factor of 100).
func (r record) sweep(key string, steps int) ([]string, error) {
	f := r.s.field(key)
	if f == nil {
		return nil, fmt.Errorf("%s: no such parameter of a %s", clip(key), r.s.what)
	}
	o := r.from[key]
	if o.Range == "" {
		return nil, fmt.Errorf("%s: has no range to sweep", key)
	}
	if f.kind != kindNumber {
		return strings.Split(o.Range, "|"), nil
	}
	u := r.unit(f)
	los, his, _ := strings.Cut(o.Range, "..")
	lo, err1 := f.parseNumber(los, u)
	hi, err2 := f.parseNumber(his, u)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("%s: range %s: %w", key, o.Range, err)
	}
	vals := []uint64{lo, hi, r.uint(f)}
	top := hi
	if f.rank(hi) == math.MaxUint64 { // unlimited: steps end at 64 times the start
		top = min(lo*64, f.hi)
		vals = append(vals, top)
	}
	for i := 1; i < steps-1; i++ {
		t := float64(i) / float64(steps-1)
		v := float64(lo) + t*(float64(top)-float64(lo))
		if lo > 0 && top/lo > 100 {
			v = float64(lo) * math.Pow(float64(top)/float64(lo), t)
		}
		vals = append(vals, uint64(math.Round(v)))
	}
	slices.SortFunc(vals, func(a, b uint64) int {
		switch ra, rb := f.rank(a), f.rank(b); {
		case ra < rb:
			return -1
		case ra > rb:
			return 1
		}
		return 0
	})
	vals = slices.Compact(vals)
	out := make([]string, len(vals))
	for i, v := range vals {
		out[i] = f.bound(v, u) + " " + u.name
	}
	return out, nil
}

// newStruct is a fresh zero value of v's type.
func newStruct(v reflect.Value) reflect.Value { return reflect.New(v.Type()).Elem() }

// copyOf is a deep copy: lists and origins are its own.
func (r record) copyOf() record {
	c := record{r.s, newStruct(r.v), r.from.clone()}
	c.v.Set(r.v)
	for i := range r.s.fields {
		if f := &r.s.fields[i]; f.kind == kindList {
			c.v.Field(f.index).Set(reflect.ValueOf(slices.Clone(r.list(f))))
		}
	}
	return c
}
