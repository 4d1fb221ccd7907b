#include "shell/journal/commit_queue.hpp"

#include <iterator>
#include <utility>

namespace lockstep::journal {

void CommitQueue::append(std::uint64_t number, std::vector<Record> records) {
  queue_.push_back({number, std::move(records)});
  ++stats_.queued;
}

std::span<const Batch> CommitQueue::gather() {
  hurried_ = false;
  std::move(queue_.begin(), queue_.end(), std::back_inserter(gathered_));
  queue_.clear();
  if (fenced_) return {};
  return gathered_;
}

CommitQueue::News CommitQueue::written(const Result<>& outcome) {
  if (!outcome) return on_failure(outcome.error());
  failing_ = false;
  News news;
  news.durable = gathered_.back().number;
  stats_.batches += gathered_.size() + std::exchange(merged_, 0);
  stats_.queued = queue_.size();
  ++stats_.transactions;
  gathered_.clear();
  return news;
}

CommitQueue::News CommitQueue::on_failure(const Error& error) {
  const bool another = !failing_ || failure_ != error.kind;
  failing_ = true;
  failure_ = error.kind;
  fenced_ = failure_ == Failure::fenced;
  merge_gathered();
  ++stats_.failures;
  News news;
  if (another) news.failed = error;
  return news;
}

void CommitQueue::merge_gathered() {
  if (gathered_.size() < 2) return;
  // One transaction will write them all, so that only the last change of each key counts.
  std::map<std::string, std::optional<std::string>> last;
  for (Batch& batch : gathered_) {
    for (Record& record : batch.records) last[std::move(record.key)] = std::move(record.value);
  }
  Batch merged{gathered_.back().number, {}};
  merged.records.reserve(last.size());
  for (auto& [key, value] : last) merged.records.push_back({key, std::move(value)});
  merged_ += gathered_.size() - 1;
  gathered_.clear();
  gathered_.push_back(std::move(merged));
}

}  // namespace lockstep::journal
