package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/points"
	"jitnic/superopt/internal/superopttest"
)

// What a find becomes: cut to what changes, registers letters, constants
// letters with the weakest condition that keeps it right.
func TestLearnGeneralises(t *testing.T) {
	superopttest.NeedZ3(t)
	for _, c := range []struct{ name, old, new, want string }{
		{"one of several", "mov64 f, 7; add64 d, 3; add64 d, 9", "mov64 f, 7; add64 d, 12", ""}, // ships
		{"two constants", "xor32 c, 5; xor32 c, 3", "xor32 c, 6", "xor32 a, I; xor32 a, J => xor32 a, I^J"},
		{"tied shifts", "lsh64 c, 8; rsh64 c, 8", "lsh64 c, 8; rsh64 c, 8", ""},
		{"sums", "sub64 c, 3; sub64 c, 5", "sub64 c, 8", "sub64 a, I; sub64 a, J => sub64 a, I+J"},
		{"beyond the solver", "mul64 c, 3; mul64 c, 5", "mul64 c, 15", "mul64 a, 3; mul64 a, "},
		{"bytes", "ldx8 d, [b+13]; ldx8 e, [b+12]; lsh64 e, 8; or64 e, d", "ldx16 e, [b+12]; be16 e", "ldx8 b, [a+I]; ldx8 c, [a+I-1]; lsh64 c, 8; or64 c, b => ldx16 c, [a+I-1]; be16 c dead b"},
		{"moved out of a copy", "mov64 e, d; sub64 e, 4; mov64 d, e", "sub64 d, 4", "mov64 a, b; sub64 a, I; mov64 b, a => sub64 b, I dead a"},
	} {
		st := NewStore()
		r := must.Get(parseRule("x: " + c.old + " => " + c.new))(t)
		b := &Binding{}
		old, _, ok := r.instance(b)
		if !ok {
			t.Fatal(c.old)
		}
		new, ok := r.Build(b)
		if !ok {
			t.Fatal(c.new)
		}
		l := &learner{st: st, facts: func(int) *points.Facts {
			f := &points.Facts{Reached: true}
			for i := range f.R {
				f.R[i] = points.Top()
			}
			return f
		}, live: func(int) uint16 { // of a find, the register both sides set last
			m := new[len(new)-1].Writes()
			for _, l := range "bf" {
				if b.has>>(l-'a')&1 != 0 {
					m |= 1 << b.Reg[l-'a']
				}
			}
			return m
		}}
		l.cut(old, new)
		got := ""
		if len(st.new) > 0 {
			got = st.new[0].Body()
		}
		if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		for _, f := range st.new { // as text, it is the same rule
			g, err := parseRule(f.Line)
			if err != nil || g.Body() != f.Body() {
				t.Errorf("%s: %v", f.Line, err)
			}
		}
		st.Close()
	}
}

// A vacuous rule is none: no constant fulfils it.
func TestStoreRefusesEmpty(t *testing.T) {
	superopttest.NeedZ3(t)
	s := NewStore()
	defer s.Close()
	r := must.Get(parseRule("never: rsh32 a, I; add32 b, a => nothing if 32 <= I"))(t)
	if s.add(r) {
		t.Error("taken, though no shift of a 32-bit register is that far")
	}
}

// Lines of a store stay as they are; what another run added meanwhile too, and
// nothing stands there twice.
func TestStoreSave(t *testing.T) {
	superopttest.NeedZ3(t)
	path := filepath.Join(t.TempDir(), "store.txt")
	const first = "# mine\nlow:  and64 a, 1; and64 a, I => and64 a, I&1   # kept as it is"
	must.OK(t, os.WriteFile(path, []byte(first), 0o600))
	open := func() *Store {
		s := must.Get(OpenStore(path))(t)
		t.Cleanup(s.Close)
		return s
	}
	one, two := open(), open()
	add := func(s *Store, l string) {
		r := must.Get(parseRule("x: " + l))(t)
		s.add(r)
	}
	add(one, "xor32 a, I; xor32 a, J => xor32 a, I^J")
	add(one, "xor32 a, 5; xor32 a, J => xor32 a, 5^J") // a case of the first
	add(two, "xor32 a, 4; xor32 a, J => xor32 a, 4^J")
	add(two, "or32 a, I; or32 a, J => or32 a, I|J")
	for _, s := range []*Store{one, two, two} {
		must.OK(t, s.Save())
	}
	text := must.Get(os.ReadFile(path))(t)
	if s := string(text); !strings.HasPrefix(s, first+"\n") || strings.Count(s, "\n") != 4 || strings.Count(s, "xor32 a, I; xor32 a, J") != 1 || strings.Count(s, "or32-or32-") != 1 {
		t.Errorf("the store is\n%s", s)
	}
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	if n, _ := filepath.Glob(path + "*"); len(n) != 1 {
		t.Errorf("left over: %v", n)
	}
}

// Text that is no rule is an error of one line, never a panic.
func FuzzParseRules(f *testing.F) {
	for _, r := range Builtin() {
		f.Add(r.Line)
	}
	f.Add("x: mov64 a, ((((1 => nothing")
	f.Add("x: st8 [a-], I => nothing if I & 3")
	f.Fuzz(func(t *testing.T, s string) {
		rs, err := ParseRules(s)
		if err != nil {
			return
		}
		for _, r := range rs {
			g, err := parseRule("x: " + r.Body())
			if err != nil || g.Body() != r.Body() {
				t.Errorf("%q is written %q: %v", s, r.Body(), err)
			}
		}
	})
}
