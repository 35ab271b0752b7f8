// Package stream holds streams of cache requests: in memory, in files, and made
// by generators.
//
// Read are its own format, libCacheSim's (oracleGeneral, lcs, vscsi, Twitter's
// twr and twrns), lines of columns with any delimiter, and lines of ids; written
// are its own, oracleGeneral and CSV. A format is named, or told by content that
// can't be anything else: nothing is guessed by a file's name. Where a header, a
// delimiter or a column may be two things, the file is refused with the words
// that decide it (see ParseColumns).
//
// Where the size of an id changes from request to request, an entry keeps the size
// it was put in with, as in libCacheSim; each request keeps the bytes it asked
// for, and Stream.Resized counts the changes. The offline bounds take the least
// size of an id. A size of 0 counts as 1. Times that fall are no clock and are
// dropped. Operations, times to live and tenants are not read.
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
// noticed. Files are written packed where their names end in .gz or .zst, and read
// packed whatever their names are.
package stream
