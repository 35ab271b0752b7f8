// Package superopttest has what the tests of the optimiser's rooms share.
package superopttest
