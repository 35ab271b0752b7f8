package profile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	bpf "jitnic/host/ebpf"
	"jitnic/host/maps"
)

// record is a profile of either kind, by its schema: what parsing, printing
// and setting work on.
type record struct {
	s    *schema
	v    reflect.Value // the struct, addressable
	from Origins
}

func (r record) uint(f *field) uint64   { return r.v.Field(f.index).Uint() }
func (r record) text(f *field) string   { return r.v.Field(f.index).String() }
func (r record) list(f *field) []string { return r.v.Field(f.index).Interface().([]string) }

// value prints a parameter's value, in the unit it was written in.
func (r record) value(f *field) string {
	switch f.kind {
	case kindNumber:
		n, u := r.uint(f), r.unit(f)
		if n == 0 && f.zero != "" {
			return f.zero + " " + u.name
		}
		return f.number(n, u) + " " + u.name
	case kindBool:
		return yesNo(r.uint(f))
	case kindList:
		if l := r.list(f); len(l) > 0 {
			return strings.Join(l, ", ")
		}
		return f.empty
	}
	return r.text(f)
}

// unit is the unit a number was written in, else a fitting one.
func (r record) unit(f *field) unit {
	if u, err := f.unitNamed(r.from[f.key].Unit); err == nil {
		return u
	}
	return f.pick(r.uint(f))
}

func yesNo(n uint64) string {
	if n != 0 {
		return "yes"
	}
	return "no"
}

// put sets a parameter that is no number from its text.
func (r record) put(f *field, text string) error {
	v := r.v.Field(f.index)
	switch f.kind {
	case kindBool:
		switch text {
		case "yes":
			v.SetUint(1)
		case "no":
			v.SetUint(0)
		default:
			return fmt.Errorf("%q: want yes or no", clip(text))
		}
	case kindChoice:
		if !slices.Contains(f.names, text) {
			return fmt.Errorf("%q: want one of %s", clip(text), strings.Join(f.names, ", "))
		}
		v.SetString(text)
	case kindList:
		l, err := f.parseList(text)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(l))
	default:
		if text == "" {
			return fmt.Errorf("no value")
		}
		v.SetString(text)
	}
	return nil
}

// parseList reads names separated by commas; the word for the empty list gives
// nil.
func (f *field) parseList(text string) ([]string, error) {
	if text == f.empty {
		return nil, nil
	}
	var out []string
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			return nil, fmt.Errorf("%q: want names separated by commas, or %s", clip(text), f.empty)
		}
		if err := f.checkName(name); err != nil {
			return nil, err
		}
		if slices.Contains(out, name) {
			return nil, fmt.Errorf("%s stands twice", name)
		}
		out = append(out, name)
	}
	return out, nil
}

// checkName refuses names that nothing has, so that a slip can't forbid or
// allow anything silently.
func (f *field) checkName(name string) error {
	switch f.key {
	case "limit.map.types":
		if !mapTypes()[name] {
			return fmt.Errorf("%q is no map type", clip(name))
		}
	case "limit.helpers":
		if n, ok := bpf.HelperNumber(name); !ok || bpf.HelperName(n) != name {
			return fmt.Errorf("%q is no helper", clip(name))
		}
	case "limit.refused":
		if !slices.Contains(InsnClasses, name) {
			return fmt.Errorf("%q is no instruction class: want some of %s", clip(name), strings.Join(InsnClasses, ", "))
		}
	}
	return nil
}

// mapTypes are the kernel's map types by name.
func mapTypes() map[string]bool {
	out := map[string]bool{}
	for t := ebpf.Hash; t <= ebpf.Arena; t++ {
		out[maps.TypeName(t)] = true
	}
	return out
}
