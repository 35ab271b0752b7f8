// Package rewritetest has what tests of passes and of the search begin with.
package rewritetest
