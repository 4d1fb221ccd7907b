// Where the state that must survive a restart is kept: records under keys, changed by numbered
// batches.
//
// A store is opened by one writer at a time. Opening takes a new epoch, durably, larger than every
// epoch before; from then on a writer with an older epoch can write nothing more. That is what
// makes a take-over safe: the server that lost its place learns it from its first write.
//
// A batch is all or nothing, and batches become durable in the order of their numbers. Writing one
// again changes nothing, so whoever does not know whether a write succeeded simply repeats it.
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace lockstep::journal {

/// The version of what stands in the values; a store of a newer format is refused at open.
inline constexpr std::uint32_t kFormat = 1;

/// One change: a value is put under its key, or (no value) the key is erased. Keys and values are
/// bytes; keys are ordered as unsigned bytes.
struct Record {
  std::string key;
  std::optional<std::string> value;
  friend bool operator==(const Record&, const Record&) = default;
};

/// The records of one step of the core. Numbers start at 1 in every epoch and only go up.
struct Batch {
  std::uint64_t number = 0;
  std::vector<Record> records;
};

using Contents = std::map<std::string, std::string>;

enum class Failure : std::uint8_t {
  fenced,     ///< a newer writer has opened the store: this one must stop
  full,       ///< no space, or over quota
  read_only,  ///< the medium or its permissions do not let us write
  corrupt,    ///< what is there contradicts itself
  format,     ///< it is another program's file, or of a newer version
  busy,       ///< another process holds it locked
  io,         ///< the device failed
};

/// `text` is one line for the log: what, where, and what to do about it.
struct Error {
  Failure kind = Failure::io;
  std::string text;
};

template <class T = void>
using Result = boost::system::result<T, Error>;

[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location&) {
  throw std::runtime_error(error.text);
}

class Store {
 public:
  virtual ~Store() = default;
  /// This writer's epoch.
  virtual std::uint64_t epoch() const = 0;
  /// Everything on record.
  virtual Result<Contents> load() = 0;
  /// Makes the batches durable, in one transaction and in their order, before it returns. Batches
  /// that this epoch already wrote are passed over. After an error nothing, or all, is durable;
  /// writing the same again is always right.
  virtual Result<> write(std::span<const Batch> batches) = 0;
};

}  // namespace lockstep::journal
