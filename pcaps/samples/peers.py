#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The talkers of record.sh's lab that Debian has no small program for.

    peers.py serve               NTP (UDP 123) and Modbus (TCP 502) servers
    peers.py ntp SRC DST N       N NTP exchanges (RFC 5905, 48 bytes)
    peers.py modbus SRC DST N    one connection, N reads of holding registers
    peers.py noise SRC4 DEV      mDNS and SSDP questions over IPv4 and IPv6,
                                 group joins included (IGMP, MLD)
    peers.py natport ADDR PORT   prints the first public port that the sample
                                 program nat tries for an inside endpoint
    peers.py scan SRC DST        SYN, null, FIN+SYN, Xmas and RST+SYN segments,
                                 as port scanners send them
    peers.py exthdrs SRC DST N   UDP behind hop-by-hop and destination options
"""
import socket
import struct
import sys
import threading
import time

NTP_ADDRS = ["192.0.2.53", "fd00::53"]


def family(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


def bound(addr, kind, port=0):
    s = socket.socket(family(addr), kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((addr, port))
    s.settimeout(2)
    return s


def ntp_server(addr):
    s = bound(addr, socket.SOCK_DGRAM, 123)
    s.settimeout(None)
    while True:
        question, peer = s.recvfrom(512)
        if len(question) < 48:
            continue
        now = struct.pack("!Q", int((time.time() + 2208988800) * 2**32))
        s.sendto(b"\x24\x02\x06\xec" + bytes(8) + b"LAB\0" + now + question[40:48] + now + now, peer)


def modbus_talk(c):
    with c:
        while True:
            question = c.recv(260)
            if len(question) < 12:
                return
            count = question[11]
            registers = b"".join(struct.pack("!H", (7 * i) & 0xFFFF) for i in range(count))
            body = bytes([question[6], 3, 2 * count]) + registers
            c.sendall(question[:4] + struct.pack("!H", len(body)) + body)


def serve():
    for addr in NTP_ADDRS:
        threading.Thread(target=ntp_server, args=(addr,), daemon=True).start()
    s = socket.create_server(("::", 502), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        c, _ = s.accept()
        threading.Thread(target=modbus_talk, args=(c,), daemon=True).start()


def ntp(src, dst, n):
    s = bound(src, socket.SOCK_DGRAM)
    for i in range(int(n)):
        s.sendto(b"\x23" + bytes(39) + struct.pack("!Q", i), (dst, 123))
        s.recv(512)
        time.sleep(0.02)


def modbus(src, dst, n):
    s = bound(src, socket.SOCK_STREAM)
    s.connect((dst, 502))
    for i in range(int(n)):
        s.sendall(struct.pack("!HHHBBHH", i, 0, 6, 1, 3, 100, 8 + i % 8))
        s.recv(260)
        time.sleep(0.005)
    s.close()


MDNS = struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\x05_http\x04_tcp\x05local\0" + struct.pack("!2H", 12, 1)
SSDP = (b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
        b'MAN: "ssdp:discover"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n')


def noise(src, dev):
    s = bound(src, socket.SOCK_DGRAM)
    own = socket.inet_aton(src)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
    for group in ["224.0.0.251", "239.255.255.250"]:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + own)
    index = socket.if_nametoindex(dev)
    s6 = bound("::", socket.SOCK_DGRAM)
    s6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    s6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                  socket.inet_pton(socket.AF_INET6, "ff02::fb") + struct.pack("@I", index))
    for _ in range(8):
        s.sendto(MDNS, ("224.0.0.251", 5353))
        s.sendto(SSDP, ("239.255.255.250", 1900))
        s6.sendto(MDNS, ("ff02::fb", 5353))
        time.sleep(0.3)


def checksum(b):
    b += bytes(len(b) % 2)
    total = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def scan(src, dst):
    s = socket.socket(family(src), socket.SOCK_RAW, socket.IPPROTO_TCP)
    s.bind((src, 0))
    ends = socket.inet_pton(family(src), src) + socket.inet_pton(family(src), dst)
    for port in [21, 22, 23, 80, 443, 445, 3389, 8080]:
        for flags in [0x02, 0x00, 0x03, 0x29, 0x06]:
            tcp = struct.pack("!HHIIBBHHH", 40000 + port, port, 1, 0, 5 << 4, flags, 1024, 0, 0)
            check = checksum(ends + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)
            s.sendto(tcp[:16] + struct.pack("!H", check) + tcp[18:], (dst, 0))
        time.sleep(0.05)


def natport(addr, port):
    # allocate in host/programs/nat.c; the program reads both as little endian
    a, = struct.unpack("<I", socket.inet_aton(addr))
    p, = struct.unpack("<H", struct.pack("!H", int(port)))
    h = (a ^ p * 0x9E3779B1) * 0x85EBCA6B & 0xFFFFFFFF
    print(20000 + (h ^ h >> 15) % 40000)


def exthdrs(src, dst, n):
    pad = bytes([0, 0, 1, 4, 0, 0, 0, 0])  # next header (the kernel's), length 0, PadN of 4 bytes
    for option in [[socket.IPV6_DSTOPTS], [socket.IPV6_HOPOPTS], [socket.IPV6_HOPOPTS, socket.IPV6_DSTOPTS]]:
        s = bound(src, socket.SOCK_DGRAM)
        for o in option:
            s.setsockopt(socket.IPPROTO_IPV6, o, pad)
        for i in range(int(n)):
            s.sendto(b"\x23" + bytes(39) + struct.pack("!Q", i), (dst, 123))
            s.recv(512)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("serve", "ntp", "modbus", "noise", "scan", "natport", "exthdrs"):
        sys.exit(__doc__)
    globals()[sys.argv[1]](*sys.argv[2:])
