package verify

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"jitnic/host/conntrack"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/vm"
)

// connPackets gives packets of TCP, UDP and others over IPv4 and IPv6, of few
// addresses and ports, with every TOS.
func connPackets(n int) func(*vm.Input) error {
	rng := rand.New(rand.NewPCG(7, 7))
	i := 0
	return func(in *vm.Input) error {
		if i == n {
			return io.EOF
		}
		p := make([]byte, 80)
		proto := []byte{6, 17, 6, 17, 1, 0}[rng.IntN(6)]
		if rng.IntN(3) == 0 {
			binary.BigEndian.PutUint16(p[12:], 0x86dd)
			p[14], p[20], p[37], p[53], p[57] = 0x60, proto, byte(rng.IntN(3)), byte(rng.IntN(3)), byte(rng.IntN(3))
		} else {
			binary.BigEndian.PutUint16(p[12:], 0x0800)
			p[14], p[15], p[23], p[29], p[33], p[37] = 0x45, byte(rng.IntN(128)&-rng.IntN(2)), proto, byte(rng.IntN(3)), byte(rng.IntN(3)), byte(rng.IntN(3))
		}
		*in = vm.Input{Data: p, TimeNS: uint64(1000 + i), IfIndex: 1, Packet: uint64(i)}
		i++
		return nil
	}
}

// A look-up of connections says what the kernel says where there are none, and
// isn't compared where the kernel can't be given those there are.
func TestConnections(t *testing.T) {
	need(t)
	obj, err := loader.Load("testdata/ct.o", loader.Options{})
	must.OK(t, err)
	rep, err := Run(t.Context(), obj, obj.Programs[0], Options{}, connPackets(600))
	if err != nil && strings.Contains(err.Error(), "bpf_xdp_ct_lookup") {
		t.Skip(err)
	}
	mustAgree(t, rep, err)
	if rep.Compared != 600 || rep.Maps != 2 {
		t.Errorf("%+v", rep)
	}
	table, err := conntrack.Read("connections", strings.NewReader("tcp src=0.0.0.1 dst=0.0.0.2 sport=1 dport=0"))
	must.OK(t, err)
	if rep, err = Run(t.Context(), obj, obj.Programs[0], Options{CT: table}, connPackets(50)); err != nil || rep.Skipped[SkipCT] != 50 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// A program no run of which can be completed is refused before the first packet.
func TestDoomed(t *testing.T) {
	need(t)
	obj, p := object(t, "call get_current_cgroup_id; r0 = 2; exit")
	read := 0
	_, err := Run(t.Context(), obj, p, Options{}, func(*vm.Input) error { read++; return io.EOF })
	if err == nil || read > 0 || !strings.Contains(err.Error(), "insn 0: helper 80 (get_current_cgroup_id): not supported: every run comes to it") {
		t.Errorf("%d packets read, %v", read, err)
	}
}
