package mapfile

import (
	"encoding/binary"
	"fmt"

	"jitnic/host/maps"

	"github.com/cilium/ebpf"
)

// place is where an entry goes.
type place struct {
	m   int
	key string
}

// once refuses a second entry of the same key: which of them was meant?
func (p *Plan) once(c *change) error {
	s := p.machine.Maps()[c.m].Spec()
	if s.KeySize == 0 {
		return nil // queues, stacks and bloom filters hold the same again
	}
	at := place{c.m, string(c.key)}
	if first, ok := p.seen[at]; ok {
		return c.where.wrong("map %q has this key already (line %d)", s.Name, first.line)
	}
	p.seen[at] = c.where
	return nil
}

// indexed are the map types whose keys are numbers below the map's size.
var indexed = map[ebpf.MapType]bool{
	ebpf.Array: true, ebpf.PerCPUArray: true, ebpf.ProgramArray: true, ebpf.PerfEventArray: true, ebpf.ArrayOfMaps: true,
	ebpf.DevMap: true, ebpf.CPUMap: true, ebpf.XSKMap: true, ebpf.SockMap: true, ebpf.CGroupArray: true,
}

// inRange refuses an index that an array doesn't have.
func inRange(n *node, s *maps.Spec, key []byte) error {
	if !indexed[s.Type] || len(key) != 4 {
		return nil
	}
	if i := binary.LittleEndian.Uint32(key); i >= s.Max {
		return n.wrong("index %d: map %q has entries 0 to %d", i, s.Name, s.Max-1)
	}
	return nil
}

// refusal says in words why a map refused a change, where its errno alone
// doesn't.
func refusal(mp maps.Map, c *change, errno maps.Errno) error {
	s := mp.Spec()
	switch {
	case errno == maps.E2BIG && !c.del:
		return fmt.Errorf("the map is full: it holds %d entries (%w)", s.Max, errno)
	case errno == maps.ENOENT:
		return fmt.Errorf("there is no entry of this key (%w)", errno)
	case errno == maps.EEXIST:
		return fmt.Errorf("there is an entry of this key already (%w)", errno)
	}
	return errno
}
