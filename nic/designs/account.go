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
// over of one that was halved; nil where none was. vain is by packet what the device
// spent on one whose first segments were in; nil: nothing.
func (r *Result) account(s *Setting, in *device.Input, where []place, part []uint32, vain []spent) {
	r.Packets, r.Input = uint64(len(where)), in
	var all, taken uint64     // instructions
	var alone, left uint64    // ps of host cores
	var cycles, latency total // of the device; of the packets
	for i, at := range where {
		p := &in.Packets[i]
		insns := uint64(s.W.Shapes[s.W.Packets[i].Shape].Insns)
		all += insns
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
		alone += s.Host.Driver + uint64(s.In.Packets[i].Host)
		var c, h uint64
		if at == onNIC || at == wrongly {
			q := &in.Paths[p.Path]
			c = uint64(q.Match) + uint64(q.Exec)
			if p.Fate == device.Up { // the verdict has been reached, the stack is left
				h = s.Host.Driver + s.Host.Pass
			}
			latency.add(s.hit(c, h, p, q))
		} else {
			var late float64
			if c = uint64(p.Miss); vain != nil && vain[i].cycles > 0 {
				c, late = uint64(vain[i].cycles), float64(uint64(vain[i].reads)*s.NIC.PCIeRead)
			}
			h = s.Host.Driver + uint64(p.Host) + 1000*s.stall(in, p)
			latency.add(s.miss(c, h, p) + late)
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
// end of its verdict; serialisation on the wire is left out, as it is the same
// for all designs. It is what nic/device gives at a vanishing rate on a wire
// without limit, but for copies of maps (the memory model "replicated"), whose
// messages it leaves out:
//
//	hit   match + exec, + reads × pcie.read where maps are on the host,
//	      + up + host.driver + verdict.pass where it goes to the host's stack
//	miss  match (of paths that are cut also the segments that were in) + up + host.driver + program and verdict on the host,
//	      + reads × pcie.read where maps are on the NIC,
//	      + pcie.read + bytes / pcie.rate where it leaves by the wire
//	up    (pcie.writeread − pcie.read) + bytes / pcie.rate + pcie.doorbell
//
// A posted write takes what a write and read takes longer than a read; a packet
// goes back by a DMA read of the NIC; bytes are with descriptor and the framing
// of TLPs. Stores are posted and cost nothing here.
const Latency = "unloaded: matcher + executor, PCIe both ways and host time on a miss"

// hit is the latency in ns of a packet that runs wholly on the device, and h ps
// on a core of the host afterwards.
func (s *Setting) hit(cycles, h uint64, p *device.Packet, q *device.Path) float64 {
	t := s.cycles(cycles)
	if s.NIC.Memory == profile.MemHost {
		t += float64(uint64(q.Reads) * s.NIC.PCIeRead)
	}
	if p.Fate == device.Up {
		t += s.up(p.Len) + float64(h)/1e3
	}
	return t
}

// miss is that of one that ends on the host, after h ps there.
func (s *Setting) miss(cycles, h uint64, p *device.Packet) float64 {
	t := s.cycles(cycles) + s.up(p.Len) + float64(h)/1e3
	if p.Fate == device.Wire {
		t += float64(s.NIC.PCIeRead) + s.transfer(p.OutLen)
	}
	return t
}

// stall is how long a core of the host waits for maps on the NIC, in ns.
func (s *Setting) stall(in *device.Input, p *device.Packet) uint64 {
	var t uint64
	if s.NIC.Memory == profile.MemNIC {
		for _, a := range in.Accesses[p.First : p.First+uint32(p.N)] {
			if !a.Write {
				t += s.NIC.PCIeRead
			}
		}
	}
	return t
}

func (s *Setting) cycles(n uint64) float64 { return float64(n) * 1e6 / float64(s.NIC.Clock) }

func (s *Setting) up(bytes uint16) float64 {
	return float64(s.NIC.PCIeWriteRead-min(s.NIC.PCIeRead, s.NIC.PCIeWriteRead)) + s.transfer(bytes) + float64(s.NIC.Doorbell)
}

// transfer is how long a packet and its descriptor take on PCIe, in ns.
func (s *Setting) transfer(bytes uint16) float64 {
	if s.NIC.PCIeRate == 0 {
		return 0
	}
	return float64(s.framed(uint64(bytes))+s.framed(s.NIC.PCIeDesc)) * 8e3 / float64(s.NIC.PCIeRate)
}

// framed is bytes with the headers of the TLPs they take.
func (s *Setting) framed(bytes uint64) uint64 {
	tlps := min(bytes, 1)
	if m := s.NIC.PCIePayload; m > 0 {
		tlps = (bytes + m - 1) / m
	}
	return bytes + tlps*s.NIC.PCIeTLP
}
