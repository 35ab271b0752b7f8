package designs

import (
	"jitnic/nic/device"
	"jitnic/nic/profile"
)

// place is where a packet was decided.
type place uint8

const (
	onHost  place = iota // wholly on the host
	onNIC                // wholly on the NIC
	wrongly              // on the NIC, and not as the program would have it
	halved               // begun on the NIC, ended on the host
)

// account fills in what follows from where each packet ran: shares of work, host
// time, cycles and latency. part is by packet the instructions that the NIC took
// over of one that was halved; nil where none was.
func (r *Result) account(s *Setting, in *device.Input, where []place, part []uint32) {
	r.Packets, r.Input = uint64(len(where)), in
	var all, taken uint64     // instructions
	var alone, left uint64    // ps of host cores
	var cycles, latency total // of the device; of the packets
	for i, at := range where {
		p := &in.Packets[i]
		insns := uint64(s.W.Shapes[s.W.Packets[i].Shape].Insns)
		all += insns
		alone += uint64(s.In.Packets[i].Host)
		switch at {
		case onNIC:
			r.Hits++
			taken += insns
		case wrongly:
			r.Wrong++
		case halved:
			r.Part++
			taken += min(uint64(part[i]), insns)
		}
		var c, h uint64
		if at == onNIC || at == wrongly {
			q := &in.Paths[p.Path]
			c = uint64(q.Match) + uint64(q.Exec)
			if p.Fate == device.Up { // the stack has it all the same
				h = min(uint64(s.In.Packets[i].Host), s.Host.Driver+s.Host.Pass)
			}
			latency.add(s.hit(c, p, q))
		} else {
			c, h = uint64(p.Miss), uint64(p.Host)
			latency.add(s.miss(in, p))
		}
		left += h
		cycles.add(float64(c))
	}
	n := float64(len(where))
	if n == 0 {
		return
	}
	r.HitRatio = float64(r.Hits) / n
	r.Cycles, r.Latency = cycles.sum/n, latency.sum/n
	r.HostNS = float64(left) / 1e3 / n
	if all > 0 {
		r.WorkShare = float64(taken) / float64(all)
	}
	if alone > 0 {
		r.HostSaved = 1 - float64(left)/float64(alone)
	}
}

// total is a sum of many small numbers that doesn't lose them (Kahan).
type total struct{ sum, lost float64 }

func (t *total) add(v float64) {
	y := v - t.lost
	s := t.sum + y
	t.lost = (s - t.sum) - y
	t.sum = s
}

// Latency is, in ns and with every queue empty, from the packet's arrival to the
// end of its verdict, the wire left out as it is the same for all designs:
//
//	hit   match + exec, + reads × pcie.read where maps are on the host
//	      + up where the packet goes to the host's stack
//	miss  matcher + up + host time, + reads × pcie.read where maps are on the
//	      NIC, + pcie.read + bytes / pcie.rate where it leaves by the wire
//	up    (pcie.writeread − pcie.read) + bytes / pcie.rate + pcie.doorbell
//
// A posted write takes what a write and read takes longer than a read; a packet
// goes back by a DMA read of the NIC. Stores are posted and cost nothing here.
const Latency = "unloaded: matcher + executor, PCIe both ways and host time on a miss"

// hit is the latency of a packet that runs wholly on the device, in ns.
func (s *Setting) hit(cycles uint64, p *device.Packet, q *device.Path) float64 {
	t := float64(cycles) * 1e6 / float64(s.NIC.Clock)
	if s.NIC.Memory == profile.MemHost {
		t += float64(uint64(q.Reads) * s.NIC.PCIeRead)
	}
	if p.Fate == device.Up {
		t += s.up(p.Len)
	}
	return t
}

// miss is that of one that ends on the host.
func (s *Setting) miss(in *device.Input, p *device.Packet) float64 {
	t := float64(p.Miss)*1e6/float64(s.NIC.Clock) + s.up(p.Len) + float64(p.Host)/1e3
	if s.NIC.Memory == profile.MemNIC {
		for _, a := range in.Accesses[p.First : p.First+uint32(p.N)] {
			if !a.Write {
				t += float64(s.NIC.PCIeRead)
			}
		}
	}
	if p.Fate == device.Wire {
		t += float64(s.NIC.PCIeRead) + s.transfer(p.OutLen)
	}
	return t
}

func (s *Setting) up(bytes uint16) float64 {
	return float64(s.NIC.PCIeWriteRead-min(s.NIC.PCIeRead, s.NIC.PCIeWriteRead)) + s.transfer(bytes) + float64(s.NIC.Doorbell)
}

// transfer is how long that many bytes take over PCIe, in ns.
func (s *Setting) transfer(bytes uint16) float64 {
	if s.NIC.PCIeRate == 0 {
		return 0
	}
	return float64(bytes) * 8e3 / float64(s.NIC.PCIeRate)
}
