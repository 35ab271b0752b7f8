package pathcond

import (
	"jitnic/host/maps"
	"jitnic/pathcond/bv"
)

// The largest TCP header, and the least. Bytes.
const (
	MaxTCP = 60
	MinTCP = 20
)

// CookieAddrs is how many bytes of addresses a SYN cookie is made of.
func CookieAddrs(v6 bool) int {
	if v6 {
		return 32
	}
	return 8
}

// symCookie is bpf_tcp_raw_gen_syncookie_*(iph, th, th_len) or
// bpf_tcp_raw_check_syncookie_*(iph, th): a function of the time, the addresses
// and the TCP header, as the secrets are fixed for a run.
func symCookie(gen, v6 bool) func(x *exec, c *call) bv.Term {
	ip, at := 20, 12 // the header's size, and where its addresses stand
	if v6 {
		ip, at = 40, 8
	}
	return func(x *exec, c *call) bv.Term {
		c.meta.Args = 2
		c.meta.Result = true
		th := MinTCP
		if gen {
			c.meta.Args = 3
			if th = x.size32(c, 3); th < MinTCP || th > MaxTCP { // no header says that size
				return x.errno(int64(maps.EINVAL))
			}
		}
		x.reads(c, 1, ip)
		x.reads(c, 2, th)
		args := []bv.Term{x.input(InJiffies, 64, bv.Fact{})}
		args = append(args, x.chunks(x.offset64(1, at), c.rec.Args[0]+uint64(at), CookieAddrs(v6))...)
		args = append(args, x.chunks(x.r[2], c.rec.Args[1], th)...)
		return x.b.Fun(Fun(FunCookie, Cookie(gen, v6, th)), 64, bv.Fact{}, args...)
	}
}
