package maps

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Errno is the outcome of a map operation: 0 or a positive errno number. A
// program sees its negative, as from the kernel.
type Errno int

// The outcomes of map operations (uapi/asm-generic/errno.h).
const (
	OK         Errno = 0
	ENOENT           = Errno(unix.ENOENT)
	E2BIG            = Errno(unix.E2BIG)
	EBADF            = Errno(unix.EBADF)
	EAGAIN           = Errno(unix.EAGAIN)
	ENOMEM           = Errno(unix.ENOMEM)
	EEXIST           = Errno(unix.EEXIST)
	ENODEV           = Errno(unix.ENODEV)
	EINVAL           = Errno(unix.EINVAL)
	ENOSPC           = Errno(unix.ENOSPC)
	EOVERFLOW        = Errno(unix.EOVERFLOW)
	ENODATA          = Errno(unix.ENODATA)
	EOPNOTSUPP       = Errno(unix.EOPNOTSUPP)
	ENOTSUPP   Errno = 524 // include/linux/errno.h: not for user space, yet seen there
)

// Error is the errno's name, "ok" for 0.
func (e Errno) Error() string {
	switch e {
	case OK:
		return "ok"
	case ENOTSUPP:
		return "ENOTSUPP"
	}
	if s := unix.ErrnoName(unix.Errno(e)); s != "" {
		return s
	}
	return "errno " + strconv.Itoa(int(e))
}

// The flags of Update (uapi/linux/bpf.h).
const (
	Any     uint64 = 0 // make a new element or replace the one there
	NoExist uint64 = 1 // only make a new one
	Exist   uint64 = 2 // only replace
	Lock    uint64 = 4 // BPF_F_LOCK: under the value's bpf_spin_lock, in place
)

// The flags of Spec (uapi/linux/bpf.h).
const (
	FlagNoPrealloc    uint32 = 1 << 0
	FlagNoCommonLRU   uint32 = 1 << 1
	FlagNumaNode      uint32 = 1 << 2
	FlagRdonly        uint32 = 1 << 3
	FlagWronly        uint32 = 1 << 4
	FlagZeroSeed      uint32 = 1 << 6
	FlagRdonlyProg    uint32 = 1 << 7
	FlagWronlyProg    uint32 = 1 << 8
	FlagMmapable      uint32 = 1 << 10
	FlagPreserveElems uint32 = 1 << 11
	FlagInnerMap      uint32 = 1 << 12
)
