// Package replay is one run of a program over captures, with all that takes: the
// program and its maps, timed updates, receive queues, the trace cache, the
// optimiser of its traces and, where a model of a device wants it, the workload.
// It knows neither flags nor terminals.
package replay
