package explain

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/text"
)

// voice has a path's words, and what it said with them.
type voice struct {
	*text.Speaker
	said map[int]text.Question
}

// voice is that of the first path that has a predicate.
func (s *Study) voice(p *predicate) *voice {
	v := s.voices[p.path]
	if v == nil {
		v = &voice{text.In(s.runtime.Comp, s.conditionOf(p.path)), map[int]text.Question{}}
		s.voices[p.path] = v
	}
	return v
}

// question is a predicate, said as if it held.
func (s *Study) question(p *predicate) text.Question {
	if p.number < 0 {
		return s.voice(p).Question(pathcond.Pred{Term: p.Term, Want: true})
	}
	return s.saying(p.number, true)
}

// saying is a predicate that came out as it did.
func (s *Study) saying(n int, want bool) text.Question {
	p := s.preds[n]
	v := s.voice(p)
	k := 2*n + int(bv.Bit(want))
	q, ok := v.said[k]
	if !ok {
		q = v.Question(pathcond.Pred{Term: p.Term, Want: want})
		v.said[k] = q
	}
	return q
}

// asked are the predicates of a point; where none was asked, what was settled there.
func (s *Study) asked(p *Point) []*predicate {
	if len(p.preds) == 0 {
		return p.settled
	}
	out := make([]*predicate, len(p.preds))
	for i, n := range p.preds {
		out[i] = s.preds[n]
	}
	return out
}

// Asking says what choice points ask, in a few words.
func (s *Study) Asking(f *Fold) string { return s.asking(f).String() }

// asking are the questions of choice points, by family.
func (s *Study) asking(f *Fold) families {
	fams := families{}
	for _, p := range f.Points {
		s.families(p, &fams)
	}
	if len(fams) == 1 && fams[0].kind == order {
		fams[0].classes = f.Ways
		if f.Paths < s.Paths() { // not to come here is none
			fams[0].classes--
		}
	}
	return fams
}

// families sorts a point's questions.
func (s *Study) families(p *Point, fams *families) {
	for _, pr := range s.asked(p) {
		if words, ok := s.periodic(pr); ok {
			fams.add(family{kind: alone, of: words})
			continue
		}
		fams.ask(s.question(pr), pr, func() []string { return s.reads(pr) })
	}
}

// Reads is what a point's questions are about: fields, inputs and maps; those that
// a key or an address is made of are left out.
func (s *Study) Reads(p *Point) []string {
	var out []string
	for _, pr := range s.asked(p) {
		out = append(out, s.reads(pr)...)
	}
	return sorted(out)
}

// furtherOn are bytes of the packet whose place is not the same in all packets.
const furtherOn = "bytes at varying offsets"

// sorted are reads, each once: what has a name comes first.
func sorted(reads []string) []string {
	slices.SortFunc(reads, func(a, b string) int {
		return cmp.Or(int(bv.Bit(a == furtherOn))-int(bv.Bit(b == furtherOn)), strings.Compare(a, b))
	})
	return slices.Compact(reads)
}

// Reading is what the questions of folded points are about.
func (s *Study) Reading(f *Fold) []string {
	out := []string{}
	for _, p := range f.Points {
		out = append(out, s.Reads(p)...)
	}
	return sorted(out)
}

// reads is what a predicate is about.
func (s *Study) reads(p *predicate) []string {
	if p.reads == nil {
		p.reads = []string{}
		for _, r := range s.voice(p).Reads(p.Term) {
			if w := strings.Replace(numbered.ReplaceAllString(r.Words, "$1$2"), "pkt[…]", furtherOn, 1); !r.Below && !slices.Contains(p.reads, w) {
				p.reads = append(p.reads, w)
			}
		}
	}
	return p.reads
}

// kind is how questions of a family are alike.
type kind uint8

const (
	order kind = iota // less than this or that
	equal
	mask
	entry // is there an entry
	alone
)

// family are questions of one kind about one thing.
type family struct {
	kind    kind
	of      string
	values  []string
	classes int // of order: answers that were given; 0: not known
}

// families are those of a point, in the order they are met.
type families []*family

func (f *families) add(x family) *family {
	if x.kind == alone {
		x.of = cut(x.of)
	}
	for _, y := range *f {
		if y.kind == x.kind && y.of == x.of {
			return y
		}
	}
	*f = append(*f, &x)
	return &x
}

// ask sorts a question into its family. reads is what it is about.
func (f *families) ask(q text.Question, p *predicate, reads func() []string) {
	of, to := plain(unlet(q)), plain(q.To)
	if computed(of) {
		of = valueOf(reads())
	}
	k, err := strconv.ParseUint(q.To, 0, 64)
	number := err == nil
	switch {
	case q.Rel == "present" || q.Rel == "absent" || q.Rel == "occupied" || q.Rel == "vacant":
		f.add(family{kind: entry, of: of})
	case p.Why == pathcond.WhyTailCall:
		f.add(family{kind: alone, of: "the program that is tail-called"})
	case p.Why == pathcond.WhyVersion:
		f.add(family{kind: alone, of: "that the entry is unchanged"})
	case p.Why == pathcond.WhyAlias:
		f.add(family{kind: alone, of: "that it is an entry used before"})
	case number && (q.Rel == "<" || q.Rel == ">="):
		f.add(family{kind: order, of: of}).value(strconv.FormatUint(k, 10))
	case number && (q.Rel == ">" || q.Rel == "<="):
		f.add(family{kind: order, of: of}).value(strconv.FormatUint(k+1, 10))
	case number && (q.Rel == "==" || q.Rel == "!="):
		if field, bits, ok := masked(of); ok {
			f.add(family{kind: mask, of: field}).value(text.MaskName(field, bits))
			return
		}
		f.add(family{kind: equal, of: of}).value(text.ValueName(of, to))
	case q.Rel == "==" || q.Rel == "!=":
		f.add(family{kind: equal, of: of}).value(to)
	case q.Rel != "" && computed(to):
		f.add(family{kind: alone, of: valueOf(reads())})
	case q.Rel != "":
		f.add(family{kind: alone, of: of + " " + q.Rel + " " + to})
	default:
		f.add(family{kind: alone, of: of})
	}
}

// valueOf says what is worked out of some things.
func valueOf(reads []string) string {
	if n := len(reads) - fewReads + 1; n > 1 {
		return "a value of " + strings.ReplaceAll(strings.Join(reads[:fewReads-1], ", "), "map ", "") + fmt.Sprintf(" and %d more", n)
	}
	return "a value of " + strings.ReplaceAll(strings.Join(reads, " and "), "map ", "")
}

func (f *family) value(v string) {
	if !slices.Contains(f.values, v) {
		f.values = append(f.values, v)
	}
}

// masked takes FIELD & MASK apart.
func masked(of string) (field string, mask uint64, ok bool) {
	field, m, ok := strings.Cut(of, " & ")
	if !ok {
		return "", 0, false
	}
	mask, err := strconv.ParseUint(m, 0, 64)
	return field, mask, err == nil && !strings.ContainsAny(field, " (")
}

// Sizes of what is said of a point.
const (
	fewFamilies = 2
	fewValues   = 5
	shortWords  = 44
)

// String is a family in words.
func (f *family) String() string {
	switch of := cut(f.of); f.kind {
	case order:
		slices.SortFunc(f.values, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
		if len(f.values) == 1 {
			return of + " < " + f.values[0]
		}
		if f.classes == 1 || f.classes == 2 { // the answer was the same each time, or every path was asked for one value alone
			return of + " < " + list(f.values)
		}
		n := f.classes
		if n == 0 {
			n = len(f.values) + 1
		}
		return fmt.Sprintf("%s in %d classes (%s)", of, n, list(f.values))
	case equal:
		if len(f.values) == 1 {
			return of + " == " + cut(f.values[0])
		}
		return of + ": " + list(f.values)
	case mask:
		return of + " & " + list(f.values)
	case entry:
		return "an entry in " + of
	default:
		return of
	}
}

// joined are the families, those that ask the same of several things as one.
func (f families) joined() families {
	var out families
next:
	for _, x := range f {
		for _, y := range out {
			if x.kind == y.kind && len(x.values) > 0 && slices.Equal(x.values, y.values) {
				y.of += ", " + x.of
				continue next
			}
		}
		c := *x
		out = append(out, &c)
	}
	return out
}

// String is what they ask together.
func (f families) String() string {
	f = f.joined()
	var out []string
	for _, x := range f[:min(len(f), fewFamilies)] {
		out = append(out, x.String())
	}
	s := strings.Join(out, "; ")
	if n := len(f) - fewFamilies; n > 0 {
		s += fmt.Sprintf("; %d more", n)
	}
	return s
}

// list is the first of values.
func list(values []string) string {
	if n := len(values) - fewValues; n > 0 {
		return strings.Join(values[:fewValues], ", ") + fmt.Sprintf(", %d more", n)
	}
	return strings.Join(values, ", ")
}

// cut is the beginning of what is too long to be read.
func cut(s string) string {
	if r := []rune(s); len(r) > shortWords {
		return string(r[:shortWords-1]) + "…"
	}
	return s
}

var (
	little   = regexp.MustCompile(`\ble\(([^()]*)\)`)
	zeros    = regexp.MustCompile(`(, )?hex\([0-9a-f]*\)`)
	whole    = regexp.MustCompile(`([a-z_\]])\[0:[1248]\]`)
	mapped   = regexp.MustCompile(`\bmap ([A-Za-z_.@0-9]+)`)
	unnamed  = regexp.MustCompile(`\bv[0-9]+\b`)                // names of terms that have no better one
	numbered = regexp.MustCompile(`_[0-9]+(\.)|(\bext)_[0-9]+`) // headers that stand twice
)

// plain leaves out of a predicate what it needs to be read back and a person
// doesn't: byte order, padding, long keys, that a map is one, which of several
// headers of a kind it is.
func plain(s string) string {
	if strings.Contains(s, "le(") {
		s = little.ReplaceAllString(s, "$1")
	}
	if strings.Contains(s, "hex(") {
		s = zeros.ReplaceAllString(s, "")
	}
	s = strings.ReplaceAll(s, "[, ", "[")
	if strings.Contains(s, "_") {
		s = numbered.ReplaceAllString(s, "$1$2")
	}
	if !strings.Contains(s, "map ") && !strings.Contains(s, "[0:") {
		return s
	}
	for {
		m := mapped.FindStringSubmatchIndex(s)
		if m == nil {
			return whole.ReplaceAllString(s, "$1")
		}
		name, rest := s[m[2]:m[3]], s[m[1]:]
		if n := bracket(rest); n > shortKey {
			rest = rest[n:]
		}
		s = s[:m[0]] + name + rest
	}
}

// shortKey is how long a key may be, with its brackets, that is said.
const shortKey = 24

// bracket is the length of the bracket that s begins with; 0: none.
func bracket(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '[':
			depth++
		case ']':
			depth--
		}
		if depth == 0 {
			if i == 0 {
				return 0
			}
			return i + 1
		}
	}
	return 0
}

// computed says of words that they are an expression and no longer those of a field.
func computed(s string) bool {
	return len(s) > 24 && strings.ContainsAny(s, "|^*+-<>") && !strings.HasPrefix(s, "pkt[") || strings.Count(s, "(") > 2 || unnamed.MatchString(s)
}

// unlet is what a question is of: names of entries are put back, and a name that is
// all of it. Other names stay: what they stand for may be long beyond measure.
func unlet(q text.Question) string {
	s := q.Of
	for i := len(q.Lets) - 1; i >= 0; i-- {
		name, is, ok := strings.Cut(strings.TrimPrefix(q.Lets[i], "let "), " = ")
		if !ok || name != s && !strings.HasPrefix(is, "map ") || len(s) > mostUnlet {
			continue
		}
		s = replaceWord(s, name, is)
	}
	return s
}

// mostUnlet bounds, in characters, what names are put back into.
const mostUnlet = 2000

// replaceWord puts another text in the place of a word.
func replaceWord(s, word, by string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, word)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		end := i + len(word)
		if i > 0 && letter(s[i-1]) || end < len(s) && letter(s[end]) {
			b.WriteString(s[:end])
		} else {
			b.WriteString(s[:i])
			b.WriteString(by)
		}
		s = s[end:]
	}
}

func letter(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// periodic says of a predicate that holds, or doesn't, once in so many values of
// one thing that it counts.
func (s *Study) periodic(p *predicate) (string, bool) {
	b := s.runtime.Comp.B
	leaf, ok := onlyLeaf(b, p.Term)
	if !ok || b.Width(leaf) < 8 || s.ofPacket(leaf) {
		return "", false
	}
	k, ok := period(b, p.Term)
	if !ok {
		return "", false
	}
	words := plain(s.voice(p).Words(leaf))
	return fmt.Sprintf("every %d%s of %s", k, ordinal(k), cut(words)), true
}

// ofPacket says whether a term is bytes of the packet, or its length: they don't
// count.
func (s *Study) ofPacket(t bv.Term) bool {
	b := s.runtime.Comp.B
	if b.Op(t) == bv.OpInput {
		return b.K(t) == pathcond.InLen
	}
	_, k := b.SplitAdd(b.Args(t)[0])
	return k-s.data() <= vm.MaxLinear
}

func ordinal(n int) string {
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		return "st"
	case n%10 == 2:
		return "nd"
	case n%10 == 3:
		return "rd"
	}
	return "th"
}

// onlyLeaf is the one input or load that a term is of.
func onlyLeaf(b *bv.Builder, t bv.Term) (leaf bv.Term, ok bool) {
	n := 0
	seen := map[bv.Term]bool{}
	b.Walk(t, seen, func(t bv.Term) bool {
		switch b.Op(t) {
		case bv.OpInput, bv.OpFun:
			leaf = t
			n++
			return false
		}
		return true
	})
	if n != 1 || len(seen) < 5 { // a plain comparison has no period
		return 0, false
	}
	if b.Op(leaf) == bv.OpFun {
		id, _ := pathcond.FunParts(b.K(leaf))
		return leaf, id == pathcond.FunLoad
	}
	return leaf, true
}

// counting has every input and load be one number.
type counting struct{ at uint64 }

func (c *counting) Input(uint64) uint64           { return c.at }
func (c *counting) Apply(uint64, []uint64) uint64 { return c.at }

// mostPeriod is the longest period that is looked for.
const mostPeriod = 1024

// period finds how often (a bit that is set or not is no period) a predicate of one number comes out otherwise than
// mostly, where that is once in equal steps from the first on.
func period(b *bv.Builder, t bv.Term) (n int, ok bool) {
	var at [2][]int // where it doesn't hold, and where it does
	env := &counting{}
	ev := bv.NewEvaluator(b, env)
	odd := [2]bool{} // it doesn't come in equal steps
	for env.at < 4*mostPeriod {
		ev.Reset()
		h := bv.Bit(ev.Eval(t) != 0)
		list := append(at[h], int(env.at))
		at[h] = list
		if k := len(list); k > 1 {
			step := list[1] - list[0]
			odd[h] = odd[h] || step < 3 || list[0] >= step || list[k-1]-list[k-2] != step
		}
		if odd[0] && odd[1] {
			return 0, false
		}
		env.at++
	}
	for h, list := range at {
		if odd[h] || len(list) < 4 || len(list) >= len(at[1-h]) {
			continue
		}
		if n = list[1] - list[0]; len(list) >= (4*mostPeriod-list[0])/n {
			return n, true
		}
	}
	return 0, false
}
