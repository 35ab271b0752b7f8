package pathcond

import (
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
	if v, ok := x.f.Known(own); ok && v {
		return x.genericLookup(i, key, x.rec.Key(c.rec), c.rec.Ret)
	}
	if e := x.changed(i, key, x.rec.Key(c.rec)); e != nil {
		if e.del {
			return x.u64(0)
		}
		return x.unknown(64) // of the others' values in it nothing is known
	}
	return b.Fun(Fun(FunLookupOn, i), 64, bv.Fact{}, append(key, cpu)...)
}
