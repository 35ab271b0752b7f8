package latency

import (
	"fmt"
	"testing"

	"jitnic/host/calibrate"
	"jitnic/superopt"
)

func TestStudy(t *testing.T) {
	if got := Study(&calibrate.Study{}); got != superopt.DefaultLatency() {
		t.Errorf("nothing measured gives %+v", got)
	}
	s := &calibrate.Study{Figures: []calibrate.Figure{
		{Group: "insn", Name: "alu", Value: 0.25}, {Group: "insn", Name: "load_wait", Value: 1.5}, {Group: "insn", Name: "jump", Value: 0.1},
		{Group: "insn", Name: "jump_taken", Value: 0.3}, {Group: "atomic", Name: "add", Value: 2}, {Group: "insn", Name: "div", Value: -1},
	}}
	want := superopt.DefaultLatency()
	want.ALU, want.Load, want.Jump, want.Atomic = 0.25, 1, 0.2, 2
	if got := Study(s); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func Example() {
	s := &calibrate.Study{Figures: []calibrate.Figure{{Group: "atomic", Name: "add", Value: 1.75}}}
	fmt.Println("an atomic:", Study(s).Atomic, "ns measured,", superopt.DefaultLatency().Atomic, "ns else")
	// Output: an atomic: 1.75 ns measured, 5 ns else
}
