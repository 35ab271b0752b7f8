// Package stream holds streams of cache requests: in memory, in files of three
// formats (its own, libCacheSim's oracleGeneral, CSV), and made by generators.
//
// # The file format
//
// A request stream file is a header and records, all numbers unsigned LEB128
// varints (as encoding/binary writes them) unless said otherwise:
//
//	"jitnic requests 1\n"
//	flags          1: requests have bytes, 2: times, 4: labels; 8: foreign
//	records        head = number<<2 | kind
//	  kind 0       request of id number: bytes, time less the last time, label, as flagged
//	  kind 1       id number is invalidated here
//	  kind 2       id number is: key, size, cost (before or after its first use)
//	  kind 3       0 uncacheable request, followed as kind 0
//	               1 end: requests, then CRC-32C of all bytes before it, 4 bytes little-endian
//	               2 label: length, name; numbered in order from 0
//
// So a file is written as the program runs, in one pass, and a cut one is
// noticed. Files named .gz or .zst are compressed.
package stream
