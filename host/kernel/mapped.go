package kernel

import (
	"context"
	"fmt"

	"jitnic/host/maps"

	"golang.org/x/sys/unix"
)

// window is how much of an array is mapped at a time, in bytes.
const window = 64 << 20

// chunk is how much of it Chunks hands out at a time.
const chunk = 256 << 10

// Chunks calls f for piece after piece of the values of a large array as they
// lie in the kernel's memory, each rounded up to 8 bytes: off counts from the
// first. Only [Map.Scan] reads other maps: it returns false for those, and
// where the kernel doesn't map the array.
func (m *Map) Chunks(ctx context.Context, f func(off uint64, raw []byte) error) (bool, error) {
	if !m.mapped {
		return false, nil
	}
	size := uint64(m.Spec.Max) * uint64(maps.ValueStride(m.Spec))
	whole := (size + 4095) &^ 4095
	for at := uint64(0); at < whole; at += window {
		n := min(window, whole-at)
		b, err := unix.Mmap(m.FD(), int64(at), int(n), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			if at == 0 {
				return false, nil
			}
			return true, fmt.Errorf("map %q: mmap: %w", m.Spec.Name, err)
		}
		err = pieces(ctx, at, b[:min(n, size-at)], f)
		if e := unix.Munmap(b); err == nil {
			err = e
		}
		if err != nil {
			return true, err
		}
	}
	return true, nil
}

func pieces(ctx context.Context, at uint64, b []byte, f func(off uint64, raw []byte) error) error {
	for len(b) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(chunk, len(b))
		if err := f(at, b[:n:n]); err != nil {
			return err
		}
		at, b = at+uint64(n), b[n:]
	}
	return nil
}
