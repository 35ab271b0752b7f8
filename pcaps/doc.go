// Package pcaps reads packet captures as a stream, and writes them.
//
// A [Source] goes through captures in order: pcap and pcapng in all their
// byte orders and timestamp units, plain or packed (package unpack: by content,
// not by name), files, FIFOs, globs, standard input and the samples embedded in
// the binary ("sample:lab"). It needs the same memory for 100 GB as for 100 kB
// and allocates nothing per packet: Packet.Data points into the read buffer.
//
//	src, err := pcaps.Open(ctx, pcaps.Options{Paths: []string{"sample:lab"}})
//	...
//	defer src.Close()
//	var pkt pcaps.Packet
//	for {
//		if err := src.Next(&pkt); err == io.EOF {
//			break
//		} else if err != nil {
//			return err
//		}
//		...
//	}
//
// A packet is handed out as an XDP program would see it: behind an Ethernet
// header, which is put in front where the link type has none (Linux cooked,
// raw IP, BSD loopback; others are skipped and counted), and without its frame
// check sequence. [Options] can fill cut packets up and take VLAN tags off.
//
// Where captures hold nothing to hand out, Next returns an [*EmptyError] that
// says why. Where a file is damaged, Next returns a [*CaptureError] that names file, offset and
// cause; the packets before it have been delivered.
//
// Sub-packages: filter chooses packets by tcpdump's expressions, rss spreads
// flows over queues as a multi-queue NIC does, gen makes synthetic traffic,
// and samples holds captures this project recorded.
package pcaps
