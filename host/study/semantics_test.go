package study_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/host/study"
	"jitnic/host/study/cell"
	"jitnic/host/study/run"
	"jitnic/host/study/spec"
)

var update = flag.Bool("update", false, "write testdata/semantics.txt anew")

// TestSemantics holds the number that addresses begin with to what it stands for:
// where a sample's paths are no longer what they were, results that a store has of
// them are no longer good, and the number must rise.
func TestSemantics(t *testing.T) {
	const path = "testdata/semantics.txt"
	s := must.Get(spec.Parse("s.yaml", ".", []byte("programs: [sample:ipv6filter, sample:firewall, sample:conntrack, sample:loadbalancer, sample:router, sample:ratelimiter, sample:nat, sample:telemetry]\n"+
		"captures: sample:dns\nmodes: ["+strings.Join(replay.ModeNames(), ", ")+"]\npolicies: lru\nentries: 1\ninclude: {modes: generic, segments: 3, policies: lru, entries: 1}\n")))(t)
	p := must.Get(study.Plan(t.Context(), s, ""))(t)
	st := &memory{}
	w := &run.Worker{Store: st, Files: cell.Folder{}}
	var got bytes.Buffer
	for _, c := range p.Cells {
		d, err := w.Do(t.Context(), c, 1)
		if err != nil || len(d.Failed) > 0 {
			t.Fatalf("%s: %v, %v", c.Program, err, d)
		}
		st, _, err := stream.Unpack(bytes.NewReader(st.files[c.Address+".paths"]), stream.WithAll)
		must.OK(t, err)
		h := sha256.New()
		for _, v := range []any{st.IDs, st.Bytes, st.Sizes, st.Costs, st.Invalidations} {
			must.OK(t, binary.Write(h, binary.LittleEndian, v))
		}
		how := c.Mode
		if c.Segments != 0 {
			how = "cut, " + jit.SegmentsName(c.Segments)
		}
		fmt.Fprintf(&got, "semantics %d  %-20s %-12s %4d paths  %x\n", cell.Semantics, c.Program, how, d.Facts.IDs, h.Sum(nil)[:8])
	}
	if *update {
		must.OK(t, os.WriteFile(path, got.Bytes(), 0o666))
	}
	want := must.Get(os.ReadFile(path))(t)
	if string(want) != got.String() {
		t.Errorf("paths of samples are others than testdata/semantics.txt says. If that is meant, raise cell.Semantics and run this test with -update.\nwant\n%sgot\n%s", want, got.String())
	}
}
