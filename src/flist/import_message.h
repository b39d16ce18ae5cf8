// What the importer says to who started it. It has read a stranger's bytes: the other side takes every byte of this
// for a stranger's, too.
//
//   "mcimport" | u8 kind | kind 0: code name, message                 texts and bytes are u32 length | bytes,
//                        | kind 1: index                              lists are u32 count | elements, all numbers
//                          routes (u8 first, u8 last, url)            little-endian; nothing follows
//                          tags (key, value)
//                          signatures (32 bytes signer, 64 bytes)
//                          trace (line)
#pragma once

#include "flist/flist_file.h"

namespace mcloud::flist {

struct ImportMessage {
  Bytes index;
  Flist beside;  // all but the image
};

Bytes format_message(const Result<ImportMessage>& message);
// The message or the error inside. Corrupt for bytes that are none. The index is not looked at.
Result<ImportMessage> parse_message(BytesView bytes);

inline constexpr uint64_t kErrorTextBytesMax = 2048;

// What the importer does inside its sandbox, from the file's bytes.
Result<ImportMessage> import_bytes(BytesView file);

}  // namespace mcloud::flist
