#include "shell/wire/smb2/directory.hpp"

#include <algorithm>

#include "shell/wire/smb2/create_walk.hpp"
#include "shell/wire/smb2/fscc_directory.hpp"
#include "shell/wire/smb2/fscc_status.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint8_t kRestart = 0x01;
constexpr std::uint8_t kSingle = 0x02;
constexpr std::uint8_t kReopen = 0x10;
constexpr std::uint16_t kResponseSize = 9;
constexpr std::uint16_t kOutputOffset = kHeaderSize + 8;
constexpr std::size_t kEntriesAtOnceMax = 512;
constexpr std::size_t kTypicalName = 32;  ///< bytes

Response answer(Bytes output) {
  LittleWriter out;
  out.u16(kResponseSize);
  out.u16(kOutputOffset);
  out.u32(static_cast<std::uint32_t>(output.size()));
  Response response(out.take());
  response.payload = std::move(output);
  return response;
}

/// One query on its way.
class Listing {
 public:
  Listing(OpenRef open, const DirectoryQuery& query)
      : open_(std::move(open)),
        cursor_(open_->cursor),
        query_(query),
        buffer_(query.info, query.output_max),
        who_(open_->session->credentials()),
        batch_(std::clamp<std::size_t>(
            query.output_max / (*directory_fixed_size(query.info) + kTypicalName) + 1, 1,
            kEntriesAtOnceMax)) {}

  Task<Response> run() {
    NtStatus failure = NtStatus::success;
    if (cursor_.pattern->single_name()) {
      failure = co_await find_single();
    } else {
      failure = co_await read_on();
    }
    if (failure != NtStatus::success) co_return failure;
    if (!buffer_.empty()) {
      cursor_.returned_any = true;
      co_return answer(buffer_.take());
    }
    if (full_) co_return NtStatus::buffer_overflow;
    co_return cursor_.returned_any ? NtStatus::no_more_files : NtStatus::no_such_file;
  }

 private:
  files::FileSystem& files() const { return open_->tree->files(); }

  Task<NtStatus> find_single() {
    if (cursor_.single_done) co_return NtStatus::success;
    const std::string name = *cursor_.pattern->single_name();
    files::Result<files::Found> found =
        co_await files().lookup(who_, open_->node, name, files::NameCase::folded);
    if (!found) {
      const int error = found.error().value();
      if (error == ENOENT || error == EINVAL) co_return NtStatus::success;
      co_return status_of(found.error());
    }
    files::Entry entry;
    entry.name = found->name;
    entry.node = found->attributes.node;
    entry.ref = found->node;
    entry.attributes = found->attributes;
    const files::Result<files::DosInfo> dos = co_await files().dos_info(found->node);
    if (dos) entry.dos = *dos;
    if (co_await append(std::move(entry))) cursor_.single_done = true;
    co_return NtStatus::success;
  }

  Task<NtStatus> read_on() {
    const bool describe = query_.info != FileInfoClass::names;
    while (!full_) {
      files::Result<files::Listing> listing =
          co_await files().list(who_, open_->node, cursor_.cookie, batch_, describe);
      if (!listing) co_return status_of(listing.error());
      for (files::Entry& entry : listing->entries) {
        const std::uint64_t cookie = entry.cookie;
        const bool wanted =
            cursor_.pattern->matches(entry.name) && (!describe || entry.attributes.has_value());
        if (wanted && !co_await append(std::move(entry))) co_return NtStatus::success;
        cursor_.cookie = cookie;
        if (wanted && query_.single) co_return NtStatus::success;
      }
      if (listing->end || listing->entries.empty()) co_return NtStatus::success;
    }
    co_return NtStatus::success;
  }

  /// False when it does not fit.
  Task<bool> append(files::Entry entry) {
    DirectoryEntry shown;
    shown.name = entry.name;
    shown.node = entry.node;
    shown.dos = entry.dos;
    if (entry.attributes) shown.attributes = *entry.attributes;
    if (entry.attributes && entry.attributes->type == files::FileType::symlink) {
      co_await follow(shown);
    }
    full_ = !buffer_.append(shown);
    co_return !full_;
  }

  /// A link is listed as what it leads to, as CREATE would open it; a dangling one as itself.
  Task<void> follow(DirectoryEntry& shown) {
    Path path;
    path.components = open_->place.path;
    path.components.push_back(shown.name);
    const Walked walked = co_await walk(files(), who_, std::move(path), true);
    if (walked.status != NtStatus::success || !walked.found) co_return;
    shown.attributes = walked.attributes;
    shown.node = walked.attributes.node;
    const files::Result<files::DosInfo> dos = co_await files().dos_info(walked.node);
    shown.dos = dos ? *dos : files::DosInfo{};
  }

  OpenRef open_;
  DirectoryCursor& cursor_;
  DirectoryQuery query_;
  DirectoryBuffer buffer_;
  files::Credentials who_;
  std::size_t batch_;
  bool full_ = false;
};

}  // namespace

std::optional<DirectoryQuery> decode_directory_query(ByteView message) {
  LittleReader in(message);
  in.skip(kHeaderSize + 2);
  DirectoryQuery query;
  query.info = static_cast<FileInfoClass>(in.u8());
  const std::uint8_t flags = in.u8();
  in.u32();  // FileIndex: meaningless here, as on every server
  query.file = read_handle(in);
  const std::uint16_t offset = in.u16();
  const std::uint16_t length = in.u16();
  query.output_max = in.u32();
  query.restart = (flags & kRestart) != 0;
  query.single = (flags & kSingle) != 0;
  query.reopen = (flags & kReopen) != 0;
  if (length != 0) {
    in.seek(offset);
    query.pattern = in.take(length);
  }
  if (in.failed()) return std::nullopt;
  return query;
}

Task<Response> query_directory_command(FileContext& context, Request& request) {
  const std::optional<DirectoryQuery> query = decode_directory_query(request.message);
  if (!query) co_return NtStatus::invalid_parameter;
  const OpenRef open = find_open(context, request, query->file);
  if (!open) co_return NtStatus::file_closed;
  if (!open->is_directory()) co_return NtStatus::invalid_parameter;
  if (!open->may(access::kReadData)) co_return NtStatus::access_denied;
  const std::optional<std::size_t> fixed = directory_fixed_size(query->info);
  if (!fixed) co_return NtStatus::invalid_info_class;
  if (query->output_max < *fixed) co_return NtStatus::info_length_mismatch;

  const Turn::Held turn = co_await open->cursor.turn.enter();
  DirectoryCursor& cursor = open->cursor;
  if (query->reopen) cursor.pattern.reset();
  if (query->reopen || query->restart) {
    cursor.cookie = 0;
    cursor.returned_any = false;
    cursor.single_done = false;
  }
  if (!cursor.pattern) {
    cursor.pattern = SearchPattern::parse(query->pattern);
    if (!cursor.pattern) co_return NtStatus::object_name_invalid;
  }
  Listing listing(open, *query);
  Response response = co_await listing.run();
  co_return response;
}

Task<Response> change_notify_command(FileContext& context, Request& request) {
  LittleReader in(request.body());
  in.u16();
  in.u16();
  in.u32();
  const FileHandle handle = read_handle(in);
  if (in.failed()) co_return NtStatus::invalid_parameter;
  const OpenRef open = find_open(context, request, handle);
  if (!open) co_return NtStatus::file_closed;
  if (!open->is_directory()) co_return NtStatus::invalid_parameter;
  co_return NtStatus::not_supported;
}

}  // namespace lockstep::wire::smb2
