package stream

import (
	"encoding/binary"
	"iter"
)

// narrow is requests as they are recorded: in blocks, each column in as few bytes as
// its numbers in the block need. Memory that nobody has touched yet costs more to get
// than to fill, so a request that takes three bytes in place of nine is cheaper to note
// although it is read in two steps.
type narrow struct {
	fields Fields
	blocks []block
	n      int
	top    uint32 // one more than the largest id
	nones  int    // requests of None
	bytes  uint64
	last   int64 // time
}

// blockRequests is how many requests a block holds: what is read of one stays in the
// second cache.
const blockRequests = 1 << 16

type block struct {
	n      int
	ids    []byte // all ones: None
	bytes  []byte
	times  []byte // each less the one before
	labels []uint8
	wide   struct{ ids, bytes, times uint8 } // bytes a number
	before int64                             // time of the request before the first
	top    uint32                            // one more than the largest id
}

// add notes requests that came one after the other. Times of a stream that has them
// are all told.
func (s *narrow) add(q Requests) {
	for len(q.IDs) > 0 {
		k := len(s.blocks) - 1
		if k < 0 || s.blocks[k].n == blockRequests {
			s.blocks = append(s.blocks, s.fresh())
			k++
		}
		b := &s.blocks[k]
		n := min(len(q.IDs), blockRequests-b.n)
		b.addIDs(s, q.IDs[:n])
		if s.fields.Bytes {
			b.addBytes(s, q.Bytes[:n])
			q.Bytes = q.Bytes[n:]
		}
		if s.fields.Time {
			b.addTimes(s, q.Time[:n])
			q.Time = q.Time[n:]
		}
		if s.fields.Labels {
			b.addLabels(n, q.Labels)
			q.Labels = q.Labels[min(n, len(q.Labels)):]
		}
		q.IDs = q.IDs[n:]
		b.n += n
		s.n += n
	}
}

// fresh is a block as wide as the one before, but for times; the first grows as it is filled, for most
// streams are short.
func (s *narrow) fresh() block {
	b := block{before: s.last}
	b.wide.ids, b.wide.bytes, b.wide.times = 1, 2, 4
	if k := len(s.blocks); k > 0 {
		b.wide.ids, b.wide.bytes = s.blocks[k-1].wide.ids, s.blocks[k-1].wide.bytes
		room := func(width uint8, want bool) []byte {
			if !want {
				return nil
			}
			return make([]byte, 0, blockRequests*int(width))
		}
		b.ids = room(b.wide.ids, true)
		b.bytes, b.times = room(b.wide.bytes, s.fields.Bytes), room(b.wide.times, s.fields.Time)
	}
	return b
}

// addIDs and addBytes write as if the block were wide enough, and mostly it is.
func (b *block) addIDs(s *narrow, ids []uint32) {
	at := len(b.ids)
	top := uint32(0)
	if b.ids = longer(b.ids, int(b.wide.ids)*len(ids)); b.wide.ids == 1 {
		to := b.ids[at:][:len(ids)]
		for i, id := range ids {
			to[i] = byte(id)
			top = max(top, id)
		}
	} else {
		for _, id := range ids {
			top = max(top, id)
		}
	}
	if top == None {
		top = 0
		for _, id := range ids {
			if id == None {
				s.nones++
			} else {
				top = max(top, id+1)
			}
		}
	} else {
		top++
	}
	b.top, s.top = max(b.top, top), max(s.top, top)
	if b.wide.ids == 1 && top < 1<<8 {
		return
	}
	b.ids = b.ids[:at]
	for b.wide.ids < 4 && top >= 1<<(8*b.wide.ids) {
		b.ids = rewrite(b.ids, b.wide.ids, true)
		b.wide.ids *= 2
	}
	b.ids = put32(b.ids, b.wide.ids, ids)
}

func (b *block) addBytes(s *narrow, bytes []uint32) {
	at := len(b.bytes)
	sum, all := uint64(0), uint32(0)
	if b.bytes = longer(b.bytes, int(b.wide.bytes)*len(bytes)); b.wide.bytes == 2 {
		to := b.bytes[at:]
		for _, x := range bytes {
			binary.LittleEndian.PutUint16(to, uint16(x))
			to = to[2:]
			sum += uint64(x)
			all |= x
		}
	} else {
		for _, x := range bytes {
			sum += uint64(x)
		}
	}
	s.bytes += sum
	if b.wide.bytes == 2 && all <= 0xffff {
		return
	}
	if b.bytes = b.bytes[:at]; b.wide.bytes == 2 {
		b.bytes = rewrite(b.bytes, 2, false)
		b.wide.bytes = 4
	}
	b.bytes = put32(b.bytes, 4, bytes)
}

func (b *block) addTimes(s *narrow, times []int64) {
	if s.n == 0 {
		s.last, b.before = times[0], times[0]
	}
	all, last := uint64(0), s.last
	for _, t := range times {
		all |= uint64(t - last)
		last = t
	}
	if b.wide.times < 8 && all>>32 != 0 {
		b.times = rewrite(b.times, 4, false)
		b.wide.times = 8
	}
	last = s.last
	at := len(b.times)
	w := int(b.wide.times)
	b.times = longer(b.times, w*len(times))
	to := b.times[at:]
	if w == 4 {
		for _, t := range times {
			binary.LittleEndian.PutUint32(to, uint32(t-last))
			to, last = to[4:], t
		}
	} else {
		for _, t := range times {
			binary.LittleEndian.PutUint64(to, uint64(t-last))
			to, last = to[8:], t
		}
	}
	s.last = last
}

// addLabels notes the labels of n requests; nil: all 0.
func (b *block) addLabels(n int, labels []uint8) {
	if labels = labels[:min(n, len(labels))]; b.labels == nil {
		all := uint8(0)
		for _, l := range labels {
			all |= l
		}
		if all == 0 {
			return
		}
		b.labels = make([]uint8, b.n, blockRequests)
	}
	if len(labels) == 0 {
		b.labels = b.labels[:len(b.labels)+n]
		return
	}
	b.labels = append(b.labels, labels...)
}

// longer is s with n more behind it.
func longer(s []byte, n int) []byte {
	if len(s)+n <= cap(s) {
		return s[:len(s)+n]
	}
	return append(s, make([]byte, n)...)
}

// put32 appends numbers of so many bytes each; of None nothing but ones stays.
func put32(s []byte, width uint8, v []uint32) []byte {
	at := len(s)
	s = longer(s, int(width)*len(v))
	to := s[at:]
	switch width {
	case 1:
		for i, x := range v {
			to[i] = byte(x)
		}
	case 2:
		for _, x := range v {
			binary.LittleEndian.PutUint16(to, uint16(x))
			to = to[2:]
		}
	default:
		for _, x := range v {
			binary.LittleEndian.PutUint32(to, x)
			to = to[4:]
		}
	}
	return s
}

// rewrite is a column of numbers in twice as many bytes each; ones says that all ones
// stay all ones.
func rewrite(old []byte, width uint8, ones bool) []byte {
	w := int(width)
	out := make([]byte, 0, 2*max(cap(old), w))
	for ; len(old) > 0; old = old[w:] {
		fill := byte(0)
		if ones {
			fill = 0xff
			for _, x := range old[:w] {
				if x != 0xff {
					fill = 0
				}
			}
		}
		out = append(out, old[:w]...)
		for range w {
			out = append(out, fill)
		}
	}
	return out
}

// take32 reads numbers of so many bytes into v; ones says that all ones are None.
func take32(v []uint32, width uint8, from []byte, ones bool) {
	switch width {
	case 1:
		from = from[:len(v)]
		for i, x := range from {
			v[i] = uint32(x)
		}
	case 2:
		for i := range v {
			v[i] = uint32(binary.LittleEndian.Uint16(from[2*i:]))
		}
	default:
		for i := range v {
			v[i] = binary.LittleEndian.Uint32(from[4*i:])
		}
	}
	if ones && width < 4 {
		none := uint32(1)<<(8*width) - 1
		for i, x := range v {
			if x == none {
				v[i] = None
			}
		}
	}
}

// chunks gives requests from..to-1 in order, a block at most at a time.
func (s *narrow) chunks(from, to, with int, yield func(*Chunk) bool) {
	var c Chunk
	ids := make([]uint32, min(to-from, blockRequests))
	var lengths []uint32
	if with&WithLengths != 0 && s.fields.Bytes {
		lengths = make([]uint32, len(ids))
	}
	var times []int64
	if with&WithTimes != 0 && s.fields.Time {
		times = make([]int64, blockRequests)
	}
	for from < to {
		b := &s.blocks[from/blockRequests]
		a := from % blockRequests
		n := min(to-from, b.n-a)
		c.From, c.IDs = uint64(from), ids[:n]
		take32(c.IDs, b.wide.ids, b.ids[a*int(b.wide.ids):], s.nones > 0)
		if lengths != nil {
			c.Lengths = lengths[:n]
			take32(c.Lengths, b.wide.bytes, b.bytes[a*int(b.wide.bytes):], false)
		}
		if times != nil {
			b.clock(times[:b.n])
			c.Times = times[a : a+n]
		}
		if c.Labels = nil; with&WithLabels != 0 && b.labels != nil {
			c.Labels = b.labels[a : a+n]
		}
		if !yield(&c) {
			return
		}
		from += n
	}
}

// labelled says whether any request has a label that isn't 0.
func (s *narrow) labelled() bool {
	for k := range s.blocks {
		if s.blocks[k].labels != nil {
			return true
		}
	}
	return false
}

// clock is the times of a block.
func (b *block) clock(out []int64) {
	now := b.before
	for i := range out {
		if b.wide.times == 4 {
			now += int64(binary.LittleEndian.Uint32(b.times[4*i:]))
		} else {
			now += int64(binary.LittleEndian.Uint64(b.times[8*i:]))
		}
		out[i] = now
	}
}

// Chunks gives requests from..to-1 in order, some at a time, of a narrow stream too.
// with says which columns are wanted beside ids (WithLengths …); one that the stream
// doesn't have is nil, and so are labels that are all 0. A chunk is good until the
// next.
func (s *Stream) Chunks(from, to, with int) iter.Seq[*Chunk] {
	return func(yield func(*Chunk) bool) {
		if s.narrow != nil {
			s.narrow.chunks(from, to, with, yield)
			return
		}
		if from >= to {
			return
		}
		c := Chunk{From: uint64(from), IDs: s.IDs[from:to]}
		if with&WithLengths != 0 && s.Bytes != nil {
			c.Lengths = s.Bytes[from:to]
		}
		if with&WithTimes != 0 && s.Time != nil {
			c.Times = s.Time[from:to]
		}
		if with&WithLabels != 0 && s.Labels != nil {
			c.Labels = s.Labels[from:to]
		}
		yield(&c)
	}
}

// Narrow says whether a stream has only its numbers' least bytes yet: IDs, Bytes, Time
// and Labels are nil, whatever it has, until Widen makes them.
func (s *Stream) Narrow() bool { return s.narrow != nil }

// Widen makes IDs, Bytes, Time and Labels of a narrow stream; another one is left as
// it is.
func (s *Stream) Widen() {
	w := s.narrow
	if w == nil {
		return
	}
	s.IDs = make([]uint32, w.n)
	if w.fields.Bytes {
		s.Bytes = make([]uint32, w.n)
	}
	if w.fields.Time {
		s.Time = make([]int64, w.n)
	}
	if w.fields.Labels {
		s.Labels = make([]uint8, w.n)
	}
	for k := range w.blocks {
		b, at := &w.blocks[k], k*blockRequests
		take32(s.IDs[at:at+b.n], b.wide.ids, b.ids, w.nones > 0)
		if w.fields.Bytes {
			take32(s.Bytes[at:at+b.n], b.wide.bytes, b.bytes, false)
		}
		if w.fields.Time {
			b.clock(s.Time[at : at+b.n])
		}
		if w.fields.Labels {
			copy(s.Labels[at:], b.labels)
		}
		*b = block{}
	}
	s.narrow = nil
}
