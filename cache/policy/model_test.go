package policy

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The main policies once more, as their papers say them and as slowly as it
// gets: slices, searched from end to end. Sizes are units.

type model interface{ request(id uint32) (hit bool) }

// queue is a slice of ids, oldest first.
type queue []uint32

func (q *queue) cut(id uint32) bool {
	i := slices.Index(*q, id)
	if i >= 0 {
		*q = slices.Delete(*q, i, i+1)
	}
	return i >= 0
}

func (q *queue) pop() uint32 {
	id := (*q)[0]
	*q = slices.Delete(*q, 0, 1)
	return id
}

type fifoModel struct {
	n int
	q queue
}

func (m *fifoModel) request(id uint32) bool {
	if slices.Contains(m.q, id) {
		return true
	}
	if len(m.q) == m.n {
		m.q.pop()
	}
	m.q = append(m.q, id)
	return false
}

type lruModel struct {
	n int
	q queue
}

func (m *lruModel) request(id uint32) bool {
	hit := m.q.cut(id)
	if !hit && len(m.q) == m.n {
		m.q.pop()
	}
	m.q = append(m.q, id)
	return hit
}

type mruModel struct {
	n int
	q queue
}

func (m *mruModel) request(id uint32) bool {
	hit := m.q.cut(id)
	if !hit && len(m.q) == m.n {
		m.q = m.q[:len(m.q)-1]
	}
	m.q = append(m.q, id)
	return hit
}

type clockModel struct {
	n    int
	q    queue
	used map[uint32]bool
}

func (m *clockModel) request(id uint32) bool {
	if slices.Contains(m.q, id) {
		m.used[id] = true
		return true
	}
	for len(m.q) == m.n {
		if v := m.q.pop(); m.used[v] {
			m.used[v] = false
			m.q = append(m.q, v)
		}
	}
	m.q = append(m.q, id)
	m.used[id] = false
	return false
}

type lfuModel struct {
	n   int
	e   []lfuModelEntry
	now int
}

type lfuModelEntry struct {
	id          uint32
	uses, since int // since when it has so many uses
}

func (m *lfuModel) request(id uint32) bool {
	m.now++
	for i := range m.e {
		if m.e[i].id == id {
			m.e[i].uses++
			m.e[i].since = m.now
			return true
		}
	}
	if len(m.e) == m.n {
		v := slices.MinFunc(m.e, func(a, b lfuModelEntry) int {
			return cmp.Or(cmp.Compare(a.uses, b.uses), cmp.Compare(a.since, b.since))
		})
		m.e = slices.DeleteFunc(m.e, func(e lfuModelEntry) bool { return e == v })
	}
	m.e = append(m.e, lfuModelEntry{id, 1, m.now})
	return false
}

// sieveModel follows the paper's pseudocode: head is the end of q.
type sieveModel struct {
	n       int
	q       queue
	visited map[uint32]bool
	hand    int64 // id, -1: none
}

func (m *sieveModel) request(id uint32) bool {
	if slices.Contains(m.q, id) {
		m.visited[id] = true
		return true
	}
	if len(m.q) == m.n {
		i := 0
		if m.hand >= 0 {
			i = slices.Index(m.q, uint32(m.hand))
		}
		for m.visited[m.q[i]] {
			m.visited[m.q[i]] = false
			i = (i + 1) % len(m.q)
		}
		m.hand = -1
		if i+1 < len(m.q) {
			m.hand = int64(m.q[i+1])
		}
		m.q = slices.Delete(m.q, i, i+1)
	}
	m.q = append(m.q, id)
	m.visited[id] = false
	return false
}

// lruKModel looks at the whole past; it is lru-k as long as what is remembered
// of evicted ids is not bounded, so it is run with few ids.
type lruKModel struct {
	n, k int
	in   map[uint32]bool
	past map[uint32][]int
	now  int
}

func (m *lruKModel) request(id uint32) bool {
	m.now++
	hit := m.in[id]
	if !hit && len(m.in) == m.n {
		kth := func(id uint32) int {
			if p := m.past[id]; len(p) >= m.k {
				return p[len(p)-m.k]
			}
			return 0
		}
		last := func(id uint32) int { return m.past[id][len(m.past[id])-1] }
		var ids []uint32
		for id := range m.in {
			ids = append(ids, id)
		}
		delete(m.in, slices.MinFunc(ids, func(a, b uint32) int {
			return cmp.Or(cmp.Compare(kth(a), kth(b)), cmp.Compare(last(a), last(b)))
		}))
	}
	m.in[id] = true
	m.past[id] = append(m.past[id], m.now)
	return hit
}

// s3Model is S3-FIFO's pseudocode (first version).
type s3Model struct {
	n, s, g            int
	small, main, ghost queue
	freq               map[uint32]int
}

func (m *s3Model) request(id uint32) bool {
	if slices.Contains(m.small, id) || slices.Contains(m.main, id) {
		m.freq[id] = min(m.freq[id]+1, 3)
		return true
	}
	known := m.ghost.cut(id)
	for len(m.small)+len(m.main) >= m.n {
		if len(m.main) > m.n-m.s || len(m.small) == 0 {
			for {
				v := m.main.pop()
				if m.freq[v] == 0 {
					break
				}
				m.freq[v]--
				m.main = append(m.main, v)
			}
			continue
		}
		for len(m.small) > 0 {
			v := m.small.pop()
			if m.freq[v] >= 2 {
				m.freq[v] = 0
				m.main = append(m.main, v)
				continue
			}
			if m.g > 0 {
				if len(m.ghost) == m.g {
					m.ghost.pop()
				}
				m.ghost = append(m.ghost, v)
			}
			break
		}
	}
	if known {
		m.main = append(m.main, id)
	} else {
		m.small = append(m.small, id)
	}
	m.freq[id] = 0
	return false
}

// setLRUModel is a list a set; sets are taken from the policy itself.
type setLRUModel struct {
	ways int
	of   func(uint32) int
	set  map[int]*lruModel
}

func (m *setLRUModel) request(id uint32) bool {
	s := m.of(id)
	if m.set[s] == nil {
		m.set[s] = &lruModel{n: m.ways}
	}
	return m.set[s].request(id)
}

// beladyModel looks ahead.
type beladyModel struct {
	n   int
	ids []uint32
	at  int
	in  map[uint32]bool
}

func (m *beladyModel) request(id uint32) bool {
	next := func(id uint32) int {
		if i := slices.Index(m.ids[m.at+1:], id); i >= 0 {
			return i
		}
		return len(m.ids)
	}
	hit := m.in[id]
	if !hit && len(m.in) == m.n {
		far, furthest := uint32(0), -1
		for v := range m.in {
			if d := next(v); d > furthest {
				far, furthest = v, d
			}
		}
		delete(m.in, far)
	}
	m.in[id] = true
	m.at++
	return hit
}

func TestPoliciesAreTheirModels(t *testing.T) {
	models := map[string]func(n int, p Policy, ids []uint32) model{
		"fifo":  func(n int, _ Policy, _ []uint32) model { return &fifoModel{n: n} },
		"lru":   func(n int, _ Policy, _ []uint32) model { return &lruModel{n: n} },
		"mru":   func(n int, _ Policy, _ []uint32) model { return &mruModel{n: n} },
		"lfu":   func(n int, _ Policy, _ []uint32) model { return &lfuModel{n: n} },
		"clock": func(n int, _ Policy, _ []uint32) model { return &clockModel{n: n, used: map[uint32]bool{}} },
		"sieve": func(n int, _ Policy, _ []uint32) model {
			return &sieveModel{n: n, visited: map[uint32]bool{}, hand: -1}
		},
		"lru-k": func(n int, _ Policy, _ []uint32) model {
			return &lruKModel{n: n, k: 2, in: map[uint32]bool{}, past: map[uint32][]int{}}
		},
		"s3-fifo-v0": func(n int, _ Policy, _ []uint32) model {
			return &s3Model{n: n, s: max(1, n/10), g: n * 9 / 10, freq: map[uint32]int{}}
		},
		"set-lru/4": func(n int, p Policy, _ []uint32) model {
			return &setLRUModel{ways: min(4, n), of: p.(*setAssoc).set, set: map[int]*lruModel{}}
		},
		"belady": func(n int, _ Policy, ids []uint32) model {
			return &beladyModel{n: n, ids: ids, in: map[uint32]bool{}}
		},
	}
	var names []string
	for name := range models {
		names = append(names, name)
	}
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "policy")
		n := rapid.IntRange(1, 40).Draw(t, "capacity")
		ids := drawIDs(t)
		ids = ids[:min(len(ids), 600)]
		if name == "lru-k" { // so that nothing remembered is forgotten
			for i := range ids {
				ids[i] %= uint32(2 * n)
			}
		}
		miss := make([]uint64, (len(ids)+63)/64)
		var p Policy
		if name == "belady" {
			Belady(Requests{IDs: ids, N: 150}, uint64(n), miss)
		} else {
			var err error
			if p, err = New(name, Config{Capacity: uint64(n), Seed: 9}); err != nil {
				t.Fatal(err)
			}
			Run(p, ids, miss)
		}
		m := models[name](n, p, ids)
		hits := 0
		for i, id := range ids {
			hit := miss[i>>6]>>(i&63)&1 == 0
			want := m.request(id)
			if name == "belady" { // which of several without a future goes is free
				hits += b2i(hit) - b2i(want)
				continue
			}
			if hit != want {
				t.Fatalf("%s at %d: request %d of id %d: hit %v, the model says %v", name, n, i, id, hit, want)
			}
		}
		if hits != 0 {
			t.Fatalf("belady at %d hits %d more than the model", n, hits)
		}
	})
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
