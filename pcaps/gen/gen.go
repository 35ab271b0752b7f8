package gen

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"jitnic/pcaps"
	"jitnic/pcaps/splitmix"
)

// Locally administered addresses: the two ends of the link.
var (
	clientMAC = [6]byte{0x02, 0, 0, 0, 0, 0x01}
	serverMAC = [6]byte{0x02, 0, 0, 0, 0, 0x02}
)

// Generator makes the packets of a Spec one by one. It is not for concurrent
// use.
type Generator struct {
	// Progress, where set, is told now and then how many packets Write has written.
	Progress func(packets uint64)

	spec Spec
	// Three streams, so that neither the attack nor Poisson gaps change the
	// legitimate packets (with churn their order in time does).
	r, ar, tr rng

	i        uint64
	elapsed  float64 // Poisson: nanoseconds since the start
	pop      *sampler
	ids      []uint64 // live flows by popularity rank
	sent     []uint32 // packets of each so far
	nextID   uint64
	churn    float64 // flows that are due to be replaced
	from     uint64  // packets between which the attack goes on
	until    uint64
	shape    uint64 // the next one
	repeat   int    // burst: how often to send this one yet
	buf      [maxFrame]byte
	h        header
	tagShare [2]float64
}

var _ pcaps.Reader = (*Generator)(nil)

// New checks the spec and returns its generator.
func New(s Spec) (*Generator, error) {
	s, err := s.filled()
	if err != nil {
		return nil, err
	}
	g := &Generator{spec: s, r: rng(splitmix.Mix(s.Seed)), ar: rng(splitmix.Mix(s.Seed + 1)), tr: rng(splitmix.Mix(s.Seed + 2))}
	alpha := s.Alpha
	if s.Uniform {
		alpha = 0
	}
	g.pop = newZipf(s.Flows, alpha)
	g.ids = make([]uint64, s.Flows)
	g.sent = make([]uint32, s.Flows)
	for i := range g.ids {
		g.ids[i] = uint64(i)
	}
	g.nextID = uint64(s.Flows)
	g.tagShare = [2]float64{s.QinQ, s.QinQ + s.VLAN}
	if a := s.Attack; a != nil {
		g.from = uint64(a.From * float64(s.Packets))
		g.until = uint64(a.Until * float64(s.Packets))
	}
	return g, nil
}

// Spec returns the spec with all that was left out filled in.
func (g *Generator) Spec() Spec { return g.spec }

// Next makes the next packet, as pcaps.Source.Next reads one: io.EOF at the
// end, Data valid until the next call.
func (g *Generator) Next(pkt *pcaps.Packet) error {
	if g.i == g.spec.Packets {
		return io.EOF
	}
	pkt.TimeNS = g.time()
	pkt.KTimeNS = uint64(max(pkt.TimeNS, 1))
	for g.churn += g.spec.Churn / g.spec.RatePPS; g.churn >= 1; g.churn-- {
		slot := g.r.below(uint64(len(g.ids)))
		g.ids[slot], g.sent[slot] = g.nextID, 0
		g.nextID++
	}
	pkt.Label = pcaps.Legit
	if a := g.spec.Attack; a != nil && g.i >= g.from && g.i < g.until && g.ar.float() < a.Share {
		pkt.Label = pcaps.Attack
		pkt.Data = g.attack()
	} else {
		pkt.Data = g.legit()
	}
	pkt.Len = uint32(len(pkt.Data))
	pkt.Interface = uint32(pkt.Label - pcaps.Legit)
	pkt.File = 0
	pkt.Index = g.i
	g.i++
	pkt.Frame = g.i
	return nil
}

// Write writes all packets to w.
func (g *Generator) Write(ctx context.Context, w *pcaps.Writer) error {
	var pkt pcaps.Packet
	for {
		if g.i%4096 == 0 {
			if ctx.Err() != nil {
				return fmt.Errorf("traffic: packet %d: %w", g.i+1, ctx.Err())
			}
			if g.Progress != nil {
				g.Progress(g.i)
			}
		}
		if err := g.Next(&pkt); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := w.Write(&pkt); err != nil {
			return err
		}
	}
}

func (g *Generator) time() int64 {
	if !g.spec.Poisson {
		return g.spec.StartNS + int64(float64(g.i)*1e9/g.spec.RatePPS)
	}
	if g.i > 0 {
		g.elapsed -= float64(math.Log(1-g.tr.float()) * 1e9 / g.spec.RatePPS)
	}
	return g.spec.StartNS + int64(g.elapsed)
}

// size draws a frame size without check sequence.
func (g *Generator) size() int {
	if g.spec.Size != 0 {
		return g.spec.Size - 4
	}
	switch n := g.r.below(12); {
	case n < 7:
		return 60
	case n < 11:
		return 590
	}
	return 1514
}

// legit makes the next packet of a flow.
func (g *Generator) legit() []byte {
	slot := g.pop.draw(&g.r)
	nth := g.sent[slot]
	g.sent[slot]++
	size := g.size()
	g.flow(g.ids[slot], &g.h)
	h := &g.h
	reply := g.spec.Replies > 0 && nth > 0 && g.r.float() < g.spec.Replies
	switch h.proto {
	case tcp:
		// The handshake, then data with plausible numbers; no state machine.
		h.flags = psh | ack
		switch {
		case nth == 0:
			h.flags, size, reply = syn, minFrame, false
		case nth == 1 && g.spec.Replies > 0:
			h.flags, size, reply = syn|ack, minFrame, true
		case nth == 2 && g.spec.Replies > 0:
			h.flags, size, reply = ack, minFrame, false
		}
		if size == minFrame && h.flags == psh|ack {
			h.flags = ack
		}
		h.seq += nth * 1000
		if h.flags&ack != 0 {
			h.ack = ^h.seq
		}
	case icmp, icmp6:
		h.dport = uint16(nth)
		if reply {
			h.icmpType = 0
			if h.v6 {
				h.icmpType = 129
			}
		}
	}
	h.id = uint16(nth)
	if reply {
		h.smac, h.dmac = h.dmac, h.smac
		h.saddr, h.daddr = h.daddr, h.saddr
		if h.proto == tcp || h.proto == udp {
			h.sport, h.dport = h.dport, h.sport
		}
	}
	return build(g.buf[:], h, size)
}

// Ports that servers listen on, by weight.
var (
	tcpPorts = [16]uint16{443, 443, 443, 443, 443, 443, 443, 80, 80, 80, 80, 22, 25, 8080, 3306, 53}
	udpPorts = [8]uint16{53, 53, 53, 443, 443, 123, 5060, 4789}
)

// flow writes flow number id into h; it depends on nothing but seed and spec.
func (g *Generator) flow(id uint64, h *header) {
	s := &g.spec
	r := rng(splitmix.Mix(s.Seed^0x666c6f77) + id*0x632be59bd9b4e019)
	*h = header{smac: clientMAC, dmac: serverMAC, ttl: 64}
	h.v6 = r.float() < s.IPv6
	switch v := r.float(); {
	case v < g.tagShare[0]:
		h.ntags = 2
		h.tags[0] = tag{0x88a8, 100 + uint16(r.below(uint64(s.VLANs)))}
		h.tags[1] = tag{0x8100, 100 + uint16(r.below(uint64(s.VLANs)))}
	case v < g.tagShare[1]:
		h.ntags = 1
		h.tags[0] = tag{0x8100, 100 + uint16(r.below(uint64(s.VLANs)))}
	}
	server := byte(1 + r.below(uint64(s.Servers)))
	client := r.next()
	if h.v6 {
		h.saddr = [16]byte{0xfd, 7: 1}
		binary.BigEndian.PutUint64(h.saddr[8:], client)
		h.daddr = [16]byte{0xfd, 7: 2, 15: server}
	} else {
		binary.BigEndian.PutUint32(h.saddr[:], 10<<24|uint32(client)>>8)
		copy(h.daddr[:], []byte{192, 0, 2, server})
	}
	h.sport = 1024 + uint16(r.below(65536-1024))
	h.seq = uint32(r.next())
	switch v := r.float(); {
	case v < s.UDP:
		h.proto = udp
		h.dport = udpPorts[r.below(uint64(len(udpPorts)))]
	case v < s.UDP+s.ICMP:
		h.proto, h.icmpType = icmp, 8
		if h.v6 {
			h.proto, h.icmpType = icmp6, 128
		}
	default:
		h.proto = tcp
		h.dport = tcpPorts[r.below(uint64(len(tcpPorts)))]
	}
}

// attack makes the next hostile packet.
func (g *Generator) attack() []byte {
	a := g.spec.Attack
	h := &g.h
	switch a.Kind {
	case "syn-flood":
		v := g.ar.next()
		*h = header{smac: clientMAC, dmac: serverMAC, ttl: 64, proto: tcp, flags: syn, dport: 80, id: uint16(v >> 48)}
		binary.BigEndian.PutUint32(h.saddr[:], 198<<24|18<<16|uint32(v)>>15) // 198.18.0.0/15
		copy(h.daddr[:], []byte{192, 0, 2, 1})
		h.sport = uint16(v >> 32)
		h.seq = uint32(g.ar.next())
		return build(g.buf[:], h, minFrame)
	case "thrash":
		size := shape(g.shape, h)
		if g.shape++; g.shape == a.Paths {
			g.shape = 0
		}
		return build(g.buf[:], h, size)
	case "burst":
		if g.repeat == 0 {
			g.shape++
			g.repeat = a.Min + int(g.ar.below(uint64(a.Max-a.Min+1)))
		}
		g.repeat--
		return build(g.buf[:], h, shape(g.shape-1, h))
	}
	size := shape(g.shape, h) // unique
	g.shape++
	return build(g.buf[:], h, size)
}
