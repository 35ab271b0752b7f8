package pcaps

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"jitnic/pcaps/outfile"
	"jitnic/pcaps/unpack"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Format is how packets are put into a file.
type Format struct {
	NG       bool   // pcapng, which keeps labels; else pcap with nanoseconds
	Compress string // "", "gzip" or "zstd"
}

// FormatOf tells the format from a file name: .pcap or .pcapng, and .gz or
// .zst behind it.
func FormatOf(path string) (Format, error) {
	var f Format
	base := filepath.Base(path)
	switch {
	case strings.HasSuffix(base, ".gz"):
		f.Compress, base = "gzip", strings.TrimSuffix(base, ".gz")
	case strings.HasSuffix(base, ".zst"):
		f.Compress, base = "zstd", strings.TrimSuffix(base, ".zst")
	}
	switch filepath.Ext(base) {
	case ".pcap":
	case ".pcapng":
		f.NG = true
	default:
		return f, fmt.Errorf("capture %q: name ends neither in .pcap nor .pcapng (.gz, .zst)", path)
	}
	return f, nil
}

// Writer writes Ethernet packets to a capture. The same packets give the same
// bytes, on every machine. It is not for concurrent use.
type Writer struct {
	buf    *bufio.Writer
	zip    io.WriteCloser // nil if not compressed
	pcap   *pcapgo.Writer
	ng     *pcapgo.NgWriter // nil until the first packet names its interface
	isNG   bool
	ifaces [len(labelNames)]int // by label: interface number + 1
	n      uint64

	file *outfile.File // of Create
	path string
	err  error
}

// NewWriter writes a capture to w. Close finishes it, but does not close w.
func NewWriter(w io.Writer, f Format) (*Writer, error) {
	c := &Writer{isNG: f.NG}
	switch f.Compress {
	case "":
	case "gzip":
		c.zip = gzip.NewWriter(w)
	case "zstd":
		// One encoder: the frames then don't depend on scheduling.
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		c.zip = z
	default:
		return nil, fmt.Errorf("capture: compression %q: neither gzip nor zstd", f.Compress)
	}
	if c.zip != nil {
		w = c.zip
	}
	c.buf = bufio.NewWriterSize(w, windowSize)
	if !f.NG {
		c.pcap = pcapgo.NewWriterNanos(c.buf)
		if err := c.pcap.WriteFileHeader(maxPacket, layers.LinkTypeEthernet); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Create writes a capture file, whole or not at all: it grows beside path
// under another name and takes path's place when Close succeeds. The format
// comes from the name.
func Create(path string) (*Writer, error) {
	f, err := FormatOf(path)
	if err != nil {
		return nil, err
	}
	file, err := outfile.Create(path)
	if err != nil {
		return nil, fmt.Errorf("capture %q: %w", path, err)
	}
	c, err := NewWriter(file, f)
	if err != nil {
		file.Abort()
		return nil, fmt.Errorf("capture %q: %w", path, unpack.Cause(err))
	}
	c.file, c.path = file, path
	return c, nil
}

// interfaceNames name a pcapng file's interfaces by label.
var interfaceNames = [len(labelNames)]string{Unlabelled: "capture", Legit: labelNames[Legit], Attack: labelNames[Attack]}

// iface returns the interface for a label, made at its first packet.
func (c *Writer) iface(l Label) (int, error) {
	if int(l) >= len(c.ifaces) {
		return 0, fmt.Errorf("%v: unknown", l)
	}
	if n := c.ifaces[l]; n > 0 {
		return n - 1, nil
	}
	in := pcapgo.NgInterface{Name: interfaceNames[l], LinkType: layers.LinkTypeEthernet}
	var id int
	var err error
	if c.ng == nil {
		o := pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "jitnic"}}
		c.ng, err = pcapgo.NewNgWriterInterface(c.buf, in, o)
	} else {
		id, err = c.ng.AddInterface(in)
	}
	if err != nil {
		return 0, err
	}
	c.ifaces[l] = id + 1
	return id, nil
}

// Write appends a packet. Of pkt it uses Data, Len, TimeNS and Label; a Len
// smaller than Data counts as len(Data).
func (c *Writer) Write(pkt *Packet) error {
	if c.err == nil {
		c.err = c.write(pkt)
	}
	return c.err
}

func (c *Writer) write(pkt *Packet) error {
	if len(pkt.Data) > maxPacket {
		return fmt.Errorf("capture: packet %d: %d bytes: more than %d", c.n+1, len(pkt.Data), maxPacket)
	}
	if pkt.TimeNS < 0 || !c.isNG && pkt.TimeNS/1e9 > math.MaxUint32 {
		return fmt.Errorf("capture: packet %d: time %d ns does not fit the format", c.n+1, pkt.TimeNS)
	}
	ci := gopacket.CaptureInfo{
		Timestamp:     time.Unix(0, pkt.TimeNS).UTC(),
		CaptureLength: len(pkt.Data),
		Length:        max(int(pkt.Len), len(pkt.Data)),
	}
	c.n++
	if !c.isNG {
		return c.pcap.WritePacket(ci, pkt.Data)
	}
	var err error
	if ci.InterfaceIndex, err = c.iface(pkt.Label); err != nil {
		return err
	}
	return c.ng.WritePacket(ci, pkt.Data)
}

// Packets is the number of packets written.
func (c *Writer) Packets() uint64 { return c.n }

// Close finishes the capture. After an error, of Close or of a Write before,
// there is no new file.
func (c *Writer) Close() error {
	err := c.err
	if err == nil {
		err = c.finish()
	}
	c.err = errors.Join(err, os.ErrClosed)
	if c.file == nil {
		return err
	}
	if err == nil {
		err = c.file.Close()
	}
	if err != nil {
		c.file.Abort()
		err = fmt.Errorf("capture %q: %w", c.path, unpack.Cause(err))
	}
	c.file = nil
	return err
}

// Abort gives the capture up; a file of Create is removed.
func (c *Writer) Abort() {
	if c.err == nil {
		c.err = errors.New("capture: given up")
	}
	c.Close()
}

func (c *Writer) finish() error {
	if c.isNG {
		if c.ng == nil { // no packet: still a valid file
			if _, err := c.iface(Unlabelled); err != nil {
				return err
			}
		}
		if err := c.ng.Flush(); err != nil {
			return err
		}
	}
	if err := c.buf.Flush(); err != nil {
		return err
	}
	if c.zip != nil {
		return c.zip.Close()
	}
	return nil
}
