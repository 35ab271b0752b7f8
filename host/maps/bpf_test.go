package maps

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bpfMapCreate asks the kernel for a map, without cilium/ebpf's own checks and
// repairs, and gives the errno.
func bpfMapCreate(s *Spec, inner int) Errno {
	attr := struct {
		typ, key, value, max, flags, inner, numa uint32
		name                                     [16]byte
		ifindex, btf, btfKey, btfValue, vmlinux  uint32
		extra                                    uint64
	}{typ: uint32(s.Type), key: s.KeySize, value: s.ValueSize, max: s.Max, flags: s.Flags, inner: uint32(inner), extra: s.Extra}
	fd, _, e := unix.Syscall(unix.SYS_BPF, unix.BPF_MAP_CREATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if e != 0 {
		return Errno(e)
	}
	unix.Close(int(fd))
	return OK
}

// bpfUpdate is BPF_MAP_UPDATE_ELEM with a descriptor as the value.
func bpfUpdate(mapFD int, key []byte, fd uint32, flags uint64) error {
	attr := struct {
		fd         uint32
		_          uint32
		key, value uint64
		flags      uint64
	}{fd: uint32(mapFD), key: uint64(uintptr(unsafe.Pointer(&key[0]))), value: uint64(uintptr(unsafe.Pointer(&fd))), flags: flags}
	_, _, e := unix.Syscall(unix.SYS_BPF, unix.BPF_MAP_UPDATE_ELEM, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(key)
	runtime.KeepAlive(&fd)
	if e != 0 {
		return e
	}
	return nil
}
