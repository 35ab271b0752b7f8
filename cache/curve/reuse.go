package curve

// A Bucket counts requests whose distance is in From..To.
type Bucket struct {
	From, To uint32
	Requests uint64
}

// Reuse is how far apart requests of the same id are.
type Reuse struct {
	Stack []Bucket // by stack distance: different ids since, itself included
	Time  []Bucket // by requests since the last one of the id
	First uint64   // first requests: no distance
}

func buckets(count [33]uint64) []Bucket {
	top := len(count)
	for top > 0 && count[top-1] == 0 {
		top--
	}
	var out []Bucket
	for k := 1; k < top; k++ {
		out = append(out, Bucket{1 << (k - 1), uint32(1<<k - 1), count[k]})
	}
	return out
}

// A Span is a stretch of the stream.
type Span struct {
	From, To int // requests From..To-1
	Unique   int // ids requested in it: the working set
	New      int // of these, requested for the first time ever
	Known    int // ids requested up to its end
}
