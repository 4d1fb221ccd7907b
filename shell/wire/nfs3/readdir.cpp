// READDIR and READDIRPLUS (RFC 1813 3.3.16, 3.3.17).
//
// Cookies come from the file system and stay good while entries come and go. The cookie verifier
// names the directory, so that a cookie of another one is BAD_COOKIE instead of a wrong listing.
#include <algorithm>
#include <utility>

#include "shell/wire/nfs3/procedures.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nfs3 {

using rpc::Reply;

namespace {

constexpr std::size_t kReplyMax = kTransferMax;
constexpr std::size_t kEntriesAtOnceMax = 512;
/// Status, attributes of the directory, verifier, the end of the list and eof.
constexpr std::size_t kFixedSize = 4 + 4 + kAttributesSize + 8 + 4 + 4;

struct ReaddirCall {
  Bytes handle;
  std::uint64_t cookie = 0;
  std::uint64_t verifier = 0;
  std::size_t names_max = 0;  ///< READDIRPLUS dircount: names, ids and cookies
  std::size_t total_max = 0;
  bool plus = false;
};

std::uint64_t verifier_of(const files::NodeRef& dir) {
  const core::FileId id = dir->id();
  return id.node ^ (std::uint64_t{id.generation} << 32) ^ id.volume;
}

std::size_t entry_size(const files::Entry& entry) {
  return 4 + 8 + rpc::opaque_size(entry.name.size()) + 8;
}

void put_entry(BigWriter& out, const files::Entry& entry) {
  rpc::put_bool(out, true);
  out.u64(entry.node);
  rpc::put_string(out, entry.name);
  out.u64(entry.cookie);
}

/// Collects entries until the client's limits are met.
class Page {
 public:
  Page(const ReaddirCall& call, const files::FileSystem& files)
      : plus_(call.plus), names_left_(call.names_max), total_left_(call.total_max), files_(files) {}

  /// False when the entry no longer fits.
  bool add(const files::Entry& entry) {
    const std::size_t name_size = entry_size(entry);
    Bytes handle;
    std::size_t size = name_size;
    if (plus_) {
      if (entry.ref) handle = files_.handle(entry.ref);
      size += 4 + (entry.attributes ? kAttributesSize : 0);
      size += 4 + (handle.empty() ? 0 : rpc::opaque_size(handle.size()));
    }
    // dircount is advice: it never keeps the first entry out.
    if (size > total_left_ || (name_size > names_left_ && count_ > 0)) return false;
    total_left_ -= size;
    names_left_ -= std::min(name_size, names_left_);
    put_entry(out_, entry);
    if (plus_) {
      put_post_op(out_, entry.attributes);
      put_post_op_handle(out_, handle);
    }
    ++count_;
    return true;
  }
  /// How many entries may still fit, for short names.
  std::size_t guess() const {
    const std::size_t each = plus_ ? 4 + 8 + 16 + 8 + 8 + kAttributesSize + 36 : 4 + 8 + 16 + 8;
    const std::size_t fit = std::min(total_left_ / each, names_left_ / 32) + 1;
    return std::min(fit, kEntriesAtOnceMax);
  }
  std::size_t count() const { return count_; }
  const Bytes& bytes() const { return out_.buffer(); }

 private:
  bool plus_;
  std::size_t names_left_, total_left_;
  const files::FileSystem& files_;
  std::size_t count_ = 0;
  BigWriter out_;
};

struct Filled {
  Status status = Status::ok;
  bool end = false;
};

Task<Filled> fill(const Subject& dir, std::uint64_t cookie, bool plus, Page& page) {
  Filled filled;
  for (;;) {
    const files::Result<files::Listing> listing =
        co_await dir.files().list(dir.who, dir.node, cookie, page.guess(), plus);
    if (!listing) {
      filled.status = status_of_errno(listing.error().value());
      co_return filled;
    }
    for (const files::Entry& entry : listing->entries) {
      if (!page.add(entry)) co_return filled;
      cookie = entry.cookie;
    }
    if (listing->end || listing->entries.empty()) {
      filled.end = true;
      co_return filled;
    }
  }
}

Task<Reply> list(Service& service, const rpc::CallContext& call, ReaddirCall what) {
  const Subject dir = co_await locate(service, call, std::move(what.handle));
  if (!dir.ok()) co_return reply_post_op(dir.status, std::nullopt);
  const std::uint64_t verifier = verifier_of(dir.node);
  Filled filled;
  what.total_max = std::min(what.total_max, kReplyMax);
  what.total_max -= std::min(what.total_max, kFixedSize);
  Page page(what, dir.files());
  if (dir.node->type() != files::FileType::directory) {
    filled.status = Status::notdir;
  } else if (what.cookie != 0 && what.verifier != verifier) {
    filled.status = Status::bad_cookie;
  } else {
    filled = co_await fill(dir, what.cookie, what.plus, page);
    if (filled.status == Status::ok && page.count() == 0 && !filled.end) {
      filled.status = Status::toosmall;
    }
  }
  const std::optional<files::Attributes> attributes = co_await attributes_of(dir.of, dir.node);
  if (filled.status != Status::ok) co_return reply_post_op(filled.status, attributes);
  BigWriter out = begin(Status::ok);
  put_post_op(out, attributes);
  out.u64(verifier);
  out.bytes(page.bytes());
  rpc::put_bool(out, false);
  rpc::put_bool(out, filled.end);
  co_return Reply::done(std::move(out));
}

}  // namespace

Task<Reply> readdir(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  ReaddirCall what;
  what.handle = get_handle(in);
  what.cookie = in.u64();
  what.verifier = in.u64();
  what.total_max = in.u32();
  what.names_max = what.total_max;
  if (in.failed()) co_return Reply::garbage();
  co_return co_await list(service, call, std::move(what));
}

Task<Reply> readdirplus(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  ReaddirCall what;
  what.plus = true;
  what.handle = get_handle(in);
  what.cookie = in.u64();
  what.verifier = in.u64();
  what.names_max = in.u32();
  what.total_max = in.u32();
  if (in.failed()) co_return Reply::garbage();
  co_return co_await list(service, call, std::move(what));
}

}  // namespace lockstep::wire::nfs3
