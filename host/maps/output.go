package maps

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"slices"

	"jitnic/host/mem"
)

// Output is what a perf event array or ring buffer was given so far.
type Output struct {
	Records uint64 // taken
	Bytes   uint64 // in those
	Drops   uint64 // refused: nobody listens, or no room
	Sum     uint64 // CRC-64 (ECMA) over the bytes taken, in order
}

var crcTable = crc64.MakeTable(crc64.ECMA)

func (o *Output) take(parts ...[]byte) {
	o.Records++
	for _, p := range parts {
		o.Bytes += uint64(len(p))
		o.Sum = crc64.Update(o.Sum, crcTable, p)
	}
}

func (o *Output) equal(p *Output) string {
	if *o != *p {
		return fmt.Sprintf("output of %d records, %d bytes, %d drops, sum %x; other %d, %d, %d, %x",
			o.Records, o.Bytes, o.Drops, o.Sum, p.Records, p.Bytes, p.Drops, p.Sum)
	}
	return ""
}

// Events is met by perf event arrays.
type Events interface {
	Map
	// Output is bpf_perf_event_output with a record of the two parts, the
	// program's own and the bytes of the packet: flags hold the index or
	// BPF_F_CURRENT_CPU. As in the kernel an index at which no event was
	// opened (by Update) gives ENOENT.
	Output(flags uint64, cpu int, own, packet []byte) Errno
	// Stats is what was output so far.
	Stats() Output
	// OnRecord gives every record to f, which must not keep its arguments.
	OnRecord(f func(cpu int, own, packet []byte))
}

// perfArray is BPF_MAP_TYPE_PERF_EVENT_ARRAY. Records are counted and handed
// on, not kept.
type perfArray struct {
	cells
	out    Output
	record func(cpu int, own, packet []byte)
}

func (m *perfArray) Output(flags uint64, cpu int, own, packet []byte) Errno {
	const currentCPU = 0xffffffff // BPF_F_INDEX_MASK, BPF_F_CURRENT_CPU
	index := uint32(flags)
	if index == currentCPU {
		index = uint32(cpu)
	}
	switch {
	case index >= m.spec.Max:
		m.out.Drops++
		return E2BIG
	case m.first(index) == 0:
		m.out.Drops++
		return ENOENT
	case index != uint32(cpu): // event i was opened on CPU i
		m.out.Drops++
		return EOPNOTSUPP
	}
	m.out.take(own, packet)
	if m.record != nil {
		m.record(cpu, own, packet)
	}
	return OK
}

func (m *perfArray) Stats() Output                                { return m.out }
func (m *perfArray) OnRecord(f func(cpu int, own, packet []byte)) { m.record = f }

func (m *perfArray) copyFrom(src Map) {
	o := src.(*perfArray)
	m.copyCells(&o.cells)
	m.out = o.out
}

func (m *perfArray) equal(b Map) string {
	o := b.(*perfArray)
	if slices.Compare(m.mem, o.mem) != 0 {
		return "different events are open"
	}
	return m.out.equal(&o.out)
}

// Ring is met by ring buffers.
type Ring interface {
	Map
	// Reserve is bpf_ringbuf_reserve: the address of size bytes in which the
	// program writes its record, or 0.
	Reserve(size uint64, flags uint64) uint64
	// Commit is bpf_ringbuf_submit and bpf_ringbuf_discard, of an address
	// that Reserve gave; EINVAL for any other.
	Commit(addr uint64, discard bool) Errno
	// Output is bpf_ringbuf_output.
	Output(record []byte, flags uint64) Errno
	// Query is bpf_ringbuf_query.
	Query(what uint64) uint64
	// Read consumes the records there are, as user space would; f must not
	// keep them and may be nil.
	Read(f func(record []byte))
	// OnRecord has every record read as soon as it is committed. Without it,
	// and without Read, the buffer fills up, as it does in the kernel when
	// nobody reads.
	OnRecord(f func(record []byte))
	// Stats is what was committed so far. Discarded records don't count.
	Stats() Output
}

// ring is BPF_MAP_TYPE_RINGBUF (kernel/bpf/ringbuf.c). A record is an 8-byte
// header (u32 length with the two top bits busy and discarded, u32 unused)
// and its bytes, rounded up to 8. The kernel maps the pages twice so that a
// record can run past the end; here the second half is memory of its own,
// into which only such a record reaches.
type ring struct {
	base
	mask uint64
	cons uint64 // consumer_pos; the three follow one another (FlatRing)
	prod uint64 // producer_pos
	pend uint64 // pending_pos: all before it is committed
	out  Output
	read func(record []byte)
	view *ringView // of conditions
}

const (
	ringHeader  = 8
	ringBusy    = 1 << 31
	ringDiscard = 1 << 30
	ringMost    = 1<<30 - 1 // bytes of a record (RINGBUF_MAX_RECORD_SZ)
)

func ringSize(s *Spec, cpus int) uint64 { return 2 * uint64(s.Max) }

func newRing(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	m := &ring{base: base{spec: s, cpus: cpus}, mask: uint64(s.Max) - 1}
	if err := m.alloc(a, mem.KindOther, index, ringSize(s, cpus)); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *ring) header(pos uint64) []byte { return m.mem[pos&m.mask:][:ringHeader] }

// step is how far a record of n bytes moves a position.
func step(n uint64) uint64 { return (n + ringHeader + 7) &^ 7 }

func (m *ring) Reserve(size uint64, flags uint64) uint64 {
	if flags != 0 || size > ringMost || step(size) > m.mask+1 {
		m.out.Drops++
		return 0
	}
	for m.pend < m.prod {
		n := binary.LittleEndian.Uint32(m.header(m.pend))
		if n&ringBusy != 0 {
			break
		}
		m.pend += step(uint64(n &^ ringDiscard))
	}
	next := m.prod + step(size)
	if next-m.cons > m.mask || next-m.pend > m.mask {
		m.out.Drops++
		return 0
	}
	at := m.prod & m.mask
	binary.LittleEndian.PutUint32(m.header(at), uint32(size)|ringBusy)
	m.prod = next
	return m.addr + at + ringHeader
}

// Commit finds the record among those not yet consumed, so that no address
// can do harm.
func (m *ring) Commit(addr uint64, discard bool) Errno {
	pos := addr - ringHeader - m.addr
	if pos > m.mask || pos%8 != 0 {
		return EINVAL
	}
	// The one position in [cons, prod) with this offset.
	abs := m.cons + (pos-m.cons)&m.mask
	if abs >= m.prod {
		return EINVAL
	}
	h := m.header(abs)
	n := binary.LittleEndian.Uint32(h)
	if n&ringBusy == 0 {
		return EINVAL
	}
	n &^= ringBusy
	if discard {
		n |= ringDiscard
	} else {
		m.out.take(m.mem[pos+ringHeader:][:n])
	}
	binary.LittleEndian.PutUint32(h, n)
	if m.onWrite != nil {
		m.onWrite(nil)
	}
	if m.read != nil {
		m.Read(m.read)
	}
	return OK
}

func (m *ring) Output(record []byte, flags uint64) Errno {
	const wakeups = 1 | 2 // BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP
	if flags&^wakeups != 0 {
		return EINVAL
	}
	addr := m.Reserve(uint64(len(record)), 0)
	if addr == 0 {
		return EAGAIN
	}
	copy(m.mem[addr-m.addr:], record)
	return m.Commit(addr, false)
}

func (m *ring) Query(what uint64) uint64 { return m.query(what, m.cons, m.prod) }

// query is what it says of a buffer read up to cons and written up to prod.
func (m *ring) query(what, cons, prod uint64) uint64 {
	switch what {
	case 0: // BPF_RB_AVAIL_DATA
		return prod - cons
	case 1: // BPF_RB_RING_SIZE
		return m.mask + 1
	case 2: // BPF_RB_CONS_POS
		return cons
	case 3: // BPF_RB_PROD_POS
		return prod
	}
	return 0
}

func (m *ring) Read(f func(record []byte)) {
	for m.cons < m.prod {
		n := binary.LittleEndian.Uint32(m.header(m.cons))
		if n&ringBusy != 0 {
			return
		}
		size := uint64(n &^ ringDiscard)
		if n&ringDiscard == 0 && f != nil {
			f(m.mem[m.cons&m.mask+ringHeader:][:size:size])
		}
		m.cons += step(size)
		m.pend = max(m.pend, m.cons)
	}
}

func (m *ring) OnRecord(f func(record []byte)) { m.read = f }
func (m *ring) Stats() Output                  { return m.out }

func (m *ring) Lookup(key []byte, cpu int) uint64                     { return 0 }
func (m *ring) Peek(key []byte, cpu int) uint64                       { return 0 }
func (m *ring) Update(key, value []byte, flags uint64, cpu int) Errno { return ENOTSUPP }
func (m *ring) UpdateResult(key []byte, flags uint64, cpu int) Errno  { return ENOTSUPP }
func (m *ring) Delete(key []byte) Errno                               { return ENOTSUPP }

// Len is the number of records not yet consumed, busy and discarded ones
// included.
func (m *ring) Len() int {
	n := 0
	for p := m.cons; p < m.prod; n++ {
		p += step(uint64(binary.LittleEndian.Uint32(m.header(p)) &^ (ringBusy | ringDiscard)))
	}
	return n
}

// Range calls f for the committed records not yet consumed.
func (m *ring) Range(f func(key, value []byte) bool) {
	for p := m.cons; p < m.prod; {
		n := binary.LittleEndian.Uint32(m.header(p))
		size := uint64(n &^ (ringBusy | ringDiscard))
		if n&(ringBusy|ringDiscard) == 0 && !f(nil, m.mem[p&m.mask+ringHeader:][:size:size]) {
			return
		}
		p += step(size)
	}
}

func (m *ring) copyFrom(src Map) {
	o := src.(*ring)
	copy(m.mem, o.mem)
	m.cons, m.prod, m.pend, m.out = o.cons, o.prod, o.pend, o.out
}

func (m *ring) equal(b Map) string {
	o := b.(*ring)
	if m.prod != o.prod {
		return fmt.Sprintf("producer at %d, other at %d", m.prod, o.prod)
	}
	return m.out.equal(&o.out)
}

func checkRing(s *Spec) *CreateError {
	if e := checkFlagsOf(s, FlagNumaNode); e != nil {
		return e
	}
	switch {
	case s.KeySize != 0:
		return refuse(s, EINVAL, "key size %d: a ring buffer has none", s.KeySize)
	case s.ValueSize != 0:
		return refuse(s, EINVAL, "value size %d: a ring buffer has none", s.ValueSize)
	case s.Max == 0 || s.Max&(s.Max-1) != 0 || s.Max%4096 != 0:
		return refuse(s, EINVAL, "max entries %d: want a power of two of whole pages", s.Max)
	}
	return nil
}
