package maps

import (
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
