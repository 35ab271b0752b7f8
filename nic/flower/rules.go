package flower

import (
	"fmt"
	"slices"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/text"
	"jitnic/pathcond/tree"
)

// Action is where a packet goes.
type Action uint8

// The actions. Trap hands a packet to software, where the program runs.
const (
	Trap Action = iota
	Drop
	Pass
	Back // out where it came in
	Out  // out of another port
)

var actionNames = [...]string{"trap", "drop", "pass", "back", "out"}

func (a Action) String() string { return actionNames[a] }

// Verdict is what an XDP program returns for the same.
func (a Action) Verdict() uint32 {
	return [...]uint32{Drop: vm.XDPDrop, Pass: vm.XDPPass, Back: vm.XDPTx, Out: vm.XDPRedirect}[a]
}

// Port is one that rules send packets out of: a key of a map of devices, or an
// interface (Map -1).
type Port struct {
	Name  string // an identifier
	Map   int
	Index uint64
}

// Count is a number that the program keeps in a map, and a rule's own statistics
// hold in its place: Add for each packet, or the packet's length plus Add.
type Count struct {
	Map   int
	Addr  uint64 // of the number, in flat memory
	Size  int    // bytes
	Bytes bool
	Add   uint64
}

// Rule is one rule; the lowest priority is asked first, as tc counts.
type Rule struct {
	Priority int
	Match    Match
	Do       Edits
	Action   Action
	Port     int // of Out: in Rules.Ports
	Counts   []Count
	Path     int32 // -1 of a trap
}

// Refusal is a path that flower can't have, and the question.
type Refusal struct {
	Path int32
	Why  string
}

// Rules are those of a program's paths.
type Rules struct {
	Parser  Parser
	List    []Rule
	Ports   []Port
	Refused []Refusal
	Assumed int // predicates taken for granted, with Options.Frozen
}

// OnePiece says whether a rule holds only of packets that the program would find in
// one piece, of at most [vm.MaxLinear] bytes. No key asks for that: it is a limit on
// the port's MTU, which drivers set themselves for programs that know no fragments
// (veth_xdp_set, drivers/net/veth.c). Longer ones are in captures taken behind
// segmentation or receive offload.
func (r *Rules) OnePiece() bool {
	return slices.ContainsFunc(r.List, func(x Rule) bool { return x.Match.piece })
}

// Path is one that is to become a rule; its effect must have been kept.
type Path struct {
	ID   int32
	Path *pathcond.Path
}

// Options say what may be taken for granted.
type Options struct {
	Parser Parser
	// Frozen: nobody changes maps that the program only reads.
	Frozen bool
}

// maxRules is how many rules are written at most; what is behind is software's, and
// paths that come too late are refused.
const maxRules = 8192

// Of makes rules of paths.
func Of(c *pathcond.Compiler, paths []Path, opt Options) *Rules {
	b := &builder{c: c, out: &Rules{Parser: opt.Parser}, opt: opt, paths: map[int32]*Path{}, before: map[Match]bool{}, refused: map[int32]bool{}, ruled: map[int32]bool{}}
	b.t = tree.New(c.B, &pathcond.Env{S: c.S, Versions: c.Versions})
	for i := range paths {
		p := &paths[i]
		asked := *p.Path
		if opt.Frozen {
			n := len(asked.Cond)
			asked.Cond = slices.DeleteFunc(slices.Clone(asked.Cond), func(p pathcond.Pred) bool { return c.Settled(p.Term, true) })
			b.out.Assumed += n - len(asked.Cond)
		}
		b.paths[p.ID] = p
		if err := b.t.Insert(&asked, p.ID); err != nil {
			b.refuse(p.ID, "another path's condition holds with its own once maps are taken for granted")
		}
	}
	b.ref(b.t.Root(), Match{}, nil)
	for i := range b.out.List {
		b.out.List[i].Priority = i + 1
	}
	return b.out
}

type builder struct {
	c       *pathcond.Compiler
	t       *tree.Tree
	opt     Options
	out     *Rules
	paths   map[int32]*Path
	before  map[Match]bool // what rules ask already
	refused map[int32]bool
	ruled   map[int32]bool
}

func (b *builder) refuse(path int32, why string) {
	if !b.refused[path] && !b.ruled[path] {
		b.refused[path] = true
		b.out.Refused = append(b.out.Refused, Refusal{path, why})
	}
}

// rule writes one, unless those before it leave it nothing.
func (b *builder) rule(r Rule) {
	if b.before[r.Match.asked()] || len(b.out.List) == maxRules {
		return
	}
	b.before[r.Match.asked()] = true
	b.out.List = append(b.out.List, r)
}

func (b *builder) trap(m Match) { b.rule(Rule{Match: m, Do: Edits{VID: -1}, Path: -1}) }

// ref writes the rules of what a child leads to, within a match; so are the
// answers that led there.
func (b *builder) ref(r tree.Ref, m Match, so []pathcond.Pred) {
	if id, ok := tree.Leaf(r); ok {
		b.leaf(b.paths[id], m, so)
		return
	}
	if r == tree.Nothing {
		b.trap(m) // the program has been there with no packet
		return
	}
	n := b.t.Node(r)
	if len(n.Cases) > 0 {
		x := b.c.B.Args(n.Term)[0]
		for _, k := range n.Cases {
			eq := b.c.B.Bin(b.c.B.Op(n.Term), x, b.c.B.Const(k.K, b.c.B.Width(x)))
			p := pathcond.Pred{Term: eq, Want: true}
			if is, ok := b.decided(eq, &m); ok && is {
				b.ref(k.To, m, append(so[:len(so):len(so)], p))
				return
			} else if ok {
				continue
			}
			words := b.say(p, k.To, so)
			ms, ok := m.with(words, b.opt.Parser)
			if !ok {
				b.lose(r, words)
				b.trap(m)
				return
			}
			b.follow(ms, m, k.To, append(so[:len(so):len(so)], p))
		}
		b.ref(n.No, m, so)
		return
	}
	b.either(r, &n, m, so)
}

// either asks for the answer that takes fewer rules; the other is what is left.
func (b *builder) either(r tree.Ref, n *tree.Node, m Match, so []pathcond.Pred) {
	yes, no := pathcond.Pred{Term: n.Term, Want: true}, pathcond.Pred{Term: n.Term, Want: false}
	if is, ok := b.decided(n.Term, &m); ok && is {
		b.ref(n.Yes, m, append(so[:len(so):len(so)], yes))
		return
	} else if ok {
		b.ref(n.No, m, append(so[:len(so):len(so)], no))
		return
	}
	words := b.say(yes, r, so)
	other := b.say(no, r, so)
	ys, yok := m.with(words, b.opt.Parser)
	ns, nok := m.with(other, b.opt.Parser)
	// A match alone that lets all through shadows the other answer.
	all := func(ms []Match) bool { return len(ms) == 1 && ms[0].asked() == m.asked() }
	switch {
	case yok && (!nok || len(ys) <= len(ns) && (!all(ys) || all(ns))):
		b.follow(ys, m, n.Yes, append(so[:len(so):len(so)], yes))
		b.ref(n.No, m, append(so[:len(so):len(so)], no))
	case nok:
		b.follow(ns, m, n.No, append(so[:len(so):len(so)], no))
		b.ref(n.Yes, m, append(so[:len(so):len(so)], yes))
	default:
		if at, ok := b.protoAt(&m); ok && m.proto() < 0 && b.readsOnly(n.Term, at) {
			b.byProto(r, m, so)
		}
		why := words
		if n.Yes == tree.Nothing {
			why = other
		}
		b.lose(r, why)
		b.trap(m)
	}
}

// protocols are those that a question which no rule can ask of the protocol is
// answered for one by one.
var protocols = []byte{6, 17, 1, 58, 132, 2, 47, 50}

// byProto goes on for each protocol apart.
func (b *builder) byProto(r tree.Ref, m Match, so []pathcond.Pred) {
	for _, p := range protocols {
		key := m
		key.Keys[Proto] = Ternary{Value: Bytes{p}, Mask: full(Proto)}
		b.all(r, key, so)
	}
}

// protoAt is the address of the byte with the protocol, where rules can ask for it.
func (b *builder) protoAt(m *Match) (uint64, bool) {
	at := b.c.S.Buf + vm.Headroom + uint64(m.l3())
	switch {
	case m.Type == typeIPv4:
		return at + 9, true
	case m.Type == typeIPv6 && b.opt.Parser == Plain:
		return at + 6, true
	}
	return 0, false
}

// decided is the answer to a question about the protocol alone, where the match
// has one.
func (b *builder) decided(t bv.Term, m *Match) (is, ok bool) {
	at, ok := b.protoAt(m)
	if !ok || m.proto() < 0 || !b.readsOnly(t, at) {
		return false, false
	}
	env := &bytesEnv{data: at, p: []byte{byte(m.proto())}}
	return bv.NewEvaluator(b.c.B, env).Eval(t) == 1, true
}

// readsOnly says whether a term reads one byte of the packet, and nothing else.
func (b *builder) readsOnly(t bv.Term, addr uint64) bool {
	x, ok := b.c.B, true
	x.Walk(t, map[bv.Term]bool{}, func(t bv.Term) bool {
		switch x.Op(t) {
		case bv.OpInput:
			ok = false
		case bv.OpFun:
			if x.K(t) != pathcond.FunLoad || x.Width(t) != 8 {
				ok = false
				return false
			}
			k, fixed := x.IsConst(x.Args(t)[0])
			ok = ok && fixed && k == addr
			return false
		}
		return ok
	})
	return ok
}

// follow writes the rules of what matches within m lead to, and sends what they
// leave to software.
func (b *builder) follow(ms []Match, m Match, to tree.Ref, so []pathcond.Pred) {
	for _, key := range ms {
		b.all(to, key, so)
		if key.Frag == NoFragment && m.Frag == AnyFragment {
			rest := m // first fragments, which the mask of the offset alone lets through
			rest.Frag = FirstFragment
			b.trap(rest)
		}
	}
}

// all writes the rules of what a child leads to and sends the rest to software;
// where that is everything, by one rule.
func (b *builder) all(r tree.Ref, m Match, so []pathcond.Pred) {
	start := len(b.out.List)
	b.ref(r, m, so)
	b.trap(m)
	mine := b.out.List[start:]
	if slices.ContainsFunc(mine, func(r Rule) bool { return r.Path >= 0 }) || len(mine) < 2 {
		return
	}
	for _, r := range mine {
		delete(b.before, r.Match.asked())
	}
	b.out.List = b.out.List[:start]
	b.trap(m)
}

// lose refuses what hangs below.
func (b *builder) lose(r tree.Ref, why string) {
	for id := range b.t.Below(r) {
		b.refuse(id, why)
	}
}

// say prints a predicate, in the words of a path below where there is one.
func (b *builder) say(p pathcond.Pred, to tree.Ref, so []pathcond.Pred) string {
	for id := range b.t.Below(to) {
		if x := b.paths[id]; x != nil {
			return text.FormatPred(b.c, x.Path.Cond, p)
		}
	}
	return text.FormatPred(b.c, append(so[:len(so):len(so)], p), p)
}

// leaf is a path's own rule.
func (b *builder) leaf(p *Path, m Match, so []pathcond.Pred) {
	r, why := b.effect(p, &m, so)
	switch by := b.opt.Parser; {
	case b.before[m.asked()]:
		why = "what tells it from the rule before it is no key"
	case why != "":
	case m.length > max(m.implied(by), minFrame):
		why = fmt.Sprintf("pkt.len >= %d", m.length)
	case m.transport > m.impliedTransport(by):
		why = fmt.Sprintf("%d bytes behind the IP header", m.transport)
	case len(b.out.List) == maxRules:
		why = fmt.Sprintf("there are %d rules already", maxRules)
	default:
		m.piece = m.piece || slices.ContainsFunc(r.Counts, func(c Count) bool { return c.Bytes })
		r.Match, r.Path = m, p.ID
		b.ruled[p.ID] = true
		b.rule(r)
		return
	}
	b.refuse(p.ID, why)
	b.trap(m)
}

// port is the number of a port among those of the rules.
func (b *builder) port(m int, index uint64) int {
	name := fmt.Sprintf("if_%d", index)
	if m >= 0 {
		name = fmt.Sprintf("%s_%d", b.c.S.Maps[m].Spec().Name, index)
	}
	i := slices.IndexFunc(b.out.Ports, func(p Port) bool { return p.Name == name })
	if i < 0 {
		i = len(b.out.Ports)
		b.out.Ports = append(b.out.Ports, Port{Name: name, Map: m, Index: index})
	}
	return i
}

// known is the value of a term that is a constant, or that nothing but maps which
// nobody changes decide.
func (b *builder) known(t bv.Term) (uint64, bool) {
	if k, ok := b.c.B.IsConst(t); ok {
		return k, true
	}
	if b.opt.Frozen && b.c.Settled(t, true) {
		return bv.NewEvaluator(b.c.B, &pathcond.Env{S: b.c.S, Versions: b.c.Versions}).Eval(t), true
	}
	return 0, false
}
