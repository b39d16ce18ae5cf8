#include "flist/fetch.h"

#include <stdlib.h>
#include <unistd.h>

#include "io/file.h"
#include "wire/http_client.h"

namespace mcloud::flist {
namespace {

constexpr uint64_t kConnectTimeoutMs = 5'000;

// "http://host:port/path?query" in its two parts.
struct Address {
  std::string server;
  std::string target;
};
Address split_address(const std::string& url) {
  size_t path = url.find('/', url.find("://") + 3);
  return {url.substr(0, path), url.substr(path)};
}

Result<Bytes> download(const std::string& url, const FetchOptions& options) {
  Address address = split_address(url);
  wire::Endpoint endpoint = TRY(wire::Endpoint::parse(address.server));
  wire::HttpClient::Options limits{.connect_timeout_ms = std::min(kConnectTimeoutMs, options.timeout_ms),
                                   .request_timeout_ms = options.timeout_ms,
                                   .body_bytes_max = options.bytes_max};
  if (!options.certificates.empty()) limits.tls = TRY(io::TlsContext::for_client({.authority = options.certificates}));
  wire::HttpResponse response = TRY(wire::HttpClient::create(endpoint, limits)->get(address.target));
  if (response.status == 200) return std::move(response.body);
  return make_error(wire::code_of_http_status(response.status), "answers with status " + std::to_string(response.status));
}

// A file of its own that goes with it.
class ScratchFile {
 public:
  static Result<ScratchFile> write(BytesView bytes) {
    ScratchFile file;
    const char* folder = ::getenv("TMPDIR");
    file.path_ = std::string(folder != nullptr && *folder == '/' ? folder : "/tmp") + "/mcloud-fl-XXXXXX";
    io::Fd made(::mkstemp(file.path_.data()));
    if (!made.is_open()) return errno_error(errno, "make " + std::exchange(file.path_, ""));
    TRY(io::write_file(file.path_, bytes, io::Durability::None, 0600));
    return file;
  }
  ScratchFile(ScratchFile&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  ~ScratchFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  ScratchFile() = default;
  std::string path_;
};

}  // namespace

Result<Bytes> fetch_flist(const image::Source& source, const FetchOptions& options) {
  if (source.kind != image::Source::Kind::Flist) return make_error(Code::Invalid, source.place + " is no .fl file");
  if (source.is_remote()) return download(source.place, options).with_context(source.place);
  return io::read_file(source.place, options.bytes_max);
}

Result<Imported> import_source(const std::string& text, const FetchOptions& fetch, const ImportOptions& import) {
  image::Source source = TRY(image::parse_source(text));
  if (source.kind == image::Source::Kind::Flist && !source.is_remote()) return import_flist(source.place, import);
  Bytes bytes = TRY(fetch_flist(source, fetch));
  ScratchFile file = TRY(ScratchFile::write(bytes));
  return import_flist(file.path(), import).with_context(text);
}

}  // namespace mcloud::flist
