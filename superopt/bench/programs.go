package bench

import (
	"fmt"
	"os"
	"path/filepath"

	"jitnic/superopt"
	"jitnic/superopt/format"
	"jitnic/superopt/object"
)

// Program is one of K2's benchmarks: what was published for it, and where it
// can be found here.
type Program struct {
	Name string
	// Counts of slots: before, K2's artifact's best, the paper's (0: the same).
	Before, Artifact, Paper int
	Seconds                 float64 // K2's, to its best; 0: not published
	Object, Func            string  // in what Build makes; "" not built here
	// Input is its name in K2's collection of inputs (smartnic/superopt-input-bm),
	// under input_bm_0108_ab7e41e there, without ending.
	Input string
}

// K2 is what K2 (Xu et al., SIGCOMM 2021, Table 1) and its artifact published.
// The samples of later kernels differ from those K2 compiled: counts are only
// to be compared where the count before is the same.
var K2 = []Program{
	{"socket-0", 29, 27, 0, 0.06, "sockex3_kern.o", "main_prog", "ebpf_samples/sockex3_kern_socket-0"},
	{"socket-1", 32, 30, 0, 0.15, "sockex3_kern.o", "bpf_func_PARSE_VLAN", "ebpf_samples/sockex3_kern_socket-1"},
	{"sys_enter_open", 24, 20, 0, 28, "syscall_tp_kern.o", "trace_enter_open", "ebpf_samples/syscall_tp_kern_tracepoint-syscalls-sys_enter_open"},
	{"xdp1", 61, 57, 56, 16, "xdp1_kern.o", "xdp_prog1", "ebpf_samples/xdp1_kern_xdp1"},
	{"xdp_cpumap_enqueue", 26, 22, 21, 7, "xdp_sample.bpf.o", "tp_xdp_cpumap_enqueue", "ebpf_samples/xdp_monitor_kern_tracepoint-xdp-xdp_cpumap_enqueue"},
	{"xdp_devmap_xmit", 36, 30, 29, 23, "xdp_sample.bpf.o", "tp_xdp_devmap_xmit", "ebpf_samples/xdp_monitor_kern_tracepoint-xdp-xdp_devmap_xmit"},
	{"xdp_exception", 18, 16, 0, 0.07, "xdp_sample.bpf.o", "tp_xdp_exception", "ebpf_samples/xdp_monitor_kern_tracepoint-xdp-xdp_exception"},
	{"xdp_fw", 72, 67, 65, 12, "", "", "simple_fw/xdp_fw_kern_xdp_fw"},
	{"xdp_map_access", 30, 26, 0, 0.4, "", "", "simple_fw/xdp_map_access_kern_xdp_map_acces"},
	{"xdp_pktcntr", 22, 19, 0, 2.6, "", "", "katran/xdp_pktcntr_xdp-pktcntr"},
	{"xdp_redirect_err", 18, 16, 0, 1.4, "xdp_sample.bpf.o", "tp_xdp_redirect_err", "ebpf_samples/xdp_monitor_kern_tracepoint-xdp-xdp_redirect_err"},
	{"xdp2", 78, 71, 0, 0, "xdp2_kern.o", "xdp_prog1", "ebpf_samples/xdp2_kern_xdp1"},
	{"xdp_redirect", 43, 35, 0, 0, "xdp_redirect.bpf.o", "xdp_redirect_prog", "ebpf_samples/xdp_redirect_kern_xdp_redirect"},
	{"router_ipv4", 111, 99, 0, 0, "xdp_router_ipv4.bpf.o", "xdp_router_ipv4_prog", "ebpf_samples/xdp_router_ipv4_kern_xdp_router_ipv4"},
	{"xdp_fwd", 155, 128, 0, 0, "xdp_fwd_kern.o", "xdp_fwd_prog", "ebpf_samples/xdp_fwd_kern_xdp_fwd"},
	{"cpumap_kthread", 24, 18, 0, 0, "xdp_sample.bpf.o", "tp_xdp_cpumap_kthread", "ebpf_samples/xdp_monitor_kern_tracepoint-xdp-xdp_cpumap_kthread"},
	{"from_network", 39, 29, 0, 0, "", "", "cilium/bpf_network_from-network"},
	{"recvmsg4", 94, 81, 0, 0, "", "", "cilium/bpf_sock_recvmsg4"},
	{"balancer", 1811, 1607, 0, 0, "", "", "katran/ubuntu-18.04/balancer_kern_xdp-balancer"},
	// Not K2's: more of the kernel's samples.
	{"lwt_len_hist", 0, 0, 0, 0, "lwt_len_hist_kern.o", "do_len_hist", ""},
	{"sockex1", 0, 0, 0, 0, "sockex1_kern.o", "bpf_prog1", ""},
	{"xdp_adjust_tail", 0, 0, 0, 0, "xdp_adjust_tail_kern.o", "_xdp_icmp", ""},
	{"xdp_rxq_info", 0, 0, 0, 0, "xdp_rxq_info_kern.o", "xdp_prognum0", ""},
	{"xdp_tx_iptunnel", 0, 0, 0, 0, "xdp_tx_iptunnel_kern.o", "_xdp_tx_iptunnel", ""},
}

// Published is K2's best count for the program, of paper and artifact.
func (p *Program) Published() int {
	if p.Paper > 0 {
		return min(p.Paper, p.Artifact)
	}
	return p.Artifact
}

// Load finds the program: first as NAME.insns, .k2 or .bpf in one of the
// folders, or under the name it has in K2's own collection, with or without
// the folder it has there; then as the function of an object of Build. source
// says which; where there is none, err says so.
func (p *Program) Load(dirs ...string) (prog *superopt.Prog, source string, err error) {
	for _, d := range dirs {
		names := []string{p.Name}
		if p.Input != "" {
			names = append(names, p.Input, filepath.Base(p.Input))
		}
		for _, n := range names {
			for _, ext := range []string{".insns", ".k2", ".bpf"} {
				f := filepath.Join(d, n+ext)
				if _, err := os.Stat(f); err != nil {
					continue
				}
				r, err := format.Read(f)
				if err != nil {
					return nil, f, err
				}
				prog, err = r.Prog()
				return prog, f, err
			}
		}
		if p.Object == "" {
			continue
		}
		f := filepath.Join(d, p.Object)
		if _, err := os.Stat(f); err != nil {
			continue
		}
		o, err := object.Read(f)
		if err != nil {
			return nil, f, err
		}
		for _, fn := range o.Funcs {
			if fn.Name == p.Func {
				return fn.Prog, f, fn.Err
			}
		}
	}
	return nil, "", fmt.Errorf("%s: no source of it here", p.Name)
}
