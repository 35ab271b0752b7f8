package object

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// stable are types whose fields never move: contexts and arguments of the user API
// (uapi/linux/bpf.h) and the headers on the wire, each field with its offset and its
// size in bytes.
var stable = map[string]string{
	"xdp_md": "data:0:4 data_end:4:4 data_meta:8:4 ingress_ifindex:12:4 rx_queue_index:16:4 egress_ifindex:20:4",
	"__sk_buff": "len:0:4 pkt_type:4:4 mark:8:4 queue_mapping:12:4 protocol:16:4 vlan_present:20:4 vlan_tci:24:4 vlan_proto:28:4 " +
		"priority:32:4 ingress_ifindex:36:4 ifindex:40:4 tc_index:44:4 cb:48:20 hash:68:4 tc_classid:72:4 data:76:4 data_end:80:4 napi_id:84:4 " +
		"family:88:4 remote_ip4:92:4 local_ip4:96:4 remote_ip6:100:16 local_ip6:116:16 remote_port:132:4 local_port:136:4 data_meta:140:4 " +
		"tstamp:152:8 wire_len:160:4 gso_segs:164:4 gso_size:176:4 tstamp_type:180:1 hwtstamp:184:8",
	"bpf_fib_lookup": "family:0:1 l4_protocol:1:1 sport:2:2 dport:4:2 tot_len:6:2 mtu_result:6:2 ifindex:8:4 tos:12:1 flowinfo:12:4 " +
		"rt_metric:12:4 ipv4_src:16:4 ipv6_src:16:16 ipv4_dst:32:4 ipv6_dst:32:16 h_vlan_proto:48:2 h_vlan_TCI:50:2 smac:52:6 dmac:58:6",
	"ethhdr":   "h_dest:0:6 h_source:6:6 h_proto:12:2",
	"vlan_hdr": "h_vlan_TCI:0:2 h_vlan_encapsulated_proto:2:2",
	"iphdr":    "tos:1:1 tot_len:2:2 id:4:2 frag_off:6:2 ttl:8:1 protocol:9:1 check:10:2 saddr:12:4 daddr:16:4",
	"ipv6hdr":  "flow_lbl:1:3 payload_len:4:2 nexthdr:6:1 hop_limit:7:1 saddr:8:16 daddr:24:16",
	"tcphdr":   "source:0:2 dest:2:2 seq:4:4 ack_seq:8:4 window:14:2 check:16:2 urg_ptr:18:2",
	"udphdr":   "source:0:2 dest:2:2 len:4:2 check:6:2",
	"icmphdr":  "type:0:1 code:1:1 checksum:2:2",
	"icmp6hdr": "icmp6_type:0:1 icmp6_code:1:1 icmp6_cksum:2:2",
	"arphdr":   "ar_hrd:0:2 ar_pro:2:2 ar_hln:4:1 ar_pln:5:1 ar_op:6:2",
}

// stableField says whether a CO-RE relocation of a field's offset puts in what stands
// there already: the field is one of a stable type, and the program's own declaration
// of the type, which may be anything, has it where it is. access is the way to the
// field in that declaration: an index of each member or element.
func stableField(types *btf.Spec, id uint32, access string) bool {
	t, err := types.TypeByID(btf.TypeID(id))
	if err != nil {
		return false
	}
	fields, ok := stable[t.TypeName()]
	way := strings.Split(access, ":")
	if !ok || way[0] != "0" {
		return false
	}
	var at btf.Bits
	for k, step := range way[1:] {
		i, err := strconv.Atoi(step)
		var members []btf.Member
		switch x := btf.UnderlyingType(t).(type) {
		case *btf.Struct:
			members = x.Members
		case *btf.Union:
			members = x.Members
		}
		if err != nil || i < 0 || i >= len(members) {
			return false
		}
		m := members[i]
		at += m.Offset
		if t = m.Type; m.Name == "" {
			continue
		}
		size, err := btf.Sizeof(t)
		field := fmt.Sprintf("%s:%d:%d", m.Name, at.Bytes(), size)
		return err == nil && m.BitfieldSize == 0 && strings.Contains(" "+fields+" ", " "+field+" ") && element(t, way[k+2:])
	}
	return false
}

// element says whether the rest of a way leads to a field itself or to an element of
// an array of numbers, which stands where the array's bytes have it.
func element(t btf.Type, way []string) bool {
	if len(way) == 0 {
		return true
	}
	a, ok := btf.UnderlyingType(t).(*btf.Array)
	if !ok || len(way) > 1 {
		return false
	}
	_, ok = btf.UnderlyingType(a.Type).(*btf.Int)
	return ok
}
