#include "../h.h"
ARR(m,__u64,16)
SEC("xdp") int p(struct xdp_md*c){ PK struct iphdr*i=d+14; if((void*)(i+1)>e) return XDP_ABORTED; if(i->version!=4) return XDP_PASS; struct bpf_fib_lookup f; __builtin_memset(&f,0,sizeof f); f.family=2; f.ipv4_src=i->saddr; f.ipv4_dst=i->daddr; f.ifindex=c->ingress_ifindex; f.tot_len=bpf_ntohs(i->tot_len); f.tos=i->tos; long r=bpf_fib_lookup(c,&f,sizeof f,0); SET(m,r&15,1); SET(m,9,f.ifindex); SET(m,10,f.dmac[5]); return r==0?XDP_REDIRECT:XDP_PASS;}
LIC
