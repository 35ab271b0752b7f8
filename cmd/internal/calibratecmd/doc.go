// Package calibratecmd is the verb `jitnic calibrate`: it measures this
// machine's host side (package calibrate), prints it beside the papers' figures,
// and writes it as a host profile for the device model, as JSON, and as a folder
// with one page that opens offline and the plots.
package calibratecmd
