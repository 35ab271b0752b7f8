package pcaps

import "fmt"

// linkEthernet is LINKTYPE_ETHERNET, what XDP programs see.
const linkEthernet = 1

// LinkTypeName returns the name of a LINKTYPE_ value as tcpdump -L prints it
// (https://www.tcpdump.org/linktypes.html), or LINKTYPE_n for one that is not
// in the list. gopacket's layers.LinkType is no help: it is a uint8 and would
// take LINKTYPE_LINUX_SLL2 (276) for 20, and 257 for Ethernet.
func LinkTypeName(link uint32) string {
	if s, ok := linkNames[link]; ok {
		return s
	}
	return fmt.Sprintf("LINKTYPE_%d", link)
}

var linkNames = map[uint32]string{
	0:   "NULL",
	1:   "EN10MB",
	6:   "IEEE802",
	7:   "ARCNET",
	8:   "SLIP",
	9:   "PPP",
	10:  "FDDI",
	12:  "RAW",
	14:  "RAW",
	50:  "PPP_SERIAL",
	51:  "PPP_ETHER",
	99:  "SYMANTEC_FIREWALL",
	100: "ATM_RFC1483",
	101: "RAW",
	104: "C_HDLC",
	105: "IEEE802_11",
	107: "FRELAY",
	108: "LOOP",
	113: "LINUX_SLL",
	117: "PFLOG",
	119: "PRISM_HEADER",
	122: "IP_OVER_FC",
	127: "IEEE802_11_RADIO",
	129: "ARCNET_LINUX",
	138: "APPLE_IP_OVER_IEEE1394",
	140: "MTP2",
	141: "MTP3",
	143: "DOCSIS",
	147: "USER0",
	162: "USER15",
	165: "BACNET_MS_TP",
	166: "PPP_PPPD",
	177: "LINUX_LAPD",
	187: "BLUETOOTH_HCI_H4",
	189: "USB_LINUX",
	192: "PPI",
	195: "IEEE802_15_4",
	201: "BLUETOOTH_HCI_H4_WITH_PHDR",
	204: "PPP_WITH_DIR",
	209: "IPMB_LINUX",
	220: "USB_LINUX_MMAPPED",
	226: "IPNET",
	227: "CAN_SOCKETCAN",
	228: "IPV4",
	229: "IPV6",
	230: "IEEE802_15_4_NOFCS",
	239: "NFLOG",
	247: "INFINIBAND",
	249: "USBPCAP",
	251: "BLUETOOTH_LE_LL",
	253: "NETLINK",
	256: "BLUETOOTH_LE_LL_WITH_PHDR",
	271: "VSOCK",
	272: "NORDIC_BLE",
	276: "LINUX_SLL2",
}
