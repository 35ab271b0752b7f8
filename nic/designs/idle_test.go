package designs

import (
	"slices"
	"testing"

	"jitnic/nic/device"
	"jitnic/nic/profile"
	"jitnic/nic/workload"

	"pgregory.net/rapid"
)

// cut makes a setting's paths segments, and has its packets take paths of some of
// them.
func cut(t *rapid.T, s *Setting) {
	s.In.Segments, s.W.Segments = s.In.Paths, s.W.Paths
	ways := rapid.IntRange(1, 5).Draw(t, "ways")
	s.In.Paths, s.W.Paths = make([]device.Path, ways), make([]workload.Path, ways)
	small := rapid.Uint32Range(1, 50)
	for w := range ways {
		d := &s.In.Paths[w]
		*d = device.Path{Match: small.Draw(t, "match"), Exec: small.Draw(t, "exec"), Reads: rapid.Uint16Range(0, 3).Draw(t, "reads"), Refused: rapid.IntRange(0, 5).Draw(t, "refused") == 0}
		accesses := uint16(0)
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			seg := rapid.IntRange(0, len(s.In.Segments)-1).Draw(t, "segment")
			if slices.ContainsFunc(d.Parts, func(p device.Part) bool { return p.Segment == uint32(seg) }) {
				continue
			}
			d.Parts = append(d.Parts, device.Part{Segment: uint32(seg), Fail: small.Draw(t, "fail"), Accesses: accesses})
			s.W.Paths[w].Parts = append(s.W.Paths[w].Parts, workload.Part{Segment: int32(seg)})
			accesses = rapid.Uint16Range(accesses, d.Reads).Draw(t, "accesses")
		}
	}
	for i := range s.In.Packets {
		q := &s.In.Packets[i]
		q.N = 0
		if q.Path = int32(rapid.IntRange(-1, ways-1).Draw(t, "way")); q.Path >= 0 {
			q.N = s.In.Paths[q.Path].Reads
		}
		s.W.Packets[i].Path = q.Path
	}
}

// At one packet a second nothing waits, and installs are done before the next
// packet comes: nic/device then hits what the design hits, and takes as long as
// Latency says.
func TestIdleDevice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := workloads(true).Draw(t, "workload")
		if len(s.In.Packets) == 0 {
			return
		}
		s.NIC.IngressQueue, s.NIC.EgressQueue, s.NIC.Units, s.NIC.UnitQueue, s.NIC.InstallQueue = 8, 8, 1, 8, 1000
		s.NIC.PCIeTLP, s.NIC.PCIePayload, s.NIC.PCIeDesc = 20, 256, 16
		s.NIC.Memory = rapid.SampledFrom([]profile.MemoryModel{profile.MemShared, profile.MemNIC, profile.MemHost}).Draw(t, "memory")
		s.Host.Cores, s.Host.Queue, s.Host.Compilers, s.Host.CompileQueue = 1, 8, 1, 1000
		s.In.Entries = 1
		for p := range s.In.Paths {
			s.In.Paths[p].Reads = rapid.Uint16Range(0, 3).Draw(t, "reads")
		}
		// A path's accesses are the same for all its packets.
		s.In.Accesses = make([]device.Access, 3)
		for i := range s.In.Packets {
			q := &s.In.Packets[i]
			q.Fate = rapid.SampledFrom([]device.Fate{device.Drop, device.Wire, device.Up}).Draw(t, "fate")
			q.Len = rapid.Uint16Range(14, 1500).Draw(t, "len")
			if q.Path >= 0 {
				q.N = s.In.Paths[q.Path].Reads
			}
		}
		names := Names()
		if rapid.Bool().Draw(t, "segments") {
			cut(t, s)
			names = []string{"trace", "hxdp"}
		}
		s.Program = func(shape uint32) (uint32, bool) { return shape, shape%3 != 1 }
		s.Prefix = rapid.SliceOfN(rapid.Uint32Range(0, 9), len(s.W.Shapes), len(s.W.Shapes)).Draw(t, "prefix")
		for _, name := range names {
			r := mustRun(t, s, name)
			d, err := device.Run(r.Input, s.NIC, s.Host, device.Load{Rate: 1}, device.Options{Cache: r.Cache})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if d.Outcome[0] != r.Hits+r.Wrong || d.Cache.Installed != r.Installs {
				t.Fatalf("%s: device hits %d and installs %d, design %d and %d", name, d.Outcome[0], d.Cache.Installed, r.Hits+r.Wrong, r.Installs)
			}
			// An entry stands for the mean of its packets where they differ, in
			// whole reads; the device rounds each transfer up to a ps. The message
			// that takes a trace out is on PCIe, 27 ns, when the next packet may
			// want to read a map there.
			wait := 27 * float64(d.Compile.Dropped) / float64(len(r.Input.Packets))
			if got := d.Latency.Mean / 1e3; got < r.Latency-0.01 || got > r.Latency+wait+0.01 {
				t.Fatalf("%s: device takes %v ns, design says %v", name, got, r.Latency)
			}
		}
	})
}
