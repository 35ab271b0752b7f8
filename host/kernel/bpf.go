package kernel

import (
	"fmt"
	"sync"
	"unsafe"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Commands of bpf(2) that are called for every packet or entry; loading goes
// through cilium/ebpf (uapi/linux/bpf.h, enum bpf_cmd).
const (
	cmdLookup     = 1
	cmdUpdate     = 2
	cmdDelete     = 3
	cmdNextKey    = 4
	cmdTestRun    = 10
	cmdLookupDel  = 21
	sizeofRunAttr = 80

	flagLiveFrames = 2 // BPF_F_TEST_XDP_LIVE_FRAMES
)

// runAttr is the part of union bpf_attr that BPF_PROG_TEST_RUN reads. Its
// addresses are Go pointers, as wide as the kernel's on the 64-bit machines
// there are, so that what they point to is kept and followed.
type runAttr struct {
	progFD, retval          uint32
	dataSizeIn, dataSizeOut uint32
	dataIn, dataOut         unsafe.Pointer
	repeat, duration        uint32
	ctxSizeIn, ctxSizeOut   uint32
	ctxIn, ctxOut           unsafe.Pointer
	flags, cpu              uint32
	batchSize, pad          uint32
}

// mapAttr is the part that operations on map elements read.
type mapAttr struct {
	fd, pad    uint32
	key, value unsafe.Pointer
	flags      uint64
}

func bpf(cmd uintptr, attr unsafe.Pointer, size uintptr) unix.Errno {
	_, _, e := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
	return e
}

func mapOp(cmd uintptr, fd int, key, value []byte, flags uint64) unix.Errno {
	a := mapAttr{fd: uint32(fd), key: addr(key), value: addr(value), flags: flags}
	return bpf(cmd, unsafe.Pointer(&a), unsafe.Sizeof(a))
}

func addr(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

// Available says why the kernel can't be asked: nil when bpf(2) loads and runs
// an XDP program.
func Available() error { return available() }

var available = sync.OnceValue(func() error {
	p, err := cilium.NewProgram(&cilium.ProgramSpec{
		Type: cilium.XDP, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("kernel: bpf(2) doesn't load an XDP program here: %w", err)
	}
	defer p.Close()
	r, err := (&Prog{prog: p, xdp: true}).Run(make([]byte, 64), Context{})
	if err != nil {
		return err
	}
	if r.Verdict != 2 {
		return fmt.Errorf("kernel: BPF_PROG_TEST_RUN of `return XDP_PASS` gives %d", r.Verdict)
	}
	return nil
})
