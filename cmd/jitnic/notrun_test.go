package main

import (
	"strings"
	"testing"

	"jitnic/host/kernel"
)

// Of packets that can't be run there is no result: their share stands in every
// report, and feasibility gives no verdict; where no packet can be run, the
// program is refused before the first.
func TestNotRun(t *testing.T) {
	const dir = "testdata/notrun/"
	for _, c := range []struct{ verb, want string }{
		{"feasibility --nic bluefield --quick", "No verdict: 38.46 % of the packets (10) could not be run: program \"p\": insn 12: helper 80"},
		{"replay", "faults            10  38.46 %  could not be run, so this is no result for them"},
		{"compare --policies lru --entries 2", "not run         10  38.46 %  could not be run: this is no result for them"},
		{"traces", "not run   10  38.46 %  could not be run: this is no result for them"},
		{"paths --out /dev/null", "not run        10  38.46 %  could not be run: this is no result for them"},
		{"verify", "skipped        10  not supported"},
	} {
		if c.verb == "verify" {
			if err := kernel.Available(); err != nil {
				t.Logf("verify: skipped: %v", err)
				continue
			}
		}
		words := strings.Fields(c.verb)
		code, out, errs := jitnic(t.Context(), append(words, "-p", dir+"some.o", "-c", dir+"base.pcap")...)
		if code != 0 || !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(c.want), " ")) {
			t.Errorf("%s: exit %d, %s\n%s\nwant %q", c.verb, code, errs, out, c.want)
		}
		code, out, errs = jitnic(t.Context(), append(words, "-p", dir+"all.o", "-c", dir+"base.pcap")...)
		if code != 1 || strings.Contains(out, "packets") || !strings.Contains(errs, "insn 2: helper 80 (get_current_cgroup_id): not supported: every run comes to it") {
			t.Errorf("%s: exit %d, %s\n%s", c.verb, code, errs, out)
		}
	}
}
