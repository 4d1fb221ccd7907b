// What the NFS side serves: exports, who may use them, and on whose behalf calls run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/vocabulary.hpp"
#include "shell/files/files.hpp"
#include "shell/wire/nfs3/address_range.hpp"
#include "shell/wire/rpc/message.hpp"

namespace lockstep::wire::nfs3 {

enum class Squash : std::uint8_t { root, all, none };

struct Export {
  std::string name;  ///< one component; mounted as "/NAME"
  std::shared_ptr<files::FileSystem> files;
  core::Policy policy;
  core::Nanos hold = 500 * core::kMillisecond;  ///< policy v3_hold
  bool read_only = false;
  Squash squash = Squash::root;
  std::uint32_t anonymous_uid = 65534;
  std::uint32_t anonymous_gid = 65534;
  std::vector<AddressRange> clients;  ///< empty: everybody

  bool allows(std::string_view address) const;
  /// The caller after squashing. AUTH_NONE is anonymous.
  files::Credentials caller(const rpc::Credential& credential) const;
};
using ExportRef = std::shared_ptr<const Export>;

/// A file handle, resolved.
struct Located {
  int error = 0;  ///< errno: EBADF for no handle at all, ESTALE, EACCES for a stranger
  ExportRef of;
  files::NodeRef node;
};

/// NFSv3's limit; a handle that is longer or empty is none (RFC 1813 2.3.3).
inline constexpr std::size_t kHandleMax = 64;

class Exports {
 public:
  void add(Export one) { list_.push_back(std::make_shared<const Export>(std::move(one))); }
  const std::vector<ExportRef>& list() const { return list_; }
  /// Null when there is none of that name (without the slash).
  ExportRef find(std::string_view name) const;
  /// The file a handle names, if the client at `address` may use its export. Handles authenticate
  /// themselves for one export, so each export is asked until one knows it.
  Task<Located> locate(Bytes handle, std::string address) const;

 private:
  std::vector<ExportRef> list_;
};

}  // namespace lockstep::wire::nfs3
