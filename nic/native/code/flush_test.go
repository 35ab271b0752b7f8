package code

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// TestFlushSequence has llvm-mc read the instructions that clean the caches of
// arm64, which no emulator needs and Go's assembler has no names for, and demands
// those of the Arm ARM, in their order.
func TestFlushSequence(t *testing.T) {
	mc, err := exec.LookPath("llvm-mc")
	if err != nil {
		t.Skip("llvm-mc is not installed")
	}
	text, err := os.ReadFile("enter_arm64.s")
	must.OK(t, err)
	_, body, _ := strings.Cut(string(text), "TEXT ·flushLines")
	body, _, _ = strings.Cut(body, "TEXT ")
	var got []string
	for _, m := range regexp.MustCompile(`WORD \$0x([0-9a-f]{8})|(?m)^\t(BLO|RET)`).FindAllStringSubmatch(body, -1) {
		if m[2] != "" {
			got = append(got, m[2])
			continue
		}
		v, _ := strconv.ParseUint(m[1], 16, 32)
		c := exec.Command(mc, "-disassemble", "-triple=aarch64")
		c.Stdin = strings.NewReader(fmt.Sprintf("0x%02x 0x%02x 0x%02x 0x%02x", byte(v), byte(v>>8), byte(v>>16), byte(v>>24)))
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v", m[1], err)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		got = append(got, strings.Join(strings.Fields(lines[len(lines)-1]), " "))
	}
	want := "dc cvau, x5; BLO; dsb ish; ic ivau, x5; BLO; dsb ish; isb; RET"
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
}
