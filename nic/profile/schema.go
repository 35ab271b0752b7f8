package profile

import (
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// kind is what values a parameter has.
type kind uint8

const (
	kindText   kind = iota // name and title
	kindNumber             // a number with a unit
	kindBool               // yes or no
	kindChoice             // one of a few names
	kindList               // names, separated by commas
)

// field is one parameter of a profile, as the tags of its struct field say.
type field struct {
	index int // of the struct field
	key   string
	unit  string // canonical: what a bare number is in
	doc   string
	kind  kind
	names []string // of a choice
	zero  string   // what 0 means: "unlimited", or nothing special
	empty string   // what the empty list is called: all, none
	def   string   // its value where a file says nothing of it; "": it must
	units []unit   // accepted, canonical first
	lo    uint64   // values it may have, in stored units
	hi    uint64
}

// schema is all parameters of one kind of profile, in order.
type schema struct {
	what   string // "profile", "host profile"
	ext    string // of its files
	fields []field
	byKey  map[string]int
}

var (
	nicSchema  = sync.OnceValue(func() *schema { return newSchema(reflect.TypeFor[NIC](), "profile", ".nic", 1) })
	hostSchema = sync.OnceValue(func() *schema { return newSchema(reflect.TypeFor[Host](), "host profile", ".host", 1000) })
)

// newSchema reads the tags. Times are stored in perNS parts of a nanosecond.
func newSchema(t reflect.Type, what, ext string, perNS int64) *schema {
	s := &schema{what: what, ext: ext, byKey: map[string]int{}}
	for i := range t.NumField() {
		sf := t.Field(i)
		key := sf.Tag.Get("key")
		if key == "" {
			continue // Origins
		}
		f := field{index: i, key: key, unit: sf.Tag.Get("unit"), doc: sf.Tag.Get("doc"), zero: sf.Tag.Get("zero"), empty: sf.Tag.Get("empty"), def: sf.Tag.Get("default")}
		switch {
		case sf.Type.Kind() == reflect.Slice:
			f.kind = kindList
		case f.unit == "":
			f.kind = kindText
		case f.unit == "bool":
			f.kind = kindBool
		case f.unit == "name":
			f.kind, f.names = kindChoice, strings.Split(sf.Tag.Get("names"), "|")
		default:
			f.kind = kindNumber
			f.units = unitsOf(f.unit, perNS)
			f.lo, f.hi = 0, highest(f.unit, perNS)
			if r := sf.Tag.Get("range"); r != "" {
				lo, hi, _ := strings.Cut(r, "..")
				f.lo, _ = strconv.ParseUint(lo, 10, 64)
				f.hi, _ = strconv.ParseUint(hi, 10, 64)
			}
		}
		s.byKey[key] = len(s.fields)
		s.fields = append(s.fields, f)
	}
	return s
}

// highest is the largest value of a unit that makes sense for any parameter:
// far beyond every device, and small enough that a model's sums fit 64 bits.
func highest(u string, perNS int64) uint64 {
	switch {
	case strings.HasPrefix(u, "cycles"):
		return 1e6
	case u == "ns" || strings.HasPrefix(u, "ns/"):
		return 1e10 * uint64(perNS) // 10 s
	case u == "Mbit/s":
		return 1e8
	case u == "1/s":
		return 1e12
	case u == "B":
		return 1 << 48
	}
	return math.MaxUint32
}

func (s *schema) field(key string) *field {
	i, ok := s.byKey[key]
	if !ok {
		return nil
	}
	return &s.fields[i]
}

// section is what stands together in a file, between blank lines.
func (f *field) section() string {
	s, _, _ := strings.Cut(f.key, ".")
	switch s {
	case "name", "title", "pcie", "install", "limit", "matcher", "compile", "user":
		return s
	case "exec", "map", "memory", "driver", "insn", "byte", "helper", "call", "atomic", "verdict":
		return "exec"
	}
	return "wire"
}
