package jit

import (
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/mapfile"
	"jitnic/host/vm"
)

// withMaps is a runtime of a sample with its own map contents, or with the
// map file given. The plans are those of the runtime's state and the oracle's.
func withMaps(t testing.TB, name, file string, opt Options) (*Runtime, []*mapfile.Plan) {
	t.Helper()
	p := hosttest.Sample(t, name)
	if file == "" {
		file = string(p.Maps)
	}
	return filled(t, p.Obj, p.Entry, name, file, opt)
}

// filled is a runtime of a program whose maps hold what a map file says.
func filled(t testing.TB, obj *loader.Object, entry *loader.Program, name, file string, opt Options) (*Runtime, []*mapfile.Plan) {
	t.Helper()
	var plans []*mapfile.Plan
	if file != "" {
		mf := must.Get(mapfile.Read(name+" maps", strings.NewReader(file)))(t)
		opt.Prepare = func(st *vm.State) error {
			plan, err := mf.Fill(st, obj)
			plans = append(plans, plan)
			return err
		}
	}
	r := must.Get(New(obj, entry, opt))(t)
	t.Cleanup(r.Close)
	return r, plans
}

// A look-up in an empty map is folded for all keys at once: with the first entry
// the path goes, and with the last one's end there are paths by key already. The
// oracle agrees all along.
func TestEmptyMapFills(t *testing.T) {
	const contents = `{"updates": [
		{"at": 500, "map": "allowed", "key": {"be32": 167772161}, "value": 1},
		{"at": 900, "map": "allowed", "key": {"be32": 167772161}, "delete": true},
		{"at": 1300, "map": "allowed", "key": {"be32": 167772162}, "value": 1}]}`
	obj := must.Get(loader.Load(hosttest.Case(t, "specialise-internal", "last.o"), loader.Options{}))(t)
	for _, auto := range []bool{false, true} {
		r, plans := filled(t, obj, obj.Programs[0], "last", contents, Options{Check: true, Remedies: Remedies{Specialise: !auto, Auto: auto}, Cache: cache.Config{Policy: "lru", Entries: 64}})
		var out vm.Output
		for in := range hosttest.Packets(t, hosttest.Case(t, "specialise-internal", "alternate.pcap"), 0) {
			if in.Packet == 500 && len(r.Paths()) != 1 {
				t.Errorf("auto %v: %d paths while the map is empty", auto, len(r.Paths()))
			}
			for _, p := range plans {
				must.Get(p.Apply(in.Packet, 0))(t)
			}
			must.OK(t, r.ControlPlane())
			if _, err := r.Process(in, &out); err != nil {
				t.Fatalf("auto %v: packet %d: %v", auto, in.Packet, err)
			}
		}
		must.OK(t, r.CheckAll(t.Context()))
		if st := r.NIC.Cache.Stats(); st.Invalidated == 0 || len(r.Dead()) > 0 {
			t.Errorf("auto %v: %d traces invalidated, %d paths without one", auto, st.Invalidated, len(r.Dead()))
		}
	}
}

// The control plane changes an entry three times: the specialised traces
// that folded it go, and no others; the packets that miss for it are counted as
// such; and the oracle agrees all along. With generic traces nothing goes.
func TestTimedUpdatesInvalidate(t *testing.T) {
	const contents = `{"maps": {"services": [
		{"key": {"port": {"be16": 53}, "proto": 17}, "value": {"action": 2, "id": 19}},
		{"key": {"port": {"be16": 53}, "proto": 6}, "value": {"action": 2, "id": 20}}]},
	"updates": [
		{"at": 400, "map": "services", "key": {"port": {"be16": 53}, "proto": 17}, "value": {"action": 1, "id": 19}},
		{"at": 800, "map": "services", "key": {"port": {"be16": 53}, "proto": 17}, "delete": true},
		{"at": 1200, "map": "services", "key": {"port": {"be16": 53}, "proto": 17}, "value": {"action": 2, "id": 19}}]}`
	pkts, times := held(t, "sample:dns", 1000)
	for _, spec := range []bool{false, true} {
		r, plans := withMaps(t, "firewall", contents, Options{Check: true, Remedies: Remedies{Specialise: spec}, Cache: cache.Config{Policy: "lru", Entries: 1 << 14}})
		var out vm.Output
		// Twice, so that the paths of the second time are known when the
		// entry changes.
		for i := range 2 * len(pkts) {
			k := i % len(pkts)
			for _, p := range plans {
				must.Get(p.Apply(uint64(i), 0))(t)
			}
			must.OK(t, r.ControlPlane())
			in := vm.Input{Data: pkts[k], TimeNS: times[k], IfIndex: 1, Packet: uint64(i)}
			if _, err := r.Process(&in, &out); err != nil {
				t.Fatalf("specialise %v: packet %d: %v", spec, i, err)
			}
		}
		must.OK(t, r.CheckAll(t.Context()))
		st := r.NIC.Cache.Stats()
		t.Logf("specialise %v: %d hits, %d cold, %d invalidated; %d traces invalidated", spec,
			st.Outcome[cache.Hit], st.Outcome[cache.Cold], st.Outcome[cache.Invalidated], st.Invalidated)
		if spec != (st.Invalidated > 0) || spec != (st.Outcome[cache.Invalidated] > 0) {
			t.Errorf("specialise %v: %d traces invalidated, %d packets missed for it", spec, st.Invalidated, st.Outcome[cache.Invalidated])
		}
		if left := uint64(len(r.info)); spec && st.Invalidated >= left*3 {
			t.Errorf("%d traces of %d paths invalidated by 3 changes of one key", st.Invalidated, left)
		}
		if r.Collision > 0 {
			t.Errorf("%d conditions overlap", r.Collision)
		}
	}
}
