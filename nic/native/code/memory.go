package code

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// StackBytes is how much of the stack below the trampoline's frame generated
// code may use.
const StackBytes = 64

// ErrFull is returned when a Memory has no room left for a block.
var ErrFull = errors.New("native code: the memory set aside for it is full")

// DefaultSize is a Memory's span in bytes where nothing else is said: room for
// some ten thousand traces. Only pages in use take memory.
const DefaultSize = 64 << 20

// Memory is a span of address space for generated code. It is safe for
// concurrent use.
type Memory struct {
	mu   sync.Mutex
	span []byte
	page int
	free []extent // by offset, never adjacent
	open extent   // pages that may be written to and hold no block yet
	kept []extent // freed, but not to be used again while there is other room
	warm int      // bytes of free pages that have kept their memory, about
	used int      // bytes of blocks in use
	peak int
}

// extent is a run of free bytes of the span.
type extent struct{ off, n int }

// Block is a run of pages with code in it.
type Block struct {
	mem *Memory
	off int
	n   int // whole pages
	Len int // bytes of code
}

// New reserves size bytes (0: DefaultSize) of address space, and makes sure
// that the system lets a page become executable: hardened ones don't.
func New(size int) (*Memory, error) {
	if !Supported {
		return nil, fmt.Errorf("native code: no backend for %s", arch)
	}
	if size == 0 {
		size = DefaultSize
	}
	page := unix.Getpagesize()
	size = (size + page - 1) &^ (page - 1)
	span, err := unix.Mmap(-1, 0, size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("native code: reserve %d bytes: %w", size, err)
	}
	m := &Memory{span: span, page: page, free: []extent{{0, size}}}
	b, err := m.Put([]byte{0})
	if err != nil {
		m.Close()
		return nil, err
	}
	b.Free()
	m.closes()
	m.peak = 0
	return m, nil
}

// Close gives the address space back. No block may be used after it.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.span
	m.span, m.free, m.kept, m.open, m.used = nil, nil, nil, extent{}, 0
	if s == nil {
		return nil
	}
	return unix.Munmap(s)
}

// Used and Peak are the bytes of pages that blocks take, now and at most so
// far; Limit is how many they can take.
func (m *Memory) Used() int { m.mu.Lock(); defer m.mu.Unlock(); return m.used }

// Peak is the most that was ever in use.
func (m *Memory) Peak() int { m.mu.Lock(); defer m.mu.Unlock(); return m.peak }

// Limit is the size of the span.
func (m *Memory) Limit() int { m.mu.Lock(); defer m.mu.Unlock(); return len(m.span) }

// Put copies code, which must run at any address, into a block of its own. The
// error is ErrFull, or the system's refusal.
func (m *Memory) Put(code []byte) (*Block, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := (len(code) + m.page - 1) &^ (m.page - 1)
	if n == 0 {
		return nil, ErrFull
	}
	if m.open.n < n {
		if err := m.opens(n); err != nil {
			return nil, err
		}
	}
	off := m.open.off
	pages := m.span[off : off+n]
	copy(pages, code)
	if err := unix.Mprotect(pages, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return nil, fmt.Errorf("native code: the system lets no page become executable: %w", err)
	}
	flush(uintptr(unsafe.Pointer(&pages[0])), uintptr(len(code)))
	m.open.off += n
	m.open.n -= n
	m.used += n
	m.peak = max(m.peak, m.used)
	return &Block{mem: m, off: off, n: n, Len: len(code)}, nil
}

// atOnce is how many pages are made writable by one call of the system.
const atOnce = 16

// opens makes n bytes of pages writable, and more where there are.
func (m *Memory) opens(n int) error {
	m.closes()
	room := func(e extent) bool { return e.n >= n }
	at := slices.IndexFunc(m.free, room)
	if at < 0 && len(m.kept) > 0 {
		for _, e := range m.kept {
			m.give(e)
		}
		m.kept = nil
		at = slices.IndexFunc(m.free, room)
	}
	if at < 0 {
		return ErrFull
	}
	e := &m.free[at]
	open := extent{e.off, min(e.n, max(n, atOnce*m.page))}
	pages := m.span[open.off : open.off+open.n]
	m.warm = max(0, m.warm-open.n)
	if err := unix.Mprotect(pages, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fmt.Errorf("native code: make pages writable: %w", err)
	}
	unix.Madvise(pages, unix.MADV_POPULATE_WRITE) // one fault for all, where the system knows it
	clear(pages)                                  // what was evicted is gone
	if e.off, e.n = e.off+open.n, e.n-open.n; e.n == 0 {
		m.free = slices.Delete(m.free, at, at+1)
	}
	m.open = open
	return nil
}

// closes takes back what opens has made writable and no block has taken.
func (m *Memory) closes() {
	if e := m.open; e.n > 0 {
		m.drop(m.span[e.off : e.off+e.n])
		m.open = extent{}
		m.give(e)
	}
}

// warmest is how much memory free pages keep: a small cache evicts and installs all the
// time, and giving memory back and getting it anew was half of what both took.
const warmest = 1 << 20

// drop takes every right to the pages away, so that what they hold can neither run nor
// be read, and their memory where others have kept enough.
func (m *Memory) drop(pages []byte) {
	unix.Mprotect(pages, unix.PROT_NONE)
	if m.warm += len(pages); m.warm > warmest {
		m.warm -= len(pages)
		unix.Madvise(pages, unix.MADV_DONTNEED)
	}
}

// Free gives a block's pages back: its code is gone. Freeing twice, or nil,
// does nothing.
func (b *Block) Free() {
	if b == nil || b.mem == nil {
		return
	}
	m := b.mem
	b.mem = nil
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.span == nil {
		return
	}
	m.drop(m.span[b.off : b.off+b.n])
	m.used -= b.n
	if e := (extent{b.off, b.n}); names.Load() != nil {
		m.kept = append(m.kept, e)
	} else {
		m.give(e)
	}
}

// give makes pages free to be used.
func (m *Memory) give(b extent) {
	i, _ := slices.BinarySearchFunc(m.free, b.off, func(e extent, off int) int { return e.off - off })
	m.free = slices.Insert(m.free, i, b)
	if i+1 < len(m.free) && m.free[i].off+m.free[i].n == m.free[i+1].off {
		m.free[i].n += m.free[i+1].n
		m.free = slices.Delete(m.free, i+1, i+2)
	}
	if i > 0 && m.free[i-1].off+m.free[i-1].n == m.free[i].off {
		m.free[i-1].n += m.free[i].n
		m.free = slices.Delete(m.free, i, i+1)
	}
}

// Addr is where the block's code begins.
func (b *Block) Addr() uintptr { return uintptr(unsafe.Pointer(&b.mem.span[b.off])) }

// Bytes is the block's code, to be read.
func (b *Block) Bytes() []byte { return b.mem.span[b.off : b.off+b.Len : b.off+b.Len] }
