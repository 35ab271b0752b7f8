// Package bench measures the optimiser on the programs K2 was measured on, as
// far as they can be built here: the kernel's samples, compiled by clang from
// Debian's linux-source package.
//
// [Build] compiles them into a folder of the caller's; nothing of the kernel's
// sources is kept but the objects. [K2] lists which function of which object is
// which of K2's benchmarks, with the counts K2 published for it; a folder with
// K2's own inputs (their repository is smartnic/superopt-input-bm) comes before
// what is built here, so that the table of the paper can be made again.
// [Run] optimises them and makes a row of each, [Ablate] does so with K2's
// four accelerations of a proof switched off one after another.
//
// The tests of this package also hold the optimiser against random programs:
// what comes out must do to every packet what went in did, and the kernel must
// take it where it took the original.
package bench
