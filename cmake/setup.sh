# Sourced by ./up and ./check: what a fresh Debian 12 machine needs, and how the tree is built.
# Everything here is idempotent and quick the second time.

build_packages=(
  clang-19 lld-19 cmake ninja-build ccache pkg-config   # the compiler of record and its tools
  libboost1.81-dev nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libspdlog-dev libfmt-dev
  protobuf-compiler libprotobuf-dev libsodium-dev libssl-dev librocksdb-dev libarchive-dev
  libnftables-dev libseccomp-dev doctest-dev libsqlite3-dev libsnappy-dev
)
run_packages=(
  crun conmon golang-github-containers-common           # containers, their monitor, the default seccomp profile
  bird2 nftables iproute2 util-linux procps             # backplane routing, firewall, namespaces
  mmdebstrap python3 curl                               # recipes' images, the scripts' JSON and requests
  wireguard-go unbound                                  # encrypted networks where the kernel has no WireGuard; their names
  haproxy uacme                                         # gateways: the engine, certificates
)
test_packages=(
  libclang-rt-19-dev busybox-static                     # sanitizers, a tiny image
  openssl redis-tools                                   # certificates, and another's client for the kv server
  qemu-system-x86 cpio kmod e2fsprogs                   # a guest with cgroup v2 (its kernel is unpacked, not installed)
  redis-server redis-tools nodejs python3-pip           # outside judges of kv: another server, other people's clients
  skopeo umoci fio docker-registry                      # outside judges of images: what others unpack, copy, read and serve
  python3-snappy python3-cryptography                   # their blocks, read by others' code
  wireguard-tools tcpdump nmap iperf3 iputils-ping bind9-dnsutils  # outside judges of networks
  pebble nghttp2-client wrk python3-dnspython python3-h2  # a certificate authority, clients and a back end for gateways
  prometheus                                            # promtool: our alert rules tell their stories
  zsh fish man-db                                       # shells that complete our commands, and what shows the manual
  python3-jsonschema python3-yaml                       # outside judges of the contract language's schema (npm brings the editor's)
  attr libcap2-bin binutils                             # attributes and capabilities of test trees; what a program links
)
# Node packaged elsewhere brings its npm along.
command -v npm > /dev/null || test_packages+=(npm)
# bench/ alone wants its peers: apt-get install podman etcd-server docker-registry fio umoci

say() { printf '\033[2m%(%H:%M:%S)T\033[0m %s\n' -1 "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

need_root() {
  [ "$(id -u)" = 0 ] && return
  die "must run as root: it makes network namespaces, mounts and cgroups for the cluster (try: sudo $0${*:+ $*})"
}

need_debian() {
  local id=unknown version=
  [ -r /etc/os-release ] && . /etc/os-release && id=$ID version=${VERSION_ID:-}
  [ "$id" = debian ] && [ "$version" = 12 ] && return
  say "this is $id $version; the packages are named as in Debian 12, going on"
}

# need_packages NAME...: installs what is missing, nothing else.
need_packages() {
  local missing=() name
  for name in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} = 0 ] && return
  say "installing ${#missing[@]} Debian packages (${missing[*]:0:4} ...)"
  local log; log=$(mktemp) guard=/usr/sbin/policy-rc.d made=
  # Daemons that come along (bird, etcd) are ours to start, inside namespaces: none starts on the host.
  if [ ! -e $guard ]; then printf '#!/bin/sh\nexit 101\n' > $guard; chmod +x $guard; made=1; fi
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"; } \
    > "$log" 2>&1 < /dev/null
  local code=$?
  [ -n "$made" ] && rm -f $guard
  if [ $code != 0 ]; then tail -n 5 "$log" >&2; rm -f "$log"; die "apt-get could not install: ${missing[*]}"; fi
  rm -f "$log"
  for name in bird2:bird etcd-server:etcd redis-server:redis-server docker-registry:docker-registry haproxy:haproxy unbound:unbound; do
    case " ${missing[*]} " in *" ${name%%:*} "*)
      [ -d /run/systemd/system ] && systemctl disable --quiet --now "${name##*:}" 2>/dev/null ;;
    esac
  done
  return 0
}

# build PRESET TARGET...: configures once, builds with progress on one line.
build() {
  # A second checkout of the same sources finds what the first has compiled.
  export CCACHE_BASEDIR=$tree CCACHE_NOHASHDIR=true CCACHE_MAXSIZE=10G
  local preset=$1; shift
  local log="$tree/build/$preset.log"
  mkdir -p "$tree/build"
  if [ ! -f "$tree/build/$preset/build.ninja" ]; then
    say "configuring ($preset)"
    cmake --preset "$preset" -S "$tree" > "$log" 2>&1 || { tail -n 20 "$log" >&2; die "cmake --preset $preset failed"; }
  fi
  say "building ($preset): $*"
  # Two compilers of the heaviest files fit into 2 GiB each; never start more than there is memory for.
  local jobs; jobs=$(nproc)
  local fits=$(( $(awk '/MemAvailable/ {print $2}' /proc/meminfo) / 1500000 )); [ "$fits" -lt 1 ] && fits=1
  [ "$jobs" -gt "$fits" ] && jobs=$fits
  if [ -t 2 ]; then
    NINJA_STATUS='[%f/%t %es] ' ninja -C "$tree/build/$preset" -j "$jobs" "$@" 2>&1 | tee "$log" \
      | awk '/^\[/ {printf "\r\033[K%s", substr($0,1,100); fflush()} END {printf "\r\033[K"}' >&2
    [ "${PIPESTATUS[0]}" = 0 ] || { grep -A 20 -m 1 'FAILED' "$log" >&2; die "the build failed; see $log"; }
  else
    ninja -C "$tree/build/$preset" -j "$jobs" "$@" > "$log" 2>&1 || { grep -A 20 -m 1 'FAILED' "$log" >&2; die "the build failed; see $log"; }
  fi
}

build_images() {
  local recipe
  for recipe in "$@"; do
    [ -e "$tree/recipes/$recipe/image/index.json" ] || say "building the image of recipes/$recipe from Debian packages (about 20 s)"
    "$tree/recipes/build-image" "$tree/recipes/$recipe" || exit 1
  done
}
