package stream

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
)

// A layout says where a format of records of one length keeps what is read of
// them; all numbers are little-endian.
//
//	oracle  libCacheSim's oracleGeneral: 0 u32 seconds, 4 u64 object, 12 u32 size, 16 i64 number of the object's next request, from 1; −1 none
//	lcs     libCacheSim's own: a header of 8 KiB, then as oracle; from version 2 on operation and tenant at 16, from 3 on sizes of 64 bits
//	vscsi   VMware's block traces: version 1 has 4 u32 length, 14 u16 version, 16 u64 block, 24 u64 µs; version 2 8 u32 length, 2 u16 version, 16 u64 block, 24 u64 µs
//	twr     Twitter's: 0 u32 seconds, 4 u64 object, 12 u32 key size (10 bits) and value size (22), 16 u32 operation and time to live
//	twrns   the same and a u16 namespace
type layout struct {
	header, record  int
	key, time, size int
	micros          bool // times are u64 in µs, else u32 in s
	wide            bool // sizes are i64, else u32
	kv              bool // sizes are key and value size together
}

var (
	layoutOracle = layout{record: 24, key: 4, time: 0, size: 12}
	layoutVSCSI1 = layout{record: 32, key: 16, time: 24, size: 4, micros: true}
	layoutVSCSI2 = layout{record: 40, key: 16, time: 24, size: 8, micros: true}
	layoutTwr    = layout{record: 20, key: 4, time: 0, size: 12, kv: true}
	layoutTwrNS  = layout{record: 22, key: 4, time: 0, size: 12, kv: true}
)

// lcsMagic begins and ends the header of an lcs file (libCacheSim's lcs.h).
const (
	lcsMagic  = 0x123456789abcdef0
	lcsHeader = 8192
)

// lcsRecords are the bytes of a record by version.
var lcsRecords = [...]int{1: 24, 2: 28, 3: 36, 4: 40, 5: 44, 6: 52, 7: 68, 8: 100}

// lcsLayout reads the header of an lcs file.
func lcsLayout(b []byte) (layout, error) {
	le := binary.LittleEndian
	if len(b) < lcsHeader || le.Uint64(b) != lcsMagic || le.Uint64(b[lcsHeader-8:]) != lcsMagic {
		return layout{}, fmt.Errorf("offset 0: not an lcs file: it lacks the header of %d bytes between magic numbers", lcsHeader)
	}
	v := le.Uint64(b[8:])
	if v == 0 || v >= uint64(len(lcsRecords)) {
		return layout{}, fmt.Errorf("offset 8: lcs version %d: only 1 to %d are known", v, len(lcsRecords)-1)
	}
	return layout{header: lcsHeader, record: lcsRecords[v], key: 4, time: 0, size: 12, wide: v >= 3}, nil
}

// vscsiVersion is the version that every one of the first records tells, or 0.
func vscsiVersion(b []byte) int {
	for v, at := range map[int]struct{ record, ver int }{1: {32, 14}, 2: {40, 2}} {
		n := min(len(b)/at.record, 100)
		ok := n > 0
		for i := range n {
			ok = ok && int(b[i*at.record+at.ver+1]) == v
		}
		if ok {
			return v
		}
	}
	return 0
}

func vscsiLayout(b []byte) (layout, error) {
	switch vscsiVersion(b) {
	case 1:
		return layoutVSCSI1, nil
	case 2:
		return layoutVSCSI2, nil
	}
	return layout{}, fmt.Errorf("offset 0: not a vscsi trace: its records tell neither version 1 nor 2")
}

// ReadOracle reads a libCacheSim oracleGeneral trace. Objects become dense ids
// in order of first use; a size of 0 becomes 1; where an object's size changes
// its last one is its size, and each request keeps the bytes it asked for. The
// next requests are not needed and not checked.
func ReadOracle(in io.Reader) (*Stream, error) {
	b, release, err := whole(in)
	if err != nil {
		return nil, err
	}
	defer release()
	return records(b, layoutOracle)
}

// records reads records of one length, in stretches side by side: each numbers
// its keys by itself, and the numbers are then put into one order of first use.
// An error names the record's offset, and the first is told.
func records(b []byte, l layout) (*Stream, error) {
	return recordsIn(b, l, max(1, min(runtime.GOMAXPROCS(0), len(b)/l.record>>18)))
}

func recordsIn(b []byte, l layout, count int) (*Stream, error) {
	n := max(len(b)-l.header, 0) / l.record
	if n > math.MaxInt32 {
		return nil, fmt.Errorf("%d requests: more than %d", n, math.MaxInt32)
	}
	if rest := (len(b) - l.header) % l.record; rest > 0 {
		return nil, fmt.Errorf("offset %d: record cut after %d of %d bytes", l.header+n*l.record, rest, l.record)
	}
	s := &Stream{Foreign: true, IDs: make([]uint32, n), Time: make([]int64, n)}
	parts := stretches(n, count)
	var wg sync.WaitGroup
	for k := range parts {
		wg.Go(func() { parts[k].read(b, l, s) })
	}
	wg.Wait()
	for k := range parts {
		if err := parts[k].err; err != nil {
			return nil, err
		}
	}
	all := &parts[0].ids
	s.Keys, s.Sizes = parts[0].keys, parts[0].sizes
	resized, falls := parts[0].resized, parts[0].falls
	for k := range parts[1:] {
		part := &parts[k+1]
		number := make([]uint32, len(part.keys)) // of the part's numbers, in all
		resized = resized || part.resized
		falls = falls || part.falls || part.from > 0 && part.to > part.from && s.Time[part.from] < s.Time[part.from-1]
		for local, key := range part.keys {
			if local%ahead == 0 {
				part.any ^= all.near(part.keys[local:min(local+ahead, len(part.keys))])
			}
			id, fresh := all.id(key)
			if fresh {
				s.Keys, s.Sizes = append(s.Keys, key), append(s.Sizes, part.sizes[local])
			} else if s.Sizes[id] != part.sizes[local] {
				resized = true
			}
			number[local] = id
		}
		wg.Go(func() {
			for i, local := range s.IDs[part.from:part.to] {
				s.IDs[part.from+i] = number[local]
			}
		})
	}
	wg.Wait()
	if len(s.Keys) > maxID {
		return nil, fmt.Errorf("%d objects: more than %d", len(s.Keys), maxID)
	}
	if resized {
		s.Sizes = make([]uint32, len(s.Keys))
		for i, id := range s.IDs {
			size, _ := l.sizeOf(b[l.header+i*l.record:])
			s.sized(i, id, size)
		}
	}
	if falls {
		s.Time = nil // not a clock
	}
	s.ids = len(s.Keys)
	return s, nil
}

// ahead is how many keys are looked for in memory at once.
const ahead = 64

// stretch is records from..to-1, with keys numbered in order of first use here.
type stretch struct {
	from, to int
	ids      dense
	keys     []uint64
	sizes    []uint32 // of keys
	resized  bool     // a key has another size than before
	falls    bool     // a time lies before the last
	any      uint32   // of dense.near, so that it is done
	err      error
}

// stretches parts n records.
func stretches(n, count int) []stretch {
	parts := make([]stretch, count)
	for k := range parts {
		parts[k] = stretch{from: n * k / len(parts), to: n * (k + 1) / len(parts), ids: *newDense()}
	}
	return parts
}

func (p *stretch) read(b []byte, l layout, s *Stream) {
	le := binary.LittleEndian
	var keys [ahead]uint64
	for i := p.from; i < p.to; i++ {
		at := l.header + i*l.record
		r := b[at : at+l.record]
		if (i-p.from)%ahead == 0 {
			some := keys[:min(len(keys), p.to-i)]
			for j := range some {
				some[j] = le.Uint64(b[at+j*l.record+l.key:])
			}
			p.any ^= p.ids.near(some)
		}
		key := keys[(i-p.from)%ahead]
		size, ok := l.sizeOf(r)
		if !ok {
			p.err = fmt.Errorf("offset %d: size %d: more than 32 bits", at, le.Uint64(r[l.size:]))
			return
		}
		size = max(size, 1)
		slot, fresh := p.ids.slot(key)
		if fresh {
			slot.size = size
			p.keys, p.sizes = append(p.keys, key), append(p.sizes, size)
		}
		p.resized = p.resized || slot.size != size
		s.IDs[i] = slot.id - 1
		if l.micros {
			s.Time[i] = int64(min(le.Uint64(r[l.time:]), math.MaxInt64/1000)) * 1000
		} else {
			s.Time[i] = int64(le.Uint32(r[l.time:])) * 1e9
		}
		if i > p.from && s.Time[i] < s.Time[i-1] {
			p.falls = true
		}
	}
}

// sizeOf is the size that a record asks for, and whether it fits 32 bits.
func (l *layout) sizeOf(r []byte) (size uint32, ok bool) {
	le := binary.LittleEndian
	if l.wide {
		x := le.Uint64(r[l.size:])
		return uint32(x), x <= math.MaxUint32
	}
	size = le.Uint32(r[l.size:])
	if l.kv {
		x := uint64(size>>22) + uint64(size&(1<<22-1))
		return uint32(x), true
	}
	return size, true
}

// sized notes the size that request i asks of its id. The least is the id's, so
// that bounds stay bounds; once one has changed, every request keeps the bytes
// it asked for, so that they add up.
func (s *Stream) sized(i int, id, size uint32) {
	size = max(size, 1)
	if s.Bytes == nil {
		old := s.Sizes[id]
		if old == 0 || old == size {
			s.Sizes[id] = size
			return
		}
		s.last = slices.Clone(s.Sizes)
		s.Bytes = make([]uint32, i, max(len(s.IDs), i+1))
		for k := range s.Bytes {
			s.Bytes[k] = 1
			if s.IDs[k] != None {
				s.Bytes[k] = s.Sizes[s.IDs[k]]
			}
		}
	}
	if n := len(s.Sizes) - len(s.last); n > 0 {
		s.last = append(s.last, make([]uint32, n)...)
	}
	if s.last[id] == 0 {
		s.Sizes[id] = size
	} else if s.last[id] != size {
		s.Resized++
		s.Sizes[id] = min(s.Sizes[id], size)
	}
	s.last[id] = size
	s.Bytes = append(s.Bytes, size)
}

// isOracle says whether records can be nothing but oracleGeneral's: each names
// the number of its object's next request, which is greater than its own and,
// where the file has it, of the same object.
func isOracle(b []byte) bool {
	if len(b)%oracleRecord != 0 {
		return false
	}
	le := binary.LittleEndian
	n := len(b) / oracleRecord
	look := min(n, 10_000)
	said := map[uint64]int64{} // by object: the next request it named last
	for i := range look {
		r := b[i*oracleRecord:]
		key, next := le.Uint64(r[4:]), int64(le.Uint64(r[16:]))
		if named, seen := said[key]; seen && named != int64(i)+1 {
			return false
		}
		said[key] = next
		switch {
		case next == -1 || next == math.MaxInt64:
		case next <= int64(i)+1 || next > math.MaxInt32:
			return false
		case next <= int64(n) && le.Uint64(b[(next-1)*oracleRecord+4:]) != key:
			return false
		}
	}
	return n > 0
}
