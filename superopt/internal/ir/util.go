package ir

import "sort"

// SortBy sorts s and keeps the order of what is equal.
func SortBy[T any](s []T, less func(a, b T) bool) {
	sort.SliceStable(s, func(i, j int) bool { return less(s[i], s[j]) })
}
