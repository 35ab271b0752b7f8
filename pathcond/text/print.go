package text

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// Format prints a condition of c in header-field words, a statement a line: a
// layout (where headers stand beyond Ethernet's, as far as the condition fixes
// it), lets for large terms that occur more than once, and the predicates.
// [Parse] gives the same terms back.
func Format(c *pathcond.Compiler, cond []pathcond.Pred) string {
	w := words{c}
	return strings.Join(w.lines(w.layoutOf(cond), cond, true), "\n") + "\n"
}

// FormatPred prints one predicate in the words of a condition it belongs to,
// which may be nil: one line, without the layout.
func FormatPred(c *pathcond.Compiler, context []pathcond.Pred, p pathcond.Pred) string {
	w := words{c}
	return strings.Join(w.lines(w.layoutOf(context), []pathcond.Pred{p}, false), "; ")
}

// PredFirst prints as [FormatPred] does, the predicate before what its names
// stand for: where little room is left, those can be cut. It speaks as a [Speaker] does.
func PredFirst(c *pathcond.Compiler, context []pathcond.Pred, p pathcond.Pred) string {
	ls := In(c, context).lines(p)
	return strings.Join(append(ls[len(ls)-1:], ls[:len(ls)-1]...), "; ")
}

// lines prints the statements of a condition.
func (c words) lines(l layout, cond []pathcond.Pred, withLayout bool) (out []string) {
	p := c.printer()
	if words := p.layout(l); len(words) > 0 && withLayout {
		out = append(out, "layout "+strings.Join(words, " "))
	}
	return append(out, p.lines(cond)...)
}

// printer is one to which nothing was said so far.
func (c words) printer() *printer {
	return &printer{c: c, b: c.B, names: map[bv.Term]string{}, sc: newScope(c), count: map[string]int{}, memo: map[memoKey]text{}}
}

// layout makes known where headers stand, as far as that can be said, and says it.
func (p *printer) layout(l layout) (words []string) {
	for _, h := range l[1:] { // eth is always there
		s, ok := p.place(h)
		if !ok {
			break
		}
		words = append(words, s)
	}
	return words
}

// lines prints predicates, and before them what names in them stand for.
func (p *printer) lines(cond []pathcond.Pred) (out []string) {
	for _, t := range p.shared(cond) {
		name := p.fresh(t)
		out = append(out, fmt.Sprintf("let %s = %s", name, p.certain(t, func() string { return p.top(t) }, func(s string) bv.Term {
			return p.reparse("let "+name+" = "+s, name)
		})))
		p.names[t] = name
		clear(p.memo)
	}
	for _, pr := range cond {
		want := pr
		want.Why, want.Prog, want.PC = 0, 0, 0
		out = append(out, p.certain(0, func() string { return p.pred(pr.Term, pr.Want) }, func(s string) bv.Term {
			got, ok, err := p.sc.statement(s)
			if err != nil || !ok || got != want {
				return ^bv.Term(0)
			}
			return 0
		}))
	}
	return out
}

// printer prints terms. What it prints is read back at once; where the reader
// would build another term (the simplifier has learned something since, or an
// operation was never simplified), the operation is printed as it stands.
type printer struct {
	c     words
	b     *bv.Builder
	names map[bv.Term]string // of lets
	sc    *scope             // what has been said so far
	count map[string]int     // of names given
	exact bool               // every operation as it stands
	form  fieldKind          // how the next constant is written
	memo  map[memoKey]text   // what was printed since the last name was given
}

// memoKey is a term and all that decides how it is printed. Widths are found by
// trying without and with force, at every level: without a memory that is
// exponential in the depth of casts.
type memoKey struct {
	t            bv.Term
	force, exact bool
	form         fieldKind
}

// certain prints with text and checks with read that want comes back.
func (p *printer) certain(want bv.Term, text func() string, read func(string) bv.Term) string {
	s := text()
	if read(s) == want {
		return s
	}
	p.exact = true
	s = text()
	p.exact = false
	read(s) // for its let
	return s
}

// reparse reads a let and gives its term.
func (p *printer) reparse(line, name string) bv.Term {
	delete(p.sc.lets, name)
	if _, _, err := p.sc.statement(line); err != nil {
		return 0
	}
	return p.sc.lets[name]
}

// place prints one header of a layout and makes it known.
func (p *printer) place(h placed) (string, bool) {
	s := fmt.Sprintf("%s@%d", h.name, h.at-p.c.data())
	if h.base != 0 {
		off := p.c.at(h.base, h.at-p.c.data())
		s = h.name + "@(" + p.expr(off, false).s + ")"
	}
	clear(p.memo) // what is a field changes
	n := len(p.sc.l)
	if _, _, err := p.sc.statement("layout " + s); err != nil || len(p.sc.l) != n+1 {
		p.sc.l = p.sc.l[:n]
		return "", false
	}
	if got := p.sc.l[n]; got.base != h.base || got.at != h.at {
		p.sc.l = p.sc.l[:n]
		return "", false
	}
	return s, true
}

// fresh is a new name for a term: after its map, for an entry.
func (p *printer) fresh(t bv.Term) string {
	stem := "v"
	if m, _, _, _, ok := p.c.elementOf(t); ok {
		if s := strings.Trim(strings.NewReplacer(".", "_", "@", "").Replace(p.c.mapName(m)), "_0123456789"); s != "" {
			stem = s + "_"
		}
	}
	p.count[stem]++
	return stem + strconv.Itoa(p.count[stem])
}

// Sizes at which a term that occurs twice gets a name, in operations, and at
// which any term does, in levels.
const (
	nameSize   = 6
	nameLarge  = 40
	nameHeight = 60
)

// shared lists the terms that get a name, in an order in which each uses only
// those before it.
func (p *printer) shared(cond []pathcond.Pred) []bv.Term {
	b := p.b
	refs := map[bv.Term]int{}
	var order []bv.Term
	var walk func(t bv.Term)
	walk = func(t bv.Term) {
		refs[t]++
		if refs[t] > 1 {
			return
		}
		if !p.isLeaf(t) {
			for _, a := range b.Args(t) {
				walk(a)
			}
		}
		order = append(order, t)
	}
	for _, pr := range cond {
		walk(pr.Term)
	}
	sort.Slice(order, func(i, j int) bool { return order[i] < order[j] })
	size, height := map[bv.Term]int{}, map[bv.Term]int{}
	var out []bv.Term
	for _, t := range order {
		if p.isLeaf(t) {
			size[t] = 1
			continue
		}
		n, h := 1, 0
		for _, a := range b.Args(t) {
			n += size[a]
			h = max(h, height[a])
		}
		n, h = min(n, 1<<20), h+1
		op := b.Op(t)
		name := refs[t] > 1 && n >= nameSize
		if op == bv.OpFun {
			id, _ := pathcond.FunParts(b.K(t))
			name = name || refs[t] > 1 && id == pathcond.FunLookup
		}
		switch op {
		case bv.OpConcat, bv.OpZExt, bv.OpEq, bv.OpULt, bv.OpSLt:
			// Plainer where they stand, unless that grows without bound.
			name = refs[t] > 1 && n >= nameLarge
		}
		if name || h >= nameHeight && op != bv.OpConcat && op != bv.OpZExt {
			out = append(out, t)
			n, h = 1, 0
		}
		size[t], height[t] = n, h
	}
	return out
}

// lengthOf is the IPv4 header that the term is the length of, or nil.
func (p *printer) lengthOf(t bv.Term) *placed {
	b := p.b
	if b.Op(t) != bv.OpAnd || b.Width(t) != 32 {
		return nil
	}
	for i := range p.sc.l {
		h := &p.sc.l[i]
		if h.h.name == "ip" && headerLength(b, b.Fun(pathcond.FunLoad, 8, bv.Fact{}, p.c.at(h.base, h.at))) == t {
			return h
		}
	}
	return nil
}

// isLeaf says whether a term is printed as a name: a field of the packet.
func (p *printer) isLeaf(t bv.Term) bool {
	b := p.b
	switch b.Op(t) {
	case bv.OpAnd:
		return p.lengthOf(t) != nil
	case bv.OpConst, bv.OpInput:
		return true
	case bv.OpBSwap:
		return p.isLeaf(b.Args(t)[0])
	case bv.OpFun:
		if b.K(t) == pathcond.FunLoad {
			base, _ := b.SplitAdd(b.Args(t)[0])
			if base == 0 {
				return true
			}
			for _, h := range p.sc.l {
				if h.base == base {
					return true
				}
			}
		}
	}
	return false
}

// text is an expression in print: atom needs no parentheses, nat is the width
// the reader would give it by itself.
type text struct {
	s    string
	nat  int
	atom bool
	op   bv.Op // of a sum or product that may go on to the right
}

func leafText(s string, w int) text { return text{s: s, nat: w, atom: true} }

func (t text) paren() string {
	if t.atom {
		return t.s
	}
	return "(" + t.s + ")"
}

// top prints a term so that its width is plain by itself.
func (p *printer) top(t bv.Term) string {
	w := p.b.Width(t)
	r := p.expr(t, false)
	if r.nat != w {
		r = p.expr(t, true)
	}
	if r.nat != w {
		return fmt.Sprintf("u%d(%s)", w, r.s)
	}
	return r.s
}

// expr prints a term for a place of its width. With force every widening is
// spelt out.
func (p *printer) expr(t bv.Term, force bool) text {
	k := memoKey{t, force, p.exact, p.form}
	r, ok := p.memo[k]
	if !ok {
		r = p.print(t, force)
		p.memo[k] = r
	}
	return r
}

func (p *printer) print(t bv.Term, force bool) text {
	b := p.b
	w := b.Width(t)
	if n, ok := p.names[t]; ok {
		return leafText(n, w)
	}
	args := b.Args(t)
	switch op := b.Op(t); op {
	case bv.OpConst:
		return p.constant(b.K(t), w)
	case bv.OpInput:
		return leafText(p.input(b.K(t), w), w)
	case bv.OpFun:
		return leafText(p.function(t), w)
	case bv.OpBSwap:
		if b.Op(args[0]) == bv.OpFun && b.K(args[0]) == pathcond.FunLoad {
			if s, swapped := p.load(args[0]); swapped {
				return leafText(s, w)
			}
		}
		return leafText("bswap("+p.top(args[0])+")", w)
	}
	if p.exact {
		return p.asItStands(t)
	}
	switch op := b.Op(t); op {
	case bv.OpEq, bv.OpULt, bv.OpSLt, bv.OpULe, bv.OpSLe:
		return leafText("("+p.pred(t, true)+")", 1)
	case bv.OpNot:
		if w == 1 {
			return leafText("("+p.pred(t, true)+")", 1)
		}
		x := p.expr(args[0], force)
		return text{s: "~" + x.paren(), nat: x.nat, atom: true}
	case bv.OpAnd:
		if w == 1 {
			return leafText("("+p.pred(t, true)+")", 1)
		}
		if h := p.lengthOf(t); h != nil {
			return leafText(h.name+".hlen", w)
		}
		return p.binary("&", t, force)
	case bv.OpAdd:
		return p.sum(t, force)
	case bv.OpSub:
		return p.binary("-", t, force)
	case bv.OpMul:
		return p.binary("*", t, force)
	case bv.OpUDiv:
		return p.binary("/", t, force)
	case bv.OpURem:
		return p.binary("%", t, force)
	case bv.OpSDiv:
		return p.binary("s/", t, force)
	case bv.OpSRem:
		return p.binary("s%", t, force)
	case bv.OpOr:
		return p.binary("|", t, force)
	case bv.OpXor:
		return p.binary("^", t, force)
	case bv.OpShl:
		return p.binary("<<", t, force)
	case bv.OpLShr:
		return p.binary(">>", t, force)
	case bv.OpAShr:
		return p.binary("s>>", t, force)
	case bv.OpConcat:
		return leafText("cat("+p.top(args[0])+", "+p.top(args[1])+")", w)
	case bv.OpExtract:
		if b.K(t) == 0 {
			return leafText(fmt.Sprintf("u%d(%s)", w, p.top(args[0])), w)
		}
		return leafText(fmt.Sprintf("bits(%s, %d, %d)", p.top(args[0]), b.K(t), w), w)
	case bv.OpSExt:
		return leafText(fmt.Sprintf("s%d(%s)", w, p.top(args[0])), w)
	case bv.OpZExt:
		return p.zext(t, force)
	case bv.OpIte:
		x, y := p.expr(args[1], force), p.expr(args[2], force)
		if x.nat == 0 && y.nat == 0 {
			x = leafText(fmt.Sprintf("u%d(%s)", w, x.s), w)
		}
		return text{s: fmt.Sprintf("%s ? %s : %s", p.condition(args[0]), x.paren(), y.paren()), nat: max(x.nat, y.nat)}
	}
	return p.asItStands(t)
}

// condition prints a term of width 1 as the condition of a choice.
func (p *printer) condition(t bv.Term) string { return "(" + p.pred(t, true) + ")" }

// zext prints a widening: unsaid where the place asks for it, or as a shift.
func (p *printer) zext(t bv.Term, force bool) text {
	b := p.b
	w := b.Width(t)
	in := b.Args(t)[0]
	if _, named := p.names[in]; !named && b.Op(in) == bv.OpExtract {
		x := b.Args(in)[0]
		if lo := int(b.K(in)); lo > 0 && b.Width(x) == w && lo+b.Width(in) == w {
			r := p.expr(x, force)
			return text{s: fmt.Sprintf("%s >> %d", r.paren(), lo), nat: r.nat}
		}
	}
	r := p.expr(in, false)
	if r.atom && r.nat == b.Width(in) && !force {
		return r
	}
	return leafText(fmt.Sprintf("u%d(%s)", w, p.top(in)), w)
}

// binary prints x op y.
func (p *printer) binary(sym string, t bv.Term, force bool) text {
	args := p.b.Args(t)
	op := p.b.Op(t)
	x := p.expr(args[0], force)
	form := p.form
	if op == bv.OpAnd || op == bv.OpOr || op == bv.OpXor {
		p.form = kindHex
	}
	y := p.expr(args[1], force)
	p.form = form
	xs := x.paren()
	if x.op == op && (op == bv.OpOr || op == bv.OpXor || op == bv.OpMul || op == bv.OpAnd) {
		xs = x.s
	}
	return text{s: xs + " " + sym + " " + y.paren(), nat: max(x.nat, y.nat), op: op}
}

// sum prints x + y, x - constant, or a place behind the start of a header.
func (p *printer) sum(t bv.Term, force bool) text {
	b := p.b
	w := b.Width(t)
	args := b.Args(t)
	if base, k := b.SplitAdd(t); w == 64 && base != 0 {
		if s, ok := p.start(base, k); ok {
			return s
		}
	}
	x := p.expr(args[0], force)
	xs := x.paren()
	if x.op == bv.OpAdd {
		xs = x.s
	}
	if k, ok := b.IsConst(args[1]); ok {
		if neg := -k & bv.Mask(w); neg < k && neg != k {
			return text{s: fmt.Sprintf("%s - %d", xs, neg), nat: x.nat, op: bv.OpAdd}
		}
	}
	y := p.expr(args[1], force)
	return text{s: xs + " + " + y.paren(), nat: max(x.nat, y.nat), op: bv.OpAdd}
}

// start prints base + k as a place behind a header's start: that of the last
// header that begins before it.
func (p *printer) start(base bv.Term, k uint64) (text, bool) {
	best := -1
	var d uint64
	for i, h := range p.sc.l {
		if at := h.at - p.c.data(); h.base == base && at <= k && k-at < 1<<16 && (best < 0 || k-at < d) {
			best, d = i, k-at
		}
	}
	if best < 0 {
		return text{}, false
	}
	s := p.sc.l[best].name + ".start"
	if d == 0 {
		return leafText(s, 64), true
	}
	return text{s: fmt.Sprintf("%s + %d", s, d), nat: 64, op: bv.OpAdd}, true
}

func (p *printer) asItStands(t bv.Term) text {
	b := p.b
	k := b.K(t)
	s := fmt.Sprintf("raw(%v %d %d", b.Op(t), b.Width(t), k)
	for _, a := range b.Args(t) {
		s += ", " + p.top(a)
	}
	return leafText(s+")", b.Width(t))
}

// constant prints a number the way the place asks for.
func (p *printer) constant(k uint64, w int) text {
	s := strconv.FormatUint(k, 10)
	switch {
	case p.form == kindIPv4 && w == 32:
		s = fmt.Sprintf("%d.%d.%d.%d", byte(k>>24), byte(k>>16), byte(k>>8), byte(k))
	case p.form == kindHex && w == 16 && k > 9:
		s = fmt.Sprintf("0x%04x", k)
	case p.form == kindHex && k > 9, k >= 1<<20 && k%1000 != 0:
		s = fmt.Sprintf("%#x", k)
	}
	return text{s: s, atom: true}
}

func (p *printer) input(id uint64, w int) string {
	switch id {
	case pathcond.InLen:
		return "pkt.len"
	case pathcond.InTime:
		return "time"
	case pathcond.InCoarse:
		return "time.coarse"
	}
	for name, i := range inputNamed {
		if i == id {
			return name
		}
	}
	switch {
	case id >= pathcond.InRand && id < pathcond.InRand+pathcond.MaxRand:
		return fmt.Sprintf("rand[%d]", id-pathcond.InRand)
	case id >= pathcond.InVersion && id-pathcond.InVersion < uint64(len(p.c.Versions.Counter)):
		m, key := p.c.Versions.Key(int(id - pathcond.InVersion))
		if key == "" {
			return "map " + p.c.mapName(m) + " version"
		}
		if isIndexed(p.c.S.Maps[m].Spec()) && len(key) == 4 {
			k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
			return fmt.Sprintf("map %s[%d] version", p.c.mapName(m), k)
		}
		return fmt.Sprintf("map %s[hex(%x)] version", p.c.mapName(m), key)
	}
	return fmt.Sprintf("raw(input %d %d)", w, id)
}

// load prints bytes read at an address. swapped: as printed they are in network
// order.
func (p *printer) load(t bv.Term) (s string, swapped bool) {
	b, c := p.b, p.c
	form := p.form
	p.form = kindNumber
	defer func() { p.form = form }()
	addr := b.Args(t)[0]
	n := uint64(b.Width(t) / 8)
	base, k := b.SplitAdd(addr)
	// A named header field, of the header placed last.
	for i := len(p.sc.l) - 1; i >= 0; i-- {
		h := &p.sc.l[i]
		d := k - h.at
		if h.base != base || k < h.at || d+n > uint64(h.h.size) {
			continue
		}
		for j := range h.h.fields {
			f := &h.h.fields[j]
			fo, fn := uint64(f.off), uint64(f.size)
			if f.mask != 0 || d < fo || d+n > fo+fn {
				continue
			}
			if n == fn {
				return h.name + "." + f.name, true
			}
			return fmt.Sprintf("%s.%s[%d:%d]", h.name, f.name, d-fo, d-fo+n), true
		}
		if base != 0 {
			return fmt.Sprintf("%s[%d:%d]", h.name, d, d+n), true
		}
	}
	data := c.data()
	if base == 0 && k >= data && k+n <= data+vm.MaxLinear {
		return fmt.Sprintf("pkt[%d:%d]", k-data, k-data+n), true
	}
	if m, elem, key, off, ok := c.elementOf(addr); ok {
		name, named := p.names[elem]
		if !named {
			name = p.entry(m, key)
		}
		spec := c.S.Maps[m].Spec()
		if f, ok := memberAt(spec.Value, off, n); ok && fieldWord(f) {
			return name + "." + f, false
		}
		if off+n <= uint64(spec.ValueSize) {
			return fmt.Sprintf("%s[%d:%d]", name, off, off+n), false
		}
	}
	if m, elem, key, off, ok := c.insideOf(base, k); ok {
		name, named := p.names[elem]
		if !named {
			name = p.entry(m, key)
		}
		return fmt.Sprintf("%s[%s +: %d]", name, p.expr(off, false).s, n), false
	}
	if k-data <= vm.MaxLinear && base != 0 {
		return fmt.Sprintf("pkt[%s +: %d]", p.expr(c.at(base, k-data), false).s, n), true
	}
	return fmt.Sprintf("mem[%s +: %d]", p.expr(addr, false).s, n), false
}

// fieldWord says whether the reader takes the path for names.
func fieldWord(path string) bool {
	for i := 0; i < len(path); i++ {
		if !wordByte(path[i]) && path[i] != '.' {
			return false
		}
	}
	return path != "" && path[0] > '9'
}

// fieldOf is the header field that a load is all of, or nil.
func (p *printer) fieldOf(t bv.Term) (h *placed, f *headerField) {
	b := p.b
	if b.Op(t) != bv.OpFun || b.K(t) != pathcond.FunLoad {
		return nil, nil
	}
	base, k := b.SplitAdd(b.Args(t)[0])
	for i := len(p.sc.l) - 1; i >= 0; i-- {
		h := &p.sc.l[i]
		for j := range h.h.fields {
			f := &h.h.fields[j]
			if f.mask == 0 && h.base == base && k-h.at == uint64(f.off) && b.Width(t) == 8*f.size {
				return h, f
			}
		}
	}
	return nil, nil
}

// wire says whether the term is bytes of the packet as they lie there, more
// than one.
func (p *printer) wire(t bv.Term) bool {
	b := p.b
	if _, named := p.names[t]; named || b.Op(t) != bv.OpFun || b.K(t) != pathcond.FunLoad || b.Width(t) == 8 {
		return false
	}
	_, swapped := p.load(t)
	return swapped
}
