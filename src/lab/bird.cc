#include "lab/bird.h"

namespace mcloud::lab {
namespace {

constexpr const char* kCommon = R"(
log stderr { warning, error, fatal, bug };
protocol device { scan time 60; }
protocol direct { ipv4; interface "lo"; }

filter backplane { if net ~ [ 10.251.0.0/24{32,32} ] then accept; else reject; }

protocol kernel {
  merge paths on;
  ipv4 {
    import none;
    export filter { if source != RTS_BGP then reject; krt_prefsrc = OWN; accept; };
  };
}

# Three lost packets are a cut: 0.3 s. Shorter intervals flap when the machine is busy.
protocol bfd {
  strict bind on;
  interface "ring-*" { min rx interval 100 ms; min tx interval 100 ms; idle tx interval 300 ms; multiplier 3; };
}

template bgp ring {
  local as OWN_AS;
  strict bind on;
  bfd on;
  direct;
  hold time 9;
  keepalive time 3;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { import filter backplane; export filter backplane; next hop self; };
}
)";

std::string neighbour(const char* interface, const std::string& own, const std::string& other, size_t index) {
  std::string name = interface == kRingNext ? "ring_next" : "ring_prev";
  return "protocol bgp " + name + " from ring {\n  interface \"" + interface + "\";\n  source address " + own +
         ";\n  neighbor " + other + " as " + std::to_string(as_number(index)) + ";\n}\n";
}

}  // namespace

std::string bird_config(size_t index, const std::vector<RingLink>& ring) {
  std::string own = backplane_address(index);
  std::string out = "router id " + own + ";\ndefine OWN = " + own +
                    ";\ndefine OWN_AS = " + std::to_string(as_number(index)) + ";\n" + kCommon;
  for (const RingLink& link : ring) {
    std::string first = ring_address(link.from, false), second = ring_address(link.from, true);
    if (link.from == index) out += neighbour(kRingNext, first, second, link.to);
    if (link.to == index) out += neighbour(kRingPrevious, second, first, link.from);
  }
  return out;
}

std::vector<std::string> bird_command(const std::string& config_file) {
  return {"nice", "-n", "-10", "bird", "-f", "-c", config_file, "-s", kBirdControl};
}

}  // namespace mcloud::lab
