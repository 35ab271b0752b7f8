// Package programs holds the sample XDP programs: their C, the objects clang
// made of it and initial map contents for each, embedded so that
// `--program sample:firewall` works from anywhere.
//
// The programs are whole ones, not sketches: each walks VLAN tags, IPv4 with
// options, IPv6 with extension headers and fragments, and refuses lengths that
// contradict each other. With empty maps each falls back on defaults in its
// .rodata, so that the object alone is worth a replay; NAME.maps.json holds
// contents that use the maps too.
//
// The objects are committed beside their sources. `make -C host/programs`
// rebuilds them with clang; nothing of the system is included and no path is
// recorded, so the same clang makes the same bytes anywhere. clang.txt names
// the version that made the committed ones.
package programs
