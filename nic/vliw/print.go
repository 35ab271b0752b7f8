package vliw

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"jitnic/host/ebpf"
)

// Text is an op in the notation of [ebpf.Printer], the fused forms after it.
func (o *Op) Text(p ebpf.Printer) string {
	switch o.Form {
	case Three:
		s := p.Insn(o.In, o.Hi)
		dst, rest, ok := strings.Cut(s, " ")
		if o.In.ALUOp() == ebpf.ALUNeg || o.In.ALUOp() == ebpf.ALUEnd || !ok {
			// r3 = -r3, r3 = be16 r3
			i := strings.LastIndexByte(s, 'r')
			if i < 0 {
				return s
			}
			return s[:i] + reg(dst, o.Left)
		}
		op, arg, _ := strings.Cut(rest, " ")
		return dst + " = " + reg(dst, o.Left) + " " + strings.TrimSuffix(op, "=") + " " + arg
	case Load6:
		return strings.Replace(p.Insn(o.In, o.Hi), "u32", "u48", 1)
	case Store6:
		return strings.Replace(p.Insn(o.In, o.Hi), "u32", "u48", 1)
	case ExitImm:
		return fmt.Sprintf("exit %d", o.In.Imm)
	}
	return p.Insn(o.In, o.Hi)
}

// reg names a register as wide as the one like does.
func reg(like string, n uint8) string {
	if strings.HasPrefix(like, "w") {
		return fmt.Sprintf("w%d", n)
	}
	return fmt.Sprintf("r%d", n)
}

// Header is the schedule in a line.
func (s *Schedule) Header() string {
	h := fmt.Sprintf("# %d insns, %d bundles, IPC %.2f, critical path %d", s.Insns, len(s.Bundles), s.IPC(), s.Critical)
	if s.Cycles != len(s.Bundles) {
		h += fmt.Sprintf(", %d cycles", s.Cycles)
	}
	if s.Bound > s.Critical {
		h += fmt.Sprintf(", bound %d", s.Bound)
	}
	if s.Source != s.Insns {
		h += fmt.Sprintf(", fused from %d", s.Source)
	}
	if s.Renamed > 0 {
		h += fmt.Sprintf(", %d renamed", s.Renamed)
	}
	return h
}

// Format prints a schedule: its header, then a line for each cycle with a
// column for each lane. mapName names maps by index; nil prints indexes.
func (s *Schedule) Format(mapName func(i int) string) string {
	return s.Header() + "\n" + table(s.Ops, s.Bundles, s.Lane, max(s.Machine.Lanes, 1), ebpf.Printer{MapName: mapName})
}

// table lays bundles out in columns as wide as they need to be. Cycles without
// an instruction stand in one line.
func table(ops []Op, bundles [][]int32, lane []uint8, lanes int, p ebpf.Printer) string {
	width := make([]int, lanes)
	text := make([]string, len(ops))
	for i := range ops {
		text[i] = ops[i].Text(p)
		width[lane[i]] = max(width[lane[i]], utf8.RuneCountInString(text[i]))
	}
	row := make([]string, lanes)
	var out strings.Builder
	for c := 0; c < len(bundles); c++ {
		if len(bundles[c]) == 0 {
			from := c
			for c+1 < len(bundles) && len(bundles[c+1]) == 0 {
				c++
			}
			if from == c {
				fmt.Fprintf(&out, "%4d  -\n", c)
			} else {
				fmt.Fprintf(&out, "%4d  - to %d\n", from, c)
			}
			continue
		}
		clear(row)
		last := 0
		for _, i := range bundles[c] {
			row[lane[i]] = text[i]
			last = max(last, int(lane[i]))
		}
		fmt.Fprintf(&out, "%4d", c)
		for k := range last + 1 {
			if k > 0 {
				out.WriteString(" |")
			}
			out.WriteString("  " + row[k])
			if k < last {
				out.WriteString(strings.Repeat(" ", width[k]-utf8.RuneCountInString(row[k])))
			}
		}
		out.WriteByte('\n')
	}
	return out.String()
}
