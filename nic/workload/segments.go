package workload

import "jitnic/trace"

// A Part is one segment of a path that is cut into segments.
type Part struct {
	Segment  int32  // number, of Workload.Segments
	Accesses uint16 // to map entries that the path makes up to the segment's end
}

// Held is what a trace's stores to packet and maps overwrite, which is held back
// where its path has a segment behind it.
type Held struct{ Stores, Bytes uint32 }

// HeldBy counts the stores of a trace as it was recorded. The stack dies with the
// packet, so what is written there needs no holding back.
func HeldBy(t *trace.Trace) (h Held) {
	for i := range t.Code {
		in := &t.Code[i]
		if i < len(t.Meta) && in.IsStore() && (t.Meta[i].Mem == trace.MemPacket || t.Meta[i].Mem == trace.MemMap) {
			h.Stores++
			h.Bytes += uint32(in.Size())
		}
	}
	return h
}

// Traces are what stands in the trace cache, by number: segments where paths are
// cut, else the paths.
func (w *Workload) Traces() []Path {
	if w.Segments != nil {
		return w.Segments
	}
	return w.Paths
}

// Parts are the traces that packets of a path run, in order: of a path that isn't
// cut itself alone.
func (w *Workload) Parts(path int) []Part {
	if w.Segments != nil {
		return w.Paths[path].Parts
	}
	return []Part{{Segment: int32(path)}}
}

// First is the trace that packets of a path run first.
func (w *Workload) First(path int32) int32 {
	if w.Segments != nil {
		return w.Paths[path].Parts[0].Segment
	}
	return path
}

// Tables is how many tables traces stand in.
func (w *Workload) Tables() int {
	n := 1
	for i := range w.Segments {
		n = max(n, w.Segments[i].Table+1)
	}
	return n
}

// Held is the most that is held back for a packet of a path, before its last
// segment.
func (w *Workload) Held(path int) (h Held) {
	parts := w.Parts(path)
	for _, p := range parts[:len(parts)-1] {
		x := w.Segments[p.Segment].Held
		h.Stores += x.Stores
		h.Bytes += x.Bytes
	}
	return h
}
