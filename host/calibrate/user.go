package calibrate

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"jitnic/host/kernel"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Commands of bpf(2) and the part of its attributes that they read
// (uapi/linux/bpf.h).
const (
	cmdLookup = 1
	cmdUpdate = 2
	cmdDelete = 3

	cmdLookupBatch = 24
	cmdUpdateBatch = 26

	enotsupp = unix.Errno(524) // the kernel's own, which libc has no name for
)

type batchAttr struct {
	in, out, keys, values unsafe.Pointer
	count, fd             uint32
	elemFlags, flags      uint64
}

type elemAttr struct {
	fd, pad    uint32
	key, value unsafe.Pointer
	flags      uint64
}

const userEntries = 10_000

// userSpace times bpf(2) on maps, a call an entry and a call for many. The
// system call is made without telling Go's scheduler, so that it costs what it
// costs in C.
func userSpace(b *bench) error {
	// The call alone: a look-up in a file descriptor that isn't one.
	var none elemAttr
	none.fd = 1<<31 - 1
	times, err := b.loops(1, func(int) unix.Errno { return call(cmdLookup, &none) }, unix.EBADF)
	if err != nil {
		return err
	}
	f := difference(times, nil, 1)
	f.Group, f.Name, f.Note = "user", "bpf(2)", "a call that fails at once, EBADF"
	b.note(f)
	for _, k := range kinds {
		b.progress("maps through bpf(2): " + k.name)
		if err := b.userMap(k); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		b.close()
	}
	return nil
}

func call(cmd uintptr, a *elemAttr) unix.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(a)), unsafe.Sizeof(*a))
	return e
}

// loops times rounds of calls; each must return want. The result is ns a call.
func (b *bench) loops(ops int, f func(i int) unix.Errno, want unix.Errno) ([]float64, error) {
	n := max(64, int(b.round/time.Microsecond))
	var out []float64
	for r := range warm + b.rounds {
		if err := b.ctx.Err(); err != nil {
			return nil, err
		}
		began := time.Now()
		for i := range n {
			if e := f(r*n + i); e != want {
				return nil, fmt.Errorf("bpf(2): %v, want %v", e, want)
			}
		}
		if r >= warm {
			out = append(out, float64(time.Since(began).Nanoseconds())/float64(n*ops))
		}
	}
	return out, nil
}

func (b *bench) userMap(k kind) error {
	spec := k.spec(userEntries, 64+k.room())
	ms, err := b.filled(spec, userEntries)
	if err != nil {
		return err
	}
	m := ms.Map(0)
	drawn := draws("uniform", userEntries, 1<<14, b.opt.Seed)
	keys := make([]byte, 0, len(drawn)*int(spec.KeySize))
	for _, d := range drawn {
		keys = append(keys, bytesOf(spec, d)...)
	}
	fresh := bytesOf(spec, userEntries)
	value := make([]byte, valueSize*1024) // more than all CPUs'
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&keys[0])
	pin.Pin(&value[0])
	pin.Pin(&fresh[0])
	a := elemAttr{fd: uint32(m.FD()), value: unsafe.Pointer(&value[0])}
	gone := elemAttr{fd: a.fd} // a delete's value must be 0
	key := func(i int) unsafe.Pointer { return unsafe.Pointer(&keys[i%len(drawn)*int(spec.KeySize)]) }
	type what struct {
		name string
		f    func(i int) unix.Errno
		note string
	}
	whats := []what{
		{"lookup", func(i int) unix.Errno { a.key = key(i); return call(cmdLookup, &a) }, "BPF_MAP_LOOKUP_ELEM"},
		{"update", func(i int) unix.Errno { a.key = key(i); return call(cmdUpdate, &a) }, "BPF_MAP_UPDATE_ELEM of a key that is there"},
	}
	if !k.isArray() {
		whats = append(whats, what{"insert_delete", func(i int) unix.Errno {
			a.key, gone.key = unsafe.Pointer(&fresh[0]), unsafe.Pointer(&fresh[0])
			if e := call(cmdUpdate, &a); e != 0 {
				return e
			}
			return call(cmdDelete, &gone)
		}, "BPF_MAP_UPDATE_ELEM of a new key and BPF_MAP_DELETE_ELEM of it: two calls"})
	}
	note := func(name, note string, times []float64) {
		f := difference(times, nil, 1)
		f.Group, f.Name, f.Map, f.Entries, f.Keys, f.Note = "user", name, k.name, userEntries, "uniform", note
		b.note(f)
	}
	for _, w := range whats {
		times, err := b.loops(1, w.f, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		note(w.name, w.note, times)
	}
	return b.batches(k, spec, m, note)
}

// batches times a call for many entries, where the type has such calls.
func (b *bench) batches(k kind, spec *maps.Spec, m *kernel.Map, note func(name, note string, times []float64)) error {
	const n = 1024
	cpus := 1
	if maps.IsPerCPU(spec) {
		var err error
		if cpus, err = cilium.PossibleCPU(); err != nil {
			return err
		}
	}
	var known []byte
	for i := range n {
		known = append(known, bytesOf(spec, uint32(i))...)
	}
	keys, values, cursor := make([]byte, len(known)), make([]byte, n*valueSize*cpus), make([]byte, 64)
	var pin runtime.Pinner
	defer pin.Unpin()
	for _, buf := range [][]byte{known, keys, values, cursor} {
		pin.Pin(&buf[0])
	}
	for _, w := range []struct {
		name, note string
		cmd        uintptr
		attr       batchAttr
	}{
		{"lookup_batch", "BPF_MAP_LOOKUP_BATCH of 1024, an entry's share", cmdLookupBatch, batchAttr{out: unsafe.Pointer(&cursor[0]), keys: unsafe.Pointer(&keys[0])}},
		{"update_batch", "BPF_MAP_UPDATE_BATCH of 1024, an entry's share", cmdUpdateBatch, batchAttr{keys: unsafe.Pointer(&known[0])}},
	} {
		var times []float64
		for r := range warm + b.rounds {
			if err := b.ctx.Err(); err != nil {
				return err
			}
			a := w.attr
			a.values, a.fd, a.count = unsafe.Pointer(&values[0]), uint32(m.FD()), n
			began := time.Now()
			_, _, e := unix.RawSyscall(unix.SYS_BPF, w.cmd, uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a))
			if e == enotsupp || e == unix.EINVAL {
				break // the kernel has none for this type
			}
			if e != 0 || a.count == 0 {
				return fmt.Errorf("%s: %d entries, %w", w.name, a.count, e)
			}
			if r >= warm {
				times = append(times, float64(time.Since(began).Nanoseconds())/float64(a.count))
			}
		}
		if times != nil {
			note(w.name, w.note, times)
		}
	}
	return nil
}
