package offload

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/nic/feasibility"
	"jitnic/nic/profile"
)

// asJSON is a study of one way to make traces on every device that ships.
func asJSON(t *testing.T, in replay.Input, how replay.Remedies) (text string, tables int) {
	t.Helper()
	var nics []*profile.NIC
	for _, name := range profile.Names() {
		n := must.Get(profile.Load(name))(t)
		nics = append(nics, n)
	}
	h := must.Get(profile.LoadHost("paper"))(t)
	run := must.Get(Observe(t.Context(), in, Options{Remedies: how}, nics...))(t)
	defer run.Close()
	for _, n := range nics {
		s := must.Get(run.Study(t.Context(), n, h, feasibility.Options{Cache: cache.Config{Policy: "lru", Entries: 16, HotThreshold: 1, Seed: 1},
			Rate: 1_000_000, Packets: 2000, Seed: 1, Memory: true, Designs: true}))(t)
		b := must.Get(json.Marshal(s))(t)
		text += string(b) + "\n"
	}
	return text, len(run.Session.Runtime.Tables())
}

// Paths that were to be cut, and are not as it doesn't pay, are whole paths: every
// figure of every device is the same.
func TestNoCutIsWhole(t *testing.T) {
	in := replay.Input{Program: "sample:firewall", Captures: []string{"sample:lab"}, Limit: 600, Seed: 1, Loop: 1, Queues: 1}
	whole, _ := asJSON(t, in, replay.Remedies{})
	same, tables := asJSON(t, in, replay.Remedies{Segments: jit.SegmentsAuto})
	if tables != 1 {
		t.Fatalf("the firewall is cut into %d tables", tables)
	}
	if whole != same {
		t.Errorf("whole paths\n%s\nuncut\n%s", whole, same)
	}
	in.Program, in.Captures = "sample:telemetry", []string{"sample:vlan"}
	cut, tables := asJSON(t, in, replay.Remedies{Segments: 3})
	if tables != 3 {
		t.Fatalf("telemetry is cut into %d tables", tables)
	}
	if again, _ := asJSON(t, in, replay.Remedies{Segments: 3}); again != cut {
		t.Error("the same study of segments gives other figures")
	}
}

// What a segment asks of what the one before it has left is told by the register's name.
func TestHandedOverIsNamed(t *testing.T) {
	in := replay.Input{Program: "sample:nat", Captures: []string{"sample:vlan"}, Limit: 600, Seed: 1, Loop: 1, Queues: 1}
	cut, _ := asJSON(t, in, replay.Remedies{Segments: 5})
	if raw := regexp.MustCompile(`mem\[\d+ `).FindString(cut); raw != "" || !regexp.MustCompile(`"text":"[^"]*\br\d\b`).MatchString(cut) {
		t.Errorf("%q in\n%.2000s", raw, cut)
	}
}

// An interrupt leaves ways without figures, and doesn't say that they can't be had.
func TestSidesInterrupted(t *testing.T) {
	d := &Device{NIC: "hxdp", Rate: "2Mpps"}
	must.OK(t, d.Open())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := replay.Input{Program: "sample:telemetry", Captures: []string{"sample:vlan"}, Limit: 300, Seed: 1, Loop: 1, Queues: 1}
	ways := []replay.Remedies{{Segments: 3}, {Segments: jit.SegmentsAuto}, {}}
	sides := make([]replay.Side, len(ways))
	must.OK(t, d.Sides(ctx, in, "lru", ways, sides))
	for i := range sides {
		if sides[i].Device != nil {
			t.Errorf("%v: %+v", ways[i], sides[i].Device)
		}
	}
	// What can't be set is a refusal with its reason; what fails is an error.
	if err := d.Sides(t.Context(), in, "lru", []replay.Remedies{{Segments: 99}}, sides[:1]); err != nil || sides[0].Device == nil || sides[0].Device.Missing == "" {
		t.Errorf("%v, %+v", err, sides[0].Device)
	}
	in.Captures = []string{"no such file"}
	if err := d.Sides(t.Context(), in, "lru", ways[:1], sides[:1]); err == nil || errors.As(err, new(*replay.SettingError)) {
		t.Errorf("a capture that isn't there: %v", err)
	}
}
