package vm

import (
	"fmt"
	"path/filepath"

	"jitnic/host/conntrack"
	"jitnic/host/ebpf"
	"jitnic/host/fib"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/mem"

	cebpf "github.com/cilium/ebpf"
)

// The shape of the packet buffer, as BPF_PROG_TEST_RUN and most drivers have it
// on machines with pages of 4 KiB (net/bpf/test_run.c). All in bytes.
//
//	0         40          256                      3776     4096
//	+----------+-----------+------------------------+--------+ - - - - - - - - +
//	| xdp_frame| headroom  | linear part: ≤ 3520    | shared | frags of 4 KiB   |
//	|          |  and meta | data … data_end        |  info  |                  |
//	+----------+-----------+------------------------+--------+ - - - - - - - - +
//
// Bytes of frags lie in the arena right behind the linear part (at 3776: the
// shared info of the kernel isn't modelled), so a whole packet is one slice.
// Programs reach them only through helpers.
const (
	Headroom   = 256  // XDP_PACKET_HEADROOM
	FrameSize  = 40   // sizeof(struct xdp_frame), at the start of the headroom
	MaxLinear  = 3520 // 4096 - Headroom - the skb_shared_info of 320
	FragSize   = 4096 // a frag is a page
	MaxFrags   = 17   // MAX_SKB_FRAGS
	MaxPacket  = MaxLinear + MaxFrags*FragSize
	MinPacket  = 14                   // ETH_HLEN
	hardEnd    = Headroom + MaxLinear // where the linear part may not grow beyond
	bufferSize = hardEnd + MaxFrags*FragSize
)

// Stack frames.
const (
	StackSize   = 512  // of one frame
	StackStride = 1024 // from one frame to the next: the gap catches stray accesses
	MaxFrames   = 8    // MAX_CALL_FRAMES
)

// Offsets of struct xdp_md (uapi/linux/bpf.h).
const (
	CtxData    = ebpf.XDPData
	CtxDataEnd = ebpf.XDPDataEnd
	CtxMeta    = ebpf.XDPDataMeta
	CtxIfIndex = ebpf.XDPIfIndex
	CtxQueue   = ebpf.XDPQueue
	CtxEgress  = ebpf.XDPEgress
	CtxSize    = ebpf.XDPSize
)

// Options say what surrounds the programs.
type Options struct {
	CPUs int              // for per-CPU maps; 0 means 1
	Seed uint64           // of random draws
	FIB  *fib.Table       // answers bpf_fib_lookup; nil is an empty one
	CT   *conntrack.Table // answers bpf_xdp_ct_lookup; nil is an empty one
	Numa int              // what get_numa_node_id says

	// Readers has user space listen: an event is open on every CPU of every
	// perf event array, and ring buffers are read at once. Without it the
	// former say ENOENT and the latter fill up, as in BPF_PROG_TEST_RUN.
	Readers bool
	// Print takes what programs print, line by line; nil drops it. The bytes
	// are good only during the call.
	Print func(line []byte)
	// Track notes every write to a map since Begin in State.Writes, so that
	// two states can be compared after each packet without walking whole maps.
	Track bool
}

// State is everything a packet can touch: flat memory with packet buffer,
// context, stack and map values; the maps; latched inputs. The interpreter and
// the NIC's trace executors both work on a State. Not safe for concurrent use.
type State struct {
	Mem  *mem.Arena
	Maps []maps.Map // by map index; Object.Maps first, then those made for maps of maps
	Set  *maps.Set  // what owns them
	Opt  Options

	// Addresses that stay the same for the State's life.
	Buf   uint64 // packet buffer: its first byte of headroom
	Ctx   uint64 // struct xdp_md
	Stack uint64 // bottom of frame 0

	// The packet at hand: DataMeta ≤ Data ≤ DataEnd are what the context says,
	// addresses within the packet buffer. Frags bytes follow at DataEnd that
	// only helpers reach.
	DataMeta, Data, DataEnd uint64
	Frags                   uint64 // bytes in frags
	fragPages               uint64 // frags in use
	low                     uint64 // lowest address of the headroom written or exposed

	// Latched inputs of the packet at hand.
	TimeNS uint64
	CPU    int
	If, Rx uint32
	Egress uint32 // the device a devmap's program sends to; 0 in others
	Packet uint64
	Draws  uint64 // random draws so far
	tag    Tag

	Redirect Redirect // what bpf_redirect and bpf_redirect_map left
	Depth    int      // frames in use, less one
	frame    uint64   // bottom of the frame in use
	Printed  uint64   // trace_printk and trace_vprintk calls so far

	Writes []Write // since Begin, with Options.Track
	keys   []byte  // the keys of Writes

	conns   conns   // what bpf_xdp_ct_lookup finds
	tables  []table // by map index
	slot    slot    // the map value touched last
	key     [512]byte
	text    []byte
	scratch uint64 // flat memory for callback keys
	iter    []byte
	collect func(key, value []byte) bool
	pending []reservation
	lent    []lent

	timers   []*timer
	timerSeq uint64
	firing   *timer // whose callback runs
}

// Input is one packet and what is latched with it.
type Input struct {
	Data    []byte // copied by Begin
	TimeNS  uint64 // what every clock helper derives from
	CPU     int    // 0 to Options.CPUs-1
	IfIndex uint32
	RxQueue uint32
	Packet  uint64 // packet number: the n-th random draw depends on Seed, Packet and n alone
	Tag     Tag    // VLAN tag that the device took off, for bpf_xdp_metadata_rx_vlan_tag
	Added   uint8  // bytes of Data that never were on the wire; for models of time only
	Frame   uint64 // 1-based number in the capture File, as Wireshark counts; 0: it is Packet+1 of the only one
	File    string // name of that capture, "" with Frame 0
}

// Where names the packet as its reader counts it.
func (in *Input) Where() string {
	if in.Frame == 0 {
		return fmt.Sprintf("packet %d", in.Packet+1)
	}
	return fmt.Sprintf("packet %d (frame %d of %s)", in.Packet+1, in.Frame, filepath.Base(in.File))
}

// Output is what became of a packet.
type Output struct {
	Verdict  uint32 // raw, as the kernel passes it on: XDP_PASS is 2
	Data     []byte // the final packet: a slice of the arena, good until the next Begin
	Meta     []byte // the metadata before it, likewise
	Redirect Redirect
	Steps    int   // instructions run; a lddw is one
	Err      error // a *Fault, or ErrShort or ErrLong
}

// RedirectKind says by what a packet is redirected.
type RedirectKind uint8

// The kinds of Redirect.
const (
	RedirectNone  RedirectKind = iota
	RedirectIf                 // bpf_redirect: Index is an interface
	RedirectMap                // bpf_redirect_map: Index is a key of map Map
	RedirectBcast              // bpf_redirect_map with BPF_F_BROADCAST
)

// Redirect is the target of verdict XDP_REDIRECT; with any other verdict it is
// zero.
type Redirect struct {
	Kind  RedirectKind
	Map   int32  // map index
	Index uint64 // interface or key
	Flags uint64 // of a broadcast
}

func (r Redirect) String() string {
	switch r.Kind {
	case RedirectIf:
		return fmt.Sprintf("ifindex %d", r.Index)
	case RedirectMap:
		return fmt.Sprintf("map %d[%d]", r.Map, r.Index)
	case RedirectBcast:
		return fmt.Sprintf("all of map %d, flags %#x", r.Map, r.Flags)
	}
	return "none"
}

// The verdicts of an XDP program (uapi/linux/bpf.h).
const (
	XDPAborted  = 0
	XDPDrop     = 1
	XDPPass     = 2
	XDPTx       = 3
	XDPRedirect = 4
)

// table is what the checks need to know of a map at every access.
type table struct {
	owner        maps.Owner // nil for maps without values in flat memory
	size         uint64     // ValueSize
	noLoad, noSt bool       // BPF_F_WRONLY_PROG, BPF_F_RDONLY_PROG or .rodata
}

// slot is the span of one map value.
type slot struct {
	lo, hi uint64
	index  int
}

// NewState makes the maps of an object, filled with their first contents, and
// the memory a packet runs in.
func NewState(obj *loader.Object, opt Options) (*State, error) {
	if opt.CPUs == 0 {
		opt.CPUs = 1
	}
	if opt.FIB == nil {
		opt.FIB = fib.New()
	}
	size := mem.Span(bufferSize) + mem.Span(CtxSize) + mem.Span(MaxFrames*StackStride) + mem.Span(scratchSize)
	for _, spec := range obj.Maps {
		size += maps.ArenaSize(spec, opt.CPUs)
	}
	found := connsOf(obj, opt.CT)
	size += spare + mem.Span(found.bytes())
	arena, err := mem.New(size)
	if err != nil {
		return nil, err
	}
	s := &State{Mem: arena, Opt: opt, conns: found}
	if err := s.allocFixed(); err != nil {
		arena.Close()
		return nil, err
	}
	if err := s.conns.fill(arena, opt.CT); err != nil {
		arena.Close()
		return nil, err
	}
	if err := s.makeMaps(obj); err != nil {
		arena.Close()
		return nil, err
	}
	s.reset()
	return s, nil
}

// allocFixed takes the memory that isn't the maps'.
func (s *State) allocFixed() (err error) {
	for _, r := range []struct {
		addr *uint64
		kind mem.Kind
		size uint64
	}{
		{&s.Buf, mem.KindPacket, bufferSize},
		{&s.Ctx, mem.KindCtx, CtxSize},
		{&s.Stack, mem.KindStack, MaxFrames * StackStride},
		{&s.scratch, mem.KindOther, scratchSize},
	} {
		if *r.addr, err = s.Mem.Alloc(r.kind, 0, r.size); err != nil {
			return err
		}
	}
	return nil
}

// Close gives the memory back. Neither the State nor any slice or address of it
// may be used afterwards.
func (s *State) Close() error { return s.Mem.Close() }

// FrameTop is the address register 10 holds in frame i.
func (s *State) FrameTop(i int) uint64 { return s.Stack + uint64(i)*StackStride + StackSize }

// Len is the length of the packet at hand, frags included.
func (s *State) Len() uint64 { return s.DataEnd - s.Data + s.Frags }

// reset empties the packet buffer.
func (s *State) reset() {
	s.Data = s.Buf + Headroom
	s.DataMeta, s.DataEnd = s.Data, s.Data
	s.low = s.Data
	s.Frags, s.fragPages = 0, 0
}

// Begin copies a packet into the packet buffer, fills the context and latches
// the inputs. A packet refused with ErrShort, ErrLong or ErrCPU changes nothing.
func (s *State) Begin(in *Input) error {
	n := uint64(len(in.Data))
	if n < MinPacket {
		return ErrShort
	}
	if n > MaxPacket {
		return ErrLong
	}
	if uint(in.CPU) >= uint(s.Opt.CPUs) {
		return ErrCPU
	}
	s.load(in)
	return nil
}

// load is Begin without the limits on length.
func (s *State) load(in *Input) {
	s.Rest()
	data := s.Buf + Headroom
	copy(s.Mem.B[data:data+uint64(len(in.Data))], in.Data)
	s.latch(in)
}

// Rest clears up behind the packet at hand, so that code of another's can put
// the next one into the buffer by itself. Began has to be told of it before
// anything else looks at the State.
func (s *State) Rest() {
	data := s.Buf + Headroom
	if s.low < data {
		// The packet before grew into the headroom; every packet finds zeros.
		clear(s.Mem.B[s.low:data])
		s.low = data
	}
	if len(s.pending) > 0 {
		s.dropPending()
	}
}

// Began is Begin after Rest for a packet that may begin, of at most MaxLinear
// bytes, the first have of which stand in the buffer already and may have been
// written to since.
func (s *State) Began(in *Input, have int) {
	if have < len(in.Data) {
		data := s.Buf + Headroom
		copy(s.Mem.B[data+uint64(have):data+uint64(len(in.Data))], in.Data[have:])
	}
	s.latch(in)
}

// latch makes in, whose bytes stand in the buffer, the packet at hand.
func (s *State) latch(in *Input) {
	data := s.Buf + Headroom
	n := uint64(len(in.Data))
	s.DataMeta, s.Data = data, data
	s.Frags, s.fragPages = 0, 0
	if n > MaxLinear {
		s.Frags = n - MaxLinear
		s.fragPages = (s.Frags + FragSize - 1) / FragSize
		n = MaxLinear
	}
	s.DataEnd = data + n

	s.TimeNS, s.CPU, s.If, s.Rx, s.Packet = in.TimeNS, in.CPU, in.IfIndex, in.RxQueue, in.Packet
	s.Egress = 0
	s.tag = in.Tag
	s.Draws = 0
	s.Redirect = Redirect{}
	s.Depth, s.frame = 0, s.Stack
	s.Writes, s.keys = s.Writes[:0], s.keys[:0]
	s.iter, s.lent = s.iter[:0], s.lent[:0]
}

// End reads off the outcome of the packet at hand.
func (s *State) End(verdict uint32, out *Output) {
	b := s.Mem.B
	end := s.DataEnd + s.Frags
	out.Verdict = verdict
	out.Data = b[s.Data:end:end]
	out.Meta = b[s.DataMeta:s.Data:s.Data]
	out.Redirect = Redirect{}
	if verdict == XDPRedirect {
		out.Redirect = s.Redirect
	}
	out.Err = nil
}

// tags of values in registers that name something outside flat memory.
const (
	mapTag  = uint64(1) << 62
	funcTag = uint64(1) << 61
)

// MapPtr is what a program holds of map i: no address of flat memory.
func MapPtr(i int) uint64 { return mapTag | uint64(i) }

// MapOf is the map index of a MapPtr.
func MapOf(ptr uint64) (int, bool) {
	return int(uint32(ptr)), ptr&^0xffffffff == mapTag
}

// FuncPtr is what a program holds of a callback: slot pc of program prog.
func FuncPtr(prog, pc int) uint64 {
	return funcTag | uint64(uint16(prog))<<32 | uint64(uint32(pc))
}

// FuncOf is the inverse of FuncPtr.
func FuncOf(ptr uint64) (prog, pc int, ok bool) {
	return int(uint16(ptr >> 32)), int(uint32(ptr)), ptr>>48 == funcTag>>48
}

// CtxPtr is the address register 1 holds at entry.
func (s *State) CtxPtr() uint64 { return s.Ctx }

// ValuePtr is the address of byte off of the values of map i, counted from its
// first value (BPF_PSEUDO_MAP_VALUE).
func (s *State) ValuePtr(i int, off uint32) (uint64, bool) {
	spec := s.Maps[i].Spec()
	if spec.Type != cebpf.Array {
		return 0, false
	}
	base := s.Maps[i].Peek(s.key[:clear4(&s.key)], 0)
	return base + uint64(off), base != 0
}

func clear4(k *[512]byte) int { clear(k[:4]); return 4 }
