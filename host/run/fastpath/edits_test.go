package fastpath

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/replay"
	"jitnic/nic/flower"
)

// TestEdits: tags put on, taken off and rewritten, addresses and ports translated
// with their checksums: rules say of real packets, tagged ones of the corpus too, what
// the program does, and Open vSwitch does it, byte by byte.
func TestEdits(t *testing.T) {
	clang, err := exec.LookPath("clang")
	if err != nil {
		t.Skip("clang is not installed")
	}
	object := filepath.Join(t.TempDir(), "edits.o")
	out, err := exec.Command(clang, "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-std=gnu11", "-nostdinc", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
		"-I", "../../programs", "-c", "testdata/edits.c", "-o", object).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	table := filepath.Join(t.TempDir(), "table.json")
	must.OK(t, os.WriteFile(table, []byte(`{"maps": {"table": [
		{"key": {"addr": {"ip4": "192.0.2.10"}, "port": {"be16": 80}}, "value": {"addr": {"ip4": "198.18.0.11"}, "port": {"be16": 8080}}},
		{"key": {"addr": {"ip4": "192.0.2.53"}, "port": {"be16": 53}}, "value": {"addr": {"ip4": "198.18.0.53"}, "port": {"be16": 5353}}}]}}`), 0o600))
	tagged := ""
	for _, c := range hosttest.Shared(t) {
		if strings.HasPrefix(filepath.Base(c), "vlan-smb") {
			tagged = c
		}
	}
	ovs := true
	for _, c := range []struct {
		entry, capture string
		edited         uint64 // at least
		words          string // among the flows' actions
	}{
		{"tag_on", "sample:lab", 3500, "push_vlan:0x8100,set_field:4116->vlan_vid,set_field:3->vlan_pcp"},
		{"tag_off", "sample:vlan", 500, "strip_vlan"},
		{"tag_off", tagged, 4000, "strip_vlan"},
		{"tag_to", tagged, 4000, "set_field:4126->vlan_vid"},
		{"translate", "sample:lab", 600, "set_field:198.18.0.11->ip_dst,set_field:8080->tcp_dst"},
	} {
		if c.capture == "" {
			t.Logf("%s: no capture with tags beside the checkout", c.entry)
			continue
		}
		p, err := Make(context.Background(), replay.Input{Program: object, Entry: c.entry, Captures: []string{c.capture}, Maps: []string{table}, Seed: 1, Limit: 4000},
			Options{Entries: 16, NoKernel: true, Frozen: true, Rules: true})
		must.OK(t, err)
		t.Cleanup(p.Close)
		o, err := p.Flower(context.Background(), flower.Plain)
		must.OK(t, err)
		flows := strings.Join(o.Rules.OpenFlow(flower.Where{}), "\n")
		if o.Differs != "" || o.Edited < c.edited || !strings.Contains(flows, c.words) {
			t.Errorf("%s on %s: %s; %d packets changed, want %d; no %q in\n%.2000s", c.entry, c.capture, o.Differs, o.Edited, c.edited, c.words, flows)
		}
		if !ovs {
			continue
		}
		got, err := p.Carry(context.Background(), o, "ovs")
		if errors.Is(err, ErrMissing) {
			t.Log(err)
			ovs = false
			continue
		}
		must.OK(t, err)
		if got.Differs != "" || got.Ruled < c.edited {
			t.Errorf("%s on %s: %+v", c.entry, c.capture, got)
		}
		t.Logf("%s on %s: %d of %d packets changed by %d flows, as the program changes them", c.entry, filepath.Base(c.capture), o.Edited, got.Sent, got.Rules)
	}
}
