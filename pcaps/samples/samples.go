package samples

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"strings"
)

//go:embed *.gz *.zst
var files embed.FS

// A Sample is one embedded capture.
type Sample struct {
	Name        string // what follows "sample:" in a path
	File        string // its file in this folder
	Packets     int
	Description string // one line
	Recorded    string // at which interfaces of record.sh's lab
}

// List holds all samples, the most general one first.
var List = []Sample{
	{
		Name: "lab", File: "lab.pcap.gz", Packets: 17516,
		Description: "everything at once: web, DNS, ssh, iperf3, Modbus, NTP, ping, scans, guests, VLANs, IPv4 and IPv6",
		Recorded:    "what arrived at the router's four ports (tcpdump -Q in), merged by time",
	},
	{
		Name: "web", File: "web.pcap.gz", Packets: 4147,
		Description: "curl and nginx: short and kept connections, uploads, TLS with HTTP/2, IPv4 and IPv6",
		Recorded:    "the server's interface, both directions",
	},
	{
		Name: "dns", File: "dns.pcap.gz", Packets: 1642,
		Description: "dig and dnsmasq: A, AAAA, MX, TXT, missing names, answers cut short and asked for again by TCP",
		Recorded:    "the server's interface, both directions",
	},
	{
		Name: "vlan", File: "vlan.pcap.gz", Packets: 1756,
		Description: "VLAN 10, VLAN 20 with priority 5, VLAN 30 in an 802.1ad tag 100 (QinQ); web, DNS, ssh, ping, fragments",
		Recorded:    "the router's trunk port, both directions",
	},
	{
		Name: "ipv6", File: "ipv6.pcapng.zst", Packets: 1561,
		Description: "IPv6 alone: web, DNS, NTP, iperf3, ssh, neighbour discovery, extension headers, fragments, scans",
		Recorded:    "what arrived at three of the router's ports, as pcapng with an interface for each",
	},
	{
		Name: "bulk", File: "bulk.pcap.gz", Packets: 5440,
		Description: "iperf3: few flows with many full packets, TCP both ways and UDP, IPv4 and IPv6",
		Recorded:    "the server's interface, both directions",
	},
}

// Open returns the bytes of the capture called name.
func Open(name string) (io.Reader, error) {
	for _, s := range List {
		if s.Name == name {
			b, err := files.ReadFile(s.File)
			if err != nil {
				return nil, err
			}
			return bytes.NewReader(b), nil
		}
	}
	return nil, fmt.Errorf("sample capture %q: not one of %s", name, strings.Join(Names(), ", "))
}

// Names returns the names of all samples in List's order.
func Names() []string {
	var names []string
	for _, s := range List {
		names = append(names, s.Name)
	}
	return names
}
