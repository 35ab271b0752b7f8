package flows

import (
	"fmt"
	"slices"
	"strings"

	cebpf "github.com/cilium/ebpf"
)

// A Kind is what is hashed of a packet.
type Kind string

// The kinds; packets of none have no hash, and all go to the first queue.
const (
	None   Kind = "none"
	Addrs4 Kind = "IPv4"
	Ports4 Kind = "IPv4 with ports"
	Addrs6 Kind = "IPv6"
	Ports6 Kind = "IPv6 with ports"
)

// input is how many bytes of a kind are hashed: addresses, then ports.
var input = map[Kind]int{None: 0, Addrs4: 8, Ports4: 12, Addrs6: 32, Ports6: 36}

// A Map is one that queues share, as one part of a split run used it.
type Map struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Changed bool     `json:"changed"` // by a path that a packet took
	Room    int      `json:"room"`    // entries it holds before any is dropped or refused
	Start   int      `json:"start"`   // entries before the first packet
	Peak    int      `json:"peak"`    // and the most there were at a time, or more
	Layouts []Layout `json:"layouts,omitempty"`
	Bad     string   `json:"bad,omitempty"` // why nothing is known of its keys
}

// A Layout is how keys of a map are made of packets of a kind.
type Layout struct {
	Kind  Kind   `json:"kind"`
	Bytes []Byte `json:"bytes"`
}

// A Byte is one of a key: a constant, a byte of the hash's input, or another.
type Byte struct {
	Input int     `json:"input"`          // which byte of the hash's input it is; -1: none
	Seen  *Values `json:"seen,omitempty"` // values it had; nil: any
}

// Values is a set of bytes.
type Values [4]uint64

func (v *Values) add(b byte) { v[b>>6] |= 1 << (b & 63) }

func (v *Values) meets(o *Values) bool {
	for i := range v {
		if v[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// Apart says why the parts of a split run may not be run apart: parts are the maps
// that queues share, of each part. "": they may.
func Apart(parts [][]Map) string {
	type all struct {
		Map
		more int
	}
	var names []string
	by := map[string]*all{}
	for _, p := range parts {
		for _, m := range p {
			x := by[m.Name]
			if x == nil {
				x = &all{Map: Map{Name: m.Name, Type: m.Type, Room: m.Room, Start: m.Start}}
				by[m.Name] = x
				names = append(names, m.Name)
			}
			if x.Bad == "" {
				x.Bad = m.Bad
			}
			x.Changed = x.Changed || m.Changed
			x.more += m.Peak - m.Start
			x.Layouts = append(x.Layouts, m.Layouts...)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		m := by[n]
		if !m.Changed && m.Bad == "" {
			continue
		}
		why := m.Bad
		if why == "" && m.Type != cebpf.Hash.String() && m.Type != cebpf.LRUHash.String() {
			why = NoKeys(m.Type)
		}
		for i := 0; i < len(m.Layouts) && why == ""; i++ {
			for k := 0; k <= i && why == ""; k++ {
				why = meet(&m.Layouts[k], &m.Layouts[i])
			}
		}
		if why == "" && m.Start+m.more > m.Room {
			why = fmt.Sprintf("%d entries of all queues together may not find room, and what is dropped then is another's", m.Start+m.more)
		}
		if why != "" {
			return Shared(n) + why
		}
	}
	return ""
}

// Shared is what refusals of a map begin with.
func Shared(name string) string {
	return fmt.Sprintf("split flows: map %s is changed by the program and shared between queues: ", name)
}

// NoKeys is why a map of a type that is no hash is refused.
func NoKeys[T any](t T) string {
	return fmt.Sprintf("a map of type %v has no keys that tell them apart", t)
}

// meet says why packets of two layouts may have equal keys and different queues;
// "": they can't.
func meet(a, b *Layout) string {
	for i := range min(len(a.Bytes), len(b.Bytes)) {
		x, y := a.Bytes[i].Seen, b.Bytes[i].Seen
		if x != nil && y != nil && !x.meets(y) {
			return ""
		}
	}
	if a.Kind != b.Kind {
		return fmt.Sprintf("packets hashed as %s and as %s may come to one entry", a.Kind, b.Kind)
	}
	lacks := map[string]bool{}
	for in := range input[a.Kind] {
		if !holds(a, b, in) {
			lacks[field(a.Kind, in)] = true
		}
	}
	if len(lacks) == 0 {
		return ""
	}
	var list []string
	for _, f := range fields {
		if lacks[f] {
			list = append(list, f)
		}
	}
	text := strings.Join(list, ", ")
	for in := range input[a.Kind] {
		if !holds(a, a, in) || !holds(b, b, in) { // one of them alone
			return fmt.Sprintf("keys for packets hashed as %s don't tell the %s, which the queue follows from", a.Kind, text)
		}
	}
	return fmt.Sprintf("keys for packets hashed as %s hold %s in more than one order, as those of both directions of a connection, which are of two queues", a.Kind, text)
}

// holds says whether equal keys of two layouts have equal bytes of the input there.
func holds(a, b *Layout, in int) bool {
	for i := range min(len(a.Bytes), len(b.Bytes)) {
		if a.Bytes[i].Input == in && b.Bytes[i].Input == in {
			return true
		}
	}
	return false
}

var fields = []string{"source address", "destination address", "source port", "destination port"}

// field is what a byte of the input is of.
func field(k Kind, in int) string {
	addr := 4
	if k == Addrs6 || k == Ports6 {
		addr = 16
	}
	switch {
	case in < addr:
		return fields[0]
	case in < 2*addr:
		return fields[1]
	case in < 2*addr+2:
		return fields[2]
	}
	return fields[3]
}
