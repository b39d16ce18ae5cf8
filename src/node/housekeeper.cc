#include "node/housekeeper.h"

#include "base/log.h"

namespace mcloud::node {

std::vector<std::string> UnusedImages::seen(const std::vector<std::string>& there, const std::set<std::string>& used,
                                            bool is_short, uint64_t now_ms) {
  std::map<std::string, uint64_t> unused;
  std::vector<std::string> go;
  for (const std::string& digest : there) {
    if (used.contains(digest)) continue;
    auto before = unused_since_.find(digest);
    uint64_t since = before == unused_since_.end() ? now_ms : before->second;
    unused[digest] = since;
    if (is_short || now_ms - since >= rest_ms_) go.push_back(digest);
  }
  unused_since_ = std::move(unused);
  return go;
}

Housekeeper::Housekeeper(io::Loop& loop, Containers& containers, Reconciler& reconciler, const Clock& clock,
                         const Pace& pace, std::function<void()> changed)
    : loop_(loop),
      containers_(containers),
      reconciler_(reconciler),
      clock_(clock),
      pace_(pace),
      changed_(std::move(changed)),
      unused_(pace.image_rest_ms),
      thread_(1, 4) {}

// An agent before us may have been killed before its images were on disk.
void Housekeeper::begin() {
  look();
  image_made();
}

void Housekeeper::look() {
  look_timer_ = loop_.after(pace_.look_ms, [this] { look(); });
  if (is_looking_ || !reconciler_.used_images()) return;
  is_looking_ = thread_.submit([this] {
    auto images = containers_.images();
    bool is_short = containers_.is_disk_short();
    loop_.post([this, images = std::move(images), is_short] {
      std::optional<std::set<std::string>> used = reconciler_.used_images();
      if (images.has_value() && used) to_drop_ = unused_.seen(*images, *used, is_short, now());
      drop_next();
    });
  });
}

// Each is asked about again: orders may have come since.
void Housekeeper::drop_next() {
  reconciler_.hold_image("");
  std::optional<std::set<std::string>> used = reconciler_.used_images();
  while (!to_drop_.empty() && (!used || used->contains(to_drop_.back()))) to_drop_.pop_back();
  if (to_drop_.empty()) {
    is_looking_ = false;
    return;
  }
  std::string digest = std::move(to_drop_.back());
  to_drop_.pop_back();
  reconciler_.hold_image(digest);
  log::info("node", "image is dropped", {{"digest", digest}});
  thread_.submit([this, digest] {
    Status dropped = containers_.drop_image(digest);
    if (!dropped.has_value()) log::warning("node", "an unused image stays", {{"reason", dropped.error().message}});
    loop_.post([this] {
      drop_next();
      changed_();
    });
  });
}

void Housekeeper::image_made() {
  if (waits_since_ms_ != 0) return;
  waits_since_ms_ = now();
  was_settled_ = false;
  wait_until_settled();
}

void Housekeeper::wait_until_settled() {
  settle_timer_ = loop_.after(pace_.settle_ms, [this] {
    bool is_settled = reconciler_.is_settled(now());
    bool is_quiet = std::exchange(was_settled_, is_settled) && is_settled;
    if (is_quiet || now() - waits_since_ms_ >= pace_.settle_max_ms) return make_durable();
    wait_until_settled();
  });
}

void Housekeeper::make_durable() {
  waits_since_ms_ = 0;
  bool is_taken = thread_.submit([this] {
    Status done = containers_.make_images_durable();
    if (done.has_value()) return;
    log::warning("node", "images are not on disk yet", {{"reason", done.error().message}});
    loop_.post([this] { image_made(); });
  });
  if (!is_taken) image_made();
}

}  // namespace mcloud::node
