// Package fastpath makes an XDP program for the kernel of a program's hottest
// paths: their conditions as one decision tree in front, each leaf the straight
// line of a trace; what no leaf takes goes on, by a tail call, in the original,
// which stands untouched in the same object.
//
//	ctx ──▶ tree ──▶ leaf: trace, exit
//	          └────▶ tail call ──▶ the original
//
// Or, with Options.Join, the original's code follows in the same program, for who
// needs every tail call and for loaders that load one program of a file.
//
// The tree is that of pathcond/tree over the chosen paths, so it asks what the
// program would ask, in the program's order, and writes nothing. What a condition
// looks up is kept on the stack: the trace uses the pointer that the condition
// found, and where the condition needs the clock it is read once. The kernel has
// no look-up that leaves an LRU map's order alone: the tree may look up in one
// only what each path below has looked up itself (see builder.leaf).
//
// The verifier must see what the interpreter knows: that packet bytes are there,
// that a pointer isn't NULL, that a number added to a pointer is small. Where the
// tree's own comparisons don't show it, a comparison is put in whose other side
// goes to the original, or, once a trace has written something, ends in
// XDP_ABORTED. By the path condition no packet takes it.
//
// What can't be said in the kernel's instructions (how many entries a map has,
// which program a tail call leads to, a number that was drawn) leaves its path
// out, with the reason.
package fastpath
