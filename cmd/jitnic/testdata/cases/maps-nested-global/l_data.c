#include "../h.h"
int hits[4] SEC(".data.hits")={1,2,3,4};
const volatile int limit SEC(".rodata.cfg")=3;
static __u64 a __attribute__((aligned(64))); __u64 b __attribute__((aligned(128)))=5; static char big[70000];
__hidden int hid=9;
const volatile struct {__u32 x;__u32 y;} cfg={1,2};
static volatile const char msg[]="hello";
SEC("xdp") int p(struct xdp_md*c){ PK if(d+20>e)return XDP_ABORTED; int i=*(__u8*)(d+19)&3; hits[i]+=limit; a++; b+=a+cfg.y; big[b&0xffff]=msg[i]; hid^=b; return hits[i]&1?XDP_PASS:XDP_DROP;}
LIC
