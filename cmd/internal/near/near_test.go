package near

import (
	"strings"
	"testing"
)

// TestSuggest: of the names an error lists the near one is told, and none where
// none is near.
func TestSuggest(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`sample "firewal": no such program; there are ipv6filter, firewall, nat`, "firewall"},
		{`sample capture "vlann": not one of lab, web, vlan`, "vlan"},
		{`--policies: policy "fivo": not known; there are random, fifo, lru`, "fifo"},
		{`sample:firewall: no program "firewal"; there are firewall (xdp)`, "firewall"},
		{`--nic: hxdpp: no such file, and no built-in profile: want bluefield, hxdp, ideal`, "hxdp"},
		{`--cost cout: not one of count, count-no-atomics, latency, nic`, "count"},
		{`x.o: no function "frewall"; there are: count, firewall`, "firewall"},
		{`admission "doorkeper": not known; there are always, cost-aware/1, doorkeeper`, "doorkeeper"},
		{`--format "cvs": not known; there are jitnic, oracle, csv`, "csv"},
		{"unknown command \"repay\" for \"jitnic\"; Did you mean this?; \treplay; \tsamples", "replay"},
		{`traffic "foo": not one of zipf, uniform`, ""},
		{`--queues 0: want 1 to 128`, ""},
		{`x.pcap: no such file or directory`, ""},
	} {
		want := strings.TrimSuffix(c.line, "; Did you mean this?; \treplay; \tsamples")
		if c.want != "" {
			want += `; did you mean "` + c.want + `"?`
		}
		if got := Suggest(c.line); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"lru", "lru", 0}, {"lru", "lur", 1}, {"abc", "", 3}, {"kitten", "sitting", 3}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q and %q are %d apart, want %d", c.a, c.b, got, c.want)
		}
	}
}
