/* Process 1 of the guest: boots, then obeys the runner. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "guest.h"

enum { ENVIRONMENTS = 8, WORKERS = 64, NAME_SIZE = 32 };

/* A client machine within the guest: network, host name and mounts of its own. */
static struct environment {
  char name[NAME_SIZE];
  int spaces[3];
} environments[ENVIRONMENTS];
static const char *const space_files[3] = {"net", "uts", "mnt"};

static struct worker {
  char name[NAME_SIZE];
  pid_t pid;
  int commands;
} workers[WORKERS];

static int port = -1;
static int reply_pipe[2];

static void say(const char *format, const char *a, const char *b, long c) {
  char line[LINE_MAX_BYTES];
  int size = snprintf(line, sizeof line, format, a, b, c);
  write_all(port >= 0 ? port : 1, line, (size_t)size);
}

/* Boot ------------------------------------------------------------------------------------------ */

static void load_modules(void) {
  FILE *list = fopen("/modules/order", "r");
  char path[256];
  while (list && fgets(path, sizeof path, list)) {
    path[strcspn(path, "\n")] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)) {
      fprintf(stderr, "module %s: %s\n", path, strerror(errno));
    }
    if (fd >= 0) close(fd);
  }
  if (list) fclose(list);
}

static void boot(void) {
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  int console = open("/dev/console", O_RDWR);
  if (console >= 0) {
    for (int fd = 0; fd < 3; ++fd) dup2(console, fd);
    if (console > 2) close(console);
  }
  mkdir("/run", 0755);
  mkdir("/tmp", 0777);
  mount("tmpfs", "/run", "tmpfs", 0, NULL);
  mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
  setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
  load_modules();
  for (int tries = 0; port < 0 && tries < 500; ++tries) {
    port = open("/dev/vport0p1", O_RDWR | O_CLOEXEC);
    if (port < 0) port = open("/dev/vport1p1", O_RDWR | O_CLOEXEC);
    if (port < 0) usleep(10000);
  }
}

/* Environments ---------------------------------------------------------------------------------- */

static int hold_environment(int ready) {
  if (unshare(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS)) return errno;
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return errno;
  /* Daemons keep files at fixed paths: each environment has its own. */
  if (mount("tmpfs", "/run", "tmpfs", 0, NULL)) return errno;
  if (mount("tmpfs", "/var", "tmpfs", 0, NULL)) return errno;
  if (mount("tmpfs", "/mnt", "tmpfs", 0, NULL)) return errno;
  if (mount("sysfs", "/sys", "sysfs", 0, NULL)) return errno;
  write_all(ready, "+", 1);
  for (;;) pause();
}

static int make_environment(const char *name, pid_t *pid) {
  int ready[2];
  char path[64], byte;
  struct environment *place = NULL;
  for (int i = ENVIRONMENTS - 1; i >= 0; --i) {
    if (!environments[i].name[0]) place = &environments[i];
    if (!strcmp(environments[i].name, name)) return EEXIST;
  }
  if (!place || strlen(name) >= NAME_SIZE) return ENOSPC;
  if (pipe2(ready, O_CLOEXEC)) return errno;
  *pid = fork();
  if (*pid == 0) _exit(hold_environment(ready[1]));
  close(ready[1]);
  ssize_t got = read(ready[0], &byte, 1);
  close(ready[0]);
  if (got != 1) return EPERM;
  for (int i = 0; i < 3; ++i) {
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)*pid, space_files[i]);
    place->spaces[i] = open(path, O_RDONLY | O_CLOEXEC);
    if (place->spaces[i] < 0) return errno;
  }
  strcpy(place->name, name);
  return 0;
}

static int enter_environment(const char *name) {
  if (!strcmp(name, "root")) return 0;
  for (int i = 0; i < ENVIRONMENTS; ++i) {
    if (strcmp(environments[i].name, name)) continue;
    for (int space = 0; space < 3; ++space) {
      if (setns(environments[i].spaces[space], 0)) return errno;
    }
    return chdir("/") ? errno : 0;
  }
  return ENOENT;
}

/* Workers --------------------------------------------------------------------------------------- */

static struct worker *find_worker(const char *name) {
  for (int i = 0; i < WORKERS; ++i) {
    if (workers[i].pid && !strcmp(workers[i].name, name)) return &workers[i];
  }
  return NULL;
}

static int spawn(const char *name, const char *environment) {
  struct worker *place = NULL;
  int pipes[2];
  if (find_worker(name)) return EEXIST;
  for (int i = WORKERS - 1; i >= 0; --i) {
    if (!workers[i].pid) place = &workers[i];
  }
  if (!place || strlen(name) >= NAME_SIZE) return ENOSPC;
  if (pipe2(pipes, O_CLOEXEC)) return errno;
  pid_t pid = fork();
  if (pid < 0) return errno;
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close(pipes[1]);
    for (int i = 0; i < WORKERS; ++i) {
      if (workers[i].pid) close(workers[i].commands);
    }
    int error = enter_environment(environment);
    if (error) _exit(100);
    worker_main(pipes[0], reply_pipe[1]);
  }
  close(pipes[0]);
  strcpy(place->name, name);
  place->pid = pid;
  place->commands = pipes[1];
  return 0;
}

static void reap(int signals) {
  struct signalfd_siginfo info;
  int status;
  if (read(signals, &info, sizeof info) < 0) return;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    for (int i = 0; i < WORKERS; ++i) {
      if (workers[i].pid != pid) continue;
      workers[i].pid = 0;
      close(workers[i].commands);
      int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      say("! dead %s%s %ld\n", workers[i].name, "", code);
    }
  }
}

/* Commands -------------------------------------------------------------------------------------- */

static int obey(struct command *command, char *text, size_t room) {
  const char *verb = command->verb;
  text[0] = 0;
  if (!strcmp(verb, "clock")) return 0;
  if (!strcmp(verb, "env") && command->count == 1) {
    pid_t pid = 0;
    int error = make_environment(command->argument[0], &pid);
    snprintf(text, room, "%d", (int)pid);
    return error;
  }
  if (!strcmp(verb, "spawn") && command->count == 2) {
    return spawn(command->argument[0], command->argument[1]);
  }
  if (!strcmp(verb, "kill") && command->count == 2) {
    struct worker *worker = find_worker(command->argument[0]);
    if (!worker) return ESRCH;
    return kill(worker->pid, atoi(command->argument[1])) ? errno : 0;
  }
  if (!strcmp(verb, "poweroff")) {
    say("%s 0 0 ok%s\n", command->id, "", 0);
    tcdrain(port);
    usleep(20000);
    reboot(RB_POWER_OFF);
  }
  return ENOSYS;
}

static void handle(char *line, size_t size) {
  static char copy[LINE_MAX_BYTES + 1];
  struct command command;
  char text[200];
  memcpy(copy, line, size);
  copy[size] = 0;
  if (!parse_command(copy, &command)) return;
  int64_t started = monotonic_ns();
  int error;
  if (!strcmp(command.target, "@")) {
    error = obey(&command, text, sizeof text);
  } else {
    struct worker *worker = find_worker(command.target);
    if (worker) {
      line[size] = '\n';
      write_all(worker->commands, line, size + 1);
      return;
    }
    error = ESRCH;
    text[0] = 0;
  }
  char reply[400];
  int used = snprintf(reply, sizeof reply, "%s %lld %lld %s %s\n", command.id, (long long)started,
                      (long long)monotonic_ns(), error ? errno_name(error) : "ok", text);
  write_all(port, reply, (size_t)used);
}

static size_t take_lines(char *buffer, size_t have) {
  char *line = buffer;
  for (char *end; (end = memchr(line, '\n', have - (size_t)(line - buffer))); line = end + 1) {
    handle(line, (size_t)(end - line));
  }
  size_t left = have - (size_t)(line - buffer);
  memmove(buffer, line, left);
  return left;
}

int main(void) {
  static char buffer[LINE_MAX_BYTES * 4];
  size_t have = 0;
  sigset_t children;
  boot();
  signal(SIGPIPE, SIG_IGN);
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  int signals = signalfd(-1, &children, SFD_CLOEXEC);
  if (port < 0 || signals < 0 || pipe2(reply_pipe, O_CLOEXEC)) {
    fprintf(stderr, "no agent port\n");
    reboot(RB_POWER_OFF);
  }
  say("! ready%s%s\n", "", "", 0);
  for (;;) {
    struct pollfd wait[3] = {{.fd = port, .events = POLLIN},
                             {.fd = reply_pipe[0], .events = POLLIN},
                             {.fd = signals, .events = POLLIN}};
    if (poll(wait, 3, -1) < 0) continue;
    if (wait[1].revents & POLLIN) {
      char replies[16384];
      ssize_t got = read(reply_pipe[0], replies, sizeof replies);
      if (got > 0) write_all(port, replies, (size_t)got);
    } else if (wait[2].revents & POLLIN) {
      reap(signals);
    }
    if (wait[0].revents & POLLIN) {
      ssize_t got = read(port, buffer + have, sizeof buffer - have);
      if (got > 0) have = take_lines(buffer, have + (size_t)got);
    } else if (wait[0].revents & POLLHUP) {
      usleep(20000); /* nobody at the other end yet */
    }
  }
}
