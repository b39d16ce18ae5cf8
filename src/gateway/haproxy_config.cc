#include "gateway/haproxy_config.h"

#include <algorithm>

#include "crypto/hash.h"
#include "gateway/certificate_unit.h"
#include "gateway/planted.h"
#include "gateway/sections.h"
#include "gateway/servers.h"
#include "gateway/udp_sites.h"
#include "gateway/words.h"

namespace mcloud::gateway {
namespace {

// Ciphers of Mozilla's "intermediate" list: all have forward secrecy and authenticate.
constexpr std::string_view kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

std::string error_page(int status, const std::string& title, const std::string& text) {
  std::string page = "<!doctype html><title>" + title + "</title><p>" + text + "</p>\n";
  return "  http-error status " + std::to_string(status) + " content-type text/html string " + quoted(page) + " hdr Cache-Control no-store\n";
}

class Builder {
 public:
  Builder(const pb::LocalGateway& gateway, const HaproxyPaths& paths)
      : gateway_(gateway), paths_(paths), plans_(plan_sites(gateway)), front_{&gateway, &paths, false, 60'000, 5'000} {}

  HaproxyConfig build(std::string_view salt) {
    look_over();
    add(defaults_section() + "\n" + http_frontends(front_) + "\n" + nobody_backend(gateway_.domain()));
    if (front_.passes_through) add("\n" + sni_frontend(front_));
    out_.files = {{"http.map", ""}, {"https.map", ""}, {"acme.map", ""}, {"sni.map", ""}};
    out_.files["certificates.list"] = paths_.placeholder() + "\n";
    for (const SitePlan& plan : plans_.sites) add_site(plan);
    out_.problems = plans_.problems;
    finish(salt);
    return std::move(out_);
  }

 private:
  void look_over() {
    for (const SitePlan& plan : plans_.sites) {
      const pb::Site& site = plan.site->site();
      if (site.mode() == pb::SITE_TLS) front_.passes_through = true;
      if (site.mode() != pb::SITE_HTTP && site.mode() != pb::SITE_TLS) continue;
      front_.idle_ms = std::max(front_.idle_ms, idle_ms_of(site));
      front_.request_ms = std::max(front_.request_ms, request_ms_of(site));
    }
  }

  void add_site(const SitePlan& plan) {
    const pb::Site& site = plan.site->site();
    if (is_udp_by_tunnel(*plan.site)) out_.backend_sites[backend_name(plan, 0)] = plan.key;  // udp_doors.h
    if (site.mode() == pb::SITE_UDP) return;                                                 // the kernel's: network/ leads its ports
    if (site.mode() == pb::SITE_HTTP) return add_http(plan);
    add("\n" + (site.mode() == pb::SITE_TLS ? pass_backend(plan) : raw_frontend(front_, plan)));
    for (const std::string& host : plan.hosts) out_.files["sni.map"] += host + " " + backend_name(plan, 0) + "\n";
    add_servers(plan, 0);
  }

  void add_http(const SitePlan& plan) {
    const pb::Site& site = plan.site->site();
    for (int route = 0; route < site.routes_size(); ++route) {
      add("\n" + http_backend(front_, plan, route));
      add_servers(plan, route);
      std::string path = site.routes(route).path();
      if (!path.ends_with('/')) path += '/';
      for (const std::string& host : plan.hosts) {
        std::string line = host + path + " " + backend_name(plan, route) + "\n";
        out_.files["http.map"] += line;
        if (site.has_tls()) out_.files["https.map"] += line;
      }
    }
    if (!site.has_tls()) return;
    for (const CertificateUnit& unit : certificate_units(plan, gateway_.domain())) {
      out_.files["certificates.list"] += paths_.certificate(unit.id);
      for (const std::string& host : unit.hosts) {
        if (!planted::kAllNamesOfCertificates) out_.files["certificates.list"] += " " + host;
        if (site.tls().has_acme()) out_.files["acme.map"] += host + " " + site.tls().acme().account_thumbprint() + "\n";
      }
      out_.files["certificates.list"] += "\n";
    }
  }

  void add(const std::string& text) {
    structure_ += text;
    text_ += text;
  }

  // Servers are in the text alone: another replica is not another structure. Those of a sticky route are in both.
  void add_servers(const SitePlan& plan, int route) {
    const pb::Route& wanted = plan.site->site().routes(route);
    HaproxyBackend backend{backend_name(plan, route), wanted.sticky(), servers_of(*plan.site, wanted, paths_)};
    if (backend.is_sticky) {
      for (const HaproxyServer& server : backend.servers) structure_ += server.name + " " + server.address + "\n";
    }
    out_.backend_sites[backend.name] = plan.key;
    text_ += server_lines(backend);
    out_.backends.push_back(std::move(backend));
  }

  void finish(std::string_view salt) {
    structure_ += global_section(paths_, "") + std::string(salt);
    for (auto& [name, content] : out_.files) structure_ += name + "\n" + content;
    out_.structure = crypto::blake2b(structure_).hex().substr(0, 32);
    out_.text = global_section(paths_, out_.structure) + "\n" + text_;
  }

  static std::string server_lines(const HaproxyBackend& backend) {
    std::string out;
    for (const HaproxyServer& server : backend.servers) {
      out += "  server " + server.name + " " + server.address + " weight " + std::to_string(server.weight) + " " + server.options;
      if (!server.cookie.empty()) out += " cookie " + server.cookie;
      out += "\n";
    }
    return out;
  }

  const pb::LocalGateway& gateway_;
  const HaproxyPaths& paths_;
  SitePlans plans_;
  Front front_;
  std::string structure_;
  std::string text_;
  HaproxyConfig out_;
};

}  // namespace

std::string ms(uint64_t value) { return std::to_string(std::min<uint64_t>(value, 7ull * 86'400'000)) + "ms"; }
uint64_t idle_ms_of(const pb::Site& site) { return site.idle_ms() == 0 ? 300'000 : site.idle_ms(); }
uint64_t request_ms_of(const pb::Site& site) { return site.request_ms() == 0 ? 10'000 : site.request_ms(); }

std::string backend_name(const SitePlan& plan, int route) { return plan.key + "_" + std::to_string(route); }

std::string global_section(const HaproxyPaths& paths, const std::string& structure) {
  std::string out = "global\n  master-worker\n  description " + quoted("mcloud " + structure) + "\n  stats socket " + paths.stats_socket() +
                    " mode 600 level admin expose-fd listeners\n  stats timeout 1h\n  log stdout len 4000 format raw local0\n  maxconn " + std::to_string(paths.connections_max) +
                    "\n  hard-stop-after 24h\n  mworker-max-reloads 100\n  no-memory-trimming\n" +
                    "  server-state-file " + paths.folder + "/servers\n" +
                    "  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets\n  ssl-default-bind-ciphers " + std::string(kCiphers) + "\n";
  if (!paths.user.empty()) out += "  chroot " + paths.jail() + "\n  user " + paths.user + "\n  group " + paths.user + "\n";
  return out;
}

std::string defaults_section() {
  return "defaults\n  mode http\n  log global\n  option dontlognull\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
         "  timeout http-keep-alive 60s\n  timeout queue 10s\n  load-server-state-from-file global\n" +
         error_page(502, "Bad gateway", "The site gave no valid answer. Please try again.") +
         error_page(503, "Not available", "The site cannot be reached at the moment. Please try again.") +
         error_page(504, "Too slow", "The site gave no answer in time.");
}

std::string bind_lines(const Front& front, uint32_t port, const std::string& options) {
  const std::string& address = front.gateway->address();
  std::string number = std::to_string(port);
  std::string out;
  if (address.empty()) out = "  bind ipv4@0.0.0.0:" + number + options + "\n";
  else if (is_ip(address)) out = "  bind " + std::string(address.find(':') == address.npos ? "ipv4@" : "ipv6@") + address + ":" + number + options + "\n";
  bool also_v6 = front.paths->has_ipv6 && address.find(':') == address.npos;
  if (also_v6) out += "  bind ipv6@[::]:" + number + " v6only" + options + "\n";
  return out;
}

std::string allow_acl(const pb::Site& site) {
  if (site.allow().empty()) return "";
  std::string out;
  for (const std::string& range : site.allow()) out += "  acl allowed src " + range + "\n";
  return out;
}

HaproxyConfig haproxy_config(const pb::LocalGateway& gateway, const HaproxyPaths& paths, std::string_view salt) {
  return Builder(gateway, paths).build(salt);
}

}  // namespace mcloud::gateway
