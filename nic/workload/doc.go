// Package workload is what a program did with a capture, packet by packet and
// without times: the input of every device model.
//
// The functional run comes first and once. Which path a packet takes follows
// from the packets and maps in the order of arrival, never from the cache, the
// device or the time (DESIGN.md: invisible); so models of devices, loads and
// caches only add times to a Workload, and can't change a verdict.
package workload
