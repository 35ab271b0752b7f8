// Package spec reads the file that a study is: programs × captures × settings.
//
// At its smallest:
//
//	programs: [sample:firewall]
//	captures: [a.pcap.gz, "day*/*.pcap", sample:lab]
//	policies: [lru, s3-fifo, belady]
//	entries: [4, 16, 64]
//
// Every list is an axis, and the study is their product. exclude takes points out
// of it by their coordinates, include adds products of its own, and matrix is
// another place for the axes, as CI systems have them. A value that stands alone
// may stand without its list. Paths are of the folder that the file is in.
//
// The keys stand in one table (words.go): what is read, what [Schema] says and what
// [Template] writes is made of it. An error names file:line:column and lists the
// words that would be right there.
package spec
