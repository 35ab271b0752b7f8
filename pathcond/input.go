package pathcond

import (
	"jitnic/host/conntrack"
	"jitnic/pathcond/bv"
)

// Inputs of a condition: what a packet and its latched inputs offer before the
// program runs. The number is the bv input number.
const (
	InLen     = uint64(0) // packet length in bytes, of the linear part
	InTime    = uint64(1) // ktime, ns
	InBoot    = uint64(2) // boot time, ns
	InCoarse  = uint64(3) // coarse ktime, ns
	InJiffies = uint64(4)
	InCPU     = uint64(5)
	InIfindex = uint64(6)  // ctx->ingress_ifindex
	InQueue   = uint64(7)  // ctx->rx_queue_index
	InEgress  = uint64(8)  // ctx->egress_ifindex
	InTag     = uint64(10) // VLAN tag a device took off: TCI, protocol << 16, 1 << 32 where it does
	InFrags   = uint64(9)  // bytes of the packet beyond its linear part
	InRand    = uint64(64)
	// InVersion + i is the version counter of watched key i (specialised traces).
	InVersion = uint64(1 << 20)
	MaxRand   = 1024
)

// Functions of a condition. The low 16 bits name the function, the rest a map
// index or the like.
const (
	FunLoad    = uint64(1)  // bytes of flat memory before the run, at the address given
	FunLookup  = uint64(2)  // address of the value a key finds in a map, or 0; arguments: key in 8-byte chunks
	FunCount   = uint64(3)  // entries present in a map
	FunFib     = uint64(4)  // word i of bpf_fib_lookup's answer; i 0: the return code
	FunOpaque  = uint64(5)  // a value that can't be known before the run
	FunPresent = uint64(6)  // 1 where a redirect map has the key, or a bloom filter the value once it has those of the further arguments
	FunNumber  = uint64(9)  // what strtol or strtoul makes of bytes, see number; arguments: flags, the bytes in 8-byte chunks
	FunFresh   = uint64(8)  // address of an element the path itself has made: not NULL, else unknown before the run
	FunConn    = uint64(10) // what bpf_xdp_ct_lookup answers, see Conn; arguments: tuple and options in 8-byte chunks
	FunCookie  = uint64(11) // what a SYN cookie helper answers, see Cookie; arguments: jiffies, addresses and header in 8-byte chunks
	FunQuery   = uint64(12) // what bpf_ringbuf_query says of a map; arguments: its flags, what was done to the buffer before (maps.ReserveOp)
	FunText    = uint64(13) // what printing answers, see Text; arguments: format in 8-byte chunks, values, old bytes in 8-byte chunks
	FunRoom    = uint64(7)  // address a reservation of so many bytes in a ring buffer would have, or 0; arguments: size, as FunQuery's
	FunElem    = uint64(14) // word of an element of a queue or stack, or 0; arguments: its place from the oldest, which 8 bytes
	// FunLookupOn is FunLookup of another CPU's value; arguments: key in 8-byte chunks, CPU.
	FunLookupOn = uint64(15)
	FunTimer    = uint64(16) // what is known of a timer, see vm.TimerInit; argument: its address
	FunKeyAt    = uint64(17) // word of a hash's key in the order of a visit, or 0; arguments: how many come before it, which 8 bytes
)

// Number is the rest of FunNumber's number: of strtol (signed) or strtoul, the
// result or the number it leaves, of a buffer of n bytes.
func Number(signed, left bool, n int) int {
	return int(bv.Bit(signed)) | int(bv.Bit(left))<<1 | n<<2
}

// NumberParts is the inverse of Number.
func NumberParts(arg int) (signed, left bool, n int) { return arg&1 == 1, arg&2 == 2, arg >> 2 }

// The answers of FunConn.
const (
	ConnAddr  = 0 // address of the connection, or 0
	ConnError = 1 // errno where there is none, else 0
	ConnDir   = 2 // direction of the tuple in it
)

// Conn is the rest of FunConn's number: which answer, to a tuple and options of
// so many bytes. Of sizes the kernel function refuses no bytes are arguments.
func Conn(answer, tuple, opts int) int { return answer | tuple<<2 | opts<<18 }

// ConnParts is the inverse of Conn.
func ConnParts(arg int) (answer, tuple, opts int) { return arg & 3, arg >> 2 & 0xffff, arg >> 18 }

// ConnBytes are how many bytes of a tuple and of options of those sizes are
// arguments.
func ConnBytes(tuple, opts int) (int, int) {
	if opts != conntrack.Opts && opts != conntrack.OptsOld {
		return 0, 0
	}
	if tuple != conntrack.TupleIPv4 && tuple != conntrack.TupleIPv6 {
		return 0, opts
	}
	return tuple, opts
}

// Cookie is the rest of FunCookie's number: of a cookie made or checked, for IPv6
// or IPv4, and a TCP header of n bytes.
func Cookie(gen, v6 bool, n int) int { return int(bv.Bit(gen)) | int(bv.Bit(v6))<<1 | n<<2 }

// CookieParts is the inverse of Cookie.
func CookieParts(arg int) (gen, v6 bool, n int) { return arg&1 == 1, arg&2 == 2, arg >> 2 }

// Text is the rest of FunText's number: the result (word 0) or word word-1 of the
// buffer, of a format of n bytes with so many values; size is the buffer's, in
// bytes, or -1 where the text goes to the trace pipe. A value that the format shows
// as a string is two things: its length, and its bytes in 8-byte chunks; one that it
// shows as an address of the network is that address.
func Text(word, n, values, size int) int { return word | n<<8 | values<<20 | (size+1)<<24 }

// TextParts is the inverse of Text.
func TextParts(arg int) (word, n, values, size int) {
	return arg & 0xff, arg >> 8 & 0xfff, arg >> 20 & 0xf, arg>>24 - 1
}

// MaxFormat and MaxText are the longest format and buffer in a condition, bytes.
const (
	MaxFormat = 256
	MaxText   = 256
)

// MaxNumber is the longest buffer a number is read from in a condition.
const MaxNumber = 64

func Fun(id uint64, arg int) uint64                       { return id | uint64(arg)<<16 }
func FunParts(k uint64) (id uint64, arg int)              { return k & 0xffff, int(k >> 16) }
func (x *exec) input(id uint64, w int, f bv.Fact) bv.Term { return x.b.Input(id, w, f) }
