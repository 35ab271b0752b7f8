package trace

import (
	"fmt"
	"strings"

	"jitnic/host/ebpf"
)

// Format prints a trace: a header with its lengths in instructions (run on the
// path, without jumps, of the code that follows), then an instruction a line.
// mapName names maps by index; nil prints indexes. [Parse] reads it back, all
// but Meta.
//
//	# trace: raw 9, straight 7, length 3
//	r1 = map[hits] +0
//	lock *(u64 *)(r1 +0) += r0
//	exit
func Format(t *Trace, mapName func(i int) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# trace: raw %d, straight %d, length %d", t.Raw, t.Straight, t.Len())
	b.WriteByte('\n')
	b.WriteString(ebpf.Printer{MapName: mapName}.Code(t.Code))
	return b.String()
}

// Parse reads what [Format] prints. Without a header the lengths are those of
// the code. Code that isn't straight-line or doesn't end in exit is refused;
// errors name line and column.
func Parse(text string, mapIndex func(name string) (int, bool)) (*Trace, error) {
	code, err := ebpf.Parser{MapIndex: mapIndex}.Code(text)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	t := &Trace{Code: code}
	if err := straight(code); err != nil {
		return nil, err
	}
	t.Raw, t.Straight = t.Len(), t.Len()
	line, _, _ := strings.Cut(strings.TrimLeft(text, "\n"), "\n")
	line = strings.TrimRight(line, " \t\r")
	rest, ok := strings.CutPrefix(line, "# trace:")
	if !ok {
		return t, nil
	}
	var raw, str, n int
	want := "raw N, straight N, length N"
	if _, err := fmt.Sscanf(rest, " raw %d, straight %d, length %d", &raw, &str, &n); err != nil ||
		fmt.Sprintf(" raw %d, straight %d, length %d", raw, str, n) != rest {
		return nil, fmt.Errorf("trace: line 1: column %d: %q expected", len(line)-len(rest)+1, want)
	}
	if n != t.Len() || raw < 0 || str < 0 {
		return nil, fmt.Errorf("trace: line 1: length %d: the code has %d instructions", n, t.Len())
	}
	t.Raw, t.Straight = raw, str
	return t, nil
}

// straight checks that code runs from its start to one exit at its end.
func straight(code []ebpf.Insn) error {
	for i := 0; i < len(code); i++ {
		in := code[i]
		c := in.Class()
		jump := c == ebpf.ClassJMP || c == ebpf.ClassJMP32
		switch {
		case in.IsWide():
			if i+1 == len(code) {
				return fmt.Errorf("trace: insn %d: half a wide instruction", i)
			}
			i++
		case in.Op == ebpf.OpExit:
			if i+1 != len(code) {
				return fmt.Errorf("trace: insn %d: exit before the end", i)
			}
			return nil
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper:
		case jump:
			return fmt.Errorf("trace: insn %d: a jump in a trace", i)
		}
	}
	return fmt.Errorf("trace: does not end in exit")
}
