// Package device is the discrete-event model of a SmartNIC with a trace cache
// and of the host behind it: what a hit and a miss cost in time.
//
// What every packet does is known beforehand (an Input: which path, how long on
// which side); the model only says when, and what gets lost. It never changes a
// verdict.
//
//	           ingress queue          unit queue                 egress queue
//	packets ──▶ │││ ──▶ matcher ─hit─▶ │││ ──▶ units ───────────────▶ │││ ──▶ port
//	                       │ miss                │ for the stack    ▲
//	                       ▼                     ▼                  │ DMA read
//	                     PCIe up ──────▶ ││││ core's ring ──▶ core ─┤
//	                                                          │     └──▶ stack
//	                                            a hot miss    ▼
//	   trace cache ◀── install channel ◀─ │││ ◀── compilers ◀─ │││
//
// # What the model holds
//
//   - Time is in ps; a cycle of the device is an exact number of them, or rounded
//     up once per duration. Of events at the same time, those further down a
//     packet's way come first.
//   - A queue has so many places beside the servers. A packet that finds none
//     is lost; only the unit queue pushes back instead: the matcher keeps the
//     packet and takes no other, so that the loss is at ingress.
//   - The matcher takes packets in order, one each interval (or one at a time),
//     and looks a packet up the moment it takes it. What is lost at ingress was
//     never looked up, so it is in no outcome and makes no path hotter.
//   - A miss needs a place in its core's receive ring from leaving the matcher
//     until its core begins with it, as a NIC needs a descriptor to write to.
//     What a core sends out has a place in a transmit ring, of the same length,
//     until the NIC has read it.
//   - PCIe is two serial links, which all traffic shares in the order it comes:
//     bytes with what TLPs add, then the latency of the profile: one way for
//     what is written, pcie.read for what is read.
//   - A packet costs its core driver and program; a hit for the stack driver and
//     stack.
//   - A path that gets hot compiles when its miss has run on the host, and is in
//     when the install channel is through. Until then its packets miss. Where a
//     queue is full the install is given up, and the next packet begins again.
//     An install that goes in, and an invalidation of one that is in, keep the
//     matcher from taking packets for install.stall.
//   - Accesses to maps stall a unit or a core where the memory model says so.
//     Their bytes are booked on PCIe when the packet begins service.
//   - Ordered, a packet leaves when all earlier ones of its flow have left or
//     are lost.
package device
