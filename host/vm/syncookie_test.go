package vm

import (
	"encoding/binary"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/maps"
)

// TestSyncookieAge: a cookie is good for the minute it was made in and the
// next, for its own flow, and with the seed it was made with.
func TestSyncookieAge(t *testing.T) {
	const minute = 60 * secondsNS
	start := uint64(10*minute) - (uint64(jiffies0%cookiePeriod))*jiffyNS // a period begins
	for _, v6 := range []bool{false, true} {
		gen, check, ip := ebpf.FnTcpRawGenSyncookieIpv4, ebpf.FnTcpRawCheckSyncookieIpv4, uint64(20)
		if v6 {
			gen, check, ip = ebpf.FnTcpRawGenSyncookieIpv6, ebpf.FnTcpRawCheckSyncookieIpv6, 40
		}
		it := load(t, counter(t), Options{Seed: 7})
		s := it.S
		data := fill(100)
		tcp := data[14+ip:]
		copy(tcp[12:], []byte{0x60, 2})
		copy(tcp[20:], []byte{2, 4, 0x05, 0xb4}) // 1460
		call := func(id int32, at uint64) uint64 {
			must.OK(t, s.Begin(&Input{Data: data, TimeNS: at}))
			r := [11]uint64{1: s.Data + 14, 2: s.Data + 14 + ip, 3: 24}
			must.OK(t, s.CallHelper(id, &r))
			return r[0]
		}
		seq := binary.BigEndian.Uint32(tcp[4:])
		answer := call(gen, start+30*secondsNS)
		if mss := answer >> 32; mss != 1460 && !v6 || v6 && mss != 1440 {
			t.Errorf("segments of %d bytes", mss)
		}
		binary.BigEndian.PutUint32(tcp[4:], seq+1)
		binary.BigEndian.PutUint32(tcp[8:], uint32(answer)+1)
		bad := negErrno(maps.Errno(13))
		for at, want := range map[uint64]uint64{30: 0, 59: 0, 60: 0, 119: 0, 120: bad, 600: bad} {
			if got := call(check, start+at*secondsNS); got != want {
				t.Errorf("IPv6 %v: after %d s: %#x, want %#x", v6, at, got, want)
			}
		}
		s.Opt.Seed = 8
		if call(check, start+31*secondsNS) != bad {
			t.Error("a cookie of another secret is good")
		}
		s.Opt.Seed = 7
		tcp[0]++
		if call(check, start+31*secondsNS) != bad {
			t.Error("a cookie of another flow is good")
		}
	}
}
