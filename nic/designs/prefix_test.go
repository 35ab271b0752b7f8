package designs

import (
	"testing"

	"jitnic/host/hosttest/lab"
	"jitnic/host/vm"
	"jitnic/nic/device"
	"jitnic/nic/workload"
)

func TestStateless(t *testing.T) {
	for _, tt := range []struct {
		name, text  string
		insns, want uint32  // executed, before state
		share       float64 // estimated; 1: no state
	}{
		{"no state", lab.Load + `+2
			r5 = *(u8 *)(r6 +14)
			if r5 == 9 goto +0` + lab.Exit, 10, 10, 1},
		{"writing the packet is none", lab.Load + `+2
			r5 = 7
			*(u8 *)(r6 +14) = r5` + lab.Exit, 10, 10, 1},
		{"nor is bpf_redirect", lab.Load + `+3
			r1 = 7
			r2 = 0
			call redirect#23
			exit` + lab.Exit, 10, 10, 1},
		// 6 instructions, and 2 that set up the key before the map is named.
		// Of the trace r0 and the length's predicate come before the call.
		{"a look-up is", lab.Load + `+6
			*(u32 *)(r10 -4) = 0
			r1 = map[flows]
			r2 = r10
			r2 += -4
			call map_lookup_elem#1
			if r0 != 0 goto +0` + lab.Exit, 14, 10, 0.5},
		{"so is a counter", lab.Load + `+4
			r1 = map[counts] +0
			r2 = 1
			lock *(u64 *)(r1 +0) += r2` + lab.Exit, 11, 8, 0.5},
		{"and the time", lab.Load + `+1
			call ktime_get_ns#5
			if r0 == 0 goto +0` + lab.Exit, 10, 6, 0.5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := lab.New(t, tt.text)
			var rec vm.Recording
			var out vm.Output
			l.Compiler.Before()
			l.Interp.RunRecorded(&vm.Input{Data: lab.IPv4(0)}, &out, &rec)
			if out.Err != nil {
				t.Fatal(out.Err)
			}
			if n := len(rec.Steps); uint32(n) != tt.insns {
				t.Errorf("%d instructions, want %d", n, tt.insns)
			}
			if n := Stateless(&rec, l.Compiler.Obj, l.State); n != tt.want {
				t.Errorf("%d before state, want %d", n, tt.want)
			}
			p := l.Compiler.Compile(&rec, 64, out.Err)
			if p.Abort != nil {
				t.Fatal(p.Abort)
			}
			s := &Setting{W: &workload.Workload{Compiler: l.Compiler}}
			share := s.stateless(&workload.Path{Raw: p.Trace, Cond: p.Cond}).share()
			if (share == 1) != (tt.share == 1) || share <= 0 || share > 1 {
				t.Errorf("estimate %v, want about %v", share, tt.share)
			}
		})
	}
}

// Two paths that part before state are two entries of the static table; two that
// part at a look-up are one.
func TestWarpEntries(t *testing.T) {
	l := lab.New(t, lab.Load+`+10
		r5 = *(u8 *)(r6 +14)
		if r5 == 9 goto +8
		r5 = *(u32 *)(r6 +26)
		*(u32 *)(r10 -4) = r5
		r1 = map[flows]
		r2 = r10
		r2 += -4
		call map_lookup_elem#1
		if r0 != 0 goto +1`+lab.Exit+"\n r0 = 2\n exit")
	s := hand(nil, nil)
	s.W.Compiler = l.Compiler
	other := lab.IPv4(0)
	other[14] = 9
	add := func(packet []byte) {
		p := l.Run(packet)
		s.W.Paths = append(s.W.Paths, workload.Path{Raw: p.Trace, Cond: p.Cond, Packets: 1})
		s.In.Paths = append(s.In.Paths, device.Path{Match: 1, Exec: 1})
		n := int32(len(s.W.Paths) - 1)
		s.W.Shapes = append(s.W.Shapes, workload.Shape{Insns: uint32(p.Trace.Raw)})
		s.W.Packets = append(s.W.Packets, workload.Packet{Path: n, Shape: uint32(n) + 1})
		s.W.Time = append(s.W.Time, int64(n))
		s.In.Packets = append(s.In.Packets, device.Packet{Path: n, Host: 50_000})
	}
	add(lab.IPv4(0)) // no entry
	add(other)       // parts before it
	if e := l.State.Maps[0].Update(lab.IPv4(0)[26:30], make([]byte, 8), 0, 0); e != 0 {
		t.Fatal(e)
	}
	add(lab.IPv4(0)) // an entry
	r := run(t, s, "warp")
	if r.Entries != 2 || r.Hits != 1 || r.Part != 2 || r.Packets != 3 {
		t.Errorf("%d entries, %d hits, %d halved of %d; want 2, 1, 2 of 3", r.Entries, r.Hits, r.Part, r.Packets)
	}
}
