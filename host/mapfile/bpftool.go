package mapfile

import (
	"strconv"
	"strings"

	"jitnic/host/maps"

	"github.com/cilium/ebpf/btf"
)

// bpftool prints keys and values byte by byte, ["0x0a","0x00"], and the values
// of a per-CPU map as [{"cpu":0,"value":…}, …].

// hexBytesOf reads a list that has a string of the form 0xNN for each byte.
func hexBytesOf(n *node, dst []byte) bool {
	if n.kind != isList || len(n.list) != len(dst) || len(dst) == 0 {
		return false
	}
	out := make([]byte, len(dst))
	for i, c := range n.list {
		digits, ok := strings.CutPrefix(c.text, "0x")
		if c.kind != isString || !ok || len(digits) != 2 {
			return false
		}
		v, err := strconv.ParseUint(digits, 16, 8)
		if err != nil {
			return false
		}
		out[i] = byte(v)
	}
	copy(dst, out)
	return true
}

// byCPU says whether a list of values names their CPUs.
func byCPU(n *node) bool {
	return n.kind == isList && len(n.list) > 0 && n.list[0].kind == isObject && n.list[0].field("cpu") != nil && n.list[0].field("value") != nil
}

// bindByCPU gives the values of all CPUs in turn. A machine of more CPUs has
// zeros there; one of fewer has no place for more than zeros.
func (p *Plan) bindByCPU(vs *node, s *maps.Spec, t btf.Type) ([]byte, error) {
	stride := maps.ValueStride(s)
	out := make([]byte, stride*p.machine.CPUs)
	seen := map[uint64]bool{}
	for _, e := range vs.list {
		cpu, v := e.field("cpu"), e.field("value")
		if cpu == nil || v == nil || len(e.keys) != 2 {
			return nil, e.wrong("want \"cpu\" and \"value\"")
		}
		i, err := integer(cpu, 4, false)
		if err != nil {
			return nil, err
		}
		if seen[i] {
			return nil, cpu.wrong("cpu %d twice", i)
		}
		seen[i] = true
		one := make([]byte, s.ValueSize)
		if err := encode(v, t, one); err != nil {
			return nil, err
		}
		if i < uint64(p.machine.CPUs) {
			copy(out[int(i)*stride:], one)
			continue
		}
		for _, b := range one {
			if b != 0 {
				return nil, cpu.wrong("cpu %d has a value: the machine has %d (--queues)", i, p.machine.CPUs)
			}
		}
	}
	return out, nil
}
