package pcaps

// links decides by link type what becomes of a file's packets, and counts.
type links struct {
	ethernet bool // only Ethernet is wanted
	other    linkCounts
	framed   linkCounts
	odd      map[string]uint64 // skipped, of link types of which others are framed
}

// wanted says whether packets of the link type are looked at.
func (l *links) wanted(link uint32) bool {
	if link == linkEthernet {
		return true
	}
	_, ok := headers[link]
	return ok && !l.ethernet
}

// skip counts a packet that could not be given an Ethernet header.
func (l *links) skip(link uint32, why string) {
	if l.odd == nil {
		l.odd = map[string]uint64{}
	}
	l.odd[LinkTypeName(link)+", "+why]++
}

// skipped are the packets passed over, by link type and reason; nil if none.
func (l *links) skipped() map[string]uint64 {
	out := l.other.byName()
	return merge(out, l.odd)
}

func merge(into, from map[string]uint64) map[string]uint64 {
	if into == nil && len(from) > 0 {
		into = map[string]uint64{}
	}
	for name, n := range from {
		into[name] += n
	}
	return into
}

// add adds the counts of one capture to those of all.
func (c *Counters) add(o *Counters) {
	c.Packets += o.Packets
	c.Bytes += o.Bytes
	c.Truncated += o.Truncated
	c.Padded += o.Padded
	c.Filtered += o.Filtered
	c.Checked += o.Checked
	c.Untagged += o.Untagged
	c.Oversized += o.Oversized
	c.Largest = max(c.Largest, o.Largest)
	c.Skipped = merge(c.Skipped, o.Skipped)
	c.Framed = merge(c.Framed, o.Framed)
}

// linkCounts counts packets by link type; captures know a handful.
type linkCounts struct {
	last uint32 // its count is in n, not yet in m
	n    uint64
	m    map[uint32]uint64
}

func (c *linkCounts) add(link uint32) {
	if link != c.last {
		c.flush()
		c.last = link
	}
	c.n++
}

func (c *linkCounts) flush() {
	if c.n == 0 {
		return
	}
	if c.m == nil {
		c.m = map[uint32]uint64{}
	}
	c.m[c.last] += c.n
	c.n = 0
}

func (c *linkCounts) byName() map[string]uint64 {
	c.flush()
	if c.m == nil {
		return nil
	}
	out := map[string]uint64{}
	for link, n := range c.m {
		out[LinkTypeName(link)] += n
	}
	return out
}
