package policy

import (
	"cmp"
	"slices"
	"testing"

	"jitnic/host/hosttest/must"

	"pgregory.net/rapid"
)

// The policies whose order can be said in a line, with sizes that change: a list of
// entries, the one to go found by looking at all.

type sizedEntry struct {
	id, size        uint32
	put, used, uses int // put in and used at; uses since
	last            int // when it came to so many uses
	worth           float64
}

type sizedModel struct {
	capacity int
	e        []sizedEntry
	now      int
	aged     float64 // gdsf: worth of what was evicted last
	// goes orders entries, the one to go first.
	goes func(a, b *sizedEntry) int
	all  bool // flush-all
}

func (m *sizedModel) at(id uint32) int {
	return slices.IndexFunc(m.e, func(e sizedEntry) bool { return e.id == id })
}

func (m *sizedModel) used() (n int) {
	for _, e := range m.e {
		n += int(e.size)
	}
	return n
}

// room evicts until size more fits.
func (m *sizedModel) room(size int) (out []uint32) {
	for m.used()+size > m.capacity {
		k := 0
		for i := range m.e {
			if m.goes(&m.e[i], &m.e[k]) < 0 {
				k = i
			}
		}
		m.aged = m.e[k].worth
		out = append(out, m.e[k].id)
		m.e = slices.Delete(m.e, k, k+1)
		for m.all && len(m.e) > 0 {
			out = append(out, m.e[0].id)
			m.e = m.e[1:]
		}
	}
	return out
}

// gain is gdsf's worth of an entry above what was evicted before its last use.
func (e *sizedEntry) gain() float64 { return float64(e.uses) * 1e6 / float64(e.size) }

func (m *sizedModel) request(id, size uint32) (hit bool, out []uint32) {
	m.now++
	if i := m.at(id); i >= 0 {
		e := &m.e[i]
		e.used, e.uses, e.last = m.now, e.uses+1, m.now
		e.worth = m.aged + e.gain()
		return true, nil
	}
	if int(size) > m.capacity {
		return false, nil
	}
	out = m.room(int(size))
	e := sizedEntry{id: id, size: size, put: m.now, used: m.now, uses: 1, last: m.now}
	e.worth = m.aged + e.gain()
	m.e = append(m.e, e)
	return false, out
}

func (m *sizedModel) resize(id, size uint32) []uint32 {
	i := m.at(id)
	if int(size) > m.capacity {
		m.e = slices.Delete(m.e, i, i+1)
		return []uint32{id}
	}
	e := &m.e[i]
	without := e.worth - e.gain()
	e.size = size
	e.worth = without + e.gain()
	return m.room(0)
}

func TestResizeIsTheModels(t *testing.T) {
	by := func(key func(e *sizedEntry) int) func(a, b *sizedEntry) int {
		return func(a, b *sizedEntry) int { return cmp.Compare(key(a), key(b)) }
	}
	put := by(func(e *sizedEntry) int { return e.put })
	models := map[string]func(a, b *sizedEntry) int{
		"fifo":      put,
		"flush-all": put,
		"lru":       by(func(e *sizedEntry) int { return e.used }),
		"mru":       by(func(e *sizedEntry) int { return -e.used }),
		"lfu": func(a, b *sizedEntry) int {
			return cmp.Or(cmp.Compare(a.uses, b.uses), cmp.Compare(a.last, b.last))
		},
		"size": func(a, b *sizedEntry) int {
			return cmp.Or(cmp.Compare(b.size, a.size), put(a, b))
		},
		"gdsf": func(a, b *sizedEntry) int {
			return cmp.Or(cmp.Compare(a.worth, b.worth), cmp.Compare(a.last, b.last))
		},
	}
	var names []string
	for name := range models {
		names = append(names, name)
	}
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "policy")
		m := &sizedModel{capacity: rapid.IntRange(1, 60).Draw(t, "capacity"), goes: models[name], all: name == "flush-all"}
		p := must.Get(New(name, Config{Capacity: uint64(m.capacity), Sized: true}))(t)
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			id := uint32(rapid.IntRange(0, 20).Draw(t, "id"))
			size := uint32(rapid.IntRange(1, 12).Draw(t, "size"))
			var got, want []uint32
			if rapid.Bool().Draw(t, "resize") && m.at(id) >= 0 {
				got, want = p.Resize(id, size, nil), m.resize(id, size)
			} else {
				hit := p.Access(id)
				var wantHit bool
				if wantHit, want = m.request(id, size); hit != wantHit {
					t.Fatalf("%s: %d hits: %v, the model says %v", name, id, hit, wantHit)
				}
				if !hit {
					got = p.Insert(id, size, 1, nil)
				}
			}
			if m.all {
				slices.Sort(got)
				slices.Sort(want)
			}
			if !slices.Equal(got, want) || int(p.Used()) != m.used() {
				t.Fatalf("%s: evicts %v, uses %d; the model %v, %d", name, got, p.Used(), want, m.used())
			}
		}
	})
}
