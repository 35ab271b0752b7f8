package diff

import (
	"bytes"

	"jitnic/host/maps"
	"jitnic/host/vm"
)

// Maps compares all maps of two machines that were made from the same object,
// want being the oracle's.
func Maps(want, got []maps.Map) *Difference {
	return mapsWhile(want, got, func() bool { return true })
}

func mapsWhile(want, got []maps.Map, goOn func() bool) *Difference {
	if len(want) != len(got) {
		return differ(Map, "%d maps, want %d", len(got), len(want))
	}
	for i := range want {
		if d := maps.EqualWhile(want[i], got[i], goOn); d != "" {
			return &Difference{What: Map, Map: i, Detail: "oracle's " + d}
		}
	}
	return nil
}

// Checker compares two States after every packet.
type Checker struct {
	want, got *vm.State
	every     int
	packets   int
	apart     []bool // of each map: its values no longer lie at equal addresses
	all       []bool // of each map: compare it wholly after this packet
}

// NewChecker compares got with want, the oracle's, from now on; both must be
// equal now. It turns their tracking of writes on. All maps are compared after
// every that many packets; 0 leaves that to [Checker.All].
func NewChecker(want, got *vm.State, every int) *Checker {
	want.Opt.Track, got.Opt.Track = true, true
	return &Checker{want: want, got: got, every: every}
}

// Packet compares the outcome of one packet and what it wrote to maps. It must
// be called after each packet. When nothing differs it returns nil and
// allocates nothing.
func (c *Checker) Packet(want, got *vm.Output) *Difference {
	if d := Outputs(want, got); d != nil {
		return d
	}
	if len(c.apart) != len(c.want.Maps) {
		c.apart = append(c.apart, make([]bool, len(c.want.Maps)-len(c.apart))...)
		c.all = make([]bool, len(c.want.Maps))
	}
	c.packets++
	if c.every > 0 && c.packets%c.every == 0 {
		return Maps(c.want.Maps, c.got.Maps)
	}
	clear(c.all)
	if d := c.writes(c.want); d != nil {
		return d
	}
	if d := c.writes(c.got); d != nil {
		return d
	}
	for i, all := range c.all {
		if all {
			if d := c.whole(i); d != nil {
				return d
			}
		}
	}
	return nil
}

// All compares all maps, while it is told to go on.
func (c *Checker) All(goOn func() bool) *Difference { return mapsWhile(c.want.Maps, c.got.Maps, goOn) }

// writes compares the two sides wherever s wrote.
func (c *Checker) writes(s *vm.State) *Difference {
	for _, w := range s.Writes {
		i := int(w.Map)
		switch key := s.WriteKey(w); {
		case c.apart[i] || key == nil && w.Size == 0:
			// Queues and rings have no keys: their comparison is cheap.
			c.all[i] = true
		case key == nil:
			a, b := c.want.Mem.Bytes(w.Addr, w.Size), c.got.Mem.Bytes(w.Addr, w.Size)
			if !bytes.Equal(a, b) {
				// By name of key if it shows there, else by address.
				if d := c.whole(i); d != nil {
					return d
				}
			}
		default:
			if c.keyDiffers(i, key) {
				if d := c.whole(i); d != nil {
					return d
				}
			}
		}
	}
	return nil
}

// keyDiffers says whether the entry of a key looks different on the two sides.
// Equal maps whose values have come to lie elsewhere look so too: from then on
// they are compared wholly.
func (c *Checker) keyDiffers(i int, key []byte) bool {
	a, b := c.want.Maps[i], c.got.Maps[i]
	if a.Len() != b.Len() {
		return true
	}
	size := uint64(a.Spec().ValueSize)
	cpus := 1
	if maps.IsPerCPU(a.Spec()) {
		cpus = c.want.Opt.CPUs
	}
	for cpu := range cpus {
		x, y := a.Peek(key, cpu), b.Peek(key, cpu)
		if x != y {
			c.apart[i] = true
			return true
		}
		if x != 0 && !bytes.Equal(c.want.Mem.Bytes(x, size), c.got.Mem.Bytes(y, size)) {
			return true
		}
	}
	return false
}

func (c *Checker) whole(i int) *Difference {
	if d := maps.Equal(c.want.Maps[i], c.got.Maps[i]); d != "" {
		return &Difference{What: Map, Map: i, Detail: "oracle's " + d}
	}
	return nil
}
