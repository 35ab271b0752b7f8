package latency

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/calibrate"
	"jitnic/nic/profile"
	"jitnic/superopt"
)

func TestStudy(t *testing.T) {
	if got := Study(&calibrate.Study{}); got != superopt.DefaultLatency {
		t.Errorf("nothing measured gives %+v", got)
	}
	s := &calibrate.Study{Figures: []calibrate.Figure{
		{Group: "insn", Name: "alu", Value: 0.25}, {Group: "insn", Name: "load_wait", Value: 1.5}, {Group: "insn", Name: "jump", Value: 0.1},
		{Group: "insn", Name: "jump_taken", Value: 0.3}, {Group: "atomic", Name: "add", Value: 2}, {Group: "insn", Name: "div", Value: -1},
	}}
	want := superopt.DefaultLatency
	want.ALU, want.Load, want.Jump, want.Atomic = 0.25, 1, 0.2, 2
	if got := Study(s); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOf(t *testing.T) {
	l := Of(&profile.Host{Insn: 400, Atomic: 7000})
	d := superopt.DefaultLatency
	if l.ALU != 0.4 || l.Load != 2*d.Load || l.Atomic != 7 || l.Call != d.Call {
		t.Errorf("got %+v", l)
	}
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.json")
	for _, c := range []struct{ text, want string }{
		{"{", "c.json: "},
		{"{}", "no latencies in it"},
		{`{"latency": {"ALU": 1}}`, "latency 0: want more than 0"},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", c.text, err, c.want)
		}
	}
}

func Example() {
	s := &calibrate.Study{Figures: []calibrate.Figure{{Group: "atomic", Name: "add", Value: 1.75}}}
	fmt.Println("an atomic:", Study(s).Atomic, "ns measured,", superopt.DefaultLatency.Atomic, "ns else")
	// Output: an atomic: 1.75 ns measured, 5 ns else
}
