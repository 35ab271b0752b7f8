// Package validate holds the device model to what was published: for each figure
// of nic/published it makes what the model gives for the same program and load,
// and the error. Errors beyond [published.Tolerance] that no cited fact explains
// fail the test of this package.
//
// No parameter is set for a program. Four of hxdp's were derived from rates that
// are in the table (exec.dispatch, exec.drain, egress.interval, and what a call
// takes), so each rate also has what the model would give had that rate not been
// known: the four are fitted to all others then ([Row.LeftOut]).
package validate
