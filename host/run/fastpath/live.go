package fastpath

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"jitnic/host/ebpf"
	"jitnic/host/kernel"
	"jitnic/host/kernel/netns"
	"jitnic/host/kernel/pair"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/nic/fastpath"

	cilium "github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Live is what came of attaching original and fast path to devices and sending
// the captures' frames through them.
type Live struct {
	Sent     uint64 // frames, to each
	Skipped  uint64 // longer than a device's MTU
	Passed   uint64 // of the original: to the stack,
	Returned uint64 // back where they came from,
	Sideways uint64 // and out of another device
	Compared string // "" where nothing differs; else the first difference
	Unsteady bool   // two originals differ from each other: nothing can be said
	// Loose are bytes of frames, by where these went, in which two originals differ:
	// the program leaves there what the memory held. They are not compared.
	Loose    []string
	Counters []uint64
	Maps     pair.Outcome // what the maps of original and fast path hold afterwards
	Notes    []string
	Talk     *Talk // of live hosts
	Again    *Verdict
}

// A side is a program on a device of its own: frames sent into near come to the
// program on far; what it passes is heard on far, what it sends back on near,
// and what it redirects on beyond, the other end of out.
type side struct {
	near, far, out, beyond int // devices
	prog                   *kernel.Prog
	send                   int
	ears                   [3]int // sockets that hear far, near and beyond
	heard                  [3][]byte
	deliver                func(frame []byte) // where set, what comes out is handed on
	count                  [3]uint64
	open                   []io.Closer
}

// liveMTU is what a veth pair takes with a program that knows no fragments.
const liveMTU = 3400

// Live attaches the original, the original again, and the fast path each to a
// veth pair in a network namespace of its own that has no name, and sends frames
// through all three: the captures' or, with rounds of them, those of live clients
// and servers, which get what the fast path passes; their frames are then judged
// again as a capture is. Nothing is pinned: all of it ends with this process,
// however it ends.
func (p *Plan) Live(ctx context.Context, rounds int) (*Live, error) {
	if err := netns.HasIP(); err != nil {
		return nil, fmt.Errorf("live: %w: the test run (without --live) still works", err)
	}
	cpu, err := kernel.CPU()
	if err != nil {
		return nil, err
	}
	counted, err := p.object(true)
	if err != nil {
		return nil, err
	}
	l := &Live{}
	var h *hosts
	err = kernel.Isolated(cpu, func() error {
		if err := netns.Unshare(); err != nil { // Isolated goes on without
			return fmt.Errorf("%w: the test run (without --live) still works", err)
		}
		quietIPv6()
		if rounds == 0 {
			return p.live(ctx, l, counted, p.captured)
		}
		if h, err = startHosts(ctx, rounds); err != nil {
			return err
		}
		return errors.Join(p.live(ctx, l, counted, h.speak), h.close())
	})
	if err != nil {
		return nil, fmt.Errorf("live: %w", err)
	}
	if h != nil {
		defer h.file.Close()
		l.Talk = &h.Talk
		q := p.recorded(h)
		q.Built = counted
		if l.Again, err = q.Judge(ctx, true); err != nil {
			return nil, fmt.Errorf("live: %w", err)
		}
	}
	return l, nil
}

// speaker sends frames, one at a time, through all sides.
type speaker func(ctx context.Context, sides []*side, send func(frame []byte) error) error

// captured sends those of the captures.
func (p *Plan) captured(ctx context.Context, sides []*side, send func(frame []byte) error) error {
	n := 0
	return p.each(ctx, func(pkt *vm.Input) error {
		if n++; n%32 == 0 {
			for _, s := range sides {
				s.hear(0)
			}
		}
		return send(pkt.Data)
	})
}

// speak sends those of live hosts, until the client has no more to say.
func (h *hosts) speak(ctx context.Context, sides []*side, send func(frame []byte) error) error {
	last := sides[len(sides)-1]
	last.deliver = h.deliver
	defer func() { last.deliver = nil }()
	buf := make([]byte, liveMTU+64)
	fds := []unix.PollFd{{Fd: int32(last.ears[0]), Events: unix.POLLIN}, {Fd: int32(last.ears[1]), Events: unix.POLLIN}, {Fd: int32(last.ears[2]), Events: unix.POLLIN}}
	for _, n := range h.nics {
		fds = append(fds, unix.PollFd{Fd: int32(n.fd), Events: unix.POLLIN})
	}
	for {
		select {
		case err := <-h.finished:
			return err
		default:
		}
		if _, err := unix.Poll(fds, 20); err != nil && err != unix.EINTR {
			return err
		}
		for range 64 {
			f, err := h.next(buf)
			if err != nil {
				return err
			}
			if f == nil {
				break
			}
			if err := send(f); err != nil {
				return err
			}
		}
		for _, s := range sides {
			s.take()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (p *Plan) live(ctx context.Context, l *Live, counted *fastpath.Built, speak speaker) error {
	filled, err := p.Session.Machine(p.Session.Obj, p.Session.Entry)
	if err != nil {
		return err
	}
	defer filled.S.Close()
	var sides [3]*side
	noted := map[string]bool{}
	note := func(s string) {
		if !noted[s] {
			noted[s] = true
			l.Notes = append(l.Notes, s)
		}
	}
	for i := range sides {
		obj, entry := p.Session.Obj, p.Session.Entry
		if i == 2 {
			obj, entry = counted.Object, counted.Program
		}
		s, err := newSide(ctx, i, obj, entry, filled.S, p.Session.Obj, note)
		if s != nil {
			defer s.close()
		}
		if err != nil {
			return err
		}
		sides[i] = s
	}
	err = speak(ctx, sides[:], func(frame []byte) error {
		if len(frame) > liveMTU || len(frame) < 14 {
			l.Skipped++
			return nil
		}
		for _, s := range sides {
			if _, err := unix.Write(s.send, frame); err != nil {
				return fmt.Errorf("send a frame of %d bytes: %w", len(frame), err)
			}
		}
		l.Sent++
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, s := range sides {
		s.hear(100 * time.Millisecond)
	}
	l.Passed, l.Returned, l.Sideways = sides[0].count[0], sides[0].count[1], sides[0].count[2]
	var loose [3]loose
	l.Unsteady = sides[0].differs(sides[1], func(ear, at int) bool { loose[ear].add(at); return true }) != ""
	l.Compared = sides[0].differs(sides[2], func(ear, at int) bool { return loose[ear].has(at) })
	for ear, x := range loose {
		if len(x) > 0 {
			l.Loose = append(l.Loose, fmt.Sprintf("bytes %s of frames that went %s", x, earNames[ear]))
		}
	}
	l.Counters = kernelCounters(counted, sides[2].prog.Maps)
	if err := pair.Maps(ctx, &l.Maps, sides[0].prog.Maps, sides[1].prog.Maps, sides[2].prog.Maps); err != nil {
		return err
	}
	if l.Compared == "" {
		l.Compared = l.Maps.Reason
	}
	return nil
}

// quietIPv6 keeps new devices of the thread's network namespace from speaking up.
func quietIPv6() {
	for _, f := range []string{"all", "default"} { // where there is no IPv6 there is nothing to switch off
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+f+"/disable_ipv6", []byte("1"), 0)
	}
}

// newSide makes the devices of one program and attaches it.
func newSide(ctx context.Context, i int, obj *loader.Object, entry *loader.Program, filled *vm.State, of *loader.Object, note func(string)) (*side, error) {
	name := func(what string) string { return fmt.Sprintf("jit%s%d", what, i) }
	for _, pair := range [][2]string{{"near", "far"}, {"out", "end"}} {
		if err := netns.IP("link", "add", name(pair[0]), "mtu", fmt.Sprint(liveMTU), "type", "veth", "peer", "name", name(pair[1]), "mtu", fmt.Sprint(liveMTU)); err != nil {
			return nil, err
		}
	}
	s := &side{send: -1, ears: [3]int{-1, -1, -1}}
	for _, d := range []struct {
		name string
		at   *int
	}{{"near", &s.near}, {"far", &s.far}, {"out", &s.out}, {"end", &s.beyond}} {
		if err := netns.IP("link", "set", "dev", name(d.name), "promisc", "on", "up"); err != nil {
			return s, err
		}
		index, err := netns.Index(name(d.name))
		if err != nil {
			return s, err
		}
		*d.at = index
	}
	k, err := kernel.Load(obj, entry, kernel.Options{Context: ctx})
	if err != nil {
		return s, err
	}
	s.open = append(s.open, k, k.Maps)
	s.prog = k
	if err := Pour(filled, of, k.Maps, s.out, note); err != nil {
		return s, err
	}
	// A veth device takes what is sent back or redirected only where its peer
	// has a program, too.
	pass, err := kernel.LoadRaw(kernel.Raw{Name: "pass", Type: cilium.XDP, Insns: []ebpf.Insn{
		{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcK, Imm: vm.XDPPass}, {Op: ebpf.OpExit}}}, &kernel.Maps{}, kernel.Options{})
	if err != nil {
		return s, err
	}
	s.open = append(s.open, pass)
	for _, a := range []struct {
		prog *kernel.Prog
		to   int
	}{{pass, s.near}, {pass, s.beyond}, {k, s.far}} {
		c, err := a.prog.Attach(a.to)
		if err != nil {
			return s, err
		}
		s.open = append(s.open, c)
	}
	if s.send, err = listen(s.near, false); err != nil {
		return s, err
	}
	for n, dev := range []int{s.far, s.near, s.beyond} {
		if s.ears[n], err = listen(dev, true); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *side) close() {
	for _, fd := range append(s.ears[:], s.send) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	for i := len(s.open) - 1; i >= 0; i-- {
		s.open[i].Close()
	}
}

// listen opens a packet socket on a device: to hear what comes in, or to send.
func listen(dev int, hear bool) (int, error) {
	proto := uint16(0)
	if hear {
		proto = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(proto))
	if err != nil {
		return -1, fmt.Errorf("a packet socket: %w", err)
	}
	fail := func(err error) (int, error) { unix.Close(fd); return -1, fmt.Errorf("a packet socket: %w", err) }
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto, Ifindex: dev}); err != nil {
		return fail(err)
	}
	if !hear {
		return fd, unix.SetNonblock(fd, false)
	}
	const ignoreOutgoing = 23 // PACKET_IGNORE_OUTGOING, uapi/linux/if_packet.h
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, ignoreOutgoing, 1); err != nil {
		return fail(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return fail(err)
	}
	return fd, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20)
}

// receive takes a frame that has come in, if there is one, into b, which must have
// room for a tag more: the kernel takes an outer VLAN tag off, and tells it aside.
func receive(fd int, b []byte) ([]byte, bool) {
	var oob [64]byte
	n, oobn, _, _, err := unix.Recvmsg(fd, b[4:], oob[:], 0)
	if err != nil || n < 14 {
		return nil, false
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return b[4 : 4+n], true
	}
	for _, m := range msgs {
		// struct tpacket_auxdata of uapi/linux/if_packet.h: status at 0, TCI at 16, type at 18
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
			continue
		}
		status, tci, typ := binary.NativeEndian.Uint32(m.Data), binary.NativeEndian.Uint16(m.Data[16:]), uint16(unix.ETH_P_8021Q)
		if status&unix.TP_STATUS_VLAN_VALID == 0 {
			continue
		}
		if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			typ = binary.NativeEndian.Uint16(m.Data[18:])
		}
		copy(b, b[4:16])
		binary.BigEndian.PutUint16(b[12:], typ)
		binary.BigEndian.PutUint16(b[14:], tci)
		return b[:4+n], true
	}
	return b[4 : 4+n], true
}

// hear takes what has come in, until nothing came for a while.
func (s *side) hear(patience time.Duration) {
	for quiet := time.Now(); ; {
		if s.take() {
			quiet = time.Now()
		}
		if time.Since(quiet) >= patience {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// take takes what has come in by now; false: nothing has.
func (s *side) take() (any bool) {
	var b [liveMTU + 64]byte
	for i, fd := range s.ears {
		for {
			f, ok := receive(fd, b[:])
			if !ok {
				break
			}
			any = true
			s.count[i]++
			s.heard[i] = binary.LittleEndian.AppendUint32(s.heard[i], uint32(len(f)))
			s.heard[i] = append(s.heard[i], f...)
			if s.deliver != nil {
				s.deliver(f)
			}
		}
	}
	return any
}

var earNames = [3]string{"to the stack", "back", "out of another device"}

// loose are places in frames whose bytes aren't compared, in order.
type loose []int

func (l *loose) add(at int) {
	if i, ok := slices.BinarySearch(*l, at); !ok {
		*l = slices.Insert(*l, i, at)
	}
}

func (l loose) has(at int) bool {
	_, ok := slices.BinarySearch(l, at)
	return ok
}

// String is "18, 19, 24".
func (l loose) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(l)), " ", ", "), "[]")
}

// mostLoose is how many bytes a frame may have that are nobody's: more are no
// header that was left half written, but another frame.
const mostLoose = 64

// differs says where two sides heard something else, in the order it came. Of a
// byte that differs in frames of one length may has the last word.
func (s *side) differs(o *side, may func(ear, at int) bool) string {
	for i := range s.heard {
		a, b := s.heard[i], o.heard[i]
		for n := 1; len(a) > 0 || len(b) > 0; n++ {
			x, y := frame(&a), frame(&b)
			same := len(x) == len(y)
			for at, k := 0, 0; same && at < len(x); at++ {
				if x[at] != y[at] {
					k++
					same = k <= mostLoose && may(i, at)
				}
			}
			if !same {
				return fmt.Sprintf("frame %d that went %s: %d bytes %x, want %d bytes %x", n, earNames[i], len(y), y[:min(len(y), 64)], len(x), x[:min(len(x), 64)])
			}
		}
	}
	return ""
}

// frame takes the next one; nil where there is none.
func frame(b *[]byte) []byte {
	if len(*b) < 4 {
		return nil
	}
	n := binary.LittleEndian.Uint32(*b)
	f := (*b)[4 : 4+n]
	*b = (*b)[4+n:]
	return f
}

// kernelCounters reads a fast path's counters in the kernel.
func kernelCounters(b *fastpath.Built, ms *kernel.Maps) []uint64 {
	for i := range ms.Len() {
		m := ms.Map(i)
		if m.Spec.Name != fastpath.CounterName {
			continue
		}
		out := make([]uint64, len(b.Leaves)+1)
		for k := range out {
			v, err := m.Lookup(binary.LittleEndian.AppendUint32(nil, uint32(k)))
			if err != nil {
				return nil
			}
			for j := 0; j+8 <= len(v); j += 8 {
				out[k] += binary.LittleEndian.Uint64(v[j:])
			}
		}
		return out
	}
	return nil
}
