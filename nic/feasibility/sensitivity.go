package feasibility

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"jitnic/nic/device"
	"jitnic/nic/fit"
	"jitnic/nic/price"
	"jitnic/nic/profile"
)

// sensitivityPackets is how many packets a run of the sensitivity section has
// at most: two runs for each end of each assumed figure. Shorter runs are those
// of the verdict.
const sensitivityPackets = 250_000

// hostKey stands before a parameter of the host, as some have the name of one of
// the device.
const hostKey = "host."

// touches is what a parameter has a part in, beside the runs with NIC and host.
type touches uint8

const (
	inFit    touches = 1 << iota // what fits
	inMatch                      // the matcher's costs
	inCycles                     // what traces take on the executor
	inPrices                     // prices of paths and packets
	inAlone                      // runs of the host alone
	inAll    = inFit | inMatch | inCycles | inPrices | inAlone
)

// reach lists what parameters have a part in, by the start of their keys, the
// first that matches. What isn't listed has a part in all.
var reach = []struct {
	prefix string
	in     touches
}{
	{hostKey + "compile.workers", 0},
	{hostKey + "compile.queue", 0},
	{hostKey + "compile.", inPrices},
	{hostKey + "user.", 0},
	{hostKey + "cores", inAlone},
	{hostKey + "queue", inAlone},
	{hostKey, inPrices | inAlone},
	{"ingress.", 0},
	{"link.", inAlone},
	{"egress.", inAlone},
	{"pcie.", inAlone},
	{"matcher.tables", inFit | inPrices},
	{"matcher.", inMatch | inPrices},
	{"exec.units", 0},
	{"exec.queue", 0},
	{"exec.dispatch", inPrices},
	{"exec.held", inPrices},
	{"exec.", inCycles | inPrices},
	{"map.", inCycles | inPrices},
	{"memory.", inFit | inPrices},
	{"install.base", inPrices},
	{"install.slot", inPrices},
	{"install.", 0},
	{"limit.", inFit | inMatch | inPrices},
}

// segmentsOnly are parameters that say nothing of whole paths.
var segmentsOnly = []string{"matcher.tables", "matcher.next", "exec.held", "limit.held"}

func reachOf(key string) touches {
	for _, r := range reach {
		if strings.HasPrefix(key, r.prefix) {
			return r.in
		}
	}
	return inAll
}

// reprice is cost where only what a parameter has a part in is made anew.
func (s *study) reprice(base *costs, n *profile.NIC, h *profile.Host, in touches) (*costs, error) {
	c := *base
	c.n, c.h = n, h
	var err error
	if in&inFit != 0 {
		c.fit = fit.Check(s.w, n)
	}
	if in&inMatch != 0 {
		if c.match, err = s.x.Costs(s.trees, n); err != nil {
			return nil, err
		}
	}
	if in&(inFit|inMatch|inCycles|inPrices) != 0 {
		p := price.Parts{Match: c.match, Refused: refused(c.fit), Placed: placed(s.w, c.fit, c.match)}
		if in&inCycles == 0 {
			p.Cycles, p.Better = base.prices.Cycles, base.prices.Better
		}
		if c.prices, err = price.Build(s.w, n, h, p); err != nil {
			return nil, err
		}
	}
	c.cache, c.says = s.budget(&c)
	return &c, nil
}

// swing is one end of one assumed figure.
type swing struct {
	at, end int // of Swings, and of its Ends
	nic     *profile.NIC
	host    *profile.Host
}

// swings are all ends of all assumed figures. An end that contradicts another
// parameter is no device, and left out.
func (s *study) swings() (rows []Swing, all []swing) {
	add := func(ps []profile.Param, prefix string, set func(key, value string) (*profile.NIC, *profile.Host, error)) {
		for _, p := range ps {
			ends := p.Alternatives
			if len(ends) == 0 && p.Lo != "" {
				ends = []string{p.Lo, p.Hi}
			}
			if !p.Assumed || s.w.Segments == nil && slices.Contains(segmentsOnly, p.Key) {
				continue
			}
			sw := Swing{Key: prefix + p.Key, Value: p.Value}
			for _, e := range ends {
				if e == p.Value {
					continue
				}
				n, h, err := set(p.Key, e)
				if err != nil {
					continue
				}
				all = append(all, swing{len(rows), len(sw.Ends), n, h})
				sw.Ends = append(sw.Ends, SwingEnd{Value: e})
			}
			if len(sw.Ends) > 0 {
				rows = append(rows, sw)
			}
		}
	}
	add(s.NIC.Params, "", func(key, value string) (*profile.NIC, *profile.Host, error) {
		n, err := with(s.n, key, value)
		return n, s.h, err
	})
	add(s.Host.Params, hostKey, func(key, value string) (*profile.NIC, *profile.Host, error) {
		h, err := s.h.With(key, value)
		return s.n, h, err
	})
	return rows, all
}

// sensitivity puts every assumed figure to the ends of its range, one at a time.
func (s *study) sensitivity(c *costs, point *outcome) error {
	rows, all := s.swings()
	packets := min(s.opt.Packets, sensitivityPackets)
	run := func(c *costs, host *Figures) (o *outcome, err error) {
		both, err := s.device(c, s.options(c, device.Both), packets)
		if err != nil {
			return nil, err
		}
		if host == nil {
			if host, err = s.device(c, s.options(c, device.HostOnly), packets); err != nil {
				return nil, err
			}
		}
		return s.outcome(c, both, host), nil
	}
	const what = "sweeping assumed figures"
	if err := s.step(what, 0, len(all)); err != nil {
		return err
	}
	base, err := point, error(nil)
	if packets < s.opt.Packets {
		if base, err = run(c, nil); err != nil {
			return err
		}
	}
	by := s.Chance.margins()
	end := func(value string, o *outcome) SwingEnd {
		a, _, _ := o.judge(by)
		return SwingEnd{Value: value, Answer: a, Cores: o.Both.CoresNeeded + o.CompileCores, Mean: o.Both.Mean, Loss: o.Both.Loss, Hits: o.Both.HitRatio}
	}
	ends := make([]SwingEnd, len(all))
	turns := make([]bool, len(all))
	baseAnswer, _, _ := base.judge(by)
	err = s.each(what, len(all), func(i int) error {
		x := &all[i]
		key, value := rows[x.at].Key, rows[x.at].Ends[x.end].Value
		in := reachOf(key)
		d, err := s.reprice(c, x.nic, x.host, in)
		var o *outcome
		if err == nil {
			var alone *Figures
			if in&inAlone == 0 {
				alone = base.Host
			}
			o, err = run(d, alone)
		}
		if err != nil {
			return fmt.Errorf("%s = %s: %w", key, value, err)
		}
		ends[i] = end(value, o)
		// Where it does not pay, it pays no more where neither keeps up.
		turns[i] = !o.Both.BeyondWire && !o.may(baseAnswer, by) && !(baseAnswer == Doesnt && o.is() == Neither)
		return nil
	})
	if err != nil {
		return err
	}
	is := end("", base)
	change := func(a, b float64) float64 {
		if a == b {
			return 0
		}
		return math.Abs(a-b) / max(math.Abs(a), math.Abs(b))
	}
	for i := range all {
		e, sw := &ends[i], &rows[all[i].at]
		sw.Ends[all[i].end] = *e
		sw.Turns = sw.Turns || turns[i]
		sw.Spread = max(sw.Spread, change(e.Mean, is.Mean), change(e.Cores, is.Cores))
	}
	s.Swings, s.SwingBase, s.Swept = rows, &is, base.Both.Packets
	return nil
}

// with changes one parameter of a device. pcie.read takes pcie.writeread along:
// what that takes longer is the way of a posted write, another quantity.
func with(n *profile.NIC, key, value string) (*profile.NIC, error) {
	if key != "pcie.read" {
		return n.With(key, value)
	}
	write := n.PCIeWriteRead - n.PCIeRead
	c := n.Clone()
	c.PCIeWriteRead = math.MaxInt32 // any read is less
	c, err := c.With(key, value)
	if err == nil {
		c.PCIeWriteRead = c.PCIeRead + write
	}
	return c, err
}
