package explain

import (
	"slices"
	"strings"

	"jitnic/cache"
	"jitnic/host/diff"
	"jitnic/host/ebpf"
	"jitnic/nic"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// Path is one path of a study.
type Path struct {
	Number       int
	Packets      uint64
	Outcome      cache.Counts // of its packets
	First        uint64       // number of the packet that showed it; the first packet is 1
	Verdict      string       // of its packets, see Verdict
	Maps         []string     // that its trace touches
	Executed     int          // instructions a miss runs
	Instructions int          // of its trace
	Slots        uint32       // its entry takes
	Code         []string     // its trace's text
	Steps        []Step       // its condition, in program order
	Data         []byte       // of the first packet, MostBytes at most
	Length       int          // of the first packet
	Read         []int        // offsets of the bytes of Data that the condition reads
	Over         []Window     // its packets over time
}

// Step is a predicate of a path's condition.
type Step struct {
	Predicate int  // of Study.Predicates
	Want      bool // what it came out as
}

// Predicate is a predicate of some paths at a point.
type Predicate struct {
	Point   int // of Study.Points; -1: its point tells no paths apart
	Place   Place
	Holds   string // as words; where it holds
	Fails   string // and where it doesn't
	Reads   []string
	Packets uint64 // that came to it
}

// Window is a stretch of the run.
type Window struct{ Hits, Misses uint64 }

// Windows is how many a run is cut into.
const Windows = 48

// PathList lists the paths, by number.
func (s *Study) PathList() []Path {
	out := make([]Path, s.Paths())
	for i, info := range s.runtime.Paths() {
		x := s.seen[i]
		slots, cost := s.runtime.Price(nic.Path(i))
		p := Path{Number: i, Packets: info.Packets, Outcome: x.outcome, First: info.First + 1, Verdict: Verdict(info.Path.Trace), Executed: int(cost), Instructions: info.Trace.Len(),
			Slots: slots, Data: x.data, Length: x.length, Over: make([]Window, Windows)}
		text := trace.Format(info.Trace, func(m int) string { return s.runtime.S.Maps[m].Spec().Name })
		p.Code = strings.Split(strings.TrimRight(text, "\n"), "\n")[1:]
		for _, m := range s.maps(nic.Path(i)) {
			p.Maps = append(p.Maps, s.runtime.S.Maps[m].Spec().Name)
		}
		for _, st := range s.route[i] {
			p.Steps = append(p.Steps, Step{st.pred, st.want})
		}
		p.Read = s.reading(i)
		out[i] = p
	}
	n := len(s.outcome)
	for k, id := range s.stream.IDs {
		if int(id) >= len(out) {
			continue
		}
		w := &out[id].Over[k*Windows/n]
		if s.outcome[k] == cache.Hit {
			w.Hits++
		} else {
			w.Misses++
		}
	}
	return out
}

// Verdict is what a path's packets get, where the path alone decides it: its trace
// ends with a constant. Others read theirs from a map, or the like.
func Verdict(t *trace.Trace) string {
	for i := len(t.Code) - 1; i >= 0; i-- {
		in := t.Code[i]
		if in.Op == ebpf.OpExit || !in.Writes().Has(0) {
			continue
		}
		if c := in.Class(); (c == ebpf.ClassALU || c == ebpf.ClassALU64) && in.ALUOp() == ebpf.ALUMov && in.Op&ebpf.SrcX == 0 {
			name, _, _ := strings.Cut(diff.VerdictName(uint32(in.Imm)), " (")
			return name
		}
		break
	}
	return "as it is read"
}

// Predicates lists all predicates that paths' conditions have.
func (s *Study) Predicates() []Predicate {
	number := map[int]int{} // of points, by index
	for i, p := range s.Points {
		number[p.index] = i
	}
	out := make([]Predicate, len(s.preds))
	for i, p := range s.preds {
		x := Predicate{Point: -1, Place: PlaceOf(s.program(p.Prog), int(p.PC)), Reads: s.reads(p)}
		if k, ok := number[p.point]; ok {
			x.Point = k
		}
		if p.wants[1] {
			x.Holds = shown(s.saying(i, true))
		}
		if p.wants[0] {
			x.Fails = shown(s.saying(i, false))
		}
		out[i] = x
	}
	for i, info := range s.runtime.Paths() {
		for _, st := range s.route[i] {
			out[st.pred].Packets += info.Packets
		}
	}
	return out
}

// reading are the offsets of the bytes of a path's first packet that its condition
// reads.
func (s *Study) reading(path int) []int {
	at := map[int]bool{}
	x := s.seen[path]
	w := &frame{data: x.data, base: s.data(), length: x.length}
	eval := bv.NewEvaluator(s.runtime.Comp.B, w)
	for _, st := range s.route[path] {
		p := s.preds[st.pred]
		for _, r := range s.bytes(p) {
			off := eval.Eval(r.At) - s.data()
			for k := range uint64(r.Size) {
				if off+k < uint64(len(x.data)) {
					at[int(off+k)] = true
				}
			}
		}
	}
	out := make([]int, 0, len(at))
	for k := range at {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
