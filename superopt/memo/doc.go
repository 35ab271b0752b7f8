// Package memo keeps answers under whole questions, in memory and in a file that
// later runs read. A question is bytes, compared in full; an answer is bytes too.
// Nobody can tell by the results whether there was a memo: what is kept is what
// would be found again.
//
// The file is a log:
//
//	jitnic memo 1                 the form
//	z3 4.8.12.0, helpers 5c…      what the answers depend on beside the questions
//	[n][m] question answer [sum]  n and m 4 bytes, little-endian; the first 8 bytes of SHA-256 over all before it
//	…
//
// A process that is killed while it appends leaves an entry cut off at the end:
// those before it are good. Anything else that isn't as it should be makes the
// whole memo no good, and it is written anew; a file that is none is left as it is,
// and is an error. The file belongs to one process at
// a time (flock); sums are no seal, so that a file which another user could have
// written is refused.
package memo
