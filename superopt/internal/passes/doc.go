// Package passes has the rewrites that dataflow suggests, one a file, in a
// table whose order is checked data (passes.go).
package passes
