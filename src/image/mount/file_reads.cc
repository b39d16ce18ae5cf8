#include "image/mount/file_reads.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>  // blocks of one read arrive on several threads
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace mcloud::image {
namespace {

// Of reads that wait for more blocks and hold some that the cache could not keep.
constexpr size_t kPieceBytesMax = 128 << 20;
std::atomic<size_t> piece_bytes{0};

struct Range {
  uint64_t first, last;  // bytes, [first, last)
};

Range part_of_block(const FileRead& request, uint32_t block) {
  uint64_t start = uint64_t{block} * kBlockBytes;
  return {std::max(start, request.offset), std::min(start + kBlockBytes, request.offset + request.bytes)};
}

}  // namespace

struct FileReads::Job {
  FileRead request;
  uint32_t first = 0, last = 0;  // blocks
  std::atomic<uint32_t> missing{0};
  std::atomic<bool> is_answered{false};
  std::atomic<bool> is_interrupted{false};
  std::mutex mutex;
  std::vector<std::pair<uint32_t, Bytes>> pieces;  // what the cache could not keep, cut to what was asked for
  std::optional<Error> error;

  ~Job() {
    for (const auto& [block, bytes] : pieces) piece_bytes -= bytes.size();
  }
};

bool is_being_killed(uint32_t thread) {
  if (thread == 0) return false;
  Result<Bytes> status = io::read_file("/proc/" + std::to_string(thread) + "/status", 1 << 16);
  if (!status.has_value()) return true;  // it is gone
  for (std::string_view key : {"\nSigPnd:\t", "\nShdPnd:\t"}) {
    size_t at = status->find(key);
    if (at == std::string::npos) continue;
    uint64_t pending = std::strtoull(status->c_str() + at + key.size(), nullptr, 16);
    // A signal that ends a process is sent to its threads as SIGKILL.
    if ((pending >> (SIGKILL - 1) & 1) != 0) return true;
  }
  return false;
}

bool FileReads::add(const std::shared_ptr<Job>& job) {
  Shard& part = shard(job->request.unique);
  std::lock_guard lock(part.mutex);
  part.waiting[job->request.unique] = job;
  bool is_early = std::find(part.early.begin(), part.early.end(), job->request.unique) != part.early.end();
  if (is_early) job->is_interrupted = true;
  return is_early;
}

void FileReads::remove(const FileRead& request) {
  if (log_ != nullptr) log_->answered(request.log_slot);
  Shard& part = shard(request.unique);
  std::shared_ptr<Job> job;
  std::lock_guard lock(part.mutex);
  auto found = part.waiting.find(request.unique);
  if (found == part.waiting.end()) return;
  job = std::move(found->second);
  part.waiting.erase(found);
}

void FileReads::read(FileRead request) {
  uint32_t first = static_cast<uint32_t>(request.offset / kBlockBytes);
  uint32_t last = static_cast<uint32_t>((request.offset + request.bytes - 1) / kBlockBytes);
  bool is_whole = request.content->is_whole();
  bool is_there = true;
  for (uint32_t block = first; block <= last && is_there; ++block) is_there = is_whole || request.content->has(block);
  LoadedImage& loaded = *request.image->loaded;
  if (is_there) {
    // The loader still learns what is read: that is the trace, and what read-ahead goes by.
    for (uint32_t block = first; block <= last && !is_whole; ++block) loaded.want(request.node, block, [](auto) {});
    device_.reply_file(request.unique, request.content->fd(), request.offset, request.bytes);
    if (log_ != nullptr) log_->answered(request.log_slot);
    return;
  }
  auto job = std::make_shared<Job>();
  job->request = std::move(request);
  job->first = first;
  job->last = last;
  job->missing = last - first + 1;
  add(job);
  for (uint32_t block = first; block <= last; ++block) {
    loaded.want(job->request.node, block,
                [this, job, block](Result<std::optional<Bytes>> outcome) { arrived(job, block, std::move(outcome)); });
  }
}

void FileReads::arrived(const std::shared_ptr<Job>& job, uint32_t block, Result<std::optional<Bytes>> outcome) {
  if (!job->is_answered) {
    std::lock_guard lock(job->mutex);
    if (!outcome.has_value()) {
      if (!job->error.has_value()) job->error = std::move(outcome).error();
    } else if (outcome->has_value()) {
      Range part = part_of_block(job->request, block);
      size_t start = part.first - uint64_t{block} * kBlockBytes;
      size_t bytes = part.last - part.first;
      if ((*outcome)->size() < start + bytes || piece_bytes + bytes > kPieceBytesMax) {
        job->error = make_error(Code::Exhausted, "no memory for blocks that the cache cannot keep");
      } else {
        piece_bytes += bytes;
        job->pieces.emplace_back(block, (*outcome)->substr(start, bytes));
      }
    }
  }
  if (--job->missing == 0) finish(*job);
}

void FileReads::finish(Job& job) {
  if (job.is_answered.exchange(true)) return;
  const FileRead& request = job.request;
  if (job.error.has_value()) {
    on_error_(*request.image, *job.error);
    device_.reply_error(request.unique, EIO);
  } else if (job.pieces.empty()) {
    device_.reply_file(request.unique, request.content->fd(), request.offset, request.bytes);
  } else {
    answer_pieces(job);
  }
  remove(request);
}

void FileReads::answer_pieces(Job& job) {
  const FileRead& request = job.request;
  if (job.first == job.last) {
    device_.reply(request.unique, job.pieces.front().second);
    return;
  }
  std::string bytes(request.bytes, '\0');
  for (uint32_t block = job.first; block <= job.last; ++block) {
    Range part = part_of_block(request, block);
    char* to = bytes.data() + (part.first - request.offset);
    auto piece = std::find_if(job.pieces.begin(), job.pieces.end(), [&](const auto& item) { return item.first == block; });
    if (piece != job.pieces.end()) {
      std::memcpy(to, piece->second.data(), piece->second.size());
      continue;
    }
    size_t wanted = part.last - part.first;
    if (::pread(request.content->fd(), to, wanted, static_cast<off_t>(part.first)) != static_cast<ssize_t>(wanted)) {
      on_error_(*request.image, errno_error(errno, "read the cache"));
      device_.reply_error(request.unique, EIO);
      return;
    }
  }
  device_.reply(request.unique, bytes);
}

void FileReads::interrupt(uint64_t unique) {
  std::shared_ptr<Job> job;
  Shard& part = shard(unique);
  {
    std::lock_guard lock(part.mutex);
    auto found = part.waiting.find(unique);
    if (found == part.waiting.end()) {
      part.early[part.next_early++ % part.early.size()] = unique;
      return;
    }
    job = found->second;
  }
  job->is_interrupted = true;
  if (!is_being_killed(job->request.process) || job->is_answered.exchange(true)) return;
  device_.reply_error(unique, EINTR);
  remove(job->request);
}

void FileReads::end_killed() {
  for (Shard& part : shards_) {
    std::vector<std::shared_ptr<Job>> interrupted;
    {
      std::lock_guard lock(part.mutex);
      for (const auto& [unique, job] : part.waiting) {
        if (job->is_interrupted) interrupted.push_back(job);
      }
    }
    for (const std::shared_ptr<Job>& job : interrupted) {
      if (!is_being_killed(job->request.process) || job->is_answered.exchange(true)) continue;
      device_.reply_error(job->request.unique, EINTR);
      remove(job->request);
    }
  }
}

}  // namespace mcloud::image
