package vm

func ktime(s *State, r *[11]uint64) *Fault { r[0] = s.TimeNS; return nil }

func ktimeCoarse(s *State, r *[11]uint64) *Fault { r[0] = Coarse(s.TimeNS); return nil }

func jiffies(s *State, r *[11]uint64) *Fault { r[0] = Jiffies(s.TimeNS); return nil }

func cpuID(s *State, r *[11]uint64) *Fault { r[0] = uint64(s.CPU); return nil }

func numaNode(s *State, r *[11]uint64) *Fault { r[0] = uint64(s.Opt.Numa); return nil }

func prandom(s *State, r *[11]uint64) *Fault {
	r[0] = uint64(Random(s.Opt.Seed, s.Packet, s.Draws))
	s.Draws++
	return nil
}
