/* The static program inside the guest: init, agent and workers in one file to boot.
 *
 * The runner talks to the agent through a virtio serial port, one line a message, words separated
 * by one blank, bytes outside of the printable ones as %XX:
 *
 *   ID TARGET VERB ARGUMENT...          from the runner; TARGET is '@' (the agent) or a worker
 *   ID STARTED ENDED STATUS [WORD...]   the answer; times in ns of the guest's monotonic clock;
 *                                       STATUS is "ok", or the name of an errno
 *   ! WORD...                           news: "dead WORKER STATUS", "note ID TEXT..."
 *
 * One worker is one process is one owner of POSIX locks. It does one command after the other; the
 * runner sends without waiting, so commands of different workers overlap. */
#ifndef LOCKSTEP_E2E_GUEST_H
#define LOCKSTEP_E2E_GUEST_H

#include <stddef.h>
#include <stdint.h>

enum { LINE_MAX_BYTES = 4000, WORDS_MAX = 32 };

struct command {
  char *id;
  char *target;
  char *verb;
  char *argument[WORDS_MAX];
  int count;
};

/* common.c */
int64_t monotonic_ns(void);
int parse_command(char *line, struct command *command);
void encode_word(char *out, size_t room, const char *data, size_t size);
const char *errno_name(int error);
void write_all(int fd, const char *data, size_t size);
void pattern_fill(unsigned char *data, size_t size, uint64_t offset, uint64_t seed);

/* worker.c, verbs.c: runs until its command pipe closes; writes whole lines to `replies`. */
void worker_main(int commands, int replies);

/* A verb fills `text` (already encoded words) and returns 0 or an errno. */
struct context {
  int replies;
  const char *id;
  char text[LINE_MAX_BYTES - 200];
};
typedef int verb_function(struct context *context, struct command *command);
verb_function *find_io_verb(const char *name);
verb_function *find_name_verb(const char *name);
int slot_fd(const char *word);
int verb_cells(struct context *context, struct command *command); /* cells.c */

#endif
