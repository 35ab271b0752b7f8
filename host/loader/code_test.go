package loader

import (
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
)

func TestFromCode(t *testing.T) {
	code, err := ebpf.Parser{}.Code("call pc+1; exit; r0 = 2; exit")
	must.OK(t, err)
	o, err := FromCode("x.k2", code, nil)
	must.OK(t, err)
	p, err := o.Entry("")
	if err != nil || len(p.Funcs) != 2 || p.Funcs[1] != (Func{Name: "f2", Start: 2, End: 4}) {
		t.Errorf("%+v, %v", p, err)
	}
	for text, want := range map[string]string{
		"r0 = 2":               "x.k2: insn 0: last insn",
		"r1 = map[#0]; exit":   "x.k2: insn 0: map 0 of 0",
		"goto +5; exit":        "x.k2: insn 0: jump out of range",
		"r1 = func pc+9; exit": "x.k2: insn 0: jump out of range",
	} {
		if code, err = (ebpf.Parser{}).Code(text); err != nil {
			t.Fatal(err)
		}
		if _, err := FromCode("x.k2", code, nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
