#include "image/oci/read_ahead.h"

#include <condition_variable>  // with the mutex
#include <deque>
#include <mutex>  // the thread below and the one that takes share a queue
#include <optional>
#include <thread>  // one stage of a conversion: io::Pool drops jobs when it ends, this one must be waited for

namespace mcloud::image {
namespace {

constexpr size_t kPieceBytes = 256 << 10;
constexpr size_t kPiecesMax = 16;

}  // namespace

struct ReadAheadStream::Inside {
  explicit Inside(Stream& stream) : from(stream) {}

  void work() {
    while (true) {
      Result<Bytes> piece = gather();
      std::unique_lock lock(mutex);
      room.wait(lock, [this] { return closing || pieces.size() < kPiecesMax; });
      bool is_last = closing || !piece.has_value() || piece->empty();
      pieces.push_back(std::move(piece));
      filled.notify_one();
      if (is_last) return;
    }
  }

  // Small pieces joined: a switch of threads costs more than a copy.
  Result<Bytes> gather() {
    Bytes out;
    while (out.size() < kPieceBytes) {
      Result<BytesView> piece = from.next();
      if (!piece.has_value()) return std::move(piece).error();
      if (piece->empty()) break;
      if (out.empty()) out.reserve(kPieceBytes + piece->size());
      out += *piece;
    }
    return out;
  }

  Stream& from;
  std::mutex mutex;
  std::condition_variable room, filled;
  std::deque<Result<Bytes>> pieces;
  bool closing = false;
  Bytes current;
  std::optional<Status> ending;  // what the last piece said
  std::jthread thread;
};

ReadAheadStream::ReadAheadStream(Stream& from) : inside_(std::make_unique<Inside>(from)) {
  inside_->thread = std::jthread([inside = inside_.get()] { inside->work(); });
}

ReadAheadStream::~ReadAheadStream() {
  {
    std::lock_guard lock(inside_->mutex);
    inside_->closing = true;
  }
  inside_->room.notify_one();
  inside_->thread.join();
}

Result<BytesView> ReadAheadStream::next() {
  Inside& in = *inside_;
  if (in.ending.has_value()) return in.ending->has_value() ? Result<BytesView>(BytesView()) : in.ending->error();
  std::unique_lock lock(in.mutex);
  in.filled.wait(lock, [&] { return !in.pieces.empty(); });
  Result<Bytes> piece = std::move(in.pieces.front());
  in.pieces.pop_front();
  lock.unlock();
  in.room.notify_one();
  if (!piece.has_value()) {
    in.ending = Status(piece.error());
    return std::move(piece).error();
  }
  in.current = std::move(*piece);
  if (in.current.empty()) in.ending = Status();
  return BytesView(in.current);
}

Status ReadAheadStream::drain() {
  while (!TRY(next()).empty()) {
  }
  return {};
}

}  // namespace mcloud::image
