// Package curve tells what a stream of requests is like, without any policy
// but lru: stack distances and the exact lru miss-ratio curve for all sizes,
// an estimate of it by sampling, the working set over time, reuse distances,
// and popularity.
package curve
