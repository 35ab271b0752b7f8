package observe

import (
	"hash/maphash"
	"maps"

	"jitnic/cache/stream"
	"jitnic/host/ebpf"
	hostmaps "jitnic/host/maps"
	"jitnic/host/mem"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/workload"
	"jitnic/nic/workload/consult"
	"jitnic/pathcond/tree"
	"jitnic/pcaps/rss"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// An Observer makes a workload of the packets that a Runtime with
// jit.Options.Record processes.
type Observer struct {
	W *workload.Workload
	// NewShape, where set, is shown the recording of the first run of each
	// shape: what it executed, instruction by instruction.
	NewShape func(shape uint32, rec *vm.Recording)

	r       *jit.Runtime
	queues  int
	shapes  map[shapeKey]uint32
	aborts  map[trace.Abort]int32
	entries map[string]uint32
	touched []uint32 // by map
	flows   *flowTable
	masker  *consult.Masker
	byPath  []pathShape
	ways    ways
	key     []byte
	found   []foundValue
	effects effects
	seed    maphash.Seed
	first   int64
}

// pathShape is the shape of a path's runs, known after the first.
type pathShape struct {
	infos []*jit.PathInfo // of its traces
	shape uint32
	mask  []uint16
}

// shapeKey tells shapes apart: the operations, and the way through the program.
type shapeKey struct {
	workload.Shape
	way uint64
}

// foundValue is a value that a look-up of the packet at hand has found.
type foundValue struct {
	addr  uint64
	entry uint32
}

// New makes the observer of a runtime. queues is how many receive queues flows
// are spread over, by RSS (below 2: one); a model of fewer cores takes them modulo.
func New(r *jit.Runtime, queues int) *Observer {
	o := &Observer{r: r, queues: max(queues, 1), W: &workload.Workload{Program: r.Entry.Name, Compiler: r.Comp},
		shapes: map[shapeKey]uint32{}, aborts: map[trace.Abort]int32{}, entries: map[string]uint32{},
		touched: make([]uint32, len(r.S.Maps)), flows: newFlowTable(), masker: consult.NewMasker(r.Comp), seed: maphash.MakeSeed()}
	r.OnInvalidate(o.invalidated)
	return o
}

// invalidated notes that a path's condition can never hold again.
func (o *Observer) invalidated(p nic.Path, during bool) {
	at := uint64(len(o.W.Packets))
	if during { // it takes effect after this packet's own request
		at++
	}
	o.W.Invalidations = append(o.W.Invalidations, stream.Invalidation{At: at, ID: uint32(p)})
}

// Packet adds the packet that the runtime has just processed, with this result.
func (o *Observer) Packet(in *vm.Input, out *vm.Output, res nic.Result) {
	w, r := o.W, o.r
	if len(w.Packets) == 0 {
		o.first = int64(in.TimeNS)
	}
	t := int64(in.TimeNS) - o.first
	if n := len(w.Time); n > 0 {
		t = max(t, w.Time[n-1]) // captures of several ports may step back
	}
	path, traces := o.path(&res, len(w.Packets))
	p := workload.Packet{Path: path, Abort: workload.None, First: uint32(len(w.Accesses)),
		Len: clip(len(in.Data)), OutLen: clip(len(out.Data)), Fate: fate(out), Added: uint8(min(int(in.Added), len(in.Data)))}
	if o.queues > 1 {
		p.Queue = uint16(rss.Queue(in.Data, o.queues))
	}
	var key workload.FlowKey
	p.Flow, key = o.flows.of(in.Data)
	rec := r.Recording()
	if out.Err == vm.ErrShort || out.Err == vm.ErrLong {
		rec.Reset() // it never ran
	}
	o.accesses(rec)
	p.N = clip(len(w.Accesses) - int(p.First))
	o.ways.end(p.N)
	if p.Path == workload.None {
		p.Shape = o.shape(rec)
		p.Abort = o.abort(res.Abort)
		w.Aborts[p.Abort].Packets++
	} else {
		p.Shape = o.shapeOf(p.Path, traces, rec)
	}
	w.Effects = append(w.Effects, o.effect(in, out))
	w.Packets = append(w.Packets, p)
	w.Time = append(w.Time, t)
	w.Keys = append(w.Keys, key)
	if !o.cut() {
		w.Mega = append(w.Mega, o.masker.Hash(p.Path, in.Data))
	}
}

// clip puts a length into 16 bits.
func clip(n int) uint16 { return uint16(min(n, 1<<16-1)) }

// fate is where the packet goes after its verdict.
func fate(out *vm.Output) workload.Fate {
	if out.Err != nil {
		return workload.Drop
	}
	switch out.Verdict {
	case 2:
		return workload.Pass
	case 3:
		return workload.Tx
	case 4:
		return workload.Redirect
	}
	return workload.Drop
}

// shapeOf is the shape of a path's run, of these traces: all runs of a path execute
// the same.
func (o *Observer) shapeOf(path int32, traces []nic.Path, rec *vm.Recording) uint32 {
	for int(path) >= len(o.byPath) {
		o.byPath = append(o.byPath, pathShape{})
	}
	ps := &o.byPath[path]
	infos := o.r.Paths()
	known := ps.infos != nil
	for i := range ps.infos {
		known = known && ps.infos[i] == infos[traces[i]] // not where a changed entry gave the number to another path
	}
	if !known {
		ps.infos, ps.shape = nil, o.shape(rec)
		for _, t := range traces {
			ps.infos = append(ps.infos, infos[t])
		}
		if !o.cut() {
			ps.mask = o.masker.Add(path, infos[path].Path.Cond, infos[path].Path.Trace)
		}
	}
	return ps.shape
}

func (o *Observer) shape(rec *vm.Recording) uint32 {
	var k shapeKey
	var h maphash.Hash
	h.SetSeed(o.seed)
	var buf [8]byte
	for i := range rec.Steps {
		s := &rec.Steps[i]
		k.Insns++
		buf[0], buf[1], buf[2], buf[3], buf[4], buf[5] = byte(s.Prog), byte(s.Prog>>8), byte(s.PC), byte(s.PC>>8), byte(s.PC>>16), byte(s.Frame)
		h.Write(buf[:6])
		in := o.r.Obj.Programs[s.Prog].Insns[s.PC]
		switch in.Class() {
		case ebpf.ClassSTX:
			if in.IsAtomic() {
				if reg := o.r.S.Mem.Find(s.Addr, 1); reg != nil && reg.Kind == mem.KindMap {
					k.Ops[workload.OpAtomic]++
				}
			}
		case ebpf.ClassJMP:
			if in.Op == ebpf.OpCall {
				if in.Src == ebpf.CallLocal {
					k.Ops[workload.OpCall]++
				} else if in.Src == 0 {
					k.Ops[o.op(&rec.Calls[s.Addr])]++
				} else {
					k.Ops[workload.OpHelper]++
				}
			}
		}
	}
	k.way = h.Sum64()
	id, ok := o.shapes[k]
	if !ok {
		id = uint32(len(o.W.Shapes))
		o.shapes[k] = id
		o.W.Shapes = append(o.W.Shapes, k.Shape)
		if o.NewShape != nil {
			o.NewShape(id, rec)
		}
	}
	return id
}

// op is the class of a helper call.
func (o *Observer) op(c *vm.Call) workload.Op {
	switch c.Helper {
	case ebpf.FnMapLookupElem, ebpf.FnMapLookupPercpuElem:
		if c.Map < 0 {
			return workload.OpHelper
		}
		switch o.r.S.Maps[c.Map].Spec().Type {
		case cebpf.Array, cebpf.ArrayOfMaps, cebpf.DevMap, cebpf.CPUMap, cebpf.XSKMap:
			return workload.OpArray
		case cebpf.PerCPUArray:
			return workload.OpPerCPU
		case cebpf.LRUHash, cebpf.LRUCPUHash:
			return workload.OpLRU
		case cebpf.LPMTrie:
			return workload.OpLPM
		}
		return workload.OpHash
	case ebpf.FnMapUpdateElem, ebpf.FnMapDeleteElem:
		return workload.OpUpdate
	case ebpf.FnTailCall:
		return workload.OpTail
	case ebpf.FnRedirect, ebpf.FnRedirectMap:
		return workload.OpRedirect
	}
	return workload.OpHelper
}

// accesses notes the map entries the run used, each read once and each write.
func (o *Observer) accesses(rec *vm.Recording) {
	w := o.W
	begin := len(w.Accesses)
	o.found = o.found[:0]
	add := func(e uint32, write bool) {
		if !write {
			for _, a := range w.Accesses[begin:] {
				if a.Entry == e {
					return // a look-up brings the value with it
				}
			}
		}
		w.Accesses = append(w.Accesses, workload.Access{Entry: e, Write: write})
	}
	for i := range rec.Steps {
		s := &rec.Steps[i]
		if i > 0 && s.Prog == rec.Steps[0].Prog && s.Frame == 0 {
			o.ways.passes(int(s.PC), len(w.Accesses)-begin)
		}
		in := o.r.Obj.Programs[s.Prog].Insns[s.PC]
		switch in.Class() {
		case ebpf.ClassLDX, ebpf.ClassST, ebpf.ClassSTX:
			reg := o.r.S.Mem.Find(s.Addr, 1)
			if reg == nil || reg.Kind != mem.KindMap {
				continue
			}
			m := o.r.S.Maps[reg.Owner]
			if m.Spec().ReadOnly {
				continue // constants
			}
			own, ok := m.(hostmaps.Owner)
			if !ok {
				continue
			}
			base := own.ValueOf(s.Addr)
			e, ok := o.seen(base)
			if !ok {
				k := own.KeyOf(s.Addr)
				if k == nil {
					continue
				}
				e = o.entry(reg.Owner, k)
				o.found = append(o.found, foundValue{base, e})
			}
			add(e, in.Class() != ebpf.ClassLDX)
		case ebpf.ClassJMP:
			if in.Op != ebpf.OpCall || in.Src != 0 {
				continue
			}
			c := &rec.Calls[s.Addr]
			if c.Map < 0 || c.KeyLen == 0 {
				continue
			}
			e := o.entry(int(c.Map), rec.Key(c))
			switch c.Helper {
			case ebpf.FnMapUpdateElem, ebpf.FnMapDeleteElem:
				add(e, true)
			default:
				add(e, false)
				if own, ok := o.r.S.Maps[c.Map].(hostmaps.Owner); ok && c.Helper == ebpf.FnMapLookupElem && c.Ret != 0 {
					o.found = append(o.found, foundValue{own.ValueOf(c.Ret), e})
				}
			}
		}
	}
}

func (o *Observer) seen(base uint64) (uint32, bool) {
	for i := len(o.found) - 1; i >= 0; i-- {
		if o.found[i].addr == base {
			return o.found[i].entry, true
		}
	}
	return 0, false
}

// entry is the dense number of a map's key.
func (o *Observer) entry(m int, key []byte) uint32 {
	o.key = append(o.key[:0], byte(m), byte(m>>8))
	o.key = append(o.key, key...)
	e, ok := o.entries[string(o.key)]
	if !ok {
		e = uint32(len(o.entries))
		o.entries[string(o.key)] = e
		o.W.EntryMap = append(o.W.EntryMap, uint16(m))
		for m >= len(o.touched) { // a map made for a map of maps
			o.touched = append(o.touched, 0)
		}
		o.touched[m]++
	}
	return e
}

// abort is the number of the reason why the packet at hand has no path.
func (o *Observer) abort(why *trace.Abort) int32 {
	a := trace.Abort{Detail: "a packet the kernel refuses: too short or too long"}
	if why != nil {
		a = *why
	}
	i, ok := o.aborts[a]
	if !ok {
		i = int32(len(o.W.Aborts))
		o.aborts[a] = i
		o.W.Aborts = append(o.W.Aborts, workload.Abort{Reason: a.Reason, Program: a.Program, Insn: a.Insn, Detail: a.Detail})
	}
	return i
}

// Finish completes the workload: paths and maps. With an optimiser
// (jit.Options.Optimise) every path's trace is optimised here.
func (o *Observer) Finish() (*workload.Workload, error) {
	w, r := o.W, o.r
	w.Entries = len(o.entries)
	traces := make([]workload.Path, len(r.Paths()))
	walks := map[int32]tree.Walk{}
	for _, t := range r.Tables() {
		maps.Copy(walks, t.Walks())
	}
	for i, info := range r.Paths() {
		t, err := r.Trace(nic.Path(i))
		if err != nil {
			return nil, err
		}
		traces[i] = workload.Path{Raw: info.Path.Trace, Trace: t, Cond: info.Path.Cond, Depth: walks[int32(i)].Nodes, Lookups: walks[int32(i)].Lookups,
			Slots: uint32(t.Len() + len(info.Path.Cond)), Packets: info.Packets, First: info.First,
			Optimised: r.Optimises()}
	}
	if o.cut() {
		w.Segments, w.Paths = traces, o.ways.paths
		for i, info := range r.Paths() {
			if traces[i].Table = info.Path.Table; info.Path.Next > 0 {
				traces[i].Held = workload.HeldBy(info.Path.Trace)
			}
		}
	} else {
		w.Paths = traces
	}
	for i := range o.byPath {
		w.Paths[i].Shape, w.Paths[i].Mask = o.byPath[i].shape, o.byPath[i].mask
	}
	for i, m := range r.S.Maps {
		s := m.Spec()
		w.Maps = append(w.Maps, workload.Map{Name: s.Name, Type: hostmaps.TypeName(s.Type), Key: s.KeySize, Value: s.ValueSize,
			Max: s.Max, Used: uint32(m.Len()), Touched: o.touched[i], PerCPU: hostmaps.IsPerCPU(s)})
	}
	return w, nil
}
