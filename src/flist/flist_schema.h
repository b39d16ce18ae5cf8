// The tables of a `.fl` file: the public ones as the public tools make them, then ours (docs/reference/fl.md).
#pragma once

namespace mcloud::flist {

inline constexpr int kFormatVersion = 1;  // of our own tables

inline constexpr char kPublicTables[] = R"(
CREATE TABLE inode (
    ino INTEGER PRIMARY KEY AUTOINCREMENT,
    parent INTEGER,
    name VARCHAR(255),
    size INTEGER,
    uid INTEGER,
    gid INTEGER,
    mode INTEGER,
    rdev INTEGER,
    ctime INTEGER,
    mtime INTEGER
);
CREATE TABLE extra (ino INTEGER PRIMARY KEY, data VARCHAR(4096));
CREATE TABLE block (ino INTEGER, id VARCHAR(32), key VARCHAR(32));
CREATE TABLE tag (key VARCHAR(10) PRIMARY KEY, value VARCHAR(255));
CREATE TABLE route (start INTEGER, end INTEGER, url VARCHAR(2048));
)";

inline constexpr char kOwnTables[] = R"(
CREATE TABLE mcloud_format (version INTEGER);
CREATE TABLE mcloud_name (ino INTEGER PRIMARY KEY, name BLOB);
CREATE TABLE mcloud_link (ino INTEGER PRIMARY KEY, first INTEGER);
CREATE TABLE mcloud_time (ino INTEGER PRIMARY KEY, mtime_ns INTEGER);
CREATE TABLE mcloud_sha256 (ino INTEGER PRIMARY KEY, sha256 BLOB);
CREATE TABLE mcloud_attribute (ino INTEGER, name BLOB, value BLOB);
CREATE TABLE mcloud_config (document BLOB);
CREATE TABLE mcloud_origin (position INTEGER PRIMARY KEY, digest TEXT);
CREATE TABLE mcloud_signature (position INTEGER PRIMARY KEY, signer BLOB, signature BLOB);
CREATE TABLE mcloud_trace (position INTEGER PRIMARY KEY, line BLOB);
)";

// After the rows: quicker, and packed.
inline constexpr char kIndexes[] = R"(
CREATE INDEX parents ON inode (parent);
CREATE INDEX block_ino ON block (ino);
)";

}  // namespace mcloud::flist
