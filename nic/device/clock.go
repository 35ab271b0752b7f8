package device

import (
	"math/bits"

	"jitnic/nic/profile"
)

// clock turns cycles of the device into ps. Where a cycle is no whole number
// of ps, a time of n cycles is rounded up once, at its end.
type clock struct {
	whole uint64 // ps a cycle, where whole
	khz   uint64
}

func newClock(khz uint64) clock {
	c := clock{khz: khz}
	if 1_000_000_000%khz == 0 {
		c.whole = 1_000_000_000 / khz
	}
	return c
}

func (c clock) ps(cycles uint64) int64 {
	if c.whole != 0 {
		return int64(cycles * c.whole)
	}
	return int64((cycles*1_000_000_000 + c.khz - 1) / c.khz)
}

// serial is how long bytes take on a link of so many Mbit/s, in ps, rounded up;
// 0 Mbit/s is a link that takes no time.
func serial(bytes, mbit uint64) int64 {
	if mbit == 0 {
		return 0
	}
	return int64((bytes*8*1_000_000 + mbit - 1) / mbit)
}

// onLink is how many bytes the link carries for a transfer of so many bytes:
// each TLP of at most the payload has its header, framing and LCRC.
func onLink(bytes uint64, n *profile.NIC) uint64 {
	if bytes == 0 {
		return 0
	}
	tlps := uint64(1)
	if n.PCIePayload > 0 {
		tlps = (bytes + n.PCIePayload - 1) / n.PCIePayload
	}
	return bytes + tlps*n.PCIeTLP
}

// LineRate is the most packets a second that the device's link can bring in,
// by the mean length of the input's packets; 0: the link is unlimited.
func LineRate(in *Input, n *profile.NIC) uint64 {
	if n.Link == 0 || len(in.Packets) == 0 {
		return 0
	}
	bytes := uint64(len(in.Packets)) * n.LinkOverhead
	for i := range in.Packets {
		bytes += uint64(in.Packets[i].onWire())
	}
	if bytes == 0 {
		return 0
	}
	// packets · Mbit/s · 10^6 / bits
	hi, lo := bits.Mul64(n.Link*1_000_000, uint64(len(in.Packets)))
	if hi >= bytes*8 {
		return 0
	}
	q, _ := bits.Div64(hi, lo, bytes*8)
	return q
}
