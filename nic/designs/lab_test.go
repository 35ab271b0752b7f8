package designs

import (
	"jitnic/cache"
	"jitnic/nic/device"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// A hand-made setting: a cycle is a ns, PCIe moves a byte a ns, a read takes
// 500 ns, a posted write 200, a doorbell 100; an instruction of the host takes a
// ns, driver 30 and verdict 10.
func hand(paths []handPath, packets []handPacket) *Setting {
	s := &Setting{
		W: &workload.Workload{Program: "hand", Capture: "made"},
		NIC: &profile.NIC{Name: "test", Clock: 1_000_000, MatcherBase: 2, MatcherLanes: 1, LatHash: 3, Dispatch: 1, LatALU: 1,
			LatArray: 4, LatHelper: 1, Memory: profile.MemShared,
			PCIeRead: 500, PCIeWriteRead: 700, PCIeRate: 8000, Doorbell: 100, InstallBase: 10, InstallSlot: 1},
		Host:  &profile.Host{Name: "test", Driver: 30_000, Insn: 1000, Pass: 10_000},
		In:    &device.Input{},
		Cache: cache.Config{Policy: "lru", Entries: 64},
	}
	for i, p := range paths {
		s.W.Paths = append(s.W.Paths, workload.Path{Slots: p.slots, Mask: p.mask, Shape: uint32(i)})
		s.W.Shapes = append(s.W.Shapes, workload.Shape{Insns: p.insns})
		s.In.Paths = append(s.In.Paths, device.Path{Match: p.match, Exec: p.exec, Slots: p.slots, Cost: 1, Refused: p.refused})
	}
	s.W.Shapes = append(s.W.Shapes, workload.Shape{Insns: 50}) // of packets without a path
	for i, p := range packets {
		w := workload.Packet{Path: p.path, Abort: workload.None, Flow: p.flow, Len: 100, OutLen: 100, Shape: uint32(p.path), Fate: workload.Tx}
		if p.path < 0 {
			w.Abort, w.Shape = 0, uint32(len(paths))
		} else {
			s.W.Paths[p.path].Packets++
		}
		s.W.Packets = append(s.W.Packets, w)
		s.W.Time = append(s.W.Time, int64(i)*1e6) // a ms apart
		s.W.Mega = append(s.W.Mega, p.mega)
		s.In.Packets = append(s.In.Packets, device.Packet{Path: p.path, Flow: p.flow, Len: 100, OutLen: 100, Fate: device.Wire,
			Host: 10_000 + 1000*s.W.Shapes[w.Shape].Insns, Miss: 5})
	}
	return s
}

type handPath struct {
	match, exec, slots, insns uint32
	mask                      []uint16
	refused                   bool
}

type handPacket struct {
	path int32
	flow uint32
	mega uint64
}
