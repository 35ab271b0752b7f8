// Package calibrate measures what eBPF costs on the machine it runs on: the
// host's half of the device model.
//
// The method is that of Shahinfar et al., "Demystifying Performance of eBPF
// Network Applications" (CoNEXT'25): BPF_PROG_TEST_RUN times a program in the
// kernel over many runs. Programs are put together here, instruction by
// instruction, so no compiler is needed.
//
//	               key ─ key ─ key … 32 times          without
//	program ──→    key ─ look-up ─ key ─ look-up …      with
//	                                  └─ difference ÷ 32 = one look-up
//
// Both programs run in turn, round after round, forwards and backwards, so that
// whatever drifts is the same for both. The estimate is the difference of the
// lower quartiles (see [Figure]): other work only ever adds time. Median and
// quartiles of the differences stand beside it. The thread is pinned to a CPU
// and, with [Options.Realtime], nothing else runs there meanwhile; before a map
// is timed all its keys are asked for once.
//
// [Run] goes through the steps of [Steps]; interrupted, it keeps what it has.
// [Study.Profile] makes a host profile of it that says for each parameter how it
// was measured; [Study.Compare] and [Study.Checks] put the papers' figures
// beside it. Times can't be repeated; all else, such as the order of figures and
// the keys that are drawn, is the same at each run.
//
// What the kernel does can't be seen from outside in three places, so they are
// told with the figures: BPF_PROG_TEST_RUN copies the packet once a call, not
// once a run, which is why whole programs, that change it, run behind one that
// restores it; its time of a run is in whole nanoseconds, cut off, which is why
// bodies are repeated within a program; and the driver isn't part of it, for
// which live frames (BPF_F_TEST_XDP_LIVE_FRAMES) are the nearest there is.
package calibrate
