// The part of FileServer that answers what things are called and what they are.
#include <algorithm>
#include <cerrno>

#include "image/mount/file_request.h"

namespace mcloud::image {
namespace {

// As long as the kernel can remember.
constexpr uint64_t kForeverSeconds = 1ull << 31;

}  // namespace

fuse::EntryOut FileServer::entry_of(const ServedImage& image, NodeNumber node) const {
  fuse::EntryOut out{};
  out.node = node_id(image.slot, node);
  out.entry_valid_s = out.attributes_valid_s = kForeverSeconds;
  out.attributes = attributes_of(image.loaded->index().node(node), out.node, image.attachment.shift);
  return out;
}

void FileServer::lookup(const Request& request) {
  std::string_view name = request.name();
  fuse::EntryOut out{};
  if (request.header.node == fuse::kRootId) {
    std::shared_ptr<const ServedImage> image = images_.find(name);
    if (image == nullptr || image->loaded == nullptr) {
      device_.reply_error(request.header.unique, image == nullptr ? ENOENT : EIO);
      return;
    }
    memory_.set_known(image->slot, true);
    request.reply(device_, entry_of(*image, 0));
    return;
  }
  Place place;
  if (!find(request, place)) return;
  if (place.facts.type != Node::Type::Folder) {
    device_.reply_error(request.header.unique, ENOTDIR);
    return;
  }
  std::optional<IndexEntry> found = place.index->find(place.id.node, name);
  out.entry_valid_s = kForeverSeconds;  // that there is no such name, too
  if (found.has_value()) out = entry_of(*place.image, found->node);
  request.reply(device_, out);
}

void FileServer::get_attributes(const Request& request) {
  fuse::AttributesOut out{};
  if (request.header.node == fuse::kRootId) {
    out.attributes = attributes_of_root(static_cast<uint32_t>(images_.list().size()));
    request.reply(device_, out);
    return;
  }
  Place place;
  if (!find(request, place)) return;
  out.valid_s = kForeverSeconds;
  out.attributes = attributes_of(place.facts, request.header.node, place.image->attachment.shift);
  request.reply(device_, out);
}

void FileServer::read_link(const Request& request) {
  Place place;
  if (!find(request, place)) return;
  if (place.facts.type != Node::Type::Link) {
    device_.reply_error(request.header.unique, EINVAL);
    return;
  }
  device_.reply(request.header.unique, place.index->target(place.id.node));
}

// Offsets: 1 is behind ".", 2 behind "..", then an image's slot + 2.
void FileServer::read_root_folder(const Request& request, const fuse::ReadIn& in, bool plus) {
  FolderReply reply(in.size);
  fuse::EntryOut none{};
  auto add = [&](std::string_view name, const fuse::EntryOut& entry, uint64_t inode, uint64_t next) {
    return plus ? reply.add_plus(name, entry, inode, 0040000, next) : reply.add(name, inode, 0040000, next);
  };
  bool fits = in.offset >= 1 || add(".", none, fuse::kRootId, 1);
  fits = fits && (in.offset >= 2 || add("..", none, fuse::kRootId, 2));
  for (const auto& image : images_.list()) {
    uint64_t next = uint64_t{image->slot} + 2;
    if (!fits || in.offset >= next) continue;
    bool is_readable = image->loaded != nullptr;
    fits = add(image->name, plus && is_readable ? entry_of(*image, 0) : none, node_id(image->slot, 0), next);
    if (fits && plus && is_readable) memory_.set_known(image->slot, true);
  }
  device_.reply(request.header.unique, reply.bytes());
}

// Offsets: 1 is behind ".", 2 behind "..", then the entry's position + 3.
void FileServer::read_folder(const Request& request, bool plus) {
  fuse::ReadIn in{};
  if (!request.get(in) || in.size > kReadBytesMax) {
    device_.reply_error(request.header.unique, EINVAL);
    return;
  }
  if (request.header.node == fuse::kRootId) return read_root_folder(request, in, plus);
  Place place;
  if (!find(request, place)) return;
  if (place.facts.type != Node::Type::Folder) {
    device_.reply_error(request.header.unique, ENOTDIR);
    return;
  }
  FolderReply reply(in.size);
  fuse::EntryOut none{};
  uint64_t parent = place.id.node == 0 ? fuse::kRootId : node_id(place.id.slot, place.facts.parent);
  auto add_dots = [&](std::string_view name, uint64_t inode, uint64_t next) {
    if (in.offset >= next) return true;
    return plus ? reply.add_plus(name, none, inode, 0040000, next) : reply.add(name, inode, 0040000, next);
  };
  bool fits = add_dots(".", request.header.node, 1) && add_dots("..", parent, 2);
  uint64_t position = in.offset < 2 ? 0 : in.offset - 2;
  for (; fits && position < place.facts.count; ++position) {
    IndexEntry entry = place.index->entry(place.id.node, static_cast<uint32_t>(position));
    uint64_t inode = node_id(place.id.slot, entry.node);
    uint32_t mode = mode_bits(entry.type);
    fits = plus ? reply.add_plus(entry.name, entry_of(*place.image, entry.node), inode, mode, position + 3)
                : reply.add(entry.name, inode, mode, position + 3);
  }
  device_.reply(request.header.unique, reply.bytes());
}

void FileServer::get_xattr(const Request& request) {
  fuse::GetXattrIn in{};
  if (request.header.node == fuse::kRootId || !request.get(in)) {
    device_.reply_error(request.header.unique, ENODATA);
    return;
  }
  Place place;
  if (!find(request, place)) return;
  std::string_view name = request.name(sizeof in);
  for (uint32_t at = 0; at < place.index->attributes(place.id.node); ++at) {
    auto [found, value] = place.index->attribute(place.id.node, at);
    if (found != name) continue;
    if (in.size == 0) {
      request.reply(device_, fuse::GetXattrOut{static_cast<uint32_t>(value.size()), 0});
    } else if (value.size() > in.size) {
      device_.reply_error(request.header.unique, ERANGE);
    } else {
      device_.reply(request.header.unique, value);
    }
    return;
  }
  device_.reply_error(request.header.unique, ENODATA);
}

void FileServer::list_xattrs(const Request& request) {
  fuse::GetXattrIn in{};
  Place place;
  std::string names;
  if (!request.get(in)) return static_cast<void>(device_.reply_error(request.header.unique, EINVAL));
  if (request.header.node != fuse::kRootId) {
    if (!find(request, place)) return;
    for (uint32_t at = 0; at < place.index->attributes(place.id.node); ++at) {
      names.append(place.index->attribute(place.id.node, at).first).push_back('\0');
    }
  }
  if (in.size == 0) {
    request.reply(device_, fuse::GetXattrOut{static_cast<uint32_t>(names.size()), 0});
  } else if (names.size() > in.size) {
    device_.reply_error(request.header.unique, ERANGE);
  } else {
    device_.reply(request.header.unique, names);
  }
}

void FileServer::file_system(const Request& request) {
  fuse::FileSystemOut out{};
  out.block_bytes = out.fragment_bytes = 4096;
  out.name_bytes_max = 255;
  out.blocks = (cache_.figures().bytes + 4095) / 4096;
  for (const auto& image : images_.list()) {
    if (image->loaded != nullptr) out.files += image->loaded->index().nodes();
  }
  request.reply(device_, out);
}

// What we number needs no counts. Only an image's root tells whether anybody still uses the image.
void FileServer::forget(const Request& request) {
  if (request.header.operation == fuse::kForget) return forgotten(request.header.node);
  fuse::BatchForgetIn in{};
  if (!request.get(in)) return;
  std::string_view rest = request.body.substr(sizeof in);
  for (; in.count > 0 && rest.size() >= sizeof(fuse::ForgetOne); --in.count) {
    fuse::ForgetOne one{};
    std::memcpy(&one, rest.data(), sizeof one);
    rest.remove_prefix(sizeof one);
    forgotten(one.node);
  }
}

void FileServer::forgotten(uint64_t node) {
  NodePlace id = node_of(node);
  if (id.node == 0 && id.slot != 0 && id.slot < kSlotsMax) memory_.set_known(id.slot, false);
}

}  // namespace mcloud::image
