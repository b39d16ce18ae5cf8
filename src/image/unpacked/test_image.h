// For this room's tests: tar files byte by byte (so that they can be as wrong as an attacker likes), layouts
// and archives around them, in a temporary folder.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "image/digest.h"
#include "image/oci/stream.h"
#include "io/file.h"

namespace mcloud::image {

class TestFolder {
 public:
  TestFolder() {
    char name[] = "/tmp/mcloud-image-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~TestFolder() {
    Status removed = io::remove_tree(path_);
    CHECK_MESSAGE(removed.has_value(), removed.error().message);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class MemoryStream final : public Stream {
 public:
  explicit MemoryStream(Bytes bytes, size_t piece = 1000) : bytes_(std::move(bytes)), piece_(piece) {}
  Result<BytesView> next() override {
    BytesView out = BytesView(bytes_).substr(std::min(at_, bytes_.size()), piece_);
    at_ += out.size();
    return out;
  }

 private:
  Bytes bytes_;
  size_t piece_;
  size_t at_ = 0;
};

// POSIX.1-1988 ustar, with pax records (POSIX.1-2001) where given.
class Tar {
 public:
  struct Entry {
    std::string name;
    char type = '0';
    std::string content;
    std::string link;
    unsigned mode = 0644;
    uint64_t user = 0;
    uint64_t group = 0;
    std::vector<std::pair<std::string, std::string>> records;  // pax
    uint64_t size = UINT64_MAX;  // what the header says, when it is not the content's
    uint32_t device_major = 0;
    uint32_t device_minor = 0;
  };

  Tar& add(const Entry& entry) {
    if (!entry.records.empty()) {
      std::string records;
      for (const auto& [key, value] : entry.records) records += record(key, value);
      header({"pax", 'x', records});
      data(records);
    }
    header(entry);
    data(entry.content);
    return *this;
  }
  Tar& file(const std::string& name, const std::string& content = "text", unsigned mode = 0644) {
    return add({name, '0', content, "", mode});
  }
  Tar& folder(const std::string& name, unsigned mode = 0755) { return add({name, '5', "", "", mode}); }
  Tar& link(const std::string& name, const std::string& target) { return add({name, '2', "", target, 0777}); }
  Tar& hard_link(const std::string& name, const std::string& target) { return add({name, '1', "", target}); }

  Bytes bytes() const { return bytes_ + Bytes(1024, '\0'); }

 private:
  static std::string record(const std::string& key, const std::string& value) {
    size_t size = key.size() + value.size() + 3;
    size_t total = size + std::to_string(size).size();
    total = size + std::to_string(total).size();
    return std::to_string(total) + " " + key + "=" + value + "\n";
  }
  static void octal(char* field, size_t width, uint64_t value) {
    std::snprintf(field, width, "%0*llo", static_cast<int>(width) - 1, static_cast<unsigned long long>(value));
  }
  void header(const Entry& entry) {
    char block[512] = {};
    std::memcpy(block, entry.name.data(), std::min<size_t>(entry.name.size(), 100));
    octal(block + 100, 8, entry.mode);
    octal(block + 108, 8, std::min<uint64_t>(entry.user, 07777777));
    octal(block + 116, 8, std::min<uint64_t>(entry.group, 07777777));
    octal(block + 124, 12, entry.size == UINT64_MAX ? entry.content.size() : entry.size);
    octal(block + 136, 12, 1'700'000'000);
    block[156] = entry.type;
    std::memcpy(block + 157, entry.link.data(), std::min<size_t>(entry.link.size(), 100));
    std::memcpy(block + 257, "ustar\00000", 8);
    octal(block + 329, 8, entry.device_major);
    octal(block + 337, 8, entry.device_minor);
    std::memset(block + 148, ' ', 8);
    unsigned sum = 0;
    for (char c : block) sum += static_cast<unsigned char>(c);
    std::snprintf(block + 148, 8, "%06o", sum);
    bytes_.append(block, sizeof block);
  }
  void data(const std::string& content) {
    bytes_ += content;
    bytes_.append((512 - content.size() % 512) % 512, '\0');
  }
  Bytes bytes_;
};

enum class Packing { Plain, Gzip, Zstd };

inline Bytes pack(const Bytes& bytes, Packing packing) {
  if (packing == Packing::Plain) return bytes;
  archive* writer = archive_write_new();
  if (packing == Packing::Gzip) archive_write_add_filter_gzip(writer);
  else archive_write_add_filter_zstd(writer);
  archive_write_set_format_raw(writer);
  Bytes out(bytes.size() + (1 << 20), '\0');
  size_t used = 0;
  REQUIRE_EQ(archive_write_open_memory(writer, out.data(), out.size(), &used), ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  REQUIRE_EQ(archive_write_header(writer, entry), ARCHIVE_OK);
  archive_write_data(writer, bytes.data(), bytes.size());
  archive_entry_free(entry);
  archive_write_close(writer);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

inline Bytes read_text(const std::string& path) {
  Result<Bytes> bytes = io::read_file(path);
  return bytes.has_value() ? *bytes : "(" + bytes.error().message + ")";
}

inline void write_text(const std::string& path, const Bytes& bytes) {
  Status written = io::write_file(path, bytes, io::Durability::None);
  REQUIRE_MESSAGE(written.has_value(), written.error().message);
}

// A small image in every form.
struct TestImage {
  std::vector<Bytes> tars;
  nlohmann::json config = {{"Entrypoint", {"/bin/app"}}, {"Cmd", {"--serve"}}, {"Env", {"A=b", "PATH=/bin"}},
                           {"User", "web:34"},           {"WorkingDir", "/srv"}, {"StopSignal", "SIGQUIT"}};
  std::string architecture = "amd64";

  Bytes config_json() const {
    nlohmann::json diffs = nlohmann::json::array();
    for (const Bytes& tar : tars) diffs.push_back(Digest::of(tar).text());
    return nlohmann::json{{"os", "linux"}, {"architecture", architecture}, {"config", config},
                          {"rootfs", {{"type", "layers"}, {"diff_ids", diffs}}}}
        .dump();
  }

  static nlohmann::json descriptor(const Bytes& bytes, const std::string& type) {
    return {{"mediaType", type}, {"digest", Digest::of(bytes).text()}, {"size", bytes.size()}};
  }

  // Blobs into FOLDER/blobs/sha256 and an index.json with the tag; the manifest's digest.
  std::string write_layout(const std::string& folder, Packing packing = Packing::Gzip,
                           const std::string& tag = "latest") const {
    std::string blobs = folder + "/blobs/sha256";
    REQUIRE(io::make_folders(blobs).has_value());
    Bytes manifest = write_blobs(blobs, packing);
    nlohmann::json entry = descriptor(manifest, "application/vnd.oci.image.manifest.v1+json");
    entry["annotations"] = {{"org.opencontainers.image.ref.name", tag}};
    write_text(folder + "/index.json", nlohmann::json{{"schemaVersion", 2}, {"manifests", {entry}}}.dump());
    write_text(folder + "/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    return Digest::of(manifest).text();
  }

  Bytes write_blobs(const std::string& folder, Packing packing) const {
    static const char* const kSuffix[] = {"", "+gzip", "+zstd"};
    nlohmann::json layers = nlohmann::json::array();
    auto put = [&](const Bytes& bytes, const std::string& type) {
      write_text(folder + "/" + Digest::of(bytes).hex(), bytes);
      return descriptor(bytes, type);
    };
    for (const Bytes& tar : tars) {
      layers.push_back(put(pack(tar, packing),
                           std::string("application/vnd.oci.image.layer.v1.tar") + kSuffix[static_cast<int>(packing)]));
    }
    nlohmann::json config_entry = put(config_json(), "application/vnd.oci.image.config.v1+json");
    Bytes manifest = nlohmann::json{{"schemaVersion", 2},
                                    {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                                    {"config", config_entry},
                                    {"layers", layers}}
                         .dump();
    write_text(folder + "/" + Digest::of(manifest).hex(), manifest);
    return manifest;
  }
};

}  // namespace mcloud::image
