// Package filtertest is what tests of filters share, in every form they take.
package filtertest

// Expressions are some that tcpdump must read as we do.
var Expressions = []string{
	"ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "pim", "vrrp", "ah", "esp",
	"not ip", "not tcp and not udp", "tcp or arp", "ip and udp or ip6 and tcp", "ip6 or tcp and port 80",
	"port 53", "tcp port 80", "udp port 53", "src port 53", "dst port 443", "src or dst port 22", "src and dst port 123",
	"port 80 or 443", "not port 80", "tcp port (80 or 443)", "portrange 1-1023", "udp portrange 6000-5000", "dst portrange 1024-65535",
	"port domain", "tcp dst port http",
	"host 10.0.0.1", "src host 192.168.1.1", "net 10", "net 192.168", "src net 10.0.0.0/8", "dst net 172.16.0.0/12",
	"net 192.168.0.0 mask 255.255.0.0", "net 0.0.0.0/0", "src net 224.0.0.0/3 or dst net 224.0.0.0/3",
	"ip host 10.0.0.1", "arp host 10.0.0.1", "arp net 10.0.0.0/8", "ip src net 192.168.0.0/16", "src and dst net 10.0.0.0/8",
	"net fe80::/10", "dst net ff00::/8", "host ff02::1", "src net 2000::/3", "net ::/0", "ip6 dst host ff02::fb", "net fd00:1:2:3:8::/77",
	"ether broadcast", "ether multicast", "broadcast", "multicast", "ip multicast", "ip6 multicast",
	"ether host ff:ff:ff:ff:ff:ff", "ether dst 01:00:5e:00:00:fb", "ether src 00:00:00:00:00:00",
	"ether proto 0x88cc", `ether proto \ip6`, `ether proto \arp`,
	"ip proto 6", `ip proto \udp`, "ip6 proto 0", "ip6 proto 58", "proto 17", `proto \tcp`, "proto 47", "ip6 proto 44",
	"less 64", "greater 1000", "len > 100 and len <= 200", "len != 60",
	"vlan", "not vlan", "vlan and ip", "vlan and tcp port 445", "vlan 32", "vlan and vlan", "ip or vlan and ip", "ip or vlan and (tcp or udp)",
	"vlan and not ip", "tcp port 80 or (vlan and port 80)", "vlan and host 10.0.0.1",
	"ip[0] & 0xf != 5", "ip[6:2] & 0x3fff != 0", "ip[8] < 5", "ip6[6] = 43", "ip6[4:2] > 100", "ether[0] & 1 = 0 and ip[16] >= 224",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[tcpflags] & tcp-rst != 0", "tcp[2:2] = 80", "tcp[4:4] > 0x80000000", "udp[4:2] > 500",
	"icmp[icmptype] = icmp-echo", "icmp[icmptype] != icmp-echo", "icmp6[0] = 135", "arp[6:2] = 1",
	"tcp and not (port 80 or port 443) and greater 100", "(tcp or udp) and (src net 10 or dst net 10)",
	"! tcp && ! udp || port 53", "not not tcp", "host 10.0.0.1 or 10.0.0.2 or 192.168.1.1", "not host 192.168.1.1 and not arp",
	"port 80 and not port 443 or icmp",
	// Arithmetic.
	"tcp[((tcp[12]&0xf0)>>2):4] = 0x47455420", "ip[2:2] - ((ip[0]&0xf)<<2) > 0", "(((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)", "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x504f5354",
	"udp[4:2] - 8 > 100", "ip[0] & 0xf > 5", "ip[0] >> 4 = 4", "ip[8] * 2 < 130", "ip[8] / 2 = 32", "ip[8] % 2 = 1", "len - 14 > ip[2:2]",
	"len > 100 + 200", "(len - 14) / 2 > 300", "ip[2:2] + 14 = len", "ip[6:2] & 0x1fff != 0", "ip[6] & 0x20 = 0x20 or ip[6:2] & 0x1fff > 0",
	"-ip[8] > 100", "tcp[2:2] = tcp[0:2]", "udp[0:2] = udp[2:2]", "ip[12:4] = ip[16:4]", "ether[0:4] = ether[6:4] and ether[4:2] = ether[10:2]",
	"1 = 1 and ip", "ip[8] ^ 0xff = 0xbf", "(ip[8] | 1) = 129", "tcp[13] & 2 << 1 != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) = (tcp-syn|tcp-ack)",
	"tcp[tcpflags] = tcp-syn or tcp[tcpflags] == tcp-rst|tcp-ack", "tcp[14:2] < 1000 && tcp[14:2] > 0", "ip[ip[9]] > 0", "not (ip[8] * 2 = 128)",
	"icmp[icmptype] = icmp-unreach and icmp[8] & 0xf = 5", "icmp6[icmp6type] = icmp6-neighborsolicit", "ip6[6] + 1 = 59", "arp[7] = 1 and arp[14:4] = arp[24:4]",
	"0x45 = ip[0]", "80 = tcp[2:2] or 443 = tcp[2:2]", "link[12:2] = 0x86dd", "tcp[20:4] = 0x0204 << 16 | 1460", "len & 1 = 1", "ip[2:2] > 576 and not tcp",
	"udp[8:2] & 0x8000 != 0 and udp port 53", "100/2 < len", "ip[9] - 6 = 0",
	// Labels, sessions and tunnels.
	"mpls", "not mpls", "mpls and ip", "mpls and ip6", "mpls and mpls", "mpls 16", "mpls 100000 or mpls 1024", "mpls and host 10.0.0.1", "mpls and tcp", "mpls and mpls and ip",
	"vlan and mpls", "vlan 100", "vlan and vlan and ip", "vlan 0xc", "pppoed", "pppoes", "pppoes and ip", "pppoes and ip6", "pppoes 1", "pppoes and tcp port 80",
	"pppoes and udp", "vlan and pppoes", "pppoes and net 10.0.0.0/8", "geneve", "geneve and ip", "geneve and tcp", "geneve 10", "geneve and host 10.0.0.1", "not geneve",
	"geneve and arp", "geneve and icmp", "geneve and vlan",
	// LLC and what stands in it.
	"llc", "llc i", "llc s", "llc u", "llc ui", "llc xid", "llc rr", "stp", "not stp", "iso", "clnp", "esis", "isis", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp",
	"isis and not l1", "ipx", "netbeui", "atalk", "aarp", "decnet", "lat", "moprc", "mopdl", "sca", "carp", "ether proto 0x42", `ether proto \stp`, `ether proto \iso`,
	`ether proto \ipx`, "ether proto 6", "ether proto 0x8847", "ether proto 34525", "llc and not stp", "isis proto 20", `iso proto \isis`,
	// Addresses as one number, short, in hexadecimal.
	"host 0x0a000001", "net 0x0a", "net 10.0", "host 10.1", "src net 192.168", "net 0xc0a8", "dst host 3232235777", "net 192.168.1", "src host 0xc0a80101",
	"ether host ff-ff-ff-ff-ff-ff", "ether dst ffff.ffff.ffff", "ether host 1:0:5e:0:0:fb", "net 224.0.0.0/4 and not udp", "net 10 or net 172.16.0.0/12 or net 192.168",
	"tcp port 0x50", "udp port 0x35", "portrange 0-1023", "ip proto 0x2f", `ip proto \ospf`, `ip proto \gre`, `proto \sctp`, `ip6 proto \ipv6-icmp`,
	"ip proto 4 or ip proto 41", "ip6 and not tcp and not udp and not icmp6", "(arp or rarp) and not broadcast", "ip and not (tcp or udp or icmp)", "tcp src port 80 or 443 and ip", "dst host 255.255.255.255 or ether broadcast",
}
