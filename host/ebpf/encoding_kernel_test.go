package ebpf

import (
	"bytes"
	"os"
	"regexp"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// structural are the kernel's words for what [Validate] checks.
var structural = regexp.MustCompile(`unknown opcode|uses reserved fields|invalid shift|div by zero|invalid bpf_ld_imm64|unrecognized bpf_ld_imm64|R1[1-5] is invalid|frame pointer is read only|invalid BPF_ALU opcode|invalid may_goto|invalid atomic op|BPF_ATOMIC uses invalid`)

// loadAttr is the head of union bpf_attr for BPF_PROG_LOAD.
type loadAttr struct {
	kind, count           uint32
	insns, license        unsafe.Pointer
	logLevel, logSize     uint32
	log                   unsafe.Pointer
	version, flags        uint32
	name                  [16]byte
	ifindex, expectAttach uint32
}

// try gives code to the verifier, unchanged, and returns its last words.
func try(code []Insn, log []byte) (ok bool, words []byte) {
	raw := Encode(code)
	license := []byte("GPL\x00")
	clear(log[:1])
	a := loadAttr{
		kind: uint32(ebpf.XDP), count: uint32(len(code)), insns: unsafe.Pointer(&raw[0]), license: unsafe.Pointer(&license[0]),
		logLevel: 1, logSize: uint32(len(log)), log: unsafe.Pointer(&log[0]),
	}
	fd, _, e := unix.Syscall(unix.SYS_BPF, 5, uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a))
	if e == 0 {
		unix.Close(int(fd))
		return true, nil
	}
	if i := bytes.IndexByte(log, 0); i >= 0 {
		log = log[:i]
	}
	return false, log
}

// TestEncodingGrid holds [Validate] against the verifier on a grid over all
// opcodes and what their fields may hold: what it refuses the kernel refuses,
// and what the kernel refuses for its encoding alone it refuses too.
func TestEncodingGrid(t *testing.T) {
	needKernel(t)
	if r := release(t); r < version("6.15") {
		t.Skipf("skipped: kernel %d.%d has no load_acquire of all sizes", r>>8, r&0xff)
	}
	imms := []int32{0, 1, 16, 32, 64, 0x41, 0xe1, 0xf1, 0x100, 0x110, -1}
	code := []Insn{ // r2 = r10 - 16 points at written stack; every register is readable
		{Op: ClassALU64 | ALUMov, Dst: 0},
		{Op: ClassALU64 | ALUMov | SrcX, Dst: 6, Src: 1},
		{Op: ClassST | ModeMEM | SizeDW, Dst: 10, Off: -8},
		{Op: ClassST | ModeMEM | SizeDW, Dst: 10, Off: -16},
		{Op: ClassALU64 | ALUMov | SrcX, Dst: 2, Src: 10},
		{Op: ClassALU64 | ALUAdd, Dst: 2, Imm: -16},
		{}, {},
	}
	at := len(code) - 2
	for range 18 { // so that short jumps forward land
		code = append(code, Insn{Op: ClassALU64 | ALUMov, Dst: 0})
	}
	code = append(code, Insn{Op: OpExit})
	log := make([]byte, 1<<14)
	step := 13 // every encoding takes a quarter of a minute: make heavy
	if os.Getenv("JITNIC_HEAVY") != "" {
		step = 1
	}
	cases, valid := 0, 0
	for op := range 256 {
		for _, dst := range []uint8{0, 2, 10, 11} {
			for _, src := range []uint8{0, 1, 2, 10, 12} {
				for _, off := range []int16{0, 1, 8, 32} {
					for _, imm := range imms {
						in := Insn{Op: uint8(op), Dst: dst, Src: src, Off: off, Imm: imm}
						if cases++; cases%step != 0 {
							continue
						}
						code[at], code[at+1] = in, Insn{Op: ClassALU64 | ALUMov, Dst: 0}
						if in.IsWide() {
							code[at+1] = Insn{Imm: imm & 1}
						}
						ours := Validate(code)
						ok, words := try(code, log)
						switch {
						case ours != nil && ok:
							t.Errorf("%+v: the kernel takes it, Validate says %v", in, ours)
						case ours == nil && !ok && structural.Match(words):
							t.Errorf("%+v: Validate takes it, the kernel says %s", in, words)
						}
						if ours == nil {
							valid++
						}
					}
				}
			}
		}
	}
	if n := cases / step; valid < n/100 || valid > n/2 {
		t.Errorf("%d of %d encodings are valid", valid, n)
	}
	t.Logf("%d of %d encodings tried are valid; 1 of %d tried", valid, cases/step, step)
}
