// Package gen makes synthetic traffic: the same [Spec] gives the same bytes.
//
// Legitimate packets belong to flows. Each packet picks a flow by popularity
// (Zipf or uniform); the flow, by its number and the seed alone, has a client,
// a server, a protocol, VLAN tags; churn replaces flows by new ones. Attack
// packets are mixed in by share: SYN floods, and adversaries of a trace cache
// that send more header shapes than it holds. Every packet says which it is
// (Packet.Label), and a pcapng file keeps it as the name of the interface.
//
// Lengths and checksums are right (IPv4, TCP, UDP, ICMP, ICMPv6, SCTP), so
// that programs and kernels take the packets for real. Addresses are from
// private, documentation and benchmark ranges (RFC 1918, 4193, 5737, 2544).
//
// A Generator is read like a pcaps.Source, or written with Write:
//
//	{
//	  "seed": 1, "packets": 1000000, "rate_pps": 1e6,
//	  "flows": 10000, "alpha": 1.0, "new_flows_per_s": 500,
//	  "ipv6": 0.2, "vlan": 0.1, "udp": 0.3, "icmp": 0.02, "replies": 0.4,
//	  "attack": {"kind": "thrash", "share": 0.3, "paths": 4096}
//	}
//
// Headers are put together here and not with gopacket's layers: those take
// about a microsecond and several allocations a packet. The tests decode with
// gopacket and tshark.
package gen
