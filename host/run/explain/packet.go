package explain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"jitnic/cache"
	"jitnic/host/diff"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/text"
)

// Fate is what became of one packet, and why.
type Fate struct {
	Packet  uint64 `json:"packet"`  // the first packet is 1
	Frame   string `json:"frame"`   // which that is of its capture, where packets before it were left out or are of another one
	Length  int    `json:"length"`  // bytes of the packet
	Outcome string `json:"outcome"` // hit or the miss class
	Path    int    `json:"path"`    // -1: its path can't be a trace
	Verdict string `json:"verdict"`
	Why     string `json:"why"`             // in a sentence
	Abort   string `json:"abort,omitempty"` // why its path can't be a trace
	// Segments are those of the packet, where paths are cut: Path is then the first that
	// missed (of a hit the last), and History, Way and Left are of it.
	Segments []Piece `json:"segments,omitempty"`
	// History is what became of the path's own trace before the packet.
	History []Event `json:"history"`
	// Way are the predicates the packet satisfied, in program order.
	Way []Decision `json:"way"`
	// Left are the installed traces it left, the nearest first.
	Left []Leaving `json:"left"`

	Installed int `json:"installed"` // traces in the cache when it came
	Known     int `json:"known"`     // paths that were known when it came
}

// Event is something that happened to a path's trace.
type Event struct {
	Packet uint64 `json:"packet"` // during which it happened; 0: before the first
	What   string `json:"what"`   // put, evicted, dropped, …
	By     int    `json:"by"`     // the path whose trace took the room; -1: none did
}

// Decision is a predicate with its place.
type Decision struct {
	Place     Place  `json:"place"`           // where it was decided
	Predicate string `json:"predicate"`       // in words
	Value     string `json:"value,omitempty"` // what the left side was
}

// Leaving is how a packet left a trace: the first predicate that didn't hold.
type Leaving struct {
	Path     int      `json:"path"`
	Agreed   int      `json:"agreed"`   // predicates that held before it
	Of       int      `json:"of"`       // predicates of the trace
	Decision Decision `json:"decision"` // the predicate
}

// Piece is one segment of a packet.
type Piece struct {
	Segment int    `json:"segment"` // its number
	Table   int    `json:"table"`   // that it stands in; 0 is the first
	From    string `json:"from"`    // where that begins
	Outcome string `json:"outcome"` // hit or the miss class
}

// mostLeft is how many installed traces are named.
const mostLeft = 5

// Packet replays the captures up to a packet and says what became of it: which
// installed traces it left and where, what its own path is, and what had become of
// that path's trace. Packets are numbered from 1, as they are delivered. change may
// adjust the runtime's options.
func Packet(ctx context.Context, in replay.Input, ca replay.Cache, change func(o *jit.Options), number uint64) (*Fate, *replay.Session, error) {
	// Of segments the packets behind this one have a say in where paths are cut.
	if ca.Segments == 0 && (in.Limit == 0 || in.Limit > number) {
		in.Limit = number
	}
	s, err := replay.Open(ctx, in, ca, change)
	if err != nil {
		return nil, nil, err
	}
	w := &witness{s: s, rt: s.Runtime, last: number - 1, tables: make([]table, len(s.Runtime.Tables()))}
	cfg := jit.UsualCache(ca.Config(in.Seed))
	cfg.Events = true
	if w.beside, err = cache.NewTraceCache(cfg); err != nil {
		s.Close()
		return nil, nil, err
	}
	w.rt.OnInvalidate(w.invalidated)
	s.Before = w.before
	if err := s.Run(ctx, w.after); err != nil && !errors.Is(err, errTold) {
		s.Close()
		return nil, nil, err
	}
	if w.fate == nil {
		n := s.Runtime.Packets
		s.Close()
		return nil, nil, fmt.Errorf("packet %d: there are only %d", number, n)
	}
	return w.fate, s, nil
}

// witness watches a run until its packet comes. The cache beside the device's own
// does the same, and tells what it does.
type witness struct {
	s         *replay.Session
	rt        *jit.Runtime
	beside    *cache.TraceCache
	last      uint64 // index of the packet
	now       uint64 // index of the packet at hand
	pending   []nic.Path
	history   map[nic.Path][]Event
	tables    []table // whole paths stand in one
	installed int
	fate      *Fate
}

// table is how the packet found a table, where it came to it.
type table struct {
	values map[bv.Term]uint64 // what its known paths compare
	left   []Leaving          // its installed traces
}

// errTold ends a run when its packet has been told of.
var errTold = errors.New("told")

func (w *witness) invalidated(p nic.Path, during bool) {
	if during {
		w.pending = append(w.pending, p)
		return
	}
	w.beside.Invalidate(uint32(p))
	w.drain(w.now+1, -1)
}

// drain keeps what has happened during a packet, of a path.
func (w *witness) drain(packet uint64, by int) {
	if w.history == nil {
		w.history = map[nic.Path][]Event{}
	}
	for _, e := range w.beside.Events() {
		x := Event{Packet: packet, What: e.Kind.String(), By: -1}
		if e.Kind == cache.Evicted {
			x.By = by
		}
		w.history[nic.Path(e.ID)] = append(w.history[nic.Path(e.ID)], x)
	}
}

// before sees how far the packet agrees with each installed trace, while maps are
// as it finds them.
func (w *witness) before(in *vm.Input) error {
	w.now = w.rt.Packets
	if w.now != w.last {
		return nil
	}
	for i := range w.rt.Paths() {
		if w.rt.NIC.Cache.Installed(uint32(i)) {
			w.installed++
		}
	}
	if len(w.tables) > 1 { // the device says when the packet comes to each
		w.rt.NIC.Watch = w.look
	} else if w.rt.S.Begin(in) == nil {
		w.look(0)
	}
	return nil
}

// look sees a table as the packet finds it.
func (w *witness) look(number int) {
	t := &w.tables[number]
	if t.values != nil { // it has been here
		return
	}
	t.values = map[bv.Term]uint64{}
	eval := bv.NewEvaluator(w.rt.Comp.B, w.rt.Tables()[number].Env())
	for i, p := range w.rt.Paths() {
		if p.Path.Table != number {
			continue
		}
		for _, pr := range p.Path.Cond {
			if x, ok := w.compared(pr.Term); ok {
				t.values[x] = eval.Eval(x)
			}
		}
		if !w.rt.NIC.Cache.Installed(uint32(i)) {
			continue
		}
		for k, pr := range p.Path.Cond {
			if (eval.Eval(pr.Term) != 0) != pr.Want {
				t.left = append(t.left, Leaving{Path: i, Agreed: k, Of: len(p.Path.Cond), Decision: w.decision(t, p.Path.Cond, pr)})
				break
			}
		}
	}
	slices.SortStableFunc(t.left, func(a, b Leaving) int {
		return cmp.Or(b.Agreed-a.Agreed, (a.Of-a.Agreed)-(b.Of-b.Agreed))
	})
	t.left = t.left[:min(len(t.left), mostLeft)]
}

// decision says a predicate of a table's, with what its left side was.
func (w *witness) decision(t *table, cond []pathcond.Pred, p pathcond.Pred) Decision {
	q := text.In(w.rt.Comp, cond).Question(p)
	return Decision{Place: PlaceOf(w.s.Obj.Programs[p.Prog], int(p.PC)), Predicate: shown(q), Value: w.value(t, p, q)}
}

// shown is a question as a person reads it.
func shown(q text.Question) string {
	of, to := plain(unlet(q)), plain(q.To)
	if q.Rel == "==" || q.Rel == "!=" {
		to = text.ValueName(of, to)
	}
	if field, bits, ok := masked(of); ok {
		of = field + " & " + text.MaskName(field, bits)
	}
	return text.Question{Of: of, Rel: q.Rel, To: to}.String()
}

// compared is the left side of a comparison, as its words have it: bytes of the packet
// in network order. Look-ups have none: they find something, or don't.
func (w *witness) compared(t bv.Term) (x bv.Term, ok bool) {
	b := w.rt.Comp.B
	switch b.Op(t) {
	case bv.OpEq, bv.OpULt, bv.OpSLt:
	default:
		return 0, false
	}
	x = b.Args(t)[0]
	if _, fixed := b.IsConst(x); fixed {
		x = b.Args(t)[1]
	}
	read := x
	if _, ok := w.mask(x); ok {
		read = b.Args(x)[0]
	}
	if b.Op(read) != bv.OpFun {
		return x, true
	}
	switch id, _ := pathcond.FunParts(b.K(read)); id {
	case pathcond.FunLookup, pathcond.FunPresent, pathcond.FunRoom:
		return 0, false
	case pathcond.FunLoad:
		if _, k := b.SplitAdd(b.Args(read)[0]); b.Width(x) > 8 && k-w.rt.S.Buf <= vm.MaxLinear+vm.Headroom {
			x = b.BSwap(x)
		}
	}
	return x, true
}

// mask is the constant that a term is masked with, in the order that the term is
// told in.
func (w *witness) mask(x bv.Term) (uint64, bool) {
	b := w.rt.Comp.B
	switch b.Op(x) {
	case bv.OpAnd:
		return b.IsConst(b.Args(x)[1])
	case bv.OpBSwap:
		if in := b.Args(x)[0]; b.Op(in) == bv.OpAnd {
			return b.IsConst(b.BSwap(b.Args(in)[1]))
		}
	}
	return 0, false
}

// value is what the left side of a comparison was; "" where nobody looked in time: a
// path that the packet itself has shown may read what the program has changed since.
func (w *witness) value(t *table, p pathcond.Pred, q text.Question) string {
	x, ok := w.compared(p.Term)
	if !ok {
		return ""
	}
	v, ok := t.values[x]
	if !ok {
		return ""
	}
	of := plain(unlet(q))
	if m, ok := w.mask(x); ok && m != 0 && !strings.Contains(of, " & ") && !strings.HasSuffix(of, ".hlen") {
		v >>= bits.TrailingZeros64(m) // bits with a name of their own
	}
	switch {
	case strings.Count(q.To, ".") == 3 || of == "ip.src" || of == "ip.dst":
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}).String()
	case strings.HasPrefix(q.To, "0x") && text.ValueName(of, fmt.Sprint(v)) == fmt.Sprint(v):
		return fmt.Sprintf("%#x", v)
	}
	return text.ValueName(of, fmt.Sprint(v))
}

// after notes what a packet did to the cache, and of the last one all there is.
func (w *witness) after(p *replay.Packet) error {
	res := p.Result
	w.beside.At(int64(p.In.TimeNS))
	if w.now == w.last {
		w.fate = w.tell(p)
	}
	for _, id := range requested(&res) {
		if id == nic.NoPath {
			w.beside.Uncacheable()
		} else {
			slots, cost := w.rt.Price(id)
			w.beside.Request(uint32(id), slots, cost)
		}
		w.drain(w.now+1, int(id))
	}
	for _, q := range w.pending {
		w.beside.Invalidate(uint32(q))
	}
	w.pending = w.pending[:0]
	w.drain(w.now+1, -1)
	if w.fate != nil {
		return errTold
	}
	return nil
}

// requested are what a packet asked the cache for: its segments, where paths are cut.
func requested(res *nic.Result) []nic.Path {
	if len(res.Segments) > 0 {
		return res.Segments
	}
	return []nic.Path{res.Path}
}

func (w *witness) tell(p *replay.Packet) *Fate {
	res := p.Result
	f := &Fate{Packet: w.last + 1, Frame: frameOf(p.In), Length: len(p.Data), Outcome: res.Outcome.String(), Path: int(res.Path), Verdict: diff.VerdictName(p.Out.Verdict),
		History: []Event{}, Way: []Decision{}, Left: []Leaving{}, Installed: w.installed, Known: len(w.rt.Paths())}
	number := 0
	for i, id := range res.Segments {
		x := Piece{Segment: int(id), Table: w.rt.Paths()[id].Path.Table, From: w.s.Entry.Name, Outcome: res.Each[i].String()}
		if x.Table > 0 {
			x.From = w.s.Cuts.Places[x.Table-1]
		}
		if id == res.Path {
			number = x.Table
		}
		f.Segments = append(f.Segments, x)
	}
	at := &w.tables[number]
	if res.Outcome != cache.Hit {
		f.Left = append(f.Left, at.left...)
	}
	if res.Abort != nil {
		f.Abort = AbortPlace(w.rt, res.Abort).Where + ": " + res.Abort.Error()
	}
	if res.Path >= 0 {
		f.History = append(f.History, w.history[res.Path]...)
		cond := w.rt.Paths()[res.Path].Path.Cond
		for _, pr := range cond {
			f.Way = append(f.Way, w.decision(at, cond, pr))
		}
	}
	for _, id := range requested(&res) {
		if id >= 0 && w.rt.Paths()[id].First == w.last {
			f.Known-- // this one made it known
		}
	}
	f.Why = f.why()
	return f
}

// frameOf says which frame of its capture a packet is, where its own number doesn't.
func frameOf(in *vm.Input) string {
	if in.Frame == 0 {
		return ""
	}
	return fmt.Sprintf("frame %d of %s", in.Frame, filepath.Base(in.File))
}

// thing is what a packet's numbers are of.
func (f *Fate) thing() string {
	if len(f.Segments) > 0 {
		return "segment"
	}
	return "path"
}

// missed is the first segment that isn't in: its index; -1: all are.
func (f *Fate) missed() int {
	return slices.IndexFunc(f.Segments, func(x Piece) bool { return x.Outcome != cache.Hit.String() })
}

// why says it in a sentence.
func (f *Fate) why() string {
	last := Event{By: -1}
	for _, e := range f.History {
		if e.What == "evicted" || e.What == "dropped" || e.What == "put" || e.What == "canceled" || e.What == "refused" {
			last = e
		}
	}
	thing := f.thing()
	what := fmt.Sprintf("%s: the trace of %s %d", f.Outcome, thing, f.Path)
	before := ""
	if k := f.missed(); k >= 0 && len(f.Segments) > 1 {
		what += fmt.Sprintf(", the %s of its %d segments and from %s on,", ordinalOf(k+1), len(f.Segments), f.Segments[k].From)
		before = fmt.Sprintf(", the %s of its %d and from %s on", ordinalOf(k+1), len(f.Segments), f.Segments[k].From)
	}
	switch f.Outcome {
	case cache.Hit.String():
		if len(f.Segments) > 1 {
			return fmt.Sprintf("hit: the traces of all its %d segments were in, that of the last, %d, since packet %d", len(f.Segments), f.Path, last.Packet)
		}
		return fmt.Sprintf("%s was put in during packet %d", what, last.Packet)
	case cache.Cold.String():
		w := fmt.Sprintf("cold: it is the first packet of %s %d%s", thing, f.Path, before)
		if len(f.Left) == 0 {
			if before != "" {
				return w + ", and no trace of that table was installed"
			}
			return w + ", and no trace was installed"
		}
		return w + "; " + f.Left[0].in(thing)
	case cache.Capacity.String():
		w := fmt.Sprintf("%s was evicted during packet %d", what, last.Packet)
		if last.By >= 0 && last.By != f.Path {
			w += fmt.Sprintf(", when that of %s %d took its room", thing, last.By)
		}
		if len(f.Segments) > 0 && len(f.Left) > 0 {
			w += "; " + f.Left[0].in(thing)
		}
		return w
	case cache.Invalidated.String():
		return fmt.Sprintf("%s was dropped during packet %d, as a map entry it depends on changed", what, last.Packet)
	case cache.InFlight.String():
		return what + " was being compiled and installed"
	case cache.NotHot.String():
		return fmt.Sprintf("not_hot: %s %d%s was seen before, and was not yet hot or not admitted", thing, f.Path, before)
	}
	if f.Abort != "" {
		return "uncacheable: its path can't be a trace: " + f.Abort
	}
	return "uncacheable: it was refused before it ran"
}

// ordinalOf is a number in an order.
func ordinalOf(n int) string {
	if few := []string{"first", "second", "third", "fourth"}; n <= len(few) {
		return few[n-1]
	}
	return fmt.Sprintf("%d%s", n, ordinal(n))
}

// String says where a packet left a trace.
func (l Leaving) String() string { return l.in("path") }

func (l Leaving) in(thing string) string {
	s := fmt.Sprintf("it left the nearest installed trace, of %s %d, at %s, where that wants %s", thing, l.Path, l.Decision.Place.Where, l.Decision.Predicate)
	if l.Decision.Value != "" {
		s += fmt.Sprintf(" and it has %s", l.Decision.Value)
	}
	return s
}
