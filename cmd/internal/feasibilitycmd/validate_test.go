package feasibilitycmd_test

import (
	"strings"
	"testing"
)

// validate tells every profile and ends well, and a row's error follows from its
// figures.
func TestValidate(t *testing.T) {
	text, err := try(t.Context(), "validate")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"hxdp", "netronome", "host:paper", "simple firewall", "xdp_router_ipv4.bin.out, bounds checks kept", "explained:", "left out"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %q", want)
		}
	}
}
