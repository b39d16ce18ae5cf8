#include "flist/lazy_images.h"

#include <poll.h>

#include <algorithm>
#include <map>
#include <mutex>  // prepare() runs on several threads of the agent's pool; they share one mount
#include <set>

#include "base/log.h"
#include "crypto/hash.h"
#include "flist/image_record.h"
#include "image/oci/manifest.h"
#include "io/clock.h"
#include "io/file.h"

namespace mcloud::flist {
namespace {

using image::Digest;
using image::ImageWanted;
using image::PreparedImage;

constexpr size_t kRecordBytesMax = 16 << 20;
constexpr size_t kIndexBytesMax = 2ull << 30;

std::string signers_text(const std::vector<ImageSignature>& signatures) {
  std::string out;
  for (const ImageSignature& one : signatures) out += (out.empty() ? "" : ", ") + one.signer.hex();
  return out.empty() ? "nobody" : out;
}

// The first required key that has not signed; nullptr when all have. Signatures of the disk are checked again.
const PublicKey* missing_signer(const std::vector<PublicKey>& required, const std::vector<ImageSignature>& signatures,
                                const Digest& digest) {
  for (const PublicKey& key : required) {
    auto is_good = [&](const ImageSignature& one) { return one.signer == key && verify_signature(one, digest); };
    if (std::none_of(signatures.begin(), signatures.end(), is_good)) return &key;
  }
  return nullptr;
}

std::string trouble_text(const image::ImageFigures& figures) {
  std::string out = std::to_string(figures.read_errors) + " reads of the image failed";
  for (const image::StoreFigures& store : figures.stores) {
    if (store.wrong > 0) out += "; " + store.name + " gave wrong bytes";
    else if (store.is_failing) out += "; " + store.name + " does not answer";
  }
  return out;
}

class LazyImages final : public image::Images {
 public:
  explicit LazyImages(const LazyImagesOptions& options) : options_(options) {}

  Status open() {
    TRY(io::make_folders(options_.folder, 0700));
    for (const char* name : {"/fl", "/index", "/locks"}) TRY(io::make_folders(options_.folder + name, 0700));
    return {};
  }

  Result<PreparedImage> prepare(const ImageWanted& wanted) override {
    Digest digest = TRY(Digest::parse(wanted.digest));
    if (std::optional<ImageRecord> there = TRY(satisfying_record(digest, wanted))) return attached(digest, *there);
    io::Fd held = TRY(lock(digest));
    // Somebody else may have made it while we waited.
    if (std::optional<ImageRecord> there = TRY(satisfying_record(digest, wanted))) return attached(digest, *there);
    ImageRecord record = TRY(bring(digest, wanted));
    return attached(digest, record);
  }

  Result<PreparedImage> find(const std::string& digest_text) override {
    Digest digest = TRY(Digest::parse(digest_text));
    ImageRecord record = TRY(read_record(digest));
    return attached(digest, record);
  }

  Result<std::vector<std::string>> list() override {
    std::vector<std::string> out;
    constexpr std::string_view kEnd = ".json";
    for (const std::string& name : TRY(io::list_folder(options_.folder + "/index"))) {
      if (!name.ends_with(kEnd)) continue;
      std::string text = "sha256:" + name.substr(0, name.size() - kEnd.size());
      if (Digest::parse(text).has_value()) out.push_back(text);
    }
    return out;
  }

  Status remove(const std::string& digest_text) override {
    Digest digest = TRY(Digest::parse(digest_text));
    io::Fd held = TRY(lock(digest));
    if (!io::exists(record_path(digest)) && !io::exists(index_path(digest))) return {};
    auto mount = TRY(this->mount());
    TRY(mount->detach(digest.text()));
    // The record first: without it the image is not here.
    for (const std::string& path : {record_path(digest), index_path(digest), flist_path(digest)}) TRY(io::remove_tree(path));
    std::lock_guard guard(mutex_);
    verified_.erase(digest.hex());
    std::erase_if(roots_, [&](const auto& entry) { return entry.first.first == digest.hex(); });
    return {};
  }

  // Everything is durable already.
  Status make_durable() override { return {}; }

  Result<std::optional<std::string>> shifted_root(const std::string& digest_text, uint32_t base) override {
    Digest digest = TRY(Digest::parse(digest_text));
    ImageRecord record = TRY(read_record(digest));
    if (TRY(has_idmap())) return std::optional<std::string>();
    return std::optional(TRY(root_of(digest, record, base)));
  }

  std::string trouble(const std::string& digest) override {
    std::shared_ptr<image::ImageMount> served;
    {
      std::lock_guard guard(mutex_);
      served = mount_;
    }
    if (served == nullptr) return "";
    Result<image::MountFigures> figures = served->figures();
    if (!figures.has_value()) return figures.error().message;
    for (const image::ImageFigures& one : figures->images) {
      if (one.digest == digest && one.read_errors > 0) return trouble_text(one);
    }
    return "";
  }

 private:
  std::string index_path(const Digest& digest) const { return options_.folder + "/index/" + digest.hex(); }
  std::string record_path(const Digest& digest) const { return index_path(digest) + ".json"; }
  std::string flist_path(const Digest& digest) const { return options_.folder + "/fl/" + digest.hex() + ".fl"; }

  Result<ImageRecord> read_record(const Digest& digest) const {
    auto text = io::read_file(record_path(digest), kRecordBytesMax);
    if (!text.has_value() && text.error().code == Code::NotFound)
      return make_error(Code::NotFound, "image " + digest.text() + " is not prepared on this node");
    return parse_record(TRY(std::move(text))).with_context(record_path(digest));
  }

  // Nothing when the image has to be brought: it is not here, or without a required signature (which its source
  // may have by now).
  Result<std::optional<ImageRecord>> satisfying_record(const Digest& digest, const ImageWanted& wanted) const {
    Result<ImageRecord> record = read_record(digest);
    if (!record.has_value()) {
      if (record.error().code == Code::NotFound || record.error().code == Code::Corrupt) return std::nullopt;
      return record.error();
    }
    if (missing_signer(wanted.signers, record->signatures, digest) != nullptr) return std::nullopt;
    return std::optional(std::move(*record));
  }

  Result<ImageRecord> bring(const Digest& digest, const ImageWanted& wanted) {
    uint64_t before_ms = io::SystemClock().monotonic_ms();
    image::Source source = TRY(image::parse_source(wanted.source));
    Bytes bytes = TRY(fetch_flist(source, options_.fetch).with_context("image " + wanted.source.substr(0, 300)));
    // Under another name until it is known to be what was asked for; list_folder() does not show it.
    std::string fresh = options_.folder + "/fl/.new-" + digest.hex() + ".fl";
    TRY(io::write_file(fresh, bytes, io::Durability::Fsync, 0600));
    Result<ImageRecord> record = take_in(fresh, digest, wanted);
    Status removed = io::remove_tree(fresh);
    if (!removed.has_value()) log::warning("image", "a fetched file stays", {{"reason", removed.error().message}});
    if (record.has_value()) {
      log::info("image", "imported", {{"digest", digest.text()}, {"bytes", std::to_string(record->bytes)},
                                      {"ms", std::to_string(io::SystemClock().monotonic_ms() - before_ms)}});
    }
    return record;
  }

  Result<ImageRecord> take_in(const std::string& fresh, const Digest& digest, const ImageWanted& wanted) {
    Imported imported = TRY(options_.import(fresh));
    if (!(imported.digest == digest)) {
      // What the ledger shows is cut after 200 letters: both digests come first.
      return make_error(Code::Corrupt, "holds " + imported.digest.text() + ", not " + digest.text() + ": " + wanted.source);
    }
    if (const PublicKey* missing = missing_signer(wanted.signers, imported.signatures, digest)) {
      return make_error(Code::Denied, digest.text() + " is not signed by " + missing->hex() +
                                          ", which the contract requires; signed by: " + signers_text(imported.signatures));
    }
    auto index = TRY(image::Index::parse(imported.index));
    if (!index->config().empty()) TRY(image::parse_config(index->config()));
    ImageRecord record = record_of(imported, *index);
    TRY(io::write_file(index_path(digest), imported.index, io::Durability::Fsync, 0600));
    if (::rename(fresh.c_str(), flist_path(digest).c_str()) != 0) return errno_error(errno, "rename " + fresh);
    TRY(io::write_file(record_path(digest), to_json(record), io::Durability::Fsync, 0600));
    return record;
  }

  // The process that serves trusts the index that we name: its bytes are compared with the digest once in our life.
  Status verify_index(const Digest& digest) {
    {
      std::lock_guard guard(mutex_);
      if (verified_.contains(digest.hex())) return {};
    }
    Bytes bytes = TRY(io::read_file(index_path(digest), kIndexBytesMax));
    TRY(image::expect_digest(digest, Digest::of(bytes), index_path(digest)));
    std::lock_guard guard(mutex_);
    verified_.insert(digest.hex());
    return {};
  }

  Result<PreparedImage> attached(const Digest& digest, const ImageRecord& record) {
    Status whole = verify_index(digest);
    if (!whole.has_value()) {
      // The next prepare() brings it anew.
      TRY(io::remove_tree(record_path(digest)));
      return whole.error();
    }
    PreparedImage image{.digest = digest.text()};
    if (!record.config.empty()) image.config = TRY(image::parse_config(record.config)).config;
    image.bytes = record.bytes;
    image.root_folder = TRY(root_of(digest, record, 0));
    return image;
  }

  // Attached already, or attached now.
  Result<std::string> root_of(const Digest& digest, const ImageRecord& record, uint32_t shift) {
    std::string known;
    {
      std::lock_guard guard(mutex_);
      auto found = roots_.find({digest.hex(), shift});
      if (found != roots_.end()) known = found->second;
    }
    if (!known.empty() && io::exists(known)) return known;
    image::Attachment attachment{.digest = digest.text(), .index_path = index_path(digest), .routes = record.routes,
                                 .trace = record.trace, .shift = shift};
    auto first = TRY(mount());
    Result<std::string> root = first->attach(attachment);
    if (!root.has_value() && root.error().code == Code::Unavailable) {
      // Both of its processes are gone: a new pair is started.
      forget(first);
      auto second = TRY(mount());
      root = second->attach(attachment);
    }
    if (!root.has_value()) return root;
    std::lock_guard guard(mutex_);
    roots_[{digest.hex(), shift}] = *root;
    return root;
  }

  Result<bool> has_idmap() {
    auto served = TRY(mount());
    {
      std::lock_guard guard(mutex_);
      if (has_idmap_) return *has_idmap_;
    }
    bool answer = TRY(served->figures()).has_idmap;  // the kernel's, the same for all its life
    std::lock_guard guard(mutex_);
    has_idmap_ = answer;
    return answer;
  }

  Result<std::shared_ptr<image::ImageMount>> mount() {
    std::lock_guard guard(mutex_);
    if (mount_ == nullptr) mount_ = TRY(options_.open_mount());
    return mount_;
  }
  void forget(const std::shared_ptr<image::ImageMount>& lost) {
    std::lock_guard guard(mutex_);
    if (mount_ == lost) mount_ = nullptr;
  }

  Result<io::Fd> lock(const Digest& digest) const {
    io::SystemClock clock;
    uint64_t deadline_ms = clock.monotonic_ms() + options_.wait_timeout_ms;
    while (true) {
      Result<io::Fd> held = io::lock_file(options_.folder + "/locks/" + digest.hex());
      if (held.has_value() || held.error().code != Code::Conflict) return held;
      if (clock.monotonic_ms() >= deadline_ms) {
        return make_error(Code::TimedOut, "image " + digest.text() + ": another process prepares it and does not end");
      }
      ::poll(nullptr, 0, 10);
    }
  }

  const LazyImagesOptions options_;
  std::mutex mutex_;  // of what is below
  std::shared_ptr<image::ImageMount> mount_;
  std::optional<bool> has_idmap_;
  std::set<std::string> verified_;                                    // hex of digests
  std::map<std::pair<std::string, uint32_t>, std::string> roots_;     // by hex and shift
};

}  // namespace

LazyImagesOptions lazy_images_options(std::string folder, image::MountOptions mount, ImportOptions import) {
  LazyImagesOptions options;
  options.folder = std::move(folder);
  options.fetch.certificates = mount.certificates;
  options.open_mount = [mount = std::move(mount)] { return image::ImageMount::open(mount); };
  options.import = [import = std::move(import)](const std::string& path) { return import_flist(path, import); };
  return options;
}

Result<std::unique_ptr<image::Images>> open_lazy_images(const LazyImagesOptions& options) {
  auto images = std::make_unique<LazyImages>(options);
  TRY(images->open().with_context("lazy images"));
  return std::unique_ptr<image::Images>(std::move(images));
}

}  // namespace mcloud::flist
