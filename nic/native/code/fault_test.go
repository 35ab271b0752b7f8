package code

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"unsafe"

	"jitnic/host/hosttest/must"
	"jitnic/nic/native/asm"

	"golang.org/x/sys/unix"
)

// A load by generated code from a mapped file whose bytes are gone is a panic that
// Go recovers, where that is asked for; code runs on afterwards.
func TestFaultOfMappedFile(t *testing.T) {
	m := memory(t, 0)
	f := must.Get(os.Create(filepath.Join(t.TempDir(), "gone")))(t)
	defer f.Close()
	must.OK(t, f.Truncate(4096))
	b := must.Get(unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE))(t)
	defer unix.Munmap(b)
	c := new(struct{ at, loaded uint64 })
	load := block(t, m, func(b asm.Backend) {
		b.Load(8, asm.R10, asm.At(asm.Ctx, 0))
		b.Load(8, asm.R1, asm.At(asm.R10, 8))
		b.OpK(asm.Add, true, asm.R1, 1)
		b.Store(8, asm.R1, asm.At(asm.Ctx, 8))
		b.Ret()
	})
	run := func(at *byte) (fault error) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() { fault, _ = recover().(error) }()
		c.at, c.loaded = uint64(uintptr(unsafe.Pointer(at))), 0
		Enter(load.Addr(), unsafe.Pointer(c), 0)
		return nil
	}
	if err := run(&b[0]); err != nil || c.loaded != 1 {
		t.Fatalf("%v, loaded %d", err, c.loaded)
	}
	must.OK(t, f.Truncate(0))
	for range 3 {
		err := run(&b[0])
		e, ok := err.(interface{ Addr() uintptr })
		// qemu-aarch64 doesn't tell the address.
		if err == nil || runtime.GOARCH == "amd64" && (!ok || e.Addr() != uintptr(unsafe.Pointer(&b[8]))) {
			t.Fatalf("%v, want a fault at %p", err, &b[8])
		}
		if err := run(&make([]byte, 16)[0]); err != nil || c.loaded != 1 {
			t.Fatalf("afterwards: %v, loaded %d", err, c.loaded)
		}
	}
}
