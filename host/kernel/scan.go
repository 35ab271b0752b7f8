package kernel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	cilium "github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// batchAttr is the part of union bpf_attr that batches of map elements read.
type batchAttr struct {
	in, out, keys, values unsafe.Pointer
	count, fd             uint32
	elemFlags, flags      uint64
}

// cmdLookupBatch is BPF_MAP_LOOKUP_BATCH (Linux 5.6).
const cmdLookupBatch = 24

// errNotSupported is the kernel's ENOTSUPP, which never was meant for users.
const errNotSupported = unix.Errno(524)

// batchBytes is how much of a map one call of a batch brings over.
const batchBytes = 4 << 20

// Scan calls f for every entry of a map that tells its contents but a queue or
// stack, in the order the kernel keeps them in: of an array that of its keys.
// It reads batches of a few MiB, so that neither time nor memory beyond that
// follows anything but what the map holds. key and value are good only during
// the call; values are as in [Map.Entries]. An error of f, and the end of ctx,
// end it.
func (m *Map) Scan(ctx context.Context, f func(key, value []byte) error) error {
	ks, vs := int(m.Spec.KeySize), m.ValueLen()
	n := max(64, batchBytes/(ks+vs))
	if m.Spec.Max > 0 {
		n = min(n, int(m.Spec.Max))
	}
	// A cursor is a bucket number or a key.
	cursor := [2][]byte{make([]byte, max(8, ks)), make([]byte, max(8, ks))}
	keys, values := make([]byte, n*ks), make([]byte, n*vs)
	for first := true; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		a := batchAttr{out: addr(cursor[1]), keys: addr(keys), values: addr(values), count: uint32(n), fd: uint32(m.FD())}
		if !first {
			a.in = addr(cursor[0])
		}
		e := bpf(cmdLookupBatch, unsafe.Pointer(&a), unsafe.Sizeof(a))
		switch e {
		case 0, unix.ENOENT: // the latter with the last batch
		case unix.EINTR, unix.EAGAIN:
			continue
		case unix.ENOSPC: // a bucket holds more than n
			n *= 2
			keys, values = make([]byte, n*ks), make([]byte, n*vs)
			continue
		case errNotSupported, unix.EOPNOTSUPP:
			if first {
				return m.scanKeys(ctx, f)
			}
			fallthrough
		default:
			return fmt.Errorf("map %q: batch of entries: %w", m.Spec.Name, e)
		}
		for i := range int(a.count) {
			if err := f(keys[i*ks:][:ks:ks], values[i*vs:][:vs:vs]); err != nil {
				return err
			}
		}
		if e == unix.ENOENT {
			return nil
		}
		cursor[0], cursor[1] = cursor[1], cursor[0]
		first = false
	}
}

// scanKeys is Scan of a map without batches.
func (m *Map) scanKeys(ctx context.Context, f func(key, value []byte) error) error {
	keys, err := m.Keys()
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, err := m.Lookup(k)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		if err := f(k, v); err != nil {
			return err
		}
	}
	return nil
}

// sameValue compares two values. Words of eight bytes that both are addresses in
// the kernel, as programs keep of the packet they run on, count as equal: no two
// runs have the same.
func sameValue(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	for i := 0; i < len(a); i += 8 {
		x, y := a[i:min(i+8, len(a))], b[i:min(i+8, len(b))]
		if !bytes.Equal(x, y) && !(isAddress(x) && isAddress(y)) {
			return false
		}
	}
	return len(a) == len(b)
}

// isAddress says whether eight bytes are in the upper half of the address space.
func isAddress(b []byte) bool { return len(b) == 8 && binary.LittleEndian.Uint64(b)>>47 == 1<<17-1 }

// SameEntries names the first difference between what two maps of one blueprint
// hold, the first being what is wanted; "" where there is none.
func SameEntries(ctx context.Context, want, got *Map) (string, error) {
	if want.Spec.Type == cilium.Queue || want.Spec.Type == cilium.Stack {
		return sameDrained(want, got)
	}
	first, n := "", 0
	differs := errors.New("differs")
	err := want.Scan(ctx, func(key, value []byte) error {
		n++
		v, err := got.Lookup(key)
		if err != nil {
			return err
		}
		if v == nil {
			first = fmt.Sprintf("key %x: want %x, got nothing", key, value)
		} else if !sameValue(value, v) {
			first = fmt.Sprintf("key %x: want %x, got %x", key, value, v)
		}
		if first != "" {
			return differs
		}
		return nil
	})
	if err != nil && err != differs || first != "" {
		if err == differs {
			err = nil
		}
		return first, err
	}
	if want.Spec.Type == cilium.Array || want.Spec.Type == cilium.PerCPUArray {
		return "", nil // the keys are the same
	}
	err = got.Scan(ctx, func(key, value []byte) error {
		if n--; n >= 0 {
			return nil
		}
		// One too many: which it is takes a look at each.
		return differs
	})
	if err != differs {
		return "", err
	}
	err = got.Scan(ctx, func(key, value []byte) error {
		v, err := want.Lookup(key)
		if err == nil && v == nil {
			first = fmt.Sprintf("key %x: want nothing, got %x", key, value)
			err = differs
		}
		return err
	})
	if err == differs {
		err = nil
	}
	return first, err
}

func sameDrained(want, got *Map) (string, error) {
	a, err := want.Entries()
	if err != nil {
		return "", err
	}
	b, err := got.Entries()
	if err != nil {
		return "", err
	}
	if len(a) != len(b) {
		return fmt.Sprintf("%d elements, want %d", len(b), len(a)), nil
	}
	for i := range a {
		if !sameValue(a[i].Value, b[i].Value) {
			return fmt.Sprintf("element %d: want %x, got %x", i, a[i].Value, b[i].Value), nil
		}
	}
	return "", nil
}
