package vm

import (
	"encoding/binary"

	"jitnic/host/maps"
	"jitnic/pcaps/splitmix"

	"github.com/dchest/siphash"
)

// SYN cookies as net/ipv4/syncookies.c and net/ipv6/syncookies.c make them. The
// secrets, random in a kernel, follow from the seed.
const (
	cookieBits   = 24                // of the count of minutes behind them
	cookieMask   = 1<<cookieBits - 1 // the rest
	cookiePeriod = 60 * hz           // TCP_SYNCOOKIE_PERIOD, jiffies
	cookieAge    = 2                 // MAX_SYNCOOKIE_AGE, periods
	tcpHeader    = 20
)

// The maximum segment sizes that a cookie can say (msstab), bytes.
var (
	cookieMSS4 = [4]uint16{536, 1300, 1440, 1460}
	cookieMSS6 = [4]uint16{1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60}
)

// synFlow is what a cookie is about: the addresses and ports of a segment.
type synFlow struct {
	s     *State
	v6    bool
	addrs []byte // source and destination, as on the wire
	ports []byte
}

// hash is cookie_hash, of the period count and one of two secrets.
func (f *synFlow) hash(count uint32, secret uint64) uint32 {
	k0, k1 := splitmix.Mix(f.s.Opt.Seed^(2*secret+1)*splitmix.Step), splitmix.Mix(f.s.Opt.Seed+(2*secret+2)*splitmix.Step)
	var b [40]byte
	n := copy(b[:], f.addrs)
	if f.v6 {
		binary.LittleEndian.PutUint32(b[n:], count)
		copy(b[n+4:], f.ports)
		return uint32(siphash.Hash(k0^1, k1, b[:n+8]))
	}
	// siphash_4u32 of sport << 16 | dport, which are in network order.
	sport, dport := binary.LittleEndian.Uint16(f.ports), binary.LittleEndian.Uint16(f.ports[2:])
	binary.LittleEndian.PutUint32(b[n:], uint32(sport)<<16|uint32(dport))
	binary.LittleEndian.PutUint32(b[n+4:], count)
	return uint32(siphash.Hash(k0, k1, b[:n+8]))
}

func (f *synFlow) minutes() uint32 { return uint32(Jiffies(f.s.TimeNS) / cookiePeriod) }

// make is secure_tcp_syn_cookie.
func (f *synFlow) make(seq, data uint32) uint32 {
	count := f.minutes()
	return f.hash(0, 0) + seq + count<<cookieBits + (f.hash(count, 1)+data)&cookieMask
}

// check is check_tcp_syn_cookie: the data of a cookie, or all ones.
func (f *synFlow) check(cookie, seq uint32) uint32 {
	count := f.minutes()
	cookie -= f.hash(0, 0) + seq
	age := (count - cookie>>cookieBits) & (^uint32(0) >> cookieBits)
	if age >= cookieAge {
		return ^uint32(0)
	}
	return (cookie - f.hash(count-age, 1)) & cookieMask
}

// synHeaders are the headers a cookie helper is given: an IP header at r1, and
// n bytes of a TCP header at r2.
func (s *State) synHeaders(r *[11]uint64, v6 bool, n uint64) (f synFlow, th []byte, ft *Fault) {
	size, at := uint64(20), 12
	if v6 {
		size, at = 40, 8
	}
	ip, ft := s.bytes(r[1], size, false)
	if ft != nil {
		return f, nil, ft
	}
	if th, ft = s.bytes(r[2], n, false); ft != nil {
		return f, nil, ft
	}
	f = synFlow{s: s, v6: v6, addrs: ip[at:]}
	if len(th) >= 4 {
		f.ports = th[:4]
	}
	return f, th, nil
}

// tcpMSS is tcp_parse_mss_option: what the options of a segment say, or 0.
func tcpMSS(options []byte) (mss uint16) {
	for len(options) > 0 {
		switch options[0] {
		case 0: // end
			return mss
		case 1: // padding
			options = options[1:]
			continue
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			return mss
		}
		if options[0] == 2 && options[1] == 4 {
			if v := binary.BigEndian.Uint16(options[2:]); v != 0 {
				mss = v
			}
		}
		options = options[options[1]:]
	}
	return mss
}

// genSyncookie is bpf_tcp_raw_gen_syncookie_ipv4(iph, th, th_len) and its twin
// for IPv6: the cookie, and above it the segment size it stands for.
func genSyncookie(v6 bool) HelperFunc {
	return func(s *State, r *[11]uint64) *Fault {
		n := uint64(uint32(r[3]))
		f, th, ft := s.synHeaders(r, v6, n)
		if ft != nil {
			return ft
		}
		r[0] = f.gen(th)
		return nil
	}
}

// gen answers for a whole TCP header.
func (f *synFlow) gen(th []byte) uint64 {
	table, mss0 := cookieMSS4, uint16(536)
	if f.v6 {
		table, mss0 = cookieMSS6, 1280-60
	}
	if len(th) < tcpHeader || len(th) != int(th[12]>>4)*4 {
		return negErrno(maps.EINVAL)
	}
	mss := tcpMSS(th[tcpHeader:])
	if mss == 0 {
		mss = mss0
	}
	i := len(table) - 1
	for i > 0 && mss < table[i] {
		i--
	}
	cookie := f.make(binary.BigEndian.Uint32(th[4:]), uint32(i))
	return uint64(cookie) | uint64(table[i])<<32
}

// checkSyncookie is bpf_tcp_raw_check_syncookie_ipv4(iph, th) and its twin: 0
// for a cookie that was given out less than two minutes ago.
func checkSyncookie(v6 bool) HelperFunc {
	return func(s *State, r *[11]uint64) *Fault {
		f, th, ft := s.synHeaders(r, v6, tcpHeader)
		if ft != nil {
			return ft
		}
		r[0] = f.valid(th)
		return nil
	}
}

// valid answers for the first 20 bytes of a TCP header.
func (f *synFlow) valid(th []byte) uint64 {
	cookie, seq := binary.BigEndian.Uint32(th[8:])-1, binary.BigEndian.Uint32(th[4:])-1
	if f.check(cookie, seq) >= uint32(len(cookieMSS4)) {
		return negErrno(eacces)
	}
	return 0
}

// Cookie is what bpf_tcp_raw_gen_syncookie_* (gen) or bpf_tcp_raw_check_syncookie_*
// would answer at the packet's time: addrs are both addresses, of 4 or 16 bytes
// each, th the TCP header, of at least 20 for a check.
func (s *State) Cookie(gen bool, addrs, th []byte) uint64 {
	f := synFlow{s: s, v6: len(addrs) == 32, addrs: addrs}
	if len(th) >= 4 {
		f.ports = th[:4]
	}
	if gen {
		return f.gen(th)
	}
	return f.valid(th)
}
