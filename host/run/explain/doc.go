// Package explain says why a program takes as many paths as it does.
//
// [Run] replays captures as host/run/replay does and keeps what each packet did.
// What it makes of that is a [Study]: the choice points, which are the places of
// the program (source lines, where the object has them) whose answers tell paths
// apart, ranked by how many paths they make, with what they cost in misses and what
// would take them away; and the paths with the choices that lead to them.
// [Packet] says of one packet why it missed.
//
// How many paths a point makes is counted over the answers that paths gave. A point
// is taken away by leaving its questions out of every path; paths that agree in all
// that is left are then one. Left is what is left without the point alone. Makes is
// what it takes away after those above it have been taken away: so the points'
// numbers add up to all paths but one.
//
// The package's example (example_test.go) prints of the router on VLAN traffic:
//
//	12 paths: 6 by eth.type, vlan.type: QinQ, VLAN at net.h:263; 2 by eth.dst & 0x1 at router.c:145; …
//	net.h:263    makes 6, 6 left without it: eth.type, vlan.type: QinQ, VLAN
//	router.c:145 makes 2, 12 left without it: eth.dst & 0x1
package explain
