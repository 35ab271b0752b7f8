package fastpath

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"jitnic/host/kernel/netns"
	"jitnic/host/run/replay"
	"jitnic/pcaps"

	"golang.org/x/sys/unix"
)

// Talk is what the clients of Hosts brought about.
type Talk struct {
	HTTP, DNS, Pings    int // transfers that came whole, questions answered, echoes returned
	NoHTTP, NoDNS, Lost int // and those that were not: the program may drop them, or send them elsewhere
	V4, V6, VLAN        uint64
	Tunnels             uint64 // frames that a balancer wrapped, unwrapped for the server
}

// A nic is one TAP device of a host: what its kernel sends comes out of fd, as a
// frame with right checksums.
type nic struct {
	fd   int
	mac  [6]byte
	vlan uint16 // the wire puts this tag around; 0: none
	mine []netip.Prefix
	to   []netip.Addr // where the others are
}

// The hosts: a client and a server, each in a network namespace of its own that
// has no name, each with a device of its own for VLAN 10. The addresses are those
// that the sample programs have in their maps; .10 and ::10 are virtual ones.
var hostPlan = [2][]nic{
	{{mac: [6]byte{2, 0, 10, 0, 0, 2}, mine: prefixes("10.1.0.11/32", "fd00:0:0:1::11/128"), to: addrs("192.0.2.10", "192.0.2.20", "fd00::10", "fd00::20")},
		{mac: [6]byte{2, 0, 10, 10, 0, 2}, vlan: 10, mine: prefixes("10.10.0.2/32", "fd00:0:0:10::2/128"), to: addrs("192.0.2.30", "fd00::30")}},
	{{mac: [6]byte{2, 0, 192, 0, 2, 2}, mine: prefixes("192.0.2.10/32", "192.0.2.20/32", "fd00::10/128", "fd00::20/128"), to: addrs("10.1.0.11", "fd00:0:0:1::11")},
		{mac: [6]byte{2, 0, 192, 10, 2, 2}, vlan: 10, mine: prefixes("192.0.2.30/32", "fd00::30/128"), to: addrs("10.10.0.2", "fd00:0:0:10::2")}},
}

func prefixes(s ...string) (out []netip.Prefix) {
	for _, x := range s {
		out = append(out, netip.MustParsePrefix(x))
	}
	return out
}

func addrs(s ...string) (out []netip.Addr) {
	for _, x := range s {
		out = append(out, netip.MustParseAddr(x))
	}
	return out
}

// attach makes a host's devices in the thread's network namespace.
func attach(nics []nic, others []nic) error {
	if err := netns.IP("link", "set", "dev", "lo", "up"); err != nil {
		return err
	}
	for _, f := range []string{"all", "default"} {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+f+"/accept_dad", []byte("0"), 0)
		_ = os.WriteFile("/proc/sys/net/ipv4/conf/"+f+"/rp_filter", []byte("0"), 0)
	}
	for i := range nics {
		n := &nics[i]
		name := fmt.Sprintf("tap%d", i)
		var err error
		if n.fd, _, err = netns.TAP(name); err != nil {
			return fmt.Errorf("clients' and servers' devices: %w: --live=captures still works", err)
		}
		mac := net.HardwareAddr(n.mac[:]).String()
		if err := netns.IP("link", "set", "dev", name, "address", mac, "mtu", "1500", "up"); err != nil {
			return err
		}
		for _, a := range n.mine {
			add := []string{"addr", "add", a.String(), "dev", name}
			if a.Addr().Is6() {
				add = append(add, "nodad")
			}
			if err := netns.IP(add...); err != nil {
				return err
			}
		}
		for _, a := range n.to {
			family, bits := "-4", "/32"
			src := n.mine[0].Addr()
			if a.Is6() {
				family, bits = "-6", "/128"
				src = firstV6(n.mine)
			}
			if err := netns.IP(family, "route", "add", a.String()+bits, "dev", name, "src", src.String()); err != nil {
				return err
			}
			if a.Is6() { // no solicitation goes through a program that knows nothing of it
				if err := netns.IP("-6", "neigh", "add", a.String(), "lladdr", net.HardwareAddr(others[i].mac[:]).String(), "dev", name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func firstV6(ps []netip.Prefix) netip.Addr {
	for _, p := range ps {
		if p.Addr().Is6() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// Ports of the servers.
const (
	portHTTP = 80
	portDNS  = 53
)

// serve answers HTTP with as many bytes as the path says, and questions with
// themselves and an answer, until stop is closed. Sockets are made on the thread.
func serve(nics []nic, stop <-chan struct{}) error {
	var all sync.WaitGroup
	var open []io.Closer
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Path[1:])
		_, _ = w.Write(make([]byte, min(max(n, 0), 1<<20)))
	}), ReadTimeout: 5 * time.Second}
	var at []netip.Addr // answers come from where questions went, so each address has its socket
	for _, n := range nics {
		for _, p := range n.mine {
			at = append(at, p.Addr())
		}
	}
	for _, a := range at {
		l, err := net.Listen("tcp"+family(a), netip.AddrPortFrom(a, portHTTP).String())
		if err != nil {
			return err
		}
		u, err := net.ListenPacket("udp"+family(a), netip.AddrPortFrom(a, portDNS).String())
		if err != nil {
			return err
		}
		open = append(open, u)
		all.Add(2)
		go func() { defer all.Done(); _ = h.Serve(l) }()
		go func() { defer all.Done(); answer(u) }()
	}
	<-stop
	_ = h.Close()
	for _, c := range open {
		c.Close()
	}
	all.Wait()
	return nil
}

// answer sends questions back as answers, until its socket is closed.
func answer(u net.PacketConn) {
	var b [512]byte
	for {
		n, from, err := u.ReadFrom(b[:])
		if err != nil {
			return
		}
		if n >= 12 {
			b[2] |= 0x80 // an answer (RFC 1035, 4.1.1)
			_, _ = u.WriteTo(append(b[:n:n], make([]byte, 16)...), from)
		}
	}
}

// patience is how long a client waits for anything.
const patience = 150 * time.Millisecond

// talk has the client go through its servers, rounds times. Sockets are made on
// the thread.
func talk(ctx context.Context, nics []nic, rounds int, t *Talk) {
	for round := range rounds {
		for _, n := range nics {
			for _, a := range n.to {
				if ctx.Err() != nil {
					return
				}
				one(fetch(a, []int{100, 4000, 60000}[round%3]), &t.HTTP, &t.NoHTTP)
				for i := range 3 {
					one(ask(a, uint16(round*3+i)), &t.DNS, &t.NoDNS)
				}
				one(ping(a, uint16(round)), &t.Pings, &t.Lost)
			}
		}
	}
}

func one(err error, good, bad *int) {
	if err == nil {
		*good++
	} else {
		*bad++
	}
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "4"
	}
	return "6"
}

// fetch gets so many bytes by HTTP.
func fetch(a netip.Addr, size int) error {
	c, err := net.DialTimeout("tcp"+family(a), netip.AddrPortFrom(a, portHTTP).String(), patience)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(4 * patience))
	if _, err := fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n", size); err != nil {
		return err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if n, err := io.Copy(io.Discard, r.Body); err != nil || n != int64(size) {
		return fmt.Errorf("%d bytes of %d: %v", n, size, err)
	}
	return nil
}

// ask sends a question as DNS has them.
func ask(a netip.Addr, id uint16) error {
	c, err := net.DialTimeout("udp"+family(a), netip.AddrPortFrom(a, portDNS).String(), patience)
	if err != nil {
		return err
	}
	defer c.Close()
	q := binary.BigEndian.AppendUint16(nil, id)
	q = append(q, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	q = append(q, "\x07example\x03com\x00\x00\x01\x00\x01"...)
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(q); err != nil {
		return err
	}
	var b [512]byte
	if n, err := c.Read(b[:]); err != nil || n < 12 || binary.BigEndian.Uint16(b[:]) != id || b[2]&0x80 == 0 {
		return errors.New("no answer")
	}
	return nil
}

// ping sends an ICMP echo.
func ping(a netip.Addr, seq uint16) error {
	proto, request, reply := "ip4:icmp", byte(8), byte(0)
	if a.Is6() {
		proto, request, reply = "ip6:ipv6-icmp", 128, 129
	}
	c, err := net.Dial(proto, a.String())
	if err != nil {
		return err
	}
	defer c.Close()
	m := append([]byte{request, 0, 0, 0, 0x4a, 0x4e, byte(seq >> 8), byte(seq)}, "is anybody there?!"...)
	if a.Is4() { // of ICMPv6 the kernel makes the checksum
		var s uint32
		for i := 0; i < len(m); i += 2 {
			s += uint32(m[i])<<8 | uint32(m[i+1])
		}
		s = s>>16 + s&0xffff
		binary.BigEndian.PutUint16(m[2:], ^uint16(s+s>>16))
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(m); err != nil {
		return err
	}
	var b [512]byte
	for {
		n, err := c.Read(b[:])
		if err != nil {
			return err
		}
		got := b[:n]
		if a.Is4() && n > 20 { // of IPv4 its header comes too
			got = got[int(got[0]&0xf)*4:]
		}
		if len(got) >= 8 && got[0] == reply && binary.BigEndian.Uint16(got[6:]) == seq {
			return nil
		}
	}
}

// hosts are the running client and server, and the wire between them.
type hosts struct {
	nics     []nic // the client's, then the server's
	Talk     Talk
	finished chan error
	stop     chan struct{}
	served   chan error
	record   *pcaps.Writer
	file     *os.File
	start    time.Time
}

// startHosts brings both up and has the client begin.
func startHosts(ctx context.Context, rounds int) (*hosts, error) {
	h := &hosts{finished: make(chan error, 1), stop: make(chan struct{}), served: make(chan error, 1), start: time.Now()}
	client, server := append([]nic(nil), hostPlan[0]...), append([]nic(nil), hostPlan[1]...)
	ready := make(chan error)
	run := func(nics, others []nic, then func() error, end chan<- error) error {
		go func() {
			end <- netns.Thread(func() error {
				err := attach(nics, others)
				ready <- err
				if err != nil {
					return err
				}
				return then()
			})
		}()
		return <-ready
	}
	if err := run(server, client, func() error { return serve(server, h.stop) }, h.served); err != nil {
		return nil, err
	}
	begin := make(chan struct{})
	if err := run(client, server, func() error { <-begin; talk(ctx, client, rounds, &h.Talk); return nil }, h.finished); err != nil {
		close(h.stop)
		return nil, err
	}
	fd, err := unix.MemfdCreate("jitnic-live", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	h.file = os.NewFile(uintptr(fd), fmt.Sprintf("/proc/self/fd/%d", fd))
	if h.record, err = pcaps.NewWriter(h.file, pcaps.Format{}); err != nil {
		return nil, err
	}
	h.nics = append(client, server...)
	close(begin)
	return h, nil
}

// next gives the next frame that a host has sent, with its tag; nil: none is
// there now.
func (h *hosts) next(buf []byte) (frame []byte, err error) {
	for i := range h.nics {
		n := &h.nics[i]
		k, err := unix.Read(n.fd, buf[4:])
		if err != nil || k < 14 {
			continue
		}
		frame = buf[4 : 4+k]
		if n.vlan != 0 {
			copy(buf, buf[4:16])
			binary.BigEndian.PutUint16(buf[12:], unix.ETH_P_8021Q)
			binary.BigEndian.PutUint16(buf[14:], n.vlan)
			frame = buf[:4+k]
			h.Talk.VLAN++
		}
		switch typ := binary.BigEndian.Uint16(buf[16:]); typ { // where it stands whether a tag was put in or not
		case unix.ETH_P_IP:
			h.Talk.V4++
		case unix.ETH_P_IPV6:
			h.Talk.V6++
		}
		now := time.Now()
		return frame, h.record.Write(&pcaps.Packet{Data: frame, Len: uint32(len(frame)), TimeNS: now.UnixNano()})
	}
	return nil, nil
}

// deliver hands a frame that came out to the host it is for.
func (h *hosts) deliver(f []byte) {
	tag := uint16(0)
	if len(f) > 18 && binary.BigEndian.Uint16(f[12:]) == unix.ETH_P_8021Q {
		tag = binary.BigEndian.Uint16(f[14:]) & 0xfff
		f = append(append(make([]byte, 0, len(f)), f[:12]...), f[16:]...)
	}
	if in := inner(f); in != nil {
		h.Talk.Tunnels++
		n := &h.nics[len(hostPlan[0])] // the server's
		_, _ = unix.Write(n.fd, append(append(n.mac[:], f[6:12]...), in...))
		return
	}
	for i := range h.nics {
		n := &h.nics[i]
		if n.vlan == tag && ([6]byte(f[:6]) == n.mac || f[0]&1 != 0 && [6]byte(f[6:12]) != n.mac) {
			_, _ = unix.Write(n.fd, f)
		}
	}
}

// inner is what a load balancer has wrapped (IP in IP, or UDP to port 6080 with
// the packet behind it), from its EtherType on; nil: f is no such frame. Servers
// behind a balancer end the tunnel themselves and answer by themselves.
func inner(f []byte) []byte {
	typ, at, next := binary.BigEndian.Uint16(f[12:]), 14, byte(0)
	switch {
	case typ == unix.ETH_P_IP && len(f) > 34 && f[14] == 0x45:
		at, next = 34, f[23]
	case typ == unix.ETH_P_IPV6 && len(f) > 54:
		at, next = 54, f[20]
	}
	switch {
	case next == unix.IPPROTO_IPIP || next == unix.IPPROTO_IPV6:
	case next == unix.IPPROTO_UDP && len(f) > at+8 && binary.BigEndian.Uint16(f[at+2:]) == 6080:
		at += 8
	default:
		return nil
	}
	proto := uint16(unix.ETH_P_IP)
	if f[at]>>4 == 6 {
		proto = unix.ETH_P_IPV6
	}
	return append(binary.BigEndian.AppendUint16(nil, proto), f[at:]...)
}

// close ends both.
func (h *hosts) close() error {
	close(h.stop)
	err := errors.Join(<-h.served, h.record.Close())
	for _, n := range h.nics {
		unix.Close(n.fd)
	}
	return err
}

// recorded is a plan on what the hosts have sent.
func (p *Plan) recorded(h *hosts) *Plan {
	q, s := *p, *p.Session
	in := s.In
	s.In = replay.Input{Program: in.Program, Params: in.Params, Entry: in.Entry, BTF: in.BTF, Captures: []string{h.file.Name()}, Maps: in.Maps, FIB: in.FIB, CT: in.CT, Queues: in.Queues, Seed: in.Seed, Engine: in.Engine}
	q.Session = &s
	return &q
}
