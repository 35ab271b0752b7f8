package stream

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// packedMagic begins a packed stream: columns in blocks, each compressed on its
// own, so that numbers of paths are read back as fast as memory allows and what
// a reader doesn't ask for is passed over.
//
//	magic
//	records    kind, width, 2 bytes of 0, count, bytes: 32 bits each, little-endian; then so many bytes of a zstd frame
//	  ids      count numbers of width bytes; all ones: an uncacheable request
//	  lengths  of the same requests; width 2 or 4
//	  times    less the last one, as varints
//	  labels   a byte each
//	  gone     invalidations: requests since the last one, then the id, as varints
//	  defs     ids defined: number, key, size, cost, as varints
//	  about    JSON of a Head; uncompressed
//	  end      count: 0; the 8 bytes are the number of requests
//
// The columns of a block follow its ids. zstd's frames carry checksums; a file
// without its end is cut short.
const packedMagic = "jitnic packed 1\n"

const (
	packIDs byte = iota + 1
	packLengths
	packTimes
	packLabels
	packGone
	packDefs
	packAbout
	packEnd
)

// packedBlock is how many requests a block has: its columns fit the second cache.
const packedBlock = 1 << 17

// Head is what a packed stream says of itself.
type Head struct {
	Name   string          `json:"name"`
	Labels []string        `json:"labels"`
	Active int64           `json:"active_ns"` // see Stream.Active
	More   json.RawMessage `json:"more,omitempty"`
}

// encoders and decoders are made once: their tables cost more than a block.
var (
	packEncoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(4))
		if err != nil {
			panic(err) // the options are fixed
		}
		return e
	})
	packDecoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			panic(err)
		}
		return d
	})
)

// A Packer writes a packed stream while it comes into being, in the memory of one
// block. Errors stick and are returned by Close.
type Packer struct {
	w   *bufio.Writer
	err error

	n       uint64 // requests
	ids     []uint32
	lengths []uint32
	times   []byte
	labels  []byte
	gone    []byte
	defs    []byte
	nGone   uint32
	nDefs   uint32
	last    int64  // time
	lastAt  uint64 // of an invalidation
	raw     []byte
	packed  []byte
}

// NewPacker begins a packed stream.
func NewPacker(w io.Writer) *Packer {
	p := &Packer{w: bufio.NewWriterSize(w, 1<<16)}
	_, p.err = p.w.WriteString(packedMagic)
	return p
}

// Request notes a request of id, or of an uncacheable packet (None). Times must
// not fall.
func (p *Packer) Request(id, length uint32, ns int64, label uint8) error {
	if ns < p.last {
		return fmt.Errorf("request %d: time %d ns is before %d ns", p.n, ns, p.last)
	}
	p.ids = append(p.ids, id)
	p.lengths = append(p.lengths, length)
	p.times = binary.AppendUvarint(p.times, uint64(ns-p.last))
	p.labels = append(p.labels, label)
	p.last = ns
	if p.n++; len(p.ids) == packedBlock {
		p.block()
	}
	return p.err
}

// Invalidate notes that id is invalidated before the next request.
func (p *Packer) Invalidate(id uint32) {
	p.gone = binary.AppendUvarint(p.gone, p.n-p.lastAt)
	p.gone = binary.AppendUvarint(p.gone, uint64(id))
	p.lastAt = p.n
	if p.nGone++; p.nGone == packedBlock { // more than requests: they get blocks of their own
		p.invalidations()
	}
}

// Define notes what id is.
func (p *Packer) Define(id uint32, key uint64, size, cost uint32) {
	for _, v := range []uint64{uint64(id), key, uint64(max(size, 1)), uint64(cost)} {
		p.defs = binary.AppendUvarint(p.defs, v)
	}
	if p.nDefs++; p.nDefs == packedBlock {
		p.definitions()
	}
}

func (p *Packer) record(kind, width byte, count uint32, raw []byte) {
	if p.err != nil {
		return
	}
	body := raw
	if kind != packAbout && kind != packEnd {
		p.packed = packEncoder().EncodeAll(raw, p.packed[:0])
		body = p.packed
	}
	var head [12]byte
	head[0], head[1] = kind, width
	binary.LittleEndian.PutUint32(head[4:], count)
	binary.LittleEndian.PutUint32(head[8:], uint32(len(body)))
	if _, p.err = p.w.Write(head[:]); p.err == nil {
		_, p.err = p.w.Write(body)
	}
}

// column writes numbers at the least width that holds them; None is all ones.
func (p *Packer) column(kind byte, v []uint32, least int) {
	top := uint32(0)
	for _, x := range v {
		if x != None {
			top = max(top, x)
		}
	}
	width := least
	for width < 4 && top >= 1<<(8*width)-1 {
		width *= 2
	}
	p.raw = p.raw[:0]
	for _, x := range v {
		switch width {
		case 1:
			p.raw = append(p.raw, byte(x))
		case 2:
			p.raw = append(p.raw, byte(x), byte(x>>8))
		default:
			p.raw = append(p.raw, byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
		}
	}
	p.record(kind, byte(width), uint32(len(v)), p.raw)
}

func (p *Packer) block() {
	n := uint32(len(p.ids))
	if n > 0 {
		p.column(packIDs, p.ids, 1)
		p.column(packLengths, p.lengths, 2)
		p.record(packTimes, 0, n, p.times)
		p.record(packLabels, 1, n, p.labels)
	}
	p.ids, p.lengths, p.times, p.labels = p.ids[:0], p.lengths[:0], p.times[:0], p.labels[:0]
	p.invalidations()
	p.definitions()
}

func (p *Packer) invalidations() {
	if p.nGone > 0 {
		p.record(packGone, 0, p.nGone, p.gone)
	}
	p.gone, p.nGone = p.gone[:0], 0
}

func (p *Packer) definitions() {
	if p.nDefs > 0 {
		p.record(packDefs, 0, p.nDefs, p.defs)
	}
	p.defs, p.nDefs = p.defs[:0], 0
}

// Requests is how many there were so far.
func (p *Packer) Requests() uint64 { return p.n }

// Close writes what is left, the head and the end. It does not close the
// underlying writer.
func (p *Packer) Close(h Head) error {
	p.block()
	about, err := json.Marshal(h)
	if err != nil {
		return err
	}
	p.record(packAbout, 0, 1, about)
	p.record(packEnd, 0, 0, binary.LittleEndian.AppendUint64(nil, p.n))
	if p.err == nil {
		p.err = p.w.Flush()
	}
	return p.err
}

// Columns of a packed stream beside its ids.
const (
	WithLengths = 1 << iota
	WithTimes
	WithLabels
	WithAll = WithLengths | WithTimes | WithLabels
)

// A Chunk is a block of requests of a packed stream. Its slices are good until the
// next one is read; those of columns that weren't asked for are nil.
type Chunk struct {
	From    uint64 // number of its first request
	IDs     []uint32
	Lengths []uint32
	Times   []int64
	Labels  []uint8
}

// An Unpacker reads a packed stream block by block.
type Unpacker struct {
	r    *bufio.Reader
	with int

	// What has been read of the stream by now; all of it after io.EOF.
	Head          Head
	Requests      uint64
	Invalidations []Invalidation
	Keys          []uint64
	Sizes, Costs  []uint32

	top    int // one more than the largest id
	lastAt uint64
	last   int64
	head   [12]byte
	body   []byte
	raw    []byte
	ended  bool
	ahead  bool // head is that of a record whose body has not been read
}

// NewUnpacker begins to read; with says which columns are wanted beside ids.
func NewUnpacker(r io.Reader, with int) (*Unpacker, error) {
	u := &Unpacker{r: bufio.NewReaderSize(r, 1<<16), with: with}
	magic := make([]byte, len(packedMagic))
	if _, err := io.ReadFull(u.r, magic); err != nil || string(magic) != packedMagic {
		return nil, errors.New("offset 0: not a packed request stream")
	}
	return u, nil
}

// NumIDs is one more than the largest id read so far.
func (u *Unpacker) NumIDs() int { return u.top }

// Next reads the next block of requests. io.EOF: there are no more, and all else
// has been read.
func (u *Unpacker) Next(c *Chunk) error {
	if u.ended {
		return io.EOF
	}
	got := false
	c.IDs, c.Lengths, c.Times, c.Labels = c.IDs[:0], c.Lengths[:0], c.Times[:0], c.Labels[:0]
	for {
		if !u.ahead {
			if _, err := io.ReadFull(u.r, u.head[:]); err != nil {
				return errCut
			}
		}
		u.ahead = false
		kind, width := u.head[0], u.head[1]
		count, size := binary.LittleEndian.Uint32(u.head[4:]), binary.LittleEndian.Uint32(u.head[8:])
		if got && (kind == packIDs || kind == packEnd) {
			u.ahead = true
			return nil
		}
		if count > packedBlock || size > 64<<20 {
			return fmt.Errorf("block at request %d: %d requests in %d bytes: damaged", u.Requests, count, size)
		}
		if skip := map[byte]int{packLengths: WithLengths, packTimes: WithTimes, packLabels: WithLabels}[kind]; skip != 0 && u.with&skip == 0 {
			if _, err := u.r.Discard(int(size)); err != nil {
				return errCut
			}
			continue
		}
		if cap(u.body) < int(size) {
			u.body = make([]byte, size)
		}
		u.body = u.body[:size]
		if _, err := io.ReadFull(u.r, u.body); err != nil {
			return errCut
		}
		raw := u.body
		if kind != packAbout && kind != packEnd {
			var err error
			if u.raw, err = packDecoder().DecodeAll(u.body, u.raw[:0]); err != nil {
				return fmt.Errorf("block at request %d: %w", u.Requests, err)
			}
			raw = u.raw
		}
		if err := u.take(c, kind, width, int(count), raw); err != nil {
			return fmt.Errorf("block at request %d: %w", u.Requests, err)
		}
		switch kind {
		case packIDs:
			got = true
		case packEnd:
			u.ended = true
			return io.EOF
		}
	}
}

var errBlock = errors.New("damaged: a column is not as long as its block")

func (u *Unpacker) take(c *Chunk, kind, width byte, count int, raw []byte) error {
	switch kind {
	case packIDs:
		c.From = u.Requests
		u.Requests += uint64(count)
		var err error
		if c.IDs, err = widenInto(c.IDs, width, count, raw); err != nil {
			return err
		}
		none := uint32(1)<<(8*width) - 1 // 0 at width 4 wraps to all ones
		if width == 4 {
			none = None
		}
		top := uint32(u.top)
		for i, id := range c.IDs {
			if id == none {
				c.IDs[i] = None
			} else if id >= top {
				top = id + 1
			}
		}
		if top > maxID {
			return fmt.Errorf("id %d is too large", top-1)
		}
		u.top = int(top)
		return nil
	case packLengths:
		var err error
		c.Lengths, err = widenInto(c.Lengths, width, count, raw)
		return err
	case packTimes:
		for range count {
			d, n := binary.Uvarint(raw)
			if n <= 0 || d > math.MaxInt64 || u.last+int64(d) < u.last {
				return errBlock
			}
			raw = raw[n:]
			u.last += int64(d)
			c.Times = append(c.Times, u.last)
		}
		return nil
	case packLabels:
		if len(raw) != count {
			return errBlock
		}
		c.Labels = append(c.Labels, raw...)
		return nil
	case packGone:
		for range count {
			v, err := varints(&raw, 2)
			if err != nil || v[1] >= maxID {
				return errBlock
			}
			u.lastAt += v[0]
			u.top = max(u.top, int(v[1])+1)
			u.Invalidations = append(u.Invalidations, Invalidation{u.lastAt, uint32(v[1])})
		}
		return nil
	case packDefs:
		for range count {
			v, err := varints(&raw, 4)
			if err != nil || v[0] >= maxID || v[2] > math.MaxUint32 || v[3] > math.MaxUint32 {
				return errBlock
			}
			id := uint32(v[0])
			u.Keys, u.Sizes, u.Costs = put(u.Keys, id, v[1]), put(u.Sizes, id, uint32(v[2])), put(u.Costs, id, uint32(v[3]))
		}
		return nil
	case packAbout:
		return json.Unmarshal(raw, &u.Head)
	case packEnd:
		if len(raw) != 8 || binary.LittleEndian.Uint64(raw) != u.Requests {
			return fmt.Errorf("%d requests read, the end says otherwise", u.Requests)
		}
		return nil
	}
	return fmt.Errorf("record of kind %d is not known", kind)
}

func varints(raw *[]byte, n int) (v [4]uint64, err error) {
	for i := range n {
		x, k := binary.Uvarint(*raw)
		if k <= 0 {
			return v, errBlock
		}
		v[i], *raw = x, (*raw)[k:]
	}
	return v, nil
}

// widenInto appends numbers of so many bytes.
func widenInto(out []uint32, width byte, count int, raw []byte) ([]uint32, error) {
	if width != 1 && width != 2 && width != 4 || len(raw) != count*int(width) {
		return nil, errBlock
	}
	if cap(out) < count {
		out = make([]uint32, count)
	}
	out = out[:count]
	switch width {
	case 1:
		for i, b := range raw {
			out[i] = uint32(b)
		}
	case 2:
		for i := range out {
			out[i] = uint32(binary.LittleEndian.Uint16(raw[2*i:]))
		}
	default:
		for i := range out {
			out[i] = binary.LittleEndian.Uint32(raw[4*i:])
		}
	}
	return out, nil
}

// Unpack reads a packed stream into memory; with says which columns are wanted
// beside ids.
func Unpack(r io.Reader, with int) (*Stream, Head, error) {
	u, err := NewUnpacker(r, with)
	if err != nil {
		return nil, Head{}, err
	}
	s := &Stream{}
	var c Chunk
	for {
		err := u.Next(&c)
		if err != nil && err != io.EOF {
			return nil, Head{}, err
		}
		s.IDs = append(s.IDs, c.IDs...)
		s.Bytes = append(s.Bytes, c.Lengths...)
		s.Time = append(s.Time, c.Times...)
		s.Labels = append(s.Labels, c.Labels...)
		if err == io.EOF {
			break
		}
	}
	h := u.Head
	s.Name, s.Active, s.Invalidations, s.ids = h.Name, h.Active, u.Invalidations, u.top
	if with&WithLabels != 0 {
		s.LabelNames = h.Labels
		for _, l := range s.Labels {
			if int(l) >= max(len(h.Labels), 1) {
				return nil, Head{}, fmt.Errorf("label %d has no name", l)
			}
		}
	}
	if u.Sizes != nil {
		for id := range uint32(u.top) {
			if int(id) >= len(u.Sizes) || u.Sizes[id] == 0 {
				u.Keys, u.Sizes, u.Costs = put(u.Keys, id, uint64(id)), put(u.Sizes, id, 1), put(u.Costs, id, 1)
			}
		}
		s.Keys, s.Sizes, s.Costs = u.Keys, u.Sizes, u.Costs
	}
	return s, h, nil
}

func packedFile(b []byte, _ Columns) (*Stream, error) {
	s, _, err := Unpack(bytes.NewReader(b), WithAll)
	return s, err
}
