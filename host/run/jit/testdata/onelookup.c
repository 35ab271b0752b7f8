/* What BenchmarkOneLookup's program does, written by hand: a peer for machine code.
 * stdin has packets, each behind its length (32 bits); the fastest of many turns is
 * printed, in ns a packet. As there, each packet is copied first. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOTS 16384
#define TURN 5000

struct key { uint32_t src, dst, ports, hash; };
struct entry { struct key key; uint64_t value[3]; int used; };
static struct entry table[SLOTS];

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline struct entry *find(const struct key *k)
{
	uint64_t w[2];
	memcpy(w, k, sizeof(w));
	uint64_t h = mix(w[0] ^ 0xa0761d6478bd642f, w[1] ^ 0xe7037ed1a0b428db);
	for (uint32_t i = h & (SLOTS - 1);; i = (i + 1) & (SLOTS - 1))
		if (!table[i].used || !memcmp(&table[i].key, k, sizeof(*k)))
			return &table[i];
}

static int key(const uint8_t *p, uint32_t len, struct key *k, uint64_t *mixed)
{
	uint16_t type, sport, dport;
	if (len < 54)
		return 0;
	memcpy(&type, p + 12, 2);
	if (type != 8 || p[23] != 6)
		return 0;
	memcpy(&k->src, p + 26, 4);
	memcpy(&k->dst, p + 30, 4);
	memcpy(&sport, p + 34, 2);
	memcpy(&dport, p + 36, 2);
	k->ports = (uint32_t)sport << 16 | dport;
	*mixed = (uint64_t)(k->src ^ k->dst) * 73244475;
	*mixed = (*mixed ^ *mixed >> 16) & 65535;
	k->hash = *mixed;
	return 1;
}

__attribute__((noinline)) static int program(const uint8_t *p, uint32_t len)
{
	struct key k;
	uint64_t r9;
	if (!key(p, len, &k, &r9))
		return 2;
	struct entry *e = find(&k);
	if (!e->used)
		return 2;
	uint16_t size;
	memcpy(&size, p + 16, 2);
	e->value[0]++;
	e->value[1] += __builtin_bswap16(size);
	uint64_t r4 = ((uint64_t)p[22] << 8 | p[47]) ^ e->value[1];
	r4 += r9;
	r4 ^= r4 >> 7;
	r4 += e->value[0];
	r4 ^= r4 << 3;
	r4 = (uint32_t)(r4 + k.ports);
	r4 ^= r4 >> 11;
	e->value[2] = r4 & 1048575;
	return 1;
}

int main(void)
{
	static uint8_t *pkt[1 << 20];
	static uint32_t len[1 << 20];
	static uint8_t buffer[4096];
	size_t n = 0;
	while (n < 1 << 20 && fread(&len[n], 4, 1, stdin) == 1) {
		if (len[n] > sizeof(buffer) || !(pkt[n] = malloc(len[n])) || fread(pkt[n], 1, len[n], stdin) != len[n])
			return 1;
		struct key k;
		uint64_t r9;
		if (key(pkt[n], len[n], &k, &r9)) {
			struct entry *e = find(&k);
			e->key = k;
			e->used = 1;
		}
		n++;
	}
	double best = 1e18;
	long sum = 0;
	for (size_t turn = 0, at = 0; n && turn < 400; turn++) {
		struct timespec a, b;
		clock_gettime(CLOCK_MONOTONIC, &a);
		for (int i = 0; i < TURN; i++, at = at + 1 == n ? 0 : at + 1) {
			memcpy(buffer, pkt[at], len[at]);
			sum += program(buffer, len[at]);
		}
		clock_gettime(CLOCK_MONOTONIC, &b);
		double ns = ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / TURN;
		if (ns < best)
			best = ns;
	}
	printf("%.2f\n", best);
	return sum == 0;
}
