package text

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// A Speaker says predicates in the words of one condition they belong to. It is
// good as long as nothing is added to the compiler's versions.
type Speaker struct {
	c      words
	l      layout
	placed layout // as much of it as can be said; nil: nobody has spoken
}

// In gives the words of a condition.
func In(c *pathcond.Compiler, cond []pathcond.Pred) *Speaker {
	w := words{c}
	return &Speaker{c: w, l: w.layoutOf(cond)}
}

// A Question is a predicate in words, taken apart at what it asks: Of Rel To, as in
// `ip.proto` `==` `6` and `map flows[ip.src]` `present`. One that has no relation is
// all in Of.
type Question struct {
	Of, Rel, To string
	Lets        []string // what names in it stand for
}

// String is the predicate in a line.
func (q Question) String() string {
	return strings.TrimRight(q.Of+" "+strings.TrimSpace(q.Rel+" "+q.To), " ")
}

// Question says a predicate.
func (s *Speaker) Question(p pathcond.Pred) Question {
	ls := s.lines(p)
	q := apart(ls[len(ls)-1])
	q.Lets = ls[:len(ls)-1]
	return q
}

// Line says a predicate in a line: as [FormatPred] prints it, but for what a segment has
// from the one before it.
func (s *Speaker) Line(p pathcond.Pred) string { return strings.Join(s.lines(p), "; ") }

func (s *Speaker) lines(p pathcond.Pred) []string {
	ls := s.printer().lines([]pathcond.Pred{p})
	for i := range ls {
		ls[i] = s.handed(ls[i])
	}
	return ls
}

// stored is a read of 1 to 8 bytes of memory at a fixed place.
var stored = regexp.MustCompile(`mem\[(\d+) \+: ([1248])\]`)

// handed names what a segment has from the one before it: the registers, and what
// stands on the stack.
func (s *Speaker) handed(words string) string {
	if !strings.Contains(words, "mem[") {
		return words
	}
	return stored.ReplaceAllStringFunc(words, func(m string) string {
		x := stored.FindStringSubmatch(m)
		at, err := strconv.ParseUint(x[1], 10, 64)
		if err != nil {
			return m
		}
		if r, ok := s.c.HandedAt(at); ok && x[2] == "8" {
			return fmt.Sprintf("r%d", r)
		}
		if below := s.c.S.FrameTop(0) - at; below <= vm.StackSize && below > 0 {
			return fmt.Sprintf("stack[-%d +: %s]", below, x[2])
		}
		return m
	})
}

// relations are what predicates are taken apart at; of those that begin alike the
// longer first.
var relations = []string{"s<=", "s>=", "s<", "s>", "==", "!=", "<=", ">=", "<", ">", "not in", "in", "present", "absent", "occupied", "vacant"}

// apart takes a printed predicate apart at the relation that stands outside of
// brackets, where there is one alone.
func apart(line string) Question {
	depth, found := 0, Question{Of: line}
	n := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ' ':
			if depth > 0 {
				continue
			}
			rest := line[i+1:]
			if strings.HasPrefix(rest, "&& ") || strings.HasPrefix(rest, "|| ") {
				return Question{Of: line}
			}
			for _, r := range relations {
				if to, ok := strings.CutPrefix(rest, r); ok && (to == "" || to[0] == ' ') {
					found = Question{Of: line[:i], Rel: r, To: strings.TrimPrefix(to, " ")}
					n++
					i += len(r)
					break
				}
			}
		}
	}
	if n != 1 {
		return Question{Of: line}
	}
	return found
}

// A Read is something that a predicate reads.
type Read struct {
	Words string // tcp.flags, pkt.len, rand[0], map flows
	Map   int    // the map's index; -1: it is none's
	// At is where the bytes of a packet are read: an address, Size bytes long; 0:
	// they are none of it.
	At    bv.Term
	Size  int
	Below bool // part of a key or an address
}

// Reads lists what a predicate reads, each once and in the order of its terms. Keys
// and addresses are read too, behind what they lead to.
func (s *Speaker) Reads(t bv.Term) []Read {
	r := gatherer{s: s, p: s.printer(), seen: map[bv.Term]bool{}}
	r.walk(t)
	return r.out
}

// gatherer collects what a term reads.
type gatherer struct {
	s    *Speaker
	p    *printer
	seen map[bv.Term]bool
	deep int // functions above
	out  []Read
}

func (r *gatherer) add(x Read) {
	x.Below = r.deep > 0
	for _, y := range r.out {
		if y.Words == x.Words && y.At == x.At {
			return
		}
	}
	r.out = append(r.out, x)
}

func (r *gatherer) walk(t bv.Term) {
	if r.seen[t] {
		return
	}
	r.seen[t] = true
	b, c := r.p.b, r.s.c
	switch b.Op(t) {
	case bv.OpInput:
		if m := r.version(b.K(t)); m >= 0 {
			r.add(Read{Words: "map " + c.mapName(m), Map: m})
			break
		}
		r.add(Read{Words: r.p.input(b.K(t), b.Width(t)), Map: -1})
	case bv.OpFun:
		r.function(t)
	}
	args := b.Args(t)
	if _, _, _, _, ok := c.elementOf(t); ok && b.Op(t) != bv.OpFun {
		return // an element's address says nothing that its map doesn't
	}
	if b.Op(t) == bv.OpFun {
		r.deep++
		defer func() { r.deep-- }()
	}
	for _, a := range args {
		r.walk(a)
	}
}

// version is the map whose entry's counter an input is; -1: it is none.
func (r *gatherer) version(id uint64) int {
	v := r.s.c.Versions
	if id < pathcond.InVersion || id-pathcond.InVersion >= uint64(len(v.Counter)) {
		return -1
	}
	m, _ := v.Key(int(id - pathcond.InVersion))
	return m
}

// function notes what a function reads by itself.
func (r *gatherer) function(t bv.Term) {
	b, c := r.p.b, r.s.c
	id, arg := pathcond.FunParts(b.K(t))
	switch id {
	case pathcond.FunLoad:
		addr := b.Args(t)[0]
		if m, _, _, _, ok := c.elementOf(addr); ok {
			r.add(Read{Words: "map " + c.mapName(m), Map: m})
			return
		}
		base, k := b.SplitAdd(addr)
		if m, _, _, _, ok := c.insideOf(base, k); ok {
			r.add(Read{Words: "map " + c.mapName(m), Map: m})
			return
		}
		if k-c.data() <= vm.MaxLinear {
			r.add(Read{Words: field(r.p, t), Map: -1, At: addr, Size: b.Width(t) / 8})
		} else if r.handed(addr) {
			r.add(Read{Words: r.s.handed(r.p.top(t)), Map: -1})
		}
	case pathcond.FunLookup, pathcond.FunCount, pathcond.FunRoom, pathcond.FunPresent, pathcond.FunQuery:
		if arg < len(c.S.Maps) {
			r.add(Read{Words: "map " + c.mapName(arg), Map: arg})
		}
	case pathcond.FunFib:
		r.add(Read{Words: "routes", Map: -1})
	case pathcond.FunConn:
		r.add(Read{Words: "connections", Map: -1})
	case pathcond.FunCookie:
		r.add(Read{Words: "a SYN cookie", Map: -1})
	case pathcond.FunText:
		r.add(Read{Words: "a printed text", Map: -1})
	case pathcond.FunNumber:
		r.add(Read{Words: "a number in the payload", Map: -1})
	}
}

// handed says whether an address is one, or is found at one, where a segment has
// something from that before it.
func (r *gatherer) handed(addr bv.Term) bool {
	b := r.p.b
	base, k := b.SplitAdd(addr)
	if base != 0 {
		if b.Op(base) != bv.OpFun {
			return false
		}
		if id, _ := pathcond.FunParts(b.K(base)); id != pathcond.FunLoad {
			return false
		}
		at, fixed := b.IsConst(b.Args(base)[0])
		if k = at; !fixed {
			return false
		}
	}
	return strings.HasPrefix(r.s.handed(fmt.Sprintf("mem[%d +: 8]", k)), "r") || k-r.s.c.S.Stack < vm.StackSize
}

// field is the header field that bytes of the packet are of, without which of its
// bytes; bytes of no field are the packet's.
func field(p *printer, t bv.Term) string {
	s, _ := p.load(t)
	if strings.HasPrefix(s, "pkt[") {
		if strings.Contains(s, "+:") {
			return "pkt[…]"
		}
		return s
	}
	name, _, _ := strings.Cut(s, "[")
	return name
}

// Words says a term.
func (s *Speaker) Words(t bv.Term) string {
	return s.handed(s.printer().top(t))
}

// printer is one that knows where headers stand.
func (s *Speaker) printer() *printer {
	p := s.c.printer()
	if s.placed == nil {
		p.layout(s.l)
		s.placed = slices.Clip(p.sc.l)
	}
	p.sc.l = s.placed
	return p
}
