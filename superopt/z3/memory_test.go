package z3

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"jitnic/host/hosttest/must"
)

// TestOutOfMemory gives the library less memory than a question needs: that is an
// error which says so, and another context answers the next question.
func TestOutOfMemory(t *testing.T) {
	if err := Open(); err != nil {
		t.Skip(err)
	}
	if os.Getenv("Z3_NO_MEMORY") == "" { // the limit is one of the process
		c := exec.Command(os.Args[0], "-test.run", "^TestOutOfMemory$", "-test.v")
		c.Env = append(os.Environ(), "Z3_NO_MEMORY=1")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	ask := func(text string) (Result, error) {
		x, err := NewContext(nil)
		must.OK(t, err)
		defer x.Close()
		s := x.NewSolver("QF_BV")
		s.SetBudget(50_000_000, 1)
		if err := s.AddText(text); err != nil {
			return Undef, err
		}
		r, err := s.Check()
		t.Logf("%v, %v, %q", r, err, s.Reason())
		return r, err
	}
	LimitMemory(32)
	const dear = "(declare-const a (_ BitVec 64))(declare-const b (_ BitVec 64))" +
		"(assert (= (bvmul a b) #x7fffffffffffffe7))(assert (bvugt a #x0000000000000001))(assert (bvugt b #x0000000000000001))" +
		"(assert (= (bvmul a (bvadd a b)) (bvadd b #x0123456789abcdef)))"
	r, err := ask(dear)
	var fatal *FatalError
	if !errors.As(err, &fatal) {
		t.Errorf("%v, %v: want a fatal error", r, err)
	}
	LimitMemory(DefaultMemory)
	if r, err := ask("(declare-const a Bool)(assert a)(assert (not a))"); r != Unsat || err != nil {
		t.Errorf("%v, %v: want unsat", r, err)
	}
}
