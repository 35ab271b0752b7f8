package filter

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

func ExampleEncode() {
	p, err := Compile("tcp dst port 443")
	if err != nil {
		fmt.Println(err)
		return
	}
	code, err := Encode(p.Code())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(Decimal(code))
	// Output:
	// 17
	// 40 0 0 12
	// 21 0 7 2048
	// 48 0 0 23
	// 21 0 5 6
	// 40 0 0 20
	// 69 3 0 8191
	// 177 0 0 14
	// 72 0 0 16
	// 21 6 0 443
	// 40 0 0 12
	// 21 0 5 34525
	// 48 0 0 20
	// 21 0 3 6
	// 40 0 0 56
	// 21 0 1 443
	// 6 0 0 262144
	// 6 0 0 0
}

// TestClassic holds classic BPF to the program it was made of, before and after
// it was made real, and to what tcpdump makes of the same words.
func TestClassic(t *testing.T) {
	tcpdump, lookErr := exec.LookPath("tcpdump")
	if lookErr != nil {
		t.Log("tcpdump is not installed: its code is not run")
	}
	all := packets(t, gunzip(t, filepath.Join(corpus(t), "zoo.pcap.gz")))
	if os.Getenv("JITNIC_HEAVY") == "" {
		all = all[:min(len(all), 300)]
	}
	ours, theirs := 0, 0
	for _, expr := range tcpdumps {
		p, err := Compile(expr)
		if err != nil {
			t.Error(err)
			continue
		}
		code := p.Code()
		forms := map[string][]Insn{"code": code}
		if forms["encoded"], err = Encode(code); err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if again, err := ParseDecimal(Decimal(forms["encoded"])); err != nil || Decimal(again) != Decimal(forms["encoded"]) {
			t.Errorf("%q: the decimal form does not come back: %v", expr, err)
		}
		ours += len(forms["encoded"])
		if lookErr == nil {
			out, err := exec.Command(tcpdump, "-ddd", "-y", "EN10MB", "--", expr).Output()
			if err != nil {
				t.Errorf("tcpdump %q: %v", expr, err)
				continue
			}
			if forms["tcpdump"], err = ParseDecimal(string(out)); err != nil {
				t.Fatal(err)
			}
			theirs += len(forms["tcpdump"])
		}
		for k, pkt := range all {
			want := uint32(0)
			if p.Match(pkt.data, pkt.wire) {
				want = Accept
			}
			for name, code := range forms {
				got, err := Run(code, pkt.data, pkt.wire, nil)
				if err != nil || got != want {
					t.Errorf("%q: packet %d: %s gives %d (%v), want %d\n%s", expr, k+1, name, got, err, want, Decimal(code))
					break
				}
			}
		}
	}
	t.Logf("%d expressions: %d instructions, of tcpdump's optimiser %d", len(tcpdumps), ours, theirs)
}

// TestFar: jumps further than classic BPF's lead where they should.
func TestFar(t *testing.T) {
	var any []string
	for i := range 120 {
		any = append(any, fmt.Sprintf("host 10.0.%d.%d", i/256, i%256))
	}
	p, err := Compile(strings.Join(any, " or ") + " or vlan")
	must.OK(t, err)
	code, err := Encode(p.Code())
	must.OK(t, err)
	for _, c := range code {
		if c.Jt > 255 || c.Jf > 255 {
			t.Fatalf("%+v: too far for classic BPF", c)
		}
	}
	pkt := gunzipFirst(t)
	for n := range len(pkt) + 1 {
		got, err := Run(code, pkt[:n], uint32(len(pkt)), nil)
		if err != nil || got != 0 != p.Match(pkt[:n], uint32(len(pkt))) {
			t.Fatalf("%d bytes: %d, %v", n, got, err)
		}
	}
	if _, err = Encode([]Insn{{Code: ClsLD | ModeMEM, K: 16}, {Code: ClsRET}}); err == nil {
		t.Error("a seventeenth word of scratch memory was taken")
	}
}

// TestParams: a parameter means what its value means.
func TestParams(t *testing.T) {
	all := packets(t, gunzip(t, filepath.Join(corpus(t), "zoo.pcap.gz")))
	for _, c := range []struct{ expr, params string }{
		{"host $a and port $b", "a=192.168.1.1 b=53"},
		{"host $a", "a=ff02::fb"},
		{"ip6 dst host $a or tcp dst port $b", "a=ff02::1 b=http"},
		{"net $n and not src net $n", "n=192.168.0.0/16"},
		{"net $n", "n=fe80::/10"},
		{"len > $n and udp", "n=100"},
		{"ip[8] = $ttl or ip[2:2] - $ttl > 1000", "ttl=64"},
		{"port ($a or $b)", "a=53 b=443"},
		{"vlan and port $p", "p=445"},
		{"$n < len", "n=0x80"},
	} {
		values, err := ParseValues(strings.Fields(c.params))
		must.OK(t, err)
		generic, err := CompileGeneric(c.expr, values)
		if err != nil {
			t.Error(err)
			continue
		}
		folded, err := values.Fold(c.expr)
		must.OK(t, err)
		plain, err := Compile(folded)
		if err != nil {
			t.Error(err)
			continue
		}
		var words []uint32
		for _, p := range generic.Params {
			w := must.Get(p.Words(values[p.Name]))(t)
			words = append(words, w[:]...)
		}
		code := generic.Code()
		n := 0
		for k, pkt := range all {
			want := plain.Match(pkt.data, pkt.wire)
			got := generic.MatchWith(pkt.data, pkt.wire, words)
			ret, err := Run(code, pkt.data, pkt.wire, words)
			if got != want || err != nil || (ret != 0) != want {
				t.Errorf("%q: packet %d: generic %v, classic %d (%v), folded %v\n%s", c.expr, k+1, got, ret, err, want, generic)
				break
			}
			if want {
				n++
			}
		}
		if n == 0 || n == len(all) {
			t.Errorf("%q: %d of %d packets match: the test is weak", c.expr, n, len(all))
		}
	}
	for _, c := range []struct{ expr, params, err string }{
		{"host $a", "b=1", `filter "host $a": no parameter $b in it`},
		{"host $a and port $a", "a=10.0.0.1", `filter "host $a and port $a": column 18: parameter $a: port here, IPv4 address before`},
		{"net $a", "", `filter "net $a": column 5: parameter $a: what stands for a net here needs its value`},
		{"portrange $a-$b", "", `filter "portrange $a-$b": column 11: parameter $a: what stands for a portrange here needs its value`},
		{"host $", "", `filter "host $": column 6: a parameter's name must follow the dollar`},
	} {
		values, err := ParseValues(strings.Fields(c.params))
		if err == nil {
			_, err = values.Fold(c.expr)
		}
		if err == nil {
			_, err = CompileGeneric(c.expr, values)
		}
		if err == nil || err.Error() != c.err {
			t.Errorf("%q with %q: %v, want %s", c.expr, c.params, err, c.err)
		}
	}
	if _, err := Compile("host $a"); err == nil {
		t.Error("a parameter without a value was taken")
	}
}
