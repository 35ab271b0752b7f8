// Package price puts a workload's prices together: what each path and packet
// costs on a device and a host, in the numbers that nic/device runs on.
//
// It is the one place where a profile's parameters meet what a program did:
//
//	path    match cycles   nic/match, by the profile's matcher
//	        exec cycles    nic/vliw, or one instruction a cycle
//	        compile time   the host's, by instructions of the path
//	        install time   the channel's, by slots of the entry
//	        refused        nic/fit: what the device can't hold or run
//	packet  host time      instructions and operations of its shape
package price
