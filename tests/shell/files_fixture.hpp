// What the tests of files share: a loop to complete tasks on, a directory that goes away, and
// the calls of a file system as plain functions.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "shell/files/host_files.hpp"
#include "shell/files/io_pool.hpp"
#include "shell/files/memory_files.hpp"

namespace lockstep::files::test {

inline const Credentials kRoot{0, 0, {}};
inline const Credentials kAlice{1001, 1001, {3000}};
inline const Credentials kBob{1002, 1002, {3000}};
inline const Credentials kEve{1003, 1003, {}};

inline bool is_root() { return ::geteuid() == 0; }

/// A loop's thread: whoever calls run().
class Loop {
 public:
  IoPool::Post poster() {
    return [this](std::function<void()> call) {
      const std::lock_guard lock(mutex_);
      calls_.push_back(std::move(call));
      ready_.notify_one();
    };
  }
  template <class T>
  T run(wire::Task<T> task) {
    std::optional<T> result;
    wire::spawn(store(std::move(task), result));
    while (!result) step();
    return std::move(*result);
  }
  void step() {
    std::function<void()> call;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return !calls_.empty(); });
      call = std::move(calls_.front());
      calls_.pop_front();
    }
    call();
  }
  /// Runs what is posted within `time`.
  void run_for(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    for (;;) {
      std::function<void()> call;
      {
        std::unique_lock lock(mutex_);
        if (!ready_.wait_until(lock, end, [&] { return !calls_.empty(); })) return;
        call = std::move(calls_.front());
        calls_.pop_front();
      }
      call();
    }
  }

 private:
  template <class T>
  static wire::Task<> store(wire::Task<T> task, std::optional<T>& result) {
    result.emplace(co_await std::move(task));
  }
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> calls_;
};

/// A fresh directory, removed at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string path = std::filesystem::temp_directory_path() / "lockstep-files-XXXXXX";
    path_ = ::mkdtemp(path.data());
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The calls of a file system, completed on a loop. Throws what nobody checks: `must_*` calls are
/// set-up.
class Calls {
 public:
  Calls(Loop& loop, FileSystem& files) : loop_(loop), files_(files) {}

  FileSystem& operator*() const { return files_; }
  FileSystem* operator->() const { return &files_; }
  template <class T>
  T run(wire::Task<T> task) const {
    return loop_.run(std::move(task));
  }
  /// 0 or the errno of a task.
  template <class T>
  int error(wire::Task<Result<T>> task) const {
    const Result<T> result = run(std::move(task));
    return result ? 0 : result.error().value();
  }

  NodeRef root() const { return files_.root(); }
  NodeRef must_create(const Credentials& who, const NodeRef& dir, std::string name,
                      std::uint32_t mode = 0644) const {
    CreateOptions options;
    options.mode = mode;
    options.exclusive = true;
    return run(files_.create(who, dir, std::move(name), options)).value().second.node;
  }
  NodeRef must_make_directory(const Credentials& who, const NodeRef& dir, std::string name,
                              std::uint32_t mode = 0755) const {
    return run(files_.make_directory(who, dir, std::move(name), mode)).value().node;
  }
  NodeRef must_find(const NodeRef& dir, std::string name) const {
    return run(files_.lookup(kRoot, dir, std::move(name), NameCase::exact)).value().node;
  }
  int find_error(const Credentials& who, const NodeRef& dir, std::string name,
                 NameCase fold = NameCase::exact) const {
    return error(files_.lookup(who, dir, std::move(name), fold));
  }
  Attributes attributes(const NodeRef& node) const { return run(files_.attributes(node)).value(); }
  FileRef must_open(const Credentials& who, const NodeRef& node, bool write = true) const {
    OpenMode mode;
    mode.read = true;
    mode.write = write;
    return run(files_.open(who, node, mode)).value();
  }
  void write(const FileRef& file, std::uint64_t offset, std::string_view text) const {
    ASSERT_EQ(run(file->write(offset, wire::as_bytes(text), false)).value(), text.size());
  }
  std::string read(const FileRef& file, std::uint64_t offset, std::uint32_t size) const {
    return std::string(wire::as_text(run(file->read(offset, size)).value()));
  }
  std::vector<std::string> names(const NodeRef& dir, std::size_t entries_max = 7) const {
    std::vector<std::string> found;
    for (std::uint64_t cookie = 0;;) {
      const Listing part = run(files_.list(kRoot, dir, cookie, entries_max, false)).value();
      for (const Entry& entry : part.entries) found.push_back(entry.name);
      if (part.end) return found;
      if (part.entries.empty()) throw std::runtime_error("a listing stands still");
      cookie = part.entries.back().cookie;
    }
  }

 private:
  Loop& loop_;
  FileSystem& files_;
};

}  // namespace lockstep::files::test
