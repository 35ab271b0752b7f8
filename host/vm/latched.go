package vm

import "jitnic/pcaps/splitmix"

// Clocks all derive from the one time that is latched per packet: two calls in
// one packet say the same.
const (
	hz        = 250                // CONFIG_HZ of Debian's kernels
	jiffyNS   = 1_000_000_000 / hz // and the resolution of the coarse clock
	jiffies0  = 1<<32 - 300*hz     // INITIAL_JIFFIES: as an unsigned 32-bit number
	secondsNS = 1_000_000_000
)

// Coarse is what bpf_ktime_get_coarse_ns says at time ns: the time of the last
// timer tick.
func Coarse(ns uint64) uint64 { return ns - ns%jiffyNS }

// Jiffies is what bpf_jiffies64 says at time ns.
func Jiffies(ns uint64) uint64 { return jiffies0 + ns/jiffyNS }

// Random is the n-th draw (from 0) of a packet, as bpf_get_prandom_u32 gives
// it: a pure function, so any engine draws the same (splitmix64, Steele, Lea
// and Flood 2014, over a stream chosen by seed and packet).
func Random(seed, packet, n uint64) uint32 {
	x := splitmix.Mix(seed^splitmix.Step) + packet
	return uint32(splitmix.Mix(splitmix.Mix(x)+(n+1)*splitmix.Step) >> 32)
}
