package pathcond

import (
	"bytes"

	"jitnic/host/maps"
	"jitnic/pathcond/bv"
)

// symLookupPerCPU is bpf_map_lookup_percpu_elem(map, key, cpu).
func symLookupPerCPU(x *exec, c *call) bv.Term {
	b := x.b
	i := x.mapArg(c, 1)
	spec := x.s.Maps[i].Spec()
	c.meta.Args = 3
	c.meta.Result = !maps.Ordered(spec.Type)
	x.reads(c, 2, int(spec.KeySize))
	key := x.mapKey(i, c)
	cpu := b.ZExt(b.Extract(x.r[3], 0, 32), 64)
	own := b.Bin(bv.OpEq, cpu, symCPU(x, &call{}))
	ms := x.mapState(i)
	if v, ok := x.f.Known(own); ok && v {
		return x.genericLookup(i, key, x.rec.Key(c.rec), c.rec.Ret)
	}
	for k := len(ms.events) - 1; k >= 0; k-- {
		e := &ms.events[k]
		same := bytes.Equal(x.rec.Key(c.rec), e.concrete)
		x.decide(x.sameKey(key, e.key), same, WhyAlias)
		if !same {
			continue
		}
		x.decide(e.ok, e.okRun, WhyHelper)
		switch {
		case e.okRun && e.del:
			return x.u64(0)
		case e.okRun: // of the others' values in it nothing is known
			return x.unknown(64)
		}
	}
	if maps.Ordered(spec.Type) && len(ms.events) > 0 {
		x.notFull(i, ms)
	}
	return b.Fun(Fun(FunLookupOn, i), 64, bv.Fact{}, append(key, cpu)...)
}
