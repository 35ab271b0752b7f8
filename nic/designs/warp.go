package designs

import (
	"jitnic/nic/device"
	"jitnic/nic/workload"
)

// warp is a static match-action prefix, after eBPF program warping (Bonola and
// others, "Faster Software Packet Processing on FPGA NICs with eBPF Program
// Warping", USENIX ATC 2022): static analysis takes from the beginning of the
// program what a pipeline of matches and actions can do, which is done to every
// packet; the rest of the program goes on elsewhere with the registers and stack
// it would have. There the rest runs on an eBPF processor of the NIC; here on
// the host, as in jitnic. The prefix is the longest without state: it reads
// and writes packet, context and stack, but no map, and calls no helper but
// bpf_redirect. So maps stay on the host, whatever the memory model. Handing over
// registers and stack is free of charge.
type warp struct{}

func (warp) Name() string { return "warp" }
func (warp) Is() string {
	return "a static prefix without state runs on the NIC, the rest of the program on the host"
}

func (d warp) Run(s *Setting) (*Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := s.whole(d, "its table has the conditions of whole paths"); err != nil {
		return nil, err
	}
	w := s.W
	pre := s.prefixes()
	in := s.uncached(append([]device.Path(nil), s.In.Paths...))
	for p := range in.Paths {
		in.Paths[p].Reads, in.Paths[p].Writes = 0, 0
		in.Paths[p].Install, in.Paths[p].Compile, in.Paths[p].Bytes = 0, 0, 0
	}
	where := make([]place, len(w.Packets))
	part := make([]uint32, len(w.Packets))
	hits := make([]uint64, len(w.Paths))
	for i := range w.Packets {
		p, q := &w.Packets[i], &in.Packets[i]
		n := pre.of(s, i)
		q.Path = workload.None
		q.N = 0 // only the host uses maps, so they are there
		switch {
		case n == w.Shapes[p.Shape].Insns && s.path(i) >= 0:
			where[i] = onNIC
			q.Path = p.Path
			hits[p.Path]++
		case n > 0:
			where[i], part[i] = halved, n
			q.Host -= uint32(min(uint64(q.Host), uint64(n)*s.Host.Insn))
			if p.Path >= 0 {
				q.Miss = s.In.Paths[p.Path].Match // the same matches, done once for all
			}
		}
	}
	r := &Result{Design: d.Name(), Is: d.Is(), Cache: preinstalled}
	r.account(s, in, where, part, nil)
	r.counts()
	r.Need = static(hits, r.Packets)
	r.Entries = s.leaves(hits)
	r.Used = r.Entries
	for p, h := range hits {
		if h > 0 {
			r.Slots += uint64(s.In.Paths[p].Slots)
		}
	}
	return r, nil
}

// leaves counts the entries of the static table: the distinct ways through the
// prefix that packets take, whole paths and those that go on on the host, by
// the predicates that come before state.
func (s *Setting) leaves(hits []uint64) uint64 {
	ways := map[uint64]bool{}
	for p := range s.W.Paths {
		if s.W.Paths[p].Packets == 0 && hits[p] == 0 {
			continue
		}
		h := workload.MixSeed
		for _, pr := range s.W.Paths[p].Cond[:s.stateless(&s.W.Paths[p]).preds] {
			h = workload.Mix(h, uint64(pr.Term)<<1|bit(pr.Want))
		}
		ways[h] = true
	}
	return uint64(len(ways))
}

func bit(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// prefixes says how many of a packet's instructions the prefix covers.
type prefixes struct {
	shape []uint32  // exact, by shape
	share []float64 // else estimated, by path
}

func (s *Setting) prefixes() *prefixes {
	if s.Prefix != nil {
		return &prefixes{shape: s.Prefix}
	}
	f := &prefixes{share: make([]float64, len(s.W.Paths))}
	for p := range s.W.Paths {
		f.share[p] = s.stateless(&s.W.Paths[p]).share()
	}
	return f
}

func (f *prefixes) of(s *Setting, i int) uint32 {
	p := &s.W.Packets[i]
	insns := s.W.Shapes[p.Shape].Insns
	switch {
	case f.shape != nil:
		if int(p.Shape) < len(f.shape) {
			return min(f.shape[p.Shape], insns)
		}
	case p.Path >= 0:
		return uint32(f.share[p.Path] * float64(insns))
	}
	return 0
}
