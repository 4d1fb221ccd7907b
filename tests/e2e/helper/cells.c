/* cells SLOT posix|ofd CELLS MILLISECONDS SEED WRITER: counters changed under their locks.
 *
 * See lockstep_e2e/cells.py. Each increment is told as news, some to a line:
 *   ! note ID CELL VALUE GRANTED RELEASED ...
 * and the answer is INCREMENTS DENIED SHARED. A torn cell or a change under a lock ends it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

enum { STRIDE = 4096, NOTE_MAX = 3000 };

struct cell {
  uint64_t value, writer, check;
  unsigned char padding[40];
};

struct run {
  struct context *context;
  int fd, ofd;
  uint64_t random, writer;
  char notes[NOTE_MAX + 200];
  size_t noted;
  unsigned long increments, denied, shared;
};

static uint64_t draw(struct run *run) { /* xorshift64* */
  run->random ^= run->random >> 12;
  run->random ^= run->random << 25;
  run->random ^= run->random >> 27;
  return run->random * 0x2545F4914F6CDD1Du;
}

static uint64_t seal(const struct cell *cell) {
  return (cell->value * 0x9E3779B97F4A7C15u) ^ cell->writer;
}

static int set_lock(struct run *run, int kind, int waits, uint64_t index) {
  struct flock lock = {.l_type = (short)kind,
                       .l_whence = SEEK_SET,
                       .l_start = (off_t)(index * STRIDE),
                       .l_len = STRIDE};
  int verb = run->ofd ? (waits ? F_OFD_SETLKW : F_OFD_SETLK) : (waits ? F_SETLKW : F_SETLK);
  return fcntl(run->fd, verb, &lock) ? errno : 0;
}

static int load(struct run *run, uint64_t index, struct cell *cell) {
  ssize_t got = pread(run->fd, cell, sizeof *cell, (off_t)(index * STRIDE));
  if (got < 0) return errno;
  if (got != sizeof *cell) return ENODATA;
  if (cell->value == 0 && cell->writer == 0 && cell->check == 0) return 0;
  return cell->check == seal(cell) ? 0 : EILSEQ; /* torn */
}

static void flush_notes(struct run *run) {
  char line[LINE_MAX_BYTES];
  if (!run->noted) return;
  int size = snprintf(line, sizeof line, "! note %s%s\n", run->context->id, run->notes);
  write_all(run->context->replies, line, (size_t)size);
  run->noted = 0;
}

static int increment(struct run *run, uint64_t index, int64_t granted) {
  struct cell cell, again;
  int error = load(run, index, &cell);
  if (error) return error;
  ++cell.value;
  cell.writer = run->writer;
  cell.check = seal(&cell);
  if (pwrite(run->fd, &cell, sizeof cell, (off_t)(index * STRIDE)) != sizeof cell) {
    return errno ? errno : EIO;
  }
  if (draw(run) % 4 == 0) usleep(draw(run) % 3000);
  error = load(run, index, &again);
  if (error) return error;
  if (memcmp(&cell, &again, 24)) return ESTALE;
  ++run->increments;
  run->noted += (size_t)snprintf(run->notes + run->noted, sizeof run->notes - run->noted,
                                 " %" PRIu64 " %" PRIu64 " %lld %lld", index, cell.value,
                                 (long long)granted, (long long)monotonic_ns());
  return 0;
}

static int step(struct run *run, uint64_t cells) {
  uint64_t index = draw(run) % cells;
  int shared = draw(run) % 5 == 0, waits = draw(run) % 10 < 7;
  int error = set_lock(run, shared ? F_RDLCK : F_WRLCK, waits, index);
  if (error == EAGAIN || error == EACCES) {
    ++run->denied;
    usleep(2000);
    return 0;
  }
  if (error) return error;
  if (shared) {
    struct cell one, two;
    error = load(run, index, &one);
    if (!error) error = load(run, index, &two);
    if (!error && memcmp(&one, &two, 24)) error = ESTALE;
    ++run->shared;
  } else {
    error = increment(run, index, monotonic_ns());
  }
  int released = set_lock(run, F_UNLCK, 0, index);
  if (run->noted > NOTE_MAX - 200) flush_notes(run);
  return error ? error : released;
}

int verb_cells(struct context *context, struct command *command) {
  static struct run run;
  if (command->count < 6) return EINVAL;
  memset(&run, 0, sizeof run);
  run.context = context;
  run.fd = slot_fd(command->argument[0]);
  run.ofd = !strcmp(command->argument[1], "ofd");
  uint64_t cells = strtoull(command->argument[2], NULL, 10);
  int64_t until = monotonic_ns() + strtoll(command->argument[3], NULL, 10) * 1000000;
  run.random = strtoull(command->argument[4], NULL, 10) * 2 + 1;
  run.writer = strtoull(command->argument[5], NULL, 10);
  int error = 0;
  while (!error && monotonic_ns() < until) error = step(&run, cells);
  flush_notes(&run);
  snprintf(context->text, sizeof context->text, "%lu %lu %lu", run.increments, run.denied,
           run.shared);
  return error;
}
