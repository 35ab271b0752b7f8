package flower

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/text"
	"jitnic/pathcond/tree"
	"jitnic/trace"
)

// Action is what becomes of a packet.
type Action uint8

// The actions. Trap hands a packet to software, where the program runs.
const (
	Trap Action = iota
	Drop
	Pass
	Back // out where it came in
)

var actionNames = [...]string{"trap", "drop", "pass", "back"}

func (a Action) String() string { return actionNames[a] }

// verdicts are what XDP programs return, as actions.
var verdicts = map[int32]Action{vm.XDPDrop: Drop, vm.XDPPass: Pass, vm.XDPTx: Back}

// Fragment says which IPv4 packets a rule takes.
type Fragment uint8

// The kinds: any packet, no fragment at all, the first of several, a later one.
const (
	AnyFragment Fragment = iota
	NoFragment
	FirstFragment
	LaterFragment
)

// Masked is a number of which a mask counts; no mask, no number.
type Masked struct{ Value, Mask uint32 }

// Match is what a rule asks. The zero value takes every packet.
type Match struct {
	Type     uint16 // Ethernet type behind a VLAN tag, if there is one; 0 any
	Tag      uint16 // of a tagged packet: the tag's type; 0: untagged, where Type is set
	Proto    Masked // IPv4's protocol
	Src, Dst Masked // IPv4 addresses
	TTL, TOS Masked
	Frag     Fragment
	SPort    Masked // TCP, UDP or SCTP
	DPort    Masked
	Flags    Masked // of TCP

	length    int // bytes the condition asks for
	transport int // bytes it asks for behind the IPv4 header
}

// Rule is one rule; the lowest priority is asked first, as tc counts.
type Rule struct {
	Priority int
	Match    Match
	Action   Action
	Path     int32 // -1 of a trap
}

// Refusal is a path that flower can't have, and the question.
type Refusal struct {
	Path int32
	Why  string
}

// Rules are those of a program's paths.
type Rules struct {
	List    []Rule
	Refused []Refusal
}

// Path is one that is to become a rule.
type Path struct {
	ID    int32
	Path  *pathcond.Path
	Trace *trace.Trace
}

// Of makes rules of paths.
func Of(c *pathcond.Compiler, paths []Path) *Rules {
	b := &builder{c: c, out: &Rules{}, paths: map[int32]*Path{}}
	b.t = tree.New(c.B, &pathcond.Env{S: c.S, Versions: c.Versions})
	for i := range paths {
		p := &paths[i]
		if err := b.t.Insert(p.Path, p.ID); err != nil {
			b.refuse(p.ID, err.Error())
			continue
		}
		b.paths[p.ID] = p
	}
	b.ref(b.t.Root(), Match{}, nil)
	return b.out
}

type builder struct {
	c     *pathcond.Compiler
	t     *tree.Tree
	out   *Rules
	paths map[int32]*Path
}

func (b *builder) refuse(path int32, why string) {
	b.out.Refused = append(b.out.Refused, Refusal{path, why})
}

func (b *builder) rule(m Match, a Action, path int32) {
	b.out.List = append(b.out.List, Rule{Priority: len(b.out.List) + 1, Match: m, Action: a, Path: path})
}

// ref writes the rules of what a child leads to, within a match.
func (b *builder) ref(r tree.Ref, m Match, so []pathcond.Pred) {
	if id, ok := tree.Leaf(r); ok {
		b.leaf(b.paths[id], m)
		return
	}
	if r == tree.Nothing {
		b.rule(m, Trap, -1) // the program has been there with no packet
		return
	}
	n := b.t.Node(r)
	if len(n.Cases) > 0 {
		x := b.c.B.Args(n.Term)[0]
		for _, k := range n.Cases {
			eq := b.c.B.Bin(b.c.B.Op(n.Term), x, b.c.B.Const(k.K, b.c.B.Width(x)))
			if !b.ask(pathcond.Pred{Term: eq, Want: true}, k.To, m, so) {
				b.lose(r, b.say(pathcond.Pred{Term: eq, Want: true}, k.To, so))
				b.rule(m, Trap, -1)
				return
			}
		}
		b.ref(n.No, m, so)
		return
	}
	yes := pathcond.Pred{Term: n.Term, Want: true}
	no := pathcond.Pred{Term: n.Term, Want: false}
	switch {
	case b.ask(yes, n.Yes, m, so):
		b.ref(n.No, m, append(so[:len(so):len(so)], no))
	case b.ask(no, n.No, m, so):
		b.ref(n.Yes, m, append(so[:len(so):len(so)], yes))
	default:
		b.lose(r, b.say(yes, r, so))
		b.rule(m, Trap, -1)
	}
}

// lose refuses what hangs below.
func (b *builder) lose(r tree.Ref, why string) {
	for id := range b.t.Below(r) {
		if !b.has(id) {
			b.refuse(id, why)
		}
	}
}

// say prints a predicate, in the words of a path below where there is one.
func (b *builder) say(p pathcond.Pred, to tree.Ref, so []pathcond.Pred) string {
	if x := b.below(to); x != nil {
		return text.FormatPred(b.c, x.Path.Cond, p)
	}
	return text.FormatPred(b.c, append(so[:len(so):len(so)], p), p)
}

// below is a path that hangs below.
func (b *builder) below(r tree.Ref) *Path {
	for id := range b.t.Below(r) {
		if p := b.paths[id]; p != nil {
			return p
		}
	}
	return nil
}

// ask writes the rules of what a predicate leads to where flower can ask it, and
// sends what they leave of it to software. False: it can't.
func (b *builder) ask(p pathcond.Pred, to tree.Ref, m Match, so []pathcond.Pred) bool {
	words := b.say(p, to, so)
	key, ok := m.with(words)
	if !ok {
		return false
	}
	b.ref(to, key, append(so[:len(so):len(so)], p))
	if last := b.out.List[len(b.out.List)-1]; last.Match.keys() != key.keys() {
		b.rule(key, Trap, -1)
	}
	// What the key leaves out of the predicate, such as first fragments.
	if key.Frag == NoFragment && m.Frag == AnyFragment {
		rest := m
		rest.Frag = FirstFragment
		b.rule(rest, Trap, -1)
	}
	return true
}

// keys is a match without what isn't asked of packets.
func (m Match) keys() Match {
	m.length, m.transport = 0, 0
	return m
}

// leaf is a path's own rule.
func (b *builder) leaf(p *Path, m Match) {
	a, why := verdict(p.Trace)
	switch {
	case why != "":
	case m.length > max(m.implied(), minFrame):
		why = fmt.Sprintf("pkt.len >= %d", m.length)
	case m.transport > m.impliedTransport():
		why = fmt.Sprintf("%d bytes behind the IPv4 header", m.transport)
	default:
		if !b.shadowed(m) {
			b.rule(m, a, p.ID)
			return
		}
		why = "what tells it from the rule before it is no key"
	}
	b.refuse(p.ID, why)
	b.rule(m, Trap, -1)
}

// has says whether a path has its rule, or was refused, already.
func (b *builder) has(id int32) bool {
	return slices.ContainsFunc(b.out.List, func(r Rule) bool { return r.Path == id }) ||
		slices.ContainsFunc(b.out.Refused, func(r Refusal) bool { return r.Path == id })
}

// shadowed says whether a rule before takes all that this one would.
func (b *builder) shadowed(m Match) bool {
	for _, r := range b.out.List {
		if r.Match.keys() == m.keys() {
			return true
		}
	}
	return false
}

// minFrame is how long a frame off a wire is at least, in bytes without its check
// sequence (IEEE 802.3): shorter ones are in captures of what was sent.
const minFrame = 60

// implied is how long a packet is at least whose keys were found.
func (m Match) implied() int {
	n := 0
	if m.Type != 0 {
		n = 14
	}
	if m.Tag != 0 {
		n += 4
	}
	if m.Proto.Mask|m.Src.Mask|m.Dst.Mask|m.TTL.Mask|m.TOS.Mask != 0 || m.Frag != AnyFragment {
		n += 20
	}
	return n
}

func (m Match) impliedTransport() int {
	switch {
	case m.Flags.Mask != 0:
		return 20
	case m.SPort.Mask|m.DPort.Mask != 0:
		return 4
	}
	return 0
}

// verdict is the action of a trace that does nothing but return it.
func verdict(t *trace.Trace) (Action, string) {
	k := int32(-1)
	for _, in := range t.Code {
		switch {
		case in.Op == ebpf.OpExit:
			if a, ok := verdicts[k]; ok {
				return a, ""
			}
			return Trap, "its verdict"
		case in.Dst == 0 && in.ALUOp() == ebpf.ALUMov && in.Op&ebpf.SrcX == 0 && (in.Class() == ebpf.ClassALU64 || in.Class() == ebpf.ClassALU):
			k = in.Imm
		default:
			return Trap, "its trace does more than return a verdict"
		}
	}
	return Trap, "its trace has no end"
}

var (
	equality = regexp.MustCompile(`^([a-z0-9]+)\.([a-z0-9]+)(?: & (0x[0-9a-f]+))? == (\S+)$`)
	length   = regexp.MustCompile(`^pkt\.len >= (\d+)$`)
	behind   = regexp.MustCompile(`^pkt\.len >= (?:tcp|udp|sctp|icmp)\.start \+ (\d+)$`)
)

// fields are flower's keys by a condition's words; full is a field's whole mask.
var fields = map[string]struct {
	full uint32
	of   func(m *Match) *Masked
}{
	"ip.proto": {0xff, func(m *Match) *Masked { return &m.Proto }},
	"ip.src":   {0xffffffff, func(m *Match) *Masked { return &m.Src }},
	"ip.dst":   {0xffffffff, func(m *Match) *Masked { return &m.Dst }},
	"ip.ttl":   {0xff, func(m *Match) *Masked { return &m.TTL }},
	"ip.tos":   {0xff, func(m *Match) *Masked { return &m.TOS }},
	"sport":    {0xffff, func(m *Match) *Masked { return &m.SPort }},
	"dport":    {0xffff, func(m *Match) *Masked { return &m.DPort }},
	"flags":    {0xff, func(m *Match) *Masked { return &m.Flags }},
}

// with is the match and a predicate in words; false where flower has no key for it.
func (m Match) with(words string) (Match, bool) {
	if x := length.FindStringSubmatch(words); x != nil {
		n, err := strconv.Atoi(x[1])
		m.length = max(m.length, n)
		return m, err == nil
	}
	if x := behind.FindStringSubmatch(words); x != nil {
		n, err := strconv.Atoi(x[1])
		m.transport = max(m.transport, n)
		return m, err == nil
	}
	if words == "ip.hlen >= 20" && m.ipv4() {
		return m, true // the dissector takes no shorter one
	}
	x := equality.FindStringSubmatch(words)
	if x == nil {
		return m, false
	}
	v, ok := value(x[4])
	if !ok {
		return m, false
	}
	switch name := x[1] + "." + x[2]; {
	case name == "eth.type" && x[3] == "" && m.Type == 0:
		if v == 0x8100 || v == 0x88a8 {
			m.Tag = uint16(v)
			return m, true
		}
		m.Type = uint16(v)
		return m, v >= 0x600
	case name == "vlan.type" && x[3] == "" && m.Tag != 0 && m.Type == 0:
		m.Type = uint16(v)
		return m, v >= 0x600 && v != 0x8100 && v != 0x88a8
	case name == "ip.frag" && x[3] == "0x1fff" && v == 0 && m.ipv4() && m.Frag == AnyFragment:
		m.Frag = NoFragment
		return m, true
	case name == "ip.frag" && x[3] == "0x3fff" && v == 0 && m.ipv4() && m.Frag == AnyFragment:
		m.Frag = NoFragment
		return m, true
	}
	name := x[1] + "." + x[2]
	if x[1] != "ip" { // a transport header: its protocol must be asked for
		proto := map[string]uint32{"tcp": 6, "udp": 17, "sctp": 132}[x[1]]
		if proto == 0 || m.Proto != (Masked{proto, 0xff}) || m.Frag != NoFragment || x[2] == "flags" && x[1] != "tcp" {
			return m, false
		}
		name = x[2]
	}
	f, ok := fields[name]
	if !ok || !m.ipv4() {
		return m, false
	}
	mask := f.full
	if x[3] != "" {
		n, err := strconv.ParseUint(x[3], 0, 32)
		if err != nil {
			return m, false
		}
		mask = uint32(n)
	}
	k := f.of(&m)
	if k.Mask&mask != 0 && (k.Value^v)&k.Mask&mask != 0 {
		return m, false
	}
	*k = Masked{k.Value | v&mask, k.Mask | mask}
	return m, true
}

func (m Match) ipv4() bool { return m.Type == 0x0800 }

// value reads a number or an IPv4 address.
func value(s string) (uint32, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
		b := a.As4()
		return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]), true
	}
	n, err := strconv.ParseUint(strings.ToLower(s), 0, 32)
	return uint32(n), err == nil
}
