package stream_test

import (
	"bytes"
	"fmt"

	"jitnic/cache/stream"
)

// A stream is written as it comes into being and read back whole.
func Example() {
	var file bytes.Buffer
	w := stream.NewWriter(&file, stream.Fields{Bytes: true})
	w.Define(0, 0xbeef, 12, 1)
	w.Request(0, 64, 0, 0)
	w.Request(1, 1500, 0, 0)
	w.Invalidate(0)
	w.Request(stream.None, 64, 0, 0)
	if err := w.Close(); err != nil {
		panic(err)
	}
	s, err := stream.Read(&file)
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Len(), "requests of", s.NumIDs(), "ids, sizes", s.Sizes, "invalidated", s.Invalidations)

	_, err = stream.ReadCSV(bytes.NewBufferString("id,size\na,12\nb,many\n"))
	fmt.Println(err)
	// Output:
	// 3 requests of 2 ids, sizes [12 1] invalidated [{2 0}]
	// line 3: size "many" is not a number from 0 to 4294967295
}
