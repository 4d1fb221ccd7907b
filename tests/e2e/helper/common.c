/* What agent and workers share. */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

static void decode_word(char *word) {
  char *out = word;
  for (; *word; ++word) {
    int high = word[0] == '%' ? hex_digit(word[1]) : -1;
    int low = high >= 0 ? hex_digit(word[2]) : -1;
    if (low >= 0) {
      *out++ = (char)(high * 16 + low);
      word += 2;
    } else {
      *out++ = *word;
    }
  }
  *out = 0;
}

int parse_command(char *line, struct command *command) {
  char *rest = line;
  char *word;
  memset(command, 0, sizeof *command);
  command->id = strsep(&rest, " ");
  command->target = rest ? strsep(&rest, " ") : NULL;
  command->verb = rest ? strsep(&rest, " ") : NULL;
  if (!command->verb) return 0;
  while (rest && command->count < WORDS_MAX) {
    word = strsep(&rest, " ");
    decode_word(word);
    command->argument[command->count++] = word;
  }
  return 1;
}

void encode_word(char *out, size_t room, const char *data, size_t size) {
  static const char digits[] = "0123456789ABCDEF";
  char *end = out + room - 4;
  for (size_t i = 0; i < size && out < end; ++i) {
    unsigned char c = (unsigned char)data[i];
    if (c > ' ' && c < 127 && c != '%') {
      *out++ = (char)c;
    } else {
      *out++ = '%';
      *out++ = digits[c >> 4];
      *out++ = digits[c & 15];
    }
  }
  *out = 0;
}

const char *errno_name(int error) {
  const char *name = strerrorname_np(error);
  return name ? name : "EUNKNOWN";
}

void write_all(int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t done = write(fd, data, size);
    if (done < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return;
    }
    data += done;
    size -= (size_t)done;
  }
}

/* The byte at each offset follows from the offset and the seed alone, eight bytes at a time
 * (splitmix64): what was written in pieces can be checked as a whole, and the runner's Python
 * makes the same bytes. */
void pattern_fill(unsigned char *data, size_t size, uint64_t offset, uint64_t seed) {
  for (size_t i = 0; i < size;) {
    uint64_t at = offset + i;
    uint64_t z = (at >> 3) + seed * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    for (unsigned b = at & 7; b < 8 && i < size; ++b, ++i) data[i] = (unsigned char)(z >> (8 * b));
  }
}
