package offload

import (
	"context"
	"fmt"

	"jitnic/nic/feasibility"
	"jitnic/nic/profile"
)

// Beside asks what several programs do on one device: those of runs over the same
// captures. See feasibility.Together.
func Beside(ctx context.Context, runs []*Run, n *profile.NIC, host *profile.Host, opt feasibility.Options) (*feasibility.Together, error) {
	var parts []feasibility.Part
	for _, r := range runs {
		parts = append(parts, feasibility.Part{W: r.Workload, X: r.Match, Trees: r.Session.Runtime.Tables()})
	}
	t, err := feasibility.Beside(ctx, parts, n, host, opt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	return t, nil
}
