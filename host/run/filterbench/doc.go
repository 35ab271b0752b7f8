// Package filterbench measures what a filter costs an event, by what runs it: no
// filter, a function in Go, interpreted eBPF, our machine code, the kernel's.
//
// It is the experiment of a talk at the Tracing Summit of 2014 on trace filters in
// eBPF with and without JIT, on today's engines. Events are packets of a capture, in
// turn; they are timed in blocks, and what comes out is the distribution over the
// blocks. What an engine takes by itself (a packet brought into place, a test run
// begun) is measured with a filter that takes everything, and taken off: that is the
// overhead.
//
// [Tracepoints] does the same on live events of the kernel, with the talk's own
// filter.
package filterbench
