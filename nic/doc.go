// Package nic is the simulated device: it matches packets against the
// conditions of installed traces and runs the trace that matches.
//
// A [NIC] asks its [Matcher] for the path of each packet: a hit runs wholly here,
// in the [Code] that its [Engine] made of the path's trace; any other packet goes
// wholly to the [SlowPath], which the host implements. Engines stand in rooms of
// their own: nic/exec is the one in Go.
package nic
