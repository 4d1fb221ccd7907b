// Reading a directory with getdents64, whose d_off is the cookie that clients get to keep.
#pragma once

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "shell/files/host_system.hpp"

namespace lockstep::files::host {

/// Whether a reading came to the end of the directory.
enum class Reached : std::uint8_t { stop, end };

/// Calls each(name, inode, offset_after) for the entries from a readable descriptor's position on,
/// "." and ".." left out, until it returns false.
template <class Each>
Result<Reached> read_directory(int fd, std::size_t buffer_size, Each each) {
  struct Header {  // struct linux_dirent64, which no header of the C library declares
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t size;
    std::uint8_t type;
  };
  constexpr std::size_t kNameOffset = 19;
  std::vector<char> buffer(buffer_size);
  for (;;) {
    const long size =
        retry([&] { return syscall(SYS_getdents64, fd, buffer.data(), buffer.size()); });
    if (size < 0) return last_error();
    if (size == 0) return Reached::end;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      Header entry;
      std::memcpy(&entry, buffer.data() + at, sizeof entry);
      const std::string_view name(buffer.data() + at + kNameOffset);
      at += entry.size;
      if (name == "." || name == "..") continue;
      if (!each(name, entry.inode, static_cast<std::uint64_t>(entry.offset))) return Reached::stop;
    }
  }
}

}  // namespace lockstep::files::host
