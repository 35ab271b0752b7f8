package profile

import (
	"fmt"
	"strings"
)

// parse reads a profile file into r. builtin finds the profile that "base ="
// names. Errors are one line: file:line: key: what.
func (r record) parse(file string, text []byte, builtin func(name string) (record, error)) error {
	var above []string
	given := map[string]int{}
	based := false
	line := 0
	for raw := range strings.Lines(string(text)) {
		line++
		at := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, args...))
		}
		s := strings.TrimSpace(raw)
		switch {
		case s == "":
			continue
		case s[0] == '#':
			above = append(above, normalComment(s))
			continue
		}
		body, comment, _ := strings.Cut(s, "#")
		comment = strings.Join(strings.Fields(comment), " ")
		key, val, ok := strings.Cut(body, "=")
		key, val = strings.TrimSpace(key), strings.Join(strings.Fields(val), " ")
		if !ok {
			return at("%q: want key = value", clip(s))
		}
		if first, dup := given[key]; dup {
			return at("%s: given twice, first in line %d", clip(key), first)
		}
		if key == "base" {
			if len(given) > 0 {
				return at("base: must come before all parameters")
			}
			b, err := builtin(val)
			if err != nil {
				return at("base: %v", err)
			}
			r.inherit(b)
			given[key], based = line, true
			continue
		}
		f := r.s.field(key)
		if f == nil {
			return at("%q: no such parameter of a %s", clip(key), r.s.what)
		}
		given[key] = line
		o, err := r.assign(f, val, comment)
		if err != nil {
			return at("%s: %v", key, err)
		}
		o.Where, o.Above = fmt.Sprintf("%s:%d", file, line), above
		r.from[key], above = o, nil
	}
	// A file without a name is printed with one: below the comment it starts with.
	if t := r.from["title"]; given["name"] == 0 && given["title"] > 0 && !based {
		r.from["name"] = Origin{Above: t.Above}
		t.Above = nil
		r.from["title"] = t
	}
	if len(above) > 0 {
		r.from[""] = Origin{Above: above}
	}
	if based {
		return nil
	}
	return r.complete(file, given)
}

// NotGiven is the source of a parameter that a file leaves at its default.
const NotGiven = "not given: the default"

// complete demands every parameter but those with a default; the name's is the
// file's.
func (r record) complete(file string, given map[string]int) error {
	var missing []*field
	for i := range r.s.fields {
		f := &r.s.fields[i]
		if given[f.key] == 0 && f.def != "" {
			if err := r.putNumber(f, f.def, f.unit, "", &Origin{}); err != nil {
				return err
			}
			r.from[f.key] = Origin{Source: NotGiven, Unit: f.unit}
			continue
		}
		if given[f.key] == 0 && f.key != "name" {
			missing = append(missing, f)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	more := ""
	if n := len(missing) - 1; n > 0 {
		more = fmt.Sprintf("; %d more are missing", n)
	}
	return fmt.Errorf("%s: %s: missing (%s)%s; start with base = NAME to take what isn't given from a built-in profile", file, missing[0].key, missing[0].doc, more)
}

// inherit takes all parameters of b but its name. Its comments stay behind.
func (r record) inherit(b record) {
	for i := range r.s.fields {
		if f := &r.s.fields[i]; f.key != "name" {
			r.v.Field(f.index).Set(b.v.Field(f.index))
		}
	}
	for k, o := range b.from {
		if k != "" && k != "name" {
			o.Above = nil
			r.from[k] = o
		}
	}
}

// assign sets a parameter from what stands between = and #.
//
//	number   156.25 MHz [assumed] [lo..hi]
//	choice   tree [assumed tree|linear]
//	yes/no   yes [assumed yes|no]
//	list     xdp_adjust_head, map_lookup_elem [assumed all|none]
func (r record) assign(f *field, val, source string) (Origin, error) {
	o := Origin{Source: source}
	if f.kind == kindText {
		return o, r.put(f, val)
	}
	value, rng, assumed := cutWord(val, "assumed")
	o.Assumed = assumed
	if f.kind == kindNumber {
		words := strings.Fields(value)
		if !assumed && len(words) == 3 {
			words, rng = words[:2], words[2]
		}
		switch {
		case len(words) == 0:
			return o, fmt.Errorf("no value")
		case len(words) == 1:
			return o, fmt.Errorf("%s has no unit: want %s", clip(words[0]), f.unitList())
		case len(words) > 2:
			return o, fmt.Errorf("%q: want a number, a unit, and after that a range lo..hi at most", clip(value))
		}
		if err := r.putNumber(f, words[0], words[1], rng, &o); err != nil {
			return o, err
		}
	} else {
		if value == "" {
			return o, fmt.Errorf("no value")
		}
		if err := r.put(f, value); err != nil {
			return o, err
		}
		if err := r.alternatives(f, rng, &o); err != nil {
			return o, err
		}
	}
	switch {
	case assumed && o.Range == "":
		return o, fmt.Errorf("assumed without a range to sweep: want assumed %s", f.rangeForm())
	case !assumed && source == "":
		return o, fmt.Errorf("no source: cite one after #, or write assumed %s", f.rangeForm())
	}
	return o, nil
}

func (f *field) rangeForm() string {
	if f.kind == kindNumber {
		return "lo..hi"
	}
	return "one|other"
}

// putNumber sets a number and reads its range.
func (r record) putNumber(f *field, text, unitName, rng string, o *Origin) error {
	u, err := f.unitNamed(unitName)
	if err != nil {
		return err
	}
	n, err := f.parseNumber(text, u)
	if err != nil {
		return err
	}
	r.v.Field(f.index).SetUint(n)
	o.Unit = u.name
	if rng == "" {
		return nil
	}
	los, his, ok := strings.Cut(rng, "..")
	if !ok || strings.ContainsRune(rng, ' ') {
		return fmt.Errorf("range %q: want lo..hi in %s", clip(rng), u.name)
	}
	lo, err := f.parseNumber(los, u)
	if err != nil {
		return fmt.Errorf("range: %w", err)
	}
	hi, err := f.parseNumber(his, u)
	if err != nil {
		return fmt.Errorf("range: %w", err)
	}
	switch {
	case f.rank(lo) >= f.rank(hi):
		return fmt.Errorf("range %s: its end is not above its start", rng)
	case f.rank(n) < f.rank(lo) || f.rank(n) > f.rank(hi):
		return fmt.Errorf("%s %s is outside its range %s", text, u.name, rng)
	}
	o.Range = f.bound(lo, u) + ".." + f.bound(hi, u)
	return nil
}

// rank orders stored numbers: unlimited, which is stored as 0, comes last.
func (f *field) rank(n uint64) uint64 {
	if n == 0 && f.zero != "" {
		return ^uint64(0)
	}
	return n
}

func (f *field) bound(n uint64, u unit) string {
	if n == 0 && f.zero != "" {
		return f.zero
	}
	return f.number(n, u)
}

// alternatives reads the values that an assumed choice or list is swept over.
// The value itself must be one of them.
func (r record) alternatives(f *field, rng string, o *Origin) error {
	if rng == "" {
		return nil
	}
	have := r.value(f)
	var out []string
	found := false
	for alt := range strings.SplitSeq(rng, "|") {
		other := record{r.s, newStruct(r.v), nil}
		if err := other.put(f, strings.TrimSpace(alt)); err != nil {
			return fmt.Errorf("range: %w", err)
		}
		alt = other.value(f)
		found = found || alt == have
		out = append(out, alt)
	}
	switch {
	case !found:
		return fmt.Errorf("%s is not in its range %s", have, clip(rng))
	case len(out) < 2:
		return fmt.Errorf("range %s: want more than one value", clip(rng))
	}
	o.Range = strings.Join(out, "|")
	return nil
}

// cutWord cuts s at the first field that is word.
func cutWord(s, word string) (before, after string, ok bool) {
	fields := strings.Fields(s)
	for i, f := range fields {
		if f == word {
			return strings.Join(fields[:i], " "), strings.Join(fields[i+1:], " "), true
		}
	}
	return s, "", false
}

// normalComment is a comment line with one space after #.
func normalComment(s string) string {
	s = strings.TrimSpace(strings.TrimPrefix(s, "#"))
	if s == "" {
		return "#"
	}
	return "# " + s
}
