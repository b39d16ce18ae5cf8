// Store URLs and routes: any text is one or an error, and what is written into a file that travels has no secret.
#include <cstdint>
#include <cstdlib>

#include "image/stores/store.h"
#include "image/stores/store_url.h"

using namespace mcloud;
using namespace mcloud::image;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  std::string bare = without_secrets(text);
  if (without_secrets(bare) != bare) std::abort();
  if (auto url = StoreUrl::parse(text); url.has_value()) {
    auto again = StoreUrl::parse(bare);
    if (!again.has_value() || again->without_secrets() != bare) std::abort();
    if (!again->user.empty() || !again->password.empty()) std::abort();
    if (again->host != url->host || again->port != url->port || again->space != url->space) std::abort();
  } else if (url.error().message.empty()) {
    std::abort();
  }
  if (auto route = parse_route(text); route.has_value()) {
    if (route->first > route->last || !StoreUrl::parse(route->url).has_value()) std::abort();
  }
  return 0;
}
