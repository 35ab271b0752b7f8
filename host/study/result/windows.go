package result

import (
	"strings"

	"jitnic/host/study/cell"
	"jitnic/host/study/run"
)

// A Window is a cache whose run was split into stretches of time, beside the same
// cache on the whole: what splitting costs.
type Window struct {
	Setting
	Capture   string  `json:"capture"`
	Seed      uint64  `json:"seed"`
	Policy    string  `json:"policy"`
	Admission string  `json:"admission"`
	Requests  uint64  `json:"requests"`   // of all parts, without those that only warmed them
	MissRatio float64 `json:"miss_ratio"` // of the parts together
	Whole     float64 `json:"whole_miss_ratio"`
	Error     float64 `json:"error"` // the former less the latter
}

// parted is a cache in a setting on a capture, without the split.
type parted struct {
	Setting
	capture, policy, admission string
	seed                       uint64
}

// windows are what was counted of split runs, and of whole ones.
type windows struct {
	whole map[parted]*run.Point
	parts map[parted]*Window // by the split, too
	order []parted
}

func (w *windows) add(s Setting, c *cell.Cell, policy, admission string, p *run.Point) {
	k := parted{s, c.Capture, policy, admission, c.Seed}
	switch {
	case c.Split == "none":
		w.whole[k] = p
	case strings.HasPrefix(c.Split, "windows/"):
		x := w.parts[k]
		if x == nil {
			x = &Window{Setting: s, Capture: c.Capture, Seed: c.Seed, Policy: policy, Admission: admission}
			w.parts[k] = x
			w.order = append(w.order, k)
		}
		x.Requests += p.Requests
		x.MissRatio += float64(p.Misses) // divided at the end
	}
}

// Windows are the caches of which both were run: the whole, and its windows.
func (g *Gatherer) Windows() []Window {
	var out []Window
	for _, k := range g.windows.order {
		x := *g.windows.parts[k]
		k.Split = "none"
		whole := g.windows.whole[k]
		if whole == nil || whole.Requests != x.Requests || x.Requests == 0 { // a part is missing
			continue
		}
		x.MissRatio /= float64(x.Requests)
		x.Whole = whole.MissRatio
		x.Error = x.MissRatio - x.Whole
		out = append(out, x)
	}
	return out
}
