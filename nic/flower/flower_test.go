package flower

import (
	"testing"

	"jitnic/host/vm"
	"jitnic/pcaps/splitmix"
)

// TestWithin: masks cover a range, each number once.
func TestWithin(t *testing.T) {
	for _, r := range [][2]uint64{{0, 0}, {0, 255}, {2, 255}, {1, 254}, {5, 5}, {0, 43}, {128, 200}} {
		for v := range uint64(256) {
			n := 0
			for _, x := range within(r[0], r[1], 1) {
				if b := toBytes(v, 1); x.takes(&b) {
					n++
				}
			}
			if in := v >= r[0] && v <= r[1]; in && n != 1 || !in && n != 0 {
				t.Errorf("%d is in %d masks of %d..%d", v, n, r[0], r[1])
			}
		}
	}
}

// TestRandom: what is drawn for a match is taken by it, plain, and right; and
// edits leave it so.
func TestRandom(t *testing.T) {
	rng := splitmix.State(3)
	for i := range 4000 {
		m := Match{Type: []uint16{typeIPv4, typeIPv6, 0x0806}[i%3]}
		if i%2 == 0 {
			m.Tag = type8021Q
		}
		if m.Type != 0x0806 {
			proto := []byte{6, 17, 1, 58}[i/6%4]
			m.Keys[Proto] = Ternary{Bytes{proto}, full(Proto)}
			if m.Type == typeIPv4 {
				m.Frag = NoFragment
			}
			if proto == 6 || proto == 17 {
				m.Keys[DPort] = Ternary{Bytes{1, 187}, full(DPort)}
			}
		}
		m.Keys[EthDst] = Ternary{Bytes{2}, Bytes{3}}
		p := m.random(&rng, Plain)
		f := dissect(p)
		if !m.takes(&f) || !IsPlain(p) {
			t.Fatalf("%+v doesn't take %x, or it isn't plain", m, p)
		}
		r := Rule{Match: m, Do: Edits{VID: -1, L3: true, L4: true}}
		if m.Type != 0x0806 {
			if !right(p, &f, &r) {
				t.Fatalf("%x: its checksums are wrong", p)
			}
			r.Do.Down = true
			q := r.Apply(p)
			g := dissect(q)
			if !right(q, &g, &r) || q[g.offset(TTL)] != p[f.offset(TTL)]-1 {
				t.Fatalf("%x becomes %x", p, q)
			}
		}
		r.Do.Push = 0x8100_2007
		if q := r.Apply(p); len(q) != len(p)+4 || dissect(q).tag != type8021Q {
			t.Fatalf("a tag in front of %x makes %x", p, q)
		}
	}
}

// TestPlain: what a plain parser doesn't keep.
func TestPlain(t *testing.T) {
	rng := splitmix.State(4)
	m := Match{Type: typeIPv4, Frag: NoFragment}
	m.Keys[Proto] = Ternary{Bytes{6}, full(Proto)}
	for name, spoil := range map[string]func(p []byte){
		"version":          func(p []byte) { p[14] = 0x55 },
		"options":          func(p []byte) { p[14] = 0x46 },
		"length":           func(p []byte) { be.PutUint16(p[16:], uint16(len(p))) },
		"TCP's offset":     func(p []byte) { p[34+12] = 0x40 },
		"a header cut off": func(p []byte) { be.PutUint16(p[16:], 39) },
	} {
		p := m.random(&rng, Plain)
		if spoil(p); IsPlain(p) {
			t.Errorf("%s: %x is plain", name, p)
		}
	}
}

// TestOnePiece: a rule whose path asks for the length that the IP header says, which
// a plain parser vouches for, takes no packet that the program finds in pieces; one
// that asks for headers alone does.
func TestOnePiece(t *testing.T) {
	rng := splitmix.State(5)
	for words, piece := range map[string]bool{"pkt.len >= ip6.len + 54": true, "ip6.version == 6": false, "pkt.len >= 54": false} {
		ms, ok := Match{Type: typeIPv6}.with(words, Plain)
		if !ok {
			t.Fatalf("no match for %q", words)
		}
		r := Rules{Parser: Plain, List: []Rule{{Match: ms[0], Do: Edits{VID: -1}, Action: Pass}}}
		if r.OnePiece() != piece {
			t.Errorf("%s: one piece: %v", words, !piece)
		}
		p := ms[0].random(&rng, Plain)
		for n, want := range map[int]bool{len(p): true, vm.MaxLinear: true, vm.MaxLinear + 1: !piece} {
			q := append(p[:len(p):len(p)], make([]byte, n-len(p))...)
			if got := r.Take(q) != nil; got != want {
				t.Errorf("%s: a packet of %d bytes is taken: %v", words, n, got)
			}
		}
	}
}
