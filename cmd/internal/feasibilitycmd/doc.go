// Package feasibilitycmd is the verb `jitnic feasibility`: whether offloading a
// program to a NIC pays on the traffic of a capture.
package feasibilitycmd
