package pcaps

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"

	"jitnic/pcaps/filter"
)

// A Label says what a generator knew about a packet. It survives in a pcapng
// file as the name of the packet's interface.
type Label uint8

const (
	Unlabelled Label = iota // recorded traffic
	Legit                   // interface "legit"
	Attack                  // interface "attack"
)

var labelNames = [...]string{Unlabelled: "unlabelled", Legit: "legit", Attack: "attack"}

// String returns the name, for Legit and Attack that of their interface.
func (l Label) String() string {
	if int(l) < len(labelNames) {
		return labelNames[l]
	}
	return fmt.Sprintf("label(%d)", uint8(l))
}

func labelOf(iface string) Label {
	for _, l := range []Label{Legit, Attack} {
		if iface == labelNames[l] {
			return l
		}
	}
	return Unlabelled
}

// Packet is one packet of a capture.
type Packet struct {
	Data      []byte // captured bytes from the Ethernet header on; valid until the next call of Next
	Len       uint32 // bytes on the wire, at least len(Data); more if the capture cut the packet
	Interface uint32 // pcapng interface, counted through all sections of its file; 0 in a pcap file
	TimeNS    int64  // as recorded, nanoseconds since 1970; later passes of a loop are shifted to follow
	KTimeNS   uint64 // a monotonic clock: TimeNS, but never 0 and never going back (see Source)
	File      int    // index into Source.Files
	Frame     uint64 // 1-based number in its file, as Wireshark counts
	Index     uint64 // 0-based number among the packets that Next delivered
	Label     Label
}

// Reader is what packets come from: a Source, or a generator of package
// jitnic/pcaps/gen. Next ends with io.EOF.
type Reader interface {
	Next(*Packet) error
}

var _ Reader = (*Source)(nil)

// Options choose captures and packets.
type Options struct {
	// Paths are files, globs, "-" for standard input or "sample:NAME", read
	// one after the other.
	Paths []string
	// Limit ends the source after that many delivered packets; 0 is no limit.
	Limit uint64
	// Loop is how many times the paths are read; 0 and 1 are once, negative
	// is for ever (give a Limit, or cancel the context).
	Loop int
	// Filter is an expression of package jitnic/pcaps/filter; only packets
	// that match are delivered.
	Filter string
	// Stdin is what "-" reads; nil is os.Stdin.
	Stdin io.Reader
}

// Counters tell what became of the packets read so far. Each packet is in
// exactly one of Packets, Filtered and a value of Skipped.
type Counters struct {
	Packets   uint64            // delivered
	Bytes     uint64            // captured bytes of the delivered
	Truncated uint64            // delivered, but shorter than they were on the wire (snaplen)
	Filtered  uint64            // dropped by the filter
	Skipped   map[string]uint64 // link type other than Ethernet, by name; nil if none
}

// decoder reads the packets of one file. next returns io.EOF at a clean end;
// after another error the window still stands at the damaged header or block
// or behind it.
type decoder interface {
	next(w *window, skipped *linkCounts, pkt *Packet) error
}

// Source reads packets of captures one by one in a flat amount of memory. It
// is not for concurrent use.
//
// Recorded clocks step back, between files and within one; ktime never does.
// So KTimeNS keeps its last value where a file steps back, and where a file
// or pass begins earlier than the last one ended, that whole file is shifted
// to follow by a microsecond.
type Source struct {
	ctx    context.Context
	inputs []input
	names  []string
	filter *filter.Program
	limit  uint64
	loop   int

	cur     int // the input that is open, or the next one
	pass    int
	open    bool
	closers []func()
	win     *window
	buf     []byte // the window's buffer, kept from file to file
	dec     decoder
	err     error // what Next returns from now on

	n         uint64 // delivered
	bytes     uint64
	truncated uint64
	filtered  uint64
	skipped   linkCounts

	passStart  uint64 // n when the pass began
	minT, maxT int64  // of the first pass
	period     int64  // from one pass to the next; 0 in the first
	ktime      uint64
	kshift     int64
	fresh      bool // no packet of the open file was delivered yet
}

// Open checks paths and filter, and returns the source that reads them.
// Contents are looked at when Next comes to them. Cancelling ctx ends the
// source with a CaptureError that wraps ctx.Err.
func Open(ctx context.Context, o Options) (*Source, error) {
	stdin := o.Stdin
	if stdin == nil {
		stdin = os.Stdin
	}
	stdin = newWaiting(ctx, stdin)
	inputs, err := expand(o.Paths, stdin)
	if err != nil {
		return nil, err
	}
	return newSource(ctx, o, inputs)
}

// NewSource reads one capture from r, called name in errors.
func NewSource(ctx context.Context, name string, r io.Reader, o Options) (*Source, error) {
	return newSource(ctx, o, []input{{name: name, open: func() (io.ReadCloser, error) {
		return io.NopCloser(r), nil
	}}})
}

func newSource(ctx context.Context, o Options, inputs []input) (*Source, error) {
	s := &Source{ctx: ctx, inputs: inputs, limit: o.Limit, loop: max(o.Loop, 1)}
	if o.Loop < 0 {
		s.loop = math.MaxInt
	}
	for _, in := range inputs {
		if s.loop > 1 && !in.again {
			return nil, fmt.Errorf("capture %q: can't be read more than once", in.name)
		}
		s.names = append(s.names, in.name)
	}
	if o.Filter != "" {
		var err error
		if s.filter, err = filter.Compile(o.Filter); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Files are the captures in order, globs expanded; Packet.File indexes them.
func (s *Source) Files() []string { return s.names }

// Counters returns what was counted up to now.
func (s *Source) Counters() Counters {
	return Counters{
		Packets:   s.n,
		Bytes:     s.bytes,
		Truncated: s.truncated,
		Filtered:  s.filtered,
		Skipped:   s.skipped.byName(),
	}
}

// Close releases the open file. Next returns os.ErrClosed from then on.
func (s *Source) Close() error {
	s.closeFile()
	if s.err == nil {
		s.err = os.ErrClosed
	}
	return nil
}

// Next reads the next packet into pkt. It returns io.EOF after the last one,
// and a *CaptureError where a file is damaged or can't be read; both stay.
func (s *Source) Next(pkt *Packet) error {
	if s.err != nil {
		return s.err
	}
	if s.limit != 0 && s.n == s.limit {
		return s.end(io.EOF)
	}
	for {
		if !s.open {
			if err := s.openNext(); err != nil {
				return s.end(err)
			}
		}
		if err := s.dec.next(s.win, &s.skipped, pkt); err != nil {
			if err == io.EOF {
				s.closeFile()
				s.cur++
				continue
			}
			return s.end(s.fail(err))
		}
		if s.filter != nil && !s.filter.Match(pkt.Data, pkt.Len) {
			s.filtered++
			continue
		}
		s.deliver(pkt)
		return nil
	}
}

func (s *Source) deliver(pkt *Packet) {
	if s.pass == 0 {
		if s.n == 0 {
			s.minT, s.maxT = pkt.TimeNS, pkt.TimeNS
		}
		s.minT, s.maxT = min(s.minT, pkt.TimeNS), max(s.maxT, pkt.TimeNS)
	} else {
		pkt.TimeNS = addSat(pkt.TimeNS, mulSat(s.period, int64(s.pass)))
	}
	k := uint64(max(addSat(pkt.TimeNS, s.kshift), 1))
	if s.fresh {
		s.fresh = false
		if k < s.ktime {
			s.kshift += int64(s.ktime-k) + 1000
			k = s.ktime + 1000
		}
	}
	s.ktime = max(s.ktime, k)
	pkt.KTimeNS = s.ktime
	pkt.File = s.cur
	pkt.Index = s.n
	s.n++
	s.bytes += uint64(len(pkt.Data))
	if pkt.Len > uint32(len(pkt.Data)) {
		s.truncated++
	}
}

// end makes err final.
func (s *Source) end(err error) error {
	s.closeFile()
	s.err = err
	return err
}

func (s *Source) fail(err error) error {
	e := &CaptureError{File: s.inputs[s.cur].name, Packets: s.n, Err: err}
	if s.win != nil {
		e.Offset = s.win.mark
	}
	return e
}

// openNext opens the current input, or begins another pass.
func (s *Source) openNext() error {
	if s.cur == len(s.inputs) {
		// A pass that delivered nothing would repeat for ever.
		if s.pass+1 >= s.loop || s.n == s.passStart {
			return io.EOF
		}
		if s.pass == 0 {
			span := max(addSat(s.maxT, -max(s.minT, -math.MaxInt64)), 0)
			gap := int64(1000)
			if s.n > 1 {
				gap = max(span/int64(s.n-1), 1)
			}
			s.period = addSat(span, gap)
		}
		s.pass++
		s.cur = 0
		s.passStart = s.n
	}
	s.win = nil
	in := &s.inputs[s.cur]
	f, err := in.open()
	if err != nil {
		return s.fail(err)
	}
	s.closers = append(s.closers, func() { f.Close() })
	s.open = true
	s.fresh = true
	r, release, err := uncompressed(s.ctx, f)
	if err != nil {
		return s.fail(err)
	}
	s.closers = append(s.closers, release)
	s.win = newWindow(s.ctx, r, s.buf)
	if s.dec, err = newDecoder(s.win); err != nil {
		return s.fail(err)
	}
	return nil
}

func (s *Source) closeFile() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = s.closers[:0]
	if s.win != nil {
		s.buf = s.win.buf
	}
	s.open = false
}

// newDecoder looks at the magic number.
func newDecoder(w *window) (decoder, error) {
	b := w.need(4)
	if len(b) < 4 {
		if len(b) == 0 && w.err == io.EOF {
			return nil, errors.New("empty file")
		}
		return nil, short(w, "magic number", int64(len(b)), 4)
	}
	magic := binary.LittleEndian.Uint32(b)
	if magic == blockSection {
		return &ngDecoder{}, nil
	}
	for _, swap := range []bool{false, true} {
		m := magic
		if swap {
			m = bits.ReverseBytes32(m)
		}
		switch m {
		case magicMicros, magicNanos, magicKuznetzov:
			return newPcap(w, m, swap)
		}
	}
	return nil, fmt.Errorf("magic number %x: neither pcap nor pcapng", b[:4])
}

// atEnd tells the end of the stream from a failed read.
func atEnd(w *window) error {
	if w.err == io.EOF {
		return io.EOF
	}
	return short(w, "file", 0, 1)
}

// linkCounts counts packets by link type; captures know a handful.
type linkCounts struct {
	last uint32 // its count is in n, not yet in m
	n    uint64
	m    map[uint32]uint64
}

func (c *linkCounts) add(link uint32) {
	if link != c.last {
		c.flush()
		c.last = link
	}
	c.n++
}

func (c *linkCounts) flush() {
	if c.n == 0 {
		return
	}
	if c.m == nil {
		c.m = map[uint32]uint64{}
	}
	c.m[c.last] += c.n
	c.n = 0
}

func (c *linkCounts) byName() map[string]uint64 {
	c.flush()
	if c.m == nil {
		return nil
	}
	out := map[string]uint64{}
	for link, n := range c.m {
		out[LinkTypeName(link)] += n
	}
	return out
}
