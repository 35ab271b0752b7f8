package replay

import (
	"encoding/json"
	"fmt"
	"os"

	"jitnic/superopt"
)

// readLatency reads the table of a file that `jitnic calibrate --json` or --out wrote.
func readLatency(path string) (superopt.Latency, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return superopt.Latency{}, err
	}
	var f struct {
		Latency *superopt.Latency `json:"latency"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return superopt.Latency{}, fmt.Errorf("%s: %w", path, err)
	}
	if f.Latency == nil {
		return superopt.Latency{}, fmt.Errorf("%s: no latencies in it: want a file of jitnic calibrate --json", path)
	}
	for _, x := range []float64{f.Latency.ALU, f.Latency.Mul, f.Latency.Div, f.Latency.Load, f.Latency.Store, f.Latency.Atomic, f.Latency.Jump, f.Latency.Call, f.Latency.Wide} {
		if !(x > 0) {
			return superopt.Latency{}, fmt.Errorf("%s: latency %g: want more than 0", path, x)
		}
	}
	return *f.Latency, nil
}
