package fit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"jitnic/nic/profile"
	"jitnic/nic/workload"
	"jitnic/trace"
)

// Check judges a workload on a device. Paths without packets in the workload
// don't count.
func Check(w *workload.Workload, n *profile.NIC) *Report {
	c := &checker{w: w, n: n, r: &Report{Program: w.Program, Capture: w.Capture, NIC: n.Name, Packets: uint64(len(w.Packets))},
		ids: map[blockerKey]int{}, places: map[placeKey]bool{}}
	c.measure()
	c.uses()
	c.aborts()
	c.group()
	c.place()
	c.rank()
	c.coverage()
	c.sizes()
	return c.r
}

type checker struct {
	w *workload.Workload
	n *profile.NIC
	r *Report

	ids    map[blockerKey]int
	places map[placeKey]bool
	abort  []int // by workload.Abort: its blocker
	lost   []uint64
	groups []*group
	now    placement
	full   [2]int  // blockers limit.map.entries and limit.map.memory; -1: have room for all
	order  []int32 // paths with packets, by packets falling
}

type blockerKey struct {
	kind Kind
	name string
}

type placeKey struct {
	blocker    int
	prog, insn int32
	path       int32 // where the program's place isn't known
	slot       int
}

// onNIC says whether the device has to hold maps at all.
func onNIC(n *profile.NIC) bool {
	return n.Memory == profile.MemNIC || n.Memory == profile.MemReplicated
}

// measure counts packets and sizes what there is.
func (c *checker) measure() {
	r := c.r
	r.Paths = make([]PathFit, len(c.w.Paths))
	c.lost = make([]uint64, len(c.w.Aborts))
	for i := range c.w.Packets {
		switch p := &c.w.Packets[i]; {
		case p.Path != workload.None:
			r.Paths[p.Path].Packets++
			r.Traceable++
		case p.Abort != workload.None:
			c.lost[p.Abort]++
		}
	}
	traces := c.w.Traces()
	for i := range r.Paths {
		p := &r.Paths[i]
		for _, part := range c.w.Parts(i) {
			t := &traces[part.Segment]
			p.Preds += len(t.Cond)
			p.Slots += uint64(t.Slots)
			if t.Trace != nil {
				p.Insns += t.Trace.Len()
			}
		}
		if p.Packets > 0 {
			c.order = append(c.order, int32(i))
		}
	}
	slices.SortStableFunc(c.order, func(a, b int32) int { return cmp.Compare(r.Paths[b].Packets, r.Paths[a].Packets) })
	r.Maps = make([]MapFit, len(c.w.Maps))
	for i := range r.Maps {
		m := &c.w.Maps[i]
		r.Maps[i] = MapFit{Name: m.Name, Type: m.Type, Entry: entryBytes(m), Entries: uint64(m.Max), Memory: mapBytes(m)}
	}
}

func up8(n uint32) uint64 { return (uint64(n) + 7) &^ 7 }

// entryBytes is the size of an entry: key and value, each rounded up to 8 (as
// nfp/bpf does and the kernel's own hash map).
func entryBytes(m *workload.Map) uint64 { return up8(m.Key) + up8(m.Value) }

// mapBytes is the memory of a map with all its entries. An array keeps no
// keys; a ring buffer has its size in max_entries.
func mapBytes(m *workload.Map) uint64 {
	switch {
	case m.Type == "ringbuf":
		return uint64(m.Max)
	case m.Type == "array" || m.Type == "percpu_array":
		return up8(m.Value) * uint64(m.Max)
	}
	return entryBytes(m) * uint64(m.Max)
}

// uses finds what each path asks of the device, and what of it is refused.
func (c *checker) uses() {
	traces := c.w.Traces()
	for _, path := range c.order {
		p := &c.r.Paths[path]
		for _, part := range c.w.Parts(int(path)) {
			c.usesOf(p, path, &traces[part.Segment])
		}
		slices.Sort(p.Maps)
		for _, m := range p.Maps {
			c.r.Maps[m].Paths++
			c.r.Maps[m].Packets += p.Packets
		}
		if l := c.n.Held; l > 0 && uint64(c.w.Held(int(path)).Bytes) > l {
			c.block(p, KindHeld, "more held back than limit.held", "limit.held", fmt.Sprintf("limit %d B", l), wholeTrace(path))
		}
	}
}

// wholeTrace is the place of what is said of all of a path.
func wholeTrace(path int32) Place { return Place{Path: path, Slot: 0, Prog: -1, Insn: -1} }

// usesOf finds what one of a path's traces asks of the device.
func (c *checker) usesOf(p *PathFit, path int32, t *workload.Path) {
	if t.Trace == nil {
		return
	}
	us := usesOf(t.Trace, path)
	if c.w.Compiler != nil {
		us = append(us, condUses(c.w.Compiler.B, t.Cond, path)...)
	}
	for _, u := range us {
		if u.m >= 0 && int(u.m) < len(c.r.Maps) && !slices.Contains(p.Maps, int(u.m)) {
			p.Maps = append(p.Maps, int(u.m))
		}
		c.refuse(p, u)
	}
	if l := c.n.TraceSlots; l > 0 && uint64(t.Trace.Len()) > l {
		c.block(p, KindTrace, "traces of more than limit.trace", "limit.trace", fmt.Sprintf("limit %d", l), wholeTrace(path))
	}
	if l := c.n.Slots; l > 0 && uint64(t.Slots) > l {
		c.block(p, KindStore, "entries of more than limit.slots", "limit.slots", fmt.Sprintf("limit %d", l), wholeTrace(path))
	}
	if l := c.n.MatcherTables; l > 0 && uint64(t.Table) >= l {
		c.block(p, KindTables, "segments behind the last of matcher.tables", "matcher.tables", fmt.Sprintf("limit %d", l), wholeTrace(path))
	}
}

// refuse notes what the device doesn't take of a use.
func (c *checker) refuse(p *PathFit, u use) {
	n := c.n
	name := "an unknown map"
	if u.m >= 0 && int(u.m) < len(c.r.Maps) {
		name = c.r.Maps[u.m].Name
	}
	switch u.what {
	case useHelper:
		if n.HelperNames != nil && !slices.Contains(n.HelperNames, u.name) {
			c.block(p, KindHelper, u.name, "limit.helpers", "", u.place)
		}
	case useInsn:
		if slices.Contains(n.NoInsns, u.name) {
			c.block(p, KindInsn, u.name, "limit.refused", "", u.place)
		}
	case useMap:
		if !onNIC(n) || u.m < 0 || int(u.m) >= len(c.r.Maps) {
			return
		}
		m := &c.r.Maps[u.m]
		if n.MapTypes != nil && !slices.Contains(n.MapTypes, m.Type) {
			c.block(p, KindMapType, m.Type, "limit.map.types", "", u.place)
		}
		if n.MapEntry > 0 && m.Entry > n.MapEntry {
			c.block(p, KindMapEntry, m.Name, "limit.map.entry", fmt.Sprintf("%d B, limit %d B", m.Entry, n.MapEntry), u.place)
		}
	case useStore:
		if n.MapWrites != profile.WritesAny && n.MapWrites != "" {
			c.block(p, KindMapWrite, name, "limit.map.writes", "", u.place)
		}
	case useAtomic, useUpdate:
		if n.MapWrites == profile.WritesNone {
			c.block(p, KindMapWrite, name, "limit.map.writes", "", u.place)
		}
	}
}

// block adds a blocker to a path.
func (c *checker) block(p *PathFit, kind Kind, name, limit, detail string, at Place) {
	id := c.blocker(kind, name, limit, detail)
	if !slices.Contains(p.Blockers, id) {
		p.Blockers = append(p.Blockers, id)
		c.r.Blockers[id].Paths++
	}
	c.note(id, at)
}

// note keeps a place, once.
func (c *checker) note(id int, at Place) {
	k := placeKey{blocker: id, prog: at.Prog, insn: at.Insn}
	if at.Insn < 0 {
		k.path, k.slot = at.Path, at.Slot
	}
	if c.places[k] {
		return
	}
	c.places[k] = true
	if comp := c.w.Compiler; at.Program == "" && comp != nil && comp.Obj != nil && at.Prog >= 0 && int(at.Prog) < len(comp.Obj.Programs) {
		at.Program = comp.Obj.Programs[at.Prog].Name
	}
	b := &c.r.Blockers[id]
	if len(b.Places) < maxPlaces {
		b.Places = append(b.Places, at)
	} else {
		b.More++
	}
}

func (c *checker) blocker(kind Kind, name, limit, detail string) int {
	k := blockerKey{kind, name}
	id, ok := c.ids[k]
	if !ok {
		id = len(c.r.Blockers)
		c.ids[k] = id
		c.r.Blockers = append(c.r.Blockers, Blocker{Kind: kind, Name: name, Limit: limit, Detail: detail})
	}
	return id
}

// aborts makes blockers of the ways not to be a trace: one for each reason and
// detail, wherever it happens.
func (c *checker) aborts() {
	c.abort = make([]int, len(c.w.Aborts))
	for i := range c.w.Aborts {
		a := &c.w.Aborts[i]
		name := a.Reason.String()
		if a.Detail != "" {
			name += ": " + a.Detail
		}
		if a.Reason == trace.ReasonNone {
			name = a.Detail
		}
		id := c.blocker(KindAbort, name, "", a.Reason.Explain())
		c.r.Blockers[id].Reason = a.Reason
		c.abort[i] = id
		if c.lost[i] > 0 && a.Reason != trace.ReasonNone {
			c.note(id, Place{Path: -1, Slot: -1, Prog: -1, Insn: int32(a.Insn), Program: a.Program})
		}
	}
}

// group is all packets that the same things block and that need the same maps.
type group struct {
	blockers []int // but for the limits on all maps together
	maps     []int
	packets  uint64
	paths    []int32
}

func (c *checker) group() {
	byKey := map[string]*group{}
	add := func(blockers, maps []int) *group {
		key := fmt.Sprint(blockers, maps)
		g := byKey[key]
		if g == nil {
			g = &group{blockers: slices.Clone(blockers), maps: maps}
			byKey[key] = g
			c.groups = append(c.groups, g)
		}
		return g
	}
	for _, path := range c.order {
		p := &c.r.Paths[path]
		slices.Sort(p.Blockers)
		g := add(p.Blockers, p.Maps)
		g.packets += p.Packets
		g.paths = append(g.paths, path)
	}
	for i, n := range c.lost {
		if n > 0 {
			add([]int{c.abort[i]}, nil).packets += n
		}
	}
	// Maps are placed for the hottest first.
	slices.SortStableFunc(c.groups, func(a, b *group) int { return cmp.Compare(b.packets, a.packets) })
}

// place finds which groups fit. Those that would not fit beside them even if
// nothing else kept them out are blamed on the limits of all maps together.
func (c *checker) place() {
	none := map[int]bool{}
	c.limits()
	c.now = c.offload(none, nil)
	c.r.Offloadable = c.now.packets
	for i := range c.now.placed {
		c.r.Maps[i].Placed = c.now.placed[i]
	}
	if c.r.Packets > 0 {
		c.r.Share = float64(c.r.Offloadable) / float64(c.r.Packets)
	}
	all := map[int]bool{}
	for i := range c.r.Blockers {
		all[i] = i != c.full[0] && i != c.full[1]
	}
	with := func(id int) placement {
		if id >= 0 {
			all[id] = true
			defer func() { all[id] = false }()
		}
		return c.offload(all, &c.now)
	}
	lifted, noEntries, noMemory := with(-1), with(c.full[0]), with(c.full[1])
	for i, g := range c.groups {
		if lifted.in[i] {
			continue
		}
		// A limit is to blame where lifting the other isn't enough.
		var ids []int
		if !noMemory.in[i] && c.full[0] >= 0 {
			ids = append(ids, c.full[0])
		}
		if !noEntries.in[i] && c.full[1] >= 0 {
			ids = append(ids, c.full[1])
		}
		if len(ids) == 0 { // either alone would do
			ids = append(ids, c.full[0])
		}
		for _, id := range ids {
			b := &c.r.Blockers[id]
			b.Blocks += g.packets
			for _, m := range g.maps {
				if name := "without " + c.r.Maps[m].Name; !lifted.placed[m] && !slices.Contains(strings.Split(b.Detail, ", "), name) {
					b.Detail += ", " + name
				}
			}
			for _, path := range g.paths {
				p := &c.r.Paths[path]
				p.Blockers = append(p.Blockers, id)
				b.Paths++
			}
		}
	}
}

// limits makes blockers of the limits on all maps together, if all maps that
// paths use exceed them.
func (c *checker) limits() {
	c.full = [2]int{-1, -1}
	var entries, memory uint64
	for i := range c.r.Maps {
		if m := &c.r.Maps[i]; m.Paths > 0 {
			entries, memory = entries+m.Entries, memory+m.Memory
		}
	}
	if !onNIC(c.n) {
		return
	}
	if l := c.n.MapEntries; l > 0 && entries > l {
		c.full[0] = c.blocker(KindMapEntries, "Σ max_entries of maps", "limit.map.entries", fmt.Sprintf("limit %d", l))
	}
	if l := c.n.MapMemory; l > 0 && memory > l {
		c.full[1] = c.blocker(KindMapMemory, "memory of maps", "limit.map.memory", fmt.Sprintf("limit %d B", l))
	}
}

// placement is which groups a device takes, and the maps for them.
type placement struct {
	packets uint64
	in      []bool // by group
	placed  []bool // by map
}

// offload places the maps of the groups that nothing else blocks while
// limit.map.entries and limit.map.memory have room, the hottest group first,
// with some blockers lifted. What was offloaded before stays, so that lifting
// never loses any packets.
func (c *checker) offload(lifted map[int]bool, before *placement) placement {
	order := make([]int, 0, len(c.groups))
	for i, g := range c.groups {
		if !slices.ContainsFunc(g.blockers, func(b int) bool { return !lifted[b] }) {
			order = append(order, i)
		}
	}
	if before != nil {
		slices.SortStableFunc(order, func(a, b int) int {
			switch {
			case before.in[a] == before.in[b]:
				return 0
			case before.in[a]:
				return -1
			}
			return 1
		})
	}
	out := placement{in: make([]bool, len(c.groups)), placed: make([]bool, len(c.r.Maps))}
	var entries, memory uint64
	for _, i := range order {
		g := c.groups[i]
		var e, m uint64
		for _, id := range g.maps {
			if !out.placed[id] {
				e += c.r.Maps[id].Entries
				m += c.r.Maps[id].Memory
			}
		}
		if c.full[0] >= 0 && !lifted[c.full[0]] && entries+e > c.n.MapEntries ||
			c.full[1] >= 0 && !lifted[c.full[1]] && memory+m > c.n.MapMemory {
			continue
		}
		entries, memory = entries+e, memory+m
		for _, id := range g.maps {
			out.placed[id] = true
		}
		out.in[i] = true
		out.packets += g.packets
	}
	return out
}
