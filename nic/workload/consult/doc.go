// Package consult says which bytes of a packet its path consults, as a cache of
// wildcarded flows (a megaflow cache) would have to match them. [Bytes] is the
// mask of a path, computed from its condition and trace; a [Masker] tells while
// the program runs which entry a packet asks for.
package consult
