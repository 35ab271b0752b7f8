package loader

import (
	"fmt"
	"strconv"
	"strings"

	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

// Which maps come into an outer map whose definition has no blueprint only user space
// knows (bpf_map__set_inner_map_fd of libbpf). Options.Inner says it in its place.

// innerTypes are the types that an inner map told in numbers may have.
var innerTypes = []cilium.MapType{cilium.Array, cilium.Hash, cilium.PerCPUArray, cilium.PerCPUHash, cilium.LRUHash, cilium.LRUCPUHash, cilium.LPMTrie, cilium.Queue, cilium.Stack}

// linkInner gives outer maps the blueprints that the options name, and marks those that
// have none: they stay empty, and then any will do.
func (l *linker) linkInner() error {
	for _, text := range l.opt.Inner {
		if err := l.inner(text); err != nil {
			return fmt.Errorf("inner map %q: %w", text, err)
		}
	}
	for _, s := range l.obj.Maps {
		if maps.IsOfMaps(s.Type) && s.Inner == nil {
			s.Inner = &maps.Spec{Name: s.Name + ".inner", Type: cilium.Array, KeySize: 4, ValueSize: 8, Max: 1}
			s.Untold = true
		}
	}
	return nil
}

// inner takes OUTER=MAP or OUTER=TYPE:KEY:VALUE:ENTRIES.
func (l *linker) inner(text string) error {
	name, is, ok := strings.Cut(text, "=")
	if !ok {
		return fmt.Errorf("want OUTER=MAP or OUTER=TYPE:KEY:VALUE:ENTRIES")
	}
	i, ok := l.mapIndex[name]
	if !ok {
		return fmt.Errorf("no map %q in the object", name)
	}
	outer := l.obj.Maps[i]
	switch {
	case !maps.IsOfMaps(outer.Type):
		return fmt.Errorf("map %q is no map of maps but a %s", name, maps.TypeName(outer.Type))
	case outer.Inner != nil:
		return fmt.Errorf("the object says itself what map %q holds", name)
	}
	if !strings.Contains(is, ":") {
		j, ok := l.mapIndex[is]
		if !ok {
			return fmt.Errorf("no map %q in the object", is)
		}
		if maps.IsOfMaps(l.obj.Maps[j].Type) {
			return fmt.Errorf("map %q is a map of maps itself", is)
		}
		outer.Inner = l.obj.Maps[j]
		return nil
	}
	part := strings.Split(is, ":")
	if len(part) != 4 {
		return fmt.Errorf("want TYPE:KEY:VALUE:ENTRIES, the last three numbers")
	}
	s := &maps.Spec{Name: name + ".inner"}
	for _, t := range innerTypes {
		if maps.TypeName(t) == part[0] {
			s.Type = t
		}
	}
	if s.Type == cilium.UnspecifiedMap {
		return fmt.Errorf("%q: no type that an inner map may have", part[0])
	}
	for k, to := range []*uint32{&s.KeySize, &s.ValueSize, &s.Max} {
		n, err := strconv.ParseUint(part[k+1], 10, 32)
		if err != nil {
			return fmt.Errorf("%q: want a number of up to 32 bits", part[k+1])
		}
		*to = uint32(n)
	}
	if s.Type == cilium.LPMTrie {
		s.Flags = maps.FlagNoPrealloc
	}
	if err := maps.Check(s); err != nil {
		return err
	}
	outer.Inner = s
	return nil
}
