#include <algorithm>

#include "gateway/planted.h"
#include "gateway/sections.h"
#include "gateway/words.h"

namespace mcloud::gateway {
namespace {

// HAProxy writes the line, our log reader only cuts the name of the back end off its front (access_log.h). What strangers say is cut
// so that a line fits into 4,000 bytes unless half of it needs escapes.
constexpr std::string_view kHttpLog =
    R"(%b {"client":"%ci","method":"%[capture.req.method,json(utf8s)]","host":"%[var(txn.host),bytes(0,253),json(utf8s)]","uri":"%[capture.req.uri,json(utf8s)]",)"
    R"("protocol":"%[capture.req.ver]","status":%ST,"bytes_in":%U,"bytes_out":%B,"ms":%Ta,"server":"%s","tls":"%sslv",)"
    R"("referer":"%[capture.req.hdr(1),json(utf8s)]","agent":"%[capture.req.hdr(0),json(utf8s)]","end":"%ts"})";

constexpr std::string_view kChallenge = "{ path_reg '^/\\.well-known/acme-challenge/[A-Za-z0-9_-]{1,128}$' }";

// What strangers say about who they are is taken off before we say it: with no header of the kind left, ours are added without a
// search for others to replace. Names of other characters than letters, digits and "-" are dropped: CGI and WSGI make
// X_Forwarded_For and X-Forwarded-For one.
constexpr std::string_view kForwarded =
    "  option http-restrict-req-hdr-names delete\n"
    "  http-request del-header X-Forwarded- -m beg\n"
    "  http-request del-header Forwarded\n"
    "  http-request del-header X-Real-IP\n"
    "  http-request add-header X-Forwarded-For %[src]\n"
    "  http-request add-header X-Forwarded-Host %[req.hdr(host)]\n";

std::string file_of(const Front& front, const std::string& name) { return front.paths->folder + "/" + name; }

std::string common_rules(const Front& front, const std::string& map, const std::string& scheme) {
  // At a reload the old worker tells its clients with their next answer; hanging up would race with their next request.
  // A WebSocket has its site's own bound on both sides ("timeout tunnel"); this one is for strangers who stop reading or sending.
  return "  option idle-close-on-response\n  timeout client " + ms(std::min<uint64_t>(front.idle_ms, 600'000)) + "\n  timeout http-request " + ms(front.request_ms) + "\n" +
         "  capture request header User-Agent len 256\n  capture request header Referer len 256\n" +
         "  log-format " + quoted(kHttpLog) + "\n" +
         "  http-request set-var(txn.host) req.hdr(host),field(1,:),rtrim(.),lower\n"
         "  http-request set-var(txn.path) path\n" +
         std::string(kForwarded) + "  http-request add-header X-Forwarded-Proto " + scheme + "\n" +
         "  use_backend %[var(txn.host),concat(,txn.path,/),map_beg(" + file_of(front, map) + ")]\n  default_backend nobody\n";
}

std::string plain_frontend(const Front& front) {
  // Any token of any of the sites' accounts, by every gateway: the answer needs nothing but the account's thumbprint.
  std::string challenge = "  http-request set-var(txn.thumb) req.hdr(host),field(1,:),rtrim(.),lower,map_str(" + file_of(front, "acme.map") +
                          ") if " + std::string(kChallenge) + "\n" +
                          "  http-request return status 200 content-type text/plain lf-string '%[path,field(4,/)].%[var(txn.thumb)]' if { var(txn.thumb) -m found }\n";
  return "frontend http\n" + bind_lines(front, front.gateway->http_port(), "") + challenge + common_rules(front, "http.map", "http");
}

std::string tls_frontend(const Front& front) {
  std::string certificates = "ssl crt-list " + file_of(front, "certificates.list") + " alpn h2,http/1.1";
  std::string bind = bind_lines(front, front.gateway->https_port(), " " + certificates);
  if (front.passes_through) {
    std::string owner = front.paths->user.empty() ? "" : " user " + front.paths->user;
    bind = "  bind unix@" + front.paths->jail() + "/https mode 600" + owner + " accept-proxy " + certificates + "\n";
  }
  return "frontend https\n" + bind + common_rules(front, "https.map", "https");
}

std::string balance_lines(const pb::Route& route) {
  switch (route.balance()) {
    case pb::BALANCE_LEAST_CONNECTIONS: return "  balance leastconn\n";
    case pb::BALANCE_SOURCE: return "  balance source\n  hash-type consistent\n";
    default: return "  balance roundrobin\n";
  }
}

// A connection that failed has sent nothing: any request may go elsewhere. An empty answer may hide work that was done: only
// requests that are safe by their method (RFC 9110 section 9.2.1) go again.
std::string retry_lines(const pb::Site& site) {
  if (site.retries() == 0) return "  retries 0\n  no option redispatch\n";
  return "  retries " + std::to_string(std::min<uint32_t>(site.retries(), 10)) +
         "\n  option redispatch 1\n  retry-on conn-failure empty-response\n" +
         (planted::kRetriesAll ? "" : "  http-request disable-l7-retry unless { method GET HEAD OPTIONS }\n");
}

// A body without a stated length cannot be bounded: chunks of HTTP/1.1, and HTTP/2, which needs neither. Whether the latter has a body
// at all its first byte says. A WebSocket (which is one by its Upgrade, in HTTP/2 by RFC 8441) has none.
std::string body_lines(const pb::Site& site, const pb::Route& route) {
  if (site.body_max_bytes() == 0 || planted::kNoBodyBound) return "";
  std::string out = "  http-request deny deny_status 413 if { req.body_size gt " + std::to_string(site.body_max_bytes()) + " }\n";
  if (route.h2()) return out;  // gRPC's streams have no length
  std::string refuse = "  http-request return status 411 content-type text/plain string 'The length of the body must be stated here.' if ";
  return out + "  acl states_length req.hdr(content-length) -m found\n  acl is_web_socket req.hdr(upgrade) -m found\n" + refuse +
         "{ req.hdr(transfer-encoding) -m found }\n"
         "  http-request wait-for-body time 5s at-least 1 if !states_length !is_web_socket\n" + refuse + "!states_length { req.body_len gt 0 }\n";
}

std::string tls_lines(const Front& front, const pb::Site& site) {
  if (!site.has_tls()) return "";
  std::string out;
  std::string port = front.gateway->https_port() == 443 ? "" : ":" + std::to_string(front.gateway->https_port());
  if (site.tls().redirect()) out += "  http-request redirect prefix https://%[var(txn.host)]" + port + " code 308 unless { ssl_fc }\n";
  if (site.tls().hsts_s() > 0) {
    out += "  http-response set-header Strict-Transport-Security max-age=" + std::to_string(site.tls().hsts_s()) + " if { ssl_fc }\n";
  }
  return out;
}

std::string check_lines(const SitePlan& plan, const pb::Route& route) {
  if (route.check_path().empty()) return "";
  std::string host = plan.hosts.empty() ? "localhost" : plan.hosts[0];
  return "  option httpchk\n  http-check send meth GET uri " + quoted(route.check_path()) + " ver HTTP/1.1 hdr Host " + host +
         "\n  http-check expect status 200-399\n";
}

std::string strip_lines(const pb::Route& route) {
  if (!route.strip() || route.path() == "/") return "";
  std::string length = std::to_string(route.path().size() - (route.path().ends_with('/') ? 1 : 0));
  return "  http-request set-path %[path,bytes(" + length + ")] if { path_len gt " + length + " }\n" +
         "  http-request set-path / if { var(txn.path) -m len le " + length + " }\n";
}

}  // namespace

std::string http_frontends(const Front& front) { return plain_frontend(front) + "\n" + tls_frontend(front); }

std::string nobody_backend(const std::string& domain) {
  std::string page = "<!doctype html><title>No site here</title><p>This is a MagicCloud gateway" +
                     (is_host_name(domain) ? " for " + domain : std::string()) + ". No site is published under this name.</p>\n";
  return "backend nobody\n  http-request return status 421 content-type text/html hdr Cache-Control no-store string " + quoted(page) + "\n";
}

std::string http_backend(const Front& front, const SitePlan& plan, int index) {
  const pb::Site& site = plan.site->site();
  const pb::Route& route = site.routes(index);
  std::string out = "backend " + backend_name(plan, index) + "\n" + balance_lines(route);
  out += "  timeout connect " + ms(site.connect_ms() == 0 ? 5'000 : site.connect_ms()) + "\n";
  out += "  timeout server " + ms(site.response_ms() == 0 ? 60'000 : site.response_ms()) + "\n";
  out += "  timeout tunnel " + ms(idle_ms_of(site)) + "\n" + retry_lines(site);
  if (route.sticky()) {
    out += "  cookie mcloud-" + std::to_string(index) + " insert indirect nocache httponly attr SameSite=Lax" +
           (site.tls().redirect() ? " secure\n" : "\n");
  }
  if (std::string allowed = allow_acl(site); !allowed.empty()) out += allowed + "  http-request deny deny_status 403 unless allowed\n";
  return out + tls_lines(front, site) + body_lines(site, route) + strip_lines(route) + check_lines(plan, route);
}

}  // namespace mcloud::gateway
