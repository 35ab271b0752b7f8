package observe

import (
	"jitnic/nic/workload"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// flowTable numbers flows densely: equal addresses, ports and protocol are one
// flow, each direction its own. Packets that are not IP are flows by EtherType.
type flowTable struct {
	ids map[workload.FlowKey]uint32

	eth  layers.Ethernet
	vlan [2]layers.Dot1Q
	ip4  layers.IPv4
	ip6  layers.IPv6
}

func newFlowTable() *flowTable {
	return &flowTable{ids: map[workload.FlowKey]uint32{}}
}

// of gives a packet's flow number and key fields. Each layer is decoded by
// gopacket; what can't be decoded ends the walk.
func (t *flowTable) of(data []byte) (uint32, workload.FlowKey) {
	k := t.key(data)
	id := k
	id.TCPFlags = 0
	n, ok := t.ids[id]
	if !ok {
		n = uint32(len(t.ids))
		t.ids[id] = n
	}
	return n, k
}

func (t *flowTable) key(data []byte) (k workload.FlowKey) {
	f := gopacket.NilDecodeFeedback
	if t.eth.DecodeFromBytes(data, f) != nil {
		return k
	}
	typ, rest := t.eth.EthernetType, t.eth.Payload
	for i := range t.vlan {
		if typ != layers.EthernetTypeDot1Q && typ != layers.EthernetTypeQinQ {
			break
		}
		if t.vlan[i].DecodeFromBytes(rest, f) != nil {
			k.EtherType = uint16(typ)
			return k
		}
		if i == 0 {
			k.VLAN = t.vlan[0].VLANIdentifier
		}
		typ, rest = t.vlan[i].Type, t.vlan[i].Payload
	}
	k.EtherType = uint16(typ)
	var proto layers.IPProtocol
	switch typ {
	case layers.EthernetTypeIPv4:
		if t.ip4.DecodeFromBytes(rest, f) != nil {
			return k
		}
		copy(k.Src[:], t.ip4.SrcIP)
		copy(k.Dst[:], t.ip4.DstIP)
		proto, rest = t.ip4.Protocol, t.ip4.Payload
		k.Fragment = t.ip4.FragOffset != 0
	case layers.EthernetTypeIPv6:
		if t.ip6.DecodeFromBytes(rest, f) != nil {
			return k
		}
		copy(k.Src[:], t.ip6.SrcIP)
		copy(k.Dst[:], t.ip6.DstIP)
		proto, rest = t.ip6.NextHeader, t.ip6.Payload
		if proto == layers.IPProtocolIPv6Fragment && len(rest) >= 8 {
			k.Fragment = (uint16(rest[2])<<8|uint16(rest[3]))&^7 != 0
			proto, rest = layers.IPProtocol(rest[0]), rest[8:]
		}
	default:
		return k
	}
	k.Proto = uint8(proto)
	if k.Fragment {
		return k
	}
	switch proto {
	case layers.IPProtocolTCP:
		if len(rest) >= 14 { // flags come before the options, which may be cut off
			k.Sport, k.Dport = uint16(rest[0])<<8|uint16(rest[1]), uint16(rest[2])<<8|uint16(rest[3])
			k.TCPFlags = rest[13]
		}
	case layers.IPProtocolUDP, layers.IPProtocolSCTP, layers.IPProtocolUDPLite:
		if len(rest) >= 4 {
			k.Sport, k.Dport = uint16(rest[0])<<8|uint16(rest[1]), uint16(rest[2])<<8|uint16(rest[3])
		}
	}
	return k
}
