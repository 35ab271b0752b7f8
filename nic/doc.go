// Package nic is the simulated device: it matches packets against the
// conditions of installed traces and runs the trace that matches.
//
// An [Executable] is a trace bound to a State; an [Executor] runs it. A [NIC]
// asks its matcher for the path of each packet: a hit runs wholly here, any
// other packet goes wholly to the [SlowPath], which the host implements.
package nic
