// Package pair asks the running kernel about a program and what was made of
// it: are both loaded, and do they do the same.
//
//	old, new loader.Object ── Compare ──→ Outcome: equal on 2,000 runs
//	                                               original refused: …
//	                                               result refused: …
//	                                               not checked: …
//	                                               differs: run 3: verdict: …
//
// Each is loaded as package kernel loads what host/loader mends, onto maps of
// its own that are filled alike, with latched clock and random draws and with
// stacks that begin with zeros. The original is loaded twice: what it does
// another way the second time can't be asked of the result. After the runs all
// maps are compared that tell what they hold.
package pair
