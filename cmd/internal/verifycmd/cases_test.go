package verifycmd

import (
	"strings"
	"testing"

	"jitnic/host/kernel"
)

// Inputs on which the two once seemed to differ, or nothing was compared and
// nobody said so. Their sources lie beside them.
func TestCases(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	const base = "testdata/cases/base.pcap"
	for _, c := range []struct {
		dir, args string
		err       string // "": exit 0
		lines     []string
	}{
		{"verify-padding", "-p padding.o -c " + base, "", []string{"compared 26 100.00 %", "not compared", "bytes uninitialised bytes", `note map "flood"`, "mismatches 0"}},
		{"verify-pointer-in-map", "-p pointer.o -c " + base, "", []string{"compared 26 100.00 %", "bytes addresses", `note map "scratch"`, "mismatches 0"}},
		{"verify-xskmap-entry", "-p v_xsk.o --maps xsk.json -c " + base, "nothing was compared: 26 packets: depends on state the kernel can't be given",
			[]string{"skipped 26 depends on", `map "xs": a socket can't be put into the kernel's`, "mismatches 0"}},
		{"verify-core-poison", "-p l_core.o -c " + base, "", []string{"compared 26 100.00 %", "maps compared 1", "mismatches 0"}},
		{"verify-fib", "-p f_fib.o --fib routes -c " + base, "", []string{"compared 26 100.00 %", "maps compared 1", "mismatches 0"}},
	} {
		args := strings.Fields(c.args)
		for i, a := range args {
			if i > 0 && args[i-1] != "-c" && !strings.HasPrefix(a, "-") {
				args[i] = "testdata/cases/" + c.dir + "/" + a
			}
		}
		out, err := verb(args...)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v, want %q\n%s", c.dir, err, c.err, out)
		}
		flat := strings.Join(strings.Fields(out), " ")
		for _, l := range c.lines {
			if !strings.Contains(flat, l) {
				t.Errorf("%s: no %q in\n%s", c.dir, l, out)
			}
		}
	}
}

// A program that no packet can run through is no agreement: verify-nothing-compared
// reaches a kernel function that the VM has or has not.
func TestNothingCompared(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	out, err := verb("-p", "testdata/cases/verify-nothing-compared/l_iter.o", "-c", "testdata/cases/base.pcap")
	if compared := strings.Contains(strings.Join(strings.Fields(out), " "), "compared 26"); compared != (err == nil) {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = verb("-p", "sample:firewall", "-c", capture(t, 10, 12))
	if err == nil || !strings.Contains(err.Error(), "nothing was compared: 2 packets: short") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
