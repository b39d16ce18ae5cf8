#include "base/result.h"

#include <array>
#include <cerrno>
#include <cstring>

namespace mcloud {
namespace {

constexpr std::array<std::string_view, 12> kCodeNames = {
    "not-found", "already-exists", "invalid",   "corrupt",   "denied",      "conflict",
    "unavailable", "timed-out",    "cancelled", "exhausted", "unsupported", "internal"};

Code code_of_errno(int error_number) {
  switch (error_number) {
    case ENOENT: return Code::NotFound;
    case EEXIST: return Code::AlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS: return Code::Denied;
    case EINVAL: return Code::Invalid;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return Code::Exhausted;
    case ETIMEDOUT: return Code::TimedOut;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EAGAIN:
    case EBUSY: return Code::Unavailable;
    case ENOTSUP: return Code::Unsupported;
    default: return Code::Internal;
  }
}

}  // namespace

std::string_view code_name(Code code) { return kCodeNames[static_cast<size_t>(code)]; }

Code code_from_name(std::string_view name) {
  for (size_t i = 0; i < kCodeNames.size(); ++i) {
    if (kCodeNames[i] == name) return static_cast<Code>(i);
  }
  return Code::Internal;
}

Error Error::with_context(std::string_view doing) const {
  return Error{code, std::string(doing) + ": " + message};
}

Error errno_error(int error_number, std::string_view what) {
  return Error{code_of_errno(error_number), std::string(what) + ": " + std::strerror(error_number)};
}

}  // namespace mcloud
