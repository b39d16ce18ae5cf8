#include "gateway/sections.h"
#include "gateway/words.h"

namespace mcloud::gateway {
namespace {

constexpr std::string_view kTcpLog =
    R"(%b {"client":"%ci","name":"%[var(sess.sni),json(utf8s)]","bytes_in":%U,"bytes_out":%B,"ms":%Tt,"server":"%s","end":"%ts"})";

std::string tcp_lines(const pb::Site& site, const pb::Route& route) {
  std::string balance = route.balance() == pb::BALANCE_LEAST_CONNECTIONS ? "  balance leastconn\n"
                        : route.balance() == pb::BALANCE_SOURCE          ? "  balance source\n  hash-type consistent\n"
                                                                         : "  balance roundrobin\n";
  std::string out = "  mode tcp\n" + balance + "  timeout connect " + ms(site.connect_ms() == 0 ? 5'000 : site.connect_ms()) + "\n" +
                    "  timeout server " + ms(idle_ms_of(site)) + "\n  timeout tunnel " + ms(idle_ms_of(site)) + "\n";
  if (site.retries() == 0) return out + "  retries 0\n  no option redispatch\n";
  return out + "  retries " + std::to_string(std::min<uint32_t>(site.retries(), 10)) + "\n  option redispatch 1\n";
}

}  // namespace

std::string sni_frontend(const Front& front) {
  return "frontend sni\n  mode tcp\n" + bind_lines(front, front.gateway->https_port(), "") +
         "  timeout client 60s\n  tcp-request inspect-delay " + ms(front.request_ms) +
         "\n  tcp-request content set-var(sess.sni) req.ssl_sni,rtrim(.),lower if { req.ssl_hello_type 1 }\n"
         "  tcp-request content accept if { req.ssl_hello_type 1 }\n  tcp-request content reject if WAIT_END\n" +
         "  log-format " + quoted(kTcpLog) + "\n  use_backend %[var(sess.sni),map_str(" + front.paths->folder +
         "/sni.map)]\n  default_backend ended\n\n" +
         "backend ended\n  mode tcp\n  timeout server 60s\n  timeout tunnel " + ms(front.idle_ms) + "\n  server https unix@" + front.paths->seen_in_jail("https") +
         " send-proxy-v2\n";
}

std::string pass_backend(const SitePlan& plan) {
  const pb::Site& site = plan.site->site();
  std::string out = "backend " + backend_name(plan, 0) + "\n" + tcp_lines(site, site.routes(0));
  if (std::string allowed = allow_acl(site); !allowed.empty()) out += allowed + "  tcp-request content reject unless allowed\n";
  return out;
}

std::string raw_frontend(const Front& front, const SitePlan& plan) {
  const pb::Site& site = plan.site->site();
  std::string name = backend_name(plan, 0);
  std::string out = "frontend port-" + std::to_string(site.port()) + "\n  mode tcp\n" + bind_lines(front, site.port(), "") +
                    "  timeout client " + ms(idle_ms_of(site)) + "\n  log-format " + quoted(kTcpLog) + "\n";
  if (std::string allowed = allow_acl(site); !allowed.empty()) out += allowed + "  tcp-request connection reject unless allowed\n";
  return out + "  default_backend " + name + "\n\nbackend " + name + "\n" + tcp_lines(site, site.routes(0));
}

}  // namespace mcloud::gateway
