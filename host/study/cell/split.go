package cell

import (
	"fmt"
	"io"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/points"
	"jitnic/host/run/replay"
	"jitnic/host/study/flows"
	"jitnic/host/study/spec"
	"jitnic/pcaps"
	"jitnic/pcaps/gen"

	cebpf "github.com/cilium/ebpf"
)

// parts are the cells of a run that is split, or the run itself.
func (r *resolver) parts(c *Cell, split spec.Split, prog *program) ([]*Cell, error) {
	if split.How == "" {
		return []*Cell{c}, nil
	}
	if c.Fail == "" {
		c.Shared, c.Fail = splittable(split, c, prog)
	}
	var out []*Cell
	switch split.How {
	case "flows":
		for k := range split.N {
			y := *c
			y.Identity.Split, y.Identity.Part, y.Identity.Queues = split.String(), k, split.N
			y.Queues, y.Part, y.Input.Queues = split.N, k, split.N
			out = append(out, &y)
		}
	case "windows":
		n, err := r.packets(c)
		if err != nil {
			return nil, err
		}
		for k := range uint64(split.N) {
			y := *c
			id := &y.Identity
			id.Split, id.Part = split.String(), int(k)
			id.From, id.To = n*k/uint64(split.N), n*(k+1)/uint64(split.N)
			if id.To == id.From {
				continue
			}
			id.Lead = min(id.From, (id.To-id.From)/leadShare)
			y.Part, y.Input.Limit = int(k), id.To
			out = append(out, &y)
		}
	}
	return out, nil
}

// leadShare is which part of a window's length is read before it to warm the cache.
const leadShare = 4

// splittable says why a program can't be run in parts; "": it can. Windows may be
// run apart where what a packet does depends on none before it: the program changes
// no map. Queues where what one does never shows to another: of shared, maps that
// the program may change and that queues share, the run has to show that it doesn't,
// or that their keys tell the queue (package flows).
func splittable(split spec.Split, c *Cell, prog *program) (shared []string, fail string) {
	if prog.main == nil {
		return nil, prog.fail
	}
	written, unknown := changed(prog)
	for i, m := range prog.obj.Maps {
		switch {
		case m.ReadOnly || !written[i] && (!unknown || !values(m.Type)):
		case split.How == "windows":
			return nil, fmt.Sprintf("split windows: map %s is changed by the program: what a packet does depends on those before its window", m.Name)
		case perCPU(m.Type):
		case written[i] && m.Type != cebpf.Hash && m.Type != cebpf.LRUHash:
			return nil, flows.Shared(m.Name) + flows.NoKeys(m.Type)
		case written[i]:
			shared = slices.Insert(shared, 0, m.Name)
		default:
			shared = append(shared, m.Name)
		}
	}
	if len(shared) == 0 {
		return nil, ""
	}
	if how, err := c.Remedies(); err == nil && how != (replay.Remedies{}) {
		return nil, flows.Shared(shared[0]) + fmt.Sprintf("what its keys tell is shown of generic traces, not of %v ones", how)
	}
	if name := wanders(prog); name != "" {
		return nil, flows.Shared(shared[0]) + name + " may come to any entry of it"
	}
	return shared, ""
}

// changed says which maps of the object the program changes, by itself or through
// those that it goes on in.
func changed(prog *program) (written []bool, unknown bool) {
	written = make([]bool, len(prog.obj.Maps))
	for _, p := range prog.reach() {
		w, u := points.Written(p.Insns, p.Maps)
		unknown = unknown || u
		for i := range w {
			written[i] = written[i] || w[i]
		}
	}
	return written, unknown
}

// reach are the programs that may run on a packet: the one that is asked for, and
// where there are tail calls or programs behind redirects, all of the object.
func (p *program) reach() []*loader.Program {
	all := slices.ContainsFunc(p.main.Insns, func(in ebpf.Insn) bool {
		h := in.Called()
		return h != nil && (h.ID == ebpf.FnTailCall || h.ID == ebpf.FnRedirectMap)
	})
	if all {
		return p.obj.Programs
	}
	return []*loader.Program{p.main}
}

// keyed are the helpers that come to a map by a key that a path has as terms, and
// those that never come to a hash map.
var keyed = []int32{ebpf.FnMapLookupElem, ebpf.FnMapUpdateElem, ebpf.FnMapDeleteElem, ebpf.FnTailCall, ebpf.FnRedirectMap, ebpf.FnPerfEventOutput}

// wanders names a function of the program that comes to maps in another way.
func wanders(prog *program) string {
	for _, p := range prog.reach() {
		for _, in := range p.Insns {
			if h := in.Called(); h != nil && h.MapArg() != 0 && !slices.Contains(keyed, h.ID) {
				return "bpf_" + h.Name
			}
		}
	}
	return ""
}

// values says whether programs may write to what a map holds, through a pointer.
func values(t cebpf.MapType) bool {
	return !slices.Contains([]cebpf.MapType{cebpf.ProgramArray, cebpf.ArrayOfMaps, cebpf.HashOfMaps, cebpf.DevMap, cebpf.DevMapHash, cebpf.CPUMap, cebpf.XSKMap, cebpf.SockMap, cebpf.SockHash}, t)
}

func perCPU(t cebpf.MapType) bool {
	return t == cebpf.PerCPUArray || t == cebpf.PerCPUHash || t == cebpf.LRUCPUHash || t == cebpf.PerCPUCGroupStorage || t == cebpf.PerfEventArray
}

// packets counts those of a cell's captures, to divide them.
func (r *resolver) packets(c *Cell) (uint64, error) {
	if c.Gen != nil {
		g, err := gen.New(*c.Gen)
		if err != nil {
			return 0, err
		}
		return g.Spec().Packets, nil
	}
	key := Hash(c.Identity.Captures) + c.Filter
	if n, ok := r.counted[key]; ok {
		return n, nil
	}
	in := c.Input
	in.Captures = slices.Clone(in.Captures)
	for i, p := range in.Captures {
		local, err := r.files.Local(p)
		if err != nil {
			return 0, err
		}
		in.Captures[i] = local
	}
	src, err := in.Source(r.ctx)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	var n uint64
	var p pcaps.Packet
	for {
		if err := src.Next(&p); err == io.EOF {
			break
		} else if err != nil {
			return 0, err
		}
		n++
	}
	r.counted[key] = n
	return n, nil
}
