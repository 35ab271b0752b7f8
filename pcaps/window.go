package pcaps

import (
	"context"
	"io"
)

// maxPacket is the largest Ethernet packet a capture may hold: libpcap's
// MAXIMUM_SNAPLEN (pcap-int.h). A longer one is a damaged file, not a packet.
const maxPacket = 262144

// windowSize is the size of one read(2). 256 KiB stays in the L2 cache of
// common server cores, so that a packet's bytes are still near when the
// program looks at them.
const windowSize = 256 << 10

// window is a sliding view of a byte stream. Bytes are handed out in place:
// what need returned stays valid until the next need or skip (but see held).
//
//	        r           w
//	buf  ----|xxxxxxxxxxx|.......|
//	     ^ base               len(buf)
type window struct {
	ctx  context.Context
	src  io.Reader
	buf  []byte
	r, w int
	base int64 // offset in the stream of buf[0]
	mark int64 // offset of the header or block being read, for errors
	err  error // why src gave no more; io.EOF at its end

	// While held, what need has returned stays valid: the first time that bytes
	// would have to move they go to the other buffer, and turned says so.
	held, turned bool
	other        []byte

	file *mapping // nil: src is read
}

func newWindow(ctx context.Context, src io.Reader, buf, other []byte) *window {
	if buf == nil {
		buf = make([]byte, windowSize)
	}
	return &window{ctx: ctx, src: src, buf: buf, other: other}
}

// mapTo has the window show a mapped file, of which nothing was read yet.
func (w *window) mapTo(m *mapping) { w.file, w.buf = m, m.b }

// offset is the stream position of the next unread byte.
func (w *window) offset() int64 { return w.base + int64(w.r) }

// need returns at least n bytes from the current position on without
// consuming them, fewer only if the stream ends before (w.err says why).
func (w *window) need(n int) []byte {
	if w.w-w.r >= n {
		return w.buf[w.r:w.w]
	}
	return w.fill(n)
}

func (w *window) fill(n int) []byte {
	if w.file != nil {
		return w.see(n)
	}
	if w.held && !w.turned {
		w.turned = true
		if len(w.other) < len(w.buf) {
			w.other = make([]byte, len(w.buf))
		}
		copy(w.other[w.r:], w.buf[w.r:w.w])
		w.buf, w.other = w.other, w.buf
	}
	if w.r > 0 {
		copy(w.buf, w.buf[w.r:w.w])
		w.base += int64(w.r)
		w.w -= w.r
		w.r = 0
	}
	for empty := 0; w.w < n && w.err == nil; {
		if w.w == len(w.buf) {
			// Double instead of trusting n: a corrupt length then costs no
			// more memory than the file has bytes.
			w.buf = append(w.buf, make([]byte, len(w.buf))...)
		}
		if err := w.ctx.Err(); err != nil {
			w.err = err
			break
		}
		m, err := w.src.Read(w.buf[w.w:])
		w.w += m
		w.err = err
		if m > 0 {
			empty = 0
		} else if empty++; empty > 100 && err == nil {
			w.err = io.ErrNoProgress
		}
	}
	return w.buf[w.r:w.w]
}

// see is fill of a mapped file: nothing moves.
func (w *window) see(n int) []byte {
	for w.w-w.r < n && w.err == nil {
		to := min(w.w+mappedChunk, len(w.buf))
		if w.err = w.ctx.Err(); w.err != nil {
			break
		}
		if to == w.w {
			w.err = io.EOF
			break
		}
		w.file.near(w.w, to)
		w.w = to
	}
	return w.buf[w.r:w.w]
}

// advance consumes n bytes that need has returned.
func (w *window) advance(n int) { w.r += n }

// skip consumes n bytes without keeping them and returns how many there were.
func (w *window) skip(n int64) int64 {
	var done int64
	for done < n {
		have := int64(len(w.need(1)))
		if have == 0 {
			break
		}
		take := min(have, n-done)
		w.advance(int(take))
		done += take
	}
	return done
}
