package kernelcheck

import "encoding/binary"

// eBPF objects here are little-endian, as is every machine the project runs on.
var nativeOrder = binary.LittleEndian
