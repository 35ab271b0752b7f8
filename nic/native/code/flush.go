package code

import "runtime"

const arch = runtime.GOOS + "/" + runtime.GOARCH
