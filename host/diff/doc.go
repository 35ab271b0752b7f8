// Package diff is the one place that says whether two engines did the same to
// a packet: verdict, bytes, length, metadata, redirect target and maps. The
// interpreter against the kernel, a trace against the interpreter, native code
// against the trace: all tests and every --check ask here, and the answer
// names the first difference.
//
// [Outputs] compares what became of a packet. [Maps] compares all maps, which
// is too much to do for every packet; a [Checker] compares after each packet
// only what either side wrote, as the two States noted it, and everything now
// and then. By induction that is as exact: maps that were equal before, and
// are equal wherever someone wrote, are equal after.
package diff
