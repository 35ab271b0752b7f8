package vm

import (
	"encoding/binary"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/maps"
)

// TestVLANTag: the tag a device took off, as bpf_xdp_metadata_rx_vlan_tag gives
// it: protocol in network, tag in host byte order.
func TestVLANTag(t *testing.T) {
	s := load(t, counter(t), Options{}).S
	packet := make([]byte, 60)
	for _, c := range []struct {
		tag        Tag
		ret        uint64
		proto, tci uint16 // as they stand in memory, read in network and in host order
	}{
		{Tag{}, negErrno(maps.EOPNOTSUPP), 0, 0},
		{Tag{Offload: true}, negErrno(maps.ENODATA), 0, 0},
		{Tag{Offload: true, Proto: 0x8100, TCI: 0x6005}, 0, 0x8100, 0x6005},
		{Tag{Offload: true, Proto: 0x88a8, TCI: 7}, 0, 0x88a8, 7},
	} {
		must.OK(t, s.Begin(&Input{Data: packet, Tag: c.tag}))
		r := [11]uint64{1: s.Ctx, 2: s.Stack, 3: s.Stack + 2}
		if f := rxVLANTag(s, &r); f != nil {
			t.Fatal(f)
		}
		b := s.Mem.B[s.Stack:]
		proto, tci := binary.BigEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		if r[0] != c.ret || proto != c.proto || tci != c.tci {
			t.Errorf("%+v: returns %d, protocol %#04x, tag %#04x", c.tag, int64(r[0]), proto, tci)
		}
	}
	r := [11]uint64{1: s.Ctx, 2: s.Stack - 1<<20, 3: s.Stack}
	if f := rxVLANTag(s, &r); f == nil {
		t.Error("writes outside of the stack")
	}
}
