// Package sample has the numbers that tests of candidates are made of.
package sample
