package kernel

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	cilium "github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Prog is a program in the kernel, with its maps. Not safe for concurrent use.
type Prog struct {
	Name string
	Type cilium.ProgramType // what it was loaded as
	Maps *Maps

	prog *cilium.Program
	xdp  bool
	out  []byte
	ctx  [2]xdpMD // in, out
}

// xdpMD is struct xdp_md (uapi/linux/bpf.h).
type xdpMD struct{ data, dataEnd, dataMeta, ingress, queue, egress uint32 }

// Context is what surrounds a packet. The zero value is queue 0 of the
// loopback device, without metadata.
type Context struct {
	Meta    []byte // metadata before the packet: a multiple of 4 bytes, at most 252
	IfIndex uint32 // 0: as the kernel does, the loopback device's (1)
	RxQueue uint32
}

// Result is what became of a packet.
type Result struct {
	Verdict uint32
	Data    []byte // the packet: good until the next Run
	Meta    []byte // the metadata before it, likewise
}

// ErrShort and ErrLong are the refusals of a packet by its length.
var (
	ErrShort = errors.New("packet: shorter than an Ethernet header of 14 bytes")
	ErrLong  = errors.New("packet: longer than the kernel's linear part and 17 frags")
)

// maxOut is more than any packet that BPF_PROG_TEST_RUN takes can become.
const maxOut = 4096 * 19

// Run runs the program on one packet. Programs of other types than XDP (socket
// filters, classifiers) get no context: their packet comes back whole.
func (p *Prog) Run(data []byte, c Context) (Result, error) {
	in := data
	if len(c.Meta) > 0 {
		in = append(append(make([]byte, 0, len(c.Meta)+len(data)), c.Meta...), data...)
	}
	if p.out == nil {
		p.out = make([]byte, maxOut)
	}
	p.ctx[0] = xdpMD{data: uint32(len(c.Meta)), dataEnd: uint32(len(in)), ingress: c.IfIndex, queue: c.RxQueue}
	a := runAttr{
		progFD: uint32(p.prog.FD()), dataSizeIn: uint32(len(in)), dataSizeOut: maxOut,
		dataIn: addr(in), dataOut: addr(p.out), repeat: 1,
		ctxSizeIn: uint32(unsafe.Sizeof(p.ctx[0])), ctxSizeOut: uint32(unsafe.Sizeof(p.ctx[1])),
		ctxIn:  unsafe.Pointer(&p.ctx[0]),
		ctxOut: unsafe.Pointer(&p.ctx[1]),
	}
	if !p.xdp {
		a.ctxIn, a.ctxOut, a.ctxSizeIn, a.ctxSizeOut = nil, nil, 0, 0
		p.ctx[1] = xdpMD{}
	}
	// With one repetition the kernel never stops half-way for a signal, so
	// trying again can't run the packet twice.
	e := unix.EINTR
	for e == unix.EINTR {
		e = bpf(cmdTestRun, unsafe.Pointer(&a), sizeofRunAttr)
	}
	switch {
	case e == unix.EINVAL && len(data) < 14:
		return Result{}, ErrShort
	case e == unix.ENOMEM && len(in) > 4096:
		return Result{}, ErrLong
	case e != 0:
		return Result{}, fmt.Errorf("program %q: BPF_PROG_TEST_RUN of %d bytes: %w", p.Name, len(data), e)
	}
	n, meta := int(a.dataSizeOut), int(p.ctx[1].data)
	if n > len(p.out) || meta > n {
		return Result{}, fmt.Errorf("program %q: BPF_PROG_TEST_RUN returned %d bytes, %d of them metadata", p.Name, n, meta)
	}
	return Result{Verdict: a.retval, Meta: p.out[:meta:meta], Data: p.out[meta:n:n]}, nil
}

// RunArgs runs a raw tracepoint program on the numbers its context holds,
// which is all that such programs run on, and returns what it returned.
func (p *Prog) RunArgs(args []uint64) (uint32, error) {
	a := runAttr{progFD: uint32(p.prog.FD()), ctxSizeIn: uint32(8 * len(args)), ctxIn: unsafe.Pointer(unsafe.SliceData(args))}
	if e := bpf(cmdTestRun, unsafe.Pointer(&a), sizeofRunAttr); e != 0 {
		return 0, fmt.Errorf("program %q: BPF_PROG_TEST_RUN on %d arguments: %w", p.Name, len(args), e)
	}
	return a.retval, nil
}

// Bench runs the program n times on one packet, which every run finds as the
// last one left it, and returns the mean time of a run, in whole nanoseconds.
func (p *Prog) Bench(data []byte, n uint32) (time.Duration, error) { return p.repeat(data, n, 0) }

// Live is Bench of an XDP program on live frames (BPF_F_TEST_XDP_LIVE_FRAMES,
// Linux 5.18; EINVAL before): packets really take the kernel's XDP path, and
// passed ones enter the stack. The kernel leaves setting up out of the time.
func (p *Prog) Live(data []byte, n uint32) (time.Duration, error) {
	return p.repeat(data, n, flagLiveFrames)
}

// repeat runs the program n times. Go's preemption signal would end that early:
// it is blocked meanwhile.
func (p *Prog) repeat(data []byte, n, flags uint32) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, old unix.Sigset_t
	for i := range block.Val {
		block.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &block, &old); err != nil {
		return 0, fmt.Errorf("block signals: %w", err)
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	a := runAttr{progFD: uint32(p.prog.FD()), dataSizeIn: uint32(len(data)), dataIn: addr(data), repeat: n, flags: flags}
	e := bpf(cmdTestRun, unsafe.Pointer(&a), sizeofRunAttr)
	if e != 0 {
		return 0, fmt.Errorf("program %q: BPF_PROG_TEST_RUN, %d times: %w", p.Name, n, e)
	}
	return time.Duration(a.duration), nil
}

// Close gives the program back; its maps stay.
func (p *Prog) Close() error { return p.prog.Close() }

// FD is the program's file descriptor.
func (p *Prog) FD() int { return p.prog.FD() }
