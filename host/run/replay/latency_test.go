package replay

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

func TestReadLatency(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.json")
	for _, c := range []struct{ text, want string }{
		{"{", "c.json: "},
		{"{}", "no latencies in it"},
		{`{"latency": {"ALU": 1}}`, "latency 0: want more than 0"},
	} {
		must.OK(t, os.WriteFile(file, []byte(c.text), 0o644))
		if _, err := readLatency(file); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", c.text, err, c.want)
		}
	}
}
