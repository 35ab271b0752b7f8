package code

import (
	"bytes"
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// written are pages of a file in memory that is mapped to be read and executed, and
// in no place to be written: code comes into it by pwrite(2). So blocks can share
// pages, and a block costs 1 µs. What is no block holds traps.
type written struct {
	span  []byte
	fd    int
	page  int
	ready []bool // by page: it can be executed, and holds traps or blocks
	many  int    // bytes of ready pages
	slack int    // free bytes of them at which pages are given back
	sync  bool   // other processors must be told of new code
}

// line is what blocks begin at: a cache line, in bytes.
const line = 64

// traps are what stands where no block is: int3 (Intel SDM, volume 2).
var traps = bytes.Repeat([]byte{0xcc}, atOnce)

// errNotHere is for machines on which code isn't written through a file.
var errNotHere = errors.New("not on this machine")

// reserveWritten makes the file and maps it. The processor must see what is written
// to memory at another address as code, which amd64's do (Intel SDM, volume 3, 9.1.3
// and 12.6); on arm64 caches are cleaned by the address that is executed, which here can't be
// written to, and qemu-user keeps what it translated until a page's rights change.
func reserveWritten(size int) (_ pages, _ []byte, err error) {
	if runtime.GOARCH != "amd64" {
		return nil, nil, errNotHere
	}
	var limit unix.Rlimit // going beyond it is a signal, not an error
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil || limit.Cur < uint64(size) {
		return nil, nil, errNotHere
	}
	fd, err := unix.MemfdCreate("jitnic-code", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // Linux before 6.3
		fd, err = unix.MemfdCreate("jitnic-code", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, nil, err
	}
	p := &written{fd: fd, page: unix.Getpagesize(), slack: warmest}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, nil, err
	}
	if p.span, err = unix.Mmap(fd, 0, size, unix.PROT_NONE, unix.MAP_SHARED|unix.MAP_NORESERVE); err != nil {
		return nil, nil, err
	}
	p.ready = make([]bool, size/p.page)
	p.sync = membarrier(registerSyncCore) == nil
	return p, p.span, nil
}

func (p *written) grain() int { return line }

// open fills pages that hold nothing with traps, and lets them be executed.
func (p *written) open(off, n int) error {
	end := (off + n + p.page - 1) / p.page
	for first := off / p.page; first < end; {
		if p.ready[first] {
			first++
			continue
		}
		last := first
		for last < end && !p.ready[last] {
			last++
		}
		at, n := first*p.page, (last-first)*p.page
		if err := p.fill(at, n); err != nil {
			return err
		}
		if err := unix.Mprotect(p.span[at:at+n], unix.PROT_READ|unix.PROT_EXEC); err != nil {
			return err
		}
		p.many += n
		for ; first < last; first++ {
			p.ready[first] = true
		}
	}
	return nil
}

// put writes bytes to the file.
func (p *written) put(off int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(p.fd, b, int64(off))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		off += n
		b = b[n:]
	}
	return nil
}

func (p *written) fill(off, n int) error {
	for n > 0 {
		k := min(n, len(traps))
		if err := p.put(off, traps[:k]); err != nil {
			return err
		}
		off += k
		n -= k
	}
	return nil
}

// write puts code where traps were. No processor has begun to carry out what stands there, as
// nobody has its address yet; but one may have guessed its way there when other code
// stood in that place, so all are made to begin anew (membarrier(2), SYNC_CORE).
func (p *written) write(off int, code []byte) error {
	if err := p.put(off, code); err != nil {
		return err
	}
	if p.sync {
		return membarrier(syncCore)
	}
	return nil
}

// shut has nothing to do: traps stand there.
func (p *written) shut(int, int) bool { return true }

func (p *written) drop(off, n int) bool { return p.fill(off, n) == nil }

// trim looks for free pages once a MiB more than when it last looked is ready and holds no block.
func (p *written) trim(free []extent, used int) {
	if p.many-used <= p.slack {
		return
	}
	for _, e := range free {
		end := (e.off + e.n) / p.page
		for first := (e.off + p.page - 1) / p.page; first < end; first++ {
			last := first
			for ; last < end && p.ready[last]; last++ {
				p.ready[last] = false
			}
			if at, n := first*p.page, (last-first)*p.page; n > 0 {
				unix.Mprotect(p.span[at:at+n], unix.PROT_NONE)
				unix.Fallocate(p.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(at), int64(n))
				p.many -= n
				first = last
			}
		}
	}
	p.slack = p.many - used + warmest
}

func (p *written) close() error {
	if p.span != nil {
		if err := unix.Munmap(p.span); err != nil {
			return err
		}
	}
	return unix.Close(p.fd)
}

// Commands of membarrier(2) (include/uapi/linux/membarrier.h).
const (
	syncCore         = 1 << 5 // MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE
	registerSyncCore = 1 << 6 // MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE
)

func membarrier(cmd int) error {
	_, _, e := unix.Syscall(unix.SYS_MEMBARRIER, uintptr(cmd), 0, 0)
	if e != 0 {
		return e
	}
	return nil
}
