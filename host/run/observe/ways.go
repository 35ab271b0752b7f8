package observe

import (
	"encoding/binary"

	"jitnic/nic"
	"jitnic/nic/workload"
)

// ways numbers the sequences of segments that packets take, where paths are cut:
// each is a path of the workload.
type ways struct {
	ids   map[string]int32
	paths []workload.Path
	key   []byte
	one   [1]nic.Path

	// Of a path that the packet at hand is the first of: the cuts that its run has
	// still to come to, and which of its parts comes to the first of them.
	ahead []int
	part  int
}

// cut says whether the runtime's paths are cut.
func (o *Observer) cut() bool { return len(o.r.Tables()) > 1 }

// path is the number of the path that packet number n took, and the traces it is
// made of.
func (o *Observer) path(res *nic.Result, n int) (int32, []nic.Path) {
	w := &o.ways
	w.ahead, w.part = w.ahead[:0], -1
	if !o.cut() {
		w.one[0] = res.Path
		return res.Path, w.one[:]
	}
	if len(res.Segments) == 0 {
		return workload.None, nil
	}
	w.key = w.key[:0]
	for _, s := range res.Segments {
		w.key = binary.LittleEndian.AppendUint32(w.key, uint32(s))
	}
	id, ok := w.ids[string(w.key)]
	if !ok {
		id = int32(len(w.paths))
		if w.ids == nil {
			w.ids = map[string]int32{}
		}
		w.ids[string(w.key)] = id
		p := workload.Path{First: uint64(n)}
		infos := o.r.Paths()
		for _, s := range res.Segments {
			p.Parts = append(p.Parts, workload.Part{Segment: s})
			if next := infos[s].Path.Next; next > 0 {
				w.ahead = append(w.ahead, o.r.Comp.CutAt(next))
			}
		}
		w.paths, w.part = append(w.paths, p), 0
	}
	w.paths[id].Packets++
	return id, res.Segments
}

// passes is the run coming to a slot of the entry program, after so many accesses.
func (w *ways) passes(pc, accesses int) {
	if len(w.ahead) > 0 && w.ahead[0] == pc {
		w.ahead = w.ahead[1:]
		w.paths[len(w.paths)-1].Parts[w.part].Accesses = clip(accesses)
		w.part++
	}
}

// end is the end of the run.
func (w *ways) end(accesses uint16) {
	if w.part >= 0 {
		w.paths[len(w.paths)-1].Parts[w.part].Accesses = accesses
	}
}
