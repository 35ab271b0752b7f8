// Package superoptcmd is the verb `jitnic superopt`: a program in, the same
// program in the same format out, smaller and proved equal.
//
//	jitnic superopt prog.o -o prog.opt.o     whole objects, every function of them
//	jitnic superopt prog.k2 -o -             K2's text; also .bpf, .insns (+ .maps, .desc)
//	jitnic superopt prog.o --rules store.txt a store of rewrite rules that grows with every run
//	jitnic superopt prog.k2 -o out.k2 --top 3   out.2.k2 and out.3.k2 beside it
//	jitnic superopt prog.o --cost nic        cycles of a device instead of instructions
//	jitnic superopt rules --prove            the rules that ship
//	jitnic superopt ladder                   a ladder of known cases, easy to hard
//	jitnic superopt bench --ablate           K2's benchmarks beside K2's counts
//
// The package holds flags and printing only. An input hides which format a
// program came in; what it is made of are units, one for each function, and
// each unit is optimised by jitnic/superopt and judged by the running kernel
// where --kernel asks for it.
package superoptcmd
