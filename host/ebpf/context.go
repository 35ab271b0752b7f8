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
