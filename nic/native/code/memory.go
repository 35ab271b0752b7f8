package code

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
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
	in   pages
	free []extent // by offset, never adjacent
	open extent   // bytes that may take blocks, and hold none yet
	kept []extent // freed, but not to be used again while there is other room
	used int      // bytes of blocks in use
	peak int
}

// pages are a Memory's span: how code comes into it, and is gone again. All offsets
// and lengths are multiples of grain, but a block's length.
type pages interface {
	// grain is what blocks begin and end at, in bytes.
	grain() int
	// open makes n bytes from off on ready to take blocks; they hold no code.
	open(off, n int) error
	// write puts a block of code at off, which is open: it can run then.
	write(off int, code []byte) error
	// drop makes code be gone; it is open no more. Where the system refuses even that,
	// it says false, and the bytes are never used again.
	drop(off, n int) (gone bool)
	// shut ends open for bytes that have taken no block.
	shut(off, n int) bool
	// trim gives memory of what is free back, as far as keeping it doesn't pay.
	trim(free []extent, used int)
	close() error
}

// extent is a run of free bytes of the span.
type extent struct{ off, n int }

// Block is a run of bytes with code in it.
type Block struct {
	mem *Memory
	off int
	n   int // whole grains
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
	m, err := reserve((size+unix.Getpagesize()-1)&^(unix.Getpagesize()-1), reserveWritten, reserveTurned)
	if err != nil {
		refused.Store(&err)
	}
	return m, err
}

var refused atomic.Pointer[error]

// Refused is why the system has let no memory of this process become executable where
// there is a backend; nil: it has, or nobody asked.
func Refused() error {
	if err := refused.Load(); err != nil {
		return *err
	}
	return nil
}

// reserve is a Memory of the first of ways on which the system lets code run.
func reserve(size int, ways ...func(size int) (pages, []byte, error)) (m *Memory, err error) {
	for _, way := range ways {
		var p pages
		var span []byte
		if p, span, err = way(size); err != nil {
			err = fmt.Errorf("native code: reserve %d bytes: %w", size, err)
			continue
		}
		m = &Memory{span: span, in: p, free: []extent{{0, size}}}
		if err = m.try(); err == nil {
			return m, nil
		}
		m.Close()
	}
	return nil, err
}

// try puts a block in and takes it out.
func (m *Memory) try() error {
	b, err := m.Put([]byte{0})
	if err != nil {
		return err
	}
	b.Free()
	m.closes()
	m.peak = 0
	return nil
}

// Close gives the address space back. No block may be used after it.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.span == nil {
		return nil
	}
	m.span, m.free, m.kept, m.open, m.used = nil, nil, nil, extent{}, 0
	return m.in.close()
}

// Used and Peak are the bytes that blocks take, now and at most so
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
	grain := m.in.grain()
	n := (len(code) + grain - 1) &^ (grain - 1)
	if n == 0 {
		return nil, ErrFull
	}
	if m.open.n < n {
		if err := m.opens(n); err != nil {
			return nil, err
		}
	}
	off := m.open.off
	if err := m.in.write(off, code); err != nil {
		return nil, fmt.Errorf("native code: the system lets no page become executable: %w", err)
	}
	m.open.off += n
	m.open.n -= n
	m.used += n
	m.peak = max(m.peak, m.used)
	return &Block{mem: m, off: off, n: n, Len: len(code)}, nil
}

// atOnce is how many bytes are opened by one call of the system.
const atOnce = 64 << 10

// opens makes n bytes ready to take blocks, and more where there are.
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
	open := extent{e.off, min(e.n, max(n, atOnce))}
	if err := m.in.open(open.off, open.n); err != nil {
		return fmt.Errorf("native code: make room for code: %w", err)
	}
	if e.off, e.n = e.off+open.n, e.n-open.n; e.n == 0 {
		m.free = slices.Delete(m.free, at, at+1)
	}
	m.open = open
	return nil
}

// closes takes back what opens has opened and no block has taken.
func (m *Memory) closes() {
	if e := m.open; e.n > 0 {
		m.open = extent{}
		if m.in.shut(e.off, e.n) {
			m.give(e)
		}
	}
}

// Free gives a block's bytes back: its code is gone. Freeing twice, or nil,
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
	if !m.in.drop(b.off, b.n) {
		return
	}
	m.used -= b.n
	if e := (extent{b.off, b.n}); names.Load() != nil {
		m.kept = append(m.kept, e)
	} else {
		m.give(e)
	}
	m.in.trim(m.free, m.used)
}

// give makes bytes free to be used.
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
