// Package flows says whether the receive queues of a run may be run apart: whether
// what the packets of one queue do to a map could ever show to those of another.
//
// The queue of a packet follows from what receive-side scaling hashes of it: the
// addresses, and the ports of unfragmented TCP and UDP (package rss). Two queues
// never touch one entry of a map where a key tells what is hashed. A [Watch] beside
// a run takes the keys of each path as terms over the packet, and makes of each,
// with the class of the packets that took the path (where their header begins,
// whether their ports are hashed, their protocol), a [Layout]: which byte of the
// key is a constant, which is which byte of the hash's input. [Apart] holds the
// layouts of all parts against each other: of two that give equal keys, the hashed
// bytes must be equal. A key that has both directions of a connection in one order
// does not do: the hash of one direction is not that of the other.
//
// It is about the packets of the capture, not about all there could be: bytes that
// tell keys apart count by the values they had.
//
// Maps that are shared have an end, too. An LRU map that fills up drops an entry of
// some queue for one of another, and a hash map refuses one; so the entries of all
// parts together must find room.
package flows
