// Package session is what the verbs that run a program over captures share:
// the flags, opening everything they name, and the loop over the packets.
package session
