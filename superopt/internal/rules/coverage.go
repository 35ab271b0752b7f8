package rules

import (
	"math/bits"

	"jitnic/host/ebpf"
	"jitnic/pcaps/splitmix"
)

// minCoverage: a form that fires on fewer is one case in disguise.
const minCoverage = 80

// coverage is for how many in a thousand choices of constants that the left
// side can be written with the rule can fire.
func (r *Rule) coverage() int {
	var vars uint32
	for i := range r.Old {
		for _, e := range [2]*expr{r.Old[i].off, r.Old[i].imm} {
			if e != nil {
				e.vars(&vars)
			}
		}
	}
	n, all := 0, 0
	for k := 0; k < 2000 && all < 500; k++ {
		b := Binding{}
		for l := byte('A'); l <= 'Z'; l++ {
			if vars>>(l-'A')&1 != 0 {
				b.imm.put(l, samples[splitmix.Mix(uint64(k)*31+uint64(l))%uint64(len(samples))])
			}
		}
		if !canWrite(r.Old, &b) {
			continue
		}
		all++
		if canWrite(r.New, &b) && r.Holds(&b, nil) {
			n++
		}
	}
	if all == 0 {
		return 0
	}
	return 1000 * n / all
}

// canWrite: with these constants the instructions can be written.
func canWrite(ps []pattern, b *Binding) bool {
	for i := range ps {
		p := &ps[i]
		if p.off != nil {
			if v, ok := p.off.eval(&b.imm); !ok || v != int64(int16(v)) {
				return false
			}
		}
		if p.imm != nil {
			if v, ok := p.imm.eval(&b.imm); !ok || !p.encodes(v) {
				return false
			}
		}
	}
	return true
}

// split is the rule with two registers where one is read and then set to
// something else: what the code's own allocation made one. nil where there is
// no such register.
func (r *Rule) split() *Rule {
	var used uint32
	for i := range r.Old {
		used |= r.Old[i].letters()
	}
	fresh := byte('a' + bits.OnesCount32(used))
	for i := range r.Old {
		d := r.Old[i].writes()
		if d == 0 || fresh > 'j' || !r.Old[i].sets() {
			continue
		}
		before := r.Old[i].src == d
		for k := 0; k < i; k++ {
			before = before || r.Old[k].letters()>>(d-'a')&1 != 0
		}
		if !before {
			continue
		}
		t := r.clone()
		for _, side := range [2][]pattern{t.Old, t.New} {
			at := -1
			for k := range side { // the last plain definition: what the register is in the end
				if side[k].writes() == d && side[k].sets() {
					at = k
				}
			}
			if at < 0 {
				return nil
			}
			side[at].dst = fresh
			for k := at + 1; k < len(side); k++ {
				if side[k].dst == d {
					side[k].dst = fresh
				}
				if side[k].src == d {
					side[k].src = fresh
				}
				if side[k].cond == d {
					side[k].cond = fresh
				}
			}
		}
		if t.check() == nil {
			return t
		}
	}
	return nil
}

// sets: the register written does not depend on what it was.
func (p *pattern) sets() bool {
	switch p.op & 7 {
	case ebpf.ClassLDX, ebpf.ClassLD:
		return true
	case ebpf.ClassALU, ebpf.ClassALU64:
		return p.op&0xf0 == ebpf.ALUMov
	}
	return false
}

// twin is the rule of the other width, where all its operations are of one.
func (r *Rule) twin() *Rule {
	t := r.clone()
	for _, side := range [2][]pattern{t.Old, t.New} {
		for i := range side {
			c := side[i].op & 7
			if side[i].op == ebpf.OpSelect || c != ebpf.ClassALU && c != ebpf.ClassALU64 || side[i].op&0xf0 == ebpf.ALUEnd || c != r.Old[0].op&7 || side[i].sub == 32 {
				return nil
			}
			side[i].op ^= ebpf.ClassALU ^ ebpf.ClassALU64
		}
	}
	return t
}
