package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// maxID bounds ids in files: tables are as long as the largest id, and a
// damaged file must not ask for all memory. In the own format an id is also at
// most 2^20 or 16 times the records read, whichever is more.
const maxID = 1 << 28

var errCut = errors.New("cut short: the file ends before its end record")

// Read reads a stream file. An error names the offset of the record at fault,
// counted in the uncompressed bytes.
func Read(in io.Reader) (*Stream, error) {
	b, release, err := whole(in)
	if err != nil {
		return nil, err
	}
	defer release()
	return own(b)
}

// ownReader reads the own format.
type ownReader struct {
	b       []byte
	at      int // of the record being read
	off     int // of the next byte
	flags   uint64
	s       *Stream
	last    int64
	top     int
	records uint64
	defined bool
}

func own(b []byte) (*Stream, error) {
	if !strings.HasPrefix(string(b[:min(len(b), len(magic))]), magic) {
		return nil, errors.New("offset 0: not a request stream: it does not begin with \"jitnic requests 1\"")
	}
	r := &ownReader{b: b, at: len(magic), off: len(magic), s: &Stream{}, top: -1}
	if err := r.head(); err != nil {
		return nil, fmt.Errorf("offset %d: %w", r.at, err)
	}
	for {
		r.at = r.off
		done, err := r.record()
		if err != nil {
			return nil, fmt.Errorf("offset %d: %w", r.at, err)
		}
		if done {
			return r.s, nil
		}
	}
}

func (r *ownReader) head() error {
	var err error
	if r.flags, err = r.num(); err != nil {
		return err
	}
	if r.flags > flagBytes|flagTime|flagLabels|flagForeign {
		return fmt.Errorf("flags %d are not known", r.flags)
	}
	s := r.s
	s.Foreign = r.flags&flagForeign != 0
	// A request has at least a byte for itself and for each of its fields.
	least := 1
	for _, f := range []uint64{flagBytes, flagTime, flagLabels} {
		if r.flags&f != 0 {
			least++
		}
	}
	n := len(r.b) / (2 * least)
	s.IDs = make([]uint32, 0, n)
	if r.flags&flagBytes != 0 {
		s.Bytes = make([]uint32, 0, n)
	}
	if r.flags&flagTime != 0 {
		s.Time = make([]int64, 0, n)
	}
	if r.flags&flagLabels != 0 {
		s.Labels = make([]uint8, 0, n)
	}
	return nil
}

// num reads a varint.
func (r *ownReader) num() (uint64, error) {
	if r.off < len(r.b) && r.b[r.off] < 0x80 {
		r.off++
		return uint64(r.b[r.off-1]), nil
	}
	v, n := binary.Uvarint(r.b[r.off:])
	switch {
	case n == 0:
		return 0, errCut
	case n < 0:
		return 0, errors.New("a number of more than 64 bits")
	}
	r.off += n
	return v, nil
}

// record reads one record; done after the end record.
func (r *ownReader) record() (done bool, err error) {
	v, err := r.num()
	if err != nil {
		return false, err
	}
	n, kind := v>>2, v&3
	if kind == recSpecial {
		switch n {
		case specialUncacheable:
			return false, r.request(None)
		case specialEnd:
			return true, r.end()
		case specialLabel:
			return false, r.label()
		}
		return false, fmt.Errorf("record of special kind %d is not known", n)
	}
	if r.records++; n >= max(1<<20, 16*r.records) || n >= maxID {
		return false, fmt.Errorf("id %d is too large after %d records", n, r.records)
	}
	id := uint32(n)
	r.top = max(r.top, int(id))
	switch kind {
	case recInvalidate:
		r.s.Invalidations = append(r.s.Invalidations, Invalidation{uint64(len(r.s.IDs)), id})
		return false, nil
	case recDefine:
		return false, r.define(id)
	}
	return false, r.request(id)
}

func (r *ownReader) request(id uint32) error {
	s := r.s
	s.IDs = append(s.IDs, id)
	if r.flags&flagBytes != 0 {
		b, err := r.num()
		if err != nil || b > 1<<32-1 {
			return fmt.Errorf("bytes of request %d: cut short or more than 32 bits", len(s.IDs)-1)
		}
		s.Bytes = append(s.Bytes, uint32(b))
	}
	if r.flags&flagTime != 0 {
		d, err := r.num()
		if err != nil || int64(d) < 0 || r.last+int64(d) < r.last {
			return fmt.Errorf("time of request %d: cut short or beyond 63 bits", len(s.IDs)-1)
		}
		r.last += int64(d)
		s.Time = append(s.Time, r.last)
	}
	if r.flags&flagLabels != 0 {
		if r.off >= len(r.b) || int(r.b[r.off]) >= max(len(s.LabelNames), 1) {
			return fmt.Errorf("label of request %d: cut short or not named", len(s.IDs)-1)
		}
		s.Labels = append(s.Labels, r.b[r.off])
		r.off++
	}
	return nil
}

func (r *ownReader) define(id uint32) error {
	r.defined = true
	key, err1 := r.num()
	size, err2 := r.num()
	cost, err3 := r.num()
	if err := errors.Join(err1, err2, err3); err != nil {
		return errCut
	}
	if size > 1<<32-1 || cost > 1<<32-1 {
		return fmt.Errorf("size %d or cost %d of id %d does not fit 32 bits", size, cost, id)
	}
	s := r.s
	s.Keys = put(s.Keys, id, key)
	s.Sizes = put(s.Sizes, id, uint32(size))
	s.Costs = put(s.Costs, id, uint32(cost))
	return nil
}

func (r *ownReader) label() error {
	k, err := r.num()
	if err != nil {
		return err
	}
	if k > 1<<10 || len(r.s.LabelNames) == 256 {
		return fmt.Errorf("label of %d bytes: too long, or too many labels", k)
	}
	if r.off+int(k) > len(r.b) {
		return errCut
	}
	r.s.LabelNames = append(r.s.LabelNames, string(r.b[r.off:r.off+int(k)]))
	r.off += int(k)
	return nil
}

// end checks count and checksum, and fills in what was not defined.
func (r *ownReader) end() error {
	s := r.s
	want, err := r.num()
	if err != nil {
		return err
	}
	if r.off+4 > len(r.b) {
		return errCut
	}
	sum := crc32.Checksum(r.b[:r.off], castagnoli)
	if g := binary.LittleEndian.Uint32(r.b[r.off:]); g != sum {
		return fmt.Errorf("checksum %08x, want %08x: the file is damaged", sum, g)
	}
	if want != uint64(len(s.IDs)) {
		return fmt.Errorf("%d requests read, the end record says %d", len(s.IDs), want)
	}
	s.ids = r.top + 1
	if !r.defined {
		return nil
	}
	for id := range uint32(s.ids) {
		if int(id) >= len(s.Sizes) || s.Sizes[id] == 0 {
			s.Sizes = put(s.Sizes, id, 1)
			s.Costs = put(s.Costs, id, 1)
		}
	}
	s.Keys = append(s.Keys, make([]uint64, s.ids-len(s.Keys))...)
	return nil
}
