// Package tree holds the conditions of many paths of one program as one decision
// tree: matching a packet is one walk from the root to a leaf.
//
// [Tree.Insert] takes a path's condition in program order, [Tree.Match] walks
// (match.go: each node carries the few operations that no node above it has
// done), [Tree.Walks] counts what a walk costs and [Tree.Dot] draws the tree.
package tree
