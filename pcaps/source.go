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
	"jitnic/pcaps/unpack"
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
	Data      []byte // captured bytes from the Ethernet header on; valid until the next call of Next or Batch
	Len       uint32 // bytes on the wire and Added, without the frame check sequence; more than len(Data) if the capture cut the packet
	Added     uint32 // bytes of Len that never were on the wire: the Ethernet header of a packet that had none
	Tag       Tag    // VLAN tag taken off (Options.StripVLAN)
	Interface uint32 // pcapng interface, counted through all sections of its file; 0 in a pcap file
	TimeNS    int64  // as recorded, nanoseconds since 1970; later passes of a loop are shifted to follow
	KTimeNS   uint64 // a monotonic clock: TimeNS, but never 0 and never going back (see Source)
	ActiveNS  uint64 // of KTimeNS, what passed within captures (Source.Active) up to this packet
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
	// LinkType says what becomes of packets without an Ethernet header:
	// LinkEthernet (or "") puts one in front where the link type allows it,
	// LinkSkip passes over them.
	LinkType string
	// PadCut fills packets that the capture cut up to their length on the wire
	// with zeros.
	PadCut bool
	// StripVLAN takes the outer VLAN tag off, into Packet.Tag.
	StripVLAN bool
	// Jobs above 1 let reading and decompressing go on beside the caller, in
	// one goroutine. It changes nothing that is delivered.
	Jobs int
	// Map has plain files mapped instead of read, where the machine can: no byte is
	// copied, and what nobody looks at isn't touched. Whoever looks at packets does
	// so in Source.Guarded.
	Map bool
	// Stdin is what "-" reads; nil is os.Stdin.
	Stdin io.Reader
}

// The values of Options.LinkType.
const (
	LinkEthernet = "ethernet"
	LinkSkip     = "skip"
)

// Linear is the longest packet that an XDP program finds in one piece: a page
// of 4 KiB without headroom (256) and skb_shared_info (320). Larger ones are
// jumbo frames, or what a host's offloads put together before the capture.
const Linear = 3520

// Counters tell what became of the packets read so far. Each packet is in
// exactly one of Packets, Filtered and a value of Skipped.
type Counters struct {
	Packets   uint64            // delivered
	Bytes     uint64            // captured bytes of the delivered
	Truncated uint64            // delivered, but captured shorter than they were on the wire (snaplen)
	Padded    uint64            // of Truncated: filled up with zeros
	Filtered  uint64            // dropped by the filter
	Skipped   map[string]uint64 // not Ethernet and passed over, by link type (and why, where only some are); nil if none
	Framed    map[string]uint64 // delivered behind an Ethernet header that was put in front, by link type; nil if none
	Checked   uint64            // delivered without the frame check sequence that was captured
	Untagged  uint64            // delivered without their outer VLAN tag
	Oversized uint64            // delivered, and longer than Linear
	Largest   int               // bytes of the longest
}

// A Capture is one of the files of a Source, with what was read of it.
type Capture struct {
	Name string
	Counters
	First, Last   int64  // TimeNS of its first and last packet in the first pass
	KFirst, KLast uint64 // KTimeNS of these
	Index         uint64 // of its first packet among all that were delivered
	// Gap is the recorded time from the last packet of the capture before
	// (one with packets) to the first of this one: below 0 where this one is
	// older. Shift is what KTimeNS was moved by so as not to go back.
	Gap, Shift int64
}

// decoder reads the packets of one file. next returns io.EOF at a clean end;
// after another error the window still stands at the damaged header or block
// or behind it. Packets of a link type that links does not want are passed
// over and counted there. Of f and pkt it sets what the file says: all of f,
// and Len, TimeNS, Interface, Frame and Label.
type decoder interface {
	next(w *window, links *links, f *frame, pkt *Packet) error
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
	skip   bool // LinkSkip
	pad    bool
	strip  bool
	jobs   int
	maps   bool

	cur   int // the input that is open, or the next one
	pass  int
	file  *unpack.Reader // nil between files
	win   *window
	buf   []byte // the window's buffers, kept from file to file
	other []byte
	dec   decoder
	err   error // what Next returns from now on

	n     uint64 // delivered
	caps  []Capture
	links []links // by capture
	frame frame   // being read
	fill  []byte  // where cut packets are filled up
	// mapped is the file at hand, before the one whose last packets may still be
	// in a batch; nil where they are read.
	mapped, before *mapping

	passStart  uint64 // n when the pass began
	minT, maxT int64  // of the first pass
	period     int64  // from one pass to the next; 0 in the first
	ktime      uint64
	kshift     int64
	fresh      bool // no packet of the open file was delivered yet
	fileStart  uint64
	active     uint64 // ktime that passed within the files before

	held   bool // packets of this batch must stay valid
	turned bool // no more can be read without moving them
}

// Open checks paths and options, and returns the source that reads them.
// Contents are looked at when Next comes to them. Cancelling ctx ends the
// source with a CaptureError that wraps ctx.Err, at once, even where a pipe is
// waited for.
func Open(ctx context.Context, o Options) (*Source, error) {
	stdin := o.Stdin
	if stdin == nil {
		stdin = os.Stdin
	}
	inputs, err := expand(o.Paths, stdin)
	if err != nil {
		return nil, err
	}
	return newSource(ctx, o, inputs)
}

// NewSource reads one capture from r, called name in errors.
func NewSource(ctx context.Context, name string, r io.Reader, o Options) (*Source, error) {
	return newSource(ctx, o, []input{{name: name, open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(r), nil
	}}})
}

func newSource(ctx context.Context, o Options, inputs []input) (*Source, error) {
	s := &Source{ctx: ctx, inputs: inputs, limit: o.Limit, loop: max(o.Loop, 1), pad: o.PadCut, strip: o.StripVLAN, jobs: o.Jobs, maps: o.Map}
	if o.Loop < 0 {
		s.loop = math.MaxInt
	}
	switch o.LinkType {
	case "", LinkEthernet:
	case LinkSkip:
		s.skip = true
	default:
		return nil, fmt.Errorf("link type %q: neither %s nor %s", o.LinkType, LinkEthernet, LinkSkip)
	}
	for _, in := range inputs {
		if s.loop > 1 && !in.again {
			return nil, fmt.Errorf("capture %q: can't be read more than once", in.name)
		}
		s.names = append(s.names, in.name)
		s.caps = append(s.caps, Capture{Name: in.name})
	}
	s.links = make([]links, len(inputs))
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

// Counters returns what was counted up to now, all captures together.
func (s *Source) Counters() Counters {
	var all Counters
	for _, c := range s.Captures() {
		all.add(&c.Counters)
	}
	return all
}

// Captures returns what was counted and timed up to now, capture by capture.
func (s *Source) Captures() []Capture {
	out := make([]Capture, len(s.caps))
	for i := range out {
		out[i] = s.caps[i]
		out[i].Skipped, out[i].Framed = s.links[i].skipped(), s.links[i].framed.byName()
	}
	return out
}

// Active is the time on the packets' clock that passed within captures, in
// nanoseconds: what lies between one capture and the next is not in it.
func (s *Source) Active() uint64 {
	if s.file == nil || s.fresh {
		return s.active
	}
	return s.active + s.ktime - s.fileStart
}

// Close releases the open file. Next returns os.ErrClosed from then on.
func (s *Source) Close() error {
	s.closeFile()
	s.mapped.close()
	s.before.close()
	s.mapped, s.before, s.win = nil, nil, nil
	if s.err == nil {
		s.err = os.ErrClosed
	}
	return nil
}

// Next reads the next packet into pkt. It returns io.EOF after the last one,
// an *EmptyError in its place where there was none, and a *CaptureError where
// a file is damaged or can't be read; all of them stay.
func (s *Source) Next(pkt *Packet) error {
	if s.err != nil {
		return s.err
	}
	if s.limit != 0 && s.n == s.limit {
		return s.end(io.EOF)
	}
	for {
		if s.file == nil {
			if err := s.openNext(); err != nil {
				return s.end(err)
			}
		}
		f := &s.frame
		if err := s.dec.next(s.win, &s.links[s.cur], f, pkt); err != nil {
			if err == io.EOF {
				s.closeFile()
				s.cur++
				continue
			}
			return s.end(s.fail(err))
		}
		if !s.shape(f, pkt) {
			continue
		}
		if s.filter != nil && !s.filter.Match(pkt.Data, pkt.Len) {
			s.caps[s.cur].Filtered++
			continue
		}
		s.deliver(f, pkt)
		return nil
	}
}

// Batch reads packets as Next does, one at least, until pkts is full or what was
// read would have to move: all of them are valid until the next call of Batch or
// Next. An error that comes after a packet is told by that call.
func (s *Source) Batch(pkts []Packet) (n int, err error) {
	s.hold(true)
	defer s.hold(false)
	for n < len(pkts) {
		if k := s.fast(pkts[n:]); k > 0 {
			n += k
			continue
		}
		if err := s.Next(&pkts[n]); err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		n++
		if s.turned || s.win.turned {
			break
		}
	}
	return n, nil
}

// hold has the packets read from now on stay valid, or not.
func (s *Source) hold(on bool) {
	s.held, s.turned = on, false
	if s.win != nil {
		s.win.held, s.win.turned = on, false
	}
}

// shape makes of a frame what the program is to see; false if it can't.
func (s *Source) shape(f *frame, pkt *Packet) bool {
	pkt.Added, pkt.Tag = 0, Tag{}
	if f.fcs != 0 && pkt.Len >= f.fcs {
		pkt.Len -= f.fcs
		f.end = f.start + int(min(uint32(f.end-f.start), pkt.Len))
	}
	if f.link == linkEthernet {
		pkt.Data = f.buf[f.start:f.end:f.end]
	} else if why := headers[f.link].ethernet(f, pkt); why != "" {
		s.links[s.cur].skip(f.link, why)
		return false
	}
	if s.strip {
		stripTag(pkt)
	}
	return true
}

// count adds a delivered packet to its capture.
func (s *Source) count(f *frame, pkt *Packet) {
	c := &s.caps[s.cur]
	if f.link != linkEthernet {
		s.links[s.cur].framed.add(f.link)
	}
	if f.fcs != 0 {
		c.Checked++
	}
	if pkt.Tag.Proto != 0 {
		c.Untagged++
	}
	if pkt.Len > uint32(len(pkt.Data)) {
		c.Truncated++
		if s.pad && pkt.Len <= maxPacket {
			c.Padded++
			s.fill = append(s.fill[:0], pkt.Data...)
			s.fill = append(s.fill, make([]byte, int(pkt.Len)-len(pkt.Data))...)
			pkt.Data = s.fill
			s.turned = true // the next such packet takes its place
		}
	}
	if len(pkt.Data) > Linear {
		c.Oversized++
	}
	c.Largest = max(c.Largest, len(pkt.Data))
	c.Packets++
	c.Bytes += uint64(len(pkt.Data))
}

func (s *Source) deliver(f *frame, pkt *Packet) {
	s.count(f, pkt)
	s.clock(pkt)
	pkt.File = s.cur
	pkt.Index = s.n
	s.n++
}

// clock sets the packet's times.
func (s *Source) clock(pkt *Packet) {
	recorded := pkt.TimeNS
	if s.pass == 0 {
		if s.n == 0 {
			s.minT, s.maxT = recorded, recorded
		}
		s.minT, s.maxT = min(s.minT, recorded), max(s.maxT, recorded)
	} else {
		pkt.TimeNS = addSat(recorded, mulSat(s.period, int64(s.pass)))
	}
	k := uint64(max(addSat(pkt.TimeNS, s.kshift), 1))
	if s.fresh {
		if k < s.ktime {
			s.kshift += int64(s.ktime-k) + 1000
			k = s.ktime + 1000
		}
		s.fileStart = k
	}
	s.ktime = max(s.ktime, k)
	pkt.KTimeNS, pkt.ActiveNS = s.ktime, s.active+s.ktime-s.fileStart
	if s.pass == 0 {
		s.timed(recorded)
	}
	s.fresh = false
}

// timed notes a packet's recorded time with its capture.
func (s *Source) timed(recorded int64) {
	c := &s.caps[s.cur]
	if s.fresh {
		c.Index, c.First, c.KFirst, c.Shift = s.n, recorded, s.ktime, s.kshift
		for i := s.cur - 1; i >= 0; i-- {
			if s.caps[i].Packets > 0 {
				c.Gap = addSat(recorded, -max(s.caps[i].Last, -math.MaxInt64))
				break
			}
		}
	}
	c.Last, c.KLast = recorded, s.ktime
}

// end makes err final. The end of captures that held nothing for the caller is
// an error of its own: no verb has an answer then.
func (s *Source) end(err error) error {
	s.closeFile()
	if err == io.EOF && s.n == 0 {
		err = &EmptyError{Files: s.names, Counters: s.Counters()}
	}
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
		s.nextPass()
	}
	s.win = nil
	file, err := unpack.Start(s.ctx, s.inputs[s.cur].open, s.jobs)
	if err != nil {
		return s.fail(err)
	}
	s.file, s.fresh = file, true
	s.links[s.cur].ethernet = s.skip
	if s.held && !s.turned {
		s.turned = true
		s.buf, s.other = s.other, s.buf
	}
	s.win = newWindow(s.ctx, file, s.buf, s.other)
	s.before.close()
	s.before, s.mapped = s.mapped, nil
	if s.maps {
		if s.mapped = mapFile(file.Plain()); s.mapped != nil {
			s.win.mapTo(s.mapped)
		}
	}
	if s.dec, err = newDecoder(s.win); err != nil {
		return s.fail(err)
	}
	return nil
}

func (s *Source) nextPass() {
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

func (s *Source) closeFile() {
	if s.file == nil {
		return
	}
	s.active = s.Active()
	s.file.Close()
	s.file = nil
	if s.win != nil && s.mapped == nil {
		s.buf, s.other = s.win.buf, s.win.other
		s.turned = s.turned || s.win.turned
	}
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
