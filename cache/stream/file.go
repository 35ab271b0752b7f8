package stream

import (
	"bufio"
	"encoding/binary"
	"errors"
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
	if id == None {
		e.buf = binary.AppendUvarint(e.buf, specialUncacheable<<2|recSpecial)
	} else {
		e.buf = binary.AppendUvarint(e.buf, uint64(id)<<2+recRequest)
	}
	if e.flags&flagBytes != 0 {
		e.buf = binary.AppendUvarint(e.buf, uint64(bytes))
	}
	if e.flags&flagTime != 0 {
		if e.err == nil && ns < e.last {
			e.err = fmt.Errorf("request %d: time %d ns is before %d ns", e.requests, ns, e.last)
		}
		e.buf = binary.AppendUvarint(e.buf, uint64(ns-e.last))
		e.last = ns
	}
	if e.flags&flagLabels != 0 {
		e.buf = append(e.buf, label)
	}
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

// maxID bounds ids in files: tables are as long as the largest id, and a
// damaged file must not ask for all memory. In the own format an id is also at
// most 2^20 or 16 times the records read, whichever is more.
const maxID = 1 << 28

// reader counts and sums what it reads.
type reader struct {
	r   *bufio.Reader
	off int64
	crc uint32
	one [1]byte
}

func (r *reader) ReadByte() (byte, error) {
	b, err := r.r.ReadByte()
	if err == nil {
		r.off++
		r.one[0] = b
		r.crc = crc32.Update(r.crc, castagnoli, r.one[:])
	}
	return b, err
}

// Read reads a stream file. An error names the offset of the record at fault,
// counted in the uncompressed bytes.
func Read(in io.Reader) (*Stream, error) {
	r := &reader{r: bufio.NewReaderSize(in, 1<<16)}
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r.r, head); err != nil || string(head) != magic {
		return nil, errors.New("offset 0: not a request stream: it does not begin with \"jitnic requests 1\"")
	}
	r.off = int64(len(head))
	r.crc = crc32.Update(0, castagnoli, head)
	s := &Stream{}
	at := r.off
	fail := func(format string, args ...any) (*Stream, error) {
		return nil, fmt.Errorf("offset %d: %s", at, fmt.Sprintf(format, args...))
	}
	num := func() (uint64, error) {
		v, err := binary.ReadUvarint(r)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = errors.New("cut short: the file ends before its end record")
		}
		return v, err
	}
	flags, err := num()
	if err != nil {
		return fail("%v", err)
	}
	if flags > flagBytes|flagTime|flagLabels|flagForeign {
		return fail("flags %d are not known", flags)
	}
	s.Foreign = flags&flagForeign != 0
	if flags&flagBytes != 0 {
		s.Bytes = []uint32{}
	}
	if flags&flagTime != 0 {
		s.Time = []int64{}
	}
	if flags&flagLabels != 0 {
		s.Labels = []uint8{}
	}
	var last int64
	top := -1
	records := uint64(0)
	defined := false
	for {
		at = r.off
		v, err := num()
		if err != nil {
			return fail("%v", err)
		}
		n, kind := v>>2, v&3
		id := None
		if kind != recSpecial {
			if records++; n >= max(1<<20, 16*records) || n >= maxID {
				return fail("id %d is too large after %d records", n, records)
			}
			id = uint32(n)
			top = max(top, int(id))
		}
		switch {
		case kind == recInvalidate:
			s.Invalidations = append(s.Invalidations, Invalidation{uint64(len(s.IDs)), id})
		case kind == recDefine:
			defined = true
			key, err1 := num()
			size, err2 := num()
			cost, err3 := num()
			if err := errors.Join(err1, err2, err3); err != nil {
				return fail("cut short: the file ends before its end record")
			}
			if size > 1<<32-1 || cost > 1<<32-1 {
				return fail("size %d or cost %d of id %d does not fit 32 bits", size, cost, id)
			}
			s.Keys = put(s.Keys, id, key)
			s.Sizes = put(s.Sizes, id, uint32(size))
			s.Costs = put(s.Costs, id, uint32(cost))
		case kind == recSpecial && n == specialEnd:
			want, err := num()
			if err != nil {
				return fail("%v", err)
			}
			sum := r.crc
			var b [4]byte
			for i := range b {
				if b[i], err = r.ReadByte(); err != nil {
					return fail("cut short: the file ends before its end record")
				}
			}
			if g := binary.LittleEndian.Uint32(b[:]); g != sum {
				return fail("checksum %08x, want %08x: the file is damaged", sum, g)
			}
			if want != uint64(len(s.IDs)) {
				return fail("%d requests read, the end record says %d", len(s.IDs), want)
			}
			s.ids = top + 1
			if defined {
				for id := range uint32(s.ids) {
					if int(id) >= len(s.Sizes) || s.Sizes[id] == 0 {
						s.Sizes = put(s.Sizes, id, 1)
						s.Costs = put(s.Costs, id, 1)
					}
				}
				s.Keys = append(s.Keys, make([]uint64, s.ids-len(s.Keys))...)
			}
			return s, nil
		case kind == recSpecial && n == specialLabel:
			k, err := num()
			if err != nil {
				return fail("%v", err)
			}
			if k > 1<<10 || len(s.LabelNames) == 256 {
				return fail("label of %d bytes: too long, or too many labels", k)
			}
			name := make([]byte, k)
			for i := range name {
				if name[i], err = r.ReadByte(); err != nil {
					return fail("cut short: the file ends before its end record")
				}
			}
			s.LabelNames = append(s.LabelNames, string(name))
		case kind == recSpecial && n != specialUncacheable:
			return fail("record of special kind %d is not known", n)
		default:
			s.IDs = append(s.IDs, id)
			if flags&flagBytes != 0 {
				b, err := num()
				if err != nil || b > 1<<32-1 {
					return fail("bytes of request %d: cut short or more than 32 bits", len(s.IDs)-1)
				}
				s.Bytes = append(s.Bytes, uint32(b))
			}
			if flags&flagTime != 0 {
				d, err := num()
				if err != nil || int64(d) < 0 || last+int64(d) < last {
					return fail("time of request %d: cut short or beyond 63 bits", len(s.IDs)-1)
				}
				last += int64(d)
				s.Time = append(s.Time, last)
			}
			if flags&flagLabels != 0 {
				b, err := r.ReadByte()
				if err != nil || int(b) >= max(len(s.LabelNames), 1) {
					return fail("label of request %d: cut short or not named", len(s.IDs)-1)
				}
				s.Labels = append(s.Labels, b)
			}
		}
	}
}

// put sets s[id], after making s long enough.
func put[T any](s []T, id uint32, v T) []T {
	if n := int(id) + 1; n > len(s) {
		s = append(s, make([]T, n-len(s))...)
	}
	s[id] = v
	return s
}
