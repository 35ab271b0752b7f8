package explore

import (
	"context"
	"math/rand/v2"

	"jitnic/cache"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// Packets searches, without a solver, for packets that take distinct paths of
// the runtime's program: it looks at the predicates of each path found so far
// and changes the packet that found it where a predicate reads it, to the
// constants the predicate compares with, their neighbours and single bits; the
// guard tree tells at once whether the changed packet's path is known. It
// starts from seeds and ends after want paths or budget tries, whichever comes
// first; where ctx does, it returns its error. The same arguments give the same
// packets.
func Packets(ctx context.Context, r *jit.Runtime, seeds [][]byte, want, budget int, seed uint64) ([][]byte, error) {
	return Walk(ctx, r, seeds, want, budget, seed, nil)
}

// Walk is Packets, and shows each packet that it tries, with what came of it;
// each may be nil.
func Walk(ctx context.Context, r *jit.Runtime, seeds [][]byte, want, budget int, seed uint64, each func(in *vm.Input, out *vm.Output, res nic.Result) error) ([][]byte, error) {
	x := &explorer{ctx: ctx, r: r, want: want, budget: budget, each: each, rng: rand.New(rand.NewPCG(seed, 0x657870)), seen: map[int32]bool{}}
	for _, p := range seeds {
		if err := x.try(p); err != nil {
			return x.found, err
		}
	}
	for next := 0; next < len(x.queue) && !x.done(); next++ {
		q := x.queue[next]
		for _, pr := range r.Paths()[q.path].Path.Cond {
			for _, p := range x.changes(q.packet, pr.Term) {
				if x.done() {
					return x.found, nil
				}
				if err := x.try(p); err != nil {
					return x.found, err
				}
			}
		}
	}
	return x.found, nil
}

type explorer struct {
	ctx    context.Context
	r      *jit.Runtime
	want   int
	budget int
	tries  int
	each   func(in *vm.Input, out *vm.Output, res nic.Result) error
	rng    *rand.Rand
	seen   map[int32]bool
	found  [][]byte
	queue  []foundPath
	out    vm.Output
}

type foundPath struct {
	packet []byte
	path   int32
}

func (x *explorer) done() bool { return len(x.found) >= x.want || x.tries >= x.budget }

// try runs a packet and keeps it if its path is new.
func (x *explorer) try(p []byte) error {
	if x.tries++; x.tries&0xff == 0 {
		if err := x.ctx.Err(); err != nil {
			return err
		}
	}
	in := vm.Input{Data: p, TimeNS: uint64(x.tries) * 1000, IfIndex: 1, Packet: uint64(x.tries)}
	res, err := x.r.Process(&in, &x.out)
	if err != nil {
		return err
	}
	if x.each != nil {
		if err := x.each(&in, &x.out, res); err != nil {
			return err
		}
	}
	id := res.Path
	if id < 0 || x.seen[id] {
		return nil
	}
	x.seen[id] = true
	x.found = append(x.found, append([]byte(nil), p...))
	x.queue = append(x.queue, foundPath{x.found[len(x.found)-1], id})
	return nil
}

// changes gives packets in which what the term reads is different.
func (x *explorer) changes(p []byte, t bv.Term) [][]byte {
	b := x.r.Comp.B
	base := x.r.S.Buf + vm.Headroom
	var loads []bv.Term
	var consts []uint64
	length := false
	mark := map[bv.Term]bool{}
	var walk func(t bv.Term)
	walk = func(t bv.Term) {
		if mark[t] || len(mark) > 200 {
			return
		}
		mark[t] = true
		if k, ok := b.IsConst(t); ok {
			consts = append(consts, k)
			return
		}
		if b.Op(t) == bv.OpInput && b.K(t) == pathcond.InLen {
			length = true
		}
		args := b.Args(t)
		if b.Op(t) == bv.OpFun && b.K(t) == pathcond.FunLoad {
			if _, ok := b.IsConst(args[0]); ok {
				loads = append(loads, t)
				return
			}
		}
		for _, a := range args {
			walk(a)
		}
	}
	walk(t)
	var out [][]byte
	put := func(off uint64, n int, v uint64) {
		if off+uint64(n) > uint64(len(p)) {
			return
		}
		q := append([]byte(nil), p...)
		for i := 0; i < n; i++ {
			q[off+uint64(i)] = byte(v >> (8 * i))
		}
		out = append(out, q)
	}
	for _, l := range loads {
		addr, _ := b.IsConst(b.Args(l)[0])
		off, n := addr-base, b.Width(l)/8
		if off >= vm.MaxLinear {
			continue
		}
		for _, k := range consts {
			swapped := uint64(0)
			for i := 0; i < n; i++ {
				swapped = swapped<<8 | k>>(8*i)&0xff
			}
			for _, v := range []uint64{k, k + 1, k - 1, swapped, swapped + 1, swapped - 1} {
				put(off, n, v)
			}
		}
		var old uint64
		for i := n - 1; i >= 0 && off+uint64(i) < uint64(len(p)); i-- {
			old = old<<8 | uint64(p[off+uint64(i)])
		}
		for i := 0; i < 8*n; i++ {
			put(off, n, old^1<<i)
		}
		put(off, n, x.rng.Uint64())
	}
	if length {
		for _, k := range consts {
			for _, n := range []uint64{k, k + 1, k - 1} {
				switch {
				case n < vm.MinPacket || n > 1514 || n == uint64(len(p)):
				case n < uint64(len(p)):
					out = append(out, append([]byte(nil), p[:n]...))
				default:
					out = append(out, append(append([]byte(nil), p...), make([]byte, n-uint64(len(p)))...))
				}
			}
		}
	}
	return out
}

// Options are those of a runtime to explore with: every path is installed
// at once and nothing is evicted, so that nothing but discovery costs time.
func Options() jit.Options {
	return jit.Options{Cache: cache.Config{Policy: "infinite", Entries: 1 << 30}}
}
