// Package offload asks of a program and captures whether an offload to a NIC pays.
//
// [Observe] runs the program once; [Run.Study] puts the times and prices of a
// device and a host (nic/profile) on what it did. A [feasibility.Study] begins with
// its verdict, a sentence.
//
//	nic, err := profile.Load("hxdp")       // profile.Names() are built in; a file does too
//	host, err := profile.LoadHost("paper") // profile.HostNames()
//	run, err := offload.Observe(ctx, replay.Input{Program: "prog.o", Captures: []string{"day1.pcap"}}, offload.Options{}, nic)
//	defer run.Close()
//	study, err := run.Study(ctx, nic, host, feasibility.Options{Rate: 1_000_000}) // packets a second; all else has defaults
//	fmt.Println(study.Verdict.Sentence)
package offload
