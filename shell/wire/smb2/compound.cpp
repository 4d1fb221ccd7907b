#include "shell/wire/smb2/compound.hpp"

namespace lockstep::wire::smb2 {

std::optional<std::vector<Part>> split_compound(ByteView message, std::size_t parts_max) {
  std::vector<Part> parts;
  while (parts.size() < parts_max) {
    const std::optional<Header> header = decode_header(message);
    if (!header) return std::nullopt;
    if (header->next == 0) {
      parts.push_back({*header, message});
      return parts;
    }
    if (header->next % 8 != 0 || header->next < kHeaderSize || header->next > message.size()) {
      return std::nullopt;
    }
    parts.push_back({*header, message.first(header->next)});
    message = message.subspan(header->next);
  }
  return std::nullopt;
}

}  // namespace lockstep::wire::smb2
