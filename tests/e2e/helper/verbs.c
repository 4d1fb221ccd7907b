/* What a worker does with its open files and with names. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

static uint64_t number(const char *word) { return strtoull(word, NULL, 0); }

/* write SLOT OFFSET SIZE SEED: the pattern of the seed, in one pwrite */
static int verb_write(struct context *context, struct command *command) {
  size_t size = number(command->argument[2]);
  uint64_t offset = number(command->argument[1]);
  unsigned char *data = malloc(size + 1);
  if (!data) return ENOMEM;
  pattern_fill(data, size, offset, number(command->argument[3]));
  ssize_t done = pwrite(slot_fd(command->argument[0]), data, size, (off_t)offset);
  int error = done < 0 ? errno : 0;
  free(data);
  snprintf(context->text, sizeof context->text, "%zd", done);
  return error;
}

static void compare(struct context *context, const unsigned char *data, size_t got, size_t size,
                    uint64_t offset, uint64_t seed) {
  unsigned char *want = malloc(size + 1);
  size_t same = 0;
  pattern_fill(want, size, offset, seed);
  while (same < got && data[same] == want[same]) ++same;
  free(want);
  if (same == size) {
    snprintf(context->text, sizeof context->text, "same");
  } else if (same == got) {
    snprintf(context->text, sizeof context->text, "short %zu", got);
  } else {
    snprintf(context->text, sizeof context->text, "differs %" PRIu64, offset + same);
  }
}

/* check SLOT OFFSET SIZE SEED: "same", "short BYTES" or "differs OFFSET" */
static int verb_check(struct context *context, struct command *command) {
  size_t size = number(command->argument[2]), got = 0;
  uint64_t offset = number(command->argument[1]);
  unsigned char *data = malloc(size + 1);
  int error = data ? 0 : ENOMEM;
  while (!error && got < size) {
    ssize_t done = pread(slot_fd(command->argument[0]), data + got, size - got,
                         (off_t)(offset + got));
    if (done < 0) error = errno;
    if (done <= 0) break;
    got += (size_t)done;
  }
  if (!error) compare(context, data, got, size, offset, number(command->argument[3]));
  free(data);
  return error;
}

/* put SLOT OFFSET TEXT, get SLOT OFFSET SIZE: small contents as text */
static int verb_put(struct context *context, struct command *command) {
  size_t size = strlen(command->argument[2]);
  ssize_t done = pwrite(slot_fd(command->argument[0]), command->argument[2], size,
                        (off_t)number(command->argument[1]));
  snprintf(context->text, sizeof context->text, "%zd", done);
  return done < 0 ? errno : 0;
}

static int verb_get(struct context *context, struct command *command) {
  char data[1024];
  size_t size = number(command->argument[2]);
  if (size > sizeof data) return EINVAL;
  ssize_t done = pread(slot_fd(command->argument[0]), data, size,
                       (off_t)number(command->argument[1]));
  if (done < 0) return errno;
  encode_word(context->text, sizeof context->text, data, (size_t)done);
  return 0;
}

static int verb_truncate(struct context *context, struct command *command) {
  (void)context;
  return ftruncate(slot_fd(command->argument[0]), (off_t)number(command->argument[1])) ? errno : 0;
}

static int verb_fsync(struct context *context, struct command *command) {
  (void)context;
  return fsync(slot_fd(command->argument[0])) ? errno : 0;
}

/* mmap SLOT OFFSET SIZE SEED write|check: through a shared mapping, synced when written */
static int verb_mmap(struct context *context, struct command *command) {
  uint64_t offset = number(command->argument[1]), seed = number(command->argument[3]);
  size_t size = number(command->argument[2]), lead = offset % 4096;
  int writes = !strcmp(command->argument[4], "write");
  unsigned char *map = mmap(NULL, size + lead, writes ? PROT_READ | PROT_WRITE : PROT_READ,
                            MAP_SHARED, slot_fd(command->argument[0]), (off_t)(offset - lead));
  int error = 0;
  if (map == MAP_FAILED) return errno;
  if (writes) {
    pattern_fill(map + lead, size, offset, seed);
    if (msync(map, size + lead, MS_SYNC)) error = errno;
  } else {
    compare(context, map + lead, size, size, offset, seed);
  }
  munmap(map, size + lead);
  return error;
}

/* lock SLOT posix|ofd|flock r|w|u try|wait [OFFSET LENGTH] */
static int verb_lock(struct context *context, struct command *command) {
  const char *family = command->argument[1];
  char kind = command->argument[2][0];
  int waits = !strcmp(command->argument[3], "wait");
  int fd = slot_fd(command->argument[0]);
  (void)context;
  if (!strcmp(family, "flock")) {
    int how = kind == 'w' ? LOCK_EX : kind == 'r' ? LOCK_SH : LOCK_UN;
    return flock(fd, how | (waits ? 0 : LOCK_NB)) ? errno : 0;
  }
  if (command->count < 6) return EINVAL;
  int ofd = !strcmp(family, "ofd");
  struct flock lock = {.l_type = kind == 'w' ? F_WRLCK : kind == 'r' ? F_RDLCK : F_UNLCK,
                       .l_whence = SEEK_SET,
                       .l_start = (off_t)number(command->argument[4]),
                       .l_len = (off_t)number(command->argument[5])};
  int verb = ofd ? (waits ? F_OFD_SETLKW : F_OFD_SETLK) : (waits ? F_SETLKW : F_SETLK);
  return fcntl(fd, verb, &lock) ? errno : 0;
}

/* getlk SLOT posix|ofd r|w OFFSET LENGTH: "free", or "held r|w OFFSET LENGTH PID" */
static int verb_getlk(struct context *context, struct command *command) {
  struct flock lock = {.l_type = command->argument[2][0] == 'w' ? F_WRLCK : F_RDLCK,
                       .l_whence = SEEK_SET,
                       .l_start = (off_t)number(command->argument[3]),
                       .l_len = (off_t)number(command->argument[4])};
  int ofd = !strcmp(command->argument[1], "ofd");
  if (fcntl(slot_fd(command->argument[0]), ofd ? F_OFD_GETLK : F_GETLK, &lock)) return errno;
  if (lock.l_type == F_UNLCK) {
    snprintf(context->text, sizeof context->text, "free");
  } else {
    snprintf(context->text, sizeof context->text, "held %c %lld %lld %d",
             lock.l_type == F_WRLCK ? 'w' : 'r', (long long)lock.l_start, (long long)lock.l_len,
             (int)lock.l_pid);
  }
  return 0;
}

static void describe(struct context *context, const struct stat *info) {
  snprintf(context->text, sizeof context->text, "%lld %o %lu %lu %lld.%09ld",
           (long long)info->st_size, info->st_mode, (unsigned long)info->st_nlink,
           (unsigned long)info->st_ino, (long long)info->st_mtim.tv_sec, info->st_mtim.tv_nsec);
}

/* stat PATH, fstat SLOT: SIZE MODE LINKS INODE MTIME */
static int verb_stat(struct context *context, struct command *command) {
  struct stat info;
  if (lstat(command->argument[0], &info)) return errno;
  describe(context, &info);
  return 0;
}

static int verb_fstat(struct context *context, struct command *command) {
  struct stat info;
  if (fstat(slot_fd(command->argument[0]), &info)) return errno;
  describe(context, &info);
  return 0;
}

static int verb_unlink(struct context *context, struct command *command) {
  (void)context;
  return unlink(command->argument[0]) ? errno : 0;
}

static int verb_rename(struct context *context, struct command *command) {
  (void)context;
  return rename(command->argument[0], command->argument[1]) ? errno : 0;
}

static int verb_link(struct context *context, struct command *command) {
  (void)context;
  return link(command->argument[0], command->argument[1]) ? errno : 0;
}

static int verb_mkdir(struct context *context, struct command *command) {
  (void)context;
  return mkdir(command->argument[0], 0777) ? errno : 0;
}

static int verb_rmdir(struct context *context, struct command *command) {
  (void)context;
  return rmdir(command->argument[0]) ? errno : 0;
}

static int verb_resize(struct context *context, struct command *command) {
  (void)context;
  return truncate(command->argument[0], (off_t)number(command->argument[1])) ? errno : 0;
}

/* readdir PATH: COUNT NAME... (as many names as have room) */
static int verb_readdir(struct context *context, struct command *command) {
  DIR *directory = opendir(command->argument[0]);
  char names[2600];
  size_t used = 0;
  int count = 0;
  if (!directory) return errno;
  for (struct dirent *entry; (entry = readdir(directory));) {
    char word[800];
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    ++count;
    encode_word(word, sizeof word, entry->d_name, strlen(entry->d_name));
    if (used + strlen(word) + 2 < sizeof names) {
      used += (size_t)snprintf(names + used, sizeof names - used, " %s", word);
    }
  }
  names[used] = 0;
  closedir(directory);
  snprintf(context->text, sizeof context->text, "%d%s", count, names);
  return 0;
}

struct entry {
  const char *name;
  verb_function *function;
};

static const struct entry io_verbs[] = {
    {"write", verb_write}, {"check", verb_check},       {"put", verb_put},
    {"get", verb_get},     {"truncate", verb_truncate}, {"fsync", verb_fsync},
    {"mmap", verb_mmap},   {"lock", verb_lock},         {"getlk", verb_getlk},
    {"fstat", verb_fstat},
};
static const struct entry name_verbs[] = {
    {"stat", verb_stat},   {"unlink", verb_unlink}, {"rename", verb_rename},
    {"link", verb_link},   {"mkdir", verb_mkdir},   {"rmdir", verb_rmdir},
    {"resize", verb_resize}, {"readdir", verb_readdir},
};

static verb_function *find(const struct entry *table, size_t count, const char *name) {
  for (size_t i = 0; i < count; ++i) {
    if (!strcmp(table[i].name, name)) return table[i].function;
  }
  return NULL;
}

verb_function *find_io_verb(const char *name) {
  return find(io_verbs, sizeof io_verbs / sizeof *io_verbs, name);
}

verb_function *find_name_verb(const char *name) {
  return find(name_verbs, sizeof name_verbs / sizeof *name_verbs, name);
}
