package feasibilitycmd_test

import (
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// validate tells every profile and ends well, and a row's error follows from its
// figures.
func TestValidate(t *testing.T) {
	text := must.Get(try(t.Context(), "validate"))(t)
	for _, want := range []string{"hxdp", "netronome", "host:paper", "simple firewall", "xdp_router_ipv4.bin.out, bounds checks kept", "explained:", "left out"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %q", want)
		}
	}
}

// Without a capture the program alone is judged, and what is about packets is
// refused; a "no" names what is in the way.
func TestAlone(t *testing.T) {
	text := must.Get(try(t.Context(), "--program", "sample:conntrack", "--nic", "all"))(t)
	for _, want := range []string{"longest trace ", "ideal      yes", "netronome  no", "map type lru_hash", "helper ktime_get_ns", "on none found"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %q in:\n%s", want, text)
		}
	}
	if _, err := try(t.Context(), "--program", "sample:conntrack", "--rate", "1M"); err == nil || !strings.Contains(err.Error(), "--rate: it is about packets") {
		t.Error(err)
	}
}

// --nic list tells the models and the drivers, without a program.
func TestList(t *testing.T) {
	text := must.Get(try(t.Context(), "--nic", "list"))(t)
	for _, want := range []string{"hxdp ", "ixgbe ", "virtio_net", "xdpoffload", "nfp_net_common.c:1894", "tc flower, switchdev"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %q in:\n%s", want, text)
		}
	}
}

// Several programs share one device; they are named as shells split them.
func TestPrograms(t *testing.T) {
	text := must.Get(try(t.Context(), "--programs", "sample:firewall", "sample:nat", "--capture", "sample:lab", "--limit", "1000", "--nic", "hxdp,bluefield", "--rate", "2M"))(t)
	for _, want := range []string{"firewall, nat: each on a port", "hxdp at 2 Mpps", "bluefield at 2 Mpps", "together"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %q in:\n%s", want, text)
		}
	}
	if _, err := try(t.Context(), "--programs", "sample:nat", "--program", "sample:nat"); err == nil || !strings.Contains(err.Error(), "not with --programs") {
		t.Error(err)
	}
	if _, err := try(t.Context(), "something"); err == nil {
		t.Error("an argument without --programs")
	}
}
