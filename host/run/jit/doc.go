// Package jit is the runtime that ties the rooms together: it runs missed
// packets in the interpreter, records the paths it has not seen, turns them
// into traces with their conditions, optimises them, and serves the NIC as its
// slow path. With Check an oracle runs beside every packet.
package jit
