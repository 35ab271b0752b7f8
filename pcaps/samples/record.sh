#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Records the captures of this folder again: real clients and servers in
# network namespaces, joined by veth pairs. Needs root and Debian's packages
#   nginx-light curl dnsmasq bind9-dnsutils iperf3 iputils-ping openssh-server
#   openssl tcpdump tshark ethtool iproute2 clang libbpf-dev python3 gzip zstd
#
#   ./record.sh [DIR]     writes to DIR (default: this folder), in half a minute
#
#   lan   10.0.0.0/8, 192.168.1.0/24, fd00:0:0:1::/64 --- lan ---+
#   vlans 10.10/16 (10), 10.20/16 (20), 10.30/16 (100+30) trunk -+- router
#   dmz   192.0.2.0/24, 203.0.113.1, fd00::/64 ---------- dmz ---+    |
#   net   203.0.113/24, 198.51.100/24, 3fff::/20, … --- isp --- wan --+
#
# The lab's addresses are those that the sample programs of host/programs have
# in their maps: virtual addresses 192.0.2.10, .53, fd00::10, ::53; sources
# refused 198.51.100.0/24, 10.66.0.0/16, 2001:db8:bad::/48; guests 10.99.0.0/16;
# 203.0.113.1 and 2001:db8:1:cf46::10 are what a NAT shows of 10.0.0.80 and
# fd00::10. Nothing in the lab filters or translates: that is the programs' part.
#
# Each port of the router is a place for an XDP program. What arrives at them is
# "lab" (merged by time); a forwarded packet stands in it once.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "${1:-$here}" && pwd)
[ "$(id -u)" = 0 ] || { echo "record.sh: needs root" >&2; exit 1; }
for tool in nginx curl dnsmasq dig iperf3 ping ssh ssh-keygen openssl tcpdump mergecap reordercap capinfos ethtool ip tc clang python3 gzip zstd; do
	command -v "$tool" >/dev/null || [ -x "/usr/sbin/$tool" ] || { echo "record.sh: $tool is missing" >&2; exit 1; }
done
sshd=$(command -v sshd || echo /usr/sbin/sshd)

spaces="lan vlans router dmz isp net"
tmp=$(mktemp -d /tmp/jitnic-lab.XXXXXX)
chmod 755 "$tmp"
made_run_sshd=

cleanup() {
	local s
	for s in $spaces; do
		[ ! -e "/run/netns/jl-$s" ] || ip netns pids "jl-$s" | xargs -r kill 2>/dev/null || true
	done
	sleep 0.2
	for s in $spaces; do
		[ -e "/run/netns/jl-$s" ] || continue
		ip netns pids "jl-$s" | xargs -r kill -9 2>/dev/null || true
		ip netns del "jl-$s" || true
	done
}
finish() {
	cleanup
	rm -rf "$tmp"
	[ -z "$made_run_sshd" ] || rmdir /run/sshd 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT TERM
cleanup # what a run that was killed left behind

in_() { local s=$1; shift; ip netns exec "jl-$s" "$@"; }

# ---- wires -------------------------------------------------------------------

# Frames as they would be on a wire: no offload merges or splits them or leaves
# a checksum or a tag to a device that isn't there.
plain() { # SPACE DEV
	in_ "$1" ethtool -K "$2" tx off rx off gso off tso off gro off rxvlan off txvlan off >/dev/null
}
wire() { # SPACE DEV MAC SPACE DEV MAC
	ip -n "jl-$1" link add name "$2" address "$3" type veth peer name "$5" address "$6" netns "jl-$4"
	plain "$1" "$2"
	plain "$4" "$5"
	ip -n "jl-$1" link set "$2" up
	ip -n "jl-$4" link set "$5" up
}
addr() { # SPACE DEV ADDR/LEN...
	local s=$1 dev=$2 a
	shift 2
	for a in "$@"; do
		case $a in
		*:*) ip -n "jl-$s" addr add "$a" dev "$dev" nodad ;;
		*) ip -n "jl-$s" addr add "$a" dev "$dev" ;;
		esac
	done
}
route() { local s=$1; shift; ip -n "jl-$s" route add "$@"; }

# vlan makes the subinterface DEV.OUTER, by vlan.c.
vlan() { # SPACE DEV PCP OUTER [INNER]
	local s=$1 dev=$2 sub=$2.$4 flags index
	ip -n "jl-$s" link add name "$sub" type veth peer name "to.$4"
	in_ "$s" sysctl -qw "net.ipv6.conf.to/$4.disable_ipv6=1"
	ip -n "jl-$s" link set "$sub" address "$(in_ "$s" cat "/sys/class/net/$dev/address")"
	plain "$s" "$sub"
	plain "$s" "to.$4"
	flags="-O2 -g -target bpf -I/usr/include/$(uname -m)-linux-gnu -DPCP=$3 -DOUTER=$4 ${5:+-DINNER=$5}"
	index=$(in_ "$s" cat "/sys/class/net/$dev/ifindex")
	clang $flags -DTO="$index" -c "$here/vlan.c" -o "$tmp/push.o"
	index=$(in_ "$s" cat "/sys/class/net/to.$4/ifindex")
	clang $flags -DTO="$index" -c "$here/vlan.c" -o "$tmp/pop.o"
	in_ "$s" tc qdisc add dev "to.$4" clsact
	in_ "$s" tc filter add dev "to.$4" ingress bpf da obj "$tmp/push.o" sec tc/push
	in_ "$s" tc qdisc add dev "$dev" clsact 2>/dev/null || true
	in_ "$s" tc filter add dev "$dev" ingress bpf da obj "$tmp/pop.o" sec tc/pop
	ip -n "jl-$s" link set "to.$4" up
	ip -n "jl-$s" link set "$sub" up
}

for s in $spaces; do
	ip netns add "jl-$s"
	ip -n "jl-$s" link set lo up
	in_ "$s" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 \
		net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.conf.all.send_redirects=0 \
		net.ipv4.conf.default.send_redirects=0
done
# Clients and servers are hosts: they don't forward, and solicit routers.
for s in lan vlans dmz net; do
	in_ "$s" sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 net.ipv6.conf.default.accept_ra=0
done

wire lan eth0 02:00:0a:00:00:02 router lan 02:00:00:00:01:01
wire vlans eth0 02:00:0a:0a:00:02 router trunk 02:00:00:00:02:01
wire dmz eth0 02:00:c0:00:02:02 router dmz 02:00:00:00:03:01
wire isp eth0 02:00:64:40:00:02 router wan 02:00:00:00:04:01
wire net eth0 02:00:cb:00:71:02 isp net 02:00:cb:00:71:fe
ip -n jl-vlans link set eth0 mtu 1504 # two tags on a full packet
ip -n jl-router link set trunk mtu 1504

addr router lan 10.0.0.1/8 192.168.1.1/24 fd00:0:0:1::1/64
addr lan eth0 10.0.0.80/8 10.1.{0,1,2}.{11,12,13,14}/8 10.66.0.9/8 10.66.6.9/8 10.99.0.7/8 10.99.0.8/8 10.255.0.9/8 \
	192.168.1.50/24 fd00:0:0:1::{11,12,13,14}/64
route lan default via 10.0.0.1
route lan default via fd00:0:0:1::1

# VLAN 10: plain; 20: with priority 5, as voice has; 30 inside 100: QinQ.
vlan router trunk 0 10
vlan router trunk 5 20
vlan router trunk 0 100 30
vlan vlans eth0 0 10
vlan vlans eth0 5 20
vlan vlans eth0 0 100 30
for v in 10:10 20:20 100:30; do
	tag=${v%:*} net=${v#*:}
	addr router "trunk.$tag" "10.$net.0.1/16" "fd00:0:0:$net::1/64"
	addr vlans "eth0.$tag" "10.$net.0."{2,3}/16 "fd00:0:0:$net::"{2,3}/64
	# Each VLAN answers through its own gateway.
	route vlans default via "10.$net.0.1" table "$tag"
	ip -n jl-vlans rule add from "10.$net.0.0/16" lookup "$tag"
	route vlans default via "fd00:0:0:$net::1" table "$tag"
	ip -6 -n jl-vlans rule add from "fd00:0:0:$net::/64" lookup "$tag"
done

addr router dmz 192.0.2.1/24 fd00::1/64
addr dmz eth0 192.0.2.{10,20,22,52,53}/24 fd00::{10,22,52,53}/64
addr dmz lo 203.0.113.1/32 2001:db8:1:cf46::10/128
route dmz default via 192.0.2.1
route dmz default via fd00::1
route router 203.0.113.1/32 via 192.0.2.10
route router 2001:db8:1::/48 via fd00::10

addr router wan 100.64.0.1/30 fd00:0:0:ff::1/64
addr isp eth0 100.64.0.2/30 fd00:0:0:ff::2/64
route router default via 100.64.0.2
route router default via fd00:0:0:ff::2
route isp default via 100.64.0.1
route isp default via fd00:0:0:ff::1
route isp 203.0.113.1/32 via 100.64.0.1
addr isp net 203.0.113.254/24 198.51.100.254/24 3fff:0:1::1/64 2001:db8:2::1/64 2001:db8:bad::1/64
addr net eth0 203.0.113.{5,6,80}/24 198.51.100.{7,66}/24 3fff:0:1::{5,80}/64 2001:db8:2::5/64 2001:db8:bad::66/64
route net default via 203.0.113.254
route net default via 3fff:0:1::1
route net 203.0.113.1/32 via 203.0.113.254

# ---- servers -----------------------------------------------------------------

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=lab.test \
	-keyout "$tmp/tls.key" -out "$tmp/tls.crt" 2>/dev/null
mkdir "$tmp/www"
line="All work and no play makes a packet a dull frame; the path it takes is what we look at.
"
for size in 100 1000 8000 30000 120000; do
	{ yes "$line" || true; } | head -c "$size" >"$tmp/www/$size"
done
web() { # SPACE
	cat >"$tmp/nginx-$1.conf" <<-END
		worker_processes 1;
		user root;
		pid $tmp/nginx-$1.pid;
		error_log /dev/null;
		events { worker_connections 512; }
		http {
			access_log off;
			client_body_temp_path $tmp/body-$1;
			proxy_temp_path $tmp/proxy-$1;
			fastcgi_temp_path $tmp/fastcgi-$1;
			uwsgi_temp_path $tmp/uwsgi-$1;
			scgi_temp_path $tmp/scgi-$1;
			keepalive_timeout 5;
			server {
				listen 80; listen [::]:80; listen 8080; listen [::]:8080;
				listen 443 ssl http2; listen [::]:443 ssl http2;
				ssl_certificate $tmp/tls.crt;
				ssl_certificate_key $tmp/tls.key;
				root $tmp/www;
				location /moved { return 302 /100; }
				location /upload/ { root $tmp/up-$1; dav_methods PUT; create_full_put_path on; }
			}
		}
	END
	mkdir "$tmp/up-$1"
	in_ "$1" nginx -e /dev/null -c "$tmp/nginx-$1.conf" -g 'daemon off;' 2>>"$tmp/servers.log" &
}
web dmz
web lan
web net

txt=$(printf 'x%.0s' $(seq 200))
names_server() { # SPACE ADDRESSES
	cat >"$tmp/dnsmasq-$1.conf" <<-END
		no-resolv
		no-hosts
		local=/lab.test/
		bind-interfaces
		listen-address=$2
		edns-packet-max=4096
		user=root
		pid-file=$tmp/dnsmasq-$1.pid
		log-facility=-
		txt-record=spf.lab.test,"v=spf1 ip4:192.0.2.0/24 -all"
		mx-host=lab.test,mail.lab.test,10
		cname=www.lab.test,host1.lab.test
	END
	for i in $(seq 12); do echo "txt-record=big.lab.test,\"$i$txt\""; done >>"$tmp/dnsmasq-$1.conf"
	for i in $(seq 40); do echo "host-record=host$i.lab.test,192.0.2.$i,fd00::$i"; done >>"$tmp/dnsmasq-$1.conf"
	in_ "$1" dnsmasq -k -C "$tmp/dnsmasq-$1.conf" 2>>"$tmp/servers.log" &
}
names_server dmz 192.0.2.53,192.0.2.20,fd00::53
names_server net 203.0.113.80,3fff:0:1::80

ssh-keygen -q -t ed25519 -N '' -f "$tmp/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$tmp/user_key" -C lab
cp "$tmp/user_key.pub" "$tmp/authorized"
[ -d /run/sshd ] || { mkdir -m 755 /run/sshd; made_run_sshd=1; }
in_ dmz "$sshd" -D -f /dev/null -h "$tmp/host_key" -o PidFile=none -o UsePAM=no -o StrictModes=no \
	-o PermitRootLogin=prohibit-password -o PasswordAuthentication=no -o "AuthorizedKeysFile=$tmp/authorized" \
	-o UseDNS=no -o LogLevel=QUIET 2>>"$tmp/servers.log" &

for a in 192.0.2.52 fd00::52; do in_ dmz iperf3 -s -B "$a" >/dev/null 2>>"$tmp/servers.log" & done
in_ dmz python3 "$here/peers.py" serve 2>>"$tmp/servers.log" &

for try in $(seq 50); do
	if in_ lan curl -s -m 1 -o /dev/null http://192.0.2.10/100 && in_ lan curl -s -m 1 -o /dev/null http://203.0.113.80/100 &&
		in_ net curl -s -m 1 -o /dev/null http://10.0.0.80/100 && in_ vlans curl -s -m 1 --interface 10.30.0.2 -o /dev/null http://192.0.2.10/100 &&
		in_ lan dig +tries=1 +time=1 @192.0.2.53 host1.lab.test >/dev/null &&
		in_ lan dig +tries=1 +time=1 @fd00::53 host1.lab.test >/dev/null &&
		in_ lan python3 "$here/peers.py" ntp 10.1.0.11 192.0.2.53 1 2>/dev/null; then
		break
	fi
	[ "$try" != 50 ] || { cat "$tmp/servers.log" >&2; echo "record.sh: the lab's servers don't answer" >&2; exit 1; }
	sleep 0.1
done

# ---- clients -----------------------------------------------------------------

# Each takes the namespace and the address it speaks from.
fetch() { # SPACE SRC ARGS...: curl
	local s=$1 src=$2
	shift 2
	in_ "$s" curl -sk -m 5 -o /dev/null --interface "$src" "$@" || true
}
short() { fetch "$1" "$2" -H 'Connection: close' "http://$3/{100,1000}?[1-$4]"; }  # SPACE SRC HOST N: 2N connections
keep() { fetch "$1" "$2" "http://$3/{100,1000,8000,nowhere,moved}?[1-$4]"; }       # one connection, 5N requests
tls() { fetch "$1" "$2" --http2 "https://$3/{100,8000}?[1-$4]"; }
load() { fetch "$1" "$2" "http://$3/{30000,120000}?[1-$4]"; }
upload() { fetch "$1" "$2" -T "$tmp/www/30000" "http://$3/upload/$2.$4"; }
head_() { fetch "$1" "$2" -I "http://$3/[1-$4]"; }
refused() { # SPACE SRC HOST PORT...
	local s=$1 src=$2 host=$3 port
	shift 3
	for port in "$@"; do fetch "$s" "$src" --connect-timeout 1 "telnet://$host:$port" </dev/null; done
}
names() { # N: N questions of each kind
	local i
	for i in $(seq "$1"); do
		echo "host$i.lab.test A"
		echo "host$i.lab.test AAAA"
		echo "gone$i.lab.test A"
		[ $((i % 4)) != 0 ] || echo "spf.lab.test TXT"
		[ $((i % 5)) != 0 ] || echo "www.lab.test A"
		[ $((i % 6)) != 0 ] || echo "lab.test MX"
	done
}
ask() { # SPACE SRC SERVER N [ARGS...]
	local s=$1 src=$2 server=$3 n=$4
	shift 4
	names "$n" >"$tmp/names.$n"
	in_ "$s" dig -b "$src" "@$server" -f "$tmp/names.$n" +tries=1 +time=1 "$@" >/dev/null || true
}
ask_huge() { in_ "$1" dig -b "$2" "@$3" big.lab.test TXT +bufsize=4096 +tries=1 +time=1 >/dev/null || true; } # comes in fragments
ask_big() { in_ "$1" dig -b "$2" "@$3" big.lab.test TXT +bufsize=512 +tries=1 +time=1 >/dev/null || true; } # cut short, then by TCP
echo_() { # SPACE SRC DST N SIZE [ARGS...]
	local s=$1 src=$2 dst=$3 n=$4 size=$5
	shift 5
	in_ "$s" ping -q -I "$src" -c "$n" -s "$size" -i 0.01 -W 1 "$@" "$dst" >/dev/null || true
}
shell() { # SPACE SRC DST N: N lines of output, some input
	in_ "$1" ssh -q -F /dev/null -i "$tmp/user_key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o IdentitiesOnly=yes -o BatchMode=yes -b "$2" "root@$3" "seq $4; cat >/dev/null" <"$tmp/www/8000" >/dev/null
}
flow() { # SPACE SRC DST BYTES [ARGS...]: iperf3; its server takes one at a time
	local s=$1 src=$2 dst=$3 bytes=$4
	shift 4
	flock "$tmp/iperf" ip netns exec "jl-$s" iperf3 -c "$dst" -B "$src" -n "$bytes" --repeating-payload "$@" >/dev/null ||
		{ echo "record.sh: iperf3 from $src to $dst failed" >&2; return 1; }
}
peer() { local s=$1; shift; in_ "$s" python3 "$here/peers.py" "$@"; }

# ---- captures ----------------------------------------------------------------

taps=()
tap() { # NAME SPACE DEV [ARGS...]
	local name=$1 s=$2 dev=$3
	shift 3
	ip netns exec "jl-$s" tcpdump -i "$dev" -n -s 0 -B 65536 --immediate-mode --time-stamp-precision=nano -Z root -w "$tmp/$name.pcap" "$@" \
		2>"$tmp/$name.log" &
	taps+=("$!:$name")
	until grep -q 'listening on' "$tmp/$name.log" 2>/dev/null; do sleep 0.05; done
}
# untap ends the taps and demands that the kernel lost nothing.
untap() {
	local t
	sleep 0.5
	for t in "${taps[@]}"; do
		kill "${t%%:*}"
		wait "${t%%:*}" 2>/dev/null || true
		grep -q '^0 packets dropped by kernel' "$tmp/${t#*:}.log" || { cat "$tmp/${t#*:}.log" >&2; exit 1; }
	done
	taps=()
}
forget() { # neighbours: ARP and ND begin again
	local s
	for s in $spaces; do
		ip -n "jl-$s" neigh flush all
		ip -6 -n "jl-$s" neigh flush all
	done
}
together() { # FUNCTION...: at the same time
	local f pids=()
	for f in "$@"; do
		$f &
		pids+=("$!")
	done
	for f in "${pids[@]}"; do wait "$f"; done
}

# lab: everything at once.
lab_office() { # inside clients and our servers
	local c
	short lan 10.1.0.11 192.0.2.10 60
	keep lan 10.1.0.12 192.0.2.10 12
	echo_ lan 10.1.0.11 192.0.2.10 40 56
	for c in 11 12 13 14; do
		short lan "10.1.1.$c" 192.0.2.10 20
		load lan "10.1.1.$c" 192.0.2.10 1
		tls lan "10.1.0.$c" 192.0.2.10 2
		keep lan "10.1.2.$c" 192.0.2.20 3
		upload lan "10.1.2.$c" 192.0.2.10 1
	done
	head_ lan 10.1.0.13 192.0.2.10 10
	short lan 10.66.6.9 192.0.2.10 10
	keep lan 192.168.1.50 192.0.2.10 4
	keep lan 10.255.0.9 192.0.2.10 3
}
lab_office6() {
	local c
	for c in 11 12 13 14; do
		short lan "fd00:0:0:1::$c" '[fd00::10]' 15
		keep lan "fd00:0:0:1::$c" '[fd00::10]' 2
		ask lan "fd00:0:0:1::$c" fd00::53 8
	done
	tls lan fd00:0:0:1::11 '[fd00::10]' 2
	load lan fd00:0:0:1::12 '[fd00::10]' 1
	echo_ lan fd00:0:0:1::11 fd00::10 40 56
	echo_ lan fd00:0:0:1::11 fd00::10 4 3000
	peer lan exthdrs fd00:0:0:1::11 fd00::53 6
	shell lan fd00:0:0:1::14 fd00::22 300
}
lab_names() {
	local c
	for c in 11 12 13 14; do
		ask lan "10.1.0.$c" 192.0.2.53 20
		ask_big lan "10.1.0.$c" 192.0.2.53
		ask lan "10.1.1.$c" 192.0.2.20 6
	done
	ask net 203.0.113.5 192.0.2.53 12
	ask net 198.51.100.7 192.0.2.53 4
	ask net 3fff:0:1::5 fd00::53 6
	ask lan 10.66.0.9 192.0.2.53 6
	ask lan 10.99.0.7 192.0.2.53 6
	ask lan 10.1.0.11 192.0.2.53 4 +tcp
	ask_huge lan 10.1.0.12 192.0.2.53
	ask_huge lan fd00:0:0:1::12 fd00::53
}
lab_out() { # inside clients and the world
	local c
	for c in 11 12 13 14; do
		short lan "10.1.0.$c" 203.0.113.80 8
		keep lan "10.1.2.$c" 203.0.113.80 2
	done
	load lan 10.1.2.11 203.0.113.80 1
	keep lan fd00:0:0:1::13 '[3fff:0:1::80]' 5
	short lan fd00:0:0:1::14 '[3fff:0:1::80]' 10
	echo_ lan 10.1.0.12 203.0.113.80 25 120
	echo_ lan fd00:0:0:1::12 3fff:0:1::80 25 120
	echo_ lan 10.1.0.12 203.0.113.80 4 2500
	# What the outside sees of a translated host: the program nat gives
	# 10.1.0.11's ports 30001 and 30002 those of 203.0.113.1 that peers.py
	# names, and finds the way back for what comes to them.
	local web dns
	web=$(peer lan natport 10.1.0.11 30001)
	dns=$(peer lan natport 10.1.0.11 30002)
	fetch lan 10.1.0.11 --local-port 30001 'http://203.0.113.80/{100,1000}'
	fetch dmz 203.0.113.1 --local-port "$web" 'http://203.0.113.80/{100,1000,8000}?[1-8]'
	ask_huge lan '10.1.0.11#30002' 203.0.113.80
	ask_huge dmz "203.0.113.1#$dns" 203.0.113.80
	echo_ net 203.0.113.6 203.0.113.1 3 3000
}
lab_world() { # the world and our servers
	short net 203.0.113.5 192.0.2.10 30
	short net 203.0.113.6 203.0.113.1:8080 15
	short net 203.0.113.5 10.0.0.80 12
	keep net 3fff:0:1::5 '[fd00::10]' 4
	short net 3fff:0:1::5 '[2001:db8:1:cf46::10]' 8
	short net 2001:db8:2::5 '[fd00::10]' 8
	tls net 203.0.113.6 192.0.2.10 2
	echo_ net 203.0.113.5 192.0.2.10 20 56
	short net 198.51.100.7 192.0.2.10 6
	short net 2001:db8:bad::66 '[fd00::10]' 6
	refused net 203.0.113.6 192.0.2.22 23 445 3389 5900 8443
	refused net 198.51.100.66 192.0.2.22 21 23 25 110 143 445 1433 3306 3389 5432 6379 8443 9200
	peer net scan 198.51.100.66 192.0.2.10
	peer net scan 203.0.113.6 192.0.2.20
	peer net scan 2001:db8:2::5 fd00::22
}
lab_guests() {
	keep lan 10.99.0.7 192.0.2.10 5
	refused lan 10.99.0.8 192.0.2.22 23 445 8443
	echo_ lan 10.99.0.8 192.0.2.22 15 56
	peer lan modbus 10.99.0.7 192.0.2.20 15
	short lan 10.66.0.9 192.0.2.10 20
	echo_ lan 10.66.0.9 192.0.2.10 60 56
}
lab_tools() { # ssh, Modbus, time, and what networks tell themselves
	local noise
	shell lan 10.1.0.14 192.0.2.22 2000
	peer lan modbus 10.1.1.12 192.0.2.20 80
	peer lan ntp 10.1.0.11 192.0.2.53 15
	peer lan ntp fd00:0:0:1::11 fd00::53 8
	peer lan noise 10.1.0.13 eth0 &
	noise=$!
	shell net 203.0.113.5 192.0.2.22 200
	refused lan 10.1.0.12 192.0.2.22 23 445 8443
	refused lan fd00:0:0:1::12 '[fd00::22]' 23 8443
	ask lan 10.1.0.12 192.0.2.22 4 -p 999      # closed UDP ports
	ask lan fd00:0:0:1::12 fd00::22 3 -p 999
	ask vlans 10.10.0.2 192.0.2.22 2 -p 999
	echo_ lan 10.1.0.11 192.0.2.22 8 56 -R     # IPv4 options: record route,
	echo_ lan 10.1.0.11 192.0.2.22 8 56 -T tsandaddr
	echo_ lan 10.1.0.13 192.0.2.22 5 4000      # fragments
	echo_ lan 10.1.0.13 192.0.2.22 5 1472 -M do
	echo_ lan 10.1.0.13 203.0.113.80 3 56 -t 1 # expires here
	echo_ lan 10.1.0.13 203.0.113.80 3 56 -t 2 # expires at the provider's
	echo_ lan fd00:0:0:1::13 3fff:0:1::80 3 56 -t 1
	echo_ lan fd00:0:0:1::13 3fff:0:1::80 3 56 -t 2
	echo_ lan 10.1.0.13 203.0.113.99 2 56      # nobody
	wait "$noise"
}
lab_bulk() {
	flow lan 10.1.1.13 192.0.2.52 900K
	flow lan 10.1.1.14 192.0.2.52 300K -u -b 40M -l 1200
	flow lan fd00:0:0:1::12 fd00::52 300K
	flow lan 10.1.0.14 192.0.2.52 400K -R
	flow net 203.0.113.6 192.0.2.52 100K
	flow vlans 10.20.0.2 192.0.2.52 200K
}
lab_vlans() {
	local net
	for net in 10 20 30; do
		short vlans "10.$net.0.2" 192.0.2.10 15
		keep vlans "10.$net.0.3" 192.0.2.10 3
		ask vlans "10.$net.0.2" 192.0.2.53 8
		short vlans "fd00:0:0:$net::2" '[fd00::10]' 8
		ask vlans "fd00:0:0:$net::3" fd00::53 4
		echo_ vlans "10.$net.0.2" 192.0.2.10 12 200
		echo_ vlans "fd00:0:0:$net::2" fd00::10 10 200
		keep vlans "10.$net.0.3" 203.0.113.80 2
	done
	shell vlans 10.10.0.2 192.0.2.22 100
	echo_ vlans 10.20.0.2 10.30.0.2 10 100 # from VLAN to VLAN
	echo_ vlans 10.30.0.2 192.0.2.10 3 3000
}
record_lab() {
	local port
	forget
	for port in lan trunk dmz wan; do tap "lab-$port" router "$port" -Q in; done
	together lab_office lab_office6 lab_names lab_out lab_world lab_guests lab_tools lab_bulk lab_vlans
	untap
	mergecap -F nsecpcap -w "$tmp/lab.pcap" "$tmp"/lab-{lan,trunk,dmz,wan}.pcap
}

# web: one server's network card, both directions.
web_many() { local c; for c in 11 12 13 14; do short lan "10.1.0.$c" 192.0.2.10 25; done; }
web_keep() { local c; for c in 11 12 13 14; do keep lan "10.1.1.$c" 192.0.2.10 6; done; }
web_big() { load lan 10.1.2.11 192.0.2.10 1; load lan fd00:0:0:1::11 '[fd00::10]' 1; upload lan 10.1.2.12 192.0.2.10 2; }
web_tls() { local c; for c in 11 12 13 14; do tls lan "fd00:0:0:1::$c" '[fd00::10]' 2; done; }
web_six() { local c; for c in 11 12; do short lan "fd00:0:0:1::$c" '[fd00::10]' 15; keep lan "fd00:0:0:1::$c" '[fd00::10]' 3; done; }
web_world() { short net 203.0.113.5 192.0.2.10 20; short net 198.51.100.7 192.0.2.10 5; refused net 203.0.113.6 192.0.2.10 8443; }
record_web() {
	tap web dmz eth0
	together web_many web_keep web_big web_tls web_six web_world
	untap
}

# dns: the name server's network card, both directions.
dns_four() { local c; for c in 11 12 13 14; do ask lan "10.1.0.$c" 192.0.2.53 25; done; }
dns_six() { local c; for c in 11 12 13 14; do ask lan "fd00:0:0:1::$c" fd00::53 15; done; }
dns_tcp() { ask lan 10.1.2.11 192.0.2.53 10 +tcp; ask_big lan 10.1.2.12 192.0.2.53; ask_big lan fd00:0:0:1::12 fd00::53; }
dns_world() { ask net 203.0.113.5 192.0.2.53 10; ask net 198.51.100.7 192.0.2.53 5; ask net 203.0.113.6 192.0.2.53 2 -p 999; }
record_dns() {
	tap dns dmz eth0
	together dns_four dns_six dns_tcp dns_world
	untap
}

# vlan: the trunk, both directions: a packet from VLAN to VLAN stands in it twice.
vlan_of() { # NET
	short vlans "10.$1.0.2" 192.0.2.10 10
	keep vlans "10.$1.0.3" 192.0.2.10 3
	ask vlans "10.$1.0.2" 192.0.2.53 6
	short vlans "fd00:0:0:$1::2" '[fd00::10]' 8
	echo_ vlans "10.$1.0.2" 192.0.2.10 10 56
	echo_ vlans "10.$1.0.2" 192.0.2.10 3 4000
	echo_ vlans "fd00:0:0:$1::2" fd00::10 10 56
	upload vlans "10.$1.0.3" 192.0.2.10 3
}
vlan_10() { vlan_of 10; echo_ vlans 10.10.0.2 10.20.0.2 10 56; }
vlan_20() { vlan_of 20; echo_ vlans fd00:0:0:20::2 fd00:0:0:30::2 10 56; }
vlan_30() { vlan_of 30; shell vlans 10.30.0.2 192.0.2.22 300; }
record_vlan() {
	forget
	tap vlan router trunk
	together vlan_10 vlan_20 vlan_30
	untap
}

# ipv6: what comes in at three ports, each an interface of one pcapng file.
six_web() { local c; for c in 11 12; do short lan "fd00:0:0:1::$c" '[fd00::10]' 12; keep lan "fd00:0:0:1::$c" '[fd00::10]' 3; done; }
six_out() { short lan fd00:0:0:1::13 '[3fff:0:1::80]' 10; echo_ lan fd00:0:0:1::13 3fff:0:1::80 8 1000; echo_ lan fd00:0:0:1::13 3fff:0:1::80 3 56 -t 2; }
six_in() {
	short net 3fff:0:1::5 '[2001:db8:1:cf46::10]' 8
	short net 2001:db8:bad::66 '[fd00::10]' 5
	peer net scan 2001:db8:2::5 fd00::22
	echo_ net 3fff:0:1::5 fd00::10 10 3000
}
six_else() {
	ask lan fd00:0:0:1::14 fd00::53 10
	peer lan exthdrs fd00:0:0:1::14 fd00::53 8
	flow lan fd00:0:0:1::12 fd00::52 100K
	refused lan fd00:0:0:1::12 '[fd00::22]' 23 8443
	ask lan fd00:0:0:1::12 fd00::22 3 -p 999
	shell lan fd00:0:0:1::14 fd00::22 200
}
record_ipv6() {
	local port
	forget
	for port in lan dmz wan; do tap "ipv6-$port" router "$port" -Q in ip6; done
	together six_web six_out six_in six_else
	untap
	mergecap -I none -F pcapng -w "$tmp/ipv6.pcapng" "$tmp"/ipv6-{lan,dmz,wan}.pcap
}

# bulk: few flows, many packets; the server's network card, both directions.
record_bulk() {
	tap bulk dmz eth0
	flow lan 10.1.0.11 192.0.2.52 2M
	flow lan 10.1.0.12 192.0.2.52 1M -R
	flow lan fd00:0:0:1::11 fd00::52 1M
	flow lan 10.1.0.13 192.0.2.52 600K -u -b 100M -l 1400
	flow lan fd00:0:0:1::12 fd00::52 200K -u -b 100M -l 400
	flow lan 10.1.0.14 192.0.2.52 600K -P 3
	untap
}

record_lab
record_web
record_dns
record_vlan
record_ipv6
record_bulk

# Two processors that take packets from one interface swap some by a microsecond.
for file in {lab,web,dns,vlan,bulk}.pcap ipv6.pcapng; do
	reordercap "$tmp/$file" "$tmp/ordered" >/dev/null
	case $file in
	*.pcap) gzip -n -9 -c "$tmp/ordered" >"$out/$file.gz" ;;
	*) zstd -q -19 -f "$tmp/ordered" -o "$out/$file.zst" ;;
	esac
	chmod 644 "$out/$file".*
	# What List in samples.go has to say.
	echo "$file: $(capinfos -Mrc "$tmp/ordered" | awk '/Number of packets/ { print $NF }') packets"
done
du -bc "$out"/*.pcap.gz "$out"/*.pcapng.zst | tail -1
