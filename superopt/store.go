package superopt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/superopt/z3"
)

// Store is a set of rules that grows: what enumeration and the stochastic
// search find is cut down, generalised, proved and kept, so that the next
// program, or the next run, has it for nothing. A Store is used by one
// optimisation at a time.
//
// Its file is that of [ParseRules]; lines there stay as they are, comments too,
// and found rules go to the end, sorted.
type Store struct {
	path    string
	rules   []*Rule
	found   []*Rule
	log     []*Rule // all that was ever found, in order
	version int
	pr      *Prover
	seen    map[string]bool // bodies asked about
}

// NewStore is an empty store that belongs to no file.
func NewStore() *Store { return &Store{seen: map[string]bool{}} }

// OpenStore reads the rules of a file, and proves each of them again: what is
// not proved is an error that names its place, "FILE:LINE: …". A file that is
// not there is an empty store, which Save makes.
func OpenStore(path string) (*Store, error) {
	s := NewStore()
	s.path = path
	rules, err := readRules(path)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		switch v := r.Prove(s.prover()).(type) {
		case z3.Refuted:
			s.Close()
			return nil, fmt.Errorf("%s:%d: %s: refuted: %s", path, r.At, r.Name, refutation(v))
		case z3.Unknown:
			s.Close()
			return nil, fmt.Errorf("%s:%d: %s: not proved: %s", path, r.At, r.Name, v.Reason)
		}
		s.rules = append(s.rules, r)
	}
	return s, nil
}

func refutation(v z3.Refuted) string {
	if v.What != "" {
		return v.What
	}
	var b strings.Builder
	for i, a := range v.Counterexample {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s = %#x", a.Name, a.Value)
	}
	if b.Len() == 0 {
		return "by any input"
	}
	return "by " + b.String()
}

func readRules(path string) ([]*Rule, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseRules(string(text), func(n int, err error) error { return fmt.Errorf("%s:%d: %w", path, n, err) })
}

// Rules are those of the file, then those found since.
func (s *Store) Rules() []*Rule { return s.rules }

// Found are the rules found since the store was opened.
func (s *Store) Found() []*Rule { return s.found }

// Close gives the store's solver back.
func (s *Store) Close() {
	if s.pr != nil {
		s.pr.Close()
		s.pr = nil
	}
}

// ruleBudget is what one question about a found rule may cost the solver: a
// rule that is that hard to prove is not worth having.
const ruleBudget = 300_000

func (s *Store) prover() *Prover {
	if s.pr == nil {
		s.pr = NewProver(1)
	}
	s.pr.RLimit = 4 * ruleBudget
	return s.pr
}

func (s *Store) verdict(r *Rule) z3.Verdict {
	p := s.prover()
	p.RLimit = ruleBudget
	return r.Prove(p)
}

// add takes a proved rule in, unless one that is there does as much; rules
// found before that are only cases of it go.
func (s *Store) add(r *Rule) bool {
	if r.check() != nil || r.coverage() == 0 || len(r.Old) == 1 && len(r.New) == 0 && len(r.Dead) > 0 { // the latter is what liveness is for
		return false
	}
	r.canonical()
	r.named()
	if s.seen[r.Line] {
		return false
	}
	s.seen[r.Line] = true
	for _, set := range [2][]*Rule{Builtin, s.rules} {
		for _, q := range set {
			if q.Body() == r.Body() || q.covers(r) {
				return false
			}
		}
	}
	less := func(q *Rule) bool { return slices.Contains(s.found, q) && r.covers(q) }
	s.rules = slices.DeleteFunc(s.rules, less)
	s.found = slices.DeleteFunc(s.found, func(q *Rule) bool { return r.covers(q) })
	s.rules = append(s.rules, r)
	s.found = append(s.found, r)
	s.log = append(s.log, r)
	s.version++
	return true
}

// canonical sorts what may come in any order.
func (r *Rule) canonical() {
	sortBy(r.Dead, func(a, b byte) bool { return a < b })
	sortBy(r.If, func(a, b condition) bool { return a.String() < b.String() })
}

// covers: wherever q fires r would, on the same instructions, and leaves no
// more than q does.
func (r *Rule) covers(q *Rule) bool {
	if len(r.Old) != len(q.Old) || sideSlots(r.New) > sideSlots(q.New) {
		return false
	}
	for i := range r.Old {
		if r.Old[i].op != q.Old[i].op {
			return false
		}
	}
	n := 0
	ok := q.instances(40, func(code []Inst, b *binding, f *facts) bool {
		m, ok := r.matchAll(code, f)
		if !ok {
			return false
		}
		if _, ok := r.build(m); !ok {
			return false
		}
		for _, d := range r.Dead {
			dead := false
			for _, e := range q.Dead {
				dead = dead || b.reg[e-'a'] == m.reg[d-'a']
			}
			if !dead {
				return false
			}
		}
		n++
		return true
	})
	return ok && n > 0
}

// instances gives up to n pieces of code the left side matches, with registers
// 0, 1, …, and constants that fulfil the conditions; it ends when use says so.
func (r *Rule) instances(n int, use func(code []Inst, b *binding, f *facts) bool) bool {
	var vars []byte
	for i := range r.Old {
		for _, e := range [2]*expr{r.Old[i].off, r.Old[i].imm} {
			if e != nil && e.op == 'v' && !slices.Contains(vars, e.v) {
				vars = append(vars, e.v)
			}
		}
	}
	values := []int64{0, 1, 3, 8, 16, 20, 31, 32, 40, 48, 56, 63, 255, 0xffff, 100, -1, -8, 2, 0x1000, 0x7fff0000, -0x80000000, 4, 24, 14}
	tries := 1
	for range vars {
		tries *= len(values)
	}
	for k, got := 0, 0; k < min(tries, 20000) && got < n; k++ {
		b := &binding{}
		x := uint64(k)
		if tries > 20000 {
			x = mix(uint64(k))
		}
		for _, v := range vars {
			b.imm.put(v, values[x%uint64(len(values))])
			x /= uint64(len(values))
		}
		code, f, ok := r.instance(b)
		if !ok {
			continue
		}
		got++
		if !use(code, b, f) {
			return false
		}
	}
	return true
}

// instance is the left side with b's constants.
func (r *Rule) instance(b *binding) ([]Inst, *facts, bool) {
	var code []Inst
	n := uint8(0)
	reg := func(l byte) uint8 {
		if b.has>>(l-'a')&1 == 0 {
			b.bind(l, n)
			n++
		}
		return b.reg[l-'a']
	}
	f := &facts{ok: true}
	for i := range f.r {
		f.r[i] = top()
	}
	for i := range r.Old {
		p := &r.Old[i]
		in := Inst{Insn: ebpf.Insn{Op: p.op, Off: p.sub}, To: -1, Slot: -1}
		in.Dst = reg(p.dst)
		if p.src != 0 {
			in.Src = reg(p.src)
		}
		if p.off != nil {
			v, ok := p.off.eval(&b.imm)
			if !ok || v != int64(int16(v)) {
				return nil, nil, false
			}
			in.Off = int16(v)
		}
		if p.imm != nil {
			v, ok := p.imm.eval(&b.imm)
			if !ok || !p.encodes(v) {
				return nil, nil, false
			}
			in.Imm = int32(v)
			if in.IsWide() {
				in.Hi = int32(v >> 32)
			}
		}
		code = append(code, in)
	}
	for _, c := range r.If {
		if c.l == nil {
			f.r[b.reg[c.reg-'a']] = val{kind: kScalar, unknown: ^uint64(0), max: uint64(c.r.k)}.norm()
		}
	}
	_, ok := r.matchAll(code, f)
	return code, f, ok
}

// Save puts the found rules at the end of the store's file, the whole file or
// nothing of it. Where another run has added to the file meanwhile, its rules
// stay, and what they cover is left out.
func (s *Store) Save() error {
	if s.path == "" || len(s.found) == 0 {
		return nil
	}
	text, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	there, err := readRules(s.path)
	if err != nil {
		return err
	}
	var add []string
	for _, r := range s.found {
		if !slices.ContainsFunc(there, func(q *Rule) bool { return q.Body() == r.Body() || q.covers(r) }) {
			add = append(add, r.Line)
		}
	}
	if len(add) == 0 {
		return nil
	}
	slices.Sort(add)
	out := string(text)
	if out == "" {
		out = "# Rewrite rules found by jitnic superopt, each proved. One a line.\n"
	} else if !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	out += strings.Join(add, "\n") + "\n"
	f, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".*")
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if st, err := os.Stat(s.path); err == nil {
		mode = st.Mode().Perm()
	}
	_, err = f.WriteString(out)
	if e := f.Chmod(mode); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
