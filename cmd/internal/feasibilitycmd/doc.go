// Package feasibilitycmd is the verb `jitnic feasibility`: whether offloading a
// program to a NIC pays on the traffic of a capture.
//
// The program runs once over the capture; each device named then gets a study of
// its own (nic/feasibility). The report tells them side by side, the verdict
// first, then for each device what fits, matching and executing, load, memory
// models, what the assumed figures change, other designs, and every parameter
// with its source: as text, as JSON and CSV, and as a folder with one page that
// opens offline and the plots. Each section is a few tables (overview.go,
// fitting.go, matching.go, ...), which the page shows whole and the text in
// part; a section that a study lacks is left out.
package feasibilitycmd
