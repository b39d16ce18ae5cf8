// Small keep-alive requests per second over loopback: `wire_http_server_bench [seconds] [connections]`
// serves, drives itself with wrk and prints what that says.
#include <cstdio>
#include <string>

#include "io/process.h"
#include "wire/http_server.h"

using namespace mcloud;

int main(int count, char** arguments) {
  std::string seconds = count > 1 ? arguments[1] : "5";
  std::string connections = count > 2 ? arguments[2] : "50";
  auto server = wire::HttpServer::start({}, [](const wire::HttpRequest&) -> wire::HttpAnswer {
    wire::HttpResponse response;
    response.body = "{\"ok\":true}";
    return response;
  });
  if (!server.has_value()) return std::fprintf(stderr, "%s\n", server.error().message.c_str()), 1;
  io::Command wrk;
  wrk.arguments = {"wrk",          "-t1",       "-c" + connections,
                   "-d" + seconds, "--latency", "http://127.0.0.1:" + std::to_string((*server)->port()) + "/"};
  auto outcome = io::run_checked(wrk, {.timeout_ms = 600'000});
  if (!outcome.has_value()) return std::fprintf(stderr, "%s\n", outcome.error().message.c_str()), 1;
  std::fputs(outcome->output.c_str(), stdout);
  return 0;
}
