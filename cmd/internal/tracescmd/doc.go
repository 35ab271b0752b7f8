// Package tracescmd is the verb `jitnic traces`: the traces of a replay, each
// with its condition in header-field words and its code, the paths that can't
// be traces with the reason, and the guard tree as a graph.
package tracescmd
