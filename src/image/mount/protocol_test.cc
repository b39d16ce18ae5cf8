#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "image/mount/control_protocol.h"
#include "image/mount/fuse_device.h"
#include "image/mount/imagefs_process.h"
#include "image/mount/node_id.h"
#include "image/mount/served_images.h"
#include "image/tree/test_tree.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

Attachment example_attachment() {
  Attachment out;
  out.digest = "sha256:" + std::string(64, 'a');
  out.index_path = "/x/index";
  out.routes = {{0x00, 0x7f, "dir:///one"}, {0x80, 0xff, "s3://key:secret@host/bucket"}};
  out.trace = {"/bin/sh 0", "/bin/a b 12"};
  out.complete = true;
  out.shift = 65'536;
  return out;
}

}  // namespace

TEST_CASE("what the kernel does not offer is not asked for") {
  fuse::InitIn offered{7, 31, 131'072, static_cast<uint32_t>(fuse::kAsyncRead | fuse::kMaxPages), 0xffff'ffff, {}};
  fuse::InitOut answer = answer_init(offered);  // flags2 means nothing without kInitExtended
  CHECK_EQ(answer.flags, offered.flags);
  CHECK_EQ(answer.flags2, 0);
  CHECK_EQ(answer.minor, 31);
  CHECK_FALSE(negotiated_by(offered).has_passthrough);
  offered.flags = 0xffff'ffff;
  offered.minor = 45;
  Negotiated all = negotiated_by(offered);
  CHECK(all.has_passthrough);
  CHECK(all.has_resend);
  CHECK(all.has_idmap);
  answer = answer_init(offered);
  CHECK_EQ(answer.minor, fuse::kMinor);
  CHECK_EQ(answer.flags2, static_cast<uint32_t>((fuse::kPassthrough | fuse::kHasResend | fuse::kAllowIdmap) >> 32));
  CHECK_EQ(answer.flags & (1u << 16 | 1u << 20 | 1u << 17), 0);  // no write-back, no ACLs, opens are asked for
  CHECK_EQ(answer.stack_depth_max, 1);
}

TEST_CASE("the mount that lies on top of a folder counts") {
  std::string_view fuse = "36 25 0:31 / /a/mount ro,nodev - fuse.mcloud-imagefs mcloud-imagefs ro\n";
  std::string_view disk = "37 25 8:1 / /a/mount rw shared:1 - ext4 /dev/sda rw\n";
  CHECK(names_fuse_mount(fuse, "/a/mount"));
  CHECK_FALSE(names_fuse_mount(fuse, "/a/moun"));
  CHECK_FALSE(names_fuse_mount(fuse, "/a/mount/x"));
  CHECK_FALSE(names_fuse_mount(std::string(fuse) + std::string(disk), "/a/mount"));
  CHECK(names_fuse_mount(std::string(disk) + std::string(fuse), "/a/mount"));
  CHECK_FALSE(names_fuse_mount("", "/a"));
  CHECK_FALSE(names_fuse_mount("a b c\n - fuse\n\n", "/a"));
}

TEST_CASE("nodes are numbered by slot and number, and 1 is the root of all") {
  CHECK_EQ(node_of(fuse::kRootId), NodePlace{0, 0});
  CHECK_EQ(node_of(node_id(65'535, 999'999)), NodePlace{65'535, 999'999});
  CHECK_EQ(node_id(1, 0), (uint64_t{1} << 32) + 1);
}

TEST_CASE("attributes of a device carry its number as the kernel reads it") {
  IndexNode node{};
  node.type = Node::Type::BlockDevice;
  node.mode = 0660;
  node.device_major = 259;
  node.device_minor = 70'000;
  node.modified_s = -5;
  node.modified_ns = 7;
  node.user = 3;
  fuse::Attributes shown = attributes_of(node, 99, 1000);
  CHECK_EQ(shown.mode, S_IFBLK | 0660u);
  CHECK_EQ(shown.device, (70'000u & 0xff) | 259u << 8 | (70'000u & ~0xffu) << 12);
  CHECK_EQ(static_cast<int64_t>(shown.modified_s), -5);
  CHECK_EQ(shown.changed_ns, 7);
  CHECK_EQ(shown.user, 1003);
  CHECK_EQ(shown.inode, 99);
}

TEST_CASE("a folder's reply has whole entries only, padded to 8 bytes") {
  FolderReply reply(24 + 8 + 24 + 16);
  CHECK(reply.add("a", 5, 0100000, 3));
  CHECK(reply.add("nine-char", 6, 0040000, 4));
  CHECK_FALSE(reply.add("b", 7, 0100000, 5));
  CHECK_EQ(reply.bytes().size(), 72);
  fuse::FolderEntry entry{};
  std::memcpy(&entry, reply.bytes().data() + 32, sizeof entry);
  CHECK_EQ(entry.inode, 6);
  CHECK_EQ(entry.type, 4);  // DT_DIR
  CHECK_EQ(entry.name_bytes, 9);
  FolderReply plus(151);
  CHECK_FALSE(plus.add_plus("a", {}, 1, 0, 1));
}

TEST_CASE("requests and replies of the control socket come back as they were") {
  using Kind = ControlRequest::Kind;
  ControlRequest attach{Kind::Attach, example_attachment(), ""};
  ControlRequest parsed = *parse_request(write_request(attach));
  CHECK_EQ(parsed.attachment.digest, attach.attachment.digest);
  CHECK_EQ(parsed.attachment.routes, attach.attachment.routes);
  CHECK_EQ(parsed.attachment.trace, attach.attachment.trace);
  CHECK(parsed.attachment.complete);
  CHECK_EQ(parsed.attachment.shift, 65'536);
  CHECK_EQ(parse_request(write_request({Kind::Detach, {}, attach.attachment.digest}))->digest, attach.attachment.digest);

  ControlReply reply;
  reply.folder = "/x/mount";
  reply.figures.process = 12;
  reply.figures.has_passthrough = true;
  reply.figures.images.push_back({"sha256:x", 10, 4, 3, 1, {{.name = "dir:///one", .blocks = 5}}});
  CHECK_EQ(parse_reply(Kind::Hello, write_reply(Kind::Hello, reply))->folder, "/x/mount");
  MountFigures figures = parse_reply(Kind::Figures, write_reply(Kind::Figures, reply))->figures;
  CHECK_EQ(figures.process, 12);
  CHECK_EQ(figures.images.at(0).read_errors, 1);
  CHECK_EQ(figures.images.at(0).stores.at(0).blocks, 5);
  Result<ControlReply> error = parse_reply(Kind::Stop, write_reply(Kind::Stop, make_error(Code::Conflict, "in use")));
  CHECK_EQ(error.error().code, Code::Conflict);
  CHECK_EQ(error.error().message, "in use");
}

TEST_CASE("a request that is not as it should be is refused, saying what") {
  for (std::string_view wrong :
       {"", "{}", "[]", R"({"do":"fly"})", R"({"do":"detach","digest":"sha256:short"})", R"({"do":"attach"})",
        R"({"do":"attach","image":{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","index":"relative","routes":[],"trace":[],"complete":false,"shift":0}})",
        R"({"do":"attach","image":{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","index":"/x","routes":[{"first":0,"last":256,"url":""}],"trace":[],"complete":false,"shift":0}})",
        R"({"do":"attach","image":{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","index":"/x","routes":[],"trace":[1],"complete":false,"shift":0}})"}) {
    Result<ControlRequest> parsed = parse_request(wrong);
    REQUIRE_FALSE(parsed.has_value());
    CHECK_EQ(parsed.error().code, Code::Invalid);
  }
}

TEST_CASE("what is attached comes back for the next process") {
  KeptState state;
  state.options.folder = "/x";
  state.options.cache_folder = "/cache";
  state.options.block_timeout_ms = 5;
  state.next_slot = 9;
  state.images = {{3, true, example_attachment()}, {4, false, example_attachment()}};
  KeptState back = *parse_state(write_state(state));
  CHECK_EQ(back.options.cache_folder, "/cache");
  CHECK_EQ(back.options.block_timeout_ms, 5);
  CHECK_EQ(back.next_slot, 9);
  CHECK_EQ(back.images.at(0).slot, 3);
  CHECK_FALSE(back.images.at(1).is_attached);
  CHECK_EQ(back.images.at(1).attachment.routes, example_attachment().routes);
}

TEST_CASE("a trace names paths, and what is not in the image is left out of it") {
  std::shared_ptr<const Index> index = *Index::parse(write_index(example_image()));
  std::vector<BlockPlace> places = parse_trace(
      *index, {"/usr/app 1", "/usr/app 2", "/usr/app", "/usr 0", "/usr/app/x 0", "/none 0", "/usr/app -1", "caf\xc3\xa9 0",
               "/usr/app 99999999999999999999"});
  REQUIRE_EQ(places.size(), 2);
  CHECK_EQ(places[0].block, 1);
  std::vector<std::string> lines = write_trace(*index, places);
  CHECK_EQ(parse_trace(*index, lines), places);
}

TEST_CASE("what dies at once waits longer and longer, what lived does not") {
  Backoff backoff;
  CHECK_EQ(backoff.next_ms(10), 0);
  CHECK_EQ(backoff.next_ms(10), 0);
  CHECK_EQ(backoff.next_ms(10), 100);
  CHECK_EQ(backoff.next_ms(10), 200);
  uint64_t longest = 0;
  for (int i = 0; i < 20; ++i) longest = backoff.next_ms(10);
  CHECK_EQ(longest, 3'200);
  CHECK_EQ(backoff.next_ms(60'000), 0);
}
