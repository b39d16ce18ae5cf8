#include "kv/replication/upstream_link.h"

#include "kv/commands.h"
#include "wire/resp.h"

namespace mcloud::kv {
namespace {

constexpr uint64_t kAnswerMs = 5'000;
constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kLineBytesMax = 64 << 10;
constexpr int64_t kListMost = 100'000;

}  // namespace

Result<UpstreamLink> UpstreamLink::open(const Upstream& upstream, const io::TlsFiles& tls, const Interrupt& interrupt) {
  UpstreamLink link(TRY(open_stream({upstream.host, upstream.port, tls}, interrupt, kAnswerMs)));
  link.needs_tls_ = tls.authority.empty() && !upstream.host.starts_with('/');
  if (!upstream.password.empty()) TRY(link.ask({"AUTH", upstream.password}));
  return link;
}

Status UpstreamLink::write(BytesView bytes) { return stream_->write(bytes, kAnswerMs); }

Result<size_t> UpstreamLink::read(Bytes& to, uint64_t timeout_ms) {
  if (!came_.empty()) {
    to += came_;
    return std::exchange(came_, {}).size();
  }
  size_t before = to.size();
  to.resize(before + kReadBytes);
  Result<size_t> got = stream_->read(to.data() + before, kReadBytes, timeout_ms);
  to.resize(before + (got.has_value() ? *got : 0));
  return got;
}

Status UpstreamLink::need(size_t bytes) {
  while (came_.size() < bytes) {
    Bytes more;
    Bytes before = std::exchange(came_, {});
    size_t got = TRY(read(more, kAnswerMs));
    came_ = before + more;
    if (got > 0) needs_tls_ = false;
    if (got == 0 && needs_tls_)
      return make_error(Code::Unavailable, "it ended without an answer: a port for TLS needs follow-tls-ca");
    if (got == 0) return make_error(Code::Unavailable, "the connection has ended");
  }
  return {};
}

Result<std::string> UpstreamLink::take_line() {
  size_t end = came_.find("\r\n");
  while (end == Bytes::npos) {
    if (came_.size() > kLineBytesMax) return make_error(Code::Corrupt, "a line without an end");
    TRY(need(came_.size() + 1));
    end = came_.find("\r\n");
  }
  std::string line = came_.substr(0, end);
  came_.erase(0, end + 2);
  return line;
}

Status UpstreamLink::ask(const std::vector<std::string_view>& words) {
  TRY(write(wire::resp_request(words)));
  std::string line = TRY(take_line());
  if (line.starts_with('+')) return {};
  return make_error(Code::Denied, std::string(words[0]) + " was refused: " + line);
}

Result<std::vector<std::string>> UpstreamLink::ask_list(const std::vector<std::string_view>& words) {
  TRY(write(wire::resp_request(words)));
  std::string line = TRY(take_line());
  auto count = line.starts_with('*') ? parse_integer(line.substr(1)) : std::nullopt;
  if (!count || *count < 0 || *count > kListMost)
    return make_error(Code::Denied, std::string(words[0]) + " was refused: " + line);
  std::vector<std::string> list;
  for (int64_t i = 0; i < *count; ++i) {
    std::string head = TRY(take_line());
    auto size = head.starts_with('$') ? parse_integer(head.substr(1)) : std::nullopt;
    if (!size || *size < 0 || *size > static_cast<int64_t>(kLineBytesMax))
      return make_error(Code::Corrupt, "no list of words");
    TRY(need(static_cast<size_t>(*size) + 2));
    list.push_back(came_.substr(0, static_cast<size_t>(*size)));
    came_.erase(0, static_cast<size_t>(*size) + 2);
  }
  return list;
}

}  // namespace mcloud::kv
