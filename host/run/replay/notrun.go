package replay

import "jitnic/nic/workload"

// NotRun says which packets could not be run so far; nil: all were.
func (s *Session) NotRun() *workload.NotRun {
	c := &s.Runtime.Counters
	if c.Faults == 0 {
		return nil
	}
	n := &workload.NotRun{Packets: c.Faults, Share: float64(c.Faults) / float64(c.Packets), All: c.Faults+c.Short == c.Packets}
	for _, k := range c.Causes() {
		n.Causes = append(n.Causes, workload.Cause{Packets: k.Packets, Cause: k.First.Error()})
	}
	return n
}
