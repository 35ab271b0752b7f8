package match

import (
	"math"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
	"jitnic/pathcond"
	"jitnic/pathcond/tree"
)

// five is a workload of five paths, its guard tree and their numbers of packets:
// not IPv4; TCP to port 23; other TCP, with its flow known or not; and not TCP.
func five(t testing.TB) (*workload.Workload, *tree.Tree) {
	t.Helper()
	c := compiler(t)
	w := &workload.Workload{Program: "five", Capture: "none", Compiler: c, Packets: make([]workload.Packet, 100)}
	tree := tree.New(c.B, &pathcond.Env{S: c.S})
	const tcp = "layout ip@14 tcp@34; pkt.len >= 38; eth.type == 0x0800; ip.proto == 6; "
	for i, p := range []struct {
		packets uint64
		cond    string
	}{
		{10, "pkt.len >= 38; eth.type != 0x0800"},
		{20, tcp + "tcp.dport == 23"},
		{40, tcp + "tcp.dport != 23; map flows[ip.src] present"},
		{5, tcp + "tcp.dport != 23; map flows[ip.src] absent"},
		{25, "layout ip@14; pkt.len >= 38; eth.type == 0x0800; ip.proto != 6"},
	} {
		cond := parse(t, c, p.cond)
		w.Paths = append(w.Paths, workload.Path{Cond: cond, Packets: p.packets, First: uint64(4 - i)})
		must.OK(t, tree.Insert(&pathcond.Path{Cond: cond}, int32(i)))
	}
	return w, tree
}

// Prices worked out by hand: base 10, step 3, look-up 20.
func TestCosts(t *testing.T) {
	w, tree := five(t)
	nic := profile.NIC{Name: "hand", MatcherLanes: 2, MatcherBase: 10, MatcherStep: 3, MatcherLookup: 20}
	for _, c := range []struct {
		change      func(n *profile.NIC)
		match, miss [5]uint32
		mean        uint32
		refused     string // by path, a letter each: r where it is
		entries     uint64
	}{
		// Five conditions are three rounds of two lanes. They are installed in the
		// order of discovery: 4, 3, then 2, 1, then 0.
		// Mean of a miss: 10 + 9, and 20 for the 45 packets of 100 with a look-up.
		{func(n *profile.NIC) { n.Matcher = profile.MatchLinear },
			[5]uint32{19, 16, 36, 33, 13}, [5]uint32{19, 19, 39, 39, 19}, 28, ".....", 5},
		// Where three fit, the fourth found is in the first's place: two rounds.
		{func(n *profile.NIC) { n.Matcher, n.MatcherCapacity = profile.MatchLinear, 3 },
			[5]uint32{13, 13, 36, 33, 13}, [5]uint32{16, 16, 36, 36, 16}, 25, ".....", 5},
		// A limit of installed traces counts alike; as many lanes as conditions
		// take one round.
		{func(n *profile.NIC) { n.Matcher, n.Entries, n.MatcherLanes = profile.MatchLinear, 3, 8 },
			[5]uint32{13, 13, 33, 33, 13}, [5]uint32{13, 13, 33, 33, 13}, 22, ".....", 5},
		// Nodes: length, type, protocol, port, flow.
		{func(n *profile.NIC) { n.Matcher = profile.MatchTree },
			[5]uint32{16, 22, 45, 45, 19}, [5]uint32{16, 22, 45, 45, 19}, 31, ".....", 2 + 4 + 5 + 5 + 3},
		{func(n *profile.NIC) { n.Matcher, n.MatcherCapacity = profile.MatchTree, 4 },
			[5]uint32{16, 22, 45, 45, 19}, [5]uint32{16, 22, 45, 45, 19}, 31, "..rr.", 2 + 4 + 3},
		// Masks, by packets: type and protocol (2, 3; 45), type (4; 25), type,
		// protocol and port (1; 20), none (0; 10). All have the length to check,
		// which is a round for one candidate or two. A miss tries all four masks,
		// two rounds.
		{func(n *profile.NIC) { n.Matcher = profile.MatchTSS },
			[5]uint32{19, 19, 36, 36, 16}, [5]uint32{19, 19, 39, 39, 19}, 28, ".....", 5},
		{func(n *profile.NIC) { n.Matcher, n.MatcherWidth = profile.MatchTSS, 32 },
			[5]uint32{19, 19, 36, 36, 16}, [5]uint32{19, 19, 39, 39, 19}, 28, ".r...", 4},
		// One search, whatever it finds. 38 bytes or more are 13 prefixes: 38-39,
		// 40-47, 48-63 and from 64 on ten. One entry denies the type or protocol.
		{func(n *profile.NIC) { n.Matcher = profile.MatchTCAM },
			[5]uint32{13, 13, 13, 13, 13}, [5]uint32{13, 13, 13, 13, 13}, 13, "..rr.", 14 + 13 + 14},
		// With ranges: what is less than a type and what is more; a byte likewise.
		{func(n *profile.NIC) { n.Matcher, n.MatcherRange = profile.MatchTCAM, 1 },
			[5]uint32{13, 13, 13, 13, 13}, [5]uint32{13, 13, 13, 13, 13}, 13, "..rr.", 2 + 1 + 2},
		{func(n *profile.NIC) { n.Matcher, n.MatcherCapacity = profile.MatchTCAM, 13 },
			[5]uint32{13, 13, 13, 13, 13}, [5]uint32{13, 13, 13, 13, 13}, 13, "r.rrr", 13},
		// The key takes those of most packets: type, protocol and 16 of length are
		// 40 bits; the port makes it 56.
		{func(n *profile.NIC) { n.Matcher, n.MatcherWidth = profile.MatchTCAM, 40 },
			[5]uint32{13, 13, 13, 13, 13}, [5]uint32{13, 13, 13, 13, 13}, 13, ".rrr.", 14 + 14},
	} {
		n := nic
		c.change(&n)
		got := must.Get(Price(w, Trees{tree}, &n))(t)
		name := string(n.Matcher)
		for i, p := range got.Paths {
			if p.Match != c.match[i] || p.Miss != c.miss[i] || (p.Refused != "") != (c.refused[i] == 'r') {
				t.Errorf("%s %+v: path %d: %+v, want %d and %d", name, n, i, p, c.match[i], c.miss[i])
			}
			if p.Bits == 0 {
				t.Errorf("%s: path %d takes no memory", name, i)
			}
		}
		if got.Miss != c.mean || got.Entries != c.entries {
			t.Errorf("%s: mean miss %d, %d entries, want %d and %d", name, got.Miss, got.Entries, c.mean, c.entries)
		}
	}
}

// The reasons to refuse are told apart.
func TestRefusals(t *testing.T) {
	w, tree := five(t)
	for _, c := range []struct {
		n    profile.NIC
		path int
		want string
	}{
		{profile.NIC{Matcher: profile.MatchTCAM}, 2, "map state in a TCAM"},
		{profile.NIC{Matcher: profile.MatchTCAM, MatcherCapacity: 13}, 0, "14 entries in a TCAM of 13"},
		{profile.NIC{Matcher: profile.MatchTCAM, MatcherWidth: 40}, 1, "a key of 56 bits in a TCAM of 40"},
		{profile.NIC{Matcher: profile.MatchTree, MatcherCapacity: 4}, 2, "5 nodes in a tree of 4"},
		{profile.NIC{Matcher: profile.MatchTSS, MatcherWidth: 32}, 1, "a key of 40 bits in tables of 32"},
	} {
		got := must.Get(Price(w, Trees{tree}, &c.n))(t)
		if s := got.Paths[c.path].Refused; s != c.want {
			t.Errorf("path %d: %q, want %q", c.path, s, c.want)
		}
	}
	for cond, want := range map[string]string{
		"time > 5": "a latched input in a TCAM", "layout ip@14; ip.src == ip.dst": "a relation of fields in a TCAM",
		// An odd sum of 17 bits isn't tabled.
		"pkt[0:2] * 3 == pkt[2:4]": "a relation of fields in a TCAM",
	} {
		c := compiler(t)
		w := &workload.Workload{Compiler: c, Paths: []workload.Path{{Cond: parse(t, c, cond), Packets: 1}}}
		got := must.Get(Price(w, nil, &profile.NIC{Matcher: profile.MatchTCAM}))(t)
		if s := got.Paths[0].Refused; s != want {
			t.Errorf("%s: %q, want %q", cond, s, want)
		}
	}
}

func TestCostsErrors(t *testing.T) {
	w, tree := five(t)
	if _, err := Price(w, Trees{tree}, &profile.NIC{Name: "odd", Matcher: "cam"}); err == nil || !strings.Contains(err.Error(), `nic odd: matcher "cam"`) {
		t.Errorf("unknown matcher: %v", err)
	}
	w.Compiler = nil
	if _, err := Price(w, Trees{tree}, &profile.NIC{Matcher: profile.MatchTree}); err == nil {
		t.Error("a workload without a compiler was priced")
	}
	// No paths at all, and times past any number.
	empty := &workload.Workload{Compiler: compiler(t)}
	for _, k := range []profile.MatcherKind{profile.MatchLinear, profile.MatchTree, profile.MatchTSS, profile.MatchTCAM} {
		got, err := Price(empty, nil, &profile.NIC{Matcher: k, MatcherBase: 7})
		if err != nil || got.Miss != 7 {
			t.Errorf("%s of nothing: %+v, %v", k, got, err)
		}
	}
	w, tree = five(t)
	got, err := Price(w, Trees{tree}, &profile.NIC{Matcher: profile.MatchTree, MatcherStep: math.MaxUint64 / 2})
	if err != nil || got.Paths[2].Match != math.MaxUint32 {
		t.Errorf("the longest walk: %+v, %v", got, err)
	}
}

// Price analyses a workload and prices it for one device.
func Price(w *workload.Workload, t Trees, n *profile.NIC) (*Costs, error) {
	x, err := Analyse(w, Options{})
	if err != nil {
		return nil, err
	}
	return x.Costs(t, n)
}
