package filterbench

import (
	"context"
	"math"
	"testing"

	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader/xdpfilter"
	"jitnic/host/vm"
)

func events(t *testing.T) (out [][]byte) {
	for in := range hosttest.Packets(t, "sample:lab", 300) {
		out = append(out, append([]byte(nil), in.Data...))
	}
	return out
}

func compiled(t *testing.T, expr string) *xdpfilter.Filter {
	t.Helper()
	f := must.Get(xdpfilter.New("filter:"+expr, expr, xdpfilter.Options{}))(t)
	return f
}

// TestRun: every engine decides every event alike, or says why it isn't there. Run
// itself compares what matches.
func TestRun(t *testing.T) {
	cases := []Case{{Filter: compiled(t, Short)}, {Filter: compiled(t, Long)}, {Filter: compiled(t, "arp or dst port 80")}}
	rs := must.Get(Run(context.Background(), events(t), cases, []int{3200, 6400}))(t)
	if len(rs) != 2*len(Engines())*len(cases) {
		t.Fatalf("%d results", len(rs))
	}
	for _, r := range rs {
		if r.Skipped != "" {
			t.Logf("%s: %s", r.Engine, r.Skipped)
			continue
		}
		if r.Events < 3000 || r.Median <= 0 || r.Q1 > r.Median || r.Median > r.Q3 || math.Abs(r.Median-r.None-r.Overhead) > 1e-9 {
			r.Blocks = nil
			t.Errorf("%+v", r)
		}
		if r.Expr == Short && r.Matched == 0 {
			t.Errorf("%s: %q takes nothing: the test is weak", r.Engine, r.Expr)
		}
		x, y := Density(r.Blocks, 60)
		if len(x) == 0 || len(x) != len(y) {
			t.Errorf("%s: a density of %d and %d values", r.Engine, len(x), len(y))
		}
	}
	if _, err := Run(context.Background(), [][]byte{{1}}, cases, []int{3200}); err == nil {
		t.Error("a packet of one byte was taken")
	}
}

// TestHard: the functions written out say what their expressions say.
func TestHard(t *testing.T) {
	for expr, f := range Hard {
		p := compiled(t, expr).Program
		for _, d := range events(t) {
			for _, n := range []int{len(d), min(len(d), 100), min(len(d), 101), min(len(d), 13), min(len(d), 20)} {
				if n > vm.MaxLinear {
					continue
				}
				if got, want := f(d[:n]), p.Match(d[:n], uint32(n)); got != want {
					t.Errorf("%q: %v of %d bytes, want %v", expr, got, n, want)
				}
			}
		}
	}
}

// TestTracepoints: of the datagrams sent over lo every second is longer than 100
// bytes.
func TestTracepoints(t *testing.T) {
	const n = 2000
	ls, err := Tracepoints(context.Background(), n)
	if err != nil {
		t.Skip(err)
	}
	if len(ls) < 4 {
		t.Fatalf("%+v", ls)
	}
	if ls[0].Matched != n || ls[0].Events < n || ls[1].Matched != n/2 || ls[0].NS <= 0 || ls[2].Events == 0 {
		t.Errorf("%+v", ls)
	}
	// The talk's own event, at a device that bears the name.
	if ls[3].Skipped != "" {
		t.Skip(ls[3].Skipped)
	}
	if len(ls) != 5 || ls[3].Event != "net/netif_receive_skb_entry" || ls[3].Matched != n || ls[4].Matched != n/2 {
		t.Errorf("%+v", ls[3:])
	}
}
