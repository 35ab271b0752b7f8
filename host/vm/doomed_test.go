package vm

import (
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
)

// What every run must meet dooms a program; what some run can go round doesn't.
func TestDoomed(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       int // slot of the fault, -1: none
	}{
		{"nothing", "r0 = 2\nexit", -1},
		{"straight to it", "r0 = 2\ncall helper#9999\nexit", 1},
		{"one side of a branch", "r2 = *(u32 *)(r1 +0)\nif r2 == 0 goto +1\ncall helper#9999\nr0 = 2\nexit", -1},
		{"both sides", "r2 = *(u32 *)(r1 +0)\nif r2 == 0 goto +2\ncall helper#9998\nexit\ncall helper#9999\nexit", 2},
		{"behind the exit", "r0 = 2\nexit\ncall helper#9999\nexit", -1},
		{"a tail call may leave before", "call tail_call#12\ncall helper#9999\nexit", -1},
		{"in a function always called", "call pc+2\nr0 = 2\nexit\ncall helper#9999\nexit", 3},
		{"in a function that may return", "call pc+2\nr0 = 2\nexit\nif r1 == 0 goto +1\ncall helper#9999\nr0 = 1\nexit", -1},
		{"behind a function that returns", "call pc+2\ncall helper#9999\nexit\nr0 = 1\nexit", 1},
		{"a loop without an end", "r0 = 2\ngoto -2", -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code := must.Get(ebpf.Parser{}.Code(tt.text))(t)
			p := &loader.Program{Name: "t", Insns: code}
			obj := &loader.Object{File: "t", Programs: []*loader.Program{p}}
			s := must.Get(NewState(obj, Options{}))(t)
			defer s.Close()
			it := must.Get(NewInterp(s, obj, p))(t)
			f := it.Doomed()
			got := -1
			if f != nil {
				got = f.PC
			}
			if got != tt.want {
				t.Errorf("slot %d (%v), want %d", got, f, tt.want)
			}
		})
	}
}
