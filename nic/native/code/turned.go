package code

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// turned are pages that are writable first and executable afterwards. A block has
// pages of its own, and two calls of the system are paid for it: 15 µs here. It is the
// way of machines on which a file in memory can't be executed, and of arm64.
type turned struct {
	span []byte
	page int
	warm int // bytes of free pages that have kept their memory, about
}

func reserveTurned(size int) (pages, []byte, error) {
	span, err := unix.Mmap(-1, 0, size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, nil, err
	}
	return &turned{span: span, page: unix.Getpagesize()}, span, nil
}

func (p *turned) grain() int { return p.page }

func (p *turned) open(off, n int) error {
	open := p.span[off : off+n]
	p.warm = max(0, p.warm-n)
	if err := unix.Mprotect(open, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return err
	}
	unix.Madvise(open, unix.MADV_POPULATE_WRITE) // one fault for all, where the system knows it
	clear(open)                                  // what was evicted is gone
	return nil
}

func (p *turned) write(off int, code []byte) error {
	n := (len(code) + p.page - 1) &^ (p.page - 1)
	block := p.span[off : off+n]
	copy(block, code)
	if err := unix.Mprotect(block, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return err
	}
	flush(uintptr(unsafe.Pointer(&block[0])), uintptr(len(code)))
	return nil
}

// warmest is how much memory free pages keep: a small cache evicts and installs all the
// time, and giving memory back and getting it anew was half of what both took.
const warmest = 1 << 20

// drop takes every right to the pages away, so that what they hold can neither run nor
// be read, and their memory where others have kept enough.
func (p *turned) drop(off, n int) bool {
	gone := p.span[off : off+n]
	if unix.Mprotect(gone, unix.PROT_NONE) != nil {
		return false
	}
	if p.warm += n; p.warm > warmest {
		p.warm -= n
		unix.Madvise(gone, unix.MADV_DONTNEED)
	}
	return true
}

func (p *turned) shut(off, n int) bool { return p.drop(off, n) }

func (p *turned) trim([]extent, int) {}

func (p *turned) close() error { return unix.Munmap(p.span) }
