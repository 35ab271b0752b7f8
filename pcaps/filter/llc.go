package filter

// LLC service access points (IEEE 802 numbers; libpcap's llc.h), and Ethernet
// types below which the field is a length.
const (
	sapISO     = 0xfe
	sapSTP     = 0x42
	sapIPX     = 0xe0
	sapNetBEUI = 0xf0
	sapIP      = 0x06
	etherMTU   = 1500
	etherIPX   = 0x8137
	etherATalk = 0x809b
	etherAARP  = 0x80f3
)

// isLength holds where an LLC header follows.
func (a *at) isLength() *node {
	return not(test(inst{size: 2, reg: a.typ.reg, off: a.typ.k, rel: gt, val: etherMTU}))
}

// sap is a protocol that LLC tells, by libpcap's gen_ether_linktype.
func (a *at) sap(v uint32) *node {
	switch v {
	case sapISO, sapIP, sapNetBEUI: // both ends the same
		return and(a.isLength(), u16(a.payload, v<<8|v))
	case sapIPX: // LLC, raw 802.3, SNAP, or its own Ethernet type
		return or(and(a.isLength(), or(u8(a.payload, sapIPX), u16(a.payload, 0xffff), a.snap(0, etherIPX))), u16(a.typ, etherIPX))
	}
	return and(a.isLength(), u8(a.payload, v))
}

// snap is a SNAP header of an organisation's protocol.
func (a *at) snap(org, typ uint32) *node {
	return and(masked(a.payload, 0xffffffff, 0xaaaa0300|org>>16), masked(a.payload.add(4), 0xffffffff, org<<16|typ))
}

// appleTalk is an Ethernet type that stands in SNAP headers too.
func (a *at) appleTalk(typ, org uint32) *node {
	return or(and(a.isLength(), a.snap(org, typ)), u16(a.typ, typ))
}

// llc is an LLC header, but not Novell's raw 802.3.
func (a *at) llc() *node { return and(a.isLength(), not(u16(a.payload, 0xffff))) }

// llcTypes are the kinds of LLC frames: mask and value of the control field.
var llcTypes = map[string][2]uint32{
	"i": {0x01, 0}, "s": {0x03, 0x01}, "u": {0x03, 0x03},
	"rr": {0x0f, 0x01}, "rnr": {0x0f, 0x05}, "rej": {0x0f, 0x09},
	"ui": {0xef, 0x03}, "ua": {0xef, 0x63}, "disc": {0xef, 0x43}, "sabme": {0xef, 0x6f}, "test": {0xef, 0xe3}, "xid": {0xef, 0xaf}, "frmr": {0xef, 0x87},
}

// osi is a protocol of ISO's network layer, behind the LLC header.
func (a *at) osi(v uint32) *node { return and(a.link(sapISO), u8(a.bare(), v)) }

// bare is the network layer where no SNAP header stands before it.
func (a *at) bare() place { return a.payload.add(a.nosnap) }

// ISO network layer protocols (ISO/IEC TR 9577).
var osiProtocols = map[string]uint32{"clnp": 0x81, "esis": 0x82, "isis": 0x83}

// isisTypes are the kinds of IS-IS packets (ISO 10589) by libpcap's words.
var isisTypes = map[string][]uint32{
	"l1": {15, 17, 18, 24, 26}, "l2": {16, 17, 20, 25, 27}, "iih": {15, 16, 17}, "lsp": {18, 20},
	"snp": {24, 25, 26, 27}, "csnp": {24, 25}, "psnp": {26, 27},
}

func (a *at) isis(types []uint32) *node {
	var any []*node
	for _, t := range types {
		any = append(any, and(a.osi(osiProtocols["isis"]), u8(a.bare().add(4), t)))
	}
	return or(any...)
}
