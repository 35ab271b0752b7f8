package jit

// Leaf tells what a leaf of the guard tree stands for: the number of a path
// that has a trace, or of one that can't be one (dead).
func Leaf(id int32) (number int, dead bool) {
	if id >= deadBase {
		return int(id - deadBase), true
	}
	return int(id), false
}
