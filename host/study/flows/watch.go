package flows

import (
	"encoding/binary"
	"fmt"
	"slices"

	"jitnic/cache/stream"
	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/run/replay"
	"jitnic/host/vm"

	cebpf "github.com/cilium/ebpf"
)

// A Watch looks at a run of one queue's packets and notes how they come to the maps
// that queues share.
type Watch struct {
	maps []watched
	s    *replay.Session
	uses map[use]*used
	// The program takes entries out, too: how many there were at a time is then
	// bounded by those that packets may have put in between.
	deletes bool
}

// used is how packets of a use come to the maps.
type used struct {
	layouts []*layout
	keys    []int // by map: how often
}

// use is a path as packets of a class take it.
type use struct {
	path uint32
	c    class
}

// watched is a map with what was seen of it.
type watched struct {
	Map
	index   int // in the state
	m       maps.Map
	before  int // entries when the last packets had been run
	adds    int // that packets since may have put in
	layouts map[string]*layout
}

// layout is one being made.
type layout struct {
	kind Kind
	from []source
	seen []Values
}

// New watches the maps of those names.
func New(names []string) *Watch {
	w := &Watch{uses: map[use]*used{}}
	for _, n := range names {
		w.maps = append(w.maps, watched{Map: Map{Name: n}, layouts: map[string]*layout{}})
	}
	return w
}

// Begin is called before the first packet.
func (w *Watch) Begin(s *replay.Session) {
	w.s = s
	s.Runtime.Comp.Keys = true
	for _, p := range s.Obj.Programs {
		w.deletes = w.deletes || slices.ContainsFunc(p.Insns, func(in ebpf.Insn) bool { h := in.Called(); return h != nil && h.ID == ebpf.FnMapDeleteElem })
	}
	for i := range w.maps {
		x := &w.maps[i]
		x.index = slices.IndexFunc(s.Runtime.S.Maps, func(m maps.Map) bool { return m.Spec().Name == x.Name })
		if x.index < 0 {
			x.Bad = "it is not among the maps of the run"
			continue
		}
		x.m = s.Runtime.S.Maps[x.index]
		spec := x.m.Spec()
		x.Room, x.Type = int(spec.Max), spec.Type.String()
		if spec.Type == cebpf.LRUHash { // it may drop entries before its last place is taken
			x.Room /= 2
		}
		x.Start = x.m.Len()
		x.Peak, x.before = x.Start, x.Start
	}
}

// Saw looks at packets that have been run, one after the other with the same
// outcome.
func (w *Watch) Saw(r replay.Several) error {
	for k := range r.Packets {
		if w.maps == nil {
			break
		}
		pkt := r.Packets[k].Data
		if r.Paths[k] == stream.None {
			for i := range w.maps {
				if w.maps[i].Bad == "" {
					w.maps[i].Bad = fmt.Sprintf("packet %d takes a path that can't be a trace, and which keys it came to isn't known", r.Packets[k].Index+1)
				}
			}
			continue
		}
		u := use{r.Paths[k], classOf(pkt)}
		use := w.uses[u]
		if use == nil {
			use = w.laidOut(u)
			w.uses[u] = use
		}
		for i, n := range use.keys {
			w.maps[i].adds += n
		}
		for _, l := range use.layouts {
			for i := range l.from {
				if f := &l.from[i]; f.ok && f.at >= 0 && f.at < len(pkt) {
					l.seen[i].add(pkt[f.at])
				}
			}
		}
	}
	for i := range w.maps {
		x := &w.maps[i]
		if x.m == nil {
			continue
		}
		n := x.m.Len()
		x.Peak = max(x.Peak, n)
		if w.deletes {
			x.Peak = max(x.Peak, min(x.before+x.adds, int(x.m.Spec().Max)))
		}
		x.before, x.adds = n, 0
	}
	return nil
}

// laidOut are the layouts of the keys that a path comes to the maps with.
func (w *Watch) laidOut(u use) *used {
	paths := w.s.Runtime.Paths()
	out := &used{keys: make([]int, len(w.maps))}
	if int(u.path) >= len(paths) { // the path of a packet that was run is there
		return out
	}
	p := paths[u.path].Path
	for i := range w.maps {
		w.maps[i].Changed = w.maps[i].Changed || slices.Contains(p.Changed, w.maps[i].index)
	}
	for _, k := range p.Keys {
		i := slices.IndexFunc(w.maps, func(x watched) bool { return x.index == k.Map })
		if i < 0 {
			continue
		}
		x := &w.maps[i]
		rd := reader{b: w.s.Runtime.Comp.B, data: w.s.Runtime.S.Buf + vm.Headroom, most: vm.MaxLinear, c: u.c}
		l := &layout{kind: u.c.kind}
		name := []byte(u.c.kind)
		for at := range int(x.m.Spec().KeySize) {
			f := rd.byteOf(k.Key[at/8], at%8)
			l.from = append(l.from, f)
			text := 1<<20 + f.input + 1 // where in the packet a byte of the input stands says nothing
			switch {
			case !f.ok:
				text = 1 << 21
			case f.at < 0:
				text = int(f.val)
			case f.input < 0:
				text = 1<<22 + f.at
			}
			name = binary.LittleEndian.AppendUint32(name, uint32(text))
		}
		if have := x.layouts[string(name)]; have != nil {
			// One that other paths share has its own places in these packets.
			l.seen = have.seen
		} else {
			l.seen = make([]Values, len(l.from))
			x.layouts[string(name)] = l
		}
		out.layouts, out.keys[i] = append(out.layouts, l), out.keys[i]+1
	}
	return out
}

// Maps are what was seen, in the order of the names.
func (w *Watch) Maps() []Map {
	var out []Map
	for i := range w.maps {
		x := &w.maps[i]
		var names []string
		for n := range x.layouts {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			l := x.layouts[n]
			o := Layout{Kind: l.kind}
			for k, f := range l.from {
				b := Byte{Input: -1}
				switch {
				case f.ok && f.at < 0:
					b.Seen = &Values{}
					b.Seen.add(f.val)
				case f.ok:
					v := l.seen[k]
					b.Input, b.Seen = f.input, &v
				}
				o.Bytes = append(o.Bytes, b)
			}
			x.Layouts = append(x.Layouts, o)
		}
		out = append(out, x.Map)
	}
	return out
}
