package replay

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/pcaps/unpack"

	"golang.org/x/sys/unix"
)

// plain is a capture of the corpus unpacked, in a file of its own, which the
// page cache holds.
func plain(b *testing.B, name string) string {
	b.Helper()
	z := must.Get(unpack.Start(b.Context(), unpack.File(hosttest.Capture(b, name)), 1))(b)
	defer z.Close()
	file := filepath.Join(b.TempDir(), "plain.pcap")
	f := must.Get(os.Create(file))(b)
	must.Get(io.Copy(f, z))(b)
	must.OK(b, f.Close())
	return file
}

// cpuTime is what the process has used so far, in nanoseconds: the machine may have
// other work.
func cpuTime(b *testing.B) int64 {
	var u unix.Rusage
	must.OK(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkReplay is a run of replay over a plain capture in the page cache,
// again and again: packets read, matched, run and accounted for. paths is the run
// that compare makes of it.
func BenchmarkReplay(b *testing.B) {
	capture := plain(b, "echo-connections.pcap.gz")
	input := func(program string, n int) Input {
		return Input{Program: "sample:" + program, Captures: []string{capture}, Loop: 1 + n/80000, Limit: uint64(n)}
	}
	for _, program := range []string{"firewall", "ipv6filter", "loadbalancer", "nat"} {
		b.Run(program, func(b *testing.B) {
			s := must.Get(Open(b.Context(), input(program, b.N), Cache{}, func(*jit.Options) {}))(b)
			defer s.Close()
			b.ResetTimer()
			cpu := cpuTime(b)
			must.OK(b, s.Follow(b.Context(), func(Several) error { return nil }))
			b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
			b.ReportMetric(float64(s.Runtime.NIC.Batched)/float64(b.N), "batched")
		})
		b.Run(program+"/paths", func(b *testing.B) {
			s := must.Get(openRecord(b.Context(), input(program, b.N), jit.Remedies{}, nil))(b)
			defer s.Close()
			rec := stream.NewRecorder(untimed, Labels...)
			b.ResetTimer()
			cpu := cpuTime(b)
			must.OK(b, s.record(b.Context(), rec))
			rec.Narrow()
			b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
		})
	}
}
