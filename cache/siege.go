package cache

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"jitnic/cache/policy"
	"jitnic/cache/stream"
)

// A Siege asks what attacks on the cache cost the legitimate requests, under
// each policy and admission.
type Siege struct {
	Policies   []string
	Admissions []string // nil: all of AdmissionNames
	Entries    []uint64
	Attacks    []string // see stream.Attacks; nil: all
	Share      float64  // of all requests that are the attack's; 0: a half

	HotThreshold uint32
	InstallDelay uint64
	Seed         uint64
	Workers      int
	Progress     func(done, total uint64)
}

// A Loss is what one attack does to one cache.
type Loss struct {
	Policy    string  `json:"policy"`
	Admission string  `json:"admission"`
	Entries   uint64  `json:"entries"`
	Attack    string  `json:"attack"`
	Clean     float64 `json:"clean_miss_ratio"`    // of the legitimate requests, without the attack
	Attacked  float64 `json:"attacked_miss_ratio"` // of the legitimate requests, under it
	Loss      float64 `json:"loss"`                // Attacked − Clean
	Hostile   float64 `json:"hostile_miss_ratio"`  // of the attack's own requests
	Installs  uint64  `json:"installs"`            // of both, under attack
}

// A Defence is a policy and an admission, and its worst attack.
type Defence struct {
	Worst    Loss    `json:"worst"`
	Mean     float64 `json:"mean_attacked_miss_ratio"` // over all attacks
	Plain    Loss    `json:"plain"`                    // the worst attack on lru with every miss admitted, to compare
	HasPlain bool    `json:"has_plain"`                // lru and "always" were among those asked for
}

// A SiegeStudy is what a Siege gave.
type SiegeStudy struct {
	Losses   []Loss    `json:"losses"`   // by entries, attack, policy, admission as asked for
	Defences []Defence `json:"defences"` // the recommended one for each number of entries
	Partial  bool      `json:"partial"`
}

// Run lays the siege. legit has no labels of its own that count. When ctx ends,
// whole attacks that were finished are returned, marked as partial.
func (g *Siege) Run(ctx context.Context, legit *stream.Stream) (*SiegeStudy, error) {
	attacks, admissions, share := g.Attacks, g.Admissions, g.Share
	if attacks == nil {
		attacks = stream.Attacks()
	}
	if admissions == nil {
		admissions = AdmissionNames()
	}
	if share == 0 {
		share = 0.5
	}
	if !(share > 0 && share < 1) {
		return nil, fmt.Errorf("siege: share %v of the attack: it must be between 0 and 1", share)
	}
	for _, p := range g.Policies {
		if info, err := policy.Lookup(p); err != nil {
			return nil, err
		} else if info.IsOffline() {
			return nil, fmt.Errorf("siege: policy %q is a bound and can't be attacked", p)
		}
	}
	grid := Grid{
		Policies: g.Policies, Admissions: admissions, HotThreshold: g.HotThreshold, InstallDelay: g.InstallDelay,
		Seed: g.Seed, Workers: g.Workers, Windows: 1,
	}
	rounds := uint64(len(g.Entries) * (len(attacks) + 1))
	round := uint64(0)
	if g.Progress != nil {
		grid.Progress = func(done, total uint64) {
			const parts = 1 << 20
			g.Progress(round*parts+done*parts/max(total, 1), rounds*parts)
		}
	}
	out := &SiegeStudy{}
	for _, entries := range g.Entries {
		grid.Entries = []uint64{entries}
		clean, err := grid.Run(ctx, legit)
		if err != nil {
			return nil, err
		}
		if clean.Partial {
			out.Partial = true
			return out, nil
		}
		round++
		from := len(out.Losses)
		for _, kind := range attacks {
			n := int(float64(legit.Len()) * share / (1 - share))
			a, err := stream.Attack(kind, int(min(entries, 1<<26)), n+1, g.Seed)
			if err != nil {
				return nil, err
			}
			hit, err := grid.Run(ctx, stream.Mix(legit, a, share))
			if err != nil {
				return nil, err
			}
			if hit.Partial {
				out.Partial = true
				return out, nil
			}
			round++
			for i := range hit.Points {
				p := &hit.Points[i]
				l := Loss{
					Policy: p.Policy, Admission: p.Admission, Entries: entries, Attack: kind,
					Clean: clean.Points[i].MissRatio, Installs: p.Installs,
				}
				l.Attacked = ratio(p.Labels[stream.Legitimate])
				l.Hostile = ratio(p.Labels[stream.Hostile])
				l.Loss = l.Attacked - l.Clean
				out.Losses = append(out.Losses, l)
			}
		}
		out.Defences = append(out.Defences, defend(out.Losses[from:]))
	}
	return out, nil
}

func ratio(l LabelCount) float64 {
	if l.Requests == 0 {
		return 0
	}
	return float64(l.Misses) / float64(l.Requests)
}

// defend finds the cache whose worst attack leaves the fewest legitimate
// misses; among equals, the better one on average, then the one named first.
func defend(losses []Loss) Defence {
	type key struct{ policy, admission string }
	var order []key
	by := map[key]*Defence{}
	n := map[key]float64{}
	for _, l := range losses {
		if info, err := policy.Lookup(l.Policy); err == nil && info.Kind == policy.Bound {
			continue
		}
		k := key{l.Policy, l.Admission}
		d := by[k]
		if d == nil {
			d = &Defence{Worst: l}
			by[k] = d
			order = append(order, k)
		}
		if l.Attacked > d.Worst.Attacked {
			d.Worst = l
		}
		d.Mean += l.Attacked
		n[k]++
	}
	if len(order) == 0 {
		return Defence{}
	}
	for k, d := range by {
		d.Mean /= n[k]
	}
	best := slices.MinFunc(order, func(a, b key) int {
		return cmp.Or(cmp.Compare(by[a].Worst.Attacked, by[b].Worst.Attacked), cmp.Compare(by[a].Mean, by[b].Mean))
	})
	d := *by[best]
	if p := by[key{"lru", "always"}]; p != nil {
		d.Plain, d.HasPlain = p.Worst, true
	}
	return d
}
