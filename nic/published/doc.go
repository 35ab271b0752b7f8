// Package published keeps what was published about the devices of the built-in
// profiles, figure by figure with the sentence it is from, and the programs the
// figures are about, so that the model can be held to them. It measures nothing:
// host/run/validate puts what the model gives beside each.
//
// The programs are our own, with the work and the shape of those that papers
// measured, and of nearly the same length; where a paper tells how many
// instructions its program has, [Figure.Slots] says it, and a figure is compared
// only if ours is within [SameLength] of it.
package published
