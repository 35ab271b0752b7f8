package native

import (
	"fmt"
	"math/bits"
	"slices"

	"jitnic/host/vm"
)

// exactMark is a look-up of fields: where its code begins and where that of what comes
// behind it, which values are in registers then, and the paths that it finds.
type exactMark struct {
	at, to int
	h      holds
	placed []exactPath
}

// exact reads a look-up of fields back, of which every path's packet is looked up, and
// one that differs from it in a bit.
func (b *treeReader) exact(x *exactMark) error {
	known := map[[2]uint64]int64{}
	for i := range x.placed {
		key, _, _ := x.placed[i].way.words()
		known[key] = int64(x.placed[i].path)
	}
	for i := range x.placed {
		w := slices.Clone(x.placed[i].way)
		for set := range uint64(2) {
			b.seed = uint64(i)<<1 | set
			b.mem.reset(b.seed)
			b.x = drawnContext(b.seed, b.s)
			b.x.length, b.x.out, b.x.table = vm.MaxLinear, outPlace, tablePlace
			b.registers()
			if f := &w[b.draw(1)%uint64(len(w))]; set > 0 { // its lowest bit, or its highest
				f.value ^= 1 << [...]int{bits.TrailingZeros64(f.known), bits.Len64(f.known) - 1}[b.draw(2)&1]
			}
			for _, f := range w {
				other := b.mem.load(f.at, int(f.size)) &^ f.known
				b.mem.store(f.at, other|f.value, int(f.size))
			}
			key, _, _ := w.words()
			path, is := known[key]
			if !is {
				path = noLeaf
			} else if i&1 != 0 {
				b.x.one = leafPlace + uintptr(path)
			}
			kept := b.cpu.R
			if err := b.run(x.at, path, x.to); err != nil {
				return fmt.Errorf("a look-up of fields: path %d: %w", x.placed[i].path, err)
			}
			for r, slot := range x.h {
				if home := b.m.Home[r]; !is && slot != 0 && b.cpu.R[home] != kept[home] {
					return fmt.Errorf("a look-up of fields: register %d is %#x", r, b.cpu.R[home])
				}
			}
		}
	}
	return nil
}
