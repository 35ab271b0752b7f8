package stream

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

const magic = "jitnic requests 1\n"

const (
	flagBytes = 1 << iota
	flagTime
	flagLabels
	flagForeign
)

const (
	recRequest = iota
	recInvalidate
	recDefine
	recSpecial

	specialUncacheable = 0
	specialEnd         = 1
	specialLabel       = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Fields says which per-request fields a stream has, and whether it is foreign.
type Fields struct{ Bytes, Time, Labels, Foreign bool }

// A Writer writes a stream while it comes into being. Errors stick and are
// returned by Close.
type Writer struct {
	w        *bufio.Writer
	buf      []byte
	flags    uint64
	crc      uint32
	err      error
	last     int64
	requests uint64
}

// NewWriter writes the header.
func NewWriter(w io.Writer, f Fields, labels ...string) *Writer {
	e := &Writer{w: bufio.NewWriterSize(w, 1<<16)}
	if f.Bytes {
		e.flags |= flagBytes
	}
	if f.Time {
		e.flags |= flagTime
	}
	if f.Labels {
		e.flags |= flagLabels
	}
	if f.Foreign {
		e.flags |= flagForeign
	}
	e.buf = binary.AppendUvarint(append(e.buf, magic...), e.flags)
	for _, l := range labels {
		e.buf = binary.AppendUvarint(e.buf, specialLabel<<2|recSpecial)
		e.buf = binary.AppendUvarint(e.buf, uint64(len(l)))
		e.buf = append(e.buf, l...)
	}
	e.flush()
	return e
}

func (e *Writer) flush() {
	if e.err == nil {
		e.crc = crc32.Update(e.crc, castagnoli, e.buf)
		_, e.err = e.w.Write(e.buf)
	}
	e.buf = e.buf[:0]
}

// Request writes a request of id, or of an uncacheable packet (None). Fields
// the header does not announce are not written. Times must not fall.
func (e *Writer) Request(id, bytes uint32, ns int64, label uint8) {
	head := uint64(id)<<2 + recRequest
	if id == None {
		head = specialUncacheable<<2 | recSpecial
	}
	b := binary.AppendUvarint(e.buf, head)
	if e.flags&flagBytes != 0 {
		b = binary.AppendUvarint(b, uint64(bytes))
	}
	if e.flags&flagTime != 0 {
		if e.err == nil && ns < e.last {
			e.err = fmt.Errorf("request %d: time %d ns is before %d ns", e.requests, ns, e.last)
		}
		b = binary.AppendUvarint(b, uint64(ns-e.last))
		e.last = ns
	}
	if e.flags&flagLabels != 0 {
		b = append(b, label)
	}
	e.buf = b
	e.requests++
	if len(e.buf) > 1<<12 {
		e.flush()
	}
}

// Invalidate writes that id is invalidated before the next request.
func (e *Writer) Invalidate(id uint32) {
	e.buf = binary.AppendUvarint(e.buf, uint64(id)<<2|recInvalidate)
}

// Define writes what id is. The last definition holds.
func (e *Writer) Define(id uint32, key uint64, size, cost uint32) {
	e.buf = binary.AppendUvarint(e.buf, uint64(id)<<2|recDefine)
	e.buf = binary.AppendUvarint(e.buf, key)
	e.buf = binary.AppendUvarint(e.buf, uint64(size))
	e.buf = binary.AppendUvarint(e.buf, uint64(cost))
}

// Close writes the end. It does not close the underlying writer.
func (e *Writer) Close() error {
	e.buf = binary.AppendUvarint(e.buf, specialEnd<<2|recSpecial)
	e.buf = binary.AppendUvarint(e.buf, e.requests)
	e.flush()
	e.buf = binary.LittleEndian.AppendUint32(e.buf, e.crc)
	e.flush()
	if e.err == nil {
		e.err = e.w.Flush()
	}
	return e.err
}

// Write writes a whole stream.
func Write(w io.Writer, s *Stream) error {
	e := NewWriter(w, Fields{s.Bytes != nil, s.Time != nil, s.Labels != nil, s.Foreign}, s.LabelNames...)
	if s.Keys != nil || s.Sizes != nil || s.Costs != nil {
		for id := range uint32(s.NumIDs()) {
			e.Define(id, s.Key(id), s.Size(id), s.Cost(id))
			e.flush()
		}
	}
	v := 0
	for i, id := range s.IDs {
		for ; v < len(s.Invalidations) && s.Invalidations[v].At <= uint64(i); v++ {
			e.Invalidate(s.Invalidations[v].ID)
		}
		var bytes uint32
		var ns int64
		var label uint8
		if s.Bytes != nil {
			bytes = s.Bytes[i]
		}
		if s.Time != nil {
			ns = s.Time[i]
		}
		if s.Labels != nil {
			label = s.Labels[i]
		}
		e.Request(id, bytes, ns, label)
	}
	for ; v < len(s.Invalidations); v++ {
		e.Invalidate(s.Invalidations[v].ID)
	}
	return e.Close()
}

// put sets s[id], after making s long enough.
func put[T any](s []T, id uint32, v T) []T {
	if n := int(id) + 1; n > len(s) {
		s = append(s, make([]T, n-len(s))...)
	}
	s[id] = v
	return s
}
