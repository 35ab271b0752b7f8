package vm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// prog builds programs that talk to the test through the one value of array 0,
// which register 7 points to. Register 6 is the context.
type prog struct{ insns []ebpf.Insn }

func newProg() *prog {
	p := &prog{}
	p.mov(6, 1)
	p.add(ebpf.Insn{Op: ebpf.OpLDDW, Dst: 7, Src: ebpf.PseudoMapValue}, ebpf.Insn{})
	return p
}

func (p *prog) add(in ...ebpf.Insn)      { p.insns = append(p.insns, in...) }
func (p *prog) mov(dst, src uint8)       { p.add(ebpf.Insn{Op: 0xbf, Dst: dst, Src: src}) }
func (p *prog) imm(dst uint8, v int32)   { p.add(ebpf.Insn{Op: 0xb7, Dst: dst, Imm: v}) }
func (p *prog) plus(dst uint8, v int32)  { p.add(ebpf.Insn{Op: 0x07, Dst: dst, Imm: v}) }
func (p *prog) call(id int32)            { p.add(ebpf.Insn{Op: ebpf.OpCall, Imm: id}) }
func (p *prog) in(dst uint8, off int16)  { p.add(ebpf.Insn{Op: 0x79, Dst: dst, Src: 7, Off: off}) }
func (p *prog) out(src uint8, off int16) { p.add(ebpf.Insn{Op: 0x7b, Dst: 7, Src: src, Off: off}) }
func (p *prog) mapPtr(dst uint8, i int32) {
	p.add(ebpf.Insn{Op: ebpf.OpLDDW, Dst: dst, Src: ebpf.PseudoMapFD, Imm: i}, ebpf.Insn{})
}

// value is dst = address of byte off of the value.
func (p *prog) value(dst uint8, off int32) { p.mov(dst, 7); p.plus(dst, off) }

// most bounds register r, unsigned, as the verifier wants it.
func (p *prog) most(r uint8, n int32) {
	p.add(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpLE, Dst: r, Off: 1, Imm: n})
	p.imm(r, n)
}

func (p *prog) exit() []ebpf.Insn {
	p.imm(0, 2)
	return append(p.insns, ebpf.Insn{Op: ebpf.OpExit})
}

func ioSpec(size uint32) *maps.Spec {
	return &maps.Spec{Name: "io", Type: cebpf.Array, KeySize: 4, ValueSize: size, Max: 1}
}

// same runs one packet with the given value and compares the values after.
func (w *twin) same(what string, value, pkt []byte) []byte {
	w.t.Helper()
	w.set(0, value)
	w.run(pkt)
	mine, kernel := w.get(0)
	if i := firstDiff(mine, kernel); i < len(mine) {
		w.t.Errorf("%s: packet of %d bytes, in %x: differ at %d: %x, kernel %x", what, len(pkt), value[:min(64, len(value))],
			i, mine[i&^7:][:8], kernel[i&^7:][:8])
	}
	return kernel
}

func fill(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// TestAdjust moves head, metadata and tail about in sequences of six, and then
// writes to the packet.
func TestAdjust(t *testing.T) {
	needKernel(t)
	const head, meta, tail = 44, 54, 65
	r := rand.New(rand.NewPCG(3, 4))
	lengths := []int{14, 15, 60, 64, 255, 1500, 3519, 3520, 3521, 4000, 7616, 7617, 9000, 20000}
	for _, flags := range []uint32{0, 1 << 5} { // BPF_F_XDP_HAS_FRAGS
		for n, seq := range [][6]int32{
			{head, head, head, head, head, head},
			{meta, meta, head, meta, head, tail},
			{tail, tail, tail, tail, tail, tail},
			{head, meta, tail, head, meta, tail},
		} {
			p := newProg()
			for i, fn := range seq {
				p.mov(1, 6)
				p.in(2, int16(8*i))
				p.call(fn)
				p.out(0, int16(64+8*i))
			}
			p.mov(1, 6)
			p.call(188) // xdp_get_buff_len
			p.out(0, 128)
			// data[0] = 0xee, data_meta to data as a number
			p.add(ebpf.Insn{Op: 0x61, Dst: 2, Src: 6, Off: 0}, ebpf.Insn{Op: 0x61, Dst: 3, Src: 6, Off: 4})
			p.mov(4, 2)
			p.plus(4, 14)
			p.add(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcX, Dst: 4, Src: 3, Off: 1},
				ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM, Dst: 2, Imm: 0x11223344})
			w := newTwin(t, p.exit(), flags, ioSpec(256))
			for range 150 {
				value := make([]byte, 256)
				for i, fn := range seq {
					d := int64(r.IntN(130) - 70)
					switch {
					case fn == tail && r.IntN(3) == 0:
						d = int64(r.IntN(12000) - 6000)
					case fn == head && r.IntN(3) == 0:
						d = int64(r.IntN(600) - 300)
					case r.IntN(3) == 0:
						d &^= 3
					case r.IntN(30) == 0:
						d = int64(r.Uint64())
					}
					binary.LittleEndian.PutUint64(value[8*i:], uint64(d))
				}
				w.same(fmt.Sprintf("sequence %d flags %d", n, flags), value, fill(lengths[r.IntN(len(lengths))]))
			}
			if t.Failed() {
				return
			}
		}
	}
}

// TestPacketLimits is which lengths are refused, and what is left of them.
func TestPacketLimits(t *testing.T) {
	needKernel(t)
	p := newProg()
	p.mov(1, 6)
	p.call(188)
	p.out(0, 0)
	w := newTwin(t, p.exit(), 1<<5, ioSpec(8))
	for _, n := range []int{0, 1, 13, 14, 3520, 3521, 3520 + 4096, MaxPacket, MaxPacket + 1} {
		pkt := fill(n)
		verdict, data, err := w.kernel(pkt)
		var out Output
		w.it.Run(&Input{Data: pkt}, &out)
		if (err == nil) != (out.Err == nil) {
			t.Errorf("%d bytes: %v, kernel %v", n, out.Err, err)
		} else if err == nil && (verdict != out.Verdict || n < 8000 && !bytes.Equal(data, out.Data)) {
			t.Errorf("%d bytes: verdict %d, %d bytes; kernel %d, %d", n, out.Verdict, len(out.Data), verdict, len(data))
		}
	}
}

// TestCsumDiff compares sums over random bytes and the edges of carrying.
func TestCsumDiff(t *testing.T) {
	needKernel(t)
	const in = 512
	p := newProg()
	p.value(1, in)
	p.in(2, 0)
	p.most(2, 512)
	p.value(3, in+512)
	p.in(4, 8)
	p.most(4, 512)
	p.in(5, 16)
	p.call(28)
	p.out(0, 64)
	w := newTwin(t, p.exit(), 0, ioSpec(in+1024))
	r := rand.New(rand.NewPCG(5, 6))
	for range 600 {
		v := make([]byte, in+1024)
		fillWith := r.IntN(4)
		for i := in; i < len(v); i++ {
			switch fillWith {
			case 0:
				v[i] = byte(r.Uint32())
			case 1:
				v[i] = 0xff
			case 2: // zeros
			case 3:
				v[i] = byte(r.Uint32()) | 0xf0
			}
		}
		if r.IntN(3) == 0 {
			copy(v[in+512:], v[in:in+512])
		}
		size := func() uint64 {
			switch r.IntN(4) {
			case 0:
				return 0
			case 1:
				return uint64(r.IntN(513))
			}
			return uint64(r.IntN(32)) * 4
		}
		binary.LittleEndian.PutUint64(v, size())
		binary.LittleEndian.PutUint64(v[8:], size())
		binary.LittleEndian.PutUint64(v[16:], operands(r))
		w.same("csum_diff", v, make([]byte, 14))
	}
}

// TestPacketBytes loads and stores across the border of linear part and frags.
func TestPacketBytes(t *testing.T) {
	needKernel(t)
	p := newProg()
	for i, fn := range []int32{189, 190, 189} { // load, store, load
		p.mov(1, 6)
		p.in(2, int16(16*i))
		p.value(3, 64)
		p.in(4, int16(16*i+8))
		p.most(4, 900)
		p.add(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpNE, Dst: 4, Off: 1})
		p.imm(4, 1) // the verifier wants at least one byte
		p.call(fn)
		p.out(0, int16(1000+8*i))
	}
	w := newTwin(t, p.exit(), 1<<5, ioSpec(1024))
	r := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		v := fill(1024)
		for i := range 3 {
			off := uint64(r.IntN(9100))
			switch r.IntN(6) {
			case 0:
				off = 3520 - uint64(r.IntN(40))
			case 1:
				off = operands(r)
			}
			binary.LittleEndian.PutUint64(v[16*i:], off)
			binary.LittleEndian.PutUint64(v[16*i+8:], uint64(r.IntN(901)))
		}
		w.same("bytes", v, fill([]int{14, 1000, 3520, 3600, 9000}[r.IntN(5)]))
	}
}

// TestStrings is strncmp, strtol and strtoul on what people write and don't.
func TestStrings(t *testing.T) {
	needKernel(t)
	texts := []string{"", "0", "1", "-1", "+1", " 42", "\t-42x", "0x", "0x1f", "0X1Fg", "0779", "08", "9223372036854775807",
		"9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
		"abc", "-", " ", "- 1", "00", "0x8000000000000000", "1_0", "12 34", "99999999999999999999999"}
	for _, fn := range []int32{105, 106} {
		for _, base := range []int32{0, 8, 10, 16, 7, 32} {
			p := newProg()
			p.value(1, 64)
			p.in(2, 0)
			p.most(2, 40)
			p.add(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpNE, Dst: 2, Off: 1})
			p.imm(2, 1)
			p.imm(3, base)
			p.value(4, 128)
			p.call(fn)
			p.out(0, 136)
			w := newTwin(t, p.exit(), 0, ioSpec(256))
			for _, text := range texts {
				for _, n := range []int{len(text), len(text) + 1, max(1, len(text)-1), 40} {
					v := make([]byte, 256)
					copy(v[64:], text)
					copy(v[128:], "unwritten")
					binary.LittleEndian.PutUint64(v, uint64(max(n, 1)))
					w.same(fmt.Sprintf("helper %d base %d %q", fn, base, text), v, make([]byte, 14))
				}
			}
		}
	}
}

// TestRedirect is what bpf_redirect and bpf_redirect_map return.
func TestRedirect(t *testing.T) {
	needKernel(t)
	p := newProg()
	p.in(1, 0)
	p.in(2, 8)
	p.call(23)
	p.out(0, 64)
	for i := range int32(2) {
		p.mapPtr(1, 1+i)
		p.in(2, 0)
		p.in(3, 8)
		p.call(51)
		p.out(0, int16(72+8*i))
	}
	w := newTwin(t, p.exit(), 0, ioSpec(128),
		&maps.Spec{Name: "dev", Type: cebpf.DevMap, KeySize: 4, ValueSize: 4, Max: 4},
		&maps.Spec{Name: "devhash", Type: cebpf.DevMapHash, KeySize: 4, ValueSize: 4, Max: 4})
	for i := 1; i <= 2; i++ {
		if err := w.maps[i].Put(uint32(1), uint32(1)); err != nil {
			t.Skipf("skipped: no loopback device to redirect to: %v", err)
		}
		if e := w.it.S.Maps[i].Update([]byte{1, 0, 0, 0}, []byte{1, 0, 0, 0}, 0, 0); e != 0 {
			t.Fatal(e)
		}
	}
	for _, key := range []uint64{0, 1, 3, 4, 5, 1 << 32, 1<<32 + 1, ^uint64(0)} {
		for _, flags := range []uint64{0, 1, 2, 3, 4, 5, 8, 9, 16, 24, 32, 1 << 32, ^uint64(0)} {
			v := make([]byte, 128)
			binary.LittleEndian.PutUint64(v, key)
			binary.LittleEndian.PutUint64(v[8:], flags)
			w.same("redirect", v, make([]byte, 14))
		}
	}
}
