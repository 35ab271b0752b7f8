package verify

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"jitnic/host/ebpf"
)

var gotoLabel = regexp.MustCompile(`goto ([a-z]\w*)`)

// labelled turns jumps to labels ("goto fail" … "fail:") into the relative
// ones of the text form.
func labelled(t testing.TB, text string) string {
	t.Helper()
	parser := ebpf.Parser{MapIndex: func(string) (int, bool) { return 0, true }}
	var out []string
	at := map[string]int{}
	slots := []int{0}
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		line = strings.TrimSpace(line)
		for {
			label, rest, ok := strings.Cut(line, ":")
			if !ok || strings.ContainsAny(label, " (=") {
				break
			}
			at[label] = slots[len(slots)-1]
			line = strings.TrimSpace(rest)
		}
		if line == "" {
			continue
		}
		code, err := parser.Code(gotoLabel.ReplaceAllString(line, "goto +0"))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, line)
		slots = append(slots, slots[len(slots)-1]+len(code))
	}
	for i, line := range out {
		out[i] = gotoLabel.ReplaceAllStringFunc(line, func(s string) string {
			to, ok := at[strings.TrimPrefix(s, "goto ")]
			if !ok {
				t.Fatalf("%s: no such label", line)
			}
			return fmt.Sprintf("goto %+d", to-slots[i+1])
		})
	}
	return strings.Join(out, "\n")
}
