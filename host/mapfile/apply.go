package mapfile

import (
	"encoding/binary"
	"errors"
	"slices"

	"jitnic/host/maps"
)

// Fill makes the initial entries.
func (p *Plan) Fill() error {
	for i := range p.initial {
		if err := p.apply(&p.initial[i]); err != nil {
			return err
		}
	}
	return nil
}

// Due says whether Apply has something to do: packets is how many packets came
// before this one, ns the time since the first.
func (p *Plan) Due(packets, ns uint64) bool {
	return packets >= p.count || ns >= p.time
}

// Apply makes the updates that are due, in the file's order, and returns how
// many. An update that a map refuses (full, no such key) doesn't stop the
// others; the errors are joined.
func (p *Plan) Apply(packets, ns uint64) (int, error) {
	n := 0
	var errs []error
	for p.Due(packets, ns) {
		// Of both queues' first the one that stands first in the file. With a
		// capture whose clock jumps, whole stretches may fall due at once.
		q := &p.byCount
		if packets < p.count || ns >= p.time && p.byTime[0].order < p.byCount[0].order {
			q = &p.byTime
		}
		if err := p.apply(&(*q)[0]); err != nil {
			errs = append(errs, err)
		}
		*q = (*q)[1:]
		p.next()
		n++
	}
	return n, errors.Join(errs...)
}

// Pending is how many updates are still to come.
func (p *Plan) Pending() int { return len(p.byCount) + len(p.byTime) }

func (p *Plan) apply(c *change) error {
	mp := p.machine.Maps()[c.m]
	errno := p.do(c, mp)
	if errno == maps.OK {
		return nil
	}
	what := "update"
	if c.del {
		what = "delete"
	}
	return named(c.file, c.where.wrong("%s map %q: %w", what, mp.Spec().Name, refusal(mp, c, errno)))
}

func (p *Plan) do(c *change, mp maps.Map) maps.Errno {
	if c.del {
		if q, ok := mp.(maps.Queue); ok {
			return q.PopElem(make([]byte, mp.Spec().ValueSize))
		}
		return mp.Delete(c.key)
	}
	spec := mp.Spec()
	cpu := 0
	if spec.Flags&maps.FlagNoCommonLRU != 0 {
		// Each CPU has room for its share only: they take turns.
		cpu = c.order % p.machine.CPUs
	}
	switch {
	case c.bits:
		copy(mp.(maps.Bits).Bits(), c.value)
		return maps.OK
	case c.all && cpu != 0:
		// UpdateAll makes its element on CPU 0.
		one := c.value[cpu*maps.ValueStride(spec):][:spec.ValueSize]
		if e := mp.Update(c.key, one, c.flags, cpu); e != maps.OK {
			return e
		}
		return mp.(maps.PerCPU).UpdateAll(c.key, c.value, maps.Exist)
	case c.all:
		return mp.(maps.PerCPU).UpdateAll(c.key, c.value, c.flags)
	case c.second:
		v := slices.Clone(c.value)
		binary.LittleEndian.PutUint32(v[4:], uint32(c.number+1))
		return mp.Update(c.key, v, c.flags, 0)
	case c.mask != nil:
		old := current(mp, c.key)
		v := slices.Clone(c.value)
		for i := range v {
			if i < len(old) {
				v[i] = v[i]&c.mask[i] | old[i]&^c.mask[i]
			}
		}
		return mp.Update(c.key, v, c.flags, 0)
	}
	switch m := mp.(type) {
	case maps.Programs:
		return m.SetProgram(binary.LittleEndian.Uint32(c.key), c.number)
	case maps.OfMaps:
		return m.SetInner(c.key, c.number, p.machine.Maps()[c.number].Spec(), c.flags)
	}
	return mp.Update(c.key, c.value, c.flags, cpu)
}

// current is a copy of the value at key of an array.
func current(m maps.Map, key []byte) []byte {
	var out []byte
	m.Range(func(k, v []byte) bool {
		if string(k) == string(key) {
			out = slices.Clone(v)
			return false
		}
		return true
	})
	return out
}
