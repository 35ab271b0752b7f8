package cell

import (
	"fmt"
	"io"
	"slices"

	"jitnic/host/points"
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
		c.Fail = splittable(split, prog)
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

// splittable says why a program can't be run in parts; "": it can. Queues may be
// run apart where what one does never shows to another: the program changes none
// but per-CPU maps. Windows where what a packet does depends on none before it.
func splittable(split spec.Split, prog *program) string {
	if prog.main == nil {
		return prog.fail
	}
	written, unknown := points.Written(prog.main.Insns, prog.main.Maps)
	for i, m := range prog.main.Maps {
		switch {
		case !written[i] && !unknown || m.ReadOnly:
		case split.How == "windows":
			return fmt.Sprintf("split windows: map %s is changed by the program: what a packet does depends on those before its window", m.Name)
		case !perCPU(m.Type):
			return fmt.Sprintf("split flows: map %s is changed by the program and shared between queues, and its entries aren't shown to be of one queue's flows", m.Name)
		}
	}
	return ""
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
