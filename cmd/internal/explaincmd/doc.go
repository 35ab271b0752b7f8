// Package explaincmd is the verb `jitnic explain`: why a program takes as many
// paths as it does, where, what that costs and what would take it away; and why one
// packet missed. What it knows is of host/run/explain.
package explaincmd
