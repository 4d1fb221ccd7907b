// The vocabulary of Windows file systems that SMB2 carries: access rights, attributes, create
// options, times (MS-SMB2 2.2.13, MS-FSCC 2.6, MS-DTYP 2.3.3), and the facts about one open file
// that the information classes are made from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shell/files/files.hpp"
#include "shell/wire/bytes.hpp"

namespace lockstep::wire::smb2 {

/// MS-SMB2 2.2.13.1: access masks of files; the names in brackets are those of directories.
namespace access {
inline constexpr std::uint32_t kReadData = 0x00000001;    ///< (list)
inline constexpr std::uint32_t kWriteData = 0x00000002;   ///< (add file)
inline constexpr std::uint32_t kAppendData = 0x00000004;  ///< (add subdirectory)
inline constexpr std::uint32_t kReadEa = 0x00000008;
inline constexpr std::uint32_t kWriteEa = 0x00000010;
inline constexpr std::uint32_t kExecute = 0x00000020;  ///< (traverse)
inline constexpr std::uint32_t kDeleteChild = 0x00000040;
inline constexpr std::uint32_t kReadAttributes = 0x00000080;
inline constexpr std::uint32_t kWriteAttributes = 0x00000100;
inline constexpr std::uint32_t kDelete = 0x00010000;
inline constexpr std::uint32_t kReadControl = 0x00020000;
inline constexpr std::uint32_t kWriteDac = 0x00040000;
inline constexpr std::uint32_t kWriteOwner = 0x00080000;
inline constexpr std::uint32_t kSynchronize = 0x00100000;
inline constexpr std::uint32_t kSystemSecurity = 0x01000000;
inline constexpr std::uint32_t kMaximumAllowed = 0x02000000;
inline constexpr std::uint32_t kGenericAll = 0x10000000;
inline constexpr std::uint32_t kGenericExecute = 0x20000000;
inline constexpr std::uint32_t kGenericWrite = 0x40000000;
inline constexpr std::uint32_t kGenericRead = 0x80000000;

inline constexpr std::uint32_t kFileAll = 0x001F01FF;
inline constexpr std::uint32_t kFileRead = 0x00120089;
inline constexpr std::uint32_t kFileWrite = 0x00120116;
inline constexpr std::uint32_t kFileExecute = 0x001200A0;
}  // namespace access

namespace share {
inline constexpr std::uint32_t kRead = 1;
inline constexpr std::uint32_t kWrite = 2;
inline constexpr std::uint32_t kDelete = 4;
inline constexpr std::uint32_t kAll = 7;
}  // namespace share

/// MS-FSCC 2.6.
namespace attribute {
inline constexpr std::uint32_t kReadOnly = 0x0001;
inline constexpr std::uint32_t kHidden = 0x0002;
inline constexpr std::uint32_t kSystem = 0x0004;
inline constexpr std::uint32_t kDirectory = 0x0010;
inline constexpr std::uint32_t kArchive = 0x0020;
inline constexpr std::uint32_t kNormal = 0x0080;
inline constexpr std::uint32_t kTemporary = 0x0100;
inline constexpr std::uint32_t kSparse = 0x0200;
inline constexpr std::uint32_t kReparsePoint = 0x0400;
inline constexpr std::uint32_t kCompressed = 0x0800;
inline constexpr std::uint32_t kOffline = 0x1000;
inline constexpr std::uint32_t kNotIndexed = 0x2000;
inline constexpr std::uint32_t kEncrypted = 0x4000;
/// What a client may say; anything else is INVALID_PARAMETER.
inline constexpr std::uint32_t kValid = 0x7FB7;
/// What is kept with the file.
inline constexpr std::uint32_t kStored =
    kReadOnly | kHidden | kSystem | kArchive | kTemporary | kOffline;
}  // namespace attribute

/// MS-SMB2 2.2.13: CreateOptions.
namespace option {
inline constexpr std::uint32_t kDirectoryFile = 0x00000001;
inline constexpr std::uint32_t kWriteThrough = 0x00000002;
inline constexpr std::uint32_t kSequentialOnly = 0x00000004;
inline constexpr std::uint32_t kNoIntermediateBuffering = 0x00000008;
inline constexpr std::uint32_t kSynchronousAlert = 0x00000010;
inline constexpr std::uint32_t kSynchronousNonAlert = 0x00000020;
inline constexpr std::uint32_t kNonDirectoryFile = 0x00000040;
inline constexpr std::uint32_t kCreateTreeConnection = 0x00000080;
inline constexpr std::uint32_t kNoEaKnowledge = 0x00000200;
inline constexpr std::uint32_t kDeleteOnClose = 0x00001000;
inline constexpr std::uint32_t kOpenByFileId = 0x00002000;
inline constexpr std::uint32_t kOpenReparsePoint = 0x00200000;
inline constexpr std::uint32_t kReserveOpFilter = 0x00100000;
}  // namespace option

enum class Disposition : std::uint32_t {
  supersede = 0,
  open = 1,
  create = 2,
  open_if = 3,
  overwrite = 4,
  overwrite_if = 5,
};

enum class CreateAction : std::uint32_t {
  superseded = 0,
  opened = 1,
  created = 2,
  overwritten = 3
};

/// FILETIME: 100 ns since 1601 (UTC). Times before 1601 become 0.
std::uint64_t to_file_time(files::TimeSpec time);
files::TimeSpec from_file_time(std::uint64_t time);

/// The attributes a client sees: those stored, the directory bit, NORMAL when there is no other.
/// A file that no SMB client ever described is ARCHIVE, as any new file is.
std::uint32_t shown_attributes(const files::Attributes& attributes, const files::DosInfo& dos);
/// When the file was made: what a client set, else what the disk says.
files::TimeSpec shown_creation(const files::Attributes& attributes, const files::DosInfo& dos);
/// EndOfFile and AllocationSize; of directories 0.
std::uint64_t shown_size(const files::Attributes& attributes);
std::uint64_t shown_allocation(const files::Attributes& attributes);

/// What the information classes say about an open.
struct FileFacts {
  files::Attributes attributes;
  files::DosInfo dos;
  bool delete_pending = false;
  std::uint32_t granted_access = 0;
  std::uint64_t position = 0;
  std::uint32_t mode = 0;         ///< MS-FSCC 2.4.31
  std::vector<std::string> path;  ///< components below the share's root, as on the disk
};

/// CreationTime, LastAccessTime, LastWriteTime, ChangeTime: 32 bytes.
void write_times(LittleWriter& out, const files::Attributes& attributes, const files::DosInfo& dos);

}  // namespace lockstep::wire::smb2
