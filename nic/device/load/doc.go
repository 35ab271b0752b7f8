// Package load offers a device more and more packets and says what it makes of
// them: load curves, and the maximum loss-free forwarding rate (MLFFR) by the
// search of RFC 2544, with the latency at that rate.
//
// A Bench is everything but the rate and the mode. A Sweep of it is a point for
// each mode and rate; its throughput search is RFC 2544's, section 26.1, at
// constant gaps, and the latency at the rate found is section 26.2's but for
// one thing: RFC 1242 measures a store-and-forward device until the first bit
// is out, and here it is until the last one is.
//
// Points and searches are run side by side, and are the same whatever the
// number of workers.
package load
