// Package straight optimises straight-line code, many rewrites at a time. It
// goes forward over what registers and memory hold, as terms, and backward over
// which bits are wanted, until neither finds more; then one proof compares the
// whole of the result with the whole of the original. Where that fails, the
// rewrite it fails at is found by bisection over their number, and left out.
package straight
