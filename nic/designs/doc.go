// Package designs compares ways to split a packet program between a NIC and its
// host.
package designs
