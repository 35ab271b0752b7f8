package ebpf

// Offsets of struct xdp_md (uapi/linux/bpf.h), the context of XDP programs, in
// bytes; all fields have 4.
const (
	XDPData     = 0
	XDPDataEnd  = 4
	XDPDataMeta = 8
	XDPIfIndex  = 12
	XDPQueue    = 16
	XDPEgress   = 20
	XDPSize     = 24
)

// Offsets of struct __sk_buff that are the packet's addresses.
const (
	skbData     = 76
	skbDataEnd  = 80
	skbDataMeta = 140
)

// ContextKind is what a program is attached to: it decides what its context looks
// like and which accesses the verifier takes.
type ContextKind uint8

// The kinds of context.
const (
	ContextOther   ContextKind = iota // no context fields are pointers
	ContextXDP                        // struct xdp_md: 32-bit fields
	ContextSKB                        // struct __sk_buff: 32-bit fields
	ContextTracing                    // flat context of a tracepoint, kprobe or perf event
	ContextCgroup                     // cgroup sock and sock_addr contexts
	ContextNumber                     // no context: r1 is a number (K2's type 0)
)

// String is the kind's name in messages.
func (k ContextKind) String() string {
	return [...]string{"other", "xdp", "skb", "tracing", "cgroup", "constant"}[k]
}

// Field is a field of a context that is an address of the packet.
type Field uint8

// The fields.
const (
	FieldNumber Field = iota // none of them
	FieldData
	FieldEnd
	FieldMeta
)

// fields is where they are, data first.
var fields = [...][3]int64{
	ContextXDP: {XDPData, XDPDataEnd, XDPDataMeta},
	ContextSKB: {skbData, skbDataEnd, skbDataMeta},
}

// Field is which address of the packet a load of n bytes at off gives.
func (k ContextKind) Field(off int64, n int) Field {
	if n == 4 && (k == ContextXDP || k == ContextSKB) {
		for i, at := range fields[k] {
			if at == off {
				return FieldData + Field(i)
			}
		}
	}
	return FieldNumber
}
