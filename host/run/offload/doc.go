// Package offload asks of a program and captures whether an offload to a NIC pays.
//
// [Observe] runs the program once; [Run.Study] puts the times and prices of a
// device and a host (nic/profile) on what it did. A [feasibility.Study] begins with
// its verdict, a sentence; examples_test.go has the whole in twenty lines.
package offload
