package calibrate

import (
	"jitnic/host/ebpf"
	"jitnic/host/kernel"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

// A restorer has programs run again and again on one and the same packet.
// BPF_PROG_TEST_RUN with repetitions runs a program on what its last run made
// of the packet, so that one that encapsulates, decrements or rewrites leaves
// its path after the first. The restorer is a program that stands before
// another: it brings the packet's start, length and bytes back to what they
// were, and tail-calls it.
//
//	data, data_meta ─→ saved ─→ adjust_meta, adjust_head   by what they moved
//	length ──────────→ adjust_tail                         by what it changed
//	bytes ───────────→ xdp_store_bytes                     all of them
//	tail_call(next, 0)
//
// What it costs is measured by the same program before an empty one, and taken
// off. All of it is done whether it is needed or not, so both cost the same.
type restorer struct {
	maps *kernel.Maps
	prog *kernel.Prog
	size int
	save []byte // the value of map saved at the beginning
}

// The maps of a restorer.
const (
	savedMap = 0
	nextMap  = 1
)

// Where the value of saved has what, in bytes: the address at which the packet
// began in the first run of a call, two addresses of the run at hand, the
// packet. Addresses are kept as numbers: the verifier lets programs of root
// subtract them only so.
const (
	savedStart = 0
	savedData  = 8
	savedMeta  = 16
	savedBytes = 24
)

// restored puts a restorer for a packet before a program. It ends with the step.
func (b *bench) restored(name string, target *kernel.Prog, flags uint32, packet []byte) (*restorer, error) {
	r := &restorer{size: len(packet), save: append(make([]byte, savedBytes), packet...)}
	var err error
	r.maps, err = b.maps(
		array("saved", (len(r.save)+7)&^7),
		&maps.Spec{Name: "next", Type: cilium.ProgramArray, KeySize: 4, ValueSize: 4, Max: 1})
	if err != nil {
		return nil, err
	}
	r.save = append(r.save, make([]byte, -len(r.save)&7)...)
	r.prog, err = kernel.LoadRaw(kernel.Raw{Name: name, Insns: r.code(), Type: cilium.XDP, Flags: flags, License: "GPL"}, r.maps, kernel.Options{})
	if err != nil {
		return nil, err
	}
	b.open = append(b.open, r.prog)
	fd := uint32(target.FD())
	return r, r.maps.Map(nextMap).Update(make([]byte, 4), []byte{byte(fd), byte(fd >> 8), byte(fd >> 16), byte(fd >> 24)}, 0)
}

// reset is to be called before each call of BPF_PROG_TEST_RUN, which brings a
// new packet.
func (r *restorer) reset() error {
	return r.maps.Map(savedMap).Update(make([]byte, 4), r.save, 0)
}

func (r *restorer) code() code {
	c := code{movx(6, 1)}
	c.add(mapValue(7, savedMap)...)
	c.add(
		load(ebpf.SizeW, 1, 6, ctxXDPData), store(ebpf.SizeDW, 7, savedData, 1),
		load(ebpf.SizeW, 1, 6, ctxXDPMeta), store(ebpf.SizeDW, 7, savedMeta, 1),
		load(ebpf.SizeDW, 8, 7, savedData),
		load(ebpf.SizeDW, 1, 7, savedStart),
		jump(ebpf.JmpNE, 1, 0, 1),
		store(ebpf.SizeDW, 7, savedStart, 8),
		// No metadata again.
		load(ebpf.SizeDW, 1, 7, savedMeta), movx(2, 8), alux(ebpf.ALUSub, 2, 1),
		movx(1, 6), helper(ebpf.FnXdpAdjustMeta),
		// Back to where it began.
		load(ebpf.SizeDW, 2, 7, savedStart), alux(ebpf.ALUSub, 2, 8),
		movx(1, 6), helper(ebpf.FnXdpAdjustHead),
		// As long as it was.
		movx(1, 6), helper(ebpf.FnXdpGetBuffLen),
		mov(2, int32(r.size)), alux(ebpf.ALUSub, 2, 0),
		movx(1, 6), helper(ebpf.FnXdpAdjustTail),
		// The same bytes.
		movx(1, 6), mov(2, 0), movx(3, 7), alu(ebpf.ALUAdd, 3, savedBytes), mov(4, int32(r.size)), helper(ebpf.FnXdpStoreBytes),
		movx(1, 6),
	)
	c.add(mapFD(2, nextMap)...)
	c.add(mov(3, 0), helper(ebpf.FnTailCall), mov(0, 0), exit())
	return c
}
