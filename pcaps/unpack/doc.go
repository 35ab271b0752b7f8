// Package unpack turns a file as people keep it into the bytes it holds:
// gzip, zstd, xz, bzip2 and lz4, told by content and never by name.
//
//	r, err := unpack.Start(ctx, unpack.File("day1.pcap.xz"), 1)
//	...
//	defer r.Close()
//	io.Copy(dst, r)
//
// Members, frames and streams behind one another are read as one, and the
// zeros that tapes and block devices put behind a gzip file are no damage, as
// for gzip(1). An archive (zip, 7z, tar's own magic) is refused by name.
//
// Reading can be given up at any time: where the file is a pipe or a terminal,
// both opening and reading end when the context does. With more than one job,
// reading and decompressing go on while the caller works ([Start]).
//
// The package knows nothing of what the bytes mean, so that captures and
// request streams share it.
package unpack
