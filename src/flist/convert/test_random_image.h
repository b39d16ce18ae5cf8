// For this room's tests: images of random layers, as a hostile but honest tool might write them: each layer says
// something new about what the layers below have.
#pragma once

#include <algorithm>
#include <random>
#include <set>

#include "image/path.h"
#include "image/unpacked/test_image.h"

namespace mcloud::flist {

class RandomImage {
 public:
  explicit RandomImage(uint64_t seed) : random_(seed) {}

  image::TestImage make() {
    image::TestImage out;
    there_[""] = 'd';
    size_t layers = 1 + pick(4);
    for (size_t i = 0; i < layers; ++i) out.tars.push_back(layer());
    return out;
  }

 private:
  using Tar = image::Tar;
  using Entry = image::Tar::Entry;

  size_t pick(size_t below) { return std::uniform_int_distribution<size_t>(0, below - 1)(random_); }
  bool chance(size_t percent) { return pick(100) < percent; }

  std::string name() {
    static const std::vector<std::string> kNames = {
        "a", "b", "c", "d", "e", "with space", "new\nline", "gr\xc3\xbc\xc3\x9f", "\xe6\x97\xa5", "la\xfctin", "-dash", "...",
        std::string(120, 'l'), std::string(255, 'x'), ".whx", "back\\slash", "quo\"te"};
    return kNames[chance(70) ? pick(6) : pick(kNames.size())];
  }

  std::string folder() {
    std::vector<std::string> folders;
    for (const auto& [path, type] : there_) {
      if (type == 'd' && path.size() < 1000) folders.push_back(path);
    }
    return folders[pick(folders.size())];
  }

  static std::string join(const std::string& folder, const std::string& name) {
    return folder.empty() ? name : folder + "/" + name;
  }

  Bytes content() {
    size_t kind = pick(20);
    size_t bytes = kind < 3 ? 0 : kind < 17 ? pick(5000) : kind < 19 ? pick(20'000) : 500'000 + pick(700'000);
    Bytes out(bytes, '\0');
    bool is_text = chance(50);
    for (char& c : out) c = is_text ? 'x' : static_cast<char>(random_());
    return out;
  }

  void facts(Entry& entry) {
    entry.mode = static_cast<unsigned>(pick(010000)) | (entry.type == '5' ? 0700 : 0);
    entry.user = chance(60) ? 0 : pick(65'536);
    entry.group = chance(60) ? 0 : pick(65'536);
    std::string time = std::to_string(pick(2'000'000'000));
    if (chance(70)) time += "." + std::to_string(1'000'000'000 + pick(1'000'000'000)).substr(1);
    entry.records.emplace_back("mtime", time);
    if (entry.type != '0' && entry.type != '5') return;
    if (chance(25)) entry.records.emplace_back("SCHILY.xattr.user.one", std::string("a\0b=c\n", 6));
    if (chance(15)) entry.records.emplace_back("SCHILY.xattr.user." + std::to_string(pick(5)), std::string(1 + pick(2000), 'v'));
    if (chance(10) && entry.type == '0') {
      entry.records.emplace_back("SCHILY.xattr.security.capability",
                                 std::string("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20));
    }
  }

  void put(Tar& tar, Entry entry) {
    entry.records.insert(entry.records.begin(), {"path", entry.name});
    if (entry.name.find('\xfc') != std::string::npos || entry.link.find('\xfc') != std::string::npos) {
      entry.records.insert(entry.records.begin(), {"hdrcharset", "BINARY"});
    }
    if (!entry.link.empty()) entry.records.emplace_back("linkpath", entry.link);
    tar.add(entry);
  }

  void forget(const std::string& path) {
    std::erase_if(there_, [&](const auto& one) { return one.first == path || one.first.starts_with(path + "/"); });
  }

  // Of this layer: not to be touched again, nor anything that would hide it.
  bool is_busy(const std::string& path) const {
    return std::any_of(busy_.begin(), busy_.end(), [&](const std::string& one) {
      return one == path || one.starts_with(path + "/");
    });
  }

  Bytes layer() {
    Tar tar;
    busy_.clear();
    if (chance(60)) put(tar, with_facts({"./", '5'}));
    size_t entries = 3 + pick(25);
    for (size_t i = 0; i < entries; ++i) add(tar);
    return tar.bytes();
  }

  Entry with_facts(Entry entry) {
    facts(entry);
    return entry;
  }

  void add(Tar& tar) {
    std::string above = folder();
    std::string path = join(above, name());
    if (is_busy(path)) return;
    size_t kind = pick(100);
    bool is_there = there_.contains(path);
    if (is_there && kind < 35) return hide(tar, above, path);
    bool was_folder = is_there && there_[path] == 'd';
    char type = kind < 50 ? '0' : kind < 75 ? '5' : kind < 85 ? '2' : kind < 92 ? '1' : kind < 95 ? '6' : kind < 97 ? '3' : '4';
    Entry entry{path, type};
    if (type == '1') {
      entry.link = file_to_link(path);
      if (entry.link.empty()) return;
    }
    if (!(was_folder && type == '5')) forget(path);
    if (type == '0' && chance(8)) return add_sparse(tar, path);
    if (type == '0') entry.content = content();
    if (type == '2') entry.link = chance(50) ? "/" + folder() + "/x" : "../" + name();
    if (type == '3' || type == '4') entry.device_major = static_cast<uint32_t>(1 + pick(200)), entry.device_minor = static_cast<uint32_t>(pick(250));
    if (type != '1') facts(entry);
    put(tar, entry);
    busy_.insert(path);
    there_[path] = type == '5' ? 'd' : type == '0' || type == '1' ? 'f' : 'o';
  }

  void hide(Tar& tar, const std::string& above, const std::string& path) {
    if (there_[path] == 'd' && chance(40)) {
      put(tar, with_facts({path, '5'}));
      put(tar, with_facts({path + "/.wh..wh..opq", '0'}));
      forget(path);
      there_[path] = 'd';
    } else if (image::split_last(path).second.size() > 251) {
      return;  // the whiteout's own name would be too long
    } else {
      put(tar, with_facts({join(above, ".wh." + path.substr(above.empty() ? 0 : above.size() + 1)), '0'}));
      forget(path);
    }
    busy_.insert(path);
  }

  // GNU sparse 1.0: a map of data, then the data.
  void add_sparse(Tar& tar, const std::string& path) {
    uint64_t hole = 4096 * pick(400);
    std::string map = "2\n0\n10\n" + std::to_string(hole + 4096) + "\n5\n";
    Entry entry{path, '0', map + std::string(512 - map.size(), '\0') + "0123456789hello"};
    facts(entry);
    entry.records.insert(entry.records.end(), {{"GNU.sparse.major", "1"},
                                               {"GNU.sparse.minor", "0"},
                                               {"GNU.sparse.name", path},
                                               {"GNU.sparse.realsize", std::to_string(hole + 4096 + 5 + pick(5000))}});
    put(tar, entry);
    busy_.insert(path);
    there_[path] = 'f';
  }

  std::string file_to_link(const std::string& but) {
    std::vector<std::string> files;
    for (const auto& [path, type] : there_) {
      if (type == 'f' && path != but && !path.starts_with(but + "/")) files.push_back(path);
    }
    return files.empty() ? "" : files[pick(files.size())];
  }

  std::mt19937_64 random_;
  std::map<std::string, char> there_;  // d, f, o
  std::set<std::string> busy_;
};

}  // namespace mcloud::flist
