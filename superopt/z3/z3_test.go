package z3

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"jitnic/host/hosttest/must"
)

func ctx(t testing.TB) *Context {
	t.Helper()
	x, err := NewContext(&Config{Seed: 1})
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	t.Cleanup(x.Close)
	return x
}

func TestBitVectors(t *testing.T) {
	x := ctx(t)
	a := x.Const("a", x.BV(64))
	s := x.NewSolver("QF_BV")
	defer s.Close()
	s.SetBudget(1e6, 7)
	s.Push()
	s.Assert(x.Not(x.Eq(x.Add(a, a), x.Shl(a, x.BVVal(1, 64)))))
	if r, err := s.Check(); err != nil || r != Unsat {
		t.Fatalf("a+a != a<<1: %v %v", r, err)
	}
	s.Pop(1)
	s.Assert(x.Not(x.Eq(x.Add(a, a), a)))
	s.Assert(x.Bin("bvult", a, x.BVVal(2, 64)))
	r, err := s.Check()
	if err != nil || r != Sat {
		t.Fatalf("a+a != a, a < 2: %v %v", r, err)
	}
	m, err := s.Model()
	must.OK(t, err)
	defer m.Close()
	if v, err := m.Uint64(a); err != nil || v != 1 {
		t.Fatalf("a = %d, %v; want 1", v, err)
	}
}

func TestArrays(t *testing.T) {
	x := ctx(t)
	mem := x.Const("mem", x.Array(x.BV(64), x.BV(8)))
	i, j, v := x.Const("i", x.BV(64)), x.Const("j", x.BV(64)), x.Const("v", x.BV(8))
	s := x.NewSolver("QF_AUFBV")
	defer s.Close()
	s.Assert(x.Not(x.Eq(x.Select(x.Store(mem, i, v), j), x.Ite(x.Eq(i, j), v, x.Select(mem, j)))))
	if r, err := s.Check(); err != nil || r != Unsat {
		t.Fatalf("read over write: %v %v", r, err)
	}
}

func TestText(t *testing.T) {
	x := ctx(t)
	s := x.NewSolver("QF_BV")
	defer s.Close()
	must.OK(t, s.AddText("(declare-const a (_ BitVec 8))(assert (= (bvmul a #x03) #x2a))"))
	if r, err := s.Check(); err != nil || r != Sat {
		t.Fatal(r, err)
	}
	m := must.Get(s.Model())(t)
	defer m.Close()
	if v, err := m.Uint64(x.Const("a", x.BV(8))); err != nil || v*3&255 != 42 {
		t.Fatal(v, err)
	}
}

// A mistake must come back as an error: libz3's own handler ends the process.
func TestErrorsDontCrash(t *testing.T) {
	x := ctx(t)
	s := x.NewSolver("QF_BV")
	defer s.Close()
	if err := s.AddText("(assert (= nowhere #x03))"); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Fatalf("unknown constant: %v", err)
	}
	x.Eq(x.BVVal(1, 8), x.BVVal(1, 16))
	if err := x.Err(); err == nil {
		t.Fatal("8 bits equal to 16 bits: no error")
	}
	if x.Bin("bvnonsense", x.BVVal(1, 8), x.BVVal(1, 8)); x.Err() == nil {
		t.Fatal("unknown operation: no error")
	}
	must.OKf(t, x.Err(), "error kept after it was read")
	if _, err := s.Model(); err == nil {
		t.Fatal("model before check: no error")
	}
}

// Factoring a product of two primes is more than this budget holds.
func TestBudget(t *testing.T) {
	x := ctx(t)
	s := x.NewSolver("QF_BV")
	defer s.Close()
	s.SetBudget(2000, 0)
	must.OK(t, s.AddText(`(declare-const a (_ BitVec 64))(declare-const b (_ BitVec 64))
(assert (= (bvmul a b) #x3fffffffa8000021))(assert (bvugt a #x0000000000000001))(assert (bvugt b #x0000000000000001))
(assert (bvult a #x0000000100000000))(assert (bvult b #x0000000100000000))`))
	r, err := s.Check()
	if err != nil || r != Undef || s.Reason() == "" {
		t.Fatalf("%v %v reason %q, want unknown with a reason", r, err, s.Reason())
	}
}

func TestMissingLibrary(t *testing.T) {
	err := load([]string{"libz3-that-is-not-there.so"})
	if err == nil || !strings.Contains(err.Error(), "libz3-4") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("error %q must name the Debian package on one line", err)
	}
	if full := fmt.Sprintf("%+v", err); !strings.Contains(full, "libz3-that-is-not-there.so") {
		t.Fatalf("%%+v lacks what the linker said: %q", full)
	}
}

func TestVersions(t *testing.T) {
	for v, ok := range map[string]bool{"Z3 4.8.12.0": true, "Z3 4.13.3.0": true, "Z3 5.0.0.0": true, "Z3 4.8.11.0": false, "Z3 3.2": false} {
		if err := checkVersion(v); (err == nil) != ok {
			t.Errorf("%s: %v", v, err)
		}
	}
}

func Example() {
	x, err := NewContext(nil)
	if err != nil {
		fmt.Println("unsat") // no libz3 here
		return
	}
	defer x.Close()
	a := x.Const("a", x.BV(64))
	s := x.NewSolver("QF_BV")
	defer s.Close()
	s.Assert(x.Not(x.Eq(x.Add(a, a), x.Shl(a, x.BVVal(1, 64)))))
	r, _ := s.Check()
	fmt.Println(r)
	// Output: unsat
}

// TestSignal: a SIGINT while a check runs comes to Go's handlers, and an interrupt
// ends the check.
func TestSignal(t *testing.T) {
	x := ctx(t)
	got := make(chan os.Signal, 1)
	signal.Notify(got, os.Interrupt)
	defer signal.Stop(got)
	s := x.NewSolver("QF_BV")
	defer s.Close()
	s.SetBudget(0, 1)
	// The factors of a product of two large primes.
	a, b := x.Const("a", x.BV(64)), x.Const("b", x.BV(64))
	for _, f := range []AST{a, b} {
		s.Assert(x.Bin("bvult", f, x.BVVal(1<<32, 64)))
		s.Assert(x.Bin("bvult", x.BVVal(1, 64), f))
	}
	s.Assert(x.Eq(x.Bin("bvmul", a, b), x.BVVal(4294967291*4294967279, 64)))
	done := make(chan struct{})
	defer close(done)
	go func() {
		time.Sleep(100 * time.Millisecond)
		_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
		<-got
		for {
			x.Interrupt()
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	if r, err := s.Check(); err != nil || r != Undef {
		t.Errorf("%v, %v", r, err)
	}
}
