/* A worker: a process with open files that does one command after the other. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

enum { SLOTS = 256 };
static int slots[SLOTS];

int slot_fd(const char *word) {
  int slot = atoi(word);
  return slot >= 0 && slot < SLOTS ? slots[slot] : -1;
}

/* open SLOT PATH FLAGS [MODE]: FLAGS of r w (both: read and write) c t x a s d(irect) D(irectory) */
static int verb_open(struct context *context, struct command *command) {
  const char *flags = command->argument[2];
  int mode = command->count > 3 ? (int)strtol(command->argument[3], NULL, 8) : 0644;
  int slot = atoi(command->argument[0]);
  int how = strchr(flags, 'w') ? (strchr(flags, 'r') ? O_RDWR : O_WRONLY) : O_RDONLY;
  if (strchr(flags, 'c')) how |= O_CREAT;
  if (strchr(flags, 't')) how |= O_TRUNC;
  if (strchr(flags, 'x')) how |= O_EXCL;
  if (strchr(flags, 'a')) how |= O_APPEND;
  if (strchr(flags, 's')) how |= O_SYNC;
  if (strchr(flags, 'd')) how |= O_DIRECT;
  if (strchr(flags, 'D')) how |= O_DIRECTORY;
  if (slot < 0 || slot >= SLOTS || slots[slot] >= 0) return EBADF;
  int fd = open(command->argument[1], how | O_CLOEXEC, mode);
  if (fd < 0) return errno;
  slots[slot] = fd;
  context->text[0] = 0;
  return 0;
}

/* close SLOT: what close() says is the answer (a write that failed late shows here) */
static int verb_close(struct context *context, struct command *command) {
  int slot = atoi(command->argument[0]);
  (void)context;
  if (slot < 0 || slot >= SLOTS || slots[slot] < 0) return EBADF;
  int failed = close(slots[slot]);
  slots[slot] = -1;
  return failed ? errno : 0;
}

/* sh COMMAND: exit status and output (its beginning) */
static int verb_shell(struct context *context, struct command *command) {
  int pipes[2];
  char output[1000];
  size_t have = 0;
  int status = 0;
  if (pipe2(pipes, O_CLOEXEC)) return errno;
  pid_t child = fork();
  if (child == 0) {
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(pipes[1], 1);
    dup2(pipes[1], 2);
    execl("/bin/sh", "sh", "-c", command->argument[0], (char *)NULL);
    _exit(127);
  }
  close(pipes[1]);
  if (child < 0) {
    close(pipes[0]);
    return EAGAIN;
  }
  /* A daemon that the command leaves behind keeps the pipe: after the end of the command only
   * what is there already is read. */
  for (int ended = 0;;) {
    struct pollfd wait = {.fd = pipes[0], .events = POLLIN};
    char spill[256];
    int ready = poll(&wait, 1, ended ? 0 : 10);
    if (ready > 0) {
      size_t room = sizeof output - have;
      ssize_t got = read(pipes[0], room ? output + have : spill, room ? room : sizeof spill);
      if (got > 0) {
        if (room) have += (size_t)got;
        continue;
      }
      if (!ended) waitpid(child, &status, 0);
      break;
    }
    if (ended) break;
    ended = waitpid(child, &status, WNOHANG) == child;
  }
  close(pipes[0]);
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  int head = snprintf(context->text, sizeof context->text, "%d ", code);
  encode_word(context->text + head, sizeof context->text - (size_t)head, output, have);
  return 0;
}

/* sleep MILLISECONDS */
static int verb_sleep(struct context *context, struct command *command) {
  (void)context;
  usleep((useconds_t)atoi(command->argument[0]) * 1000);
  return 0;
}

static const struct {
  const char *name;
  int arguments;
  verb_function *function;
} own_verbs[] = {
    {"open", 3, verb_open},   {"close", 1, verb_close}, {"sh", 1, verb_shell},
    {"sleep", 1, verb_sleep}, {"cells", 6, verb_cells},
};

static verb_function *find_verb(const struct command *command) {
  for (size_t i = 0; i < sizeof own_verbs / sizeof *own_verbs; ++i) {
    if (!strcmp(own_verbs[i].name, command->verb)) {
      return command->count >= own_verbs[i].arguments ? own_verbs[i].function : NULL;
    }
  }
  verb_function *found = find_io_verb(command->verb);
  return found ? found : find_name_verb(command->verb);
}

static void perform(char *line, int replies) {
  static struct context context;
  struct command command;
  char reply[LINE_MAX_BYTES];
  if (!parse_command(line, &command)) return;
  context.replies = replies;
  context.id = command.id;
  context.text[0] = 0;
  verb_function *function = find_verb(&command);
  int64_t started = monotonic_ns();
  int error = function ? function(&context, &command) : ENOSYS;
  int64_t ended = monotonic_ns();
  int size = snprintf(reply, sizeof reply, "%s %lld %lld %s %s\n", command.id, (long long)started,
                      (long long)ended, error ? errno_name(error) : "ok",
                      error ? "" : context.text);
  write_all(replies, reply, (size_t)size);
}

void worker_main(int commands, int replies) {
  static char buffer[LINE_MAX_BYTES];
  size_t have = 0;
  for (int i = 0; i < SLOTS; ++i) slots[i] = -1;
  for (;;) {
    char *end = memchr(buffer, '\n', have);
    if (end) {
      *end = 0;
      perform(buffer, replies);
      have -= (size_t)(end + 1 - buffer);
      memmove(buffer, end + 1, have);
      continue;
    }
    if (have == sizeof buffer) _exit(3);
    ssize_t got = read(commands, buffer + have, sizeof buffer - have);
    if (got <= 0 && errno != EINTR) _exit(0);
    if (got > 0) have += (size_t)got;
  }
}
