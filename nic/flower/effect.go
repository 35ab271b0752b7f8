package flower

import (
	"fmt"
	"regexp"
	"strconv"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/text"
	"jitnic/pcaps/splitmix"
)

// trials is how many random packets of a match an edit is held to: those that
// can't be told from constants alone (a time to live that counts down, a
// checksum) are believed on them, and held to the program on every packet again.
const trials = 512

// effect is what a path does as a rule's edits, counts and action; or why it
// can't be said.
func (b *builder) effect(p *Path, m *Match, so []pathcond.Pred) (r Rule, why string) {
	e := p.Path.Effect
	r.Do.VID = -1
	if e == nil {
		return r, "what it does wasn't kept"
	}
	if e.Other != "" {
		return r, e.Other
	}
	if why = b.action(e, &r); why != "" {
		return r, why
	}
	for i := range e.Values {
		c, why := b.counts(&e.Values[i])
		if why != "" {
			return r, why
		}
		r.Counts = append(r.Counts, c)
	}
	if r.Action == Drop { // nobody sees its bytes; OpenFlow's drop stands alone (ovs-actions(7))
		return r, ""
	}
	return r, b.edits(e, m, so, &r)
}

// action finds where the packet goes.
func (b *builder) action(e *pathcond.Effect, r *Rule) string {
	v, ok := b.known(e.Verdict)
	if !ok {
		return "its verdict: whether the map it redirects by has the key"
	}
	switch uint32(v) {
	case vm.XDPDrop:
		r.Action = Drop
	case vm.XDPPass:
		r.Action = Pass
	case vm.XDPTx:
		r.Action = Back
	case vm.XDPRedirect:
		if e.Sent == nil {
			return "its verdict"
		}
		to, ok := b.known(e.Sent.To)
		if !ok {
			return "it redirects to where the packet says"
		}
		r.Action, r.Port = Out, b.port(e.Sent.Map, to)
	default:
		return fmt.Sprintf("its verdict: %d", v)
	}
	return ""
}

// counts says a store into a map's value as a counter, if it is one: the number
// that is there plus a constant, or plus the packet's length and a constant.
func (b *builder) counts(s *pathcond.Stored) (c Count, why string) {
	x := b.c.B
	name := b.c.S.Maps[s.Map].Spec().Name
	addr := s.Off
	if s.Base != 0 {
		base, ok := b.found(s.Base)
		if !ok {
			return c, fmt.Sprintf("it writes map %q by a key of the packet's", name)
		}
		addr += base
	}
	if s.Cond != 0 || s.N > 8 {
		return c, fmt.Sprintf("it writes map %q", name)
	}
	at := x.Const(s.Off, 64)
	if s.Base != 0 {
		at = x.Bin(bv.OpAdd, s.Base, at)
	}
	added := x.Bin(bv.OpSub, s.Val, x.Fun(pathcond.FunLoad, 8*s.N, bv.Fact{}, at))
	c = Count{Map: s.Map, Addr: addr, Size: s.N}
	if k, ok := x.IsConst(added); ok {
		c.Add = k
		return c, ""
	}
	env := &bytesEnv{}
	ev := bv.NewEvaluator(x, env)
	for i, n := range []uint64{64, 65, 127, 256, 1500, 3000} {
		env.length = n
		ev.Reset()
		d := ev.Eval(added) - n&bv.Mask(8*s.N)
		if i == 0 {
			c.Add = d
		}
		if env.foreign || env.loads || d != c.Add {
			return c, fmt.Sprintf("it writes map %q", name)
		}
	}
	c.Bytes = true
	return c, ""
}

// found is the address of a value that a look-up finds whose key is fixed, in a
// map that nothing is taken out of.
func (b *builder) found(t bv.Term) (uint64, bool) {
	x := b.c.B
	if x.Op(t) != bv.OpFun {
		return 0, false
	}
	if id, _ := pathcond.FunParts(x.K(t)); id != pathcond.FunLookup {
		return 0, false
	}
	for _, a := range x.Args(t) {
		if _, ok := x.IsConst(a); !ok {
			return 0, false
		}
	}
	v := bv.NewEvaluator(x, &pathcond.Env{S: b.c.S, Versions: b.c.Versions}).Eval(t)
	return v, v != 0
}

// bytesEnv answers for the bytes of one packet, and its length.
type bytesEnv struct {
	data    uint64 // address of the first byte
	p       []byte
	length  uint64
	foreign bool // something else was asked
	loads   bool
}

func (e *bytesEnv) Input(id uint64) uint64 {
	if id == pathcond.InLen {
		return e.length
	}
	e.foreign = true
	return 0
}

func (e *bytesEnv) Apply(id uint64, args []uint64) (v uint64) {
	if f, _ := pathcond.FunParts(id); f != pathcond.FunLoad || args[0] < e.data {
		e.foreign = true
		return 0
	}
	e.loads = true
	for i := uint64(0); i < 8; i++ {
		if at := args[0] - e.data + i; at < uint64(len(e.p)) {
			v |= uint64(e.p[at]) << (8 * i)
		}
	}
	return v
}

// least is what a path asks of the time to live.
var least = regexp.MustCompile(`^ip6?\.(?:ttl|hops) >= (\d+)$`)

// edits finds what a path makes of the packet's bytes.
func (b *builder) edits(e *pathcond.Effect, m *Match, so []pathcond.Pred, r *Rule) string {
	x := b.c.B
	data := b.c.S.Buf + vm.Headroom
	if e.End != x.Bin(bv.OpAdd, x.Const(data, 64), x.Input(pathcond.InLen, 64, bv.Fact{})) {
		return "it changes where the packet ends"
	}
	w := &written{b: b, at: map[int]bv.Term{}, data: data, delta: int(int64(e.Data - data))}
	for i := range e.Packet {
		if why := w.store(&e.Packet[i], m); why != "" {
			return why
		}
	}
	switch w.delta {
	case 0:
	case -4:
		if why := w.pushed(&r.Do); why != "" {
			return why
		}
	case 4:
		if m.Tag == 0 {
			return "it takes 4 bytes off the front of a packet that has no tag"
		}
		r.Do.Pop = true
	default:
		return fmt.Sprintf("it moves the packet's front by %d bytes", w.delta)
	}
	if len(w.at) == 0 && w.delta == 0 {
		return ""
	}
	if why := w.fields(m, &r.Do); why != "" {
		return why
	}
	if t := m.Keys[TTL]; r.Do.Down && !b.alive(so) && (t.Mask[0] != 0xff || t.Value[0] < 2) {
		return "it counts down a time to live that may be 0 or 1"
	}
	return w.tried(m, r)
}

// alive says whether the answers so far ask for a time to live of 2 or more.
func (b *builder) alive(so []pathcond.Pred) bool {
	for i := len(so) - 1; i >= 0; i-- {
		if x := least.FindStringSubmatch(text.FormatPred(b.c, so, so[i])); x != nil {
			n, _ := strconv.Atoi(x[1])
			return n >= 2
		}
	}
	return false
}

// written are bytes that a path leaves in the packet, by their place before the
// packet's front was moved.
type written struct {
	b     *builder
	at    map[int]bv.Term
	data  uint64
	delta int
}

func (w *written) store(s *pathcond.Stored, m *Match) string {
	x := w.b.c.B
	addr := s.Off
	if s.Cond != 0 {
		return "it writes the packet where a condition holds"
	}
	if s.Base != 0 {
		if w.b.opt.Parser != Plain || m.Type != typeIPv4 {
			return "it writes at an offset that the packet says"
		}
		// Of a plain packet the IPv4 header's length is known.
		env := &bytesEnv{data: w.data, p: make([]byte, 64), length: 64}
		env.p[m.l3()] = 0x45
		v := bv.NewEvaluator(x, env).Eval(s.Base)
		if env.foreign || !w.b.readsOnly(s.Base, w.data+uint64(m.l3())) {
			return "it writes at an offset that the packet says"
		}
		addr += v
	}
	for i := range s.N {
		w.at[int(int64(addr-w.data))+i] = x.Extract(s.Val, 8*i, 8)
	}
	return ""
}

// old is a byte as it came.
func (w *written) old(at int) bv.Term {
	x := w.b.c.B
	return x.Fun(pathcond.FunLoad, 8, bv.Fact{}, x.Const(w.data+uint64(int64(at)), 64))
}

// same says whether a byte is what it was at a place. Terms may say that in many
// ways: it is believed on random bytes, and tried again with the whole.
func (w *written) same(t bv.Term, at int) bool {
	if t == w.old(at) {
		return true
	}
	env := &bytesEnv{data: w.data, p: make([]byte, 256), length: 256}
	ev := bv.NewEvaluator(w.b.c.B, env)
	rng := splitmix.State(2)
	for range 32 {
		for i := range env.p {
			env.p[i] = byte(rng.Next() >> 32)
		}
		ev.Reset()
		if byte(ev.Eval(t)) != env.p[at] || env.foreign {
			return false
		}
	}
	return true
}

// final is a byte of the packet at the end, by its place in it.
func (w *written) final(j int) bv.Term {
	if t, ok := w.at[j+w.delta]; ok {
		return t
	}
	return w.old(j + w.delta)
}

// pushed takes the tag that was put in front.
func (w *written) pushed(e *Edits) string {
	for j := 12; j < 16; j++ {
		k, ok := w.b.c.B.IsConst(w.final(j))
		if !ok {
			return "it puts a tag in front that the packet says"
		}
		e.Push = e.Push<<8 | uint32(k)
	}
	if t := e.Push >> 16; t != type8021Q && t != type8021ad {
		return fmt.Sprintf("it puts 4 bytes in front that are no tag (type %#04x)", t)
	}
	return ""
}

// from is where a byte of the packet at the end came from, if it was moved alone;
// -1: it is new.
func (w *written) from(j int) int {
	switch {
	case w.delta == 0 || j < 12:
		return j
	case w.delta == -4 && j < 16:
		return -1
	}
	return j + w.delta
}

// fields finds the fields that were given other values.
func (w *written) fields(m *Match, e *Edits) string {
	span := 0
	for at := range w.at {
		span = max(span, at-w.delta+1)
	}
	if w.delta != 0 {
		span = max(span, 18)
	}
	typ := found{typ: m.Type, tag: m.Tag, l3: m.l3()}
	switch {
	case m.Type == typeIPv4 && m.whole(w.b.opt.Parser):
		typ.l4 = typ.l3 + 20
	case m.Type == typeIPv6:
		typ.l4 = typ.l3 + 40
	}
	proto := m.proto()
	set := map[Key]Bytes{}
	some := map[Key]int{}
	for j := range span {
		o := w.from(j)
		if o < 0 {
			continue
		}
		t := w.final(j)
		if w.same(t, o) {
			continue
		}
		switch w.checksum(o, &typ, proto) {
		case 3:
			e.L3 = true
			continue
		case 4:
			e.L4 = true
			continue
		}
		k, i, ok := typ.key(o, proto)
		if !ok {
			return fmt.Sprintf("it writes byte %d of the packet", o)
		}
		v, ok := w.b.c.B.IsConst(t)
		switch {
		case k == VlanTCI && w.delta == 0:
			e.VID = w.number()
		case ok:
			b := set[k]
			b[i] = byte(v)
			set[k] = b
			some[k]++
		case k == TTL:
			e.Down = true
		default:
			return fmt.Sprintf("it writes %s from elsewhere in the packet, or from a map", keyInfo[k].name)
		}
	}
	for k := range keys {
		switch n := some[k]; {
		case n == 0:
		case n < keyInfo[k].bytes || k == VlanTCI: // an inner tag's, behind one put in front
			return fmt.Sprintf("it writes %s, or a part of it", keyInfo[k].name)
		default:
			e.Set = append(e.Set, Set{k, set[k]})
		}
	}
	return ""
}

// number is the low twelve bits of what stands in the place of a tag, on a packet
// of zeros; whether they are always these is tried.
func (w *written) number() int {
	ev := bv.NewEvaluator(w.b.c.B, &bytesEnv{data: w.data, p: make([]byte, 64), length: 64})
	return int(ev.Eval(w.final(14))&0xf<<8 | ev.Eval(w.final(15)))
}

// checksum says whether a place is of a checksum: layer 3's or 4's.
func (w *written) checksum(o int, f *found, proto int) int {
	if f.typ == typeIPv4 && (o == f.l3+10 || o == f.l3+11) {
		return 3
	}
	at, ok := checksums[proto]
	if ok && f.l4 > 0 && (o == f.l4+at || o == f.l4+at+1) {
		return 4
	}
	return 0
}

// key is the field that a place belongs to, and which byte of it.
func (f *found) key(o, proto int) (k Key, i int, ok bool) {
	var of []Key
	switch f.typ {
	case typeIPv4:
		of = []Key{TTL, TOS, IPSrc, IPDst}
	case typeIPv6:
		of = []Key{TTL, IP6Src, IP6Dst}
	}
	if f.l4 > 0 && (proto == 6 || proto == 17) { // not SCTP's: tc-pedit(8) has no word for them
		of = append(of, SPort, DPort)
	}
	if f.tag != 0 {
		of = append(of, VlanTCI)
	}
	for _, k := range append(of, EthDst, EthSrc) {
		if at := f.offset(k); o >= at && o < at+keyInfo[k].bytes {
			return k, o - at, true
		}
	}
	return 0, 0, false
}

// tried holds a rule's edits to what the path writes, on random packets that the
// match takes.
func (w *written) tried(m *Match, r *Rule) string {
	x := w.b.c.B
	env := &bytesEnv{data: w.data}
	ev := bv.NewEvaluator(x, env)
	rng := splitmix.State(1)
	for range trials {
		p := m.random(&rng, w.b.opt.Parser)
		got := r.Apply(p)
		env.p, env.length = p, uint64(len(p))
		ev.Reset()
		for j := range got {
			want := byte(0)
			if t, ok := w.at[j+w.delta]; ok {
				want = byte(ev.Eval(t))
			} else if o := j + w.delta; o >= 0 && o < len(p) {
				want = p[o]
			}
			if env.foreign {
				return "what it writes depends on more than the packet"
			}
			if got[j] != want {
				f := dissect(p)
				return w.unlike(j, &f)
			}
		}
	}
	return ""
}

// unlike says where edits aren't what the path writes.
func (w *written) unlike(j int, f *found) string {
	o := w.from(j)
	switch w.checksum(o, f, f.proto) {
	case 3, 4:
		return "the checksum that it leaves is not the packet's"
	}
	if k, _, ok := f.key(o, f.proto); ok {
		return fmt.Sprintf("what it writes to %s is no value and no count down", keyInfo[k].name)
	}
	return fmt.Sprintf("it writes byte %d of the packet", o)
}
