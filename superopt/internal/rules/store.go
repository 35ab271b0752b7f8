package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"jitnic/host/points"
	"jitnic/pcaps/outfile"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
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
	all     []*Rule // of the file, then those found
	new     []*Rule // found since it was opened
	log     []*Rule // all that was ever found, in order
	version int
	pr      *proof.Prover
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
		case proof.Refuted:
			s.Close()
			return nil, fmt.Errorf("%s:%d: %s: refuted: %s", path, r.At, r.Name, refutation(v))
		case proof.Unknown:
			s.Close()
			return nil, fmt.Errorf("%s:%d: %s: not proved: %s", path, r.At, r.Name, v.Reason)
		}
		s.all = append(s.all, r)
	}
	return s, nil
}

func refutation(v proof.Refuted) string {
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
func (s *Store) Rules() []*Rule { return s.all }

// Learnt is how many rules were ever found, those that a later one covers too.
func (s *Store) Learnt() int { return len(s.log) }

// Since are the rules found after the first n that are still wanted.
func (s *Store) Since(n int) []*Rule {
	var out []*Rule
	for _, r := range s.log[n:] {
		if slices.Contains(s.new, r) {
			out = append(out, r)
		}
	}
	return out
}

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

func (s *Store) prover() *proof.Prover {
	if s.pr == nil {
		s.pr = proof.NewProver(1)
	}
	s.pr.RLimit = 4 * ruleBudget
	return s.pr
}

func (s *Store) verdict(r *Rule) proof.Verdict {
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
	for _, set := range [2][]*Rule{Builtin(), s.all} {
		for _, q := range set {
			if q.Body() == r.Body() || q.covers(r) {
				return false
			}
		}
	}
	less := func(q *Rule) bool { return slices.Contains(s.new, q) && r.covers(q) }
	s.all = slices.DeleteFunc(s.all, less)
	s.new = slices.DeleteFunc(s.new, func(q *Rule) bool { return r.covers(q) })
	s.all = append(s.all, r)
	s.new = append(s.new, r)
	s.log = append(s.log, r)
	s.version++
	return true
}

// canonical sorts what may come in any order.
func (r *Rule) canonical() {
	ir.SortBy(r.Dead, func(a, b byte) bool { return a < b })
	ir.SortBy(r.If, func(a, b condition) bool { return a.String() < b.String() })
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
	ok := q.instances(40, func(code []ir.Inst, b *Binding, f *points.Facts) bool {
		m, ok := r.matchAll(code, f)
		if !ok {
			return false
		}
		if _, ok := r.Build(m); !ok {
			return false
		}
		for _, d := range r.Dead {
			dead := false
			for _, e := range q.Dead {
				dead = dead || b.Reg[e-'a'] == m.Reg[d-'a']
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

// Save puts the found rules at the end of the store's file, the whole file or
// nothing of it. Where another run has added to the file meanwhile, its rules
// stay, and what they cover is left out.
func (s *Store) Save() error {
	if s.path == "" || len(s.new) == 0 {
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
	for _, r := range s.new {
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
	f, err := outfile.Create(s.path)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.WriteString(out); err != nil {
		return err
	}
	return f.Close()
}
