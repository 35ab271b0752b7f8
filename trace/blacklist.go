package trace

// Blacklist keeps paths that fail again and again from being tried each time.
// A penalty doubles with every failure and is measured in packets, and it
// halves while the path stays quiet, so a blacklisted path is never lost for
// ever (LuaJIT's penalty cache, lj_trace.c, with decay).
type Blacklist struct {
	MinPenalty uint64 // packets after the first failure; 0: 64
	MaxPenalty uint64 // packets at most; 0: 1 << 16
	entries    map[uint64]*penalty
}

type penalty struct {
	span  uint64 // packets of the last penalty
	until uint64 // packet number it ends at
}

// Fail notes a failure of the path at packet number now.
func (b *Blacklist) Fail(path, now uint64) {
	if b.entries == nil {
		b.entries = map[uint64]*penalty{}
	}
	lo, hi := b.MinPenalty, b.MaxPenalty
	if lo == 0 {
		lo = 64
	}
	if hi == 0 {
		hi = 1 << 16
	}
	p := b.entries[path]
	if p == nil {
		b.entries[path] = &penalty{span: lo, until: now + lo}
		return
	}
	if now > p.until { // quiet packets since the penalty ended take it down again
		for quiet := now - p.until; quiet >= p.span && p.span > lo; quiet -= p.span {
			p.span /= 2
		}
	}
	p.span = min(max(p.span*2, lo), hi)
	p.until = now + p.span
}

// Barred says whether the path is under a penalty at packet number now.
func (b *Blacklist) Barred(path, now uint64) bool {
	p := b.entries[path]
	return p != nil && now < p.until
}

// Len is the number of paths that ever failed.
func (b *Blacklist) Len() int { return len(b.entries) }
