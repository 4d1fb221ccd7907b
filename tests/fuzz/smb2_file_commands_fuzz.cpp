// Every decoder of the SMB2 file commands on the same bytes: the first byte chooses.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "shell/wire/smb2/break.hpp"
#include "shell/wire/smb2/create_request.hpp"
#include "shell/wire/smb2/directory.hpp"
#include "shell/wire/smb2/fscc_security.hpp"
#include "shell/wire/smb2/io.hpp"
#include "shell/wire/smb2/lock.hpp"
#include "shell/wire/smb2/names.hpp"
#include "shell/wire/smb2/query_info.hpp"
#include "shell/wire/smb2/set_info.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockstep::wire;
  using namespace lockstep::wire::smb2;
  if (size == 0) return 0;
  const ByteView bytes(data + 1, size - 1);
  switch (data[0] % 11) {
    case 0: {
      const DecodedCreate create = decode_create(bytes);
      if (create.status == NtStatus::success) (void)parse_path(create.request.name);
      break;
    }
    case 1:
      (void)decode_read(bytes);
      break;
    case 2:
      (void)decode_write(bytes);
      break;
    case 3:
      if (const auto lock = decode_lock(bytes)) {
        (void)plan_locks(lock->items);
        (void)plan_unlocks(lock->items);
      }
      break;
    case 4:
      (void)decode_break_ack(bytes);
      break;
    case 5:
      (void)decode_directory_query(bytes);
      break;
    case 6:
      (void)decode_info_query(bytes);
      break;
    case 7:
      (void)decode_info_change(bytes);
      break;
    case 8: {
      const lockstep::files::Attributes file;
      lockstep::files::DosInfo dos;
      dos.rights = {
          file.mode, file.uid, file.gid,
          decode_security(bytes, 0x7, file).acl.value_or(Bytes(bytes.begin(), bytes.end()))};
      (void)allowed_by_list({}, file, dos);
      break;
    }
    case 9: {
      const ParsedPath parsed = parse_path(bytes);
      (void)wire_path(parsed.path.components);
      break;
    }
    case 10:
      if (bytes.size() > 2) {
        const std::size_t half = bytes.size() / 4 * 2;
        const auto pattern = SearchPattern::parse(bytes.first(half));
        if (pattern) (void)pattern->matches(as_text(bytes.subspan(half)));
      }
      break;
  }
  return 0;
}
